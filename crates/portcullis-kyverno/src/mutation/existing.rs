//! `mutate.targets`: the patch of a rule on resources that are there already.

use portcullis_gocompat::wildcard::{contains_wildcard, matches_within};
use portcullis_model::explain::{Part, Step, within};
use portcullis_model::{Numbers, Obstacle, Purpose, Resource, ResourceQuery, SideEffect, Status};
use portcullis_value::Value;

use super::Mutation;
use crate::condition::Conditions;
use crate::context::ContextEntry;
use crate::ending::Ending;
use crate::rule::unmet;
use crate::scope::Scope;
use crate::selector::Selection;
use crate::variable::{Template, VariableError, text_at, without_nulls};

/// A mutate block with targets, compiled. The object in hand only triggers it.
#[derive(Debug)]
pub(crate) struct ExistingMutation {
    targets: Box<[Targets]>,
    mutation: Mutation,
}

/// An entry of `targets`: which resources, and when they are patched.
#[derive(Debug)]
struct Targets {
    /// What is written of them, but for what is evaluated for each.
    written: Template,
    /// The namespace of the policy, which is that of the targets then; empty for a cluster-wide one.
    home: Box<str>,
    context: Box<[ContextEntry]>,
    preconditions: Conditions,
}

impl ExistingMutation {
    /// Compiles `rule` of a policy in `namespace`.
    pub(crate) fn compile(rule: Value<'_>, namespace: &str) -> Self {
        let targets = rule.path(&["mutate", "targets"]).and_then(Value::as_array).unwrap_or_default();
        Self {
            targets: targets.iter().map(|targets| Targets::compile(*targets, namespace)).collect(),
            mutation: Mutation::compile(rule, namespace),
        }
    }

    /// Patches each target on its own: how it ended for each, and for those that could not be found. A limit that is run
    /// into ends it.
    ///
    /// # Errors
    /// The evaluation has to wait for an answer.
    pub(crate) fn apply<'a>(
        &'a self,
        scope: &mut Scope<'a, '_, '_>,
    ) -> Result<Vec<Ending<'a>>, VariableError> {
        let (mut endings, mut not_found) = (Vec::new(), Vec::new());
        for (index, targets) in self.targets.iter().enumerate() {
            let found = match targets.find(index, scope) {
                Ok(found) => found,
                Err(VariableError::Unresolved { text, .. }) => {
                    not_found.push(text);
                    continue;
                }
                Err(error) => {
                    endings.push(of_target(None, Ending::failed("", error)?));
                    return Ok(endings);
                }
            };
            for target in found {
                let ending = within(
                    scope.recorder,
                    || scope.for_target(target, &targets.context, |scope| self.patch(targets, target, scope)),
                    |ending, _| {
                        let step = Step::new(Part::Target, Resource(target).key().to_string());
                        match ending {
                            Ok(ending) => step.found(ending.finding()),
                            Err(error) => step.found(false).note(error.to_string()),
                        }
                    },
                );
                let ending = match ending {
                    Ok(ending) => ending,
                    Err(error) => Ending::failed("", error)?,
                };
                let is_over = matches!(ending.obstacle(), Some(Obstacle::Exhausted(_)));
                endings.push(of_target(Some(target), ending));
                if is_over {
                    return Ok(endings);
                }
            }
        }
        if !not_found.is_empty() {
            endings.insert(0, of_target(None, Ending::new(Status::Error, not_found.join("; "))));
        }
        Ok(endings)
    }

    fn patch<'a>(
        &'a self,
        targets: &'a Targets,
        target: Value<'a>,
        scope: &mut Scope<'a, '_, '_>,
    ) -> Result<Ending<'a>, VariableError> {
        match targets.preconditions.evaluate_as(Part::Preconditions, scope, Numbers::Floats) {
            Ok(verdict) if verdict.holds => self.mutation.apply(Some(target), scope),
            Ok(verdict) => Ok(unmet(verdict)),
            Err(error) => Ending::failed("failed to evaluate preconditions: ", error),
        }
    }
}

/// `ending`, told of `target` instead of the object in hand.
fn of_target<'a>(target: Option<Value<'a>>, mut ending: Ending<'a>) -> Ending<'a> {
    let patched = ending.take_patched();
    ending.with_side_effect(SideEffect::Target { object: target, patched })
}

impl Targets {
    fn compile(targets: Value<'_>, namespace: &str) -> Self {
        let arena = portcullis_value::Arena::new();
        let part = |key: &str| targets.get(key).unwrap_or_default();
        let context = part("context").as_array().unwrap_or_default();
        let written =
            targets.copy_to(&arena).without(&arena, &["context"]).without(&arena, &["preconditions"]);
        Self {
            written: Template::compile(without_nulls(&arena, written, &[])),
            home: namespace.into(),
            context: context.iter().map(|entry| ContextEntry::compile(*entry, namespace)).collect(),
            preconditions: Conditions::compile(part("preconditions")),
        }
    }

    /// The resources that are meant by the entry at `index`: one by namespace and name, or all of the kind that fit what is
    /// written.
    ///
    /// # Errors
    /// A variable has no value, the one is not there, or the evaluation has to wait for an answer.
    fn find<'a>(
        &'a self,
        index: usize,
        scope: &mut Scope<'a, '_, '_>,
    ) -> Result<Vec<Value<'a>>, VariableError> {
        let wrap = |error: VariableError| {
            error.map_text(|text| format!("failed to substitute variables in target[{index}]: {text}"))
        };
        let written = self.written.render(scope).map_err(wrap)?;
        let text = |key: &str| text_at(written, &[key]).map_err(wrap);
        let namespace = if self.home.is_empty() { text("namespace")? } else { &self.home };
        let (api_version, name, kind) = (text("apiVersion")?, text("name")?, text("kind")?);
        let (kind, subresource) = kind.split_once('/').unwrap_or((kind, ""));
        let selection = written.get("selector").map(Selection::rendered).transpose().map_err(wrap)?;
        let is_exact = |text: &str| !text.is_empty() && !contains_wildcard(text);
        let is_one = is_exact(namespace) && is_exact(name);
        let found = scope.resources(ResourceQuery {
            purpose: Purpose::Mutate,
            api_version: api_version.to_owned(),
            kind: kind.to_owned(),
            subresource: subresource.to_owned(),
            namespace: is_one.then(|| namespace.to_owned()),
            name: is_one.then(|| name.to_owned()),
        })?;
        if is_one {
            // The selector plays no part where the target is named.
            return match found {
                [] => Err(VariableError::unresolved(format!(
                    "failed to get target {api_version}/{kind} {namespace}/{name}: not found"
                ))),
                found => Ok(found.to_vec()),
            };
        }
        let mut fitting = Vec::new();
        for target in found {
            let resource = Resource(*target);
            if (namespace.is_empty() || matches_within(namespace, resource.namespace(), scope.budget())?)
                && (name.is_empty() || matches_within(name, resource.name(), scope.budget())?)
                && selection.as_ref().is_none_or(|selection| selection.selects(resource.labels()))
            {
                fitting.push(*target);
            }
        }
        Ok(fitting)
    }
}
