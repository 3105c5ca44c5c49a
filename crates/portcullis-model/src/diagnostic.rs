//! What is wrong with a document, and where in it.

use portcullis_value::Pointer;

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The document is used; what is said cannot do what its author wants.
    Warning,
    /// The document is refused.
    Error,
}

/// Which part of the node a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// The key that names the node.
    Key,
    /// The node itself.
    Value,
}

/// One finding about a document. The place is a path: only who read the text knows its lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    pub severity: Severity,
    pub path: Pointer,
    pub place: Place,
    /// What is wrong and why: lower case, one line, the document's own words in backticks.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Diagnostic {
    /// The hint for a number or boolean that is to be a text. Only the source knows the text: YAML reads `yes` as true and
    /// `0x1F` as 31. Who has the source adds what is written there.
    pub const IN_QUOTES: &str = "put it in quotes";

    /// An error about the node at `path`.
    pub fn error(path: Pointer, message: impl Into<String>) -> Self {
        Self { severity: Severity::Error, path, place: Place::Value, message: message.into(), hint: None }
    }

    /// A warning about the node at `path`.
    pub fn warning(path: Pointer, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(path, message) }
    }

    /// The same, about the key rather than the value.
    pub fn at_key(self) -> Self {
        Self { place: Place::Key, ..self }
    }

    pub fn with_hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}
