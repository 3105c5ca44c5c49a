//! `PolicyException`: what a policy does not apply to.

use super::Shape::{Fields, Flag, List, Text};
use super::conditions::ANY_ALL_V2;
use super::selection::MATCH;
use super::validate::POD_SECURITY_EXCLUDE;
use super::{Field, Shape, TEXTS, field};

/// The fields of a PolicyException beside its metadata.
pub(crate) static EXCEPTION: [Field; 1] =
    [field("spec", &EXCEPTION_SPEC, "What is exempt from which rules.").required()];

/// What `spec` holds.
pub(crate) static EXCEPTION_SPEC: Shape = Fields(&[
    field("background", &Flag, "Whether the exception counts in background scans. Defaults to `true`."),
    field("match", &MATCH, "The objects and requests that are exempt.").required(),
    field("conditions", &ANY_ALL_V2, "Nothing is exempt unless these hold."),
    field(
        "exceptions",
        &List(&Fields(&[
            field("policyName", &Text, "The name of the policy, `namespace/name` for a Policy.").required(),
            field("ruleNames", &TEXTS, "The names of its rules; wildcards work.").required(),
        ])),
        "The rules that do not apply.",
    )
    .required(),
    field(
        "podSecurity",
        &POD_SECURITY_EXCLUDE,
        "Controls of `validate.podSecurity` that are left out; the rest of the rule applies.",
    ),
]);
