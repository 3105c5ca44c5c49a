//! Whole policies on whole resources.

use portcullis_kyverno::Policy;
use portcullis_model::explain::{RecordLimits, Recorder};
use portcullis_model::{
    Answer, Answers, CompiledPolicy, Evaluated, Evaluation, Input, Obstacle, Operation, Phase, Question,
    RuleOutcome, Run,
};
use portcullis_value::{Arena, Budget, Limits};

/// Evaluates `policy` in both phases and prints a line per outcome: `rule status: message`, and the patched object.
pub(crate) fn evaluate(policy: &str, resource: &str, change: impl Fn(&mut Input<'_>)) -> String {
    let arena = Arena::new();
    evaluate_compiled(&Policy::compile(portcullis_yaml::read(&arena, policy).unwrap()), resource, change)
}

pub(crate) fn evaluate_compiled(policy: &Policy, resource: &str, change: impl Fn(&mut Input<'_>)) -> String {
    let arena = Arena::new();
    let object = portcullis_yaml::read(&arena, resource).unwrap();
    let mut input = Input::create(&arena, object);
    change(&mut input);
    let answers = Answers::new();
    let mut lines = Vec::new();
    for phase in [Phase::Mutate, Phase::Validate] {
        let evaluation = run(policy, phase, &input, &arena, &answers, Limits::default());
        for outcome in &evaluation.outcomes {
            lines.push(format!("{} {}: {}", outcome.rule, outcome.status.as_str(), outcome.message));
        }
        if let Some(patched) = evaluation.patched() {
            lines.push(patched.to_string());
            input.object = Some(patched);
        }
    }
    lines.join("\n")
}

pub(crate) fn run<'a>(
    policy: &'a Policy,
    phase: Phase,
    input: &Input<'a>,
    arena: &'a Arena,
    answers: &Answers,
    limits: Limits,
) -> Evaluation<'a> {
    let mut budget = Budget::new(limits, &|| false);
    let mut run = Run { explain: true, ..Run::new(arena, answers, &mut budget) };
    let Evaluated::Done(evaluation) = policy.evaluate(phase, input, &mut run) else { panic!("not answered") };
    // What is taken down is the same evaluation.
    let (recorder, mut budget) = (Recorder::new(RecordLimits::default()), Budget::new(limits, &|| false));
    let mut run = Run { recorder: Some(&recorder), ..Run::new(arena, answers, &mut budget) };
    let Evaluated::Done(recorded) = policy.evaluate(phase, input, &mut run) else { panic!("not answered") };
    let is_exhausted = |outcome: &RuleOutcome<'_>| matches!(outcome.obstacle, Some(Obstacle::Exhausted(_)));
    if !evaluation.outcomes.iter().chain(&recorded.outcomes).any(is_exhausted) {
        assert_eq!(recorded, evaluation);
    }
    evaluation
}

#[track_caller]
pub(crate) fn check(policy: &str, resource: &str, want: &str) {
    assert_eq!(evaluate(policy, resource, |_| {}), want);
}

/// A ClusterPolicy with one rule `r` about `kind`.
pub(crate) fn policy(kind: &str, rule: &str) -> String {
    let rule: String = rule.lines().map(|line| format!("    {line}\n")).collect();
    format!(
        "apiVersion: kyverno.io/v1\nkind: ClusterPolicy\nmetadata: {{name: p}}\nspec:\n  rules:\n  - name: r\n    match: {{any: [{{resources: {{kinds: [{kind}]}}}}]}}\n{rule}"
    )
}

const TTL: &str = r#"
preconditions:
  any:
  - key: "{{ request.object.metadata.ownerReferences || '' }}"
    operator: Equals
    value: ''
mutate:
  patchStrategicMerge:
    spec:
      +(ttlSecondsAfterFinished): 900
"#;

fn job(metadata: &str, spec: &str) -> String {
    format!("{{apiVersion: batch/v1, kind: Job, metadata: {{name: pi{metadata}}}, spec: {{{spec}}}}}")
}

