//! The mutation record.

use portcullis_engine::record::{ANNOTATION, Change, Recorded, record};
use portcullis_value::{Arena, OwnedValue, Value};
use proptest::prelude::*;

/// A Job with these annotations and this spec.
fn job<'a>(arena: &'a Arena, annotations: &str, spec: &str) -> Value<'a> {
    let text = format!("{{kind: Job, metadata: {{name: pi{annotations}}}, spec: {spec}}}");
    portcullis_yaml::read(arena, arena.str(&text)).unwrap()
}

fn change<'a>(rule: &'a str, before: Value<'a>, after: Value<'a>) -> Change<'a> {
    Change { policy: "policy", namespace: "", rule, before, after }
}

fn text<'a>(object: Value<'a>) -> Option<&'a str> {
    object.path(&["metadata", "annotations", ANNOTATION]).and_then(Value::as_str)
}

/// Records the steps of one rule after the other and returns the annotation.
#[track_caller]
fn check(annotations: &str, specs: &[(&str, &str)], want: Option<&str>) {
    let arena = Arena::new();
    let mut changes = Vec::new();
    let mut before = job(&arena, annotations, specs[0].1);
    for (rule, spec) in &specs[1..] {
        let after = job(&arena, annotations, spec);
        changes.push(change(rule, before, after));
        before = after;
    }
    assert_eq!(text(record(&arena, before, &changes).object), want);
}

#[test]
fn the_founding_rule_is_recorded_as_the_article_shows_it() {
    let arena = Arena::new();
    let (before, after) = (job(&arena, "", "{}"), job(&arena, "", "{ttlSecondsAfterFinished: 900}"));
    let name = "add-ttl-to-dangling-job";
    let recorded =
        record(&arena, after, &[Change { policy: name, namespace: "", rule: name, before, after }]);
    assert_eq!(
        text(recorded.object),
        Some(
            "add-ttl-to-dangling-job.add-ttl-to-dangling-job.kyverno.io: added /spec/ttlSecondsAfterFinished\n"
        )
    );
    assert_eq!(recorded.warning, None);
}

#[test]
fn every_operation_of_a_rule_stands_on_its_line() {
    check(
        "",
        &[("", "{a: 1, b: 2, l: [x, y]}"), ("r", "{a: 3, c: 4, l: [w, x, y]}")],
        Some("r.policy.kyverno.io: replaced /spec/a, removed /spec/b, added /spec/c, added /spec/l/0\n"),
    );
}

#[test]
fn rules_have_lines_of_their_own_in_the_order_of_their_keys() {
    check(
        "",
        &[("", "{}"), ("b", "{x: 1}"), ("a", "{x: 2}"), ("none", "{x: 2}")],
        Some("a.policy.kyverno.io: replaced /spec/x\nb.policy.kyverno.io: added /spec/x\n"),
    );
}

#[test]
fn the_rule_of_a_namespaced_policy_names_its_namespace() {
    let arena = Arena::new();
    let (before, after) = (job(&arena, "", "{}"), job(&arena, "", "{a: 1}"));
    let change = Change { policy: "p", namespace: "ns", rule: "r", before, after };
    assert_eq!(text(record(&arena, after, &[change]).object), Some("r.ns.p.kyverno.io: added /spec/a\n"));
}

#[test]
fn an_earlier_record_is_kept_and_nothing_is_said_twice() {
    let earlier = |record: &str| format!(", annotations: {{{ANNOTATION}: {record:?}}}");
    check(
        &earlier("other.policy.kyverno.io: added /spec/z\n"),
        &[("", "{}"), ("r", "{a: 1}")],
        Some("other.policy.kyverno.io: added /spec/z\nr.policy.kyverno.io: added /spec/a\n"),
    );
    check(
        &earlier("r.policy.kyverno.io: added /spec/a\n"),
        &[("", "{}"), ("r", "{a: 1, b: 1}")],
        Some("r.policy.kyverno.io: added /spec/a, added /spec/b\n"),
    );
}

#[test]
fn nothing_is_written_where_nothing_changed() {
    check("", &[("", "{a: 1}"), ("r", "{a: 1}")], None);
    let earlier = format!(", annotations: {{{ANNOTATION}: 'no record at all: ['}}");
    check(&earlier, &[("", "{a: 1}"), ("r", "{a: 1}")], Some("no record at all: ["));
}

#[test]
fn a_record_that_is_no_map_of_strings_is_replaced_with_a_warning() {
    for earlier in ["[1]", "a: 1", "a: {b: c}", "- x", "a: ["] {
        let arena = Arena::new();
        let annotations = format!(", annotations: {{{ANNOTATION}: {earlier:?}}}");
        let (before, after) = (job(&arena, &annotations, "{}"), job(&arena, &annotations, "{a: 1}"));
        let recorded = record(&arena, after, &[change("r", before, after)]);
        assert_eq!(text(recorded.object), Some("r.policy.kyverno.io: added /spec/a\n"), "{earlier}");
        assert!(recorded.warning.is_some(), "{earlier}");
    }
}

