//! Durations as Go's `time.Duration`.

use std::fmt;

use crate::fmt::quote_ascii;

/// A span of time in nanoseconds, negative ones included: about 292 years each way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Duration(pub i64);

/// What `time.ParseDuration` says of a text that is no duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("time: invalid duration {}", quote_ascii(.0.as_bytes()))]
    Invalid(Box<str>),
    #[error("time: missing unit in duration {}", quote_ascii(.0.as_bytes()))]
    MissingUnit(Box<str>),
    #[error("time: unknown unit {} in duration {}", quote_ascii(.unit.as_bytes()), quote_ascii(.text.as_bytes()))]
    UnknownUnit { unit: Box<str>, text: Box<str> },
}

/// The magnitude of the smallest duration.
const LIMIT: u64 = 1 << 63;

impl Duration {
    pub const NANOSECOND: Duration = Duration(1);
    pub const MICROSECOND: Duration = Duration(1_000);
    pub const MILLISECOND: Duration = Duration(1_000_000);
    pub const SECOND: Duration = Duration(1_000_000_000);
    pub const MINUTE: Duration = Duration(60 * Duration::SECOND.0);
    pub const HOUR: Duration = Duration(60 * Duration::MINUTE.0);

    /// As [`Duration::parse`], for those who need no reason where the text is none.
    pub fn read(text: &str) -> Option<Duration> {
        let begins_as_one = matches!(text.as_bytes().first(), Some(b'0'..=b'9' | b'+' | b'-' | b'.'));
        if begins_as_one { Self::parse(text).ok() } else { None }
    }

    /// Reads what Go's `time.ParseDuration` reads: `300ms`, `1h30m`, `-1.5h`, `0`.
    ///
    /// The units are ns, us (or µs), ms, s, m and h; there is no day. A number without a unit is refused unless it is 0.
    pub fn parse(text: &str) -> Result<Duration, Error> {
        let (negative, mut rest) = match text.as_bytes().first() {
            Some(sign @ (b'-' | b'+')) => (*sign == b'-', text.get(1..).unwrap_or_default()),
            _ => (false, text),
        };
        if rest == "0" {
            return Ok(Duration(0));
        }
        let invalid = || Error::Invalid(text.into());
        if rest.is_empty() {
            return Err(invalid());
        }
        let mut total: u64 = 0;
        while !rest.is_empty() {
            let (whole, after_whole) = leading_integer(rest).ok_or_else(invalid)?;
            let (fraction, scale, after_number) = match after_whole.strip_prefix('.') {
                Some(digits) => leading_fraction(digits),
                None => (0, 1.0, after_whole),
            };
            let digits = rest.len() - after_number.len() - usize::from(after_whole.starts_with('.'));
            if digits == 0 {
                return Err(invalid());
            }
            let unit_end = after_number
                .find(|letter: char| letter == '.' || letter.is_ascii_digit())
                .unwrap_or(after_number.len());
            let (unit, tail) = after_number.split_at_checked(unit_end).unwrap_or_default();
            if unit.is_empty() {
                return Err(Error::MissingUnit(text.into()));
            }
            let nanoseconds = unit_in_nanoseconds(unit)
                .ok_or_else(|| Error::UnknownUnit { unit: unit.into(), text: text.into() })?;
            let mut part =
                whole.checked_mul(nanoseconds).filter(|part| *part <= LIMIT).ok_or_else(invalid)?;
            if fraction > 0 {
                // In floats, so that the result is the reference's to the nanosecond.
                let parts = fraction as f64 * (nanoseconds as f64 / scale);
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "whole nanoseconds, below one hour"
                )]
                let parts = parts as u64;
                part = part.checked_add(parts).filter(|part| *part <= LIMIT).ok_or_else(invalid)?;
            }
            total = total.checked_add(part).filter(|total| *total <= LIMIT).ok_or_else(invalid)?;
            rest = tail;
        }
        let nanoseconds =
            if negative { 0_i64.checked_sub_unsigned(total) } else { i64::try_from(total).ok() };
        nanoseconds.map(Duration).ok_or_else(invalid)
    }

    /// The duration of `seconds`, its fraction of a nanosecond dropped; `None` if it is too long, or no number.
    pub fn checked_from_seconds(seconds: f64) -> Option<Duration> {
        let nanoseconds = seconds * Duration::SECOND.0 as f64;
        // 2^63 is a double, 2^63 - 1 is none.
        let limit = LIMIT as f64;
        #[expect(
            clippy::cast_possible_truncation,
            reason = "within the limits; the fraction is to be dropped"
        )]
        (-limit..limit).contains(&nanoseconds).then_some(Duration(nanoseconds as i64))
    }

    /// The duration in seconds, as `time.Duration.Seconds`.
    pub fn seconds(self) -> f64 {
        let (whole, rest) = (self.0 / Duration::SECOND.0, self.0 % Duration::SECOND.0);
        whole as f64 + rest as f64 / 1e9
    }

    pub fn checked_add(self, other: Duration) -> Option<Duration> {
        self.0.checked_add(other.0).map(Duration)
    }

    pub fn checked_sub(self, other: Duration) -> Option<Duration> {
        self.0.checked_sub(other.0).map(Duration)
    }

    pub fn saturating_add(self, other: Duration) -> Duration {
        Duration(self.0.saturating_add(other.0))
    }

    pub fn saturating_sub(self, other: Duration) -> Duration {
        Duration(self.0.saturating_sub(other.0))
    }

    pub fn saturating_mul(self, factor: i64) -> Duration {
        Duration(self.0.saturating_mul(factor))
    }

    /// The remainder of a division that drops the fraction; the sign is that of `self`. `None` for a divisor of 0.
    pub fn checked_rem(self, divisor: Duration) -> Option<Duration> {
        // The one overflow, i64::MIN % -1, is 0.
        (divisor.0 != 0).then(|| Duration(self.0.wrapping_rem(divisor.0)))
    }
}

