//! One policy on one input, kept inside its budget.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use portcullis_model::explain::Recorder;
use portcullis_model::{
    Answer, Answers, ChangeGuard, CompiledPolicy, Enforcement, Evaluated, Evaluation, Input, Mask, Obstacle,
    Phase, Question, RuleKind, RuleOutcome, Run, Status,
};
use portcullis_value::{Arena, Budget, Exhausted, Limits};

use crate::reach;

/// How often a policy may ask before it is given up: a chain of facts where each is needed to ask for the next.
const MAX_ROUNDS: usize = 64;

/// What is known to a policy that has asked nothing yet, as most never do.
static NO_ANSWERS: Answers = Answers::new();

/// What an evaluation works with.
pub(crate) struct Terms<'a, 'e> {
    pub(crate) arena: &'a Arena,
    pub(crate) limits: Limits,
    /// How many bytes all policies together may still make: what they make stays until the last is evaluated.
    pub(crate) room: &'e Cell<usize>,
    /// How many steps were taken: those of each policy are added.
    pub(crate) steps: &'e Cell<u64>,
    /// Whether the time is over.
    pub(crate) expired: &'e dyn Fn() -> bool,
    /// The answer to a question; `None` where it has to be found out first.
    pub(crate) answer: &'e dyn Fn(&Question) -> Option<Answer>,
    pub(crate) explain: bool,
    /// Takes down what happens; of several rounds the last.
    pub(crate) recorder: Option<&'e Recorder>,
    pub(crate) guard: Option<&'e dyn ChangeGuard>,
    /// Whether rules about other objects are evaluated.
    pub(crate) side_effects: bool,
    /// Whether outcomes say what reports do.
    pub(crate) reports: bool,
}

/// Evaluates `policy` until it asks no more. A panic, and a policy that never stops asking, are its error. Of a Secret
/// among the answers no text tells a value.
///
/// # Errors
/// The questions that have no answer yet.
pub(crate) fn evaluate<'a>(
    policy: &'a dyn CompiledPolicy,
    phase: Phase,
    input: &Input<'a>,
    terms: &Terms<'a, '_>,
) -> Result<Evaluation<'a>, Vec<Question>> {
    let mut answers = None;
    for _ in 0..MAX_ROUNDS {
        let limits = Limits { bytes: terms.limits.bytes.min(terms.room.get()), ..terms.limits };
        let mut budget = Budget::new(limits, terms.expired);
        if let Some(recorder) = terms.recorder {
            recorder.clear();
        }
        let mut run = Run {
            arena: terms.arena,
            answers: answers.as_ref().unwrap_or(&NO_ANSWERS),
            budget: &mut budget,
            explain: terms.explain,
            recorder: terms.recorder,
            guard: terms.guard,
            side_effects: terms.side_effects,
            reports: terms.reports,
        };
        let evaluated = catch_unwind(AssertUnwindSafe(|| policy.evaluate(phase, input, &mut run)));
        let left = budget.left();
        let made = limits.bytes.saturating_sub(left.bytes);
        terms.room.set(terms.room.get().saturating_sub(made));
        terms.steps.set(terms.steps.get().saturating_add(limits.steps.saturating_sub(left.steps)));
        match evaluated {
            Ok(Evaluated::Done(mut evaluation)) => {
                if let Some(answers) = &answers {
                    Mask::of_answers(answers).apply_to(&mut evaluation);
                }
                return Ok(evaluation);
            }
            Ok(Evaluated::Need(questions)) => {
                let mut open = Vec::new();
                for question in questions {
                    let answer = match reach::check(policy.namespace(), &question) {
                        Ok(()) => (terms.answer)(&question),
                        Err(refusal) => Some(Answer::Failed(refusal)),
                    };
                    match answer {
                        Some(answer) => {
                            answers.get_or_insert_with(Answers::new).insert(question, answer);
                        }
                        None => open.push(question),
                    }
                }
                if !open.is_empty() {
                    return Err(open);
                }
            }
            Err(_) => {
                return Ok(failed(
                    policy,
                    phase,
                    terms.arena,
                    Obstacle::Panic,
                    "evaluation failed unexpectedly",
                ));
            }
        }
    }
    let obstacle = Obstacle::Exhausted(Exhausted::Steps);
    Ok(failed(policy, phase, terms.arena, obstacle, "evaluation asks for more facts than allowed"))
}

/// The evaluation of a policy of which nothing is known but that it failed.
///
/// It means what the strictest of its rules would mean.
pub(crate) fn failed<'a>(
    policy: &dyn CompiledPolicy,
    phase: Phase,
    arena: &'a Arena,
    obstacle: Obstacle,
    message: &'static str,
) -> Evaluation<'a> {
    let (kind, enforcement) = match phase {
        Phase::Mutate => (RuleKind::Mutate, Enforcement::Enforce),
        Phase::Validate if policy.profile().may_enforce => (RuleKind::Validate, Enforcement::Enforce),
        Phase::Validate => (RuleKind::Validate, Enforcement::Audit),
    };
    let mut evaluation = Evaluation::new(arena);
    evaluation.outcomes.push(RuleOutcome {
        rule: "",
        kind,
        status: Status::Error,
        enforcement,
        message: message.into(),
        obstacle: Some(obstacle),
        explanation: None,
        properties: Box::default(),
        patched: None,
        side_effect: None,
    });
    evaluation
}
