//! What policies may make of what they are given, and that they make no more.

use std::fmt::Write as _;

use portcullis_kyverno::Policy;
use portcullis_model::{Answer, Answers, Input, Obstacle, Phase, Question};
use portcullis_value::{Arena, Exhausted, Limits, Value};

use crate::policies::{evaluate, policy, run};

/// Asserts that a rule with this `context` and `validate` runs out of `want` on a Pod with `spec`.
#[track_caller]
fn exhausts(context: &str, validate: &str, spec: &str, want: Exhausted) {
    let arena = Arena::new();
    let text = policy("Pod", &format!("context: [{context}]\nvalidate: {{{validate}}}"));
    let policy = Policy::compile(portcullis_yaml::read(&arena, &text).unwrap());
    let pod = format!("{{apiVersion: v1, kind: Pod, metadata: {{name: p}}, spec: {{{spec}}}}}");
    let input = Input::create(&arena, portcullis_yaml::read(&arena, &pod).unwrap());
    let made = Arena::new();
    let evaluation = run(&policy, Phase::Validate, &input, &made, &Answers::new(), Limits::default());
    assert_eq!(evaluation.outcomes[0].obstacle, Some(Obstacle::Exhausted(want)), "{evaluation:?}");
    // Twice: the evaluation that takes down what happens makes the same.
    let most = 4 * Limits::default().bytes;
    assert!(made.allocated_bytes() < most, "{} bytes", made.allocated_bytes());
}

/// Context entries of which the first is the object, and each other one what `entry` makes of the name before it.
fn chain(length: usize, entry: impl Fn(&str) -> String) -> String {
    (1..=length).fold("{name: v0, variable: {jmesPath: request.object}}".to_owned(), |mut entries, index| {
        let made = entry(&format!("v{}", index - 1));
        write!(entries, ", {{name: v{index}, variable: {{{made}}}}}").unwrap();
        entries
    })
}

/// A condition on the length of `v`.
fn about(v: &str) -> String {
    format!("deny: {{conditions: {{any: [{{key: '{{{{ length({v}) }}}}', operator: Equals, value: 9}}]}}}}")
}

/// CVE-2026-23881.
#[test]
fn variables_that_double_one_another_run_out() {
    let paths = chain(60, |last| format!("jmesPath: '[{last}, {last}]'"));
    exhausts(&paths, &about("v60"), "", Exhausted::Bytes);
    let values = chain(60, |last| format!("value: '{{{{ {last} | [@, @] }}}}'"));
    exhausts(&values, &about("v60"), "", Exhausted::Steps);
    let texts = chain(60, |last| format!("value: '{{{{ {last} }}}} {{{{ {last} }}}}'"));
    exhausts(&texts, &about("v60"), "", Exhausted::Bytes);
    // Few elements, each of them large.
    let large = format!("a: {}", "x".repeat(1 << 20));
    exhausts(
        &chain(10, |last| format!("jmesPath: '[{last}, {last}]'")),
        &about("v10"),
        &large,
        Exhausted::Bytes,
    );
}

#[test]
fn variables_that_nest_one_another_run_out_of_depth() {
    let nested = |last: &str| format!("{}{last}{}", "[".repeat(15), "]".repeat(15));
    let paths = chain(1000, |last| format!("jmesPath: '{}'", nested(last)));
    exhausts(&paths, &about("v1000"), "", Exhausted::Depth);
    let values = chain(1000, |last| format!("value: '{{{{ {last} | {} }}}}'", nested("@")));
    exhausts(&values, &about("v1000"), "", Exhausted::Depth);
}

#[test]
fn variables_that_ask_for_one_another_run_out_of_depth() {
    let asked = chain(1000, |last| format!("jmesPath: {last}"));
    exhausts(&asked, &about("v1000"), "", Exhausted::Depth);
}

#[test]
fn references_are_looked_for_within_a_limit() {
    let fields: Vec<_> = (0..2000).map(|index| format!("k{index}: $(./../last)")).collect();
    let rule = format!("validate: {{pattern: {{spec: {{{}, last: x}}}}}}", fields.join(", "));
    let outcome =
        evaluate(&policy("Pod", &rule), "{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {}}", |_| {});
    assert!(outcome.ends_with("references take more steps than allowed"), "{outcome}");
}

