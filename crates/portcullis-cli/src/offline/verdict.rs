//! What a rule's outcome counts as, and the counts.

use std::fmt;

use portcullis_kyverno::{FailureAction, Policy};
use portcullis_model::{Resource, RuleKind, RuleOutcome, Status};
use portcullis_value::Object;

/// What an outcome counts as. A failure may be a mere warning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Pass,
    Fail,
    Warn,
    Error,
    Skip,
}

impl Verdict {
    /// What `outcome` of `policy` counts as on `resource`.
    ///
    /// Failures to validate are warnings where the policy is not scored, and with `audit_warn` where it only audits.
    pub(crate) fn of(
        policy: &Policy,
        outcome: &RuleOutcome<'_>,
        resource: Resource<'_>,
        namespace_labels: Object<'_>,
        audit_warn: bool,
    ) -> Self {
        match outcome.status {
            Status::Pass => Verdict::Pass,
            Status::Skip => Verdict::Skip,
            Status::Error => Verdict::Error,
            Status::Fail if outcome.kind != RuleKind::Validate && outcome.kind != RuleKind::VerifyImages => {
                Verdict::Fail
            }
            Status::Fail => {
                let audits = || {
                    let action = policy.failure_action(outcome.rule, resource.namespace(), namespace_labels);
                    action == FailureAction::Audit
                };
                if !is_scored(policy) || (audit_warn && audits()) { Verdict::Warn } else { Verdict::Fail }
            }
        }
    }

    /// As reports have it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Verdict::Pass => "pass",
            Verdict::Fail => "fail",
            Verdict::Warn => "warn",
            Verdict::Error => "error",
            Verdict::Skip => "skip",
        }
    }

    /// As tables have it.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Verdict::Pass => "Pass",
            Verdict::Fail => "Fail",
            Verdict::Warn => "Warn",
            Verdict::Error => "Error",
            Verdict::Skip => "Skip",
        }
    }
}

/// Whether failures of the policy count as failures.
pub(crate) fn is_scored(policy: &Policy) -> bool {
    policy.annotation("policies.kyverno.io/scored") != Some("false")
}

/// How many outcomes there were of each verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) pass: usize,
    pub(crate) fail: usize,
    pub(crate) warn: usize,
    pub(crate) error: usize,
    pub(crate) skip: usize,
}

impl Counts {
    pub(crate) fn add(&mut self, verdict: Verdict) {
        let count = match verdict {
            Verdict::Pass => &mut self.pass,
            Verdict::Fail => &mut self.fail,
            Verdict::Warn => &mut self.warn,
            Verdict::Error => &mut self.error,
            Verdict::Skip => &mut self.skip,
        };
        *count += 1;
    }
}

/// The last line of the text output. The blank at its end is the reference's: pipelines compare the line as it is.
impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pass, fail, warn, error, skip } = self;
        write!(f, "pass: {pass}, fail: {fail}, warn: {warn}, error: {error}, skip: {skip} ")
    }
}
