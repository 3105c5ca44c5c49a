//! Reading quantities.

use super::decimal::Decimal;
use super::{Error, Format, Quantity};

/// The finest power of ten that a quantity keeps: 1n.
pub(super) const NANO: i32 = -9;

/// The decimal digits that always fit an `i64`.
const I64_DIGITS: usize = 18;

/// What a binary suffix multiplies to at most.
const MOST_BINARY: Decimal = Decimal { mantissa: i64::MAX as i128, exponent: 0 };

struct Suffix {
    format: Format,
    /// The power of ten, or of two for [`Format::BinarySi`].
    exponent: i32,
}

pub(super) fn parse(text: &str) -> Result<Quantity, Error> {
    if text.is_empty() {
        return Err(Error::Format);
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let negative = text.starts_with('-');
    let (whole, rest) = split_digits(unsigned);
    let (fraction, suffix) = rest.strip_prefix('.').map_or(("", rest), split_digits);
    let suffix = parse_suffix(suffix)?;

    let significant = whole.trim_start_matches('0');
    let whole_digits = significant.len().max(1);
    let small = match suffix.format {
        Format::BinarySi => {
            // 2^10 is worth three digits.
            let room = 14 - i64::from(suffix.exponent) * 3 / 10;
            fraction.is_empty() && i64::try_from(whole_digits).is_ok_and(|digits| digits <= room)
        }
        Format::DecimalSi | Format::DecimalExponent => {
            let finest = i64::from(suffix.exponent) - i64::try_from(fraction.len()).unwrap_or(i64::MAX);
            whole_digits + fraction.len() <= I64_DIGITS && finest >= i64::from(NANO)
        }
    };
    if !small && whole.is_empty() && fraction.is_empty() {
        return Err(Error::Numeric);
    }
    let magnitude = match suffix.format {
        Format::BinarySi => binary(significant, fraction, suffix.exponent)?,
        Format::DecimalSi | Format::DecimalExponent => decimal(significant, fraction, suffix.exponent)?,
    };
    let below_one = suffix.format == Format::BinarySi && !magnitude.is_zero() && magnitude < Decimal::ONE;
    let scale = match suffix.format {
        _ if !small && !magnitude.is_zero() => {
            if suffix.format == Format::BinarySi && magnitude == MOST_BINARY { 0 } else { -NANO }
        }
        Format::BinarySi => i32::try_from(fraction.len()).map_err(|_| Error::OutOfRange)?,
        Format::DecimalSi | Format::DecimalExponent => i32::try_from(fraction.len())
            .ok()
            .and_then(|digits| digits.checked_sub(suffix.exponent))
            .ok_or(Error::OutOfRange)?,
    };
    Ok(Quantity {
        value: if negative { magnitude.negated() } else { magnitude },
        format: if below_one { Format::DecimalSi } else { suffix.format },
        scale,
    })
}

/// Splits off the digits at the start.
fn split_digits(text: &str) -> (&str, &str) {
    let end = text.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

fn parse_suffix(text: &str) -> Result<Suffix, Error> {
    let letters = text.trim_start_matches(['e', 'E', 'i', 'n', 'u', 'm', 'k', 'K', 'M', 'G', 'T', 'P']);
    let (_, after_digits) = split_digits(letters.strip_prefix(['+', '-']).unwrap_or(letters));
    if !after_digits.is_empty() {
        return Err(Error::Format);
    }
    let (format, exponent) = match text {
        "n" => (Format::DecimalSi, -9),
        "u" => (Format::DecimalSi, -6),
        "m" => (Format::DecimalSi, -3),
        "" => (Format::DecimalSi, 0),
        "k" => (Format::DecimalSi, 3),
        "M" => (Format::DecimalSi, 6),
        "G" => (Format::DecimalSi, 9),
        "T" => (Format::DecimalSi, 12),
        "P" => (Format::DecimalSi, 15),
        "E" => (Format::DecimalSi, 18),
        "Ki" => (Format::BinarySi, 10),
        "Mi" => (Format::BinarySi, 20),
        "Gi" => (Format::BinarySi, 30),
        "Ti" => (Format::BinarySi, 40),
        "Pi" => (Format::BinarySi, 50),
        "Ei" => (Format::BinarySi, 60),
        _ => (Format::DecimalExponent, parse_exponent(text)?),
    };
    Ok(Suffix { format, exponent })
}

fn parse_exponent(text: &str) -> Result<i32, Error> {
    use std::num::IntErrorKind::{NegOverflow, PosOverflow};
    let digits = text.strip_prefix(['e', 'E']).ok_or(Error::Suffix)?;
    digits.parse().map_err(|error: std::num::ParseIntError| match error.kind() {
        PosOverflow | NegOverflow => Error::OutOfRange,
        _ => Error::Suffix,
    })
}

/// Adds decimal digits to a mantissa, holding zeros back until another digit needs them.
#[derive(Clone, Default)]
struct Digits {
    mantissa: i128,
    held_zeros: u32,
}

impl Digits {
    fn push(&mut self, digit: u8) -> Result<(), Error> {
        if digit == b'0' {
            self.held_zeros = self.held_zeros.saturating_add(1);
            return Ok(());
        }
        let value = i128::from(digit.saturating_sub(b'0'));
        self.mantissa = if self.mantissa == 0 {
            value
        } else {
            let power = 10_i128.checked_pow(self.held_zeros + 1).ok_or(Error::OutOfRange)?;
            let shifted = self.mantissa.checked_mul(power).ok_or(Error::OutOfRange)?;
            shifted.checked_add(value).ok_or(Error::OutOfRange)?
        };
        self.held_zeros = 0;
        Ok(())
    }

    /// The number, when the last digit pushed stood on the place `exponent`.
    fn finish(self, exponent: i64) -> Result<Decimal, Error> {
        if self.mantissa == 0 {
            return Ok(Decimal::ZERO);
        }
        let exponent = exponent + i64::from(self.held_zeros);
        let exponent = i32::try_from(exponent).map_err(|_| Error::OutOfRange)?;
        Ok(Decimal { mantissa: self.mantissa, exponent })
    }

    /// The number with the last `places` digits behind the point, times `2^exponent`.
    fn times_power_of_two(self, places: usize, exponent: i32) -> Result<Decimal, Error> {
        let places = i64::try_from(places).map_err(|_| Error::OutOfRange)?;
        let number = self.finish(-places)?;
        let mantissa = number.mantissa.checked_mul(1 << exponent).ok_or(Error::OutOfRange)?;
        Ok(Decimal { mantissa, ..number })
    }
}

/// `whole.fraction * 10^exponent`, rounded up to 1n.
fn decimal(whole: &str, fraction: &str, exponent: i32) -> Result<Decimal, Error> {
    let count = whole.len() + fraction.len();
    let places = |digits: usize| i64::try_from(digits).map_err(|_| Error::OutOfRange);
    // The digits that stand on the place of 1n or higher.
    let wanted = places(whole.len())? + i64::from(exponent) - i64::from(NANO);
    let kept = count.min(usize::try_from(wanted).unwrap_or(0));
    let mut digits = Digits::default();
    let mut all = whole.bytes().chain(fraction.bytes());
    for digit in all.by_ref().take(kept) {
        digits.push(digit)?;
    }
    let value = digits.finish(places(whole.len())? - places(kept)? + i64::from(exponent))?;
    if all.all(|digit| digit == b'0') { Ok(value) } else { value.next_nano() }
}

/// `whole.fraction * 2^exponent`, rounded up to 1n and capped.
fn binary(whole: &str, fraction: &str, exponent: i32) -> Result<Decimal, Error> {
    let mut digits = Digits::default();
    // Of the digits before the point 20 are enough to reach the cap.
    for digit in whole.bytes().take(20) {
        digits.push(digit)?;
    }
    if digits.clone().times_power_of_two(0, exponent)? >= MOST_BINARY {
        return Ok(MOST_BINARY);
    }
    for digit in fraction.bytes() {
        digits.push(digit)?;
    }
    let value = digits.times_power_of_two(fraction.len(), exponent)?.round_up_to_nano();
    Ok(value.min(MOST_BINARY))
}
