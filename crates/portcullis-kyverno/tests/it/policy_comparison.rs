//! Whole policies compared with the slow form, on policies and objects made up for it.
//!
//! A policy is evaluated in three ways: plainly, with reasons, and with all of its steps taken down. Rules that plainly pass are
//! not told from others where reasons are asked for, so that the short way is compared with the long one too; and an
//! explanation is the record of an evaluation, which must be the same evaluation.

mod cases;

use std::sync::Arc;

use portcullis_kyverno::{Policy, PolicyException};
use portcullis_model::explain::{RecordLimits, Recorder};
use portcullis_model::{
    Answers, CompiledPolicy, Evaluated, Gvk, Input, Operation, Phase, Resource, RuleOutcome, Run, User,
    variables,
};
use portcullis_value::{Arena, Budget, Object, Value, json as arena_json};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};
use serde_json::Value as Json;

use crate::slow::policy::Request;
use crate::slow::{self, Fault};
use cases::{policy, request};

/// What is asked for beside the outcomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Nothing,
    Reasons,
    /// The steps, of which so many are kept.
    Record(usize),
}

/// What the crate makes of it: its outcomes, and the object as it is left.
fn quick(policy: &Json, request: &Request, asked: Asked) -> (Vec<String>, Option<Json>) {
    let limits = match asked {
        Asked::Record(steps) => RecordLimits { steps, ..RecordLimits::default() },
        _ => RecordLimits::default(),
    };
    let recorder = Recorder::new(limits);
    let recorder = matches!(asked, Asked::Record(_)).then_some(&recorder);
    let arena = Arena::new();
    let read = |value: &Json| arena_json::read(&arena, arena.str(&value.to_string())).unwrap();
    let exceptions: Vec<_> = request
        .exceptions
        .iter()
        .map(|exception| Arc::new(PolicyException::compile(read(exception))))
        .collect();
    let policy = Policy::compile(read(policy)).excepting(&exceptions);
    let labels = read(&request.namespace_labels).as_object();
    let old_object = request.old_object.as_ref().map(read);
    let mut object = request.object.as_ref().map(read);
    let mut lines = Vec::new();
    for phase in [Phase::Mutate, Phase::Validate] {
        let operation: Operation = request.operation.parse().unwrap();
        let mut fields = vec![("operation", Value::String(operation.as_str()))];
        let fields = Object::from_unsorted(&arena, &mut fields);
        let judged = object.or(old_object).unwrap();
        let gvk: Gvk<'_> = Resource(judged).gvk();
        let input = Input {
            operation,
            gvk,
            object,
            old_object,
            user: request.user.map(|username| User { username, ..User::NOBODY }),
            namespace_labels: labels,
            variables: variables(&arena, fields, object, old_object, Object::default()),
            ..Input::create(&arena, judged)
        };
        let (answers, mut budget) = (Answers::new(), Budget::default());
        let explain = asked == Asked::Reasons;
        let mut run = Run { explain, recorder, ..Run::new(&arena, &answers, &mut budget) };
        let Evaluated::Done(evaluation) = policy.evaluate(phase, &input, &mut run) else {
            panic!("not answered")
        };
        let line = |outcome: &RuleOutcome<'_>| {
            format!("{} {}: {}", outcome.rule, outcome.status.as_str(), outcome.message)
        };
        lines.extend(evaluation.outcomes.iter().map(line));
        object = evaluation.patched().or(object);
    }
    (lines, object.map(|object| serde_json::from_str(&object.to_string()).unwrap()))
}

/// Cases made up, the same each time.
fn cases(count: usize) -> impl Iterator<Item = (Json, Request)> {
    let mut runner = TestRunner::deterministic();
    let cases = (policy(), request());
    (0..count).map(move |_| cases.new_tree(&mut runner).unwrap().current())
}

#[test]
fn the_comparison_with_the_slow_form_finds_planted_faults() {
    let mut faults = vec![
        Fault::AnyMeansAll,
        Fault::NamesDoNotMatter,
        Fault::NothingIsExcluded,
        Fault::AllAreAsked,
        Fault::RulesSeeTheFirstObject,
        Fault::SkipsDecide,
        Fault::GoneObjectsArePatterned,
        Fault::SkippedAlternativesFail,
        Fault::ElementsKeepIntegers,
        Fault::SkippedElementsPass,
        Fault::OuterElementsStay,
        Fault::OldObjectsAreForgotten,
        Fault::PatternsAreFilledAnew,
        Fault::LoopsAscend,
        Fault::LoopsSeeWhatTheyDo,
        Fault::OverlaysHaveNoConditions,
        Fault::AdditionsReplace,
        Fault::AllControllersHaveRules,
        Fault::GeneratedRulesKeepPaths,
        Fault::LoopsForget,
        Fault::EntriesAreLoadedAtOnce,
        Fault::ExceptionsAreForAll,
        Fault::DoubtExcepts,
    ];
    for (policy, request) in cases(20_000) {
        let quickly = quick(&policy, &request, Asked::Nothing);
        faults.retain(|fault| slow::policy::evaluate(&policy, &request, Some(*fault)) == quickly);
        if faults.is_empty() {
            return;
        }
    }
    panic!("not found: {faults:?}");
}

/// Rules that match nothing would compare nothing.
#[test]
fn every_status_comes_often() {
    let lines: Vec<_> =
        cases(2_000).flat_map(|(policy, request)| quick(&policy, &request, Asked::Nothing).0).collect();
    for status in [
        " pass: validation",
        " pass: mutated",
        " pass: rule",
        " fail: ",
        " skip: ",
        "policy exceptions",
        " error: ",
    ] {
        let count = lines.iter().filter(|line| line.contains(status)).count();
        assert!(count > 20, "{count} of {status}");
    }
}

proptest! {
    #![proptest_config(Config { cases: 1000, ..Config::default() })]

    #[test]
    fn policies_are_evaluated_as_by_the_slow_form((policy, request) in (policy(), request())) {
        let quickly = quick(&policy, &request, Asked::Nothing);
        prop_assert_eq!(&quickly, &slow::policy::evaluate(&policy, &request, None), "{}", policy);
        // A record that is full from the first step on changes nothing either.
        for asked in [Asked::Reasons, Asked::Record(5_000), Asked::Record(0)] {
            prop_assert_eq!(&quickly, &quick(&policy, &request, asked), "{:?} {}", asked, policy);
        }
    }
}
