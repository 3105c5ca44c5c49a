//! `validate.foreach`: a check of each element of a list.

use portcullis_model::explain::Finding;
use portcullis_model::{Numbers, Status};
use portcullis_value::Value;

use super::{Check, Subject, Validation};
use crate::context::ContextEntry;
use crate::ending::Ending;
use crate::foreach::ForEach;
use crate::pattern::type_name;
use crate::rule::Rule;
use crate::scope::Scope;
use crate::shared::Parts;
use crate::variable::VariableError;

/// How the reference frames what is found about an element.
const FRAME: &str = "validation failure: ";

/// What is checked of an element.
#[derive(Debug)]
pub(super) struct ElementCheck {
    /// Whether patterns are held against the element; where it is not said they are if it is a map.
    element_scope: Option<bool>,
    check: Option<Check>,
}

impl ElementCheck {
    pub(super) fn compile<'d>(entry: Value<'d>, parts: &Parts<'d>) -> Self {
        Self {
            element_scope: entry.get("elementScope").and_then(Value::as_bool),
            check: Check::compile(entry, parts),
        }
    }

    /// What the patterns for `element` are held against.
    ///
    /// # Errors
    /// Go's type of an element that has to be a map and is none.
    fn subject<'a>(&self, element: Value<'a>, outer: Subject<'a>) -> Result<Subject<'a>, &'static str> {
        match (element, self.element_scope) {
            (Value::Object(_), Some(true) | None) => {
                // An element comes out of the variable context, where all numbers are floats.
                Ok(Subject { value: Some(element), numbers: Numbers::Floats })
            }
            (_, Some(true)) => Err(type_name(element, Numbers::Floats)),
            _ => Ok(outer),
        }
    }
}

/// The context entries of `loops` and of those inside.
pub(super) fn context(loops: &[ForEach<ElementCheck>]) -> Vec<&ContextEntry> {
    let mut entries = Vec::new();
    for entry in loops {
        entries.extend(entry.context());
        if let Some(Check::ForEach(inner)) = &entry.body.check {
            entries.extend(context(inner));
        }
    }
    entries
}

impl Validation {
    /// Judges the elements of each list in turn until one fails. `None` where nothing was checked.
    ///
    /// # Errors
    /// The evaluation has to wait for an answer.
    pub(super) fn for_each<'a>(
        &'a self,
        loops: &'a [ForEach<ElementCheck>],
        rule: &'a Rule,
        subject: Subject<'a>,
        scope: &mut Scope<'a, '_, '_>,
    ) -> Result<Option<Ending<'a>>, VariableError> {
        const LIST: &str = "failed to evaluate list: ";
        let (mut has_passed, mut list_error) = (false, None);
        for entry in loops {
            let elements = match scope.elements(&entry.list) {
                Ok(elements) => elements,
                // COMPAT(kyverno): told by its text, so that a missing key anywhere in the making of the list counts.
                Err(VariableError::Unresolved { text, .. }) if text.contains("Unknown key") => continue,
                Err(error @ VariableError::Unresolved { .. }) => {
                    list_error = Some(error);
                    continue;
                }
                Err(error) => return Ending::failed(LIST, error).map(Some),
            };
            for (index, element) in elements.iter().enumerate().filter(|(_, element)| !element.is_null()) {
                let found = entry.for_element(
                    index,
                    *element,
                    scope,
                    |body, scope| self.element(entry, body, *element, rule, subject, scope),
                    Found::finding,
                );
                match found {
                    Ok(Found::Nothing) => {}
                    Ok(Found::Pass) => has_passed = true,
                    Ok(Found::Problem(problem)) => {
                        let reason = problem.explanation().map(|reason| format!(": {reason}"));
                        let place = || format!("element {index} of `{}`", entry.list.source);
                        let explanation =
                            scope.explain.then(|| place() + reason.as_deref().unwrap_or_default());
                        return Ok(Some(problem.with_explanation(explanation)));
                    }
                    Err(error) => return Ending::failed(FRAME, error).map(Some),
                }
            }
        }
        match list_error {
            _ if has_passed => Ok(Some(Ending::new(Status::Pass, "rule passed"))),
            Some(error) => Ending::failed(LIST, error).map(Some),
            None => Ok(None),
        }
    }

    /// What is found about one element.
    fn element<'a>(
        &'a self,
        entry: &'a ForEach<ElementCheck>,
        body: &'a ElementCheck,
        element: Value<'a>,
        rule: &'a Rule,
        outer: Subject<'a>,
        scope: &mut Scope<'a, '_, '_>,
    ) -> Result<Found<'a>, VariableError> {
        let subject = match body.subject(element, outer) {
            Ok(subject) => subject,
            Err(found) => {
                let message = format!(
                    "failed to process foreach: cannot use elementScope=true foreach rules for elements that are \
                     not maps, expected type=map got type={found}"
                );
                return Ok(Found::Problem(Ending::new(Status::Error, message)));
            }
        };
        match entry.unmet(scope) {
            Ok(None) => {}
            // COMPAT(kyverno): an element whose preconditions cannot be evaluated is passed over.
            Ok(Some(_)) | Err(VariableError::Unresolved { .. }) => return Ok(Found::Nothing),
            Err(error) => {
                let ending = Ending::failed("validation failure: failed to evaluate preconditions: ", error)?;
                return Ok(Found::Problem(ending));
            }
        }
        let Some(check) = &body.check else { return Ok(Found::Nothing) };
        let Some(ending) = self.judge(check, rule, subject, scope)? else { return Ok(Found::Nothing) };
        Ok(match ending.status {
            Status::Pass => Found::Pass,
            Status::Fail | Status::Error => Found::Problem(ending.framed(FRAME)),
            _ => Found::Nothing,
        })
    }
}

impl Found<'_> {
    fn finding(&self) -> Finding {
        match self {
            Found::Pass => Finding::Holds,
            Found::Nothing => Finding::Neutral,
            Found::Problem(_) => Finding::Fails,
        }
    }
}

/// What came of an element.
enum Found<'a> {
    Pass,
    /// It was passed over, or there is nothing to say.
    Nothing,
    /// It fails, or cannot be checked.
    Problem(Ending<'a>),
}
