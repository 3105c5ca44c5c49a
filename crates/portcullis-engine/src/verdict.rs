//! What a review came to.

use std::time::Duration;

use portcullis_model::{CompiledPolicy, Evaluation, Obstacle, RuleOutcome};
use portcullis_patch::json6902::Operation;

/// The answer to one request, and how it came about.
#[derive(Debug, Default)]
pub struct Verdict<'a> {
    pub allowed: bool,
    /// Why the request is refused, as the user reads it; of any size.
    pub message: Option<String>,
    /// What the user is told beside; of any size, perhaps with line breaks.
    pub warnings: Vec<String>,
    /// What the audit log of the API server gets: keys without the name of the webhook.
    pub audit_annotations: Vec<(&'static str, String)>,
    /// What turns the request's object into the one that is admitted; empty where nothing changes.
    pub patch: Vec<Operation<'a>>,
    /// The policies that were asked, in order.
    pub policies: Vec<Judged<'a>>,
    /// Whether nothing but the answer may come of the request.
    pub dry_run: bool,
    /// Why no policy was asked, though some are about the request.
    pub unseen: Option<Unseen>,
}

/// What one policy had to say.
#[derive(Debug)]
pub struct Judged<'a> {
    pub policy: &'a dyn CompiledPolicy,
    /// The place of the policy in the set.
    pub place: usize,
    /// The places of policies that say the same, and were not evaluated for that reason: their rules pass or are skipped.
    pub alike: Vec<usize>,
    pub evaluation: Evaluation<'a>,
    pub took: Duration,
    /// Whether it is by this policy that the request is refused.
    pub refuses: bool,
}

/// Why a request is admitted without a look at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unseen {
    /// A resource filter of the configuration matches.
    Filtered,
    /// The configuration excludes the user.
    ExcludedUser,
    /// The object is being deleted, and is not changed any more.
    Terminating,
}

impl<'a> Verdict<'a> {
    /// The request is admitted as it is.
    pub fn allow() -> Self {
        Self { allowed: true, ..Self::default() }
    }

    /// The request is admitted as it is, and no policy was asked.
    pub(crate) fn unseen(why: Unseen) -> Self {
        Self { unseen: Some(why), ..Self::allow() }
    }

    /// The outcomes of all rules, each with its policy. Of policies that are alike, one speaks for all where nothing fails.
    pub fn outcomes(&self) -> impl Iterator<Item = (&'a dyn CompiledPolicy, &RuleOutcome<'a>)> {
        self.policies
            .iter()
            .flat_map(|judged| judged.evaluation.outcomes.iter().map(move |outcome| (judged.policy, outcome)))
    }

    /// How many policies have judged the request.
    pub fn policies_asked(&self) -> usize {
        self.policies.iter().map(|judged| 1 + judged.alike.len()).sum()
    }

    /// How many rules met this obstacle.
    pub fn count(&self, obstacle: Obstacle) -> usize {
        self.outcomes().filter(|(_, outcome)| outcome.obstacle == Some(obstacle)).count()
    }
}
