//! Why a text is no YAML document.

use std::fmt;

/// A mistake in a YAML text, for a person to read: `line 3, column 5: found a tab where blanks must indent`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    // Boxed, so that results stay small on the way that has no error.
    inner: Box<Inner>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Inner {
    message: Box<str>,
    hint: Option<&'static str>,
    line: usize,
    column: usize,
}

impl Error {
    #[cold]
    pub(crate) fn new(message: impl Into<Box<str>>, (line, column): (usize, usize)) -> Self {
        Self { inner: Box::new(Inner { message: message.into(), hint: None, line, column }) }
    }

    pub(crate) fn with_hint(mut self, hint: &'static str) -> Self {
        self.inner.hint = Some(hint);
        self
    }

    /// What is wrong, without the place.
    pub fn message(&self) -> &str {
        &self.inner.message
    }

    /// What to do about it, where that is not plain.
    pub fn hint(&self) -> Option<&'static str> {
        self.inner.hint
    }

    /// Counted from 1, in the stream that the document came from.
    pub fn line(&self) -> usize {
        self.inner.line
    }

    /// In characters, counted from 1.
    pub fn column(&self) -> usize {
        self.inner.column
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}", self.line(), self.column(), self.message())
    }
}

impl std::error::Error for Error {}
