//! Conditions: the stories, and the comparison with the slow form.

use portcullis_kyverno::condition::{self, Operator, OperatorError};
use portcullis_model::{Answers, Input, Numbers, Operation, Run};
use portcullis_value::{Arena, Budget, Exhausted, Value, json};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};
use serde_json::Value as Json;

use crate::slow::{self, Fault};

fn evaluate(name: &str, key: &str, value: &str) -> Result<bool, OperatorError> {
    let arena = Arena::new();
    let (key, value) = (json::read(&arena, key).unwrap(), json::read(&arena, value).unwrap());
    Operator::parse(name).unwrap().evaluate(key, value, &mut Budget::default())
}

/// `wanted` are the operators that hold, of those in `OPERATORS`.
#[track_caller]
fn check(key: &str, value: &str, wanted: &[&str]) {
    let holding: Vec<_> =
        OPERATORS.into_iter().filter(|name| evaluate(name, key, value) == Ok(true)).collect();
    assert_eq!(holding, wanted, "{key} and {value}");
}

const OPERATORS: [&str; 16] = [
    "Equals",
    "NotEquals",
    "In",
    "NotIn",
    "AnyIn",
    "AllIn",
    "AnyNotIn",
    "AllNotIn",
    "GreaterThan",
    "GreaterThanOrEquals",
    "LessThan",
    "LessThanOrEquals",
    "DurationGreaterThan",
    "DurationGreaterThanOrEquals",
    "DurationLessThan",
    "DurationLessThanOrEquals",
];

const GREATER: [&str; 2] = ["GreaterThan", "GreaterThanOrEquals"];

