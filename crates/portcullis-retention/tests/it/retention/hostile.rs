//! Objects and statuses that nobody in his right mind writes.

use portcullis_retention::TtlOwner;
use portcullis_retention::retention::{FIELD_MANAGER, JobRetention, Progress};
use portcullis_value::{Arena, json};
use proptest::prelude::*;

use crate::jobs::NOW;

/// JSON with the words that are looked for, in places where they belong and where they do not.
fn document(words: &'static [&'static str]) -> impl Strategy<Value = String> {
    let word = move || prop::sample::select(words);
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|flag| flag.to_string()),
        any::<i64>().prop_map(|number| number.to_string()),
        any::<f64>().prop_map(|number| serde_json::json!(number).to_string()),
        "[0-9]{0,12}[smhdy]?".prop_map(|text| format!("\"{text}\"")),
        word().prop_map(|text| format!("\"{text}\"")),
    ];
    let object = leaf.prop_recursive(5, 60, 6, move |inner| {
        let member = (word(), inner.clone()).prop_map(|(key, value)| format!("\"{key}\":{value}"));
        prop_oneof![
            proptest::collection::vec(inner, 0..4).prop_map(|items| format!("[{}]", items.join(","))),
            proptest::collection::btree_map(word(), member, 0..6)
                .prop_map(|members| format!("{{{}}}", members.into_values().collect::<Vec<_>>().join(","))),
        ]
    });
    // The root is a map more often than not.
    (object.clone(), word())
        .prop_map(|(value, key)| format!(r#"{{"spec":{value},"status":{value},"{key}":1}}"#))
}

const OF_SPECS: &[&str] = &[
    "selector",
    "namespaceSelector",
    "matchLabels",
    "matchExpressions",
    "key",
    "operator",
    "values",
    "In",
    "ttl",
    "succeeded",
    "failed",
    "groupBy",
    "keepLast",
    "keepFailed",
    "protections",
    "namespaces",
    "mode",
    "enforce",
    "writesPerHour",
    "existingTTL",
    "replaceAny",
    "approvedBacklog",
    "argoCDInstanceLabel",
    "withDependents",
    "app",
];

/// The writes of an hour as somebody else may have written them: mostly spans, some of them absurd.
fn writes() -> impl Strategy<Value = String> {
    let times = vec![
        "2026-10-01T00:00:00Z",
        "2026-09-30T23:30:00Z",
        "2026-10-01T00:40:00Z",
        "9999-12-31T23:59:59Z",
        "-009999-01-01T00:00:00Z",
        "now",
    ];
    let numbers = vec!["0", "3", "-1", "4294967295", "4294967296", "1.5", "null", "[]"];
    let span = (prop::sample::select(times), prop::sample::select(numbers))
        .prop_map(|(from, writes)| format!(r#"{{"from":"{from}","writes":{writes}}}"#));
    prop_oneof![
        proptest::collection::vec(span, 0..20).prop_map(|spans| format!("[{}]", spans.join(","))),
        prop::sample::select(vec!["null".to_owned(), "{}".to_owned(), "[7]".to_owned()]),
    ]
}

const OF_MANAGERS: &[&str] = &[
    "manager",
    FIELD_MANAGER,
    "operation",
    "Apply",
    "Update",
    "fieldsV1",
    "f:spec",
    "f:ttlSecondsAfterFinished",
];

proptest! {
    #[test]
    fn an_object_that_is_read_says_something_that_can_be_done(text in document(OF_SPECS)) {
        let arena = Arena::new();
        let document = json::read(&arena, &text).unwrap();
        match JobRetention::read(document) {
            Ok(read) => {
                prop_assert!(document.path(&["spec", "selector"]).is_some_and(|selector| !selector.is_null()));
                prop_assert!(read.writes_per_hour > 0 && read.approved_backlog != Some(0));
                prop_assert!([read.ttl.succeeded, read.ttl.failed].into_iter().flatten().all(|ttl| ttl >= 0));
            }
            Err(mistakes) => prop_assert!(!mistakes.is_empty()),
        }
    }

    #[test]
    fn a_status_that_somebody_else_wrote_gives_no_more_writes_than_the_hour_has(writes in writes(), cap in 1..9_u32) {
        let arena = Arena::new();
        let text = format!(r#"{{"writes":{writes}}}"#);
        let mut progress = Progress::read(json::read(&arena, &text).unwrap(), NOW);
        let granted: u32 = (0..60).map(|minute| progress.take(3, cap, NOW + 60 * minute)).sum();
        prop_assert!(granted <= cap);
        // And it keeps nobody from writing for ever.
        prop_assert!(progress.take(1, cap, NOW + 4 * 3600) == 1);
    }

    #[test]
    fn whatever_the_managed_fields_hold_a_ttl_has_an_owner(text in document(OF_MANAGERS)) {
        let arena = Arena::new();
        let document = json::read(&arena, &text).unwrap();
        let managed_fields = document.get("spec").unwrap().to_string();
        let owner = TtlOwner::read(&managed_fields, FIELD_MANAGER);
        // Nothing is ours or nobody's that does not say so in a list.
        prop_assert!(managed_fields.starts_with('[') || owner == TtlOwner::Unknown);
    }
}
