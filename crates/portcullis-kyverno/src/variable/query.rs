//! One expression of a variable, compiled.

use std::fmt;

use portcullis_jmespath::Expression;
use portcullis_value::Exhausted;

/// An expression with the forms it takes elsewhere.
#[derive(Debug)]
pub(crate) struct Query {
    compiled: Compiled,
    /// Where it differs: on DELETE `request.object` reads `request.oldObject`, string literals included.
    on_delete: Option<Box<Compiled>>,
    /// Where it differs: while an existing resource is mutated.
    on_target: Option<Box<Compiled>>,
}

/// An expression and its text, or why the text is none.
#[derive(Debug)]
pub(crate) struct Compiled {
    pub(crate) source: Box<str>,
    pub(crate) expression: Result<Expression, String>,
    /// Whether it mentions the variable `images`, which is made when it does.
    pub(crate) mentions_images: bool,
}

impl Compiled {
    pub(crate) fn new(source: &str) -> Self {
        Self {
            source: source.into(),
            mentions_images: mentions(source, "images"),
            expression: if source.is_empty() {
                Err("invalid query (nil)".to_owned())
            } else {
                Expression::compile(source).map_err(|error| format!("incorrect query {source}: {error}"))
            },
        }
    }
}

impl Query {
    /// The query of a variable's expression; `on_target` is what it is while an existing resource is mutated.
    pub(crate) fn variable(source: &str, on_target: Option<&str>) -> Self {
        let boxed = |source: &str| Box::new(Compiled::new(source));
        let on_delete = source
            .contains("request.object")
            .then(|| boxed(&source.replace("request.object", "request.oldObject")));
        Self { compiled: Compiled::new(source), on_delete, on_target: on_target.map(boxed) }
    }

    /// Whether its value plainly depends on nothing but what stands at `path` of the variables, in whatever form.
    pub(super) fn reads_only(&self, path: &[&str]) -> bool {
        let Self { compiled, on_delete: None, on_target: None } = self else { return false };
        compiled.expression.as_ref().is_ok_and(|expression| expression.reads_only(path))
    }

    /// The form that is evaluated.
    pub(crate) fn compiled(&self, is_delete: bool, has_target: impl FnOnce() -> bool) -> &Compiled {
        match self {
            Self { on_target: Some(on_target), .. } if has_target() => on_target,
            Self { on_delete: Some(on_delete), .. } if is_delete => on_delete,
            Self { compiled, .. } => compiled,
        }
    }
}

/// Why a variable has no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum VariableError {
    /// It cannot be resolved, in the reference's words.
    Unresolved {
        text: String,
        /// Whether it is only that a key is missing.
        missing_key: bool,
    },
    /// A fact from outside is needed first; the scope holds the question.
    Need,
    Exhausted(Exhausted),
}

impl VariableError {
    pub(crate) fn unresolved(text: impl Into<String>) -> Self {
        VariableError::Unresolved { text: text.into(), missing_key: false }
    }

    /// The error with its text changed by `wrap`.
    pub(crate) fn map_text(self, wrap: impl FnOnce(String) -> String) -> Self {
        match self {
            VariableError::Unresolved { text, missing_key } => {
                VariableError::Unresolved { text: wrap(text), missing_key }
            }
            other => other,
        }
    }
}

impl fmt::Display for VariableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            VariableError::Unresolved { text, .. } => f.write_str(text),
            VariableError::Need => f.write_str("a fact from outside is needed"),
            VariableError::Exhausted(exhausted) => exhausted.fmt(f),
        }
    }
}

impl From<Exhausted> for VariableError {
    fn from(exhausted: Exhausted) -> Self {
        VariableError::Exhausted(exhausted)
    }
}

/// Whether `expression` mentions `name` as a name: `(?:\A|\z|\s|[^.0-9A-Za-z])NAME\b`.
///
/// COMPAT(kyverno): by text, so a name inside a string literal counts and one behind a dot does not.
pub(crate) fn mentions(expression: &str, name: &str) -> bool {
    expression.match_indices(name).any(|(start, _)| {
        let before = expression.get(..start).and_then(|text| text.chars().next_back());
        let after = expression.get(start + name.len()..).and_then(|text| text.chars().next());
        let is_word = |character: char| character.is_ascii_alphanumeric() || character == '_';
        let ends_in_word = name.chars().next_back().is_some_and(is_word);
        before.is_none_or(|character| !(character == '.' || character.is_ascii_alphanumeric()))
            && ends_in_word != after.is_some_and(is_word)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_mentioned_where_the_reference_sees_it() {
        let check = |expression, want| assert_eq!(mentions(expression, "cm"), want, "{expression}");
        check("cm.data", true);
        check("length(cm)", true);
        check("'cm'", true);
        check("my_cm", true);
        check("cm-x", true);
        check("x.cm", false);
        check("xcm", false);
        check("cmx", false);
        check("cm_x", false);
    }
}
