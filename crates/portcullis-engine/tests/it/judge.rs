//! One object through several policies.

use std::cell::RefCell;

use portcullis_engine::{Host, judge};
use portcullis_kyverno::Policy;
use portcullis_model::{
    Answer, CompiledPolicy, Evaluated, Input, KindSelector, Operations, Phase, Profile, Question, Run,
    Status, Target,
};
use portcullis_value::{Arena, OwnedValue, Value};

/// A host that gives plain creations and one answer to all questions.
struct Plain<'a> {
    arena: &'a Arena,
    answer: Answer,
    asked: RefCell<Vec<Question>>,
}

impl<'a> Host<'a> for Plain<'a> {
    fn input(&self, _: &'a dyn CompiledPolicy, object: Option<Value<'a>>) -> Input<'a> {
        Input::create(self.arena, object.unwrap_or_default())
    }

    fn answer(&self, _: &'a dyn CompiledPolicy, question: &Question) -> Answer {
        self.asked.borrow_mut().push(question.clone());
        self.answer.clone()
    }
}

fn policy(kind: &str, rules: &str) -> Policy {
    let arena = Arena::new();
    let text = format!(
        "{{kind: ClusterPolicy, metadata: {{name: p}}, spec: {{rules: [{{name: r, match: {{any: [{{resources: {{kinds: [{kind}]}}}}]}}, {rules}}}]}}}}"
    );
    Policy::compile(portcullis_yaml::read(&arena, &text).unwrap())
}

const JOB: &str = "{apiVersion: batch/v1, kind: Job, metadata: {name: pi}, spec: {a: 1}}";

