//! Strategic merge.

use portcullis_patch::strategic::{collapse_pairs, merge};
use portcullis_value::{Arena, Budget, Exhausted, Limits, OwnedValue, Value};
use proptest::prelude::*;

use crate::arbitrary::{document, map_document};
use crate::read;

/// What laying `overlay` over `resource` gives, as text; errors too. A result that is equal must be the same.
fn merged(resource: &str, overlay: &str) -> String {
    let arena = Arena::new();
    let (resource, overlay) = (read(&arena, resource), read(&arena, overlay));
    match merge(&arena, resource, overlay, &mut Budget::default()) {
        Ok(merged) => {
            assert_eq!(merged == resource, merged.is_same(resource));
            merged.to_string()
        }
        Err(error) => error.to_string(),
    }
}

#[track_caller]
fn check(resource: &str, overlay: &str, want: &str) {
    assert_eq!(merged(resource, overlay), want);
}

/// As [`check`], of the specification of a Pod.
#[track_caller]
fn check_pod(spec: &str, overlay: &str, want: &str) {
    let pod = |spec: &str| format!(r#"{{"apiVersion":"v1","kind":"Pod","spec":{spec}}}"#);
    check(&pod(spec), &format!(r#"{{"spec":{overlay}}}"#), &pod(want));
}

#[track_caller]
fn check_pod_error(spec: &str, overlay: &str, want: &str) {
    let pod = format!(r#"{{"apiVersion":"v1","kind":"Pod","spec":{spec}}}"#);
    check(&pod, &format!(r#"{{"spec":{overlay}}}"#), want);
}

#[test]
fn maps_merge_and_null_deletes() {
    check(
        r#"{"kind":"X","a":{"b":1,"c":{"d":2}},"n":null,"e":{}}"#,
        r#"{"a":{"b":null,"c":{"x":true}},"new":{"k":null,"l":{"m":null}},"nope":null}"#,
        r#"{"a":{"c":{"d":2,"x":true}},"e":{},"kind":"X","n":null,"new":{"l":{}}}"#,
    );
    check(r#"{"labels":{"a":"1"}}"#, r#"{"labels":{"a":null}}"#, r#"{"labels":{}}"#);
    check(r#"{"a":null}"#, r#"{"a":{"b":1}}"#, r#"{"a":{"b":1}}"#);
}

#[test]
fn kinds_do_not_mix() {
    check(r#"{"a":{}}"#, r#"{"a":"x"}"#, "wrong node kind: expected MappingNode but got ScalarNode at `/a`");
    check(
        r#"{"a":{"b":1}}"#,
        r#"{"a":{"b":[]}}"#,
        "wrong node kind: expected ScalarNode but got SequenceNode at `/a/b`",
    );
    check_pod_error(
        r#"{"containers":[{"name":"a","args":[]}]}"#,
        r#"{"containers":[{"name":"b"},{"name":"a","args":{}}]}"#,
        "wrong node kind: expected SequenceNode but got MappingNode at `/spec/containers/1/args`",
    );
}

#[test]
fn a_number_over_a_string_becomes_a_string() {
    check(r#"{"a":"x","b":1,"c":"true"}"#, r#"{"a":5,"b":"5","c":true}"#, r#"{"a":"5","b":"5","c":"true"}"#);
}

#[test]
fn elements_merge_by_key_and_come_first() {
    check_pod(
        r#"{"containers":[{"name":"a"},{"name":"b","env":[{"name":"A","value":"1"},{"name":"B","value":"2"}],"args":["q"]}]}"#,
        r#"{"containers":[{"name":"b","env":[{"name":"B","value":"3"},{"name":"C"}],"args":["z"]},{"name":"new"}]}"#,
        r#"{"containers":[{"args":["z"],"env":[{"name":"B","value":"3"},{"name":"C"},{"name":"A","value":"1"}],"name":"b"},{"name":"new"},{"name":"a"}]}"#,
    );
    check_pod(
        r#"{"containers":[{"name":"a","volumeMounts":[{"mountPath":"/a","name":"v"}]}]}"#,
        r#"{"containers":[{"name":"a","volumeMounts":[{"mountPath":"/a","name":"w"}]}]}"#,
        r#"{"containers":[{"name":"a","volumeMounts":[{"mountPath":"/a","name":"w"}]}]}"#,
    );
}

#[test]
fn lists_without_keys_are_replaced() {
    check_pod(
        r#"{"tolerations":[{"key":"a"},{"key":"b"}]}"#,
        r#"{"tolerations":[{"key":"a","x":null}]}"#,
        r#"{"tolerations":[{"key":"a","x":null}]}"#,
    );
    check_pod(r#"{"tolerations":[{"key":"a"}]}"#, r#"{"tolerations":[]}"#, r#"{"tolerations":[]}"#);
    check(
        r#"{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"finalizers":["a"]},"spec":{"containers":[{"name":"a"}]}}"#,
        r#"{"metadata":{"finalizers":["b"]},"spec":{"containers":[{"name":"b"}]}}"#,
        r#"{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"finalizers":["b"]},"spec":{"containers":[{"name":"b"}]}}"#,
    );
}

#[test]
fn sets_hold_each_scalar_once() {
    check(
        r#"{"apiVersion":"v1","kind":"Secret","metadata":{"finalizers":["a","b"],"ownerReferences":[{"uid":"1"}]}}"#,
        r#"{"metadata":{"finalizers":["c","b","c"],"ownerReferences":[{"uid":"2"}]}}"#,
        r#"{"apiVersion":"v1","kind":"Secret","metadata":{"finalizers":["c","b","a"],"ownerReferences":[{"uid":"2"},{"uid":"1"}]}}"#,
    );
}

#[test]
fn in_lists_of_two_keys_elements_are_the_same_that_have_or_lack_the_same() {
    let service =
        |ports: &str| format!(r#"{{"apiVersion":"v1","kind":"Service","spec":{{"ports":{ports}}}}}"#);
    for (ports, overlay, want) in [
        (
            r#"[{"port":53,"protocol":"UDP"}]"#,
            r#"[{"port":53,"protocol":"TCP"}]"#,
            r#"[{"port":53,"protocol":"TCP"},{"port":53,"protocol":"UDP"}]"#,
        ),
        (
            r#"[{"port":1},{"port":53,"protocol":"UDP"}]"#,
            r#"[{"name":"dns","port":53,"protocol":"UDP"}]"#,
            r#"[{"port":1},{"name":"dns","port":53,"protocol":"UDP"}]"#,
        ),
        (
            r#"[{"port":1},{"port":53,"protocol":"UDP"}]"#,
            r#"[{"name":"dns","port":53}]"#,
            r#"[{"port":1},{"port":53,"protocol":"UDP"}]"#,
        ),
        (
            r#"[{"port":1},{"port":53}]"#,
            r#"[{"name":"dns","port":53}]"#,
            r#"[{"name":"dns","port":53},{"port":1}]"#,
        ),
        (r#"[{"port":53}]"#, r#"[{"port":53,"protocol":"TCP"},{"port":54}]"#, r#"[{"port":54},{"port":53}]"#),
        (r#"[{"port":53,"protocol":"UDP"}]"#, r#"[{"name":"dns"}]"#, r#"[{"port":53,"protocol":"UDP"}]"#),
    ] {
        check(&service(ports), &service(overlay), &service(want));
    }
}

#[test]
fn directives_in_maps() {
    check(r#"{"a":{"b":1},"c":1}"#, r#"{"a":{"$patch":"replace","x":1,"y":null}}"#, r#"{"a":{"x":1},"c":1}"#);
    check(r#"{"a":{"b":1},"c":1}"#, r#"{"a":{"$patch":"delete"},"z":{"$patch":"delete"}}"#, r#"{"c":1}"#);
    check(
        r#"{"a":{"b":1}}"#,
        r#"{"a":{"$patch":"merge","x":1},"z":{"$patch":"merge","x":1}}"#,
        r#"{"a":{"b":1,"x":1},"z":{"x":1}}"#,
    );
    check(r#"{"a":{"b":1}}"#, r#"{"a":{"$patch":"keep"}}"#, "unknown patch strategy `keep` at `/a`");
    check(r#"{"a":1}"#, r#"{"$patch":"delete"}"#, "the patch deletes the whole resource at ``");
    check(r#"{"a":1}"#, r#"{"$setElementOrder/b":[1]}"#, r#"{"$setElementOrder/b":[1],"a":1}"#);
}

#[test]
fn directives_in_lists() {
    let containers = r#"{"containers":[{"name":"a","image":"x"},{"name":"b"}]}"#;
    check_pod(
        containers,
        r#"{"containers":[{"name":"a","$patch":"delete"}]}"#,
        r#"{"containers":[{"name":"b"}]}"#,
    );
    check_pod(
        containers,
        r#"{"containers":[{"name":"c","$patch":"delete"}]}"#,
        r#"{"containers":[{"image":"x","name":"a"},{"name":"b"}]}"#,
    );
    check_pod(
        containers,
        r#"{"containers":[{"name":"c"},{"$patch":"replace"}]}"#,
        r#"{"containers":[{"name":"c"}]}"#,
    );
    check_pod(containers, r#"{"containers":[{"$patch":"delete"},{"name":"c"}]}"#, "{}");
    check_pod(
        containers,
        r#"{"containers":[{"$patch":"merge"},{"name":"b"}]}"#,
        r#"{"containers":[{"name":"b"},{"image":"x","name":"a"}]}"#,
    );
}

#[test]
fn an_element_without_its_key_is_an_error() {
    let containers = r#"{"containers":[{"name":"a"}]}"#;
    check_pod_error(
        containers,
        r#"{"containers":[{"name":"a"},{"image":"x"}]}"#,
        "element has no merge key `name` at `/spec/containers/1`",
    );
    check_pod_error(
        containers,
        r#"{"containers":[null]}"#,
        "wrong node kind: expected MappingNode but got ScalarNode at `/spec/containers/0`",
    );
    check_pod("{}", r#"{"volumes":[{"emptyDir":{}}]}"#, r#"{"volumes":[{"emptyDir":{}}]}"#);
    check_pod(containers, r#"{"containers":[{}]}"#, containers);
}

#[test]
fn keys_that_stand_several_times_lose_nothing() {
    check_pod(
        r#"{"containers":[{"name":"a","env":[{"name":"A","value":"1"},{"name":"B"},{"name":"A","value":"2"}]}]}"#,
        r#"{"containers":[{"name":"a","env":[{"name":"C"}]}]}"#,
        r#"{"containers":[{"env":[{"name":"C"},{"name":"A","value":"1"},{"name":"B"},{"name":"A","value":"2"}],"name":"a"}]}"#,
    );
    check_pod(
        r#"{"volumes":[{"name":"a","x":1},{"name":"b"},{"name":"a","x":2}]}"#,
        r#"{"volumes":[{"name":"a","y":1},{"name":"a","z":1}]}"#,
        r#"{"volumes":[{"name":"a","x":1,"y":1,"z":1},{"name":"a","x":2,"y":1,"z":1},{"name":"b"}]}"#,
    );
}

#[test]
fn a_port_without_a_protocol_takes_the_place_of_those_before_it() {
    let arena = Arena::new();
    let pod = r#"{"apiVersion":"batch/v1","kind":"Job","spec":{"template":{"spec":{"containers":[{"name":"a"},{"ports":[
        {"containerPort":443,"protocol":"UDP"},{"containerPort":80},{"containerPort":443},{"containerPort":80,"protocol":"TCP"}]}]}}}}"#;
    let want = r#"[{"containerPort":80},{"containerPort":443},{"containerPort":80,"protocol":"TCP"}]"#;
    let job = read(&arena, pod);
    let collapsed = collapse_pairs(&arena, job, &mut Budget::default()).unwrap();
    let containers = collapsed.path(&["spec", "template", "spec", "containers"]).unwrap();
    assert_eq!(containers.at(1).unwrap().get("ports").unwrap().to_string(), want);
    let again = collapse_pairs(&arena, collapsed, &mut Budget::default()).unwrap();
    assert!(again.is_same(collapsed));
}

#[test]
fn long_lists_cost_steps() {
    let arena = Arena::new();
    let volumes: Vec<_> = (0..3000).map(|index| format!(r#"{{"name":"{index}"}}"#)).collect();
    let pod = format!(r#"{{"apiVersion":"v1","kind":"Pod","spec":{{"volumes":[{}]}}}}"#, volumes.join(","));
    let pod = read(&arena, &pod);
    let mut budget = Budget::new(Limits { steps: 1_000_000, ..Limits::default() }, &|| false);
    let error = merge(&arena, pod, pod, &mut budget).unwrap_err();
    assert_eq!(error.problem.to_string(), Exhausted::Steps.to_string());
}

/// A Pod with lists that merge, from what is drawn.
fn pod(spec: OwnedValue, containers: Vec<OwnedValue>) -> OwnedValue {
    let text = |key: &str, value: &str| (key.into(), value.into());
    let containers = containers.into_iter().enumerate().map(|(index, container)| {
        OwnedValue::Object(Box::new([
            ("name".into(), format!("c{index}").as_str().into()),
            ("x".into(), container),
        ]))
    });
    let spec = OwnedValue::Object(Box::new([
        ("containers".into(), OwnedValue::Array(containers.collect())),
        ("x".into(), spec),
    ]));
    OwnedValue::Object(Box::new([text("apiVersion", "v1"), text("kind", "Pod"), ("spec".into(), spec)]))
}

/// `value` without null, which deletes in an overlay, and with the same lists.
fn without_nulls(value: &OwnedValue) -> OwnedValue {
    match value {
        OwnedValue::Array(items) => OwnedValue::Array(items.iter().map(without_nulls).collect()),
        OwnedValue::Object(entries) => OwnedValue::Object(
            entries
                .iter()
                .filter(|(_, value)| *value != OwnedValue::Null)
                .map(|(key, value)| (key.clone(), without_nulls(value)))
                .collect(),
        ),
        other => other.clone(),
    }
}

proptest! {
    #[test]
    fn laying_a_part_of_a_resource_over_it_changes_nothing(
        spec in document(), containers in proptest::collection::vec(document(), 0..4), kept in 0_usize..4
    ) {
        let arena = Arena::new();
        let resource = without_nulls(&pod(spec.clone(), containers.clone()));
        let part = without_nulls(&pod(spec, containers.into_iter().take(kept).collect()));
        let (resource, part) = (resource.borrow(&arena), part.borrow(&arena));
        let merged = merge(&arena, resource, part, &mut Budget::default()).unwrap();
        prop_assert!(merged.is_same(resource));
    }

    #[test]
    fn a_second_merge_changes_nothing(
        spec in document(), containers in proptest::collection::vec(document(), 0..4), overlay in document()
    ) {
        let arena = Arena::new();
        let (resource, overlay) = (pod(spec, containers), pod(overlay.clone(), vec![overlay]));
        let (resource, overlay) = (resource.borrow(&arena), overlay.borrow(&arena));
        if let Ok(once) = merge(&arena, resource, overlay, &mut Budget::default()) {
            let twice = merge(&arena, once, overlay, &mut Budget::default()).unwrap();
            prop_assert_eq!(twice, once);
        }
    }

    #[test]
    fn nothing_breaks_on_any_overlay(resource in document(), overlay in map_document(), spec in document()) {
        let arena = Arena::new();
        let pod = pod(spec, vec![resource.clone(), overlay.clone()]);
        let (pod, resource, overlay) = (pod.borrow(&arena), resource.borrow(&arena), overlay.borrow(&arena));
        for (resource, overlay) in [(resource, overlay), (pod, overlay), (pod, pod), (resource, pod)] {
            let merged = merge(&arena, resource, overlay, &mut Budget::default());
            let _ = merged.map(|merged| collapse_pairs(&arena, merged, &mut Budget::default()).map(|value: Value<'_>| value.to_string()));
        }
    }
}
