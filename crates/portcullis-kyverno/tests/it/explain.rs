//! What is taken down of an evaluation: every step with what it saw, and nothing of Secrets.

use portcullis_kyverno::Policy;
use portcullis_model::explain::{Explanation, Finding, RecordLimits, Recorder, Step};
use portcullis_model::{Answer, Answers, CompiledPolicy as _, Evaluated, Input, Phase, Question, Run};
use portcullis_value::{Arena, Budget};

use crate::policies::policy;

/// The rules of `policy` on `resource`, mutating ones first.
fn explain(policy: &str, resource: &str, answers: &Answers) -> Vec<Explanation> {
    let arena = Arena::new();
    let policy = Policy::compile(portcullis_yaml::read(&arena, policy).unwrap());
    let input = Input::create(&arena, portcullis_yaml::read(&arena, resource).unwrap());
    let explain = |phase| {
        let (recorder, mut budget) = (Recorder::new(RecordLimits::default()), Budget::default());
        let mut run =
            Run { recorder: Some(&recorder), side_effects: true, ..Run::new(&arena, answers, &mut budget) };
        let evaluated = policy.evaluate(phase, &input, &mut run);
        assert!(matches!(evaluated, Evaluated::Done(_)), "{evaluated:?}");
        drop(evaluated);
        recorder.into_explanations()
    };
    [Phase::Mutate, Phase::Validate].into_iter().flat_map(explain).collect()
}

/// The steps as lines, indented by two blanks a level.
fn lines(rule: &Explanation) -> String {
    fn add(step: &Step, level: usize, text: &mut String) {
        let mark = match step.finding {
            Finding::Holds => '+',
            Finding::Fails => '-',
            Finding::Neutral => '.',
        };
        let parts = [Some(&step.about), step.seen.as_ref(), step.wanted.as_ref(), step.note.as_ref()];
        let parts: Vec<_> = parts.into_iter().flatten().filter(|part| !part.is_empty()).cloned().collect();
        let indent = "  ".repeat(level);
        text.push_str(&format!("{indent}{mark} {} {}", step.part.as_str(), parts.join(" | ")));
        text.truncate(text.trim_end().len());
        text.push('\n');
        step.steps.iter().for_each(|step| add(step, level + 1, text));
    }
    let mut text = format!("{}\n", rule.summary);
    rule.steps.iter().for_each(|step| add(step, 0, &mut text));
    text
}

#[track_caller]
fn check(policy: &str, resource: &str, want: &str) {
    check_with(policy, resource, &Answers::new(), want);
}

#[track_caller]
fn check_with(policy: &str, resource: &str, answers: &Answers, want: &str) {
    let got: String = explain(policy, resource, answers).iter().map(lines).collect();
    let want: Vec<_> = want.lines().map(|line| line.strip_prefix("        ").unwrap_or(line)).collect();
    assert_eq!(got.trim_end(), want.join("\n").trim(), "\n{got}");
}

const POD: &str =
    "{apiVersion: v1, kind: Pod, metadata: {name: p, labels: {app.io/name: web}}, spec: {containers: [
    {name: a, image: 'a:1'}, {name: b, image: 'b:latest'}]}}";

#[test]
fn each_clause_of_a_match_block_shows_what_it_saw() {
    let matching = "match: {any: [{resources: {kinds: [Job], names: ['x*']}}, {resources: {kinds: [Pod], selector: \
        {matchLabels: {tier: db}}}}]}";
    let document = policy("Pod", "validate: {pattern: {a: 1}}");
    let (head, rest) = document.split_once("match:").unwrap();
    let (_, rest) = rest.split_once('\n').unwrap();
    check(
        &format!("{head}{matching}\n{rest}"),
        POD,
        r#"
        rule `r` did not fire: its labels do not match the selector
        - match its labels do not match the selector
          - filter any[0]
            - clause kinds | v1/Pod | Job
            . clause names | p | x*
          - filter any[1]
            + clause kinds | v1/Pod | Pod
            - clause selector | {"app.io/name":"web"} | tier=db"#,
    );
}

#[test]
fn a_pattern_shows_each_place_and_anchor_with_the_value_that_stands_there() {
    check(
        &policy(
            "Pod",
            "validate: {pattern: {spec: {=(hostNetwork): false, containers: [{(name): 'b*', image: '!*:latest'}]}}}",
        ),
        POD,
        r#"
        rule `r` fails: resource value 'b:latest' does not match '!*:latest' at path /spec/containers/1/image/
        + match
          + filter any[0]
            + clause kinds | v1/Pod | Pod
        - pattern resource value 'b:latest' does not match '!*:latest' at path /spec/containers/1/image/
          + anchor spec.=(hostNetwork) | the key is not there
          - anchor spec.containers[0].(name) | "a" | the condition does not hold: what is around it does not apply here
            - path spec.containers[0].name | "a" | b*
          + anchor spec.containers[1].(name) | "b"
            + path spec.containers[1].name | "b" | b*
          - path spec.containers[1].image | "b:latest" | !*:latest"#,
    );
}