#[test]
fn a_job_that_nobody_owns_gets_a_ttl() {
    check(
        &policy("Job", TTL),
        &job("", "backoffLimit: 4"),
        concat!(
            "r pass: mutated Job/pi\n",
            r#"{"apiVersion":"batch/v1","kind":"Job","metadata":{"name":"pi"},"spec":{"backoffLimit":4,"ttlSecondsAfterFinished":900}}"#
        ),
    );
}

#[test]
fn a_job_that_is_owned_or_has_a_ttl_is_left_alone() {
    let owned = job(", ownerReferences: [{kind: CronJob, name: hello}]", "");
    check(&policy("Job", TTL), &owned, "r skip: preconditions not met");
    for ttl in ["60", "0", "null"] {
        let with_ttl = job("", &format!("ttlSecondsAfterFinished: {ttl}"));
        check(&policy("Job", TTL), &with_ttl, "r skip: no patches applied");
    }
    check(&policy("Job", TTL), "{apiVersion: batch/v1, kind: CronJob, metadata: {name: c}}", "");
}

#[test]
fn an_empty_list_of_owners_is_no_owner_and_a_null_one_neither() {
    // An empty list is false in JMESPath, so the default `''` takes its place.
    for owners in ["[]", "null"] {
        let got = evaluate(&policy("Job", TTL), &job(&format!(", ownerReferences: {owners}"), ""), |_| {});
        assert!(got.starts_with("r pass: mutated Job/pi"), "{owners}: {got}");
    }
}

#[test]
fn an_explanation_names_the_condition_and_the_value_it_saw() {
    let arena = Arena::new();
    let policy = Policy::compile(portcullis_yaml::read(&arena, &policy("Job", TTL)).unwrap());
    let explain = |resource: &str| {
        let resource = arena.str(resource);
        let input = Input::create(&arena, portcullis_yaml::read(&arena, resource).unwrap());
        let evaluation = run(&policy, Phase::Mutate, &input, &arena, &Answers::new(), Limits::default());
        let outcomes = evaluation.outcomes.into_iter().filter_map(|outcome| outcome.explanation);
        outcomes
            .chain(evaluation.not_applied.into_iter().map(|(_, reason)| reason))
            .collect::<Vec<_>>()
            .join("\n")
    };
    assert_eq!(
        explain(&job(", ownerReferences: [{kind: CronJob, name: hello}]", "")),
        r#"precondition 1 of `any` does not hold: `{{ request.object.metadata.ownerReferences || '' }}` is [{"kind":"CronJob","name":"hello"}], must be Equals ''"#
    );
    assert_eq!(explain("{apiVersion: v1, kind: Pod, metadata: {name: p}}"), "kind Pod is not `Job`");
}

#[test]
fn a_pattern_fails_with_its_message_and_path() {
    let pattern = "validate: {message: label team is needed, pattern: {metadata: {labels: {team: '?*'}}}}";
    check(
        &policy("Pod", pattern),
        "{apiVersion: v1, kind: Pod, metadata: {name: p, labels: {a: b}}}",
        "r fail: validation error: label team is needed. rule r failed at path /metadata/labels/team/",
    );
    check(
        &policy("Pod", pattern),
        "{apiVersion: v1, kind: Pod, metadata: {name: p, labels: {team: x}}}",
        "r pass: validation rule 'r' passed.",
    );
}

#[test]
fn variables_in_pattern_and_message_are_replaced() {
    let rule = "validate: {message: 'not {{ request.object.metadata.name }}', pattern: {spec: {name: '{{ request.object.metadata.name }}'}}}";
    check(
        &policy("Pod", rule),
        "{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {name: q}}",
        "r fail: validation error: not p. rule r failed at path /spec/name/",
    );
    let rule = "validate: {pattern: {spec: {name: '{{ request.object.metadata.labels.x }}'}}}";
    check(
        &policy("Pod", rule),
        "{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {name: q}}",
        "r error: variable substitution failed: failed to resolve request.object.metadata.labels.x at path /spec/name: JMESPath query failed: Unknown key \"labels\" in path",
    );
}