#[test]
fn what_does_not_fit_is_counted() {
    let arena = Arena::new();
    let names: Vec<String> = (0..200).map(|index| format!("rule-{index:03}-{}", "x".repeat(50))).collect();
    let (before, after) = (job(&arena, "", "{}"), job(&arena, "", "{a: 1}"));
    let changes: Vec<_> = names.iter().map(|name| change(name, before, after)).collect();
    let recorded = record(&arena, after, &changes);
    let text = text(recorded.object).unwrap();
    assert!(text.len() <= 8 << 10, "{}", text.len());
    let kept = text.lines().count() - 1;
    assert_eq!(text.lines().last().unwrap(), format!("portcullis.dev/omitted: \"{}\"", 200 - kept));
    assert!(kept > 80);
}

#[test]
fn hostile_names_stay_on_their_line() {
    let arena = Arena::new();
    let (before, after) = (job(&arena, "", "{}"), job(&arena, "", r#"{"a: b\n#c": 1, "~/": 2}"#));
    let text = text(record(&arena, after, &[change("r: #\n", before, after)]).object).unwrap();
    assert_eq!(text.lines().count(), 1, "{text}");
    let read = portcullis_yaml::read(&arena, arena.str(text)).unwrap();
    let want = Value::String("added /spec/a: b\n#c, added /spec/~0~1");
    assert_eq!(read.get("r: #\n.policy.kyverno.io"), Some(want));
}

fn small_value() -> impl Strategy<Value = OwnedValue> {
    let leaf = prop_oneof![
        Just(OwnedValue::Null),
        (0_i64..4).prop_map(|number| OwnedValue::Number(number.into())),
        "[a-c]{0,2}".prop_map(|text| OwnedValue::from(text.as_str())),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|items| OwnedValue::Array(items.into())),
            prop::collection::btree_map("[a-d/~]{1,2}", inner, 0..4).prop_map(|entries| {
                OwnedValue::Object(entries.into_iter().map(|(key, value)| (key.into(), value)).collect())
            }),
        ]
    })
}

proptest! {
    /// Applying what is recorded to the original gives the places, and no others, where the result differs.
    #[test]
    fn the_record_holds_exactly_the_differences(before in small_value(), after in small_value()) {
        let arena = Arena::new();
        let wrap = |spec: &OwnedValue| job(&arena, "", "{}").with(&arena, &["spec"], spec.copy_to(&arena));
        let (before, after) = (wrap(&before), wrap(&after));
        let recorded = record(&arena, after, &[change("r", before, after)]);
        let want: Vec<String> = portcullis_patch::diff::diff(&arena, before, after)
            .iter()
            .map(|operation| {
                use portcullis_patch::json6902::Operation;
                match operation {
                    Operation::Add { path, .. } => format!("added {path}"),
                    Operation::Remove { path } => format!("removed {path}"),
                    Operation::Replace { path, .. } => format!("replaced {path}"),
                    other => panic!("{other:?} in a difference"),
                }
            })
            .collect();
        match text(recorded.object) {
            None => prop_assert!(want.is_empty() && before == after),
            Some(text) => {
                let read = portcullis_yaml::read(&arena, arena.str(text)).unwrap();
                let line = read.get("r.policy.kyverno.io").and_then(Value::as_str).unwrap();
                let mut got: Vec<&str> = line.split(", ").collect();
                // An operation on the same place is said once, however often it was done.
                let mut want: Vec<&str> = want.iter().map(String::as_str).collect();
                got.sort_unstable();
                want.sort_unstable();
                want.dedup();
                prop_assert_eq!(got, want);
            }
        }
    }

    /// A second pass over a recorded object that changes nothing leaves the record as it is.
    #[test]
    fn a_second_pass_changes_nothing(before in small_value(), after in small_value()) {
        let arena = Arena::new();
        let wrap = |spec: &OwnedValue| job(&arena, "", "{}").with(&arena, &["spec"], spec.copy_to(&arena));
        let first = record(&arena, wrap(&after), &[change("r", wrap(&before), wrap(&after))]).object;
        let Recorded { object: second, warning } = record(&arena, first, &[change("r", first, first)]);
        prop_assert_eq!(second, first);
        prop_assert_eq!(warning, None);
        let again = record(&arena, first, &[change("r", wrap(&before), wrap(&after))]);
        prop_assert_eq!(again.object, first);
    }
}