#[test]
fn the_key_decides_what_equality_compares() {
    check("\"5\"", "\"5.0\"", &["Equals", "GreaterThanOrEquals", "LessThanOrEquals"]);
    check("true", "true", &["Equals"]);
    check("true", "\"true\"", &["NotEquals", "In", "AnyIn", "AllIn"]);
    check(r#"{"a":1}"#, r#"{"a":1}"#, &["Equals"]);
    check(r#"{"a":1}"#, r#"{"a":1.0}"#, &["NotEquals"]);
    check("\"1Gi\"", "1073741824", &["NotEquals"]);
}

#[test]
fn a_null_key_meets_no_operator() {
    check("null", "null", &[]);
    check("null", r#"["a"]"#, &[]);
}

#[test]
fn lists_are_quantified() {
    check(r#"["a","z"]"#, r#"["a","b"]"#, &["NotEquals", "NotIn", "AnyIn", "AnyNotIn"]);
    check("[1,5]", "\"1-3\"", &["NotEquals", "AnyIn", "AnyNotIn"]);
    check("[]", r#"["a"]"#, &["NotEquals", "In", "AllIn", "AllNotIn"]);
    check("[1,2]", "1", &["NotEquals", "AnyIn", "AnyNotIn"]);
    // One item alone is found in its own text, whatever that is as JSON.
    for (item, text) in [("8080", "8080"), ("true", "true"), ("[1]", "[1]")] {
        for (name, wanted) in [("AnyIn", true), ("AllIn", true), ("AnyNotIn", false), ("AllNotIn", false)] {
            assert_eq!(
                evaluate(name, &format!("[{item}]"), &format!("\"{text}\"")),
                Ok(wanted),
                "{item} {name}"
            );
        }
    }
}

#[test]
fn numbers_durations_quantities_and_versions_are_ordered() {
    for (key, value) in [
        ("3", "2"),
        ("\"1h\"", "\"59m\""),
        ("\"1h\"", "3599"),
        ("\"1Gi\"", "\"1G\""),
        ("\"1.10.0\"", "\"1.9.0\""),
        ("\"1.0.0\"", "\"1.0.0-rc1\""),
    ] {
        for name in GREATER {
            assert_eq!(evaluate(name, key, value), Ok(true), "{key} {name} {value}");
        }
        assert_eq!(evaluate("LessThan", key, value), Ok(false));
    }
    assert_eq!(evaluate("LessThan", "\"v1.2.3\"", "\"v1.10.0\""), Ok(false));
    // As Go's durations wrap around: -1s, and 0s.
    assert_eq!(evaluate("LessThan", "9223372036854775807", "\"1h\""), Ok(true));
    assert_eq!(evaluate("Equals", "\"0s\"", "-9223372036854775808"), Ok(true));
}

#[test]
fn names_are_found_whatever_their_case_but_comparisons_mind_it() {
    assert_eq!(Operator::parse("equal"), Some(Operator::Equals));
    assert_eq!(Operator::parse("ANYIN"), Some(Operator::AnyIn));
    assert_eq!(Operator::parse("greaterthan"), Some(Operator::Misspelt));
    assert_eq!(evaluate("greaterthan", "3", "2"), Ok(false));
    assert_eq!(Operator::parse("Matches"), None);
}

#[test]
fn what_crashes_the_reference_is_an_error() {
    assert_eq!(evaluate("In", "[1]", "null"), Err(OperatorError::ItemIsNoString));
    assert_eq!(evaluate("NotIn", r#"["a",null]"#, r#"["a"]"#), Err(OperatorError::ItemIsNoString));
}

#[test]
fn long_lists_end_with_the_budget() {
    let items = vec![Value::String("?*a*b"); 10_000];
    let got =
        Operator::AllNotIn.evaluate(Value::Array(&items), Value::Array(&items[1..]), &mut Budget::default());
    assert_eq!(got, Ok(false));
    let others = vec![Value::String("c"); 10_000];
    let got =
        Operator::AllNotIn.evaluate(Value::Array(&items), Value::Array(&others), &mut Budget::default());
    assert_eq!(got, Err(OperatorError::Exhausted(Exhausted::Steps)));
}

/// What is asked of the operation alone is answered when a policy is loaded; an explanation looks at the variables.
#[test]
fn conditions_about_the_operation_hold_as_those_that_are_evaluated() {
    let arena = Arena::new();
    let keys = ["request.operation", "request.operation || 'BACKGROUND'", "request.operation != 'UPDATE'"];
    let values = [r#""DELETE""#, r#""*E""#, r#"["CREATE", "UPDATE"]"#, "5", r#""{{ request.operation }}""#];
    let requests = Operation::ALL.map(|operation| format!(r#"{{"operation": "{operation}"}}"#));
    let requests =
        requests.into_iter().chain(["{}", r#"{"operation": 5}"#, r#"{"operation": "x"}"#].map(str::to_owned));
    for request in requests {
        let variables = arena.string(&format!(r#"{{"request": {request}}}"#)).as_str().unwrap();
        let variables = json::read(&arena, variables).unwrap().as_object().unwrap();
        let input = Input { variables, ..Input::create(&arena, Value::Null) };
        for (key, operator, value) in combinations(&keys, &OPERATORS, &values) {
            let block = format!(
                r#"{{"all": [{{"key": "{{{{ {key} }}}}", "operator": "{operator}", "value": {value}}}]}}"#
            );
            let block = json::read(&arena, &block).unwrap().copy_to(&arena);
            let answer = |explain| {
                let (answers, mut budget) = (Answers::new(), Budget::default());
                let mut run = Run { explain, ..Run::new(&arena, &answers, &mut budget) };
                condition::evaluate(block, &input, Numbers::AsWritten, &mut run)
            };
            assert_eq!(answer(false), answer(true), "{request}: {block}");
        }
    }
}

/// Each key with each operator and each value.
fn combinations<'p>(
    keys: &'p [&str],
    operators: &'p [&str],
    values: &'p [&str],
) -> impl Iterator<Item = (&'p str, &'p str, &'p str)> {
    let with = |key: &'p str, operator: &'p str| values.iter().map(move |value| (key, operator, *value));
    keys.iter().flat_map(move |key| operators.iter().flat_map(move |operator| with(key, operator)))
}

fn value() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        1 => Just(Json::Null),
        1 => any::<bool>().prop_map(Json::from),
        3 => prop::sample::select(vec![0, 1, 2, 5, 3600, -1]).prop_map(Json::from),
        2 => prop::sample::select(vec![0.0, 1.0, 1.5, 80.0]).prop_map(Json::from),
        6 => prop::sample::select(vec![
            "", "a", "b", "a*", "*", "?", "ab", "0", "1", "5", "1.5", "1h", "60m", "0s", "1Gi", "1024Mi", "500m", "1-3",
            "-5--1", "1!-3", "1.2.3", "1.10.0", "1.0.0-rc1", "true", "null", "[]", "[\"a\",null]", "[\"1\"]", "[1]", "{}",
        ])
        .prop_map(Json::from),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            4 => prop::collection::vec(inner.clone(), 0..3).prop_map(Json::from),
            1 => prop::collection::btree_map("[ab]", inner, 0..2)
                .prop_map(|entries| Json::Object(entries.into_iter().collect())),
        ]
    })
}

fn differs(name: &str, key: &Json, value: &Json, fault: Option<Fault>) -> bool {
    let quick = match evaluate(name, &key.to_string(), &value.to_string()) {
        Ok(holds) => Some(holds),
        Err(OperatorError::ItemIsNoString) => None,
        Err(OperatorError::Exhausted(exhausted)) => panic!("{exhausted}"),
    };
    quick != slow::operators::holds(name, key, value, fault)
}

/// The first of `count` cases that the slow form answers otherwise.
fn difference(fault: Option<Fault>, count: usize) -> Option<(Json, Json)> {
    let mut runner = TestRunner::deterministic();
    let cases = (value(), value());
    let mut cases = (0..count).map(|_| cases.new_tree(&mut runner).unwrap().current());
    cases.find(|(key, value)| OPERATORS.into_iter().any(|name| differs(name, key, value, fault)))
}

#[test]
fn the_comparison_with_the_slow_form_finds_planted_faults() {
    assert_eq!(difference(None, 2_000), None);
    let faults = [
        Fault::KeysAreLiteral,
        Fault::AllNotInNegatesAllIn,
        Fault::NumbersAreEqual,
        Fault::SecondsAreNoDuration,
    ];
    for fault in faults {
        assert_ne!(difference(Some(fault), 20_000), None, "{fault:?} is not found");
    }
}

proptest! {
    #![proptest_config(Config { cases: 3000, ..Config::default() })]

    #[test]
    fn operators_answer_as_in_the_slow_form(name in prop::sample::select(OPERATORS.to_vec()), key in value(), other in value()) {
        prop_assert!(!differs(name, &key, &other, None));
    }
}
