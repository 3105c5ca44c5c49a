//! Rules about other objects than the one that triggers them: `generate` and `mutate.targets`.

use std::sync::Arc;

use portcullis_kyverno::{Policy, PolicyException};
use portcullis_model::{
    Answer, Answers, CompiledPolicy, Evaluated, Evaluation, Gvk, Input, Phase, Question, Resource,
    RuleOutcome, Run, SideEffect,
};
use portcullis_value::{Arena, Budget, Value};

use crate::policies::policy;

/// What is there: a YAML list of resources.
const CLUSTER: &str = "
- {apiVersion: v1, kind: Secret, metadata: {name: registry, namespace: ops, uid: u1, labels: {copy: 'yes'}, ownerReferences: [{uid: o}]}, data: {a: Yg==}}
- {apiVersion: v1, kind: Secret, metadata: {name: other, namespace: ops}, data: {a: Yg==}}
- {apiVersion: v1, kind: Secret, metadata: {name: registry, namespace: taken}, data: {a: b2xk}}
- {apiVersion: apps/v1, kind: Deployment, metadata: {name: web-1, namespace: team-a, labels: {app: web}}, spec: {replicas: 2}}
- {apiVersion: apps/v1, kind: Deployment, metadata: {name: web-2, namespace: team-b, labels: {app: web}}, spec: {replicas: 3}}
- {apiVersion: apps/v1, kind: Deployment, metadata: {name: db, namespace: team-b}, spec: {replicas: 1}}
";

/// Answers what is asked of `cluster`.
fn answer(cluster: Value<'_>, question: &Question) -> Answer {
    let Question::Resources(query) = question else { panic!("not expected: {question:?}") };
    let is_asked_for = |resource: Resource<'_>| {
        resource.gvk() == Gvk::new(&query.api_version, &query.kind)
            && query.namespace.as_ref().is_none_or(|namespace| resource.namespace() == namespace)
            && query.name.as_ref().is_none_or(|name| resource.name() == name)
    };
    let (arena, resources) = (Arena::new(), cluster.as_array().unwrap());
    let found: Vec<_> =
        resources.iter().copied().filter(|resource| is_asked_for(Resource(*resource))).collect();
    Answer::value(arena.array(&found))
}

/// A line for an outcome and each object that it is about.
fn lines(outcome: &RuleOutcome<'_>) -> Vec<String> {
    let mut lines = vec![format!("{} {}", outcome.status.as_str(), outcome.message).trim().to_owned()];
    match outcome.side_effect.as_deref() {
        None => {}
        Some(SideEffect::Target { patched, .. }) => {
            lines.extend(patched.map(|patched| format!("  {patched}")));
        }
        Some(SideEffect::Generated { objects, failure }) => {
            let bare = |object: &Value<'_>| {
                let labels = Resource(*object).labels();
                assert_eq!(labels.get("app.kubernetes.io/managed-by"), Some(Value::String("kyverno")));
                let arena = Arena::new();
                object.copy_to(&arena).without(&arena, &["metadata", "labels"]).to_string()
            };
            lines.extend(objects.iter().map(|object| format!("  {}", bare(object))));
            lines.extend(failure.iter().map(|failure| format!("  failure: {failure}")));
        }
    }
    lines
}

/// Evaluates a phase of `policy`, answering what it asks from `cluster`.
fn evaluation<'a>(
    policy: &'a Policy,
    phase: Phase,
    input: &Input<'a>,
    cluster: &'a str,
    arena: &'a Arena,
) -> Evaluation<'a> {
    let cluster = portcullis_yaml::read(arena, cluster).unwrap();
    let mut answers = Answers::new();
    loop {
        let mut budget = Budget::default();
        let mut run = Run { side_effects: true, ..Run::new(arena, &answers, &mut budget) };
        match policy.evaluate(phase, input, &mut run) {
            Evaluated::Done(evaluation) => return evaluation,
            Evaluated::Need(questions) => {
                for question in questions {
                    let answer = answer(cluster, &question);
                    answers.insert(question, answer);
                }
            }
        }
    }
}

