//! Conditions: a key, an operator, a value.

use super::Shape::{Any, Enum, Fields, List, Open, Text};
use super::{Field, Shape, field};

/// `any` and `all` of conditions with the operators of `v1`.
pub(crate) static ANY_ALL: Shape = Fields(&any_all(&CONDITION_LIST));
/// The same where the CRD takes other keys beside.
pub(super) static OPEN_ANY_ALL: Shape = Open(&any_all(&CONDITION_LIST));
/// `any` and `all` of conditions with the operators of `v2`.
pub(super) static ANY_ALL_V2: Shape = Fields(&any_all(&List(&Fields(&condition(&OPERATOR_V2)))));

/// Conditions with the operators of `v1`.
pub(crate) static CONDITION_LIST: Shape = List(&Fields(&condition(&OPERATOR)));

const fn any_all(conditions: &'static Shape) -> [Field; 2] {
    [
        field("any", conditions, "At least one of these conditions holds."),
        field("all", conditions, "Every one of these conditions holds."),
    ]
}

const fn condition(operator: &'static Shape) -> [Field; 4] {
    [
        field("key", &Any, "What is compared, mostly a variable: `{{ request.operation }}`."),
        field("operator", operator, "How key and value are compared."),
        field("value", &Any, "What the key is compared with, or a list of what it may be."),
        field("message", &Text, "Shown when the condition decides; variables work."),
    ]
}

static OPERATOR: Shape = Enum(&[
    "Equals",
    "NotEquals",
    "In",
    "AnyIn",
    "AllIn",
    "NotIn",
    "AnyNotIn",
    "AllNotIn",
    "GreaterThanOrEquals",
    "GreaterThan",
    "LessThanOrEquals",
    "LessThan",
    "DurationGreaterThanOrEquals",
    "DurationGreaterThan",
    "DurationLessThanOrEquals",
    "DurationLessThan",
]);

/// Without `In` and `NotIn`.
static OPERATOR_V2: Shape = Enum(&[
    "Equals",
    "NotEquals",
    "AnyIn",
    "AllIn",
    "AnyNotIn",
    "AllNotIn",
    "GreaterThanOrEquals",
    "GreaterThan",
    "LessThanOrEquals",
    "LessThan",
    "DurationGreaterThanOrEquals",
    "DurationGreaterThan",
    "DurationLessThanOrEquals",
    "DurationLessThan",
]);
