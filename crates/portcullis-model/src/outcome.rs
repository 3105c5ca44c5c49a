//! What came of an evaluation.

use portcullis_value::Value;

/// What a rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
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

/// The outcome of one rule that applied.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleOutcome<'a> {
    pub rule: &'a str,
    pub kind: RuleKind,
    pub status: Status,
    pub message: String,
    /// Why it ended so, with the values seen; only where an explanation was asked for.
    pub explanation: Option<String>,
    /// The object as this rule left it, where it changed it.
    pub patched: Option<Value<'a>>,
}

/// The outcomes of one policy on one input, in the order of its rules.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Evaluation<'a> {
    pub outcomes: Vec<RuleOutcome<'a>>,
    /// Why rules did not apply at all (rule name, reason); only where an explanation was asked for.
    pub not_applied: Vec<(&'a str, String)>,
}

impl<'a> Evaluation<'a> {
    /// The object after all rules, where any of them changed it.
    pub fn patched(&self) -> Option<Value<'a>> {
        self.outcomes.iter().rev().find_map(|outcome| outcome.patched)
    }
}
