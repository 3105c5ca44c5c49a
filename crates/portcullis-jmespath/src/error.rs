//! How compiling and evaluating fail.

use portcullis_value::Exhausted;

/// Why a text is no expression. The message is the reference's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SyntaxError {
    pub message: Box<str>,
    /// Where in the source, in bytes from 0.
    pub offset: usize,
}

impl SyntaxError {
    /// A complaint of lexer or parser, which the reference prefixes.
    pub(crate) fn new(offset: usize, message: impl std::fmt::Display) -> Self {
        Self::raw(offset, format!("SyntaxError: {message}"))
    }

    /// A complaint of a Go library, which the reference passes on as it is.
    pub(crate) fn raw(offset: usize, message: impl Into<Box<str>>) -> Self {
        Self { message: message.into(), offset }
    }

    /// Where `source`, which it is about, breaks off, in a few words.
    pub fn hint(&self, source: &str) -> String {
        /// How much of the expression is shown on either side.
        const SHOWN: usize = 24;
        let (before, after) = source.split_at_checked(self.offset).unwrap_or((source, ""));
        let position = before.chars().count();
        let last: String = before.chars().skip(position.saturating_sub(SHOWN)).collect();
        let next: String = after.chars().take(SHOWN).collect();
        match (last.is_empty(), next.is_empty()) {
            (_, true) => "the expression ends too early".to_owned(),
            (true, false) => format!("it breaks off at its start, at `{next}`"),
            (false, false) => {
                format!("it breaks off at character {}, between `{last}` and `{next}`", position + 1)
            }
        }
    }
}

/// Why a search gave no value. The texts are the reference's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A map lacks the key, and no position on the way out made null of that.
    #[error("Unknown key \"{0}\" in path")]
    MissingKey(Box<str>),
    #[error("{0}")]
    Runtime(String),
    #[error(transparent)]
    Exhausted(#[from] Exhausted),
}

/// [`Error`] on its way out. The key is borrowed, because most missing keys end as null and must cost nothing.
#[derive(Debug)]
pub(crate) enum Failure<'a> {
    MissingKey(&'a str),
    Runtime(Box<str>),
    Exhausted(Exhausted),
}

impl Failure<'_> {
    pub(crate) fn runtime(message: impl Into<Box<str>>) -> Self {
        Failure::Runtime(message.into())
    }
}

impl From<Exhausted> for Failure<'_> {
    fn from(exhausted: Exhausted) -> Self {
        Failure::Exhausted(exhausted)
    }
}

impl From<Failure<'_>> for Error {
    fn from(failure: Failure<'_>) -> Self {
        match failure {
            Failure::MissingKey(key) => Error::MissingKey(key.into()),
            Failure::Runtime(message) => Error::Runtime(message.into()),
            Failure::Exhausted(exhausted) => Error::Exhausted(exhausted),
        }
    }
}
