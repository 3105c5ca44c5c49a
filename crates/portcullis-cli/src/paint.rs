//! Colours, by what they mean.

use std::fmt::{self, Display};

use anstyle::{AnsiColor, Style};

use crate::surroundings::Stream;

/// The word `error`.
pub(crate) const ERROR: Style = AnsiColor::Red.on_default().bold();

/// The word `warning`.
pub(crate) const WARNING: Style = AnsiColor::Yellow.on_default().bold();

/// Paints text, or leaves it as it is where no colour is wanted.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Paint {
    colour: bool,
}

/// Text and its style.
pub(crate) struct Painted<T> {
    text: T,
    style: Style,
}

impl Paint {
    /// As `stream` wants it.
    pub(crate) fn on(stream: &Stream<'_>) -> Self {
        Self { colour: stream.colour }
    }

    fn paint<T>(self, text: T, style: Style) -> Painted<T> {
        Painted { text, style: if self.colour { style } else { Style::new() } }
    }

    pub(crate) fn error<T>(self, text: T) -> Painted<T> {
        self.paint(text, ERROR)
    }

    pub(crate) fn warning<T>(self, text: T) -> Painted<T> {
        self.paint(text, WARNING)
    }

    pub(crate) fn hint<T>(self, text: T) -> Painted<T> {
        self.paint(text, AnsiColor::Cyan.on_default().bold())
    }

    pub(crate) fn good<T>(self, text: T) -> Painted<T> {
        self.paint(text, AnsiColor::Green.on_default())
    }

    pub(crate) fn bad<T>(self, text: T) -> Painted<T> {
        self.paint(text, AnsiColor::Red.on_default())
    }

    pub(crate) fn doubtful<T>(self, text: T) -> Painted<T> {
        self.paint(text, AnsiColor::Yellow.on_default())
    }

    pub(crate) fn strong<T>(self, text: T) -> Painted<T> {
        self.paint(text, Style::new().bold())
    }

    pub(crate) fn quiet<T>(self, text: T) -> Painted<T> {
        self.paint(text, Style::new().dimmed())
    }
}

impl<T: Display> Display for Painted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}{:#}", self.style, self.text, self.style)
    }
}