fn unit_in_nanoseconds(unit: &str) -> Option<u64> {
    Some(match unit {
        "ns" => 1,
        // U+00B5 is the micro sign, U+03BC the Greek letter.
        "us" | "\u{b5}s" | "\u{3bc}s" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    })
}

/// The digits at the start as a number of at most 2^63, and what follows.
fn leading_integer(text: &str) -> Option<(u64, &str)> {
    let mut value: u64 = 0;
    for (index, byte) in text.bytes().enumerate() {
        if !byte.is_ascii_digit() {
            return Some((value, text.get(index..)?));
        }
        value = value.checked_mul(10)?.checked_add(u64::from(byte - b'0')).filter(|value| *value <= LIMIT)?;
    }
    Some((value, ""))
}

/// The digits at the start as a fraction: numerator, denominator, what follows. Digits beyond 63 bits are dropped.
fn leading_fraction(text: &str) -> (u64, f64, &str) {
    let (mut value, mut scale, mut full) = (0_u64, 1.0, false);
    for (index, byte) in text.bytes().enumerate() {
        if !byte.is_ascii_digit() {
            return (value, scale, text.get(index..).unwrap_or_default());
        }
        if full || value > (LIMIT - 1) / 10 {
            full = true;
            continue;
        }
        let next = value * 10 + u64::from(byte - b'0');
        if next > LIMIT {
            full = true;
            continue;
        }
        value = next;
        scale *= 10.0;
    }
    (value, scale, "")
}

/// Prints as Go's `Duration.String`: `1h30m0s`, `1.5s`, `300ms`, `0s`.
impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total = self.0.unsigned_abs();
        if self.0 < 0 {
            f.write_str("-")?;
        }
        match total {
            0 => f.write_str("0s"),
            1..1_000 => write!(f, "{total}ns"),
            1_000..1_000_000 => write_decimal(f, total, 1_000, 3, "µs"),
            1_000_000..1_000_000_000 => write_decimal(f, total, 1_000_000, 6, "ms"),
            _ => {
                let (minutes, below) = (total / 60_000_000_000, total % 60_000_000_000);
                match minutes {
                    0 => {}
                    1..60 => write!(f, "{minutes}m")?,
                    _ => write!(f, "{}h{}m", minutes / 60, minutes % 60)?,
                }
                write_decimal(f, below, 1_000_000_000, 9, "s")
            }
        }
    }
}

