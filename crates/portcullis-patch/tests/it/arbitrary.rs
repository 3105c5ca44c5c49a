//! Documents for properties.

use portcullis_value::{Number, OwnedValue};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

/// A few keys, so that documents have some in common.
pub(crate) fn key() -> impl Strategy<Value = Box<str>> {
    prop_oneof![Just("a"), Just("b"), Just("name"), Just("x/y"), Just("~1"), Just("0"), Just("é")]
        .prop_map(Into::into)
}

fn scalar() -> impl Strategy<Value = OwnedValue> {
    prop_oneof![
        Just(OwnedValue::Null),
        any::<bool>().prop_map(OwnedValue::Bool),
        (-2_i64..3).prop_map(|number| OwnedValue::Number(Number::Int(number))),
        prop_oneof![Just("p"), Just("q"), Just("")].prop_map(OwnedValue::from),
    ]
}

/// Any document of a few levels.
pub(crate) fn document() -> impl Strategy<Value = OwnedValue> {
    scalar().prop_recursive(5, 48, 6, |inner| {
        prop_oneof![vec(inner.clone(), 0..6).prop_map(list), btree_map(key(), inner, 0..5).prop_map(map)]
    })
}

/// Any document that is a map.
pub(crate) fn map_document() -> impl Strategy<Value = OwnedValue> {
    btree_map(key(), document(), 0..5).prop_map(map)
}

fn list(items: Vec<OwnedValue>) -> OwnedValue {
    OwnedValue::Array(items.into())
}

fn map(entries: std::collections::BTreeMap<Box<str>, OwnedValue>) -> OwnedValue {
    OwnedValue::Object(entries.into_iter().collect())
}
