//! Whatever the document, there is an answer.

use portcullis_value::OwnedValue;
use proptest::prelude::*;

use super::*;

/// A rule with something in every place.
const FULL: &str = "
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {name: p, annotations: {pod-policies.kyverno.io/autogen-controllers: Deployment}}
spec:
  background: false
  validationFailureActionOverrides: [{action: Audit, namespaces: [a]}]
  rules:
    - name: r
      match: {any: [{resources: {kinds: [Pod], selector: {matchLabels: {a: b}}}, subjects: [{kind: User, name: a}]}]}
      exclude: {resources: {kinds: [Job], namespaces: [a]}, roles: ['a:b']}
      context: [{name: c, configMap: {name: a, namespace: b}}, {name: v, variable: {jmesPath: a.b, default: 1}}]
      preconditions: {any: [{key: '{{ request.operation }}', operator: Equals, value: CREATE}], all: []}
      validate:
        message: '{{ c.data.{{ v }} }}'
        foreach: [{list: a, preconditions: {all: []}, pattern: {(a): [{^(b): [1]}]}}, {list: b, foreach: [{list: c, deny: {}}]}]
    - name: s
      match: {resources: {kinds: [Pod]}}
      mutate:
        targets: [{apiVersion: v1, kind: Secret, name: '{{ request.name }}', context: [{name: t, variable: {value: 1}}]}]
        patchStrategicMerge: {spec: {containers: [{(name): '*', +(tty): true}], =(a): '$(../b)', b: x}}
    - name: g
      match: {resources: {kinds: [Pod]}}
      generate: {apiVersion: v1, kind: Secret, name: a, data: {a: b}, clone: {}, cloneList: {}}
    - name: i
      match: {resources: {kinds: [Pod]}}
      verifyImages: [{imageReferences: ['*'], mutateDigest: false, attestations: [{name: a, conditions: [{all: []}]}]}]
";

/// The nodes of a document.
fn count(value: Value<'_>) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(|item| count(*item)).sum(),
        Value::Object(object) => object.iter().map(|(_, item)| count(item)).sum(),
        _ => 0,
    }
}

/// `value` with `new` in the place of its node number `index`, counted from the root in order.
fn replace(value: Value<'_>, index: &mut Option<usize>, new: &OwnedValue) -> OwnedValue {
    match index {
        Some(0) => {
            *index = None;
            return new.clone();
        }
        Some(left) => *left -= 1,
        None => {}
    }
    match value {
        Value::Array(items) => {
            OwnedValue::Array(items.iter().map(|item| replace(*item, index, new)).collect())
        }
        Value::Object(object) => OwnedValue::Object(
            object.iter().map(|(key, item)| (key.into(), replace(item, index, new))).collect(),
        ),
        other => other.into(),
    }
}

fn scalar() -> impl Strategy<Value = OwnedValue> {
    prop_oneof![
        Just(OwnedValue::Null),
        any::<bool>().prop_map(OwnedValue::Bool),
        (-3i64..3).prop_map(|number| OwnedValue::from(Value::from(number))),
        r"[a-c*?/.:!<>=X^+()$ \\{}\[\]\-é]{0,12}".prop_map(|text| OwnedValue::from(text.as_str())),
        r"\{\{ ?(request|element|x)\.[a-c.]{0,4} ?\}\}".prop_map(|text| OwnedValue::from(text.as_str())),
    ]
}

fn anything() -> impl Strategy<Value = OwnedValue> {
    scalar().prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(|items| OwnedValue::Array(items.into())),
            prop::collection::btree_map("[a-c+=X^<(]{1,3}\\)?", inner, 0..3).prop_map(|entries| {
                OwnedValue::Object(entries.into_iter().map(|(key, value)| (key.into(), value)).collect())
            }),
        ]
    })
}

proptest! {
    #[test]
    fn a_document_with_anything_anywhere_is_answered(place in 0..1000usize, new in anything(), in_cluster: bool) {
        let arena = Arena::new();
        let document = portcullis_yaml::read(&arena, FULL).unwrap();
        let changed = replace(document, &mut Some(place % count(document)), &new);
        let kinds: Option<&dyn Kinds> = if in_cluster { Some(&Cluster) } else { None };
        let findings = Findings::of(changed.borrow(&arena), kinds);
        let refusal = findings.refusal();
        prop_assert_eq!(refusal.is_some(), findings.into_diagnostics().iter().any(Diagnostic::is_error));
    }
}

#[test]
fn the_document_that_is_changed_has_nothing_wrong_in_between() {
    // Else the property above would see the same refusal every time.
    let found = findings(FULL, None);
    assert_eq!(found.refusal(), None, "{:?}", lines(findings(FULL, None)));
}

#[test]
fn a_document_deeper_than_any_that_is_read_is_refused() {
    let mut value = OwnedValue::Null;
    for _ in 0..=json::MAX_DEPTH {
        value = OwnedValue::Array([value].into());
    }
    let arena = Arena::new();
    assert_eq!(Findings::of(value.borrow(&arena), None).into_diagnostics().len(), 1);
}

#[test]
fn a_policy_of_mistakes_alone_is_answered_in_time() {
    let many =
        |count: usize, item: &str| (0..count).map(|n| item.replace('#', &n.to_string())).collect::<String>();
    let pattern = "validate: {message: m, pattern: {}}";
    for (what, lines) in [
        ("variables", format!("validate: {{message: '{}', pattern: {{}}}}", many(20_000, "{{ nosuch# }} "))),
        (
            "functions",
            format!("validate: {{message: '{}', pattern: {{}}}}", many(20_000, "{{ nosuch#(@) }} ")),
        ),
        (
            "declarations",
            format!(
                "context: [{}]\nvalidate: {{message: '{}', pattern: {{}}}}",
                many(10_000, "{name: n#, variable: {value: 1}}, "),
                many(10_000, "{{ m# }} ")
            ),
        ),
        ("fields", format!("{pattern}\n{}", many(10_000, "field#: 1\n"))),
        (
            "filters",
            format!(
                "{pattern}\nmatch: {{any: [{}]}}\nexclude: {{any: [{}]}}",
                many(5_000, "{resources: {names: [a#]}}, "),
                many(5_000, "{resources: {names: [b#]}}, ")
            ),
        ),
        (
            "names",
            format!(
                "{pattern}\nmatch: {{resources: {{kinds: [Pod], names: [{}]}}}}\nexclude: {{resources: {{names: [{}]}}}}",
                many(5_000, "a#a, "),
                many(5_000, "'a#*b', ")
            ),
        ),
        (
            "operators",
            format!(
                "{pattern}\npreconditions: {{all: [{}]}}",
                many(5_000, "{key: a, operator: o#, value: 1}, ")
            ),
        ),
    ] {
        let found = check_text(&rule(&lines));
        assert!(found.len() <= 201, "{what}: {}", found.len());
    }
    let nested = "{{ ".repeat(50_000);
    assert!(!check_text(&rule(&format!("validate: {{message: '{nested}', pattern: {{}}}}"))).is_empty());
}

fn check_text(policy: &str) -> Vec<Diagnostic> {
    findings(policy, None).into_diagnostics()
}
