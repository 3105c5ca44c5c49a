//! Collecting what is found, with the words in which the reference refuses.

use std::fmt::Display;

use portcullis_model::{Diagnostic, Severity};
use portcullis_value::{Pointer, Value, json};

/// How many findings are kept. Nobody mends more at once, and some quote half of the document.
const MAX_FINDINGS: usize = 200;

/// One finding, and what the reference says of it.
#[derive(Debug)]
pub(super) struct Finding {
    pub(super) diagnostic: Diagnostic,
    /// The text before the message in the reference's answer: where it was, in its own way.
    frame: String,
    pub(super) source: Source,
    /// Whether it is a warning of the reference, whose words are told as they are.
    is_verbatim: bool,
}

/// Who says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// The schema: an API server refuses the document before anybody sees it.
    Schema,
    /// The reference's admission.
    Admission,
    /// The same, as one of the field errors that it collects and answers together.
    FieldErrors,
}

impl Finding {
    /// What the reference answers if this is the first error.
    pub(super) fn refusal(&self) -> String {
        format!("{}{}", self.frame, self.diagnostic.message)
    }

    /// What is told of it beside a refusal: where, what, and what to do.
    pub(super) fn line(&self) -> String {
        let Diagnostic { path, message, hint, .. } = &self.diagnostic;
        let severity = if self.diagnostic.is_error() { "error: " } else { "" };
        let place = match self.is_verbatim || path.is_root() {
            true => String::new(),
            false => format!("{}: ", field(path)),
        };
        let hint = hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
        format!("{severity}{place}{message}{hint}")
    }
}

/// A place as API servers name it: `spec.rules[0].match`.
fn field(path: &Pointer) -> String {
    let mut field = String::new();
    for token in path.tokens() {
        let is_name = token.starts_with(|first: char| first.is_ascii_alphabetic())
            && token.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_".contains(letter));
        let parts = match (is_name, field.is_empty()) {
            (true, true) => ["", token, ""],
            (true, false) => [".", token, ""],
            (false, _) => ["[", token, "]"],
        };
        field.extend(parts);
    }
    field
}

/// The findings so far and the place where is being looked.
#[derive(Debug, Default)]
pub(super) struct Finder {
    pub(super) found: Vec<Finding>,
    path: Pointer,
    /// Set where the reference stops looking and accepts: what comes after is no reason to refuse.
    is_accepted: bool,
}

impl Finder {
    /// Looks at what lies below `token`.
    pub(super) fn below<T>(&mut self, token: impl Display, look: impl FnOnce(&mut Self) -> T) -> T {
        self.path.push(&token.to_string());
        let result = look(self);
        self.path.pop();
        result
    }

    /// Looks at the element `index` of the list `key`.
    pub(super) fn item<T>(&mut self, key: &str, index: usize, look: impl FnOnce(&mut Self) -> T) -> T {
        self.below(key, |finder| finder.below(index, look))
    }

    /// Looks at what `path` leads to.
    pub(super) fn at<T>(&mut self, path: &Pointer, look: impl FnOnce(&mut Self) -> T) -> T {
        path.tokens().for_each(|token| self.path.push(token));
        let result = look(self);
        path.tokens().for_each(|_| self.path.pop());
        result
    }

    /// Notes that the document is refused because of what is here.
    pub(super) fn error(&mut self, message: impl Into<String>) -> Note<'_> {
        let severity = if self.is_accepted { Severity::Warning } else { Severity::Error };
        self.note(Source::Admission, Diagnostic { severity, ..Diagnostic::error(self.path.clone(), message) })
    }

    /// Notes that what is here will not do what its author wants.
    pub(super) fn warning(&mut self, message: impl Into<String>) -> Note<'_> {
        self.note(Source::Admission, Diagnostic::warning(self.path.clone(), message))
    }

    fn note(&mut self, source: Source, diagnostic: Diagnostic) -> Note<'_> {
        self.found.truncate(MAX_FINDINGS);
        let finding = Finding { diagnostic, frame: String::new(), source, is_verbatim: false };
        Note { finding: self.found.push_mut(finding) }
    }

    /// Notes what the schema finds here.
    pub(super) fn schema(&mut self, check: impl FnOnce(&mut Pointer, &mut Vec<Diagnostic>)) {
        let mut found = Vec::new();
        check(&mut self.path, &mut found);
        for diagnostic in found {
            self.note(Source::Schema, diagnostic);
        }
    }

    /// Notes what `check` finds here, as warnings.
    pub(super) fn warnings(&mut self, check: impl FnOnce(&mut Pointer, &mut Vec<Diagnostic>)) {
        let mut found = Vec::new();
        check(&mut self.path, &mut found);
        for diagnostic in found {
            self.note(Source::Admission, Diagnostic { severity: Severity::Warning, ..diagnostic });
        }
    }

    /// Whether there are so many findings that looking for more is of no use.
    pub(super) fn is_full(&self) -> bool {
        self.found.len() > MAX_FINDINGS
    }

    /// Says that the reference accepts the document from here on.
    pub(super) fn accept_the_rest(&mut self) {
        self.is_accepted = true;
    }
}

/// A finding that is being noted.
#[derive(Debug)]
pub(super) struct Note<'f> {
    finding: &'f mut Finding,
}

impl Note<'_> {
    pub(super) fn hint(self, hint: impl Into<String>) -> Self {
        self.finding.diagnostic.hint = Some(hint.into());
        self
    }

    /// `did you mean ...?`, if there is something that may be meant.
    pub(super) fn suggest(self, close: Option<&str>) -> Self {
        match close {
            Some(close) => self.hint(format!("did you mean `{close}`?")),
            None => self,
        }
    }

    /// Says that the key is meant, not the value.
    pub(super) fn about_key(self) -> Self {
        self.finding.diagnostic.place = portcullis_model::Place::Key;
        self
    }

    /// Says that what lies below `tokens` is meant.
    pub(super) fn under<T: Display>(self, tokens: impl IntoIterator<Item = T>) -> Self {
        tokens.into_iter().for_each(|token| self.finding.diagnostic.path.push(&token.to_string()));
        self
    }

    /// Says that the schema finds it.
    pub(super) fn by_schema(self) -> Self {
        self.finding.source = Source::Schema;
        self
    }

    /// Says that it is a warning of the reference.
    pub(super) fn verbatim(self) -> Self {
        self.finding.is_verbatim = true;
        self
    }

    /// Says what the reference puts before the message.
    pub(super) fn framed(self, frame: impl Display) -> Self {
        self.finding.frame = frame.to_string();
        self
    }

    /// Makes it a field error of the reference about the value at `field`.
    pub(super) fn invalid(self, field: impl Display, value: Value<'_>) -> Self {
        self.invalid_text(field, &json::Writer::compact().escape_html().to_string(value))
    }

    /// Makes it a field error of the reference about what it prints as `quoted`.
    pub(super) fn invalid_text(self, field: impl Display, quoted: &str) -> Self {
        self.field_error(format_args!("{field}: Invalid value: {quoted}: "))
    }

    /// Makes it a field error of the reference about what may not stand at `field`.
    pub(super) fn forbidden(self, field: impl Display) -> Self {
        self.field_error(format_args!("{field}: Forbidden: "))
    }

    /// Makes it a field error of the reference, framed as it says.
    pub(super) fn field_error(self, frame: impl Display) -> Self {
        self.finding.source = Source::FieldErrors;
        self.framed(frame)
    }
}
