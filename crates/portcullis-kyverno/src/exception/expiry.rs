//! When an exception ends: the label that Kyverno deletes objects by.
//!
//! Kyverno's cleanup controller deletes what its label calls for within a minute. Where that does not run nobody does, and what
//! was meant for a day would let off for ever: so the exception itself ends.

use portcullis_gocompat::time::Time;
use portcullis_value::Value;

/// The label; what it says counts from the creation of the object where it is a duration.
pub(crate) const LABEL: &str = "cleanup.kyverno.io/ttl";

/// Nanoseconds of the units that a duration may have.
const UNITS: [(&[&str], f64); 8] = [
    (&["ns", "nano", "nanos", "nanosecond", "nanoseconds"], 1.0),
    (&["us", "µs", "micro", "micros", "microsecond", "microseconds"], 1e3),
    (&["ms", "milli", "millis", "millisecond", "milliseconds"], 1e6),
    (&["s", "sec", "secs", "second", "seconds"], 1e9),
    (&["m", "min", "mins", "minute", "minutes"], 60e9),
    (&["h", "hr", "hrs", "hour", "hours"], 3_600e9),
    (&["d", "day", "days"], 86_400e9),
    (&["w", "wk", "week", "weeks"], 604_800e9),
];

/// What the label says.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Written {
    /// Nanoseconds from the creation.
    After(f64),
    /// Nanoseconds since 1970.
    At(i128),
}

/// What `document` says of its end: nothing, or that it cannot be read.
pub(crate) fn is_unreadable(document: Value<'_>) -> bool {
    label(document).is_some_and(|text| read(text).is_none())
}

/// When `document` ends, in nanoseconds since 1970. `None` where it does not, or cannot be told: nobody has created what lies in
/// a file, and what cannot be read says nothing, as in the reference.
pub(super) fn of(document: Value<'_>) -> Option<i128> {
    match read(label(document)?)? {
        Written::At(instant) => Some(instant),
        Written::After(nanoseconds) => {
            let created = document.path(&["metadata", "creationTimestamp"])?.as_str()?;
            let created = Time::parse_rfc3339(created).ok()?.instant();
            #[expect(
                clippy::cast_possible_truncation,
                reason = "what is longer than there is time ends never"
            )]
            let after = nanoseconds as i128;
            Some(created.saturating_add(after))
        }
    }
}

fn label<'a>(document: Value<'a>) -> Option<&'a str> {
    document.path(&["metadata", "labels", LABEL])?.as_str()
}

fn read(text: &str) -> Option<Written> {
    if let Some(nanoseconds) = duration(text) {
        return Some(Written::After(nanoseconds));
    }
    // A label holds no colons.
    let time = ["2006-01-02T150405Z", "2006-01-02"].iter().find_map(|layout| Time::parse(layout, text).ok());
    time.map(|time| Written::At(time.instant()))
}

/// Numbers with units, one after the other: `1h30m`, `2d`, `1.5h`; or `0`.
fn duration(text: &str) -> Option<f64> {
    let (sign, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(0.0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut sum = 0.0;
    while !rest.is_empty() {
        let end = rest.find(|character: char| !character.is_ascii_digit() && character != '.')?;
        let (number, after) = rest.split_at_checked(end)?;
        let end = after.find(|character: char| character.is_ascii_digit() || character == '.');
        let (unit, after) = after.split_at_checked(end.unwrap_or(after.len()))?;
        let (_, nanoseconds) = UNITS.iter().find(|(names, _)| names.contains(&unit))?;
        sum += number.parse::<f64>().ok()? * nanoseconds;
        rest = after;
    }
    Some(sign * sum)
}

#[cfg(test)]
mod tests {
    use portcullis_value::Arena;

    use super::*;

    /// When an exception with this label ends that was created at midnight, in seconds from then.
    fn ends(label: &str, created: &str) -> Option<i128> {
        let arena = Arena::new();
        let text =
            format!("{{metadata: {{labels: {{{LABEL}: '{label}'}}, creationTimestamp: '{created}'}}}}");
        let document = portcullis_yaml::read(&arena, &text).unwrap();
        let midnight = Time::parse_rfc3339("2026-01-01T00:00:00Z").unwrap().instant();
        of(document).map(|end| (end - midnight) / 1_000_000_000)
    }

    #[test]
    fn it_ends_so_long_after_it_was_created_or_at_a_time() {
        let created = "2026-01-01T00:00:00Z";
        for (label, want) in [
            ("1h30m", 5_400),
            ("90s", 90),
            ("1.5h", 5_400),
            ("2d", 172_800),
            ("1w", 604_800),
            ("2weeks", 1_209_600),
            ("1hr5min", 3_900),
            ("0", 0),
            ("-1m", -60),
            ("2026-01-01T000130Z", 90),
            ("2026-01-02", 86_400),
        ] {
            assert_eq!(ends(label, created), Some(want), "{label}");
        }
        for label in ["", "1", "h", "1x", "1H", "1..h", ".h", "tomorrow", "2026-13-01"] {
            assert_eq!(ends(label, created), None, "{label}");
        }
        // What is not in a cluster was not created; a time needs no creation.
        assert_eq!((ends("1h", ""), ends("2026-01-02", "")), (None, Some(86_400)));
        assert!(ends("99999999999999999999999999999999999999999999w", created).is_some_and(|end| end > 0));
    }
}
