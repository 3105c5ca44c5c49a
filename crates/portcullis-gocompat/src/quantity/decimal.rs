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

    /// The same number with the largest exponent that leaves the mantissa whole; 0 for 0.
    pub(super) fn trimmed(mut self) -> Decimal {
        if self.is_zero() {
            return Decimal::ZERO;
        }
        while self.mantissa % 10 == 0 && self.exponent < i32::MAX {
            self.mantissa /= 10;
            self.exponent += 1;
        }
        self
    }

    /// The number as an integer, if it is one and fits; `self` is trimmed.
    pub(super) fn whole(self) -> Option<i128> {
        if self.exponent < 0 { None } else { self.rescaled(0).ok().map(|number| number.mantissa) }
    }

    pub(super) fn checked_add(self, other: Decimal) -> Result<Decimal, Error> {
        if self.is_zero() || other.is_zero() {
            return Ok(if self.is_zero() { other } else { self });
        }
        let exponent = self.exponent.min(other.exponent);
        let (left, right) = (self.rescaled(exponent)?, other.rescaled(exponent)?);
        let mantissa = left.mantissa.checked_add(right.mantissa).ok_or(Error::OutOfRange)?;
        Ok(Decimal { mantissa, exponent })
    }

    pub(super) fn checked_mul(self, other: Decimal) -> Result<Decimal, Error> {
        let (left, right) = (self.trimmed(), other.trimmed());
        let mantissa = left.mantissa.checked_mul(right.mantissa).ok_or(Error::OutOfRange)?;
        let exponent = left.exponent.checked_add(right.exponent).ok_or(Error::OutOfRange)?;
        Ok(Decimal { mantissa, exponent })
    }

    /// The quotient, cut off behind `scale` decimals.
    pub(super) fn checked_div(self, divisor: Decimal, scale: i32) -> Result<Decimal, Error> {
        if divisor.is_zero() {
            return Err(Error::DivisionByZero);
        }
        let (number, divisor) = (self.trimmed(), divisor.trimmed());
        let last = scale.checked_neg().ok_or(Error::OutOfRange)?;
        let first = i64::from(number.exponent) - i64::from(divisor.exponent);
        // Division by hand: one digit of the quotient for each place between that of the mantissas and the last one
        // wanted. It ends early when nothing is left or the quotient is full.
        let mut quotient = number.mantissa / divisor.mantissa;
        let mut rest = number.mantissa % divisor.mantissa;
        let mut place = first;
        while place > i64::from(last) && rest != 0 {
            rest = rest.checked_mul(10).ok_or(Error::OutOfRange)?;
            let digit = rest / divisor.mantissa;
            quotient = quotient
                .checked_mul(10)
                .and_then(|shifted| shifted.checked_add(digit))
                .ok_or(Error::OutOfRange)?;
            rest %= divisor.mantissa;
            place -= 1;
        }
        if place < i64::from(last) {
            // The mantissas alone say more than is wanted. A power that does not fit is larger than any quotient.
            let power =
                u32::try_from(i64::from(last) - place).ok().and_then(|places| 10_i128.checked_pow(places));
            quotient = power.map_or(0, |power| quotient / power);
            place = i64::from(last);
        }
        let exponent = i32::try_from(place).map_err(|_| Error::OutOfRange)?;
        Ok(Decimal { mantissa: quotient, exponent })
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
