//! Loops in loops, whose fields the CRD leaves open.

use portcullis_value::Value;

use super::document::{Rule, given, list};
use super::finder::Finder;
use crate::schema::{self, MUTATE_FOREACH, Shape, VALIDATE_FOREACH, Version};

/// Fields that are unknown or of a wrong type, which the reference drops; `finder` is at the rule.
pub(super) fn warn(rule: &Rule<'_>, finder: &mut Finder) {
    for (action, shape) in [("mutate", &MUTATE_FOREACH), ("validate", &VALIDATE_FOREACH)] {
        finder.below(action, |finder| {
            warn_of_inner(rule.value.get(action).unwrap_or_default(), shape, finder);
        });
    }
}

/// The loops in those of `holder`.
fn warn_of_inner(holder: Value<'_>, shape: &Shape, finder: &mut Finder) {
    for (index, entry) in list(holder, "foreach").iter().enumerate() {
        finder.item("foreach", index, |finder| {
            if let Some(inner) = given(*entry, "foreach") {
                finder.below("foreach", |finder| {
                    finder.warnings(|path, found| schema::check(inner, shape, Version::V1, path, found));
                });
            }
            warn_of_inner(*entry, shape, finder);
        });
    }
}
