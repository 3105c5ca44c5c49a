//! Floats in text.

use std::fmt::{self, LowerExp, Write};
use std::str::FromStr;

/// A verb of `strconv.FormatFloat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FloatFormat {
    /// `e`: `1.5e+00`.
    Exponent,
    /// `E`: `1.5E+00`.
    UpperExponent,
    /// `f`: `1.5`, never an exponent.
    Fixed,
    /// `g`: an exponent below 1e-4 and from the precision on (1e21 is the limit of JSON, not of this).
    General,
}

/// The size of the float whose digits are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FloatBits {
    Single,
    Double,
}

/// No double has more digits than this behind the point or before it.
const MOST_DIGITS: usize = 1100;

/// The text of `value` as `strconv.FormatFloat` writes it.
///
/// `precision` counts the digits behind the point (for `General` all digits); `None` takes the fewest digits that read
/// back as the same float of `bits`.
pub fn format_float(value: f64, format: FloatFormat, precision: Option<usize>, bits: FloatBits) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = match bits {
        FloatBits::Double => write_float(&mut text, value, format, precision),
        #[expect(clippy::cast_possible_truncation, reason = "rounded to single precision on purpose")]
        FloatBits::Single if precision.is_none() => {
            let single = value as f32;
            let digits = Digits::of(&shortest(single.abs()));
            write_digits(&mut text, single.is_sign_negative(), f64::from(single), &digits, format, None)
        }
        #[expect(clippy::cast_possible_truncation, reason = "rounded to single precision on purpose")]
        FloatBits::Single => write_float(&mut text, f64::from(value as f32), format, precision),
    };
    text
}

/// [`format_float`] of a double, into `out`.
pub(crate) fn write_float(
    out: &mut impl Write,
    value: f64,
    format: FloatFormat,
    precision: Option<usize>,
) -> fmt::Result {
    let (magnitude, precision) = (value.abs(), precision.map(|digits| digits.min(MOST_DIGITS)));
    if let (true, FloatFormat::Fixed, Some(precision)) = (value.is_finite(), format, precision) {
        let sign = if value.is_sign_negative() { "-" } else { "" };
        return write!(out, "{sign}{magnitude:.precision$}");
    }
    let scientific = match precision {
        None => shortest(magnitude),
        Some(digits) if format == FloatFormat::General => {
            format!("{magnitude:.*e}", digits.saturating_sub(1))
        }
        Some(digits) => format!("{magnitude:.digits$e}"),
    };
    write_digits(out, value.is_sign_negative(), value, &Digits::of(&scientific), format, precision)
}

/// The fewest digits that read as `value`, like `1.25e-7`. Of two such texts Go takes the nearer one, and that with the
/// even last digit if there is none; Rust takes the larger one then.
fn shortest<F: LowerExp + FromStr + PartialEq + Copy>(value: F) -> String {
    let shortest = format!("{value:e}");
    let digits = shortest.bytes().take_while(|byte| *byte != b'e').filter(u8::is_ascii_digit).count();
    let nearest = format!("{value:.*e}", digits.saturating_sub(1));
    if nearest.parse().is_ok_and(|read: F| read == value) { nearest } else { shortest }
}

/// The decimal digits of a float and the power of ten of the first.
struct Digits {
    digits: String,
    exponent: i32,
}

