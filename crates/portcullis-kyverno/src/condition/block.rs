//! Condition blocks: `preconditions` and `deny.conditions`.

use std::borrow::Cow;

use portcullis_model::explain::{Part, Recorder, Step, shown, within};
use portcullis_model::{Answers, Input, Numbers, Operation, Operations, Run};
use portcullis_value::{Arena, Budget, Number, Value};

use super::{Answer, Conclusion, Joined, Operator, OperatorError, Place};
use crate::scope::Scope;
use crate::variable::{Template, VariableError};

/// Where the variables hold the operation of the request.
const OPERATION: [&str; 2] = ["request", "operation"];

/// A condition block, compiled.
#[derive(Debug)]
pub(crate) struct Conditions {
    joined: Joined<Condition>,
    /// Whether a condition has a message.
    has_messages: bool,
    /// The operations for which the block holds, where nothing else plays a part in it, as in most preconditions.
    operations: Option<Operations>,
}

/// One condition.
#[derive(Debug)]
pub(crate) struct Condition {
    key: Template,
    operator: Option<Operator>,
    value: Template,
    message: Box<str>,
    /// The key as it is written, for explanations.
    written_key: Box<str>,
    /// Operator and value as they are written.
    wanted: Box<str>,
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
        let joined = match block {
            Value::Array(_) => Joined::List(list(block)),
            _ => Joined::Blocks {
                any: block.get("any").filter(|any| !any.is_null()).map(list),
                all: list(block.get("all").unwrap_or_default()),
            },
        };
        let has_messages = joined.any(|condition| !condition.message.is_empty());
        let block = Self { joined, has_messages, operations: None };
        Self { operations: block.foresee(), ..block }
    }

    /// The operations for which the block holds, where it depends on nothing else.
    fn foresee(&self) -> Option<Operations> {
        let depends = |part: &Template| !part.reads_only(&OPERATION);
        if self.is_empty()
            || self.joined.any(|condition| depends(&condition.key) || depends(&condition.value))
        {
            return None;
        }
        let mut operations = Vec::new();
        for operation in Operation::ALL {
            let arena = Arena::new();
            let variables = Value::Null.with(&arena, &OPERATION, Value::String(operation.as_str()));
            let variables = variables.as_object().unwrap_or_default();
            let input = Input { variables, ..Input::create(&arena, Value::Null) };
            let (answers, mut budget) = (Answers::new(), Budget::default());
            let mut run = Run::new(&arena, &answers, &mut budget);
            // What is known at once needs no numbers: an operation is a text.
            let verdict = self.evaluate(&mut Scope::new(&input, &mut run), Numbers::Floats).ok()?;
            operations.extend(verdict.holds.then_some(operation));
        }
        Some(operations.into_iter().collect())
    }

    /// Whether nothing is asked, so that the block holds always.
    pub(crate) fn is_empty(&self) -> bool {
        self.joined.is_missing()
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
        // Where nobody asks why and there is nothing to say, the conditions are all that is looked at.
        if !scope.explain && !self.has_messages {
            if let Some(operations) = self.operations
                && let Some(operation) = scope.plain_operation()
            {
                let holds = operations.contains(operation);
                return Ok(Verdict { holds, message: String::new(), seen: None });
            }
            let judge = |condition: &'a Condition| Ok(condition.judge(scope, numbers)?.holds);
            let holds = self.joined.holds::<VariableError>(judge)?;
            return Ok(Verdict { holds, message: String::new(), seen: None });
        }
        let mut seen = None;
        let Conclusion { holds, message } = self.joined.evaluate(|place, condition| {
            let (holds, saw) = condition.evaluate(place, scope, numbers)?;
            seen = saw;
            Ok::<_, VariableError>(Answer { holds, message: Cow::Borrowed(&condition.message) })
        })?;
        Ok(Verdict { holds, message, seen })
    }
}

