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

static OPERATOR: Shape = Enum(&with_orders::<16>(&[
    "Equals",
    "NotEquals",
    "In",
    "AnyIn",
    "AllIn",
    "NotIn",
    "AnyNotIn",
    "AllNotIn",
]));

/// Without `In` and `NotIn`.
static OPERATOR_V2: Shape =
    Enum(&with_orders::<14>(&["Equals", "NotEquals", "AnyIn", "AllIn", "AnyNotIn", "AllNotIn"]));

/// The operators that compare by size.
const ORDERS: [&str; 8] = [
    "GreaterThanOrEquals",
    "GreaterThan",
    "LessThanOrEquals",
    "LessThan",
    "DurationGreaterThanOrEquals",
    "DurationGreaterThan",
    "DurationLessThanOrEquals",
    "DurationLessThan",
];

/// `first`, and after them [`ORDERS`]; `N` is how many that are.
#[expect(clippy::indexing_slicing, reason = "out of range would be an error of the build")]
const fn with_orders<const N: usize>(first: &[&'static str]) -> [&'static str; N] {
    assert!(first.len() + ORDERS.len() == N, "`N` is not their number");
    let mut all = [""; N];
    let mut index = 0;
    while index < N {
        all[index] = if index < first.len() { first[index] } else { ORDERS[index - first.len()] };
        index += 1;
    }
    all
}