#[test]
fn variables_and_what_was_asked_for_them_belong_to_the_condition_that_mentions_them() {
    let body = "context: [{name: cm, configMap: {name: settings, namespace: default}}, \
        {name: level, variable: {value: '{{ cm.data.level }}'}}, {name: idle, variable: {value: 1}}]\n\
        preconditions: {all: [{key: '{{ level }}', operator: Equals, value: high}]}\n\
        validate: {pattern: {a: 1}}";
    let question =
        Question::ConfigMap { entry: "cm".into(), namespace: "default".into(), name: "settings".into() };
    let arena = Arena::new();
    let answer = portcullis_yaml::read(&arena, "{data: {level: low}}").unwrap();
    let answers = Answers::from([(question, Answer::value(answer))]);
    check_with(
        &policy("Pod", body),
        POD,
        &answers,
        r#"
        rule `r` did not fire: precondition 1 of `all` does not hold: `{{ level }}` is "low", must be Equals 'high'
        + match
          + filter any[0]
            + clause kinds | v1/Pod | Pod
        - preconditions
          - condition all[0]: {{ level }} | "low" | Equals 'high'
            + variable level | "low"
              + variable cm | {"data":{"level":"low"}}
                + question ConfigMap default/settings | {"data":{"level":"low"}}
        . variable idle | nothing asked for it"#,
    );
}

#[test]
fn a_patch_shows_its_conditions_and_what_it_changed() {
    check(
        &policy(
            "Pod",
            "mutate: {patchStrategicMerge: {spec: {containers: [{(name): a, +(image): x, imagePullPolicy: Always}]}}}",
        ),
        POD,
        r#"
        rule `r` fired: mutated Pod/p
        + match
          + filter any[0]
            + clause kinds | v1/Pod | Pod
        + patch 1 operation
          + anchor spec.containers[0].(name) | "a" | a
          . anchor spec.containers[0].+(image) | "a:1" | it is there already
          - anchor spec.containers[1].(name) | "b" | a
          + operation add /spec/containers/0/imagePullPolicy | "Always""#,
    );
}

#[test]
fn elements_of_loops_have_their_conditions_and_checks() {
    check(
        &policy(
            "Pod",
            "validate: {foreach: [{list: 'request.object.spec.containers', preconditions: {all: [{key: '{{ element.name }}', \
             operator: NotEquals, value: a}]}, deny: {conditions: {any: [{key: '{{ element.image }}', operator: Equals, \
             value: '*:latest'}]}}}]}",
        ),
        POD,
        r#"
        rule `r` fails: element 1 of `request.object.spec.containers`: condition 1 of `any` holds: `{{ element.image }}` is "b:latest", which is Equals '*:latest'
        + match
          + filter any[0]
            + clause kinds | v1/Pod | Pod
        . foreach request.object.spec.containers | 2 elements
        . element [0] | {"image":"a:1","name":"a"}
          - preconditions
            - condition all[0]: {{ element.name }} | "a" | NotEquals 'a'
        - element [1] | {"image":"b:latest","name":"b"}
          + preconditions
            + condition all[0]: {{ element.name }} | "b" | NotEquals 'a'
          - deny
            + condition any[0]: {{ element.image }} | "b:latest" | Equals '*:latest'"#,
    );
}

#[test]
fn nothing_of_a_secret_is_shown_not_even_what_functions_make_of_it() {
    let password = "request.object.data.password | base64_decode(@)";
    let body = format!(
        "context: [{{name: plain, variable: {{value: '{{{{ {password} | to_upper(@) }}}}'}}}}]\n\
        preconditions: {{all: [{{key: '{{{{ plain }}}}', operator: Equals, value: HUNTER22}}, \
        {{key: '{{{{ {password} | truncate(@, `6`) }}}}', operator: NotEquals, value: x}}, \
        {{key: '{{{{ request.object.stringData.pin }}}}', operator: Equals, value: '7'}}]}}\n\
        validate: {{message: 'it is {{{{ plain }}}}', pattern: {{data: {{password: '?????'}}}}}}"
    );
    let secret =
        "{apiVersion: v1, kind: Secret, metadata: {name: s, annotations: {last: 'the word is hunter22'}},
        data: {password: aHVudGVyMjI=}, stringData: {pin: '7'}}";
    let rules = explain(&policy("Secret", &body), secret, &Answers::new());
    let told = serde_json::to_string(&rules).unwrap();
    for leak in ["hunter", "HUNTER", "aHVu", r#"\"7\""#] {
        assert!(!told.contains(leak), "{leak}: {told}");
    }
    assert!(told.contains(r#""seen":"***""#), "{told}");
    assert!(told.contains("data.password"), "{told}");
}

#[test]
fn a_generated_rule_names_the_one_it_comes_from() {
    let deployment =
        "{apiVersion: apps/v1, kind: Deployment, metadata: {name: d}, spec: {template: {spec: {a: 1}}}}";
    let rules = explain(&policy("Pod", "validate: {pattern: {spec: {a: 2}}}"), deployment, &Answers::new());
    let told: Vec<_> = rules.iter().map(|rule| (&*rule.summary, rule.autogen_of.as_deref())).collect();
    assert_eq!(
        told,
        [
            ("rule `r` did not fire: kind Deployment is not `Pod`", None),
            (
                "rule `autogen-r` fails: resource value '1' does not match '2' at path /spec/template/spec/a/",
                Some("r")
            ),
        ]
    );
}

#[test]
fn a_rule_that_is_left_out_for_its_name_says_so() {
    let deployment =
        "{apiVersion: apps/v1, kind: Deployment, metadata: {name: d}, spec: {template: {spec: {a: 1}}}}";
    let written =
        policy("Deployment", "validate: {pattern: {spec: {a: 2}}}").replace("name: r", "name: autogen-mine");
    let rules = explain(
        &format!(
            "{written}\n  - {{name: r, match: {{any: [{{resources: {{kinds: [Pod]}}}}]}}, validate: {{pattern: {{spec: {{}}}}}}}}"
        ),
        deployment,
        &Answers::new(),
    );
    assert_eq!(
        rules[0].summary,
        "rule `autogen-mine` did not fire: its name is that of a generated rule, and rules are generated for Deployment"
    );
}