fn evaluate(policy: &str, trigger: &str) -> String {
    let arena = Arena::new();
    let policy = Policy::compile(portcullis_yaml::read(&arena, policy).unwrap());
    let input = Input::create(&arena, portcullis_yaml::read(&arena, trigger).unwrap());
    let mut told = Vec::new();
    for phase in [Phase::Mutate, Phase::Validate] {
        let evaluation = evaluation(&policy, phase, &input, CLUSTER, &arena);
        assert_eq!(evaluation.patched(), None, "the trigger stays as it is");
        told.extend(evaluation.outcomes.iter().flat_map(lines));
    }
    told.join("\n")
}

#[track_caller]
fn check(kind: &str, rule: &str, trigger: &str, want: &[&str]) {
    assert_eq!(evaluate(&policy(kind, rule), trigger), want.join("\n"), "{rule}");
}

const NAMESPACE: &str =
    "{apiVersion: v1, kind: Namespace, metadata: {name: new, labels: {zones: 'a,b'}, uid: u9}}";

#[test]
fn data_becomes_an_object_at_the_place_that_the_rule_names() {
    let rule = r#"
generate:
  apiVersion: v1
  kind: ConfigMap
  name: "{{ request.object.metadata.name }}-settings"
  namespace: "{{ request.object.metadata.name }}"
  data: {kind: ignored, metadata: {namespace: ignored, annotations: {a: b}}, data: {from: "{{ request.object.metadata.uid }}"}}
"#;
    check(
        "Namespace",
        rule,
        NAMESPACE,
        &[
            "pass",
            r#"  {"apiVersion":"v1","data":{"from":"u9"},"kind":"ConfigMap","metadata":{"annotations":{"a":"b"},"name":"new-settings","namespace":"new"}}"#,
        ],
    );
    // Outside namespaces, and with nothing in it.
    let rule = "generate: {apiVersion: v1, kind: Namespace, name: twin}";
    check(
        "Namespace",
        rule,
        NAMESPACE,
        &["pass", r#"  {"apiVersion":"v1","kind":"Namespace","metadata":{"name":"twin"}}"#],
    );
}

#[test]
fn the_labels_say_where_an_object_comes_from() {
    let rule = "generate: {apiVersion: v1, kind: Secret, name: copy, namespace: new, clone: {name: registry, namespace: ops}}";
    let (arena, text) = (Arena::new(), policy("Namespace", rule));
    let policy = Policy::compile(portcullis_yaml::read(&arena, &text).unwrap());
    let input = Input::create(&arena, portcullis_yaml::read(&arena, NAMESPACE).unwrap());
    let evaluation = evaluation(&policy, Phase::Validate, &input, CLUSTER, &arena);
    let Some(SideEffect::Generated { objects, .. }) = evaluation.outcomes[0].side_effect.as_deref() else {
        panic!("nothing is generated: {evaluation:?}")
    };
    let labels = Resource(objects[0]).labels();
    let told: Vec<String> =
        labels.iter().map(|(key, value)| format!("{key}={}", value.as_str().unwrap())).collect();
    assert_eq!(
        told,
        [
            "app.kubernetes.io/managed-by=kyverno",
            "copy=yes",
            "generate.kyverno.io/policy-name=p",
            "generate.kyverno.io/policy-namespace=",
            "generate.kyverno.io/rule-name=r",
            "generate.kyverno.io/source-group=",
            "generate.kyverno.io/source-kind=Secret",
            "generate.kyverno.io/source-namespace=ops",
            "generate.kyverno.io/source-uid=u1",
            "generate.kyverno.io/source-version=v1",
            "generate.kyverno.io/trigger-group=",
            "generate.kyverno.io/trigger-kind=Namespace",
            "generate.kyverno.io/trigger-namespace=",
            "generate.kyverno.io/trigger-uid=u9",
            "generate.kyverno.io/trigger-version=v1",
        ]
    );
}

#[test]
fn a_clone_is_the_source_without_what_belongs_to_it_alone() {
    let clone = |namespace: &str, rest: &str| {
        format!(
            "generate: {{apiVersion: v1, kind: Secret, name: registry, namespace: {namespace}, {rest}, clone: \
             {{name: registry, namespace: ops}}}}"
        )
    };
    let copy = |namespace: &str| {
        format!(
            r#"  {{"apiVersion":"v1","data":{{"a":"Yg=="}},"kind":"Secret","metadata":{{"name":"registry","namespace":"{namespace}"}}}}"#
        )
    };
    check("Namespace", &clone("new", "synchronize: false"), NAMESPACE, &["pass", &copy("new")]);
    // What is there already is overwritten only where it is to follow its source.
    check("Namespace", &clone("taken", "synchronize: false"), NAMESPACE, &["pass"]);
    check("Namespace", &clone("taken", "synchronize: true"), NAMESPACE, &["pass", &copy("taken")]);
    // Nothing is copied onto itself.
    check("Namespace", &clone("ops", "synchronize: true"), NAMESPACE, &["pass"]);
    let missing = clone("new", "synchronize: true").replace("clone: {name: registry", "clone: {name: gone");
    let failure = "  failure: source resource v1/Secret/ops/gone not found";
    check("Namespace", &missing, NAMESPACE, &["pass", failure]);
}

#[test]
fn a_list_of_clones_is_chosen_by_labels() {
    let rule =
        "generate: {namespace: new, cloneList: {namespace: ops, kinds: [v1/Secret, v1/ConfigMap]SELECTOR}}";
    let copy = |name: &str| {
        format!(
            r#"  {{"apiVersion":"v1","data":{{"a":"Yg=="}},"kind":"Secret","metadata":{{"name":"{name}","namespace":"new"}}}}"#
        )
    };
    let chosen = rule.replace("SELECTOR", ", selector: {matchLabels: {copy: 'yes'}}");
    check("Namespace", &chosen, NAMESPACE, &["pass", &copy("registry")]);
    check(
        "Namespace",
        &rule.replace("SELECTOR", ""),
        NAMESPACE,
        &["pass", &copy("registry"), &copy("other")],
    );
}

#[test]
fn a_loop_makes_an_object_for_each_element_and_one_that_fails_keeps_none_of_the_others() {
    let rule = r#"
generate:
  foreach:
  - list: "request.object.metadata.labels.zones | split(@, ',')"
    preconditions: {all: [{key: "{{ element }}", operator: NotEquals, value: skipped}]}
    apiVersion: v1
    kind: ConfigMap
    name: "zone-{{ element }}-{{ elementIndex }}"
    namespace: new
    data: {data: {zone: "{{ request.object.metadata.annotations.zone || element }}"}}
  - list: request.object.metadata.annotations.missing
    apiVersion: v1
    kind: ConfigMap
    name: never
    namespace: new
"#;
    let map = |zone: &str, index: usize| {
        format!(
            r#"  {{"apiVersion":"v1","data":{{"zone":"{zone}"}},"kind":"ConfigMap","metadata":{{"name":"zone-{zone}-{index}","namespace":"new"}}}}"#
        )
    };
    let got = evaluate(&policy("Namespace", rule), &NAMESPACE.replace("a,b", "a,skipped,b"));
    let got: Vec<&str> = got.lines().collect();
    assert_eq!(got[..3], ["pass", &map("a", 0), &map("b", 2)]);
    assert!(got[3].starts_with("  failure: failed to evaluate list request.object"), "{}", got[3]);
}

#[test]
fn preconditions_come_first() {
    let rule = r#"
preconditions: {all: [{key: "{{ request.object.metadata.name }}", operator: Equals, value: old}]}
generate: {apiVersion: v1, kind: ConfigMap, name: x, namespace: new, data: {data: {a: "{{ no.such }}"}}}
"#;
    check("Namespace", rule, NAMESPACE, &["skip preconditions not met"]);
}

/// What the ConfigMap of `rule` has as targets, patched.
#[track_caller]
fn check_targets(targets: &str, patch: &str, want: &[&str]) {
    let trigger = "{apiVersion: v1, kind: ConfigMap, metadata: {name: c, namespace: team-b}, data: {app: web, max: '2'}}";
    check("ConfigMap", &format!("mutate:\n  targets:\n{targets}\n  {patch}\n"), trigger, want);
}

const ANNOTATE: &str =
    "patchStrategicMerge: {metadata: {annotations: {by: '{{ request.object.metadata.name }}'}}}";
const WEB_1: &str = r#"  {"apiVersion":"apps/v1","kind":"Deployment","metadata":{"annotations":{"by":"c"},"labels":{"app":"web"},"name":"web-1","namespace":"team-a"},"spec":{"replicas":2}}"#;
const WEB_2: &str = r#"  {"apiVersion":"apps/v1","kind":"Deployment","metadata":{"annotations":{"by":"c"},"labels":{"app":"web"},"name":"web-2","namespace":"team-b"},"spec":{"replicas":3}}"#;
const MUTATED_1: &str = "pass mutated Deployment/web-1 in namespace team-a";
const MUTATED_2: &str = "pass mutated Deployment/web-2 in namespace team-b";

#[test]
fn targets_are_found_by_name_by_wildcards_and_by_labels() {
    let one = "  - {apiVersion: apps/v1, kind: Deployment, namespace: team-a, name: web-1}";
    check_targets(one, ANNOTATE, &[MUTATED_1, WEB_1]);
    let wild = "  - {apiVersion: apps/v1, kind: Deployment, namespace: 'team-*', name: 'web-?'}";
    check_targets(wild, ANNOTATE, &[MUTATED_1, WEB_1, MUTATED_2, WEB_2]);
    let selected = "  - {apiVersion: apps/v1, kind: Deployment, selector: {matchLabels: {app: '{{ request.object.data.app }}'}}}";
    check_targets(selected, ANNOTATE, &[MUTATED_1, WEB_1, MUTATED_2, WEB_2]);
    // The selector plays no part for one that is named.
    let both = "  - {apiVersion: apps/v1, kind: Deployment, namespace: team-a, name: web-1, selector: {matchLabels: {app: x}}}";
    check_targets(both, ANNOTATE, &[MUTATED_1, WEB_1]);
    // None is found: there is nothing to say, unless it was named.
    check_targets("  - {apiVersion: apps/v1, kind: Deployment, name: 'no-*'}", ANNOTATE, &[]);
    let gone = "  - {apiVersion: apps/v1, kind: Deployment, namespace: team-a, name: gone}";
    let error = "error failed to get target apps/v1/Deployment team-a/gone: not found";
    check_targets(&format!("{gone}\n{one}"), ANNOTATE, &[error, MUTATED_1, WEB_1]);
    let broken = "  - {apiVersion: apps/v1, kind: Deployment, namespace: team-a, name: '{{ request.object.data.no }}'}";
    let error = "error failed to substitute variables in target[1]: failed to resolve request.object.data.no at path /name: JMESPath query failed: Unknown key \"no\" in path";
    // The whole rule is substituted for the other one, its targets too.
    let other = "error variable substitution failed: failed to resolve request.object.data.no at path /mutate/targets/1/name: JMESPath query failed: Unknown key \"no\" in path";
    check_targets(&format!("{one}\n{broken}"), ANNOTATE, &[error, other]);
}

#[test]
fn an_exception_skips_the_whole_rule() {
    let arena = Arena::new();
    let read = |text: &str| portcullis_yaml::read(&arena, arena.str(text)).unwrap();
    let exception = |name: &str| {
        let text = format!(
            "{{metadata: {{name: {name}, namespace: ns}}, spec: {{exceptions: [{{policyName: p, ruleNames: [r]}}], match: {{any: [{{resources: {{kinds: [Namespace]}}}}]}}}}}}"
        );
        Arc::new(PolicyException::compile(read(&text)))
    };
    let exceptions = [exception("e"), exception("f")];
    let generate =
        "generate: {apiVersion: v1, kind: ConfigMap, name: x, namespace: new, data: {}}".to_owned();
    let targets = "  - {apiVersion: apps/v1, kind: Deployment, namespace: team-a, name: web-1}";
    let mutate = format!("mutate:\n  targets:\n{targets}\n  {ANNOTATE}\n");
    for (rule, phase) in [(mutate, Phase::Mutate), (generate, Phase::Validate)] {
        let policy = Policy::compile(read(&policy("Namespace", &rule))).excepting(&exceptions);
        let input = Input::create(&arena, read(NAMESPACE));
        let evaluation = evaluation(&policy, phase, &input, CLUSTER, &arena);
        let told: Vec<_> = evaluation.outcomes.iter().flat_map(lines).collect();
        assert_eq!(told, ["skip rule is skipped due to policy exception ns/e, ns/f"]);
    }
}

#[test]
fn a_namespaced_policy_changes_what_is_in_its_namespace_alone() {
    let rule = format!(
        "mutate:\n  targets:\n  - {{apiVersion: apps/v1, kind: Deployment, namespace: '*', name: 'web-*'}}\n  {ANNOTATE}\n"
    );
    let policy = policy("ConfigMap", &rule)
        .replace("ClusterPolicy", "Policy")
        .replace("{name: p}", "{name: p, namespace: team-b}");
    let trigger = "{apiVersion: v1, kind: ConfigMap, metadata: {name: c, namespace: team-b}}";
    assert_eq!(evaluate(&policy, trigger), format!("{MUTATED_2}\n{WEB_2}"));
}

#[test]
fn each_target_has_variables_and_preconditions_of_its_own() {
    let targets = r#"
  - apiVersion: apps/v1
    kind: Deployment
    context: [{name: limit, variable: {value: "{{ to_number(request.object.data.max) }}"}}]
    preconditions: {all: [{key: "{{ target.spec.replicas }}", operator: GreaterThanOrEquals, value: "{{ limit }}"}]}
"#;
    let patch = r#"patchesJson6902: |-
    - {op: replace, path: /spec/replicas, value: 2}
    - {op: test, path: /metadata/name, value: "{{ target.metadata.name }}"}"#;
    let web_2 = r#"  {"apiVersion":"apps/v1","kind":"Deployment","metadata":{"labels":{"app":"web"},"name":"web-2","namespace":"team-b"},"spec":{"replicas":2}}"#;
    // The second changes, the first is as it should be, the third is spared.
    let want = ["skip no patches applied", MUTATED_2, web_2, "skip preconditions not met"];
    check_targets(targets, patch, &want);
}

#[test]
fn loops_patch_targets_too_and_see_what_they_became() {
    let targets = "  - {apiVersion: apps/v1, kind: Deployment, namespace: team-b, name: db}";
    let patch = r#"foreach:
  - list: "['a', 'b']"
    patchStrategicMerge: {metadata: {annotations: {"{{ element }}": "{{ request.object.metadata.name }}"}}}
  - list: "keys(target.metadata.annotations)"
    patchStrategicMerge: {metadata: {labels: {"{{ element }}": x}}}"#;
    let db = r#"  {"apiVersion":"apps/v1","kind":"Deployment","metadata":{"annotations":{"a":"c","b":"c"},"labels":{"a":"x","b":"x"},"name":"db","namespace":"team-b"},"spec":{"replicas":1}}"#;
    check_targets(targets, patch, &["pass mutated Deployment/db in namespace team-b", db]);
}

#[test]
fn what_one_target_substitutes_is_not_counted_against_the_others() {
    let count = 4_000;
    let secrets: String = (0..count)
        .map(|index| {
            format!("- {{apiVersion: v1, kind: Secret, metadata: {{name: s-{index}, namespace: n}}}}\n")
        })
        .collect();
    let rule = r#"
mutate:
  targets: [{apiVersion: v1, kind: Secret}]
  patchStrategicMerge: {metadata: {labels: {a: "{{ target.metadata.name }}", b: "{{ target.metadata.name }}", c: "{{ request.object.metadata.name }}"}}}
"#;
    let (arena, text) = (Arena::new(), policy("Namespace", rule));
    let policy = Policy::compile(portcullis_yaml::read(&arena, &text).unwrap());
    let input = Input::create(&arena, portcullis_yaml::read(&arena, NAMESPACE).unwrap());
    let evaluation = evaluation(&policy, Phase::Mutate, &input, &secrets, &arena);
    let mutated =
        evaluation.outcomes.iter().filter(|outcome| outcome.message.starts_with("mutated Secret/s-"));
    assert_eq!(mutated.count(), count, "{:?}", evaluation.outcomes.last());
}
