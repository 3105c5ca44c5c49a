//! `foreach`: rules that do something for each element of a list.

use portcullis_kyverno::Policy;
use portcullis_model::{Answers, Input, Obstacle, Phase};
use portcullis_value::{Arena, Exhausted, Limits};

use crate::policies::{check, evaluate, policy, run};

fn pod(spec: &str) -> String {
    format!("{{apiVersion: v1, kind: Pod, metadata: {{name: p}}, spec: {{{spec}}}}}")
}

/// A Pod whose containers have these images.
fn images(images: &[&str]) -> String {
    let containers: Vec<_> = images
        .iter()
        .enumerate()
        .map(|(index, image)| format!("{{name: c{index}, image: {image}}}"))
        .collect();
    pod(&format!("containers: [{}]", containers.join(", ")))
}

#[test]
fn every_element_is_checked_until_one_fails() {
    let rule = "validate: {message: 'use a.io', foreach: [{list: request.object.spec.containers, pattern: {image: 'a.io/*'}}]}";
    let policy = policy("Pod", rule);
    check(&policy, &images(&["a.io/x", "a.io/w"]), "r pass: rule passed");
    check(
        &policy,
        &images(&["a.io/x", "b.io/w"]),
        "r fail: validation failure: validation error: use a.io. rule r failed at path /image/",
    );
}

#[test]
fn a_deny_rule_sees_the_element_and_its_index() {
    let rule = r#"
validate:
  message: "container {{ elementIndex }} is {{ element.name }}"
  foreach:
  - list: request.object.spec.containers
    deny: {conditions: {any: [{key: "{{ element.image }}", operator: Equals, value: "bad"}]}}
"#;
    check(&policy("Pod", rule), &images(&["good", "bad"]), "r fail: validation failure: container 1 is c1");
}

#[test]
fn lists_that_are_missing_or_hold_nothing_say_nothing() {
    let rule = "validate: {foreach: [{list: request.object.spec.x, pattern: {a: 1}}, {list: request.object.spec.z, pattern: {a: 1}}]}";
    check(&policy("Pod", rule), &pod("z: [null]"), "");
    check(&policy("Pod", rule), &pod("z: {a: 1}"), "r pass: rule passed");
    let broken = rule.replace("request.object.spec.z", "length(request.object.spec.z)");
    let outcome = evaluate(&policy("Pod", &broken), &pod("z: true"), |_| {});
    assert!(outcome.starts_with("r error: failed to evaluate list: JMESPath query failed: "), "{outcome}");
}

#[test]
fn patterns_are_held_against_elements_that_are_maps_unless_told_otherwise() {
    let rule = "validate: {foreach: [{list: request.object.spec.x, pattern: {spec: {z: '{{ element }}'}}}]}";
    check(&policy("Pod", rule), &pod("x: [a], z: a"), "r pass: rule passed");
    let whole = rule.replace("list:", "elementScope: false, list:").replace("element }}", "element.a }}");
    check(&policy("Pod", &whole), &pod("x: [{a: b}], z: b"), "r pass: rule passed");
    check(
        &policy("Pod", &rule.replace("list:", "elementScope: true, list:")),
        &pod("x: [1.5], z: a"),
        "r error: failed to process foreach: cannot use elementScope=true foreach rules for elements that are not maps, \
         expected type=map got type=float64",
    );
}

#[test]
fn a_loop_in_a_loop_knows_the_elements_of_both() {
    let rule = r#"
validate:
  message: "{{ element0.name }}/{{ element1.name }}/{{ element.name }} {{ elementIndex0 }}.{{ elementIndex1 }}"
  foreach:
  - list: request.object.spec.containers
    foreach:
    - list: element.env
      deny: {conditions: {all: [{key: "{{ element.value }}", operator: Equals, value: "bad"}]}}
"#;
    check(
        &policy("Pod", rule),
        &pod("containers: [{name: a, env: [{name: v, value: ok}]}, {name: b, env: [{name: w, value: bad}]}]"),
        "r fail: validation failure: validation failure: b/w/w 1.0",
    );
}

#[test]
fn an_element_is_passed_over_unless_its_preconditions_hold() {
    let condition =
        r#"preconditions: {all: [{key: "{{ element.role }}", operator: Equals, value: checked}]}"#;
    let rule =
        format!("validate: {{foreach: [{{list: request.object.spec.x, {condition}, pattern: {{a: 1}}}}]}}");
    let policy = policy("Pod", &rule);
    check(&policy, &pod("x: [{role: other, a: 2}, {role: checked, a: 1}]"), "r pass: rule passed");
    check(&policy, &pod("x: [{role: other, a: 2}]"), "");
    // A condition without a value is one that does not hold.
    check(&policy, &pod("x: [{a: 2}, {role: checked, a: 1}]"), "r pass: rule passed");
    let mutation = format!(
        "mutate: {{foreach: [{{list: request.object.spec.x, {condition}, patchStrategicMerge: {{spec: {{z: 1}}}}}}]}}"
    );
    let policy = crate::policies::policy("Pod", &mutation);
    check(&policy, &pod("x: [{role: other}]"), "r skip: 0 elements processed");
    check(
        &policy,
        &pod("x: [{role: other}, {a: 2}]"),
        "r error: failed to mutate elements: failed to evaluate mutate.foreach[1].preconditions: failed to substitute \
         variables in condition key: failed to resolve element.role at path : JMESPath query failed: Unknown key \
         \"role\" in path",
    );
}