impl Digits {
    /// Reads what Rust's `{:e}` writes: `1.25e-7`.
    fn of(scientific: &str) -> Digits {
        let (digits, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
        Digits { digits: digits.replace('.', ""), exponent: exponent.parse().unwrap_or_default() }
    }
}

fn write_digits(
    out: &mut impl Write,
    negative: bool,
    value: f64,
    number: &Digits,
    format: FloatFormat,
    precision: Option<usize>,
) -> fmt::Result {
    if value.is_nan() {
        return out.write_str("NaN");
    }
    if value.is_infinite() {
        return out.write_str(if negative { "-Inf" } else { "+Inf" });
    }
    if negative {
        out.write_char('-')?;
    }
    let exponent = number.exponent;
    match format {
        FloatFormat::Exponent => write_exponent(out, &number.digits, exponent, 'e'),
        FloatFormat::UpperExponent => write_exponent(out, &number.digits, exponent, 'E'),
        FloatFormat::Fixed => write_fixed(out, &number.digits, exponent),
        FloatFormat::General => {
            let digits = match precision {
                // With a precision, zeros at the end are not shown.
                Some(_) => match number.digits.trim_end_matches('0') {
                    "" => "0",
                    digits => digits,
                },
                None => &number.digits,
            };
            let count = i32::try_from(digits.len()).unwrap_or(i32::MAX);
            let limit = match precision.map(|precision| i32::try_from(precision.max(1)).unwrap_or(i32::MAX)) {
                None => 6,
                Some(precision) if precision > count && count > exponent => count,
                Some(precision) => precision,
            };
            if exponent < -4 || exponent >= limit {
                write_exponent(out, digits, exponent, 'e')
            } else {
                write_fixed(out, digits, exponent)
            }
        }
    }
}

fn write_exponent(out: &mut impl Write, digits: &str, exponent: i32, letter: char) -> fmt::Result {
    let (first, rest) = digits.split_at_checked(1).unwrap_or((digits, ""));
    let point = if rest.is_empty() { "" } else { "." };
    let sign = if exponent < 0 { '-' } else { '+' };
    write!(out, "{first}{point}{rest}{letter}{sign}{:02}", exponent.unsigned_abs())
}

fn write_fixed(out: &mut impl Write, digits: &str, exponent: i32) -> fmt::Result {
    let Ok(whole) = usize::try_from(exponent) else {
        let zeros = usize::try_from(exponent.unsigned_abs()).unwrap_or_default().saturating_sub(1);
        return write!(out, "0.{:0<zeros$}{digits}", "");
    };
    match digits.split_at_checked(whole + 1) {
        Some((whole, "")) => out.write_str(whole),
        Some((whole, fraction)) => write!(out, "{whole}.{fraction}"),
        None => write!(out, "{digits:0<width$}", width = whole + 1),
    }
}

/// The float that `text` is by Go's `strconv.ParseFloat`.
///
/// Decimal (`.5`, `5.`, `1e3`) or hexadecimal with a `p` exponent (`0x1p4`), infinities and NaN in any case, `_`
/// between digits. What is too large is refused; what is too small is 0.
pub fn parse_float(text: &str) -> Option<f64> {
    let (negative, unsigned) = match text.as_bytes().first()? {
        b'-' => (true, text.get(1..)?),
        b'+' => (false, text.get(1..)?),
        _ => (false, text),
    };
    if unsigned.eq_ignore_ascii_case("inf") || unsigned.eq_ignore_ascii_case("infinity") {
        return Some(if negative { f64::NEG_INFINITY } else { f64::INFINITY });
    }
    if text.eq_ignore_ascii_case("nan") {
        return Some(f64::NAN);
    }
    let digits;
    let plain = if unsigned.contains('_') {
        if !underscores_between_digits(unsigned) {
            return None;
        }
        digits = unsigned.replace('_', "");
        digits.as_str()
    } else {
        unsigned
    };
    let magnitude = match plain.strip_prefix("0x").or_else(|| plain.strip_prefix("0X")) {
        Some(hex) => parse_hex(hex)?,
        // Rust reads the decimal forms alike but knows its own names and a second sign.
        None if plain.starts_with(|first: char| first == '.' || first.is_ascii_digit()) => {
            plain.parse().ok()?
        }
        None => return None,
    };
    magnitude.is_finite().then_some(if negative { -magnitude } else { magnitude })
}

/// Whether each `_` has a digit (or the prefix `0x`) before it and a digit after it.
fn underscores_between_digits(text: &str) -> bool {
    let hex = text.get(..2).is_some_and(|prefix| prefix.eq_ignore_ascii_case("0x"));
    let prefixed = text
        .get(..2)
        .is_some_and(|prefix| ["0x", "0b", "0o"].iter().any(|known| prefix.eq_ignore_ascii_case(known)));
    let mut last = if prefixed { '0' } else { '^' };
    for letter in text.chars().skip(if prefixed { 2 } else { 0 }) {
        if letter.is_ascii_digit() || hex && letter.is_ascii_hexdigit() {
            last = '0';
        } else if letter == '_' {
            if last != '0' {
                return false;
            }
            last = '_';
        } else {
            if last == '_' {
                return false;
            }
            last = '!';
        }
    }
    last != '_'
}

/// Reads `1.8p3` after the prefix, rounding to even as IEEE 754 asks.
fn parse_hex(text: &str) -> Option<f64> {
    let (mantissa, exponent) = text.split_once(['p', 'P'])?;
    if !exponent.strip_prefix(['+', '-']).unwrap_or(exponent).bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let exponent_digits = exponent.trim_start_matches(['+', '-']);
    if exponent_digits.is_empty() {
        return None;
    }
    // Beyond any float either way: the sign alone decides.
    let mut exponent = exponent
        .parse::<i64>()
        .unwrap_or(if exponent.starts_with('-') { i64::MIN / 4 } else { i64::MAX / 4 })
        .clamp(i64::MIN / 4, i64::MAX / 4);
    let (mut bits, mut seen, mut point) = (0_u64, false, false);
    for byte in mantissa.bytes() {
        if byte == b'.' && !point {
            point = true;
            continue;
        }
        let digit = u64::from(char::from(byte).to_digit(16)?);
        seen = true;
        if bits >> 58 == 0 {
            bits = bits << 4 | digit;
            exponent -= if point { 4 } else { 0 };
        } else {
            // What does not fit only says that the rest is not zero.
            bits |= u64::from(digit != 0);
            exponent += if point { 0 } else { 4 };
        }
    }
    seen.then(|| scale_by_power_of_two(bits, exponent))
}

/// `bits * 2^exponent`, rounded once to the nearest float, ties to even; the lowest bit may stand for "and more".
fn scale_by_power_of_two(bits: u64, exponent: i64) -> f64 {
    if bits == 0 {
        return 0.0;
    }
    // Bring the leading bit to 63, then say how many bits the result has room for: 53, fewer among subnormals.
    let shift = bits.leading_zeros();
    let (bits, exponent) = (bits << shift, exponent - i64::from(shift));
    let top = exponent + 63;
    if top > 1023 {
        return f64::INFINITY;
    }
    let room = (top + 1075).min(53);
    if room < 0 {
        return 0.0;
    }
    let drop = u32::try_from(64 - room).unwrap_or(64);
    let wide = u128::from(bits);
    let (kept, lost, half) = (wide >> drop, wide & ((1 << drop) - 1), 1_u128 << (drop - 1));
    let rounded = kept + u128::from(lost > half || lost == half && kept & 1 == 1);
    // At most 2^53: exact. Two factors, because 2^-1074 is the smallest power there is.
    let lowest = exponent + i64::from(drop);
    let power = |exponent: i64| 2_f64.powi(i32::try_from(exponent).unwrap_or_default());
    rounded as f64 * power(lowest / 2) * power(lowest - lowest / 2)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use FloatFormat::{Exponent, Fixed, General, UpperExponent};

    #[track_caller]
    fn check(value: f64, format: FloatFormat, precision: Option<usize>, want: &str) {
        assert_eq!(format_float(value, format, precision, FloatBits::Double), want);
    }

    #[test]
    fn floats_print_as_in_go() {
        check(80.0, UpperExponent, None, "8E+01");
        check(1.5, UpperExponent, None, "1.5E+00");
        check(1.5, UpperExponent, Some(2), "1.50E+00");
        check(1.5, Fixed, Some(6), "1.500000");
        check(0.000_000_1, Fixed, Some(6), "0.000000");
        check(-1e21, Fixed, None, "-1000000000000000000000");
        check(0.001_5, Fixed, None, "0.0015");
        check(1e6, General, None, "1e+06");
        check(999_999.0, General, None, "999999");
        check(12_345_678.0, General, None, "1.2345678e+07");
        check(0.0001, General, None, "0.0001");
        check(0.000_01, General, None, "1e-05");
        check(100.0, General, Some(3), "100");
        check(100.0, General, Some(2), "1e+02");
        check(0.1, General, Some(17), "0.10000000000000001");
        check(0.0, Exponent, None, "0e+00");
        check(-0.0, General, None, "-0");
        check(0.0, General, Some(3), "0");
        check(1e100, Exponent, None, "1e+100");
        check(3_310_676_648_770_385.0 / 4.0, Fixed, None, "827669162192596.2");
        check(3_310_676_648_770_387.0 / 4.0, Exponent, None, "8.276691621925968e+14");
        check(f64::NAN, General, None, "NaN");
        check(f64::INFINITY, Fixed, Some(2), "+Inf");
        check(f64::NEG_INFINITY, Exponent, None, "-Inf");
    }

    #[test]
    fn single_precision_rounds_first() {
        let single = |value| format_float(value, Fixed, None, FloatBits::Single);
        assert_eq!(single(123_456_789.0), "123456790");
        assert_eq!(single(16_777_217.0), "16777216");
        assert_eq!(single(1.5), "1.5");
        assert_eq!(single(8_388_609.0 / 4.0), "2097152.2");
        assert_eq!(single(1e21), "1000000000000000000000");
        assert_eq!(single(1e300), "+Inf");
    }

    #[test]
    fn floats_are_read_as_in_go() {
        for (text, want) in [
            (".5", 0.5),
            ("5.", 5.0),
            ("+7", 7.0),
            ("1e3", 1000.0),
            ("1E+3", 1000.0),
            ("1_000", 1000.0),
            ("0x1p4", 16.0),
            ("0x1p-2", 0.25),
            ("0X.8P1", 1.0),
            ("0x_1p4", 16.0),
            ("0x1_0p0", 16.0),
            ("-0x1p0", -1.0),
            ("0x1.fffffffffffff8p0", 2.0),
            ("0x1.fffffffffffff4p0", 1.999_999_999_999_999_8),
            ("0x1p-1074", 5e-324),
            ("0x1p-1075", 0.0),
            ("0x1.8p-1075", 5e-324),
            ("0x1.fffffffffffffp1023", f64::MAX),
            ("0x0p99999999999999999999", 0.0),
            ("0x1p-99999999999999999999", 0.0),
            ("1e-400", 0.0),
            ("inf", f64::INFINITY),
            ("-Infinity", f64::NEG_INFINITY),
        ] {
            assert_eq!(parse_float(text), Some(want), "`{text}`");
        }
        assert!(parse_float("NaN").unwrap().is_nan());
    }

    #[test]
    fn other_texts_are_no_floats() {
        for text in [
            "",
            "+",
            "-",
            ".",
            "e5",
            "1e",
            "1e+",
            "0x10",
            "0x",
            "0xp1",
            "0x1p",
            "0x1p+",
            "1__0",
            "_1",
            "1_",
            "1_.5",
            "1._5",
            "1e_5",
            " 5",
            "5 ",
            "1e400",
            "-1e400",
            "0x1p1024",
            "+nan",
            "-nan",
            "infin",
            "--5",
            "+-5",
            "1.2.3",
            "0x1.2.3p0",
            "1f",
            "é",
        ] {
            assert_eq!(parse_float(text), None, "`{text}`");
        }
    }

    proptest! {
        #[test]
        fn the_shortest_text_reads_back(value: f64) {
            for format in [Exponent, UpperExponent, Fixed, General] {
                let text = format_float(value, format, None, FloatBits::Double);
                prop_assert_eq!(parse_float(&text).map(f64::to_bits), Some(value.to_bits()), "{}", text);
            }
        }

        #[test]
        fn hexadecimal_text_reads_back(mantissa in 0_u64..1 << 53, exponent in -1100_i32..900) {
            let want = mantissa as f64 * 2_f64.powi(exponent / 2) * 2_f64.powi(exponent - exponent / 2);
            // A product of two roundings is right only where the first one is exact.
            prop_assume!(want >= f64::MIN_POSITIVE || mantissa == 0);
            prop_assert_eq!(parse_float(&format!("{mantissa:#x}p{exponent}")), Some(want));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[-+0-9a-fxXpP_.naif]{0,20}") {
            let _ = parse_float(&text);
        }
    }
}
