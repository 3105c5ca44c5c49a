//! An entry of `foreach`: what a rule does for each element of a list.

use portcullis_model::Numbers;
use portcullis_model::explain::{Finding, Part, Step, within};
use portcullis_value::Value;

use crate::condition::Conditions;
use crate::context::ContextEntry;
use crate::scope::Scope;
use crate::variable::{Compiled, VariableError};

/// An entry of `foreach`, compiled; `T` is what is done for an element.
#[derive(Debug)]
pub(crate) struct ForEach<T> {
    pub(crate) list: Compiled,
    context: Box<[ContextEntry]>,
    preconditions: Conditions,
    pub(crate) body: T,
}

impl<T> ForEach<T> {
    /// Compiles the `entries` of a rule of a policy in `namespace`; `body` compiles what is done.
    pub(crate) fn compile<'d>(
        entries: &[Value<'d>],
        namespace: &str,
        body: impl Fn(Value<'d>) -> T,
    ) -> Box<[Self]> {
        let compile = |entry: &Value<'d>| {
            let context = entry.get("context").and_then(Value::as_array).unwrap_or_default();
            Self {
                list: Compiled::new(entry.get("list").and_then(Value::as_str).unwrap_or_default()),
                context: context.iter().map(|item| ContextEntry::compile(*item, namespace)).collect(),
                preconditions: Conditions::compile(entry.get("preconditions").unwrap_or_default()),
                body: body(*entry),
            }
        };
        entries.iter().map(compile).collect()
    }

    /// The context entries that each element has.
    pub(crate) fn context(&self) -> &[ContextEntry] {
        &self.context
    }

    /// Runs `inner` for the element at `index` of the list, with its variables; `found` says what came of it.
    ///
    /// # Errors
    /// Those of `inner`, and too many elements.
    pub(crate) fn for_element<'a, R>(
        &'a self,
        index: usize,
        element: Value<'a>,
        scope: &mut Scope<'a, '_, '_>,
        inner: impl FnOnce(&'a T, &mut Scope<'a, '_, '_>) -> Result<R, VariableError>,
        found: impl FnOnce(&R) -> Finding,
    ) -> Result<R, VariableError> {
        within(
            scope.recorder,
            || scope.for_element(index, element, &self.context, |scope| inner(&self.body, scope)),
            |result, recorder| {
                let step = Step::new(Part::Element, format!("[{index}]")).seen(recorder.show(element));
                match result {
                    Ok(result) => step.found(found(result)),
                    Err(error) => step.found(false).note(error.to_string()),
                }
            },
        )
    }

    /// Why an element is passed over, in words, where its preconditions do not hold.
    ///
    /// # Errors
    /// A variable without a value or an unknown operator, in the reference's words.
    pub(crate) fn unmet<'a>(
        &'a self,
        scope: &mut Scope<'a, '_, '_>,
    ) -> Result<Option<String>, VariableError> {
        if self.preconditions.is_empty() {
            return Ok(None);
        }
        let verdict = self.preconditions.evaluate_as(Part::Preconditions, scope, Numbers::Floats)?;
        Ok((!verdict.holds).then(|| verdict.seen.map(|seen| format!("pre{seen}")).unwrap_or_default()))
    }
}
