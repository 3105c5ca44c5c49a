//! `mutate`: the patch of a rule.

mod existing;
mod foreach;

use portcullis_model::explain::{Part, Recorder, Step, within};
use portcullis_model::{Resource, Status};
use portcullis_patch::diff;
use portcullis_patch::json6902::Operation;
use portcullis_value::{Arena, Budget, Value};

use crate::context::ContextEntry;
use crate::ending::Ending;
use crate::foreach::ForEach;
use crate::mutate::{self, Outcome, Overlay};
use crate::scope::Scope;
use crate::variable::{Template, TemplatePath, VariableError, resolve_references};

pub(crate) use existing::ExistingMutation;
use foreach::ElementPatch;

/// How the reference frames a variable without a value.
const FRAME: &str = "variable substitution failed: ";

/// A mutate block, compiled together with the rest of its rule.
///
/// COMPAT(kyverno): variables are substituted in the whole rule first, so that one without a value anywhere in the rule
/// is an error, even where it plays no part. Rules with `foreach` are spared that.
#[derive(Debug)]
pub(crate) struct Mutation {
    patch: Patch,
    /// The rest of the rule, if anything is to be substituted in it.
    rest: Option<Template>,
    /// A reference in the rule that leads nowhere, in the reference's words.
    broken: Option<String>,
}

#[derive(Debug)]
enum Patch {
    /// An overlay without variables, compiled when the policy is loaded.
    Overlay(Overlay),
    Strategic(Template),
    Json(Template),
    ForEach(Box<[ForEach<ElementPatch>]>),
    None,
}

impl Mutation {
    /// Compiles `rule` of a policy in `namespace`.
    pub(crate) fn compile(rule: Value<'_>, namespace: &str) -> Self {
        if let Some(entries) = rule.path(&["mutate", "foreach"]).and_then(Value::as_array)
            && !entries.is_empty()
        {
            let patch = Patch::ForEach(ForEach::compile(entries, namespace, |entry| {
                ElementPatch::compile(entry, namespace)
            }));
            return Self { patch, rest: None, broken: None };
        }
        let arena = Arena::new();
        let (rule, broken) = match resolve_references(&arena, rule.copy_to(&arena)) {
            Ok(rule) => (rule, None),
            Err(text) => (rule.copy_to(&arena), Some(text)),
        };
        let mut path = TemplatePath::default();
        path.push("mutate");
        let patch = Patch::compile(rule.get("mutate").unwrap_or_default(), path);
        let rest = rule
            .without(&arena, &["mutate", "patchStrategicMerge"])
            .without(&arena, &["mutate", "patchesJson6902"]);
        let rest = Template::compile_resolved(rest, &mut TemplatePath::default());
        Self { patch, rest: rest.literal().is_none().then_some(rest), broken }
    }

    /// The context entries of its loops.
    pub(crate) fn loop_context(&self) -> Vec<&ContextEntry> {
        match &self.patch {
            Patch::ForEach(loops) => foreach::context(loops),
            _ => Vec::new(),
        }
    }

    /// Applies the patch to `object`.
    ///
    /// # Errors
    /// The evaluation has to wait for an answer.
    pub(crate) fn apply<'a>(
        &'a self,
        object: Option<Value<'a>>,
        scope: &mut Scope<'a, '_, '_>,
    ) -> Result<Ending<'a>, VariableError> {
        if let Some(text) = &self.broken {
            return Ok(Ending::new(Status::Error, format!("{FRAME}{text}")));
        }
        // It is substituted for its errors alone.
        if let Some(rest) = &self.rest
            && let Err(error) = rest.render(scope)
        {
            return Ending::failed(FRAME, error);
        }
        match object {
            Some(object) => self.patch.apply(object, scope),
            None => Ok(Ending::new(Status::Skip, mutate::UNCHANGED)),
        }
    }
}

impl Patch {
    /// Compiles the patch of `holder`, which stands at `path` of the document that is substituted and whose references
    /// are resolved.
    fn compile(holder: Value<'_>, mut path: TemplatePath) -> Self {
        let mut template = |key: &str| {
            let patch = holder.get(key).filter(|patch| !patch.is_null())?;
            path.push(key);
            let template = Template::compile_resolved(patch, &mut path);
            path.pop();
            Some(template)
        };
        if let Some(overlay) = template("patchStrategicMerge") {
            let compiled = overlay.literal().map(|literal| compile(literal.borrow(&Arena::new())));
            match compiled {
                Some(Ok(compiled)) => Patch::Overlay(compiled),
                // What cannot be compiled is tried again, and fails, when it is used.
                _ => Patch::Strategic(overlay),
            }
        } else if let Some(patches) = template("patchesJson6902") {
            Patch::Json(patches)
        } else {
            Patch::None
        }
    }

