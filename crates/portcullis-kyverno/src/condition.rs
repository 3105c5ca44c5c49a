//! Conditions of preconditions, deny rules and conditional checks.

mod block;
mod equality;
mod joined;
mod membership;
pub(crate) mod operator;
mod order;

use portcullis_model::{Input, Numbers, Run};
use portcullis_value::Value;

use crate::scope::Scope;
use crate::variable::VariableError;

pub(crate) use block::{Conditions, Verdict};
use joined::{Answer, Conclusion, Joined, Place};
pub use operator::{Operator, OperatorError};

/// Whether a condition block holds for `input`, and the joined messages of the conditions that made it so.
///
/// `numbers` says how integers that variables bring look to the operators.
///
/// # Errors
/// In the reference's words: a variable without a value, an unknown operator.
pub fn evaluate<'a>(
    block: Value<'_>,
    input: &Input<'a>,
    numbers: Numbers,
    run: &mut Run<'a, '_, '_>,
) -> Result<(bool, String), String> {
    let conditions = Conditions::compile(block);
    let mut run = Run { explain: run.explain, ..Run::new(run.arena, run.answers, &mut *run.budget) };
    match conditions.evaluate(&mut Scope::new(input, &mut run), numbers) {
        Ok(verdict) => Ok((verdict.holds, verdict.message)),
        Err(VariableError::Unresolved { text, .. }) => Err(text),
        Err(VariableError::Need) => Err("a fact from outside is needed".to_owned()),
        Err(VariableError::Exhausted(exhausted)) => Err(exhausted.to_string()),
    }
}
