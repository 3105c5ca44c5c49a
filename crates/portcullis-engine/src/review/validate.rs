//! The validate phase: every policy judges the object, and what they say is folded into one answer.

use portcullis_model::{
    CompiledPolicy, Enforcement, FailurePolicy, Mask, Obstacle, Phase, RuleOutcome, Status,
};

use super::{Inquiry, finished_job};
use crate::facts::Need;
use crate::fold;
use crate::set::Member;
use crate::verdict::{Judged, Verdict};

impl<'a> Inquiry<'_, 'a> {
    /// Judges the object by the policies of `members`. Where one passes, so do those that are like it.
    ///
    /// # Errors
    /// What all of them need to know first, so that it can be found out at once.
    pub(super) fn validate(&self, members: &[&'a Member]) -> Result<Verdict<'a>, Vec<Need>> {
        let mut needs = Vec::new();
        let mut judged: Vec<Judged<'a>> = Vec::with_capacity(members.len());
        // Where in `judged` the one is that speaks for all of a likeness.
        let mut passed = vec![None; self.context.policies.likenesses()];
        for member in members {
            let known = member.likeness.and_then(|likeness| passed.get_mut(likeness));
            if let Some(one) =
                known.as_deref().copied().flatten().and_then(|index: usize| judged.get_mut(index))
            {
                one.alike.push(member.place);
                continue;
            }
            match self.evaluate(member, Phase::Validate, &self.input, None) {
                Ok(mut one) => {
                    let outcomes = &one.evaluation.outcomes;
                    one.refuses = outcomes.iter().any(|outcome| refuses(member.validating, outcome));
                    if let Some(known) = known
                        && outcomes.iter().all(|outcome| outcome.status == Status::Pass)
                    {
                        *known = Some(judged.len());
                    }
                    judged.push(one);
                }
                Err(open) => needs.extend(open),
            }
        }
        if !needs.is_empty() {
            return Err(needs);
        }
        let mut verdict = Verdict { policies: judged, ..Verdict::allow() };
        let mask = Mask::of(&self.input);
        if verdict.policies.iter().any(|judged| judged.refuses) {
            verdict.allowed = false;
            verdict.message = Some(fold::denial(self.input.resource(), &verdict, &mask));
        } else {
            let told = verdict.outcomes().filter(|(policy, outcome)| is_told(*policy, outcome));
            verdict.warnings = told.map(|(policy, outcome)| fold::warning(policy, outcome, &mask)).collect();
            verdict.warnings.extend(finished_job::warning(&self.input, self.input.object, self.context.now));
        }
        Ok(verdict)
    }
}

/// Whether the outcome refuses the request: a violation where the rule enforces, an error where it is among those that
/// do and its policy fails closed.
fn refuses(failing: FailurePolicy, outcome: &RuleOutcome<'_>) -> bool {
    match outcome.status {
        _ if outcome.obstacle == Some(Obstacle::NotExecuted) => false,
        Status::Fail => outcome.enforcement == Enforcement::Enforce,
        Status::Error => outcome.enforcement != Enforcement::Audit && failing == FailurePolicy::Fail,
        Status::Pass | Status::Skip => false,
    }
}

/// Whether the user is told of the outcome though the request is admitted.
fn is_told(policy: &dyn CompiledPolicy, outcome: &RuleOutcome<'_>) -> bool {
    matches!(outcome.status, Status::Fail | Status::Error)
        && outcome.obstacle != Some(Obstacle::NotExecuted)
        && (outcome.enforcement != Enforcement::Audit || policy.profile().warns)
}
