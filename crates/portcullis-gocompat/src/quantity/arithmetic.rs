//! Sums, products and quotients of quantities. All are exact but quotients, and none wraps.

use super::decimal::Decimal;
use super::{Error, Format, Quantity};
use crate::math::power_of_ten;

impl Quantity {
    /// The sum, in the format of `self`, or of `other` if `self` is 0.
    pub fn checked_add(self, other: Quantity) -> Result<Quantity, Error> {
        let format = if self.is_zero() { other.format } else { self.format };
        new(self.value.checked_add(other.value)?, format, self.scale.max(other.scale))
    }

    /// The difference, in the format of `self`, or of `other` if `self` is 0.
    pub fn checked_sub(self, other: Quantity) -> Result<Quantity, Error> {
        self.checked_add(Quantity { value: other.value.negated(), ..other })
    }

    /// The product, in the format of `self`.
    pub fn checked_mul(self, factor: Quantity) -> Result<Quantity, Error> {
        let scale = self.scale.checked_add(factor.scale).ok_or(Error::OutOfRange)?;
        new(self.value.checked_mul(factor.value)?, self.format, scale)
    }

    /// The quotient, in the format of `self`, cut off at the finer of both scales: the decimals that the operands were
    /// written with, or nine for those of a fraction or of more than 18 digits.
    pub fn checked_div(self, divisor: Quantity) -> Result<Quantity, Error> {
        let scale = self.scale.max(divisor.scale);
        new(self.value.checked_div(divisor.value, scale)?, self.format, scale)
    }

    /// The remainder of whole numbers, with the sign and in the format of `self`.
    pub fn checked_rem(self, divisor: Quantity) -> Result<Quantity, Error> {
        let (number, divisor) = (self.whole()?, divisor.whole()?);
        if divisor == 0 {
            return Err(Error::DivisionByZero);
        }
        // The one overflow, of -2^127 and -1, is 0.
        let value = Decimal { mantissa: number.wrapping_rem(divisor), exponent: 0 };
        new(value, self.format, 0)
    }

    /// How often `divisor` is contained in `self`: the quotient of [`Self::approximate`] values.
    pub fn ratio(self, divisor: Quantity) -> Result<f64, Error> {
        let divisor = divisor.approximate();
        if divisor == 0.0 { Err(Error::DivisionByZero) } else { Ok(self.approximate() / divisor) }
    }

    /// The amount as a double, as `Quantity.AsApproximateFloat64`: rounded once for the digits and once for the power
    /// of ten that the reference holds it with.
    pub fn approximate(self) -> f64 {
        let exponent = i64::from(self.value.exponent) + i64::from(self.scale);
        // Rust reads every number of this form, and rounds it correctly.
        let digits: f64 = format!("{}e{exponent}", self.value.mantissa).parse().unwrap_or(f64::NAN);
        if self.scale == 0 { digits } else { digits * power_of_ten(self.scale.saturating_neg()) }
    }

    fn whole(self) -> Result<i128, Error> {
        let value = self.value.trimmed();
        if value.exponent < 0 { Err(Error::NotWhole) } else { value.whole().ok_or(Error::OutOfRange) }
    }
}

/// A result. One with a binary suffix has to be printed digit by digit, so its digits must fit.
fn new(value: Decimal, format: Format, scale: i32) -> Result<Quantity, Error> {
    let value = value.trimmed();
    if format == Format::BinarySi && value.exponent > 0 && value.whole().is_none() {
        return Err(Error::OutOfRange);
    }
    Ok(Quantity { value, format, scale })
}