#[test]
fn a_variable_is_told_from_an_escaped_one_that_a_value_brought_in() {
    let rule = r#"
validate:
  message: "{{- request.object.metadata.labels.a }} and {{ request.namespace }}"
  deny: {}
"#;
    let job = "{apiVersion: batch/v1, kind: Job, metadata: {name: pi, namespace: ns, labels: {a: 'x {{ request.namespace }}'}}}";
    check(&policy("Job", rule), job, "r fail: x {{ request.namespace }} and ns");
    let job = job.replace("x {{", "x{{");
    check(&policy("Job", rule), &job, "r fail: x{{ request.namespace }} and ns");
}

#[test]
fn any_pattern_lists_what_failed() {
    let rule = "validate: {message: choose, anyPattern: [{spec: {a: 1}}, {spec: {b: 1}}]}";
    let pod = |spec: &str| format!("{{apiVersion: v1, kind: Pod, metadata: {{name: p}}, spec: {spec}}}");
    check(
        &policy("Pod", rule),
        &pod("{c: 1}"),
        "r fail: validation error: choose. rule r[0] failed at path /spec/a/ rule r[1] failed at path /spec/b/",
    );
    check(&policy("Pod", rule), &pod("{b: 1}"), "r pass: validation rule 'r' anyPattern[1] passed.");
}

#[test]
fn deny_joins_the_messages_of_what_holds() {
    let rule = r#"
validate:
  message: "{{ request.object.kind }} is denied"
  deny:
    conditions:
      any:
      - {key: "{{ request.object.spec.type }}", operator: Equals, value: LoadBalancer, message: "no {{ request.object.spec.type }}"}
"#;
    let service = |kind: &str| {
        format!("{{apiVersion: v1, kind: Service, metadata: {{name: s}}, spec: {{type: {kind}}}}}")
    };
    check(&policy("Service", rule), &service("LoadBalancer"), "r fail: Service is denied; no LoadBalancer");
    check(&policy("Service", rule), &service("ClusterIP"), "r pass: validation rule 'r' passed.");
}

#[test]
fn rules_that_differ_in_the_form_of_a_number_alone_are_two() {
    let rule = |name: &str, number: &str| {
        format!(
            r#"{{"name": "{name}", "match": {{"resources": {{"kinds": ["ConfigMap"]}}}}, "validate": {{"pattern": {{"data": {{"version": {number}}}}}}}}}"#
        )
    };
    let policy = format!(
        r#"{{"kind": "ClusterPolicy", "metadata": {{"name": "p"}}, "spec": {{"rules": [{}, {}]}}}}"#,
        rule("integer", "1"),
        rule("float", "1.0")
    );
    // YAML makes an integer of a whole number, JSON keeps its form.
    let arena = Arena::new();
    let policy = Policy::compile(portcullis_value::json::read(&arena, &policy).unwrap());
    assert_eq!(
        evaluate_compiled(
            &policy,
            "{apiVersion: v1, kind: ConfigMap, metadata: {name: c}, data: {version: '1.0'}}",
            |_| {}
        ),
        "integer fail: validation error: rule integer failed at path /data/version/\nfloat pass: validation rule 'float' passed."
    );
}

#[test]
fn rules_about_pods_apply_to_their_controllers() {
    let rule = "validate: {pattern: {spec: {hostNetwork: false}}}";
    let deployment = "{apiVersion: apps/v1, kind: Deployment, metadata: {name: d}, spec: {template: {spec: {hostNetwork: true}}}}";
    check(
        &policy("Pod", rule),
        deployment,
        "autogen-r fail: validation error: rule autogen-r failed at path /spec/template/spec/hostNetwork/",
    );
    let cron_job = "{apiVersion: batch/v1, kind: CronJob, metadata: {name: c}, spec: {jobTemplate: {spec: {template: {spec: {hostNetwork: false}}}}}}";
    check(
        &policy("Pod", rule),
        cron_job,
        "autogen-cronjob-r pass: validation rule 'autogen-cronjob-r' passed.",
    );
}