#[test]
fn a_policy_sees_what_the_one_before_left_and_validation_sees_it_all() {
    let arena = Arena::new();
    let first = policy("Job", "mutate: {patchStrategicMerge: {spec: {b: 1}}}");
    let second = policy("Job", "mutate: {patchStrategicMerge: {spec: {(b): 1, c: 1}}}");
    let check = policy("Job", "validate: {pattern: {spec: {a: 1, b: 1, c: 1}}}");
    let host = Plain { arena: &arena, answer: Answer::Unavailable, asked: RefCell::default() };
    let object = portcullis_yaml::read(&arena, JOB).unwrap();
    // The order of mutation is that of the list; validation comes after all of it.
    let judgement = judge(&[&check, &first, &second], Some(object), &arena, &host);
    let statuses: Vec<_> = judgement
        .responses
        .iter()
        .flat_map(|response| {
            response.evaluation.outcomes.iter().map(move |o| (response.policy, response.phase, o.status))
        })
        .collect();
    assert_eq!(
        statuses,
        [
            (1, Phase::Mutate, Status::Pass),
            (2, Phase::Mutate, Status::Pass),
            (0, Phase::Validate, Status::Pass)
        ]
    );
    assert_eq!(judgement.object.unwrap().get("spec").unwrap().to_string(), r#"{"a":1,"b":1,"c":1}"#);
}

#[test]
fn no_text_of_an_outcome_tells_a_value_of_a_secret() {
    struct Explaining<'a>(Plain<'a>);
    impl<'a> Host<'a> for Explaining<'a> {
        fn input(&self, policy: &'a dyn CompiledPolicy, object: Option<Value<'a>>) -> Input<'a> {
            self.0.input(policy, object)
        }
        fn answer(&self, policy: &'a dyn CompiledPolicy, question: &Question) -> Answer {
            self.0.answer(policy, question)
        }
        fn explain(&self) -> bool {
            true
        }
    }
    let arena = Arena::new();
    let rules = "validate: {message: 'not {{ request.object.data.password }}', deny: {conditions: {any: [{key: '{{ base64_decode(request.object.data.password) }}', operator: NotEquals, value: x}]}}}";
    let policy = policy("Secret", rules);
    let host = Explaining(Plain { arena: &arena, answer: Answer::Unavailable, asked: RefCell::default() });
    let secret = "{apiVersion: v1, kind: Secret, metadata: {name: s}, data: {password: aHVudGVyMg==}}";
    let object = portcullis_yaml::read(&arena, secret).unwrap();
    let judgement = judge(&[&policy], Some(object), &arena, &host);
    let outcome = &judgement.responses[1].evaluation.outcomes[0];
    assert_eq!(outcome.message, "not ***");
    let explanation = outcome.explanation.as_deref().unwrap();
    assert!(explanation.contains(r#"is "***", which is NotEquals 'x'"#), "{explanation}");
}

#[test]
fn no_text_of_an_outcome_tells_a_value_of_a_secret_that_was_looked_up() {
    struct Changing<'a>(Plain<'a>);
    impl<'a> Host<'a> for Changing<'a> {
        fn input(&self, policy: &'a dyn CompiledPolicy, object: Option<Value<'a>>) -> Input<'a> {
            self.0.input(policy, object)
        }
        fn answer(&self, policy: &'a dyn CompiledPolicy, question: &Question) -> Answer {
            self.0.answer(policy, question)
        }
        fn side_effects(&self) -> bool {
            true
        }
    }
    let arena = Arena::new();
    let secret = "{apiVersion: v1, kind: Secret, metadata: {name: s}, data: {password: aHVudGVyMg==}}";
    let check = |rule: &str, answer: &str, phase: usize, want: &str| {
        let policy = policy("Job", rule);
        let answer = OwnedValue::from(portcullis_yaml::read(&arena, arena.str(answer)).unwrap());
        let host =
            Changing(Plain { arena: &arena, answer: Answer::value(answer), asked: RefCell::default() });
        let object = portcullis_yaml::read(&arena, JOB).unwrap();
        let judgement = judge(&[&policy], Some(object), &arena, &host);
        assert_eq!(judgement.responses[phase].evaluation.outcomes[0].message, want);
    };
    check(
        "context: [{name: s, apiCall: {urlPath: /api/v1/namespaces/a/secrets/s}}], validate: {message: '{{ base64_decode(s.data.password) }} of {{ s.metadata.name }}', deny: {}}",
        secret,
        1,
        "*** of s",
    );
    check(
        "mutate: {targets: [{apiVersion: v1, kind: Secret, namespace: a, name: s}], patchStrategicMerge: {data: {a: \"{{ time_to_cron(base64_decode(target.data.password)) }}\"}}}",
        &format!("[{secret}]"),
        0,
        "variable substitution failed: failed to resolve time_to_cron(base64_decode(target.data.password)) at path /mutate/patchStrategicMerge/data/a: JMESPath query failed: ***",
    );
    check(
        "context: [{name: s, apiCall: {urlPath: /api/v1/namespaces/a/secrets/s, jmesPath: \"data.password | base64_decode(@) | to_upper(@)\"}}], validate: {message: 'not {{ s }}', deny: {}}",
        secret,
        1,
        "not ***",
    );
}

#[test]
fn what_a_function_makes_of_a_secret_is_masked_and_what_it_makes_of_its_name_is_not() {
    let arena = Arena::new();
    let secret = "{apiVersion: v1, kind: Secret, metadata: {name: s, namespace: ns}, type: Opaque, data: {password: aHVudGVyMg==}}";
    let check = |context: &str, message: &str, want: &str| {
        let policy = policy("Secret", &format!("{context}validate: {{message: \"{message}\", deny: {{}}}}"));
        let host = Plain { arena: &arena, answer: Answer::Unavailable, asked: RefCell::default() };
        let object = portcullis_yaml::read(&arena, secret).unwrap();
        let judgement = judge(&[&policy], Some(object), &arena, &host);
        assert_eq!(judgement.responses[1].evaluation.outcomes[0].message, want);
    };
    let password = "base64_decode(request.object.data.password)";
    check("", &format!("not {{{{ to_upper({password}) }}}}"), "not ***");
    check("", &format!("not {{{{ truncate({password}, `5`) }}}}"), "not ***");
    check("", &format!("hash {{{{ {password} | [sha256(@), md5(@)] }}}}"), "hash [\"***\",\"***\"]");
    check("", "all of {{ to_string(request.object) }}", "all of ***");
    let entry = format!("context: [{{name: made, variable: {{jmesPath: \"reverse({password})\"}}}}], ");
    check(&entry, "not {{ made }}", "not ***");
    check("", "{{ join('/', [request.namespace, request.object.metadata.name]) }}", "ns/s");
    check(
        "",
        "{{ to_lower(request.object.type) }} with {{ keys(request.object.data) }}",
        "opaque with [\"password\"]",
    );
    check("", "{{ length(request.object.data) }} value", "1 value");
}

