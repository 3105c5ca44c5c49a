//! Condition blocks: `preconditions` and `deny.conditions`.

use std::borrow::Cow;

use portcullis_model::Numbers;
use portcullis_value::{Number, Value};

use super::{Answer, Conclusion, Joined, Operator, OperatorError};
use crate::scope::Scope;
use crate::variable::{Template, VariableError};

/// A condition block, compiled.
#[derive(Debug)]
pub(crate) struct Conditions(Joined<Condition>);

/// One condition.
#[derive(Debug)]
pub(crate) struct Condition {
    key: Template,
    operator: Option<Operator>,
    value: Template,
    message: Box<str>,
    /// As it is written, for explanations.
    written: Box<str>,
}

/// What a condition block came to.
#[derive(Debug, PartialEq)]
pub(crate) struct Verdict {
    pub(crate) holds: bool,
    /// The messages of the conditions that made it so, joined.
    pub(crate) message: String,
    /// The condition that decided, whether it holds, and the values it saw, where an explanation was asked for.
    pub(crate) seen: Option<String>,
}

impl Conditions {
    /// Compiles a block; null is a block that holds always.
    pub(crate) fn compile(block: Value<'_>) -> Self {
        let list = |value: Value<'_>| -> Box<[Condition]> {
            value.as_array().unwrap_or_default().iter().map(|item| Condition::compile(*item)).collect()
        };
        Self(match block {
            Value::Array(_) => Joined::List(list(block)),
            _ => Joined::Blocks {
                any: block.get("any").filter(|any| !any.is_null()).map(list),
                all: list(block.get("all").unwrap_or_default()),
            },
        })
    }

    /// Evaluates the block, lazily and in order.
    ///
    /// # Errors
    /// A variable without a value or an unknown operator, in the reference's words.
    pub(crate) fn evaluate<'a>(
        &'a self,
        scope: &mut Scope<'a, '_, '_>,
        numbers: Numbers,
    ) -> Result<Verdict, VariableError> {
        let mut seen = None;
        let Conclusion { holds, message } = self.0.evaluate(|condition| {
            let (holds, saw) = condition.evaluate(scope, numbers)?;
            seen = saw;
            Ok::<_, VariableError>(Answer { holds, message: Cow::Borrowed(&condition.message) })
        })?;
        Ok(Verdict { holds, message, seen })
    }
}

impl Condition {
    fn compile(condition: Value<'_>) -> Self {
        let part = |key: &str| condition.get(key).unwrap_or_default();
        let operator = part("operator").as_str().unwrap_or_default();
        Self {
            key: Template::compile(part("key")),
            operator: Operator::parse(operator),
            value: Template::compile(part("value")),
            message: part("message").as_str().unwrap_or_default().into(),
            written: format!("{} {operator} {}", written(part("key")), written(part("value"))).into(),
        }
    }

    /// Whether it holds, and, where asked for, that in a sentence with the values it saw.
    fn evaluate<'a>(
        &'a self,
        scope: &mut Scope<'a, '_, '_>,
        numbers: Numbers,
    ) -> Result<(bool, Option<String>), VariableError> {
        let key = operand(&self.key, "key", scope, numbers)?;
        let value = operand(&self.value, "value", scope, numbers)?;
        let Some(operator) = self.operator else {
            return Err(VariableError::unresolved(
                "failed to create handler for condition operator: %!w(<nil>)",
            ));
        };
        let holds = operator.evaluate(key, value, scope.budget()).map_err(|error| match error {
            OperatorError::Exhausted(exhausted) => VariableError::Exhausted(exhausted),
            error => VariableError::unresolved(error.to_string()),
        })?;
        let seen = scope.explain.then(|| {
            let ending = if holds { "holds" } else { "does not hold" };
            let operands = [("key", &self.key, key), ("value", &self.value, value)];
            let saw: Vec<String> = operands
                .into_iter()
                .filter(|(_, template, _)| template.literal().is_none())
                .map(|(part, _, saw)| format!("the {part} is {}", shortened(&saw.to_string())))
                .collect();
            let colon = if saw.is_empty() { "" } else { ": " };
            format!("{} {ending}{colon}{}", self.written, saw.join(", "))
        });
        Ok((holds, seen))
    }
}

/// A value as an operator sees it.
///
/// COMPAT(kyverno): what passes through JSON on its way has only doubles: a scalar written in the policy always, what
/// a variable brings unless the context holds integers. Numbers inside a list or map that is written stay as they are.
fn operand<'a>(
    template: &'a Template,
    part: &str,
    scope: &mut Scope<'a, '_, '_>,
    numbers: Numbers,
) -> Result<Value<'a>, VariableError> {
    let value = template.render(scope).map_err(|error| {
        error.map_text(|text| format!("failed to substitute variables in condition {part}: {text}"))
    })?;
    Ok(match (template.literal(), value) {
        (Some(_), Value::Number(number)) => Value::Number(Number::Float(number.as_f64())),
        (None, value) if numbers == Numbers::Floats => value.with_float_numbers(scope.arena()),
        _ => value,
    })
}

/// How an operand is written in an explanation.
fn written(value: Value<'_>) -> String {
    match value {
        Value::String(text) if text.starts_with("{{") => text.to_owned(),
        Value::String(text) => format!("'{text}'"),
        other => other.to_string(),
    }
}

/// A value that is read, not processed: at most 160 characters.
pub(crate) fn shortened(text: &str) -> String {
    const LONGEST: usize = 160;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{} ...", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}
