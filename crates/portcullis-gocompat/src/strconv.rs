//! Numbers in text, as Go's `strconv` reads and writes them.

mod float;

pub(crate) use float::write_float;
pub use float::{FloatBits, FloatFormat, format_float, parse_float};

use crate::fmt::quote;

/// What `strconv` says of a text that is no integer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("strconv.{function}: parsing {}: {}", quote(.text), .reason.text())]
pub struct NumError {
    /// The function of `strconv` that was called.
    function: &'static str,
    text: Box<str>,
    reason: Reason,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reason {
    Syntax,
    Range,
}

impl Reason {
    fn text(self) -> &'static str {
        match self {
            Reason::Syntax => "invalid syntax",
            Reason::Range => "value out of range",
        }
    }
}

/// The integer that base-10 `text` is: an optional sign and digits, within 64 bits.
pub fn parse_int(text: &str) -> Option<i64> {
    text.parse().ok()
}

/// [`parse_int`] with the error of `strconv.Atoi`.
pub fn atoi(text: &str) -> Result<i64, NumError> {
    integer("Atoi", text)
}

/// [`parse_int`] with the error of `strconv.ParseInt`.
pub fn parse_int64(text: &str) -> Result<i64, NumError> {
    integer("ParseInt", text)
}

fn integer(function: &'static str, text: &str) -> Result<i64, NumError> {
    use std::num::IntErrorKind::{NegOverflow, PosOverflow};
    text.parse().map_err(|error: std::num::ParseIntError| {
        let overflow = matches!(error.kind(), PosOverflow | NegOverflow)
            // The parser stops at the digit that overflows; a letter after it is the graver fault.
            && text.trim_start_matches(['+', '-']).bytes().all(|byte| byte.is_ascii_digit());
        let reason = if overflow { Reason::Range } else { Reason::Syntax };
        NumError { function, text: text.into(), reason }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_take_a_sign_and_nothing_else() {
        for (text, want) in [("80", Some(80)), ("+7", Some(7)), ("-7", Some(-7)), ("007", Some(7))] {
            assert_eq!(parse_int(text), want);
        }
        for text in ["", "-", "1_000", "1.0", " 5", "0x10", "1e3", "9223372036854775808"] {
            assert_eq!(parse_int(text), None, "`{text}`");
        }
    }

    #[test]
    fn refusals_name_the_function() {
        assert_eq!(atoi("-").unwrap_err().to_string(), r#"strconv.Atoi: parsing "-": invalid syntax"#);
        assert_eq!(
            parse_int64("9223372036854775808").unwrap_err().to_string(),
            r#"strconv.ParseInt: parsing "9223372036854775808": value out of range"#
        );
        assert_eq!(
            parse_int64("99999999999999999999x").unwrap_err().to_string(),
            r#"strconv.ParseInt: parsing "99999999999999999999x": invalid syntax"#
        );
    }
}
