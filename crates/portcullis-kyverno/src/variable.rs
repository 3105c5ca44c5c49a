//! Variables: `{{ expression }}` in the strings of a document.
//!
//! A [`Template`] is a document read once, when the policy is loaded: what holds no variable is kept as it is, and the
//! expressions of the rest are compiled. [`Template::render`] puts the values in. What a variable brings in may hold
//! variables itself, and is then substituted in turn, as the reference does.

mod query;
mod reference;
mod scan;
mod template;
mod text;
mod typed;

use portcullis_model::{Input, Run};
use portcullis_value::Value;

use crate::scope::Scope;

pub(crate) use query::{Compiled, Query, VariableError, mentions};
pub(crate) use reference::{map_references, resolve_references};
pub(crate) use scan::{Found, find_braces, has_variable, variables};
pub(crate) use template::{Template, TemplatePath};
pub(crate) use typed::{map_at, text_at, without_nulls};

/// `document` with its references and variables replaced by what `input` gives for them.
///
/// # Errors
/// In the reference's words: a variable or reference that has no value, or an evaluation beyond its budget.
pub fn substitute<'a>(
    document: Value<'_>,
    input: &Input<'a>,
    run: &mut Run<'a, '_, '_>,
) -> Result<Value<'a>, String> {
    let template = Template::compile(document);
    let arena = run.arena;
    let mut run = Run { explain: run.explain, ..Run::new(arena, run.answers, &mut *run.budget) };
    let rendered = template.render(&mut Scope::new(input, &mut run)).map(|value| value.copy_to(arena));
    rendered.map_err(|error| match error {
        VariableError::Unresolved { text, .. } => text,
        VariableError::Need => "a fact from outside is needed".to_owned(),
        VariableError::Exhausted(exhausted) => exhausted.to_string(),
    })
}
