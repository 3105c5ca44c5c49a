//! PolicyException.

use portcullis_value::Value;

use super::document::{list, text};
use super::finder::Finder;
use super::pod_security;
use crate::exception::expiry::{self, LABEL};
use crate::schema::{self, EXCEPTION_SPEC, Version};

/// Looks at `document`.
pub(super) fn check(document: Value<'_>, finder: &mut Finder) {
    match text(document, "apiVersion") {
        "kyverno.io/v2" | "kyverno.io/v2beta1" => {}
        other => finder.below("apiVersion", |finder| {
            finder
                .error(format!("unsupported version `{other}` of an exception"))
                .by_schema()
                .hint("write `kyverno.io/v2`");
        }),
    }
    if expiry::is_unreadable(document) {
        finder.below("metadata", |finder| {
            finder
                .warning(format!("the label `{LABEL}` cannot be read: the exception does not end"))
                .under(["labels", LABEL])
                .hint("write a duration such as `2d`, or a time: `2026-01-02`, `2026-01-02T150405Z`");
        });
    }
    let spec = document.get("spec").unwrap_or_default();
    finder.below("spec", |finder| {
        if spec.is_null() {
            finder.error("required field `spec` is missing").by_schema();
            return;
        }
        finder.schema(|path, found| schema::check(spec, &EXCEPTION_SPEC, Version::V2, path, found));
        if spec.get("background").and_then(Value::as_bool) != Some(false) {
            check_users(spec.get("match").unwrap_or_default(), finder);
        }
        for (index, exception) in list(spec, "exceptions").iter().enumerate() {
            if text(*exception, "policyName").is_empty() {
                finder.item("exceptions", index, |finder| {
                    finder
                        .error("An exception requires a policy name")
                        .under(["policyName"])
                        .field_error(format_args!("spec.exceptions[{index}].policyName: Required value: "));
                });
            }
        }
        for (index, exclusion) in list(spec, "podSecurity").iter().enumerate() {
            let path = format!("spec.podSecurity[{index}]");
            finder.item("podSecurity", index, |finder| {
                pod_security::check_exclusion(*exclusion, "", &path, finder);
            });
        }
    });
}

/// Nobody asks in a background scan.
fn check_users(block: Value<'_>, finder: &mut Finder) {
    finder.below("match", |finder| {
        for key in ["any", "all"] {
            for (index, filter) in list(block, key).iter().enumerate() {
                for field in ["roles", "clusterRoles", "subjects"] {
                    if list(*filter, field).is_empty() {
                        continue;
                    }
                    finder.item(key, index, |finder| {
                        finder
                            .error("Usage of user info is forbidden")
                            .under([field])
                            .hint("or write `background: false`")
                            .forbidden(format_args!("spec.match.{key}[{index}].{field}"));
                    });
                }
            }
        }
    });
}
