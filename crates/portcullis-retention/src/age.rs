//! Spans of time as retention writes and shows them.

/// Reads whole numbers with their units, the largest first, `90s`, `15m`, `7d` or `2d10h`, and gives the seconds.
///
/// # Errors
/// It is none, told as what to write instead.
pub fn parse_age(text: &str) -> Result<i64, String> {
    let expected = || "write a whole number and a unit, as `90s`, `15m`, `24h`, `7d` or `2d10h`".to_owned();
    let (mut seconds, mut rest, mut before) = (0, text, i64::MAX);
    loop {
        let part = Part::read(rest).map_err(|wrong| wrong.unwrap_or_else(expected))?;
        if part.unit >= before {
            return Err(expected());
        }
        seconds += part.number * part.unit;
        if part.rest.is_empty() {
            return Ok(seconds);
        }
        (rest, before) = (part.rest, part.unit);
    }
}

/// Reads a whole number with one unit, as the API server takes it in an object.
pub(crate) fn parse_plain_age(text: &str) -> Result<i64, String> {
    let expected = || "write a whole number and a unit, as `90s`, `15m`, `24h` or `7d`".to_owned();
    let part = Part::read(text).map_err(|wrong| wrong.unwrap_or_else(expected))?;
    if part.rest.is_empty() { Ok(part.number * part.unit) } else { Err(expected()) }
}

/// A number and its unit, and what follows.
struct Part<'t> {
    number: i64,
    /// In seconds.
    unit: i64,
    rest: &'t str,
}

impl<'t> Part<'t> {
    /// Reads what stands at the beginning of `text`. Of what is wrong nothing is said where it has not the form.
    fn read(text: &'t str) -> Result<Self, Option<String>> {
        let end = text.find(|letter: char| !letter.is_ascii_digit()).ok_or(None)?;
        let (digits, rest) = text.split_at(end);
        let units = [('s', 1), ('m', 60), ('h', 3_600), ('d', 86_400)];
        let unit = units.into_iter().find_map(|(letter, unit)| Some((rest.strip_prefix(letter)?, unit)));
        let (rest, unit) = unit.filter(|_| !digits.is_empty()).ok_or(None)?;
        let number: Option<u32> = digits.parse().ok();
        let too_long = || Some(format!("this is too long, {} of a unit is the most", u32::MAX));
        Ok(Self { number: number.ok_or_else(too_long)?.into(), unit, rest })
    }
}

/// A span in seconds as people say it: `45s`, `12m`, `23h`, `85d`, with the smaller unit where it still tells something.
pub fn format_age(seconds: i64) -> String {
    let units = [(86_400, "d", 3_600, "h", 8), (3_600, "h", 60, "m", 8), (60, "m", 1, "s", 10)];
    for (length, name, smaller, smaller_name, fine_below) in units {
        if seconds >= length {
            let (whole, rest) = (seconds / length, seconds % length / smaller);
            let is_fine = whole < fine_below && rest > 0;
            return if is_fine {
                format!("{whole}{name}{rest}{smaller_name}")
            } else {
                format!("{whole}{name}")
            };
        }
    }
    format!("{seconds}s")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_numbers_with_their_units_the_largest_first() {
        let read = |text| parse_age(text).ok();
        assert_eq!(["90s", "15m", "24h", "7d", "0s"].map(read), [90, 900, 86_400, 604_800, 0].map(Some));
        assert_eq!(["2d10h", "1h30m", "1d1s"].map(read), [208_800, 5_400, 86_401].map(Some));
        let wrong = ["", "7", "d", "-1d", "1.5h", "7 d", "1é", "1h1d", "1h1h", "1h1", "1h "];
        assert_eq!(wrong.map(read), [None; 11]);
        let long = "this is too long, 4294967295 of a unit is the most";
        assert_eq!(["9999999999d", "1d9999999999h"].map(|text| parse_age(text).unwrap_err()), [long; 2]);
        assert_eq!(["7d", "2d10h", "d"].map(|text| parse_plain_age(text).ok()), [Some(604_800), None, None]);
    }

    #[test]
    fn small_numbers_of_a_unit_are_told_with_the_next_one() {
        let ages = [0, 59, 61, 600, 3_660, 8 * 3_600 + 60, 86_400, 90_000, 85 * 86_400 + 3_600];
        assert_eq!(ages.map(format_age), ["0s", "59s", "1m1s", "10m", "1h1m", "8h", "1d", "1d1h", "85d"]);
    }
}