#[test]
fn merged_elements_keep_their_order_in_front_of_the_others() {
    let rule = r#"
mutate:
  foreach:
  - list: "['a', 'b']"
    patchStrategicMerge: {spec: {volumes: [{name: "{{ element }}"}]}}
"#;
    let merged = |order: &str| {
        let names = match order {
            "" | "Descending" => r#"{"name":"a"},{"name":"b"}"#,
            _ => r#"{"name":"b"},{"name":"a"}"#,
        };
        let rule = rule.replace("patchStrategic", &format!("order: '{order}'\n    patchStrategic"));
        let want = format!(
            r#"{{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"p"}},"spec":{{"volumes":[{names},{{"name":"z"}}]}}}}"#
        );
        check(&policy("Pod", &rule), &pod("volumes: [{name: z}]"), &format!("r pass: mutated Pod/p\n{want}"));
    };
    ["", "Descending", "Ascending"].into_iter().for_each(merged);
}

#[test]
fn elements_are_removed_by_index_from_the_last_to_the_first() {
    let rule = r#"
mutate:
  foreach:
  - list: request.object.spec.x
    order: Descending
    preconditions: {all: [{key: "{{ element }}", operator: Equals, value: bad}]}
    patchesJson6902: |-
      - {op: remove, path: "/spec/x/{{ elementIndex }}"}
"#;
    let patched = evaluate(&policy("Pod", rule), &pod("x: [bad, good, bad, bad]"), |_| {});
    assert!(patched.ends_with(r#""spec":{"x":["good"]}}"#), "{patched}");
    // The other way round the indexes are no longer those of the list.
    let ascending =
        evaluate(&policy("Pod", &rule.replace("Desc", "Asc")), &pod("x: [bad, good, bad]"), |_| {});
    assert!(ascending.ends_with(r#""spec":{"x":["good","bad"]}}"#), "{ascending}");
}

#[test]
fn expressions_see_the_object_as_it_was_before_the_list() {
    let rule = r#"
mutate:
  foreach:
  - list: "['a', 'b']"
    patchStrategicMerge:
      metadata: {labels: {"{{ element }}": "{{ length(request.object.metadata.labels || `{}`) }}"}}
  - list: "['c']"
    patchStrategicMerge:
      metadata: {labels: {"{{ element }}": "{{ length(request.object.metadata.labels) }}"}}
"#;
    let patched = evaluate(&policy("Pod", rule), &pod(""), |_| {});
    assert!(patched.contains(r#""labels":{"a":0,"b":0,"c":2}"#), "{patched}");
}

#[test]
fn a_loop_in_a_loop_patches_what_the_loop_around_it_has_made() {
    let rule = r#"
mutate:
  foreach:
  - list: request.object.spec.containers
    foreach:
    - list: element.keys
      order: Descending
      patchesJson6902: |-
        - {op: remove, path: "/spec/containers/{{ elementIndex0 }}/keys/{{ elementIndex1 }}"}
"#;
    let patched = evaluate(&policy("Pod", rule), &pod("containers: [{keys: [a, b]}, {keys: [c]}]"), |_| {});
    assert!(patched.ends_with(r#""spec":{"containers":[{"keys":[]},{"keys":[]}]}}"#), "{patched}");
}

#[test]
fn a_list_that_cannot_be_evaluated_ends_a_mutation() {
    let rule = "mutate: {foreach: [{list: request.object.spec.x, patchStrategicMerge: {a: 1}}]}";
    check(
        &policy("Pod", rule),
        &pod(""),
        "r error: failed to evaluate list request.object.spec.x: JMESPath query failed: Unknown key \"x\" in path: \
         JMESPath query failed: Unknown key \"x\" in path",
    );
}

#[test]
fn context_belongs_to_the_element_and_that_of_the_rule_to_all() {
    let rule = r#"
context:
- {name: registry, variable: {value: a.io}}
validate:
  message: "{{ full }}"
  foreach:
  - list: request.object.spec.containers
    context:
    - {name: full, variable: {value: "{{ registry }}/{{ element.image }}"}}
    deny: {conditions: {any: [{key: "{{ full }}", operator: Equals, value: "a.io/w"}]}}
"#;
    check(&policy("Pod", rule), &images(&["x", "w"]), "r fail: validation failure: a.io/w");
}

#[test]
fn context_of_a_loop_is_its_own_also_after_a_rule_that_has_some() {
    let first = r#"
context:
- {name: tag, variable: {value: a}}
validate:
  deny: {conditions: {any: [{key: "{{ tag }}", operator: Equals, value: b}]}}
"#;
    let next = r#"  - name: s
    match: {any: [{resources: {kinds: [Pod]}}]}
    validate:
      foreach:
      - list: request.object.spec.containers
        context: [{name: tag, variable: {value: b}}]
        deny: {conditions: {any: [{key: "{{ tag }}", operator: Equals, value: a}]}}
      - list: request.object.spec.containers
        deny: {conditions: {any: [{key: "{{ tag }}", operator: Equals, value: b}]}}
"#;
    check(
        &(policy("Pod", first) + next),
        &images(&["x"]),
        "r pass: validation rule 'r' passed.\n\
         s error: validation failure: failed to check deny conditions: failed to substitute variables in condition \
         key: failed to resolve tag at path : JMESPath query failed: Unknown key \"tag\" in path",
    );
}

#[test]
fn a_variable_of_the_rule_that_needs_the_element_is_there_for_the_first_only() {
    let rule = r#"
context:
- {name: image, variable: {value: "{{ element.image }}"}}
validate:
  foreach:
  - list: request.object.spec.containers
    deny: {conditions: {any: [{key: "{{ image }}", operator: Equals, value: bad}]}}
"#;
    check(&policy("Pod", rule), &images(&["x"]), "r pass: rule passed");
    check(
        &policy("Pod", rule),
        &images(&["x", "w"]),
        "r error: validation failure: failed to check deny conditions: failed to substitute variables in condition \
         key: failed to resolve image at path : JMESPath query failed: Unknown key \"image\" in path",
    );
}

#[test]
fn elements_of_all_levels_are_counted() {
    let rule = "validate: {foreach: [{list: request.object.spec.x, foreach: [{list: request.object.spec.x, pattern: {a: 1}}]}]}";
    let count = |elements: usize| {
        let arena = Arena::new();
        let policy = Policy::compile(portcullis_yaml::read(&arena, arena.str(&policy("Pod", rule))).unwrap());
        let list = vec!["{a: 1}"; elements].join(", ");
        let object = portcullis_yaml::read(&arena, arena.str(&pod(&format!("x: [{list}]")))).unwrap();
        let input = Input::create(&arena, object);
        let evaluation = run(&policy, Phase::Validate, &input, &arena, &Answers::new(), Limits::default());
        (evaluation.outcomes[0].message.to_string(), evaluation.outcomes[0].obstacle)
    };
    // 99 elements and 99 for each of them.
    assert_eq!(count(99), ("rule passed".to_owned(), None));
    let (message, obstacle) = count(100);
    assert!(message.ends_with("evaluation takes more steps than allowed"), "{message}");
    assert_eq!(obstacle, Some(Obstacle::Exhausted(Exhausted::Steps)));
}

#[test]
fn a_loop_that_checks_nothing_says_so() {
    let rule = "validate: {foreach: [{list: request.object.spec.x, pattern: {a: 1}}]}";
    let arena = Arena::new();
    let policy = Policy::compile(portcullis_yaml::read(&arena, arena.str(&policy("Pod", rule))).unwrap());
    let object = portcullis_yaml::read(&arena, arena.str(&pod(""))).unwrap();
    let input = Input::create(&arena, object);
    let evaluation = run(&policy, Phase::Validate, &input, &arena, &Answers::new(), Limits::default());
    assert_eq!(
        evaluation.not_applied,
        [("r", "there is no element to check in `request.object.spec.x`".to_owned())]
    );
}

#[test]
fn a_loop_says_which_element_decided() {
    let explain = |rule: &str, spec: &str| {
        let arena = Arena::new();
        let policy = Policy::compile(portcullis_yaml::read(&arena, arena.str(&policy("Pod", rule))).unwrap());
        let object = portcullis_yaml::read(&arena, arena.str(&pod(spec))).unwrap();
        let input = Input::create(&arena, object);
        let evaluate =
            |phase| run(&policy, phase, &input, &arena, &Answers::new(), Limits::default()).outcomes;
        let outcomes = [evaluate(Phase::Mutate), evaluate(Phase::Validate)].concat();
        outcomes[0].explanation.clone().unwrap()
    };
    let list = "list: request.object.spec.x";
    assert_eq!(
        explain(&format!("validate: {{foreach: [{{{list}, pattern: {{a: 1}}}}]}}"), "x: [{a: 1}, {a: 2}]"),
        "element 1 of `request.object.spec.x`: resource value '2' does not match '1' at path /a/",
    );
    let mutation = |rest: &str| {
        format!("mutate: {{foreach: [{{{list}, {rest}, patchStrategicMerge: {{spec: {{z: 1}}}}}}]}}")
    };
    assert_eq!(explain(&mutation("order: Ascending"), "x: []"), "`request.object.spec.x` has no elements");
    assert_eq!(
        explain(&mutation("order: Ascending"), "x: [1], z: 1"),
        "element 0 of `request.object.spec.x`: what the patch sets is there already",
    );
}
