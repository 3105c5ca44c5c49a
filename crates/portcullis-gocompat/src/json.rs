//! What Go's `encoding/json` says of text that is no JSON.

use crate::fmt::quote_char;

/// Lists and maps may lie this deep in each other.
const MAX_DEPTH: usize = 10_000;

/// Where in the text the scanner is, by what may follow.
#[derive(Clone, Copy)]
enum At {
    Value,
    /// A value, or the end of a list that has begun.
    FirstItem,
    Key,
    /// A key, or the end of a map that has begun.
    FirstKey,
    Colon,
    /// Behind a value.
    End,
}

/// What Go says of `text`; `None` where it is one JSON document whose numbers are doubles.
pub fn error(text: &str) -> Option<String> {
    let mut scanner = Scanner { text, bytes: text.as_bytes(), at: 0, open: Vec::new(), too_large: None };
    let too_large =
        |number: &str| format!("json: cannot unmarshal number {number} into Go value of type float64");
    scanner.document().err().or_else(|| scanner.too_large.map(too_large))
}

struct Scanner<'t> {
    text: &'t str,
    bytes: &'t [u8],
    at: usize,
    /// The lists and maps that are open, by the character that closes them, innermost last.
    open: Vec<u8>,
    /// The first number that no double holds.
    too_large: Option<&'t str>,
}

impl Scanner<'_> {
    fn document(&mut self) -> Result<(), String> {
        let mut state = At::Value;
        loop {
            while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
                self.at += 1;
            }
            let Some(byte) = self.peek() else {
                let is_over = matches!(state, At::End) && self.open.is_empty();
                return if is_over { Ok(()) } else { Err(end_of_input()) };
            };
            state = match (state, byte) {
                (At::FirstItem, b']') | (At::FirstKey, b'}') => self.close(),
                (At::Value | At::FirstItem, _) => self.value(byte)?,
                (At::Key | At::FirstKey, b'"') => {
                    self.string()?;
                    At::Colon
                }
                (At::Key | At::FirstKey, _) => {
                    return self.invalid("looking for beginning of object key string");
                }
                (At::Colon, b':') => self.step(At::Value),
                (At::Colon, _) => return self.invalid("after object key"),
                (At::End, _) => match (self.open.last(), byte) {
                    (None, _) => return self.invalid("after top-level value"),
                    (Some(b']'), b',') => self.step(At::Value),
                    (Some(_), b',') => self.step(At::Key),
                    (Some(close), _) if *close == byte => self.close(),
                    (Some(b']'), _) => return self.invalid("after array element"),
                    (Some(_), _) => return self.invalid("after object key:value pair"),
                },
            };
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// Within a word, a number or an escape Go takes the end of the text for a blank.
    fn peek_or_blank(&self) -> u8 {
        self.peek().unwrap_or(b' ')
    }

    fn step(&mut self, next: At) -> At {
        self.at += 1;
        next
    }

    fn close(&mut self) -> At {
        self.open.pop();
        self.step(At::End)
    }

    fn open(&mut self, close: u8, next: At) -> Result<At, String> {
        if self.open.len() >= MAX_DEPTH {
            return self.invalid("exceeded max depth").map(|()| next);
        }
        self.open.push(close);
        Ok(self.step(next))
    }

    fn value(&mut self, first: u8) -> Result<At, String> {
        match first {
            b'[' => return self.open(b']', At::FirstItem),
            b'{' => return self.open(b'}', At::FirstKey),
            b'"' => self.string()?,
            b'-' | b'0'..=b'9' => self.number()?,
            b't' => self.word("true")?,
            b'f' => self.word("false")?,
            b'n' => self.word("null")?,
            _ => self.invalid("looking for beginning of value")?,
        }
        Ok(At::End)
    }

    fn word(&mut self, word: &str) -> Result<(), String> {
        for expected in word.chars() {
            if self.peek_or_blank() != expected as u8 {
                return self.invalid(&format!("in literal {word} (expecting {})", quote_char(expected)));
            }
            self.at += 1;
        }
        Ok(())
    }

    fn string(&mut self) -> Result<(), String> {
        self.at += 1;
        loop {
            let byte = self.peek().ok_or_else(end_of_input)?;
            match byte {
                b'"' => {
                    self.at += 1;
                    return Ok(());
                }
                b'\\' => {
                    self.at += 1;
                    match self.peek_or_blank() {
                        b'b' | b'f' | b'n' | b'r' | b't' | b'\\' | b'/' | b'"' => self.at += 1,
                        b'u' => {
                            self.at += 1;
                            for _ in 0..4 {
                                if !self.peek_or_blank().is_ascii_hexdigit() {
                                    return self.invalid("in \\u hexadecimal character escape");
                                }
                                self.at += 1;
                            }
                        }
                        _ => return self.invalid("in string escape code"),
                    }
                }
                0..0x20 => return self.invalid("in string literal"),
                _ => self.at += 1,
            }
        }
    }

    fn number(&mut self) -> Result<(), String> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        match self.peek() {
            Some(b'0') => self.at += 1,
            _ => self.digits("in numeric literal")?,
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits("after decimal point in numeric literal")?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits("in exponent of numeric literal")?;
        }
        let number = self.text.get(start..self.at).unwrap_or_default();
        if number.parse().is_ok_and(f64::is_infinite) {
            self.too_large.get_or_insert(number);
        }
        Ok(())
    }

    /// One digit or more.
    fn digits(&mut self, place: &str) -> Result<(), String> {
        if !self.peek_or_blank().is_ascii_digit() {
            return self.invalid(place);
        }
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        Ok(())
    }

    /// Go takes each byte of a character for one.
    fn invalid(&self, place: &str) -> Result<(), String> {
        let found = char::from(self.peek_or_blank());
        Err(format!("invalid character {} {place}", quote_char(found)))
    }
}

