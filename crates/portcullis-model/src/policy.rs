//! The contract between the engine and a policy language.

use std::fmt;

use portcullis_value::{Arena, Budget};

use crate::{Answers, Evaluation, Input, Question, RuleKind};

/// Which rules of a policy are evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

    /// Evaluates the rules of `phase` on `input`.
    ///
    /// A rule that cannot be evaluated yields an error outcome; the evaluation itself cannot fail.
    fn evaluate<'a>(&'a self, phase: Phase, input: &Input<'a>, run: &mut Run<'a, '_, '_>) -> Evaluated<'a>;
}
