//! Printing quantities in the canonical form.

use std::fmt;

use super::decimal::Decimal;
use super::{Format, Quantity};

const DECIMAL_SUFFIXES: [&str; 10] = ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"];
const BINARY_SUFFIXES: [&str; 7] = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];

/// The canonical form of `resource.Quantity.String`: a whole number with the largest suffix that leaves it whole.
///
/// A binary quantity of less than 1Ki, or with a fraction, is printed as a decimal one.
impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.value.trimmed();
        match self.format {
            Format::BinarySi => match value.whole() {
                Some(whole) if whole.unsigned_abs() >= 1024 => write_binary(f, whole),
                _ => write_decimal(f, value, Format::DecimalSi),
            },
            format => write_decimal(f, value, format),
        }
    }
}

fn write_binary(f: &mut fmt::Formatter<'_>, whole: i128) -> fmt::Result {
    let (mut number, mut power) = (whole, 0);
    while number % 1024 == 0 {
        number /= 1024;
        power += 1;
    }
    // COMPAT(kyverno): what is divisible by 1024Ei loses its power, as there is no suffix for it.
    write!(f, "{number}{}", BINARY_SUFFIXES.get(power).unwrap_or(&""))
}

/// Writes `value`, whose mantissa ends in no zero, with an exponent that is a multiple of three.
fn write_decimal(f: &mut fmt::Formatter<'_>, value: Decimal, format: Format) -> fmt::Result {
    if value.is_zero() {
        return f.write_str("0");
    }
    let zeros = value.exponent.rem_euclid(3);
    let exponent = value.exponent - zeros;
    write!(f, "{}", value.mantissa)?;
    for _ in 0..zeros {
        f.write_str("0")?;
    }
    match format {
        Format::DecimalExponent if exponent == 0 => Ok(()),
        Format::DecimalExponent => write!(f, "e{exponent}"),
        Format::DecimalSi | Format::BinarySi => {
            // COMPAT(kyverno): what is divisible by 1000E, or finer than 1n, loses its exponent, as there is no suffix
            // for it.
            let suffix = usize::try_from(exponent / 3 + 3).ok().and_then(|index| DECIMAL_SUFFIXES.get(index));
            f.write_str(suffix.unwrap_or(&""))
        }
    }
}
