//! What changes an object: `mutate`.

use super::Shape::{Any, Conditions, Enum, Fields, Flag, List, Text, Undeclared};
use super::conditions::OPEN_ANY_ALL;
use super::context::CONTEXT;
use super::selection::LABEL_SELECTOR;
use super::{Field, Shape, field};

pub(super) static MUTATE: Shape = Fields(&[
    field(
        "mutateExistingOnPolicyUpdate",
        &Flag,
        "Whether the targets are changed as soon as the policy is written, too.",
    )
    .pointer(),
    field(
        "targets",
        &List(&Fields(&[
            field("apiVersion", &Text, "The group and version of the targets."),
            field("kind", &Text, "The kind of the targets."),
            field("namespace", &Text, "The namespace of the targets; wildcards and variables work."),
            field("name", &Text, "The name of the targets; wildcards and variables work."),
            field("uid", &Text, "The UID of the target."),
            field("selector", &LABEL_SELECTOR, "The labels of the targets."),
            field("context", &CONTEXT, "Variables for each target, which is `target` in expressions."),
            field("preconditions", &Conditions, "A target is left alone unless these hold."),
        ])),
        "Objects in the cluster to change, in place of the one in the request.",
    ),
    STRATEGIC_MERGE,
    JSON_PATCH,
    field("foreach", &MUTATE_FOREACH, "Changes made once for each element of a list."),
]);

/// `mutate.foreach`, and what such loops in loops should look like.
pub(crate) static MUTATE_FOREACH: Shape = List(&Fields(&[
    field("list", &Text, "A JMESPath expression for the list; its element is `element` in expressions."),
    field(
        "order",
        &Enum(&["Ascending", "Descending"]),
        "The order of the elements; `Descending` is right for patches that remove elements.",
    ),
    field("context", &CONTEXT, "Variables for each element."),
    field("preconditions", &OPEN_ANY_ALL, "An element is passed over unless these hold."),
    STRATEGIC_MERGE,
    JSON_PATCH,
    field("foreach", &Undeclared(&MUTATE_FOREACH), "Loops for each element, like this one."),
]));

const STRATEGIC_MERGE: Field =
    field("patchStrategicMerge", &Any, "A strategic merge patch; anchors and variables work in it.");
const JSON_PATCH: Field = field(
    "patchesJson6902",
    &Text,
    "A JSON Patch (RFC 6902) as text, in YAML or JSON; variables work in it.",
);
