//! Fields that cannot change once an object is there: the API server would refuse the update that a mutation of them
//! makes, and with it updates that nobody thinks of as one, such as the removal of a finalizer.

mod change;
mod fields;

use fields::FIELDS;
use portcullis_model::{ChangeGuard, Gvk, Input, Operation, Refusal};
use portcullis_value::Value;

/// What becomes of a mutation of a field that cannot change any more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ImmutableFields {
    /// The rule is skipped.
    #[default]
    Skip,
    /// The API server is left to refuse it.
    AsWritten,
}

/// Lets policies change what can be changed.
#[derive(Debug)]
pub(crate) struct Guard<'a> {
    gvk: Gvk<'a>,
    /// The object as it is stored, where the request updates it and its fields are looked after.
    stored: Option<Value<'a>>,
    /// Whether the status of the object is there to be changed.
    is_status: bool,
}

impl<'a> Guard<'a> {
    pub(crate) fn new(input: &Input<'a>, option: ImmutableFields) -> Self {
        let is_update = input.operation == Operation::Update && input.subresource.is_empty();
        let stored = input.old_object.filter(|_| is_update && option == ImmutableFields::Skip);
        Self { gvk: input.gvk, stored, is_status: input.subresource == "status" }
    }
}

/// Fields that no policy changes, for any object.
const IDENTITY: [&str; 3] = ["name", "uid", "resourceVersion"];

impl ChangeGuard for Guard<'_> {
    fn check(&self, before: Value<'_>, after: Value<'_>) -> Result<(), Refusal> {
        let changed = |path: &[&str]| before.path(path) != after.path(path);
        if let Some(key) = IDENTITY.into_iter().find(|key| changed(&["metadata", key])) {
            return Err(Refusal::Forbidden(format!("the patch changes metadata.{key}, which no policy can")));
        }
        if !self.is_status && changed(&["status"]) {
            let text = "the patch changes the status, which is written by `/status` alone";
            return Err(Refusal::Forbidden(text.to_owned()));
        }
        let Some(stored) = self.stored else { return Ok(()) };
        // What makes the field what it is already is no change of it.
        let touched = FIELDS.iter().find(|field| {
            field.is_fixed(self.gvk, stored)
                && field.differs(before, after)
                && field.differs(stored, after)
                && !field.admits(stored, after)
        });
        match touched {
            Some(field) => Err(Refusal::Immutable(field.path.join("."))),
            None => Ok(()),
        }
    }
}