/// As in the reference, which generates rules for the kind in hand alone.
#[test]
fn a_controller_meets_the_rules_that_are_generated_for_its_own_kind() {
    let pods_and_cron_jobs = policy("Pod", "validate: {pattern: {metadata: {name: '?*'}}}").replace(
        "[{resources: {kinds: [Pod]}}]",
        "[{resources: {kinds: [Pod]}}, {resources: {kinds: [CronJob]}}]",
    );
    let cron_job = "{apiVersion: batch/v1, kind: CronJob, metadata: {name: c}, spec: {jobTemplate: {spec: {template: {metadata: {}}}}}}";
    check(
        &pods_and_cron_jobs,
        cron_job,
        "r pass: validation rule 'r' passed.\n\
         autogen-cronjob-r fail: validation error: rule autogen-cronjob-r failed at path /spec/jobTemplate/spec/template/metadata/name/",
    );
    let deployment =
        "{apiVersion: apps/v1, kind: Deployment, metadata: {name: d}, spec: {template: {spec: {}}}}";
    let written =
        policy("Deployment", "validate: {pattern: {spec: {a: 1}}}").replace("name: r", "name: autogen-mine");
    let fails = "autogen-mine fail: validation error: rule autogen-mine failed at path /spec/a/";
    check(&written, deployment, fails);
    let with_pods = format!(
        "{written}\n  - {{name: r, match: {{any: [{{resources: {{kinds: [Pod]}}}}]}}, validate: {{pattern: {{spec: {{}}}}}}}}"
    );
    check(&with_pods, deployment, "autogen-r pass: validation rule 'autogen-r' passed.");
}

#[test]
fn a_namespaced_policy_stays_in_its_namespace() {
    let policy = policy("Pod", "validate: {pattern: {spec: {a: 1}}}")
        .replace("ClusterPolicy", "Policy")
        .replace("{name: p}", "{name: p, namespace: here}");
    let pod = |namespace: &str| {
        format!(
            "{{apiVersion: v1, kind: Pod, metadata: {{name: p, namespace: {namespace}}}, spec: {{a: 1}}}}"
        )
    };
    check(&policy, &pod("here"), "r pass: validation rule 'r' passed.");
    check(&policy, &pod("there"), "");
}

#[test]
fn kinds_of_rules_that_are_not_executed_say_so() {
    let pod = "{apiVersion: v1, kind: Pod, metadata: {name: p}}";
    for (rule, kind) in [
        ("validate: {cel: {expressions: [{expression: 'true'}]}}", "validate.cel"),
        ("generate: {kind: ConfigMap, name: x, data: {}}", "generate"),
    ] {
        check(&policy("Pod", rule), pod, &format!("r error: not executed yet: {kind}"));
    }
}

#[test]
fn a_question_is_asked_and_its_answer_used() {
    let rule = r#"
context:
- name: settings
  configMap: {name: settings, namespace: ops}
validate:
  deny:
    conditions:
      all:
      - {key: "{{ settings.data.allowed }}", operator: NotEquals, value: "{{ request.object.spec.class }}"}
"#;
    let (arena, text) = (Arena::new(), policy("Pod", rule));
    let policy = Policy::compile(portcullis_yaml::read(&arena, &text).unwrap());
    let object =
        portcullis_yaml::read(&arena, "{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {class: a}}");
    let input = Input::create(&arena, object.unwrap());
    let evaluate = |answers: &Answers| {
        let mut budget = Budget::default();
        let mut run = Run::new(&arena, answers, &mut budget);
        policy.evaluate(Phase::Validate, &input, &mut run)
    };
    let Evaluated::Need(questions) = evaluate(&Answers::new()) else { panic!("nothing was asked") };
    let question = Question::ConfigMap {
        entry: "settings".to_owned(),
        namespace: "ops".to_owned(),
        name: "settings".to_owned(),
    };
    assert_eq!(questions, std::slice::from_ref(&question));
    let message = |answer: Answer| {
        let answers = Answers::from([(question.clone(), answer)]);
        let Evaluated::Done(evaluation) = evaluate(&answers) else { panic!("asked again") };
        format!("{:?}: {}", evaluation.outcomes[0].status, evaluation.outcomes[0].message)
    };
    let map = portcullis_yaml::read(&arena, "{data: {allowed: a}}").unwrap();
    assert_eq!(message(Answer::value(map)), "Pass: validation rule 'r' passed.");
    assert_eq!(
        message(Answer::Failed("not found".to_owned())),
        "Error: failed to check deny conditions: failed to substitute variables in condition key: failed to resolve settings.data.allowed at path : failed to retrieve config map for context entry settings: not found"
    );
    assert_eq!(
        message(Answer::Unavailable),
        "Error: failed to check deny conditions: failed to substitute variables in condition key: failed to resolve settings.data.allowed at path : JMESPath query failed: Unknown key \"settings\" in path"
    );
}