#[test]
fn what_a_loop_repeats_of_the_policy_is_counted() {
    let list = format!("x: [{}]", vec!["1"; 5000].join(", "));
    let words = format!("[{}]", vec!["word"; 1000].join(", "));
    let condition = |value: &str| {
        format!(
            "deny: {{conditions: {{any: [{{key: '{{{{ element }}}}', operator: Equals, value: {value}}}]}}}}"
        )
    };
    let foreach = |inner: &str| format!("foreach: [{{list: request.object.spec.x, {inner}}}]");
    exhausts("", &foreach(&condition(&words)), &list, Exhausted::Bytes);
    let context = format!("context: [{{name: w, variable: {{value: {{a: {words}}}}}}}], ");
    let uses = condition("x").replace("element", "w.c || element");
    exhausts("", &foreach(&(context + &uses)), &list, Exhausted::Bytes);
}

#[test]
fn an_answer_is_there_once_however_many_ask_for_it() {
    let many = 100;
    let entries: Vec<_> =
        (0..many).map(|index| format!("{{name: v{index}, apiCall: {{urlPath: /api/v1/pods}}}}")).collect();
    let lengths: String = (0..many).map(|index| format!("{{{{ length(v{index}) }}}}")).collect();
    let rule = format!("context: [{}]\nvalidate: {{message: '{lengths}', deny: {{}}}}", entries.join(", "));
    let (arena, text) = (Arena::new(), policy("Pod", &rule));
    let policy = Policy::compile(portcullis_yaml::read(&arena, &text).unwrap());
    let pod = "{apiVersion: v1, kind: Pod, metadata: {name: p}}";
    let input = Input::create(&arena, portcullis_yaml::read(&arena, pod).unwrap());
    let answer = Answer::value(arena.array(&[Value::String(&"x".repeat(1 << 20))]));
    let question = |index| Question::ApiCall {
        entry: format!("v{index}"),
        method: "GET".to_owned(),
        url_path: "/api/v1/pods".to_owned(),
        data: String::new(),
    };
    let answers: Answers = (0..many).map(|index| (question(index), answer.clone())).collect();
    let made = Arena::new();
    let evaluation = run(&policy, Phase::Validate, &input, &made, &answers, Limits::default());
    assert_eq!(evaluation.outcomes[0].message, "1".repeat(many));
    // Two evaluations, each with a copy.
    assert!(made.allocated_bytes() < 8 << 20, "{} bytes", made.allocated_bytes());
}

#[test]
fn wildcards_that_take_long_to_match_run_out() {
    let evaluate = |filter: &str, metadata: &str| {
        let arena = Arena::new();
        let text = policy("Pod", "validate: {pattern: {spec: '*'}}")
            .replace("kinds: [Pod]", &format!("kinds: [Pod], {filter}"));
        let policy = Policy::compile(portcullis_yaml::read(&arena, &text).unwrap());
        let pod = format!("{{apiVersion: v1, kind: Pod, metadata: {{name: p, {metadata}}}}}");
        let input = Input::create(&arena, portcullis_yaml::read(&arena, &pod).unwrap());
        let made = Arena::new();
        let evaluation = run(&policy, Phase::Validate, &input, &made, &Answers::new(), Limits::default());
        evaluation.outcomes.first().map(|outcome| outcome.message.to_string())
    };
    let out = Some("the rule cannot be matched: evaluation takes more steps than allowed".to_owned());
    let many = "a".repeat(100_000);
    let annotation = |pattern: &str| format!("annotations: {{k: '{pattern}'}}");
    assert_eq!(evaluate(&annotation(&format!("*{}b", "a".repeat(2000))), &annotation(&many)), out);
    assert_eq!(evaluate(&annotation("*b"), &annotation(&many)), None);
    let labels = |text: &str| {
        let labels: Vec<_> = (0..500).map(|index| format!("'{text}{index}': '{text}'")).collect();
        labels.join(", ")
    };
    let selector = format!("selector: {{matchLabels: {{{}}}}}", labels("*a"));
    assert_eq!(evaluate(&selector, &format!("labels: {{{}}}", labels("aaaaaaaaaaaaaaaaaaaa"))), out);
}