#[test]
fn questions_are_answered_until_there_are_none() {
    let arena = Arena::new();
    let rules = "context: [{name: cm, configMap: {name: x, namespace: ns}}, {name: other, configMap: {name: '{{ cm.data.name }}', namespace: ns}}], validate: {deny: {conditions: {all: [{key: '{{ other.data.name }}', operator: Equals, value: z}]}}}";
    let policy = policy("Job", rules);
    let answer = portcullis_yaml::read(&arena, "{data: {name: z}}").unwrap();
    let host = Plain { arena: &arena, answer: Answer::value(answer), asked: RefCell::default() };
    let object = portcullis_yaml::read(&arena, JOB).unwrap();
    let judgement = judge(&[&policy], Some(object), &arena, &host);
    let outcome = &judgement.responses[1].evaluation.outcomes[0];
    assert_eq!((outcome.status, &*outcome.message), (Status::Fail, "validation error: rule r failed"));
    let names: Vec<_> = host.asked.borrow().iter().map(|asked| asked.entry().to_owned()).collect();
    assert_eq!(names, ["cm", "other"]);
}

/// A policy that does not behave.
#[derive(Debug)]
struct Bad {
    manner: Manner,
    profile: Profile,
}

#[derive(Debug)]
enum Manner {
    Panics,
    AsksForEver,
}

impl CompiledPolicy for Bad {
    fn name(&self) -> &str {
        "bad"
    }

    fn namespace(&self) -> &str {
        ""
    }

    fn profile(&self) -> &Profile {
        &self.profile
    }

    fn evaluate<'a>(&'a self, _: Phase, _: &Input<'a>, _: &mut Run<'a, '_, '_>) -> Evaluated<'a> {
        match self.manner {
            Manner::Panics => panic!("on purpose"),
            Manner::AsksForEver => {
                Evaluated::Need(vec![Question::GlobalContext { entry: "e".to_owned(), name: "n".to_owned() }])
            }
        }
    }
}

#[test]
fn a_policy_that_panics_or_asks_for_ever_is_an_error_of_its_own() {
    let arena = Arena::new();
    let object = portcullis_yaml::read(&arena, JOB).unwrap();
    for (manner, message) in [
        (Manner::Panics, "evaluation failed unexpectedly"),
        (Manner::AsksForEver, "evaluation asks for more facts than allowed"),
    ] {
        let target = Target {
            kind: KindSelector::parse("Job"),
            operations: Operations::ALL,
            namespaces: Box::default(),
        };
        let profile = Profile { validates: Box::new([target]), ..Profile::default() };
        let bad = Bad { manner, profile };
        let good = policy("Job", "validate: {pattern: {spec: {a: 1}}}");
        let host = Plain { arena: &arena, answer: Answer::Unavailable, asked: RefCell::default() };
        let judgement = judge(&[&bad, &good], Some(object), &arena, &host);
        let outcomes: Vec<_> =
            judgement.responses.iter().flat_map(|response| &response.evaluation.outcomes).collect();
        assert_eq!(outcomes[0].message, message);
        assert_eq!(outcomes[0].status, Status::Error);
        assert_eq!(outcomes.last().unwrap().status, Status::Pass);
    }
}
