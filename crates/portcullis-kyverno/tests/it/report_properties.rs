//! `reportProperties`: what reports say of results beside their messages.

use portcullis_kyverno::Policy;
use portcullis_model::{Answers, CompiledPolicy as _, Evaluated, Input, Phase, Run};
use portcullis_value::{Arena, Budget};

use crate::policies::policy;

const POD: &str = "{apiVersion: v1, kind: Pod, metadata: {name: p, namespace: d}, spec: {a: 2}}";
const DEPLOYMENT: &str =
    "{apiVersion: apps/v1, kind: Deployment, metadata: {name: d}, spec: {template: {spec: {a: 1}}}}";
const PATTERN: &str = "validate: {message: not so, pattern: {spec: {a: 1}}}";

/// The results of a rule with these `properties` and what else it has, each with what a report says of it.
fn results(properties: &str, rest: &str, resource: &str, reports: bool) -> String {
    let (arena, answers) = (Arena::new(), Answers::new());
    let source = policy("Pod", &format!("reportProperties: {{{properties}}}\n{rest}"));
    let policy = Policy::compile(portcullis_yaml::read(&arena, &source).unwrap());
    let input = Input::create(&arena, portcullis_yaml::read(&arena, resource).unwrap());
    let mut lines = Vec::new();
    for phase in [Phase::Mutate, Phase::Validate] {
        let mut budget = Budget::default();
        let mut run = Run { reports, ..Run::new(&arena, &answers, &mut budget) };
        let Evaluated::Done(evaluation) = policy.evaluate(phase, &input, &mut run) else { panic!("asks") };
        for outcome in &evaluation.outcomes {
            let mut line = format!("{} {}:", outcome.rule, outcome.status.as_str());
            outcome.properties.iter().for_each(|(name, text)| line += &format!(" {name}={text}"));
            lines.push(line);
        }
    }
    lines.join("\n")
}

#[track_caller]
fn check(properties: &str, rest: &str, want: &str) {
    assert_eq!(results(properties, rest, POD, true), want, "{properties}");
}

#[test]
fn variables_have_their_values_and_without_one_all_is_as_it_is_written() {
    check("team: a, of: '{{ request.object.metadata.name }}'", PATTERN, "r fail: of=p team=a");
    check("'{{ request.namespace }}': a", PATTERN, "r fail: d=a");
    check(
        "team: a, of: '{{ request.object.nothing }}'",
        PATTERN,
        "r fail: of={{ request.object.nothing }} team=a",
    );
    // A property is a text.
    check("of: '{{ request.object.spec.a }}'", PATTERN, "r fail: of={{ request.object.spec.a }}");
}

#[test]
fn every_result_of_the_rule_has_them_where_somebody_reports() {
    let passes = "validate: {pattern: {spec: {a: 2}}}";
    check("of: a", passes, "r pass: of=a");
    let unmet = "preconditions: {all: [{key: a, operator: Equals, value: b}]}";
    check(
        "of: '{{ v }}'",
        &format!("context: [{{name: v, variable: {{value: x}}}}]\n{unmet}\n{passes}"),
        "r skip: of=x",
    );
    check("of: a", "mutate: {patchStrategicMerge: {spec: {b: 1}}}", "r pass: of=a");
    let standard = "validate: {podSecurity: {level: baseline}}";
    let privileged = "{apiVersion: v1, kind: Pod, spec: {hostPID: true}}";
    let told = results("of: a, standard: b", standard, privileged, true);
    assert!(told.starts_with("r fail: of=a standard=b controls=hostNamespaces "), "{told}");
    assert_eq!(results("of: a", passes, POD, false), "r pass:");
}

#[test]
fn a_rule_ends_the_same_where_they_ask_for_what_is_not_there() {
    let deny = "context: [{name: v, variable: {jmesPath: request.object.nothing}}]\n\
                validate: {deny: {conditions: {all: [{key: \"{{ v || 'a' }}\", operator: Equals, value: a}]}}}";
    for reports in [false, true] {
        let told = results("of: '{{ v }}'", deny, POD, reports);
        assert!(told.starts_with("r error:"), "{told}");
    }
}

#[test]
fn generated_rules_keep_them() {
    let told =
        results("of: '{{ request.object.spec.a }}-{{ request.object.kind }}'", PATTERN, DEPLOYMENT, true);
    assert_eq!(told, "autogen-r pass: of=1-Deployment");
}
