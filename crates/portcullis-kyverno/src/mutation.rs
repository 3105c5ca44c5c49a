//! `mutate`: the patch of a rule.

use portcullis_model::{Resource, Status};
use portcullis_value::{Arena, Budget, Value};

use crate::mutate::{self, Outcome, Overlay};
use crate::rule::Ending;
use crate::scope::Scope;
use crate::variable::{Template, TemplatePath, VariableError, resolve_references};

/// A mutate block, compiled together with the rest of its rule.
///
/// COMPAT(kyverno): variables are substituted in the whole rule first, so that one without a value anywhere in the rule
/// is an error, even where it plays no part.
#[derive(Debug)]
pub(crate) struct Mutation {
    patch: Patch,
    rest: Template,
    /// A reference in the rule that leads nowhere, in the reference's words.
    broken: Option<String>,
}

#[derive(Debug)]
enum Patch {
    /// An overlay without variables, compiled when the policy is loaded.
    Overlay(Overlay),
    Strategic(Template),
    Json(Template),
    None,
}

impl Mutation {
    pub(crate) fn compile(rule: Value<'_>) -> Self {
        let arena = Arena::new();
        let (rule, broken) = match resolve_references(&arena, rule.copy_to(&arena)) {
            Ok(rule) => (rule, None),
            Err(text) => (rule.copy_to(&arena), Some(text)),
        };
        let template = |key: &str| {
            let patch = rule.path(&["mutate", key]).filter(|patch| !patch.is_null())?;
            let mut path = TemplatePath::default();
            path.push("mutate");
            path.push(key);
            Some(Template::compile_resolved(patch, &mut path))
        };
        let patch = if let Some(overlay) = template("patchStrategicMerge") {
            let compiled = overlay.literal().map(|literal| compile(literal.borrow(&arena)));
            match compiled {
                Some(Ok(compiled)) => Patch::Overlay(compiled),
                // What cannot be compiled is tried again, and fails, when it is used.
                _ => Patch::Strategic(overlay),
            }
        } else if let Some(patches) = template("patchesJson6902") {
            Patch::Json(patches)
        } else {
            Patch::None
        };
        let rest = rule
            .without(&arena, &["mutate", "patchStrategicMerge"])
            .without(&arena, &["mutate", "patchesJson6902"]);
        Self { patch, rest: Template::compile_resolved(rest, &mut TemplatePath::default()), broken }
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
        const FRAME: &str = "variable substitution failed: ";
        if let Some(text) = &self.broken {
            return Ok(Ending::new(Status::Error, format!("{FRAME}{text}")));
        }
        // The rest of the rule is substituted for its errors alone; a constant one has none.
        if self.rest.literal().is_none()
            && let Err(error) = self.rest.render(scope)
        {
            return Ending::failed(FRAME, error);
        }
        let Some(object) = object else { return Ok(Ending::new(Status::Skip, "no patches applied")) };
        let arena = scope.arena();
        let outcome = match &self.patch {
            Patch::None => return Ok(Ending::new(Status::Error, mutate::Error::Empty.to_string())),
            Patch::Overlay(overlay) => mutate::strategic_merge(arena, object, overlay, scope.budget()),
            Patch::Strategic(template) => match template.render(scope) {
                Ok(overlay) => merge_once(arena, object, overlay, scope.budget()),
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
            Ok(Outcome::Patched(patched)) => {
                Ending { patched: Some(patched), ..Ending::new(Status::Pass, mutated(Resource(patched))) }
            }
            Ok(Outcome::Unchanged) => {
                let explanation = scope.explain.then(|| self.why_unchanged(object, scope));
                Ending { explanation, ..Ending::new(Status::Skip, mutate::UNCHANGED) }
            }
            Err(error) => Ending::new(Status::Error, error.to_string()),
        })
    }

    /// Why the patch, which could be applied to `object`, did not change it.
    fn why_unchanged<'a>(&'a self, object: Value<'a>, scope: &mut Scope<'a, '_, '_>) -> String {
        let obstacle = match &self.patch {
            Patch::Overlay(overlay) => overlay.obstacle(object, scope.budget()),
            Patch::Strategic(template) => template
                .render(scope)
                .ok()
                .and_then(|overlay| compile(overlay).ok())
                .and_then(|overlay| overlay.obstacle(object, scope.budget())),
            Patch::Json(_) | Patch::None => None,
        };
        obstacle.unwrap_or_else(|| "what the patch sets is there already".to_owned())
    }
}

fn compile(overlay: Value<'_>) -> Result<Overlay, mutate::OverlayError> {
    Overlay::compile(overlay, &mut Budget::default())
}

/// Merges an overlay that was put together while evaluating. What comes of it is copied, since the overlay goes.
fn merge_once<'a>(
    arena: &'a Arena,
    object: Value<'a>,
    overlay: Value<'a>,
    budget: &mut Budget<'_>,
) -> Result<Outcome<'a>, mutate::Error> {
    let overlay = Overlay::compile(overlay, budget)?;
    Ok(match mutate::strategic_merge(arena, object, &overlay, budget)? {
        Outcome::Patched(patched) => Outcome::Patched(patched.copy_to(arena)),
        Outcome::Unchanged => Outcome::Unchanged,
    })
}

fn mutated(resource: Resource<'_>) -> String {
    let (kind, name) = (resource.kind(), resource.name());
    match resource.namespace() {
        "" => format!("mutated {kind}/{name}"),
        namespace => format!("mutated {kind}/{name} in namespace {namespace}"),
    }
}
