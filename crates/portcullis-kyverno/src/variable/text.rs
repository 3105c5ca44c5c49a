//! Substitution in one string.

use std::borrow::Cow;

use portcullis_value::{Value, json};

use super::query::{Query, VariableError};
use super::scan::{Found, variables};
use super::template::TemplatePath;
use crate::scope::Scope;

/// What `{{ @ }}` is about, and what it is about where an existing resource is mutated.
const OBJECT: &str = "request.object";
const TARGET: &str = "target";

/// A string with variables; those that stand in it as it was written are compiled.
#[derive(Debug)]
pub(crate) struct Text {
    source: Box<str>,
    first_round: Box<[Variable]>,
    /// Whether the string is a variable and nothing else.
    is_whole: bool,
    path: TemplatePath,
}

#[derive(Debug)]
struct Variable {
    before: Box<str>,
    matched: Box<str>,
    query: Query,
    shallow: bool,
}

impl Text {
    /// `None` if `source` holds no variable.
    pub(crate) fn compile(source: &str, path: &TemplatePath) -> Option<Self> {
        let first_round: Box<[_]> = variables(source)
            .map(|found| Variable {
                before: found.before.into(),
                matched: found.matched.into(),
                query: Query::variable(
                    &path.expand_current(found.expression, OBJECT),
                    (found.expression == "@").then(|| path.expand_current("@", TARGET)).as_deref(),
                ),
                shallow: found.shallow,
            })
            .collect();
        let is_whole = matches!(&*first_round, [only] if *only.matched == *source);
        (!first_round.is_empty()).then(|| Self {
            source: source.into(),
            first_round,
            is_whole,
            path: path.clone(),
        })
    }

    /// Whether the value plainly depends on nothing but what stands at `path` of the variables.
    pub(crate) fn reads_only(&self, path: &[&str]) -> bool {
        self.is_whole && self.first_round.iter().all(|variable| variable.query.reads_only(path))
    }

    /// The text as it was written.
    pub(crate) fn source(&self) -> &str {
        &self.source
    }

    /// The value: that of the variable itself, with its type, where the string is nothing else.
    pub(crate) fn render<'a>(&'a self, scope: &mut Scope<'a, '_, '_>) -> Result<Value<'a>, VariableError> {
        if let [only] = &*self.first_round
            && self.is_whole
        {
            let value = scope.resolve(&only.query, &self.path)?;
            return finish_whole(scope, value, &self.path);
        }
        let mut text = Cow::Borrowed(&*self.source);
        let mut shallow = false;
        for variable in &self.first_round {
            let value = scope.resolve(&variable.query, &self.path)?;
            let place = (&*variable.before, &*variable.matched);
            text = Cow::Owned(insert(scope, &text, place, value, variable.shallow)?);
            shallow = variable.shallow;
        }
        if shallow {
            return Ok(scope.arena().string(&unescape(&text)));
        }
        render_rounds(scope, text.into_owned(), &self.path)
    }
}

/// Substitutes until no variable is left in `text`, which came from a resource or from an earlier round.
pub(crate) fn render_rounds<'a>(
    scope: &mut Scope<'a, '_, '_>,
    mut text: String,
    path: &TemplatePath,
) -> Result<Value<'a>, VariableError> {
    loop {
        let source = text.clone();
        let (mut is_empty, mut last_shallow) = (true, false);
        for Found { before, matched, expression, shallow } in variables(&source) {
            let whole = matched == source;
            let document = if scope.has_target() { TARGET } else { OBJECT };
            let value = scope.resolve_text(&path.expand_current(expression, document), path)?;
            if whole {
                return finish_whole(scope, value, path);
            }
            text = insert(scope, &text, (before, matched), value, shallow)?;
            (is_empty, last_shallow) = (false, shallow);
        }
        if is_empty || last_shallow {
            return Ok(scope.arena().string(&unescape(&text)));
        }
    }
}

/// A map or list that took the place of a whole string is searched for variables in turn.
///
/// COMPAT(kyverno): so text of the resource is evaluated; policies rely on values that hold variables.
fn finish_whole<'a>(
    scope: &mut Scope<'a, '_, '_>,
    value: Value<'a>,
    path: &TemplatePath,
) -> Result<Value<'a>, VariableError> {
    match value {
        Value::Array(_) | Value::Object(_) => super::template::render_value(scope, value, path),
        scalar => Ok(scalar),
    }
}

/// `text` with a variable replaced by the value's text: the first one that is written like `matched` behind the same
/// character. By that character it is told from an escaped one, which an earlier value may have brought in.
fn insert(
    scope: &mut Scope<'_, '_, '_>,
    text: &str,
    (before, matched): (&str, &str),
    value: Value<'_>,
    shallow: bool,
) -> Result<String, VariableError> {
    let inserted: Cow<'_, str> = match value {
        Value::String(text) => Cow::Borrowed(text),
        other => {
            scope.weigh(other)?;
            Cow::Owned(json::Writer::compact().escape_html().to_string(other))
        }
    };
    let inserted = if shallow { Cow::Owned(inserted.replace("{{", "\\{{")) } else { inserted };
    scope.spend_bytes(text.len() + inserted.len())?;
    Ok(text.replacen(&[before, matched].concat(), &[before, &*inserted].concat(), 1))
}

/// `\{{` stands for `{{`.
pub(crate) fn unescape(text: &str) -> Cow<'_, str> {
    if text.contains('\\') && text.contains("\\{{") {
        Cow::Owned(text.replace("\\{{", "{{"))
    } else {
        Cow::Borrowed(text)
    }
}
