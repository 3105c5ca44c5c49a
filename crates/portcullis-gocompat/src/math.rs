//! Powers as Go's `math` computes them: its last bit decides how a rounded number reads.

/// `10^exponent` as `math.Pow10`: 0 below 1e-323, infinity above 1e308.
pub fn power_of_ten(exponent: i32) -> f64 {
    match exponent {
        309.. => f64::INFINITY,
        ..-323 => 0.0,
        _ => {
            // Go has tables of the powers below 1e32 and of those by steps of 32, and puts the two together.
            let (magnitude, negative) = (exponent.unsigned_abs(), exponent < 0);
            let (step, rest) = (magnitude / 32 * 32, magnitude % 32);
            if negative {
                literal('-', step) / literal('+', rest)
            } else {
                literal('+', step) * literal('+', rest)
            }
        }
    }
}

/// The double nearest to `1e` with that exponent, as a compiler reads it.
fn literal(sign: char, exponent: u32) -> f64 {
    format!("1e{sign}{exponent}").parse().unwrap_or(f64::NAN)
}

/// `10^exponent` for a whole exponent that is not negative, as `math.Pow`: by squaring, each step rounded.
pub fn power_by_squaring(exponent: f64) -> f64 {
    // Far beyond the largest double; Go stops at the same place.
    const TOO_LARGE: i32 = 1 << 12;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast clamps")]
    let mut left = exponent as u64;
    // 10 is 0.625 * 2^4.
    let (mut square, mut square_exponent) = (0.625_f64, 4_i32);
    let (mut mantissa, mut binary_exponent) = (1.0_f64, 0_i32);
    while left != 0 {
        if square_exponent > TOO_LARGE {
            return f64::INFINITY;
        }
        if left & 1 == 1 {
            mantissa *= square;
            binary_exponent += square_exponent;
        }
        square *= square;
        square_exponent *= 2;
        if square < 0.5 {
            square *= 2.0;
            square_exponent -= 1;
        }
        left >>= 1;
    }
    // In two steps, because 2^1024 alone is too large.
    let half = binary_exponent / 2;
    mantissa * 2_f64.powi(half) * 2_f64.powi(binary_exponent - half)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_of_ten_have_the_last_bit_of_go() {
        for (exponent, want) in [(0, 1.0), (-3, 0.001), (22, 1e22), (308, 1e308), (-323, 1e-323)] {
            assert_eq!(power_of_ten(exponent), want);
        }
        assert_eq!(power_of_ten(309), f64::INFINITY);
        assert_eq!(power_of_ten(-324), 0.0);
        assert_eq!(power_of_ten(i32::MIN), 0.0);
    }

    #[test]
    fn powers_by_squaring_have_the_last_bit_of_go() {
        assert_eq!(power_by_squaring(0.0), 1.0);
        assert_eq!(power_by_squaring(22.0), 1e22);
        assert_eq!(power_by_squaring(309.0), f64::INFINITY);
        assert_eq!(power_by_squaring(1e300), f64::INFINITY);
    }
}
