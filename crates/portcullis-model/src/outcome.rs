//! What came of an evaluation.

use std::borrow::Cow;

use portcullis_value::{Arena, ArenaVec, Exhausted, Value};
use serde::{Deserialize, Serialize};

/// What a rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RuleKind {
    Mutate,
    Validate,
    Generate,
    VerifyImages,
}

/// How a rule ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    Pass,
    Fail,
    Skip,
    Error,
}

impl Status {
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Pass => "pass",
            Status::Fail => "fail",
            Status::Skip => "skip",
            Status::Error => "error",
        }
    }
}

/// What a failure of a rule means for the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Enforcement {
    /// It is reported.
    Audit,
    /// It is told together with the failures that refuse the request, but refuses none; an error in it does.
    ///
    /// COMPAT(kyverno): the reference selects rules and blocks requests by two readings of one policy, which differ
    /// where overrides for namespaces stand beside an action of the rule.
    Told,
    /// The request is refused.
    Enforce,
}

/// What kept a rule from being carried through, where it is neither the policy nor the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// This version knows rules of the kind and does not execute them.
    NotExecuted,
    /// The change that the rule makes is one to a field that cannot change any more.
    Immutable,
    /// A fact about the request could not be found out.
    UnknownFact,
    /// The evaluation ran into a limit.
    Exhausted(Exhausted),
    /// The evaluation ended in a panic.
    Panic,
}

impl Obstacle {
    /// The word that counters have for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Obstacle::NotExecuted => "not_executed",
            Obstacle::Immutable => "immutable",
            Obstacle::UnknownFact => "unknown_fact",
            Obstacle::Exhausted(Exhausted::Time) => "deadline",
            Obstacle::Exhausted(_) => "budget",
            Obstacle::Panic => "panic",
        }
    }
}

/// What a rule does to other objects than the one that it is evaluated on, which triggers it.
#[derive(Clone, Debug, PartialEq)]
pub enum SideEffect<'a> {
    /// It is about an object that is there already.
    Target {
        /// As it is; `None` where it could not be found.
        object: Option<Value<'a>>,
        /// As it becomes, where it changes.
        patched: Option<Value<'a>>,
    },
    /// It makes objects.
    Generated {
        objects: Vec<Value<'a>>,
        /// Why there are not more of them.
        failure: Option<String>,
    },
}

/// The outcome of one rule that applied.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleOutcome<'a> {
    /// Empty where a policy failed as a whole.
    pub rule: &'a str,
    pub kind: RuleKind,
    pub status: Status,
    pub enforcement: Enforcement,
    pub message: Cow<'a, str>,
    pub obstacle: Option<Obstacle>,
    /// Why it ended so, with the values seen; only where an explanation was asked for.
    pub explanation: Option<String>,
    /// What a report says of the outcome beside its message, by name.
    pub properties: Box<[(Cow<'a, str>, String)]>,
    /// The object as this rule left it, where it changed it.
    pub patched: Option<Value<'a>>,
    /// What the rule is about beside the object. A rule about several targets has an outcome for each.
    pub side_effect: Option<Box<SideEffect<'a>>>,
}

/// The outcomes of one policy on one input, in the order of its rules.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation<'a> {
    pub outcomes: ArenaVec<'a, RuleOutcome<'a>>,
    /// Why rules did not apply at all (rule name, reason); only where an explanation was asked for.
    pub not_applied: Vec<(&'a str, String)>,
}

impl<'a> Evaluation<'a> {
    /// The evaluation of no rule yet, whose outcomes will lie in `arena`.
    pub fn new(arena: &'a Arena) -> Self {
        Self { outcomes: arena.vec(0), not_applied: Vec::new() }
    }

    /// The object after all rules, where any of them changed it.
    pub fn patched(&self) -> Option<Value<'a>> {
        self.outcomes.iter().rev().find_map(|outcome| outcome.patched)
    }
}
