//! The contract between the engine and a policy language.

use std::fmt;

use portcullis_value::{Arena, Budget, Value};

use crate::explain::Recorder;
use crate::{Answers, Evaluation, Input, Profile, Question, RuleKind};

/// Which rules of a policy are evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Rules that change the object.
    Mutate,
    /// Rules that judge it, and all others.
    Validate,
}

impl Phase {
    /// Whether rules of `kind` belong to this phase.
    pub fn includes(self, kind: RuleKind) -> bool {
        (kind == RuleKind::Mutate) == (self == Phase::Mutate)
    }
}

/// What one evaluation works with, beside its input.
#[derive(Debug)]
pub struct Run<'a, 'b, 't> {
    /// Everything the evaluation makes lies here.
    pub arena: &'a Arena,
    pub answers: &'b Answers,
    pub budget: &'b mut Budget<'t>,
    /// Whether outcomes say why, with the values seen.
    pub explain: bool,
    /// Takes down what happens in each rule, where somebody asks for that.
    pub recorder: Option<&'b Recorder>,
    /// Has a say in every change of the object.
    pub guard: Option<&'b dyn ChangeGuard>,
    /// Whether rules about other objects than the one in hand are evaluated, those that generate and those that change
    /// existing objects. Where they are not, they end as not executed.
    pub side_effects: bool,
    /// Whether outcomes say what their rules want reports to say beside the message.
    pub reports: bool,
}

impl<'a, 'b, 't> Run<'a, 'b, 't> {
    /// A run without explanations, side effects and reports, in which every change is taken.
    pub fn new(arena: &'a Arena, answers: &'b Answers, budget: &'b mut Budget<'t>) -> Self {
        Self {
            arena,
            answers,
            budget,
            explain: false,
            recorder: None,
            guard: None,
            side_effects: false,
            reports: false,
        }
    }
}

/// Why a change is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The rule is skipped: the change is to this field, which cannot change any more.
    Immutable(String),
    /// The rule is in error.
    Forbidden(String),
}

/// Decides which changes of an object are taken.
pub trait ChangeGuard: fmt::Debug {
    /// Whether `before` may become `after`.
    ///
    /// # Errors
    /// It may not.
    fn check(&self, before: Value<'_>, after: Value<'_>) -> Result<(), Refusal>;
}

/// How far an evaluation came.
#[derive(Debug)]
pub enum Evaluated<'a> {
    Done(Evaluation<'a>),
    /// These are to be answered; then the evaluation starts again.
    Need(Vec<Question>),
}

/// A policy ready to be evaluated.
pub trait CompiledPolicy: fmt::Debug + Send + Sync {
    /// The policy's name.
    fn name(&self) -> &str;

    /// The namespace it lives in and is limited to; empty for a cluster-wide policy.
    fn namespace(&self) -> &str;

    /// When to evaluate it, and what its failures mean.
    fn profile(&self) -> &Profile;

    /// Evaluates the rules of `phase` on `input`.
    ///
    /// A rule that cannot be evaluated yields an error outcome; the evaluation itself cannot fail.
    fn evaluate<'a>(&'a self, phase: Phase, input: &Input<'a>, run: &mut Run<'a, '_, '_>) -> Evaluated<'a>;
}
