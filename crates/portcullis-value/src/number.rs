//! Numbers as Go's decoder keeps them and Go's encoder prints them.

use std::cmp::Ordering;
use std::fmt;

/// A JSON number: an integer of 64 bits, signed or not, or a double.
///
/// Compared by value across the three forms. Printed as Go's `encoding/json` prints it.
#[derive(Clone, Copy, Debug)]
pub enum Number {
    Int(i64),
    // INVARIANT: greater than i64::MAX.
    Uint(u64),
    Float(f64),
}

impl Number {
    /// The nearest double.
    pub fn as_f64(self) -> f64 {
        match self {
            Number::Int(value) => value as f64,
            Number::Uint(value) => value as f64,
            Number::Float(value) => value,
        }
    }

    /// The integer of equal value, if there is one within 64 bits signed.
    pub fn to_i64(self) -> Option<i64> {
        match self {
            Number::Int(value) => Some(value),
            Number::Uint(_) => None,
            Number::Float(value) => float_to_i64(value),
        }
    }

    /// Whether it was written as an integer.
    pub fn is_integer(self) -> bool {
        !matches!(self, Number::Float(_))
    }
}

/// The integer equal to `value`, if there is one that fits.
fn float_to_i64(value: f64) -> Option<i64> {
    // 2^63 is a double, i64::MAX is not: the upper bound is exclusive.
    let fits = (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&value);
    #[expect(clippy::cast_possible_truncation, reason = "integral and in range")]
    (fits && value.trunc() == value).then_some(value as i64)
}

fn compare_int_float(int: i128, float: f64) -> Option<Ordering> {
    if float.is_nan() {
        return None;
    }
    // Beyond this every double is larger in magnitude than any 64-bit integer.
    if float.abs() >= 1e20 {
        return Some(if float > 0.0 { Ordering::Less } else { Ordering::Greater });
    }
    let floor = float.floor();
    #[expect(clippy::cast_possible_truncation, reason = "below 1e20 in magnitude")]
    let whole = floor as i128;
    Some(int.cmp(&whole).then(if float > floor { Ordering::Less } else { Ordering::Equal }))
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        let integer = |number: &Number| match *number {
            Number::Int(value) => Some(i128::from(value)),
            Number::Uint(value) => Some(i128::from(value)),
            Number::Float(_) => None,
        };
        match (integer(self), integer(other)) {
            (Some(a), Some(b)) => Some(a.cmp(&b)),
            (Some(a), None) => compare_int_float(a, other.as_f64()),
            (None, Some(b)) => compare_int_float(b, self.as_f64()).map(Ordering::reverse),
            (None, None) => self.as_f64().partial_cmp(&other.as_f64()),
        }
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.partial_cmp(other) == Some(Ordering::Equal)
    }
}

impl From<i64> for Number {
    fn from(value: i64) -> Self {
        Number::Int(value)
    }
}

impl From<u64> for Number {
    fn from(value: u64) -> Self {
        i64::try_from(value).map_or(Number::Uint(value), Number::Int)
    }
}

impl From<f64> for Number {
    fn from(value: f64) -> Self {
        Number::Float(value)
    }
}

/// Go's `encoding/json`: shortest digits, an exponent below 1e-6 and from 1e21 on. What JSON cannot hold is `null`.
impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Number::Int(value) => write!(f, "{value}"),
            Number::Uint(value) => write!(f, "{value}"),
            Number::Float(value) if !value.is_finite() => f.write_str("null"),
            // Whole numbers have no exponent within the limits, and no fraction to round.
            Number::Float(value) if value.fract() == 0.0 && value.abs() < 1e21 => write!(f, "{value}"),
            Number::Float(value) if (1e-6..1e21).contains(&value.abs()) => {
                let shortest = value.to_string();
                let places = shortest.split_once('.').map_or(0, |(_, fraction)| fraction.len());
                f.write_str(&nearer(value, shortest, format!("{value:.places$}")))
            }
            Number::Float(value) => {
                let shortest = format!("{value:e}");
                let digits = shortest.split_once('e').map_or("", |(digits, _)| digits);
                let places = digits.split_once('.').map_or(0, |(_, fraction)| fraction.len());
                let text = nearer(value, shortest, format!("{value:.places$e}"));
                match text.split_once('e') {
                    Some((digits, exponent)) if !exponent.starts_with('-') => {
                        write!(f, "{digits}e+{exponent}")
                    }
                    _ => f.write_str(&text),
                }
            }
        }
    }
}

/// `rounded`, which is the text of that length nearest to `value`, if it reads as `value`; otherwise `shortest`.
///
/// They differ where `value` lies halfway between two texts: Go takes the even last digit, Rust the one farther from 0.
fn nearer(value: f64, shortest: String, rounded: String) -> String {
    if rounded.parse() == Ok(value) { rounded } else { shortest }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_print_as_go_prints_them() {
        for (value, text) in [
            (1.0, "1"),
            (1.5, "1.5"),
            (1e6, "1000000"),
            (1e20, "100000000000000000000"),
            (1e21, "1e+21"),
            (1.5e-7, "1.5e-7"),
            (1e-6, "0.000001"),
            (-0.0, "-0"),
            (1.2345678901234568e29, "1.2345678901234568e+29"),
            (3_310_676_648_770_385.0 / 4.0, "827669162192596.2"),
            (-3_310_676_648_770_387.0 / 4.0, "-827669162192596.8"),
            (1.0 / 33_554_432.0, "2.9802322387695312e-8"),
            (9_007_199_254_740_993.0, "9007199254740992"),
            (5e-324, "5e-324"),
            (f64::MAX, "1.7976931348623157e+308"),
        ] {
            assert_eq!(Number::Float(value).to_string(), text);
        }
    }

    #[test]
    fn numbers_compare_by_value_without_losing_digits() {
        assert_eq!(Number::Int(1), Number::Float(1.0));
        assert_ne!(Number::Int(9_007_199_254_740_993), Number::Float(9_007_199_254_740_992.0));
        assert!(Number::Uint(u64::MAX) < Number::Float(1e20));
        assert!(Number::Int(i64::MIN) > Number::Float(-1e20));
        assert!(Number::Int(-1) > Number::Float(-1.5));
        assert_eq!(Number::Float(f64::NAN).partial_cmp(&Number::Int(1)), None);
    }
}