fn end_of_input() -> String {
    "unexpected end of JSON input".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, want: &str) {
        assert_eq!(error(text).as_deref().unwrap_or_default(), want, "{text}");
    }

    #[test]
    fn what_go_says_of_text_that_is_no_json() {
        for text in [" {\"a\": [1, -0.5e+3, {}, [], null]} ", "\"\\u00e9\\n\"", "true", "0"] {
            check(text, "");
        }
        check("", "unexpected end of JSON input");
        check("[1", "unexpected end of JSON input");
        check("tr", "invalid character ' ' in literal true (expecting 'u')");
        check("-", "invalid character ' ' in numeric literal");
        check("[1e400, x", "invalid character 'x' looking for beginning of value");
        check("[1, -1e400]", "json: cannot unmarshal number -1e400 into Go value of type float64");
        check("x", "invalid character 'x' looking for beginning of value");
        check("é", "invalid character 'Ã' looking for beginning of value");
        check("'a'", r"invalid character '\'' looking for beginning of value");
        check("[1,]", "invalid character ']' looking for beginning of value");
        check("{a: 1}", "invalid character 'a' looking for beginning of object key string");
        check("{\"a\":1,}", "invalid character '}' looking for beginning of object key string");
        check("{\"a\" 1}", "invalid character '1' after object key");
        check("{\"a\":1 \"b\"}", "invalid character '\"' after object key:value pair");
        check("[1 2]", "invalid character '2' after array element");
        check("01", "invalid character '1' after top-level value");
        check("truth", "invalid character 't' in literal true (expecting 'e')");
        check("-x", "invalid character 'x' in numeric literal");
        check("1.x", "invalid character 'x' after decimal point in numeric literal");
        check("1ex", "invalid character 'x' in exponent of numeric literal");
        check("\"a\tb\"", r"invalid character '\t' in string literal");
        check(r#""\x""#, "invalid character 'x' in string escape code");
        check(r#""\u12""#, "invalid character '\"' in \\u hexadecimal character escape");
    }
}
