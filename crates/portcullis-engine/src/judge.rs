//! One object through all policies.

use std::panic::{AssertUnwindSafe, catch_unwind};

use portcullis_model::{
    Answer, Answers, CompiledPolicy, Evaluated, Evaluation, Input, Phase, Question, RuleKind, RuleOutcome,
    Run, Status,
};
use portcullis_value::{Arena, Budget, Limits, Value};

/// What surrounds the evaluation: the command line, an admission request, a replay.
pub trait Host<'a> {
    /// What `policy` is evaluated against, `object` being the object as the policies before left it.
    fn input(&mut self, policy: &'a dyn CompiledPolicy, object: Option<Value<'a>>) -> Input<'a>;

    /// The answer to a question of `policy`.
    fn answer(&mut self, policy: &'a dyn CompiledPolicy, question: &Question) -> Answer;

    /// Whether the time for one object is over.
    fn expired(&self) -> bool {
        false
    }

    /// What one policy may spend on one object.
    fn limits(&self) -> Limits {
        Limits::default()
    }

    /// Whether outcomes say why.
    fn explain(&self) -> bool {
        false
    }
}

/// What came of one object.
#[derive(Debug)]
pub struct Judgement<'a> {
    /// In the order of evaluation: the mutate phase of each policy, then the validate phase of each.
    pub responses: Vec<Response<'a>>,
    /// The object after all mutate rules.
    pub object: Option<Value<'a>>,
}

/// What one policy had to say in one phase.
#[derive(Debug)]
pub struct Response<'a> {
    /// The place of the policy in the list.
    pub policy: usize,
    pub phase: Phase,
    pub evaluation: Evaluation<'a>,
    /// The object as the policy left it.
    pub object: Option<Value<'a>>,
}

/// How often a policy may ask before it is given up: a chain of facts where each is needed to ask for the next.
const MAX_ROUNDS: usize = 64;

/// Judges `object` by `policies`, in their order.
pub fn judge<'a>(
    policies: &[&'a dyn CompiledPolicy],
    object: Option<Value<'a>>,
    arena: &'a Arena,
    host: &mut dyn Host<'a>,
) -> Judgement<'a> {
    let mut judgement = Judgement { responses: Vec::new(), object };
    for phase in [Phase::Mutate, Phase::Validate] {
        for (index, policy) in policies.iter().enumerate() {
            let input = host.input(*policy, judgement.object);
            let evaluation = evaluate(*policy, phase, &input, arena, host);
            if let Some(patched) = evaluation.patched() {
                judgement.object = Some(patched);
            }
            judgement.responses.push(Response { policy: index, phase, evaluation, object: judgement.object });
        }
    }
    judgement
}

/// Evaluates one policy until it asks no more.
fn evaluate<'a>(
    policy: &'a dyn CompiledPolicy,
    phase: Phase,
    input: &Input<'a>,
    arena: &'a Arena,
    host: &mut dyn Host<'a>,
) -> Evaluation<'a> {
    let mut answers = Answers::new();
    for _ in 0..MAX_ROUNDS {
        let expired = || host.expired();
        let mut budget = Budget::new(host.limits(), &expired);
        let mut run = Run { arena, answers: &answers, budget: &mut budget, explain: host.explain() };
        let evaluated = catch_unwind(AssertUnwindSafe(|| policy.evaluate(phase, input, &mut run)));
        match evaluated {
            Ok(Evaluated::Done(evaluation)) => return evaluation,
            Ok(Evaluated::Need(questions)) => {
                for question in questions {
                    let answer = host.answer(policy, &question);
                    answers.insert(question, answer);
                }
            }
            Err(_) => return failed(phase, "evaluation failed unexpectedly"),
        }
    }
    failed(phase, "evaluation asks for more facts than allowed")
}

/// The evaluation of a policy of which nothing is known but that it failed.
fn failed<'a>(phase: Phase, message: &str) -> Evaluation<'a> {
    let kind = match phase {
        Phase::Mutate => RuleKind::Mutate,
        Phase::Validate => RuleKind::Validate,
    };
    let outcome = RuleOutcome {
        rule: "",
        kind,
        status: Status::Error,
        message: message.to_owned(),
        explanation: None,
        patched: None,
    };
    Evaluation { outcomes: vec![outcome], not_applied: Vec::new() }
}