impl Conditions {
    /// [`evaluate`](Self::evaluate), as one step of the evaluation: preconditions hold where the conditions do, what they
    /// deny does not.
    ///
    /// # Errors
    /// As [`evaluate`](Self::evaluate).
    pub(crate) fn evaluate_as<'a>(
        &'a self,
        part: Part,
        scope: &mut Scope<'a, '_, '_>,
        numbers: Numbers,
    ) -> Result<Verdict, VariableError> {
        let recorder = scope.recorder.filter(|_| !self.is_empty());
        within(
            recorder,
            || self.evaluate(scope, numbers),
            |verdict, _| match verdict {
                Ok(verdict) => Step::new(part, "").found(verdict.holds != (part == Part::Deny)),
                Err(error) => Step::new(part, "").found(false).note(error.to_string()),
            },
        )
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
            written_key: written(part("key")).into(),
            wanted: format!("{operator} {}", written(part("value"))).into(),
        }
    }

    /// Whether it holds, and, where asked for, that in a sentence with the values it saw.
    fn evaluate<'a>(
        &'a self,
        place: Place,
        scope: &mut Scope<'a, '_, '_>,
        numbers: Numbers,
    ) -> Result<(bool, Option<String>), VariableError> {
        let recorder = scope.recorder;
        let judged = within(
            recorder,
            || self.judge(scope, numbers),
            |judged, recorder| self.step(place, judged, recorder),
        )?;
        let seen = scope.explain.then(|| self.sentence(place, judged, recorder));
        Ok((judged.holds, seen))
    }

    fn judge<'a>(
        &'a self,
        scope: &mut Scope<'a, '_, '_>,
        numbers: Numbers,
    ) -> Result<Judged<'a>, VariableError> {
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
        Ok(Judged { holds, key, value })
    }

    fn step(&self, place: Place, judged: &Result<Judged<'_>, VariableError>, recorder: &Recorder) -> Step {
        let about = format!("{place}: {}", self.written_key);
        let step = Step::new(Part::Condition, about).wanted(&*self.wanted);
        match judged {
            Ok(judged) => {
                let step = step.found(judged.holds).seen(shown_operand(
                    &self.key,
                    &self.written_key,
                    judged.key,
                    Some(recorder),
                ));
                match self.value.literal() {
                    Some(_) => step,
                    None => {
                        let value = shown_operand(&self.value, &self.wanted, judged.value, Some(recorder));
                        step.note(format!("the value is {value}"))
                    }
                }
            }
            Err(error) => step.found(false).note(error.to_string()),
        }
    }

    /// Whether it holds, with the values it saw.
    fn sentence(&self, place: Place, judged: Judged<'_>, recorder: Option<&Recorder>) -> String {
        let number = place.index + 1;
        let block = if place.block.is_empty() { String::new() } else { format!(" of `{}`", place.block) };
        let (holds, must) = match judged.holds {
            true => ("holds", "which is"),
            false => ("does not hold", "must be"),
        };
        let key = match self.key.literal() {
            Some(_) => self.written_key.to_string(),
            None => {
                let key = shown_operand(&self.key, &self.written_key, judged.key, recorder);
                format!("`{}` is {key}", self.written_key)
            }
        };
        let value = match self.value.literal() {
            Some(_) => String::new(),
            None => {
                let value = shown_operand(&self.value, &self.wanted, judged.value, recorder);
                format!(" (the value is {value})")
            }
        };
        format!("condition {number}{block} {holds}: {key}, {must} {}{value}", self.wanted)
    }
}

/// What a condition came to, and the values that it compared.
#[derive(Clone, Copy)]
struct Judged<'a> {
    holds: bool,
    key: Value<'a>,
    value: Value<'a>,
}

/// The operand `value`, which `template` brought, as it is shown.
fn shown_operand(
    template: &Template,
    written: &str,
    value: Value<'_>,
    recorder: Option<&Recorder>,
) -> String {
    match recorder {
        Some(recorder) if template.literal().is_none() => recorder.show_made_by(written, value),
        _ => shown(value),
    }
}

/// A value as an operator sees it.
///
/// COMPAT(kyverno): what passes through JSON on its way has only doubles: a scalar written in the policy always, what
/// a variable brings unless the context holds integers. Numbers inside a list or map that is written stay as they are, also
/// beside variables.
fn operand<'a>(
    template: &'a Template,
    part: &str,
    scope: &mut Scope<'a, '_, '_>,
    numbers: Numbers,
) -> Result<Value<'a>, VariableError> {
    let value = template.render_as(scope, numbers).map_err(|error| {
        error.map_text(|text| format!("failed to substitute variables in condition {part}: {text}"))
    })?;
    Ok(match (template.literal(), value) {
        (Some(_), Value::Number(number)) => Value::Number(Number::Float(number.as_f64())),
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
