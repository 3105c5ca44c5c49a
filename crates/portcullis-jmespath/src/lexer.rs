//! Text to tokens.

use std::borrow::Cow;

use crate::error::SyntaxError;
use crate::text::{go_quoted_char, read_json_string};

/// A token with its text, unescaped where it is a name or a literal.
#[derive(Debug, Clone)]
pub(crate) struct Token<'s> {
    pub(crate) kind: Kind,
    pub(crate) text: Cow<'s, str>,
    /// In bytes from 0.
    pub(crate) offset: usize,
}

macro_rules! kinds {
    ($($kind:ident $name:literal $power:literal),* $(,)?) => {
        /// What a token is.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Kind { $($kind),* }

        impl Kind {
            /// The name in messages.
            pub(crate) fn name(self) -> &'static str {
                match self { $(Kind::$kind => $name),* }
            }

            /// How strongly the token binds what stands before it.
            pub(crate) fn power(self) -> u8 {
                match self { $(Kind::$kind => $power),* }
            }
        }
    };
}

kinds! {
    Unknown "tUnknown" 0,
    Star "tStar" 20,
    Dot "tDot" 40,
    Filter "tFilter" 21,
    Flatten "tFlatten" 9,
    LeftParen "tLparen" 60,
    RightParen "tRparen" 0,
    LeftBracket "tLbracket" 55,
    RightBracket "tRbracket" 0,
    LeftBrace "tLbrace" 50,
    RightBrace "tRbrace" 0,
    Or "tOr" 2,
    Pipe "tPipe" 1,
    Number "tNumber" 0,
    Identifier "tUnquotedIdentifier" 0,
    QuotedIdentifier "tQuotedIdentifier" 0,
    Comma "tComma" 0,
    Colon "tColon" 0,
    Less "tLT" 5,
    LessOrEqual "tLTE" 5,
    Greater "tGT" 5,
    GreaterOrEqual "tGTE" 5,
    Equal "tEQ" 5,
    NotEqual "tNE" 5,
    JsonLiteral "tJSONLiteral" 0,
    StringLiteral "tStringLiteral" 0,
    Current "tCurrent" 0,
    Reference "tExpref" 0,
    And "tAnd" 3,
    Not "tNot" 45,
    End "tEOF" 0,
}

/// The tokens of `source`; the last is [`Kind::End`].
pub(crate) fn tokens(source: &str) -> Result<Vec<Token<'_>>, SyntaxError> {
    let mut lexer = Lexer { source, at: 0 };
    let mut tokens = Vec::new();
    loop {
        let token = lexer.next()?;
        let end = token.kind == Kind::End;
        tokens.push(token);
        if end {
            return Ok(tokens);
        }
    }
}

struct Lexer<'s> {
    source: &'s str,
    /// In bytes; at a character's first.
    at: usize,
}

impl<'s> Lexer<'s> {
    fn next(&mut self) -> Result<Token<'s>, SyntaxError> {
        self.take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r'));
        let offset = self.at;
        let Some(first) = self.rest().chars().next() else {
            return Ok(Token { kind: Kind::End, text: Cow::Borrowed(""), offset });
        };
        self.at += first.len_utf8();
        let kind = match first {
            '.' => Kind::Dot,
            '*' => Kind::Star,
            ',' => Kind::Comma,
            ':' => Kind::Colon,
            '{' => Kind::LeftBrace,
            '}' => Kind::RightBrace,
            ']' => Kind::RightBracket,
            '(' => Kind::LeftParen,
            ')' => Kind::RightParen,
            '@' => Kind::Current,
            '[' if self.take('?') => Kind::Filter,
            '[' if self.take(']') => Kind::Flatten,
            '[' => Kind::LeftBracket,
            '|' if self.take('|') => Kind::Or,
            '|' => Kind::Pipe,
            '&' if self.take('&') => Kind::And,
            '&' => Kind::Reference,
            '<' if self.take('=') => Kind::LessOrEqual,
            '<' => Kind::Less,
            '>' if self.take('=') => Kind::GreaterOrEqual,
            '>' => Kind::Greater,
            '!' if self.take('=') => Kind::NotEqual,
            '!' => Kind::Not,
            '=' if self.take('=') => Kind::Equal,
            '=' => Kind::Unknown,
            '-' | '0'..='9' => {
                self.take_while(|byte| byte.is_ascii_digit());
                Kind::Number
            }
            'a'..='z' | 'A'..='Z' | '_' => {
                self.take_while(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
                Kind::Identifier
            }
            '"' => {
                self.delimited(offset, '"')?;
                let quoted = self.source.get(offset..self.at).unwrap_or_default();
                let text = read_json_string(quoted).map_err(|message| SyntaxError::raw(offset, message))?;
                return Ok(Token { kind: Kind::QuotedIdentifier, text: Cow::Owned(text), offset });
            }
            '`' => {
                let literal = self.delimited(offset, '`')?;
                return Ok(Token { kind: Kind::JsonLiteral, text: unescape(literal, '`'), offset });
            }
            '\'' => {
                let text = self.raw_string(offset)?;
                return Ok(Token { kind: Kind::StringLiteral, text: unescape(text, '\''), offset });
            }
            other => {
                return Err(SyntaxError::new(
                    offset,
                    format_args!("Unknown char: {}", go_quoted_char(other)),
                ));
            }
        };
        let text = self.source.get(offset..self.at).unwrap_or_default();
        Ok(Token { kind, text: Cow::Borrowed(text), offset })
    }

    fn rest(&self) -> &'s str {
        self.source.get(self.at..).unwrap_or_default()
    }

    fn take(&mut self, next: char) -> bool {
        let taken = self.rest().starts_with(next);
        if taken {
            self.at += next.len_utf8();
        }
        taken
    }

    fn take_while(&mut self, holds: impl Fn(u8) -> bool) {
        self.at += self.rest().bytes().take_while(|byte| holds(*byte)).count();
    }

    /// The text up to the next `delimiter` that no backslash takes along.
    fn delimited(&mut self, offset: usize, delimiter: char) -> Result<&'s str, SyntaxError> {
        let rest = self.rest();
        let mut escaped = false;
        for (index, char) in rest.char_indices() {
            match char {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                _ if char == delimiter => {
                    self.at += index + char.len_utf8();
                    return Ok(rest.get(..index).unwrap_or_default());
                }
                _ => {}
            }
        }
        Err(unclosed(offset, delimiter))
    }

    /// The text of a raw string, which ends at the first quote that has no backslash before it.
    fn raw_string(&mut self, offset: usize) -> Result<&'s str, SyntaxError> {
        let rest = self.rest();
        let mut before = ' ';
        for (index, char) in rest.char_indices() {
            if char == '\'' && before != '\\' {
                self.at += index + 1;
                return Ok(rest.get(..index).unwrap_or_default());
            }
            before = char;
        }
        Err(unclosed(offset, '\''))
    }
}

fn unclosed(offset: usize, delimiter: char) -> SyntaxError {
    SyntaxError::new(offset, format_args!("Unclosed delimiter: {delimiter}"))
}

/// `text` with `\` before `delimiter` taken away; no other escape counts.
fn unescape(text: &str, delimiter: char) -> Cow<'_, str> {
    let escaped = format!("\\{delimiter}");
    if text.contains(&escaped) {
        Cow::Owned(text.replace(&escaped, &delimiter.to_string()))
    } else {
        Cow::Borrowed(text)
    }
}
