//! Tests of the record: what is kept, what is shown, what it looks like as JSON.

use portcullis_value::{Arena, json};

use super::*;

fn ended(rule: &str) -> Explanation {
    Explanation {
        rule: rule.to_owned(),
        autogen_of: None,
        kind: None,
        ended: Ended::Pass,
        summary: String::new(),
        message: String::new(),
        steps: Vec::new(),
        more: 0,
    }
}

fn condition(about: &str, holds: bool) -> Step {
    Step::new(Part::Condition, about).found(holds)
}

#[test]
fn steps_belong_to_the_step_around_them_and_to_the_rule() {
    let recorder = Recorder::new(RecordLimits::default());
    let found = within(
        Some(&recorder),
        || {
            recorder.add(condition("inner", false));
            7
        },
        |found, _| Step::new(Part::Preconditions, "").seen(found.to_string()),
    );
    recorder.end_rule(ended("first"));
    recorder.add(condition("beside", true));
    recorder.end_rule(ended("second"));
    assert_eq!(found, 7);
    let rules = recorder.into_explanations();
    let outer = Step::new(Part::Preconditions, "").seen("7");
    assert_eq!(rules[0].steps, [Step { steps: vec![condition("inner", false)], ..outer }]);
    assert_eq!(rules[1].steps, [condition("beside", true)]);
}

#[test]
fn what_is_too_much_is_counted_and_what_fails_is_kept_longest() {
    let recorder = Recorder::new(RecordLimits { steps: 100, bytes: 1 << 20 });
    for number in 0..60 {
        recorder.add(condition(&number.to_string(), true));
    }
    for number in 0..60 {
        recorder.add(condition(&number.to_string(), false));
    }
    recorder.end_rule(ended("rule"));
    let [rule] = &recorder.into_explanations()[..] else { panic!("one rule was ended") };
    let failing = rule.steps.iter().filter(|step| step.finding == Finding::Fails).count();
    assert_eq!((rule.steps.len(), failing, rule.more), (100, 50, 20));
}

#[test]
fn the_bytes_of_a_record_are_bounded() {
    let recorder = Recorder::new(RecordLimits { steps: 1000, bytes: 10_000 });
    for _ in 0..100 {
        recorder.add(condition(&"x".repeat(1000), false));
    }
    recorder.end_rule(ended("rule"));
    let [rule] = &recorder.into_explanations()[..] else { panic!("one rule was ended") };
    assert!(rule.steps.len() < 10, "{}", rule.steps.len());
    assert_eq!(rule.steps.len() + rule.more, 100);
}

#[test]
fn values_are_shortened_and_those_of_secrets_masked() {
    let (arena, recorder) = (Arena::new(), Recorder::new(RecordLimits::default()));
    let read = |text: &str| json::read(&arena, arena.str(text)).unwrap();
    let long = read(&format!("[\"{}\"]", "ab".repeat(200)));
    assert_eq!(recorder.show(long), format!("[\"{} ...", "ab".repeat(79)));
    let secret = read(r#"{"apiVersion":"v1","kind":"Secret","data":{"key":"topsecret"}}"#);
    recorder.hide(secret);
    assert_eq!(recorder.show(secret), r#"{"apiVersion":"v1","data":{"key":"***"},"kind":"Secret"}"#);
    assert_eq!(
        recorder.show_made_by("{{ to_upper(request.object.data.key) }}", read("\"TOPSECRET\"")),
        "***"
    );
    recorder.hide_derived(read("\"TOPSECRET\""));
    recorder.add(condition("topsecret and TOPSECRET", true));
    recorder.end_rule(ended("rule"));
    assert_eq!(recorder.into_explanations()[0].steps[0].about, "*** and ***");
}

#[test]
fn a_tree_reads_back_from_its_json() {
    let recorder = Recorder::new(RecordLimits::default());
    recorder.add(condition("a", false).seen("1").wanted("Equals 2").note("no"));
    recorder.end_rule(Explanation { kind: Some(crate::RuleKind::Validate), ..ended("rule") });
    let rules = recorder.into_explanations();
    let text = serde_json::to_string(&rules).unwrap();
    assert_eq!(
        text,
        r#"[{"rule":"rule","kind":"validate","ended":"pass","summary":"","steps":[{"part":"condition","finding":"fails","about":"a","seen":"1","wanted":"Equals 2","note":"no"}]}]"#
    );
    assert_eq!(serde_json::from_str::<Vec<Explanation>>(&text).unwrap(), rules);
}
