//! Kubernetes quantities: `500m`, `1.5Gi`, `1e3`.

mod arithmetic;
mod decimal;
mod parse;
mod print;

use std::cmp::Ordering;

use decimal::Decimal;

/// An amount of a resource, as `k8s.io/apimachinery/pkg/api/resource` reads it.
///
/// Equality and order are by numeric value: `1Gi` equals `1024Mi` and `500m` equals `0.5`.
#[derive(Clone, Copy, Debug)]
pub struct Quantity {
    value: Decimal,
    format: Format,
    /// The decimals that the reference keeps the amount with: they decide how a quotient is rounded.
    ///
    /// INVARIANT: `value` is a multiple of `10^-scale`.
    scale: i32,
}

/// How a quantity was written and is written again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Powers of ten by letter: `500m`, `10M`.
    DecimalSi,
    /// Powers of 1024: `1Gi`.
    BinarySi,
    /// Powers of ten by number: `1e3`.
    DecimalExponent,
}

/// Why a text is no quantity, or an operation gives none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'")]
    Format,
    #[error("unable to parse quantity's suffix")]
    Suffix,
    #[error("unable to parse numeric part of quantity")]
    Numeric,
    /// More than 38 significant digits, or an exponent of more than 31 bits. The reference goes on; it can be made to
    /// compute for hours.
    #[error("quantity is out of range")]
    OutOfRange,
    #[error("division by zero")]
    DivisionByZero,
    /// A remainder is taken of whole numbers only.
    #[error("quantity is not a whole number")]
    NotWhole,
}

impl Quantity {
    /// Reads `text` as Kubernetes' `resource.ParseQuantity` does.
    ///
    /// Digits may be missing before a suffix (`m` is 0), what is finer than 1n is rounded away from 0, and with a binary
    /// suffix what is above 2^63-1 becomes 2^63-1.
    pub fn parse(text: &str) -> Result<Quantity, Error> {
        parse::parse(text)
    }

    /// As [`Quantity::parse`], for those who need no reason where the text is none. Most are seen to be none at once.
    pub fn read(text: &str) -> Option<Quantity> {
        let may_be_one = match text.as_bytes().first()? {
            b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E' => true,
            // A suffix alone.
            b'n' | b'u' | b'm' | b'k' | b'K' | b'M' | b'G' | b'T' | b'P' => text.len() <= 2,
            _ => false,
        };
        if may_be_one { Self::parse(text).ok() } else { None }
    }

    /// How the quantity was written.
    pub fn format(self) -> Format {
        self.format
    }

    /// The amount as a whole number, rounded up as Go's `Value` does; `None` beyond 64 bits.
    pub fn to_i64(self) -> Option<i64> {
        let Decimal { mantissa, exponent } = self.value;
        let power = 10_i128.checked_pow(exponent.unsigned_abs());
        let whole = match (power, exponent) {
            (Some(power), 0..) => mantissa.checked_mul(power)?,
            (Some(power), _) => mantissa.div_euclid(power) + i128::from(mantissa.rem_euclid(power) != 0),
            // Finer than any digit that the mantissa can hold.
            (None, ..0) => i128::from(mantissa > 0),
            (None, _) => return (mantissa == 0).then_some(0),
        };
        i64::try_from(whole).ok()
    }

    pub fn is_zero(self) -> bool {
        self.value.is_zero()
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> Ordering {
        self.value.cmp(&other.value)
    }
}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Quantity {}

impl From<i64> for Quantity {
    /// A whole number, written without a suffix.
    fn from(value: i64) -> Self {
        let value = Decimal { mantissa: i128::from(value), exponent: 0 };
        Self { value, format: Format::DecimalSi, scale: 0 }
    }
}

impl std::str::FromStr for Quantity {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Quantity::parse(text)
    }
}

#[cfg(test)]
mod tests;
