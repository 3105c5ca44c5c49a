//! Exact decimal numbers of up to 38 digits.

use std::cmp::Ordering;

use super::Error;
use super::parse::NANO;

/// `mantissa * 10^exponent`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Decimal {
    pub(super) mantissa: i128,
    pub(super) exponent: i32,
}

impl Decimal {
    pub(super) const ZERO: Decimal = Decimal { mantissa: 0, exponent: 0 };

    pub(super) const ONE: Decimal = Decimal { mantissa: 1, exponent: 0 };

    pub(super) fn is_zero(self) -> bool {
        self.mantissa == 0
    }

    /// `-self`. The parser makes no mantissa of -2^127, and no sum or product keeps one.
    pub(super) fn negated(self) -> Decimal {
        Decimal { mantissa: self.mantissa.saturating_neg(), ..self }
    }

    /// The same number with a smaller exponent.
    pub(super) fn rescaled(self, exponent: i32) -> Result<Decimal, Error> {
        if self.is_zero() {
            return Ok(Decimal { exponent, ..self });
        }
        let mantissa = u32::try_from(i64::from(self.exponent) - i64::from(exponent))
            .ok()
            .and_then(|zeros| 10_i128.checked_pow(zeros))
            .and_then(|power| self.mantissa.checked_mul(power))
            .ok_or(Error::OutOfRange)?;
        Ok(Decimal { mantissa, exponent })
    }

    /// The number 1n above this multiple of 1n.
    pub(super) fn next_nano(self) -> Result<Decimal, Error> {
        let fine = self.rescaled(NANO)?;
        let mantissa = fine.mantissa.checked_add(1).ok_or(Error::OutOfRange)?;
        Ok(Decimal { mantissa, ..fine })
    }

    /// The multiple of 1n at or above this number, which is not negative.
    pub(super) fn round_up_to_nano(self) -> Decimal {
        if self.exponent >= NANO {
            return self;
        }
        // A power that does not fit is larger than any mantissa.
        let power = 10_i128.checked_pow(self.exponent.abs_diff(NANO)).unwrap_or(i128::MAX);
        let rest = i128::from(self.mantissa % power != 0);
        Decimal { mantissa: self.mantissa / power + rest, exponent: NANO }
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        let sign = self.mantissa.signum();
        if self.exponent == other.exponent || sign != other.mantissa.signum() || sign == 0 {
            return self.mantissa.cmp(&other.mantissa);
        }
        let order = compare_magnitudes(*self, *other);
        if sign < 0 { order.reverse() } else { order }
    }
}

/// Orders two numbers, neither of them 0, by their distance from 0.
fn compare_magnitudes(a: Decimal, b: Decimal) -> Ordering {
    let (a_digits, b_digits) = (a.mantissa.unsigned_abs(), b.mantissa.unsigned_abs());
    let magnitude = |digits: u128, exponent: i32| i64::from(digits.ilog10()) + i64::from(exponent);
    magnitude(a_digits, a.exponent).cmp(&magnitude(b_digits, b.exponent)).then_with(|| {
        // With the leading digits on the same place the exponents differ by less than 39, and the one of the higher
        // exponent has room for as many zeros, or is larger than any mantissa.
        let shift = a.exponent.abs_diff(b.exponent);
        let widen = |digits: u128| 10_u128.checked_pow(shift).and_then(|power| digits.checked_mul(power));
        if a.exponent > b.exponent {
            widen(a_digits).map_or(Ordering::Greater, |digits| digits.cmp(&b_digits))
        } else {
            widen(b_digits).map_or(Ordering::Less, |digits| a_digits.cmp(&digits))
        }
    })
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Decimal {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Decimal {}