#[test]
fn what_is_given_for_a_rule_stays_in_its_preconditions_and_gives_way_after_them() {
    let rule = r#"
context: [{name: hosts, apiCall: {urlPath: /api/v1/hosts}}]
preconditions: {all: [{key: a, operator: AnyIn, value: "{{ hosts }}"}]}
validate: {message: "it is {{ hosts }}", deny: {conditions: {any: [{key: a, operator: AnyIn, value: "{{ hosts }}"}]}}}
"#;
    let (arena, text) = (Arena::new(), policy("Pod", rule));
    let policy = Policy::compile(portcullis_yaml::read(&arena, &text).unwrap());
    let pod = portcullis_yaml::read(&arena, "{apiVersion: v1, kind: Pod, metadata: {name: p}}").unwrap();
    let read = |text: &str| portcullis_yaml::read(&arena, arena.str(text)).unwrap();
    let outcome = |given: &str, found: Answer| {
        let (entry, method) = ("hosts".to_owned(), "GET".to_owned());
        let url_path = "/api/v1/hosts".to_owned();
        let question = Question::ApiCall { entry, method, url_path, data: String::new() };
        let given = read(given).as_object().unwrap();
        let input = Input { rule_variables: arena.slice(&[("r", given)]), ..Input::create(&arena, pod) };
        let answers = Answers::from([(question, found)]);
        let evaluation = run(&policy, Phase::Validate, &input, &arena, &answers, Limits::default());
        format!("{}: {}", evaluation.outcomes[0].status.as_str(), evaluation.outcomes[0].message)
    };
    let found = |text: &str| Answer::value(read(text));
    assert_eq!(outcome("{hosts: [b]}", found("[a]")), "skip: preconditions not met");
    assert_eq!(outcome("{hosts: [a]}", found("[b]")), "pass: validation rule 'r' passed.");
    assert_eq!(outcome("{hosts: [a, c]}", found("[a]")), "fail: it is [\"a\"]");
    // What is given to others says nothing here, and what fails does so whatever is given.
    assert_eq!(outcome("{other: [b]}", found("[b]")), "skip: preconditions not met");
    let failed = outcome("{hosts: [a]}", Answer::Failed("not there".to_owned()));
    assert!(failed.starts_with("error: failed to evaluate preconditions: "), "{failed}");
}

#[test]
fn a_violation_that_was_there_before_is_tolerated_on_update() {
    let rule = "validate: {failureAction: Enforce, pattern: {spec: {a: 1}}}";
    let pod = "{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {a: 2}}";
    let update = |rule: &str| {
        evaluate(&policy("Pod", rule), pod, |input| {
            input.operation = Operation::Update;
            input.old_object = input.object;
        })
    };
    assert_eq!(update(rule), "r skip: skipping the rule evaluation as pre-existing violations are allowed");
    let strict = rule.replace("Enforce,", "Enforce, allowExistingViolations: false,");
    assert_eq!(update(&strict), "r fail: validation error: rule r failed at path /spec/a/");
    assert_eq!(
        update(&rule.replace("Enforce", "Audit")),
        "r fail: validation error: rule r failed at path /spec/a/"
    );
}

#[test]
fn an_evaluation_beyond_its_budget_is_an_error_outcome() {
    let rule = "validate: {deny: {conditions: {all: [{key: \"{{ length(request.object.spec.list[*].to_string(@)) }}\", operator: Equals, value: 0}]}}}";
    let list = "[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]";
    let (arena, text) = (Arena::new(), policy("Pod", rule));
    let policy = Policy::compile(portcullis_yaml::read(&arena, &text).unwrap());
    let pod = format!("{{apiVersion: v1, kind: Pod, metadata: {{name: p}}, spec: {{list: {list}}}}}");
    let input = Input::create(&arena, portcullis_yaml::read(&arena, &pod).unwrap());
    let limits = Limits { steps: 20, ..Limits::default() };
    let evaluation = run(&policy, Phase::Validate, &input, &arena, &Answers::new(), limits);
    let message = &evaluation.outcomes[0].message;
    assert_eq!(message, "failed to check deny conditions: evaluation takes more steps than allowed");
}