/// Writes `total / unit` without trailing zeros. `digits` is the number of zeros of `unit`.
fn write_decimal(
    f: &mut fmt::Formatter<'_>,
    total: u64,
    unit: u64,
    digits: usize,
    name: &str,
) -> fmt::Result {
    let (whole, mut fraction, mut width) = (total / unit, total % unit, digits);
    if fraction == 0 {
        return write!(f, "{whole}{name}");
    }
    while fraction % 10 == 0 {
        fraction /= 10;
        width -= 1;
    }
    write!(f, "{whole}.{fraction:0width$}{name}")
}

impl std::str::FromStr for Duration {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Duration::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(text: &str, want: &str) {
        let got = Duration::parse(text).map_or_else(|error| error.to_string(), |value| value.to_string());
        assert_eq!(got, want, "`{text}`");
    }

    #[test]
    fn durations_read_and_print_as_in_go() {
        check("300ms", "300ms");
        check("1h30m", "1h30m0s");
        check("-1.5h", "-1h30m0s");
        check("+5s", "5s");
        check("0", "0s");
        check("-0", "0s");
        check(".5s", "500ms");
        check("1.s", "1s");
        check("1m1h", "1h1m0s");
        check("100us", "100µs");
        check("1.5µs", "1.5µs");
        check("1.5μs", "1.5µs");
        check("1.123456789123456789s", "1.123456789s");
        check("0.100000000000000000000h", "6m0s");
        check("9223372036854775807ns", "2562047h47m16.854775807s");
        check("-9223372036854775808ns", "-2562047h47m16.854775808s");
        check("0.3333333333333333333h", "20m0s");
    }

    #[test]
    fn refusals_are_worded_as_in_go() {
        check("", "time: invalid duration \"\"");
        check("-", "time: invalid duration \"-\"");
        check("x", "time: invalid duration \"x\"");
        check(".", "time: invalid duration \".\"");
        check(".s", "time: invalid duration \".s\"");
        check(" 5s", "time: invalid duration \" 5s\"");
        check("5", "time: missing unit in duration \"5\"");
        check("5s5", "time: missing unit in duration \"5s5\"");
        check("1d", "time: unknown unit \"d\" in duration \"1d\"");
        check("1h 2m", "time: unknown unit \"h \" in duration \"1h 2m\"");
        check("1é", r#"time: unknown unit "\xc3\xa9" in duration "1\xc3\xa9""#);
        check("2562048h", "time: invalid duration \"2562048h\"");
        check("9223372036854775808ns", "time: invalid duration \"9223372036854775808ns\"");
        check("99999999999999999999s", "time: invalid duration \"99999999999999999999s\"");
    }

    #[test]
    fn arithmetic_never_wraps() {
        let (most, second) = (Duration(i64::MAX), Duration::SECOND);
        assert_eq!(most.checked_add(second), None);
        assert_eq!(most.saturating_add(second), most);
        assert_eq!(Duration(i64::MIN).checked_rem(Duration(-1)), Some(Duration(0)));
        assert_eq!(second.checked_rem(Duration(0)), None);
        assert_eq!(Duration::checked_from_seconds(1e300), None);
        assert_eq!(Duration::checked_from_seconds(f64::NAN), None);
        assert_eq!(Duration::checked_from_seconds(1.5), Some(Duration(1_500_000_000)));
        assert_eq!(Duration::checked_from_seconds(-9_223_372_036.854_776), Some(Duration(i64::MIN)));
        assert_eq!(Duration(-1_500_000_000).seconds(), -1.5);
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back(nanoseconds: i64) {
            let duration = Duration(nanoseconds);
            prop_assert_eq!(Duration::parse(&duration.to_string()), Ok(duration));
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".{0,30}") {
            prop_assert_eq!(Duration::read(&text), Duration::parse(&text).ok());
        }

        #[test]
        fn number_soup_is_read_or_refused(text in "[-+]?([0-9]{0,25}[.]?[0-9]{0,25}(ns|us|ms|s|m|h|d)?){0,4}") {
            prop_assert_eq!(Duration::read(&text), Duration::parse(&text).ok());
            if let Ok(duration) = Duration::parse(&text) {
                prop_assert_eq!(Duration::parse(&duration.to_string()), Ok(duration));
            }
        }
    }
}
