//! Spans of time as retention writes and shows them.

/// Reads a whole number with one unit, `90s`, `15m`, `24h` or `7d`, and gives the seconds.
///
/// # Errors
/// The text is no such span; the message says what is.
pub fn parse_age(text: &str) -> Result<i64, String> {
    let expected = || "write a whole number and a unit, as `90s`, `15m`, `24h` or `7d`".to_owned();
    let unit = text.chars().next_back().ok_or_else(expected)?;
    let factor = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return Err(expected()),
    };
    let digits = text.strip_suffix(unit).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
    let number: u32 = digits.and_then(|digits| digits.parse().ok()).ok_or_else(expected)?;
    Ok(i64::from(number) * factor)
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
    fn an_age_is_a_number_and_one_unit() {
        let read = |text| parse_age(text).ok();
        assert_eq!(["90s", "15m", "24h", "7d", "0s"].map(read), [90, 900, 86_400, 604_800, 0].map(Some));
        assert_eq!(["", "7", "d", "-1d", "1.5h", "1h30m", "7 d", "9999999999d", "1é"].map(read), [None; 9]);
    }

    #[test]
    fn small_numbers_of_a_unit_are_told_with_the_next_one() {
        let ages = [0, 59, 61, 600, 3_660, 8 * 3_600 + 60, 86_400, 90_000, 85 * 86_400 + 3_600];
        assert_eq!(ages.map(format_age), ["0s", "59s", "1m1s", "10m", "1h1m", "8h", "1d", "1d1h", "85d"]);
    }
}
