//! Objects are read whole, and every mistake is told.

use portcullis_retention::ByOutcome;
use portcullis_retention::retention::{ExistingTtl, Mode, crd};
use portcullis_value::{Arena, Value};

use super::read;

#[test]
fn what_is_not_written_is_the_careful_choice() {
    let retention = read("r", "selector: {}").unwrap();
    assert_eq!((&*retention.name, retention.generation), ("r", 3));
    assert_eq!(retention.mode, Mode::Audit);
    assert_eq!(retention.existing_ttl, ExistingTtl::ReplaceAdmission);
    assert_eq!(retention.ttl, ByOutcome { succeeded: None, failed: None });
    assert_eq!((retention.keep_last, retention.keep_failed, retention.writes_per_hour), (0, 0, 500));
    assert_eq!(retention.instance_label.as_deref(), Some("app.kubernetes.io/instance"));
    assert_eq!(
        (retention.group_by, retention.namespace_selector, retention.approved_backlog),
        (None, None, None)
    );
}

#[test]
fn everything_that_can_be_said_is_read() {
    let spec = "selector: {matchLabels: {app: report}}, namespaceSelector: {matchLabels: {team: a}}, \
        ttl: {succeeded: 15m, failed: 7d}, groupBy: app, keepLast: 3, keepFailed: 1, mode: enforce, \
        writesPerHour: 60, existingTTL: replaceAny, approvedBacklog: 12000, \
        protections: {namespaces: [pay], includeNamespaces: [kube-system], argoCDInstanceLabel: '', withDependents: true}";
    let retention = read("r", spec).unwrap();
    assert_eq!(retention.selector.to_string(), "app=report");
    assert_eq!(retention.namespace_selector.unwrap().to_string(), "team=a");
    assert_eq!(retention.ttl, ByOutcome { succeeded: Some(900), failed: Some(604_800) });
    assert_eq!(
        (retention.group_by.as_deref(), retention.keep_last, retention.keep_failed),
        (Some("app"), 3, 1)
    );
    assert_eq!((retention.mode, retention.writes_per_hour), (Mode::Enforce, 60));
    assert_eq!((retention.existing_ttl, retention.approved_backlog), (ExistingTtl::ReplaceAny, Some(12_000)));
    assert!(retention.protected_namespaces.contains("pay"));
    assert!(retention.included_namespaces.contains("kube-system"));
    assert_eq!((retention.instance_label, retention.with_dependents), (None, true));
}

/// Checks what is said of an object with this spec: each mistake with its place.
#[track_caller]
fn refused(spec: &str, want: &[&str]) {
    let told = read("r", spec).unwrap_err();
    let told: Vec<_> = told.iter().map(|error| format!("{} {}", error.path, error.message)).collect();
    assert_eq!(told, want, "{spec}");
}

#[test]
fn a_text_that_yaml_takes_for_something_else_is_to_be_put_in_quotes() {
    let told = read("r", "selector: {}, groupBy: on").unwrap_err();
    let [error] = &told[..] else { panic!("{told:?}") };
    assert_eq!(error.message, "this is a boolean, not a text");
    assert_eq!(error.hint.as_deref(), Some("put it in quotes"));
}

#[test]
fn every_mistake_is_told_with_its_place() {
    refused("", &["/spec `selector` is missing"]);
    refused("selector: null", &["/spec `selector` is missing"]);
    refused("selector: all", &["/spec/selector selector must be a map"]);
    refused(
        "selector: {}, keeplast: 3, mode: Enforce, ttl: {succeeded: 15, failed: 15 m, any: 1h}",
        &[
            "/spec/mode `Enforce` is none of `audit`, `enforce`",
            "/spec/keeplast there is no field `keeplast`",
            "/spec/ttl/succeeded `15` is no time: write a whole number and a unit, as `90s`, `15m`, `24h` or `7d`",
            "/spec/ttl/failed `15 m` is no time: write a whole number and a unit, as `90s`, `15m`, `24h` or `7d`",
            "/spec/ttl/any there is no field `any`",
        ],
    );
    refused(
        "selector: {}, ttl: {succeeded: 24856d}, keepLast: -1, writesPerHour: 0, approvedBacklog: 1.5, protections: {namespaces: a, floor: 1h}",
        &[
            "/spec/keepLast `-1` is no number that this can be: write a whole one of at least 0",
            "/spec/writesPerHour `0` is no number that this can be: write a whole one of at least 1",
            "/spec/approvedBacklog `1.5` is no number that this can be: write a whole one of at least 1",
            "/spec/ttl/succeeded `24856d` is longer than a TTL can be, which is 24855 days at most",
            "/spec/protections/namespaces this is a string, not a list",
            "/spec/protections/floor there is no field `floor`",
        ],
    );
    let told = read("r", "selector: {}, keeplast: 3").unwrap_err();
    assert_eq!(told[0].hint.as_deref(), Some("did you mean `keepLast`?"));
}

#[test]
fn the_revision_changes_with_what_goes_and_when_and_with_nothing_else() {
    let revision = |spec: &str| read("r", spec).unwrap().revision;
    let plain = revision("selector: {}, keepLast: 1");
    assert_eq!(plain, revision("keepLast: 1, approvedBacklog: 9, selector: {}, writesPerHour: 7"));
    for other in [
        "selector: {}",
        "selector: {matchLabels: {a: b}}, keepLast: 1",
        "selector: {}, keepLast: 1, mode: enforce",
    ] {
        assert_ne!(plain, revision(other));
    }
}

/// The fields that a schema has, each with its place.
fn fields<'a>(schema: Value<'a>, place: &str, names: &mut Vec<String>) {
    for (name, property) in schema.get("properties").and_then(Value::as_object).unwrap_or_default().iter() {
        let place = format!("{place}/{name}");
        if property.get("properties").is_some() && !place.ends_with("elector") {
            fields(property, &place, names);
        } else {
            names.push(place);
        }
    }
}

#[test]
fn the_definition_has_the_fields_that_are_read_each_described_and_none_with_a_default() {
    let arena = Arena::new();
    let definition = crd(&arena);
    assert_eq!(definition.path(&["metadata", "name"]), Some("jobretentions.portcullis.dev".into()));
    let versions = definition.path(&["spec", "versions"]).unwrap();
    let schema = versions.at(0).and_then(|version| version.path(&["schema", "openAPIV3Schema"])).unwrap();
    let mut names = Vec::new();
    fields(schema.path(&["properties", "spec"]).unwrap(), "", &mut names);
    // A field that the reader does not know is refused as such, whatever it holds.
    for name in &names {
        let (parent, name) = name.rsplit_once('/').unwrap();
        let spec = match parent.strip_prefix('/') {
            None => format!("{name}: 0"),
            Some(parent) => format!("{parent}: {{{name}: 0}}"),
        };
        let told = read("r", &spec).unwrap_err();
        assert!(!told.iter().any(|error| error.message.contains("there is no field")), "{spec}: {told:?}");
    }
    assert_eq!(names.len(), 15, "{names:?}");
    let text = definition.to_string();
    assert!(!text.contains(r#""default""#), "{text}");
    undescribed(schema, "");
}

/// Checks that every property says what it is for.
#[track_caller]
fn undescribed(schema: Value<'_>, place: &str) {
    for (name, property) in schema.get("properties").and_then(Value::as_object).unwrap_or_default().iter() {
        assert!(name == "metadata" || property.get("description").is_some(), "{place}/{name} says nothing");
        undescribed(property, &format!("{place}/{name}"));
    }
    if let Some(items) = schema.get("items") {
        undescribed(items, &format!("{place}[]"));
    }
}
