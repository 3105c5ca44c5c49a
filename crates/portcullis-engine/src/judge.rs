//! One object through all policies.

use std::cell::Cell;

use portcullis_model::explain::{Explanation, RecordLimits, Recorder};
use portcullis_model::{Answer, CompiledPolicy, Evaluation, Input, Mask, Phase, Question};
use portcullis_value::{Arena, Limits, Value};

use crate::evaluate::{Terms, evaluate};

/// What surrounds the evaluation: the command line, a replay.
pub trait Host<'a> {
    /// What `policy` is evaluated against, `object` being the object as the policies before left it.
    fn input(&self, policy: &'a dyn CompiledPolicy, object: Option<Value<'a>>) -> Input<'a>;

    /// The answer to a question of `policy`.
    fn answer(&self, policy: &'a dyn CompiledPolicy, question: &Question) -> Answer;

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

    /// How much is taken down of what happens in each policy; nothing where nobody asks.
    fn records(&self) -> Option<RecordLimits> {
        None
    }

    /// Whether rules about other objects are evaluated: see [`Run::side_effects`](portcullis_model::Run).
    fn side_effects(&self) -> bool {
        false
    }

    /// Whether outcomes say what reports do: see [`Run::reports`](portcullis_model::Run).
    fn reports(&self) -> bool {
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
    /// What happened in each rule, where it was taken down.
    pub explanations: Vec<Explanation>,
}

/// Judges `object` by `policies`, in their order. Of a Secret no text tells a value.
pub fn judge<'a>(
    policies: &[&'a dyn CompiledPolicy],
    object: Option<Value<'a>>,
    arena: &'a Arena,
    host: &dyn Host<'a>,
) -> Judgement<'a> {
    let mut judgement = Judgement { responses: Vec::with_capacity(2 * policies.len()), object };
    for phase in [Phase::Mutate, Phase::Validate] {
        for (index, policy) in policies.iter().enumerate() {
            let (evaluation, explanations) = evaluated(*policy, phase, judgement.object, arena, host);
            judgement.object = evaluation.patched().or(judgement.object);
            let object = judgement.object;
            judgement.responses.push(Response { policy: index, phase, evaluation, object, explanations });
        }
    }
    judgement
}

/// What one policy has to say of `object` in one phase, and why, where that is taken down.
fn evaluated<'a>(
    policy: &'a dyn CompiledPolicy,
    phase: Phase,
    object: Option<Value<'a>>,
    arena: &'a Arena,
    host: &dyn Host<'a>,
) -> (Evaluation<'a>, Vec<Explanation>) {
    let recorder = host.records().map(Recorder::new);
    if policy.profile().targets(phase).is_empty() && !host.explain() && recorder.is_none() {
        return (Evaluation::new(arena), Vec::new());
    }
    let input = host.input(policy, object);
    let terms = Terms {
        arena,
        limits: host.limits(),
        room: &Cell::new(usize::MAX),
        steps: &Cell::new(0),
        expired: &|| host.expired(),
        answer: &|question| Some(host.answer(policy, question)),
        explain: host.explain(),
        recorder: recorder.as_ref(),
        guard: None,
        side_effects: host.side_effects(),
        reports: host.reports(),
    };
    // The host answers everything, so that no question is left open.
    let mut evaluation = evaluate(policy, phase, &input, &terms).unwrap_or_else(|_| Evaluation::new(arena));
    Mask::of(&input).apply_to(&mut evaluation);
    (evaluation, recorder.map(Recorder::into_explanations).unwrap_or_default())
}