#[test]
fn text_of_the_resource_cannot_grow_without_bound() {
    // A value that brings in itself is substituted again and again.
    let rule =
        "validate: {message: '{{ request.object.metadata.annotations.a }} x', pattern: {spec: {a: 1}}}";
    let pod = "{apiVersion: v1, kind: Pod, metadata: {name: p, annotations: {a: 'y {{ request.object.metadata.annotations.a }}'}}}";
    check(
        &policy("Pod", rule),
        pod,
        "r fail: validation error: variables substitution error in rule r execution error: pattern and resource have different structures. Path: /spec/. Expected map[string]interface {}, found <nil>",
    );
}

#[test]
fn images_are_taken_apart() {
    let rule = r#"validate: {deny: {conditions: {any: [{key: "{{ images.containers.*.registry }}", operator: AnyNotIn, value: [ghcr.io]}]}}}"#;
    let pod = |image: &str| {
        format!(
            "{{apiVersion: v1, kind: Pod, metadata: {{name: p}}, spec: {{containers: [{{name: c, image: '{image}'}}]}}}}"
        )
    };
    check(&policy("Pod", rule), &pod("nginx"), "r fail: validation error: rule r failed");
    check(&policy("Pod", rule), &pod("ghcr.io/a/b:1"), "r pass: validation rule 'r' passed.");
}

#[test]
fn policies_are_alike_where_nothing_but_their_names_can_make_a_difference() {
    let arena = Arena::new();
    let of = |kind: &str, metadata: &str, pattern: &str| {
        let rule =
            format!("match: {{resources: {{kinds: [Pod]}}}}, validate: {{pattern: {{spec: {pattern}}}}}");
        let text =
            format!("{{kind: {kind}, metadata: {{{metadata}}}, spec: {{rules: [{{name: r, {rule}}}]}}}}");
        Policy::compile(portcullis_yaml::read(&arena, arena.str(&text)).unwrap()).profile().likeness
    };
    let one = of("ClusterPolicy", "name: a", "{x: 1}");
    assert!(one.is_some());
    assert_eq!(one, of("ClusterPolicy", "name: b, annotations: {title: t}", "{x: 1}"));
    assert_ne!(one, of("ClusterPolicy", "name: b", "{x: 2}"));
    let without_generated = "name: a, annotations: {pod-policies.kyverno.io/autogen-controllers: none}";
    assert_ne!(one, of("ClusterPolicy", without_generated, "{x: 1}"));
    // A float may be written as an integer is, and is judged otherwise.
    assert_eq!(of("ClusterPolicy", "name: a", "{x: 1.5}"), None);
    assert_eq!(of("Policy", "name: a", "{x: 1}"), None);
}

#[test]
fn a_message_of_what_is_denied_has_escaped_references_and_none_that_lead_somewhere() {
    let pod = "{apiVersion: v1, kind: Pod, metadata: {name: web}}";
    for (message, condition, want) in [
        (r"run \$(date) {{request.object.metadata.name}}", "", "run $(date) web"),
        ("denied", r"use \$(X)", "denied; use $(X)"),
        ("at $(./../deny/conditions/all/0/value)", "no", "no"),
    ] {
        let rule = format!(
            "validate:\n  message: '{message}'\n  deny: {{conditions: {{all: [{{key: a, operator: Equals, value: a, message: '{condition}'}}]}}}}"
        );
        check(&policy("Pod", &rule), pod, &format!("r fail: {want}"));
    }
}

