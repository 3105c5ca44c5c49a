//! `verifyImages`.

use portcullis_value::Value;

use super::document::{Document, Rule, given, list, text};
use super::finder::Finder;
use super::quote;

/// The entries of `verifyImages`; `finder` is at the rule.
pub(super) fn check(document: &Document<'_>, rule: &Rule<'_>, finder: &mut Finder) {
    for (index, entry) in list(rule.value, "verifyImages").iter().enumerate() {
        let path = format!("spec.rules[{}].verifyImages[{index}]", rule.index);
        finder.item("verifyImages", index, |finder| {
            if is_audit(document, *entry) && entry.get("mutateDigest") != Some(Value::Bool(false)) {
                finder
                    .error("mutateDigest must be set to false for \u{2018}Audit\u{2019} failure action")
                    .under(entry.get("mutateDigest").map(|_| "mutateDigest"))
                    .framed(format_args!("{path}.mutateDigest: Invalid value: true: "))
                    .hint("its default is true: write `mutateDigest: false`");
            }
            if text(*entry, "image").is_empty() && list(*entry, "imageReferences").is_empty() {
                finder
                    .error("An image reference is required")
                    .framed(format_args!("{path}: Invalid value: {}: ", quote::image_verification(*entry)));
            }
        });
    }
}

/// Whether a failed verification is only reported.
fn is_audit(document: &Document<'_>, entry: Value<'_>) -> bool {
    let action = given(entry, "failureAction").or_else(|| given(document.spec, "validationFailureAction"));
    !matches!(action.and_then(Value::as_str), Some("Enforce" | "enforce"))
}
