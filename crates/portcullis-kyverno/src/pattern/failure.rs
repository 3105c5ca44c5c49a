//! How a walk says that a resource does not satisfy a pattern.

use std::fmt::{self, Display};

use portcullis_gocompat::fmt::display;
use portcullis_model::Numbers;
use portcullis_model::explain::{Part, Recorder, Step};
use portcullis_value::{Arena, Budget, Exhausted, Number, Value};

use super::scalar::Scalar;

pub(super) const CONDITION_MISMATCH: &str = "conditional anchor mismatch";
pub(super) const GLOBAL_MISMATCH: &str = "global anchor mismatch";
pub(super) const NEGATION_MATCHED: &str = "negation anchor matched in resource";

/// What kind of failure it is, which decides what becomes of it further up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// The pattern is violated.
    Violation,
    /// A negation anchor met its key, which is a violation whatever its text says.
    Negation,
    /// A condition or global anchor does not hold.
    Anchor,
    /// A map or a list below is skipped.
    Skipped,
    /// The walk cannot go on.
    Abort,
}

/// A failure during a walk. There are two: [`Silent`] knows its class alone and costs nothing, [`Told`] has a text.
pub(super) trait Failure: Sized + From<Exhausted> {
    /// Whether texts are asked for.
    const TOLD: bool;

    /// A failure of `class` at `path`, which a failure outside the document has not.
    fn new(
        class: Class,
        path: Option<&Path<'_>>,
        message: fmt::Arguments<'_>,
        budget: &mut Budget<'_>,
    ) -> Self;

    /// `value` does not satisfy `pattern`.
    fn mismatch(seen: Seen<'_>, pattern: &Scalar, path: &Path<'_>, budget: &mut Budget<'_>) -> Self;

    fn class(&self) -> Class;

    /// What this is outside an anchor that turns every failure into "does not apply".
    fn outside_anchor(self, mismatch: &'static str) -> Self;

    /// What this is outside the map or list that is skipped by it.
    fn outside_skipped(self) -> Self;

    /// Both, one after the other.
    fn and(self, other: Self) -> Self;

    /// Fails if a walk that cannot see texts must not go on: `text` comes from the resource into a path.
    fn meet(text: &str) -> Result<(), Self>;
}

/// A value of the resource and how its integers look.
#[derive(Clone, Copy)]
pub(super) struct Seen<'v> {
    pub(super) value: Value<'v>,
    pub(super) numbers: Numbers,
}

impl Seen<'_> {
    /// The name of Go's type.
    pub(super) fn type_name(self) -> &'static str {
        match self.value {
            Value::Null => "<nil>",
            Value::Bool(_) => "bool",
            Value::Number(Number::Int(_)) if self.numbers == Numbers::AsWritten => "int64",
            Value::Number(_) => "float64",
            Value::String(_) => "string",
            Value::Array(_) => "[]interface {}",
            Value::Object(_) => "map[string]interface {}",
        }
    }
}

/// Only whether and how it failed.
pub(super) enum Silent {
    Failed(Class),
    Exhausted(Exhausted),
    /// The texts may matter.
    Unsure,
}

impl Failure for Silent {
    const TOLD: bool = false;

    fn new(class: Class, _: Option<&Path<'_>>, _: fmt::Arguments<'_>, _: &mut Budget<'_>) -> Self {
        Silent::Failed(class)
    }

    fn mismatch(seen: Seen<'_>, _: &Scalar, _: &Path<'_>, budget: &mut Budget<'_>) -> Self {
        match mentions_anchor(seen.value, budget) {
            Ok(false) => Silent::Failed(Class::Violation),
            Ok(true) => Silent::Unsure,
            Err(exhausted) => exhausted.into(),
        }
    }

    fn class(&self) -> Class {
        match self {
            Silent::Failed(class) => *class,
            Silent::Exhausted(_) | Silent::Unsure => Class::Abort,
        }
    }

    fn outside_anchor(self, _: &'static str) -> Self {
        match self {
            Silent::Failed(_) => Silent::Failed(Class::Anchor),
            abort => abort,
        }
    }

    fn outside_skipped(self) -> Self {
        match self {
            Silent::Failed(_) => Silent::Failed(Class::Skipped),
            abort => abort,
        }
    }

    fn and(self, _: Self) -> Self {
        self
    }

    fn meet(text: &str) -> Result<(), Self> {
        if text.contains("anchor") { Err(Silent::Unsure) } else { Ok(()) }
    }
}

impl From<Exhausted> for Silent {
    fn from(exhausted: Exhausted) -> Self {
        Silent::Exhausted(exhausted)
    }
}