#[test]
fn numbers_that_are_written_beside_a_variable_stay_integers() {
    let denied = |key: &str, operator: &str, value: &str| {
        let condition = format!("{{key: {key}, operator: {operator}, value: {value}}}");
        let rule = format!("validate: {{message: stop, deny: {{conditions: {{all: [{condition}]}}}}}}");
        check(&policy("Pod", &rule), "{apiVersion: v1, kind: Pod, metadata: {name: web}}", "r fail: stop");
    };
    let name = r#""{{request.object.metadata.name}}""#;
    denied(&format!("[{name}, 2]"), "Equals", "[web, 2]");
    denied(&format!("{{n: {name}, r: 2}}"), "Equals", "{n: web, r: 2}");
    denied(&format!("[{name}, 1000000]"), "AnyIn", "['1000000']");
}

#[test]
fn an_empty_path_of_a_context_entry_is_none() {
    let rule =
        "context: [{name: v, variable: {value: x, jmesPath: ''}}]\nvalidate: {message: 'M {{v}}', deny: {}}";
    check(&policy("Pod", rule), "{apiVersion: v1, kind: Pod, metadata: {name: web}}", "r fail: M x");
}

#[test]
fn what_stands_in_parentheses_twice_is_a_condition_on_a_key_in_parentheses() {
    let overlay = |overlay: &str| policy("Pod", &format!("mutate: {{patchStrategicMerge: {overlay}}}"));
    let pod = "{apiVersion: v1, kind: Pod, metadata: {name: web}, spec: {containers: [{name: c}]}}";
    for anchor in ["((hostPID))", "<((hostPID))", "(+(hostPID))"] {
        let once = format!("{{spec: {{'{anchor}': true, hostIPC: true}}}}");
        check(&overlay(&once), pod, "r skip: no patches applied");
    }
    check(
        &overlay("{spec: {containers: [{'((name))': '*', tty: true}], hostIPC: true}}"),
        pod,
        concat!(
            "r pass: mutated Pod/web\n",
            r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"web"},"spec":{"containers":[{"name":"c"}],"hostIPC":true}}"#
        ),
    );
}

#[test]
fn a_list_that_does_not_begin_with_a_map_is_not_looked_into() {
    let items = "items: [{name: n1, v: 1}, {name: n2, v: 2}]";
    let widget =
        format!("{{apiVersion: example.com/v1, kind: Widget, metadata: {{name: w}}, spec: {{{items}}}}}");
    for (overlay, want) in [
        ("[x, {(name): n1, c: 1}]", r#"{"items":["x"]}"#),
        ("[[x], {(name): n1, c: 1}]", r#"{"items":[["x"]]}"#),
        ("[x, {<(name): zz}], other: true", r#"{"items":["x"],"other":true}"#),
        (
            "[[{(name): '*', q: 2}]], other: true",
            r#"{"items":[{"name":"n1","v":1},{"name":"n2","v":2}],"other":true}"#,
        ),
    ] {
        let rule = format!("mutate: {{patchStrategicMerge: {{spec: {{items: {overlay}}}}}}}");
        let head = r#"{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"name":"w"},"spec":"#;
        check(
            &policy("example.com/v1/Widget", &rule),
            &widget,
            &format!("r pass: mutated Widget/w\n{head}{want}}}"),
        );
    }
}

#[test]
fn a_change_that_fails_leaves_no_object_for_the_rules_after_it() {
    let rule = |name: &str, value: &str| {
        format!(
            "  - name: {name}\n    match: {{any: [{{resources: {{kinds: [Pod]}}}}]}}\n    mutate: {{patchStrategicMerge: {{metadata: {{labels: {{{name}: '{value}'}}}}}}}}\n"
        )
    };
    let rules = [
        rule("a", "1"),
        rule("b", "{{request.object.spec.b}}"),
        rule("c", "{{request.object.spec.c}}"),
        rule("d", "1"),
    ];
    let policy = format!(
        "apiVersion: kyverno.io/v1\nkind: ClusterPolicy\nmetadata: {{name: p}}\nspec:\n  rules:\n{}",
        rules.concat()
    );
    let told = evaluate(&policy, "{apiVersion: v1, kind: Pod, metadata: {name: web}, spec: {}}", |_| {});
    let rules: Vec<_> = told.lines().filter_map(|line| line.split_once(": ")).map(|(rule, _)| rule).collect();
    assert_eq!(rules, ["a pass", "b error"], "{told}");
}
