//! What a mutate rule does to a resource: `patchStrategicMerge` and `patchesJson6902`.
//!
//! An overlay is compiled once ([`Overlay`]), held against each resource, which leaves an overlay without anchors, and
//! merged. Rules, preconditions, loops and variables are the caller's: what comes here is ready to be applied.

mod condition;
mod json_patch;
mod obstacle;
mod overlay;
mod resolve;

use portcullis_model::explain::Recorder;
use portcullis_patch::{json6902, strategic};
use portcullis_value::{Arena, Budget, Exhausted, Value};

pub use json_patch::json_patch;
pub use overlay::{Overlay, OverlayError};

/// What a patch makes of a resource.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Outcome<'a> {
    /// The resource as patched; it differs.
    Patched(Value<'a>),
    /// Nothing changes: the rule is skipped with [`UNCHANGED`].
    Unchanged,
}

/// The message of a rule whose patch changes nothing.
pub const UNCHANGED: &str = "no patches applied";

/// Why a resource cannot be patched. The texts are the reference's (`pkg/engine/mutate`).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("empty mutate rule")]
    Empty,
    #[error("failed to patch resource: failed to preProcess rule: {0}")]
    Overlay(#[from] OverlayError),
    #[error("failed to patch resource: {0}")]
    Merge(strategic::Error),
    #[error("failed to patch resource: failed to convert patchesJSON6902 to JSON: yaml: {0}")]
    Yaml(String),
    #[error("failed to patch resource: failed to decode patches: {0}")]
    Decode(String),
    #[error("failed to patch resource: {0}")]
    Apply(json6902::ApplyError),
    #[error("failed to unmarshal patched resource: {0}")]
    NoResource(String),
    #[error(transparent)]
    Exhausted(#[from] Exhausted),
}

/// `resource` with `overlay` laid over it, where its conditions hold; they are told to `recorder`.
///
/// # Errors
/// What does not fit together, and an exhausted `budget`.
pub fn strategic_merge<'a>(
    arena: &'a Arena,
    resource: Value<'a>,
    overlay: &'a Overlay,
    recorder: Option<&Recorder>,
    budget: &mut Budget<'_>,
) -> Result<Outcome<'a>, Error> {
    let overlay = overlay.resolve(arena, resource, recorder, budget)?;
    merge(arena, resource, overlay, budget)
}

/// [`strategic_merge`] of an overlay that was put together while evaluating. What is merged is copied, since the compiled
/// overlay goes; the resource is not.
///
/// # Errors
/// As [`strategic_merge`], and an overlay that cannot be read.
pub(crate) fn strategic_merge_once<'a>(
    arena: &'a Arena,
    resource: Value<'a>,
    overlay: Value<'_>,
    recorder: Option<&Recorder>,
    budget: &mut Budget<'_>,
) -> Result<Outcome<'a>, Error> {
    let overlay = Overlay::compile(overlay, budget)?;
    let plain = overlay.resolve(arena, resource, recorder, budget)?.map(|plain| plain.copy_to(arena));
    merge(arena, resource, plain, budget)
}

/// `resource` with `overlay`, of which anchors are gone, laid over it.
fn merge<'a>(
    arena: &'a Arena,
    resource: Value<'a>,
    overlay: Option<Value<'a>>,
    budget: &mut Budget<'_>,
) -> Result<Outcome<'a>, Error> {
    let merged = match overlay {
        Some(overlay) => strategic::merge(arena, resource, overlay, budget)?,
        None => resource,
    };
    let merged = strategic::collapse_pairs(arena, merged, budget)?;
    if merged.is_same(resource) {
        return Ok(Outcome::Unchanged);
    }
    patched(merged)
}

/// `resource`, which is what a patch has made, if it is a resource still.
fn patched(resource: Value<'_>) -> Result<Outcome<'_>, Error> {
    match (resource, resource.get("kind")) {
        (_, Some(Value::String(kind))) if !kind.is_empty() => Ok(Outcome::Patched(resource)),
        (Value::Object(_), _) => Err(Error::NoResource(format!("Object 'Kind' is missing in '{resource}'"))),
        (other, _) => Err(Error::NoResource(format!(
            "json: cannot unmarshal {} into Go value of type map[string]interface {{}}",
            other.kind()
        ))),
    }
}

impl From<strategic::Error> for Error {
    fn from(error: strategic::Error) -> Self {
        match error.problem {
            strategic::Problem::Exhausted(exhausted) => Error::Exhausted(exhausted),
            _ => Error::Merge(error),
        }
    }
}

impl From<json6902::ApplyError> for Error {
    fn from(error: json6902::ApplyError) -> Self {
        match error {
            json6902::ApplyError::Exhausted(exhausted) => Error::Exhausted(exhausted),
            error => Error::Apply(error),
        }
    }
}