/// Whether one of the phrases that turn a violation into a skip may come out when `value` is printed.
///
/// Lists are printed with blanks between their items, so that a phrase may come from several; the word from one.
pub(super) fn mentions_anchor(value: Value<'_>, budget: &mut Budget<'_>) -> Result<bool, Exhausted> {
    let contains = |text: &str, budget: &mut Budget<'_>| {
        budget.steps(1 + text.len() as u64 / 16)?;
        Ok(text.contains("anchor"))
    };
    match value {
        Value::String(text) => contains(text, budget),
        Value::Array(items) => {
            for item in items {
                if budget.nested(|budget| mentions_anchor(*item, budget))? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        Value::Object(object) => {
            for (key, item) in object.iter() {
                if contains(key, budget)? || budget.nested(|budget| mentions_anchor(item, budget))? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(false),
    }
}

/// The failure with the reference's text.
pub(super) enum Told {
    Failed { class: Class, path: String, message: String },
    Exhausted(Exhausted),
}

impl Failure for Told {
    const TOLD: bool = true;

    fn new(
        class: Class,
        path: Option<&Path<'_>>,
        message: fmt::Arguments<'_>,
        budget: &mut Budget<'_>,
    ) -> Self {
        let message = message.to_string();
        let path = path.map(Path::to_string).unwrap_or_default();
        if let Err(exhausted) = budget.bytes(message.len() + path.len()) {
            return exhausted.into();
        }
        // COMPAT(kyverno): failures are told apart by their text, which holds text of the resource.
        let speaks_of_anchor =
            || [CONDITION_MISMATCH, GLOBAL_MISMATCH].iter().any(|phrase| message.contains(phrase));
        let class = if class == Class::Violation && speaks_of_anchor() { Class::Anchor } else { class };
        Told::Failed { class, path, message }
    }

    fn mismatch(seen: Seen<'_>, pattern: &Scalar, path: &Path<'_>, budget: &mut Budget<'_>) -> Self {
        let arena = Arena::new();
        let value = match seen.numbers {
            Numbers::AsWritten => seen.value,
            Numbers::Floats => seen.value.with_float_numbers(&arena),
        };
        let (value, pattern) = (display(value), display(pattern.source()));
        let message = format_args!("resource value '{value}' does not match '{pattern}' at path {path}");
        Self::new(Class::Violation, Some(path), message, budget)
    }

    fn class(&self) -> Class {
        match self {
            Told::Failed { class, .. } => *class,
            Told::Exhausted(_) => Class::Abort,
        }
    }

    fn outside_anchor(self, mismatch: &'static str) -> Self {
        match self {
            Told::Failed { path, message, .. } => {
                Told::Failed { class: Class::Anchor, path, message: format!("{mismatch}: {message}") }
            }
            exhausted => exhausted,
        }
    }

    fn outside_skipped(self) -> Self {
        match self {
            Told::Failed { path, message, .. } => Told::Failed { class: Class::Skipped, path, message },
            exhausted => exhausted,
        }
    }

    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Told::Failed { class, path, mut message }, Told::Failed { message: next, .. }) => {
                message.push_str("; ");
                message.push_str(&next);
                Told::Failed { class, path, message }
            }
            (Told::Exhausted(exhausted), _) | (_, Told::Exhausted(exhausted)) => exhausted.into(),
        }
    }

    fn meet(_: &str) -> Result<(), Self> {
        Ok(())
    }
}

impl From<Exhausted> for Told {
    fn from(exhausted: Exhausted) -> Self {
        Told::Exhausted(exhausted)
    }
}

/// The place of a value: a list of segments on the stack, innermost first. Prints as `/spec/containers/0/`.
pub(crate) enum Path<'p> {
    Root,
    Key(&'p Path<'p>, &'p str),
    Index(&'p Path<'p>, usize),
}

impl Path<'_> {
    /// As people write it: `spec.containers[0].image`.
    pub(crate) fn dotted(&self) -> String {
        struct Dotted<'p>(&'p Path<'p>);
        impl Display for Dotted<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self.0 {
                    Path::Root => Ok(()),
                    Path::Key(Path::Root, key) => f.write_str(key),
                    Path::Key(parent, key) if key.contains('.') => write!(f, "{}[\"{key}\"]", Dotted(parent)),
                    Path::Key(parent, key) => write!(f, "{}.{key}", Dotted(parent)),
                    Path::Index(parent, index) => write!(f, "{}[{index}]", Dotted(parent)),
                }
            }
        }
        Dotted(self).to_string()
    }

    /// The step that looks at `value`, which stands here.
    pub(super) fn step(&self, recorder: &Recorder, value: Value<'_>) -> Step {
        Step::new(Part::Path, self.dotted()).seen(recorder.show(value))
    }
}

impl Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Path::Root => f.write_str("/"),
            Path::Key(parent, key) => write!(f, "{parent}{key}/"),
            Path::Index(parent, index) => write!(f, "{parent}{index}/"),
        }
    }
}
