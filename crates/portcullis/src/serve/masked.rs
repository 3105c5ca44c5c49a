//! Texts about Secrets, which tell nothing of what these hold.

use portcullis_model::{Mask, Review};
use portcullis_value::Arena;

/// What the texts of rules are masked by: the values of the Secret that `review` is about.
pub(super) fn mask(review: &Review<'_>) -> Mask {
    let mut mask = Mask::default();
    let kind = review.request.gvk();
    if kind.group.is_empty() && kind.kind == "Secret" {
        let arena = Arena::new();
        let objects = [review.request.object(&arena), review.request.old_object(&arena)];
        objects.into_iter().flatten().flatten().for_each(|object| mask.hide(object));
    }
    mask
}
