//! Which policies a webhook asks, and what for.

use portcullis_model::{FailurePolicy, Phase};

/// What a webhook is called for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Route<'p> {
    pub phase: Phase,
    pub policies: Selection<'p>,
}

/// The policies that a webhook asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Selection<'p> {
    All,
    /// Those of one failure policy, but for the ones that have a webhook of their own.
    Failing(FailurePolicy),
    /// The one whose match conditions the API server has checked.
    One {
        failing: FailurePolicy,
        namespace: &'p str,
        name: &'p str,
    },
}

impl Route<'_> {
    /// Whether it is the webhook of a single policy, whose match conditions the API server has found to hold.
    pub(crate) fn is_for_one(&self) -> bool {
        matches!(self.policies, Selection::One { .. })
    }

    /// What becomes of a request that cannot be judged at all.
    pub fn failure_policy(&self) -> FailurePolicy {
        match self.policies {
            Selection::All => FailurePolicy::Fail,
            Selection::Failing(failing) | Selection::One { failing, .. } => failing,
        }
    }
}