    fn apply<'a>(
        &'a self,
        object: Value<'a>,
        scope: &mut Scope<'a, '_, '_>,
    ) -> Result<Ending<'a>, VariableError> {
        let (arena, recorder) = (scope.arena(), scope.recorder);
        if let Patch::ForEach(loops) = self {
            return foreach::apply(loops, object, scope);
        }
        within(
            recorder,
            || self.apply_once(object, scope),
            |ending, recorder| match ending {
                Ok(ending) => patch_step(arena, object, ending, recorder),
                Err(error) => Step::new(Part::Patch, "").found(false).note(error.to_string()),
            },
        )
    }

    fn apply_once<'a>(
        &'a self,
        object: Value<'a>,
        scope: &mut Scope<'a, '_, '_>,
    ) -> Result<Ending<'a>, VariableError> {
        let (arena, recorder) = (scope.arena(), scope.recorder);
        let outcome = match self {
            Patch::None => return Ok(Ending::new(Status::Error, mutate::Error::Empty.to_string())),
            Patch::ForEach(loops) => return foreach::apply(loops, object, scope),
            Patch::Overlay(overlay) => {
                mutate::strategic_merge(arena, object, overlay, recorder, scope.budget())
            }
            Patch::Strategic(template) => match template.render(scope) {
                Ok(overlay) => mutate::strategic_merge_once(arena, object, overlay, recorder, scope.budget()),
                Err(error) => return Ending::failed(FRAME, error),
            },
            Patch::Json(template) => match template.render(scope) {
                Ok(patches) => {
                    mutate::json_patch(arena, object, patches.as_str().unwrap_or_default(), scope.budget())
                }
                Err(error) => return Ending::failed(FRAME, error),
            },
        };
        Ok(match outcome {
            Ok(Outcome::Patched(patched)) => mutated(patched),
            Ok(Outcome::Unchanged) => {
                let explanation = scope.explain.then(|| self.why_unchanged(object, scope));
                Ending::new(Status::Skip, mutate::UNCHANGED).with_explanation(explanation)
            }
            Err(error) => Ending::new(Status::Error, error.to_string()),
        })
    }

    /// Why the patch, which could be applied to `object`, did not change it.
    fn why_unchanged<'a>(&'a self, object: Value<'a>, scope: &mut Scope<'a, '_, '_>) -> String {
        let obstacle = match self {
            Patch::Overlay(overlay) => overlay.obstacle(object, scope.budget()),
            Patch::Strategic(template) => template
                .render(scope)
                .ok()
                .and_then(|overlay| compile(overlay).ok())
                .and_then(|overlay| overlay.obstacle(object, scope.budget())),
            Patch::Json(_) | Patch::ForEach(_) | Patch::None => None,
        };
        obstacle.unwrap_or_else(|| "what the patch sets is there already".to_owned())
    }
}

fn compile(overlay: Value<'_>) -> Result<Overlay, mutate::OverlayError> {
    Overlay::compile(overlay, &mut Budget::default())
}

/// The step of a patch of `object` that ended so; what it changed is reported as steps of it.
fn patch_step<'a>(arena: &'a Arena, object: Value<'a>, ending: &Ending<'a>, recorder: &Recorder) -> Step {
    let step = Step::new(Part::Patch, "").found(ending.finding());
    let Some(patched) = ending.patched() else {
        let reason = ending.explanation().unwrap_or(&ending.message);
        return step.note(reason);
    };
    recorder.hide(patched);
    let mut operations = Vec::new();
    for operation in diff::diff(arena, object, patched) {
        operations.push(match operation {
            Operation::Add { path, value } => (format!("add {path}"), Some(value)),
            Operation::Replace { path, value } => (format!("replace {path}"), Some(value)),
            Operation::Remove { path } => (format!("remove {path}"), None),
            // A difference is made of no others.
            Operation::Move { path, .. } | Operation::Copy { path, .. } | Operation::Test { path, .. } => {
                (path.to_owned(), None)
            }
        });
    }
    let number = operations.len();
    let steps = operations.into_iter().map(|(about, value)| {
        let step = Step::new(Part::Operation, about).found(true);
        match value {
            Some(value) => step.seen(recorder.show(value)),
            None => step,
        }
    });
    steps.for_each(|step| recorder.add(step));
    step.note(if number == 1 { "1 operation".to_owned() } else { format!("{number} operations") })
}

/// The ending of a rule that made `object`.
fn mutated(object: Value<'_>) -> Ending<'_> {
    let resource = Resource(object);
    let (kind, name) = (resource.kind(), resource.name());
    let message = match resource.namespace() {
        "" => format!("mutated {kind}/{name}"),
        namespace => format!("mutated {kind}/{name} in namespace {namespace}"),
    };
    Ending::new(Status::Pass, message).with_patched(object)
}
