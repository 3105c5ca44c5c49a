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
    /// Judges the object by the policies of `members`. Where nothing fails by one, nothing does by those that are like it.
    ///
    /// # Errors
    /// What all of them need to know first, so that it can be found out at once.
    pub(super) fn validate(&self, members: &[&'a Member]) -> Result<Verdict<'a>, Vec<Need>> {
        let mut needs = Vec::new();
        let mut judged: Vec<Judged<'a>> = Vec::with_capacity(members.len());
        // How many of `judged` are timed.
        let mut timed = 0;
        // Where in `judged` the one is that speaks for all of a likeness, by the number of that.
        let numbers = members.iter().filter_map(|member| member.likeness);
        let mut speakers: Vec<Option<usize>> = vec![None; numbers.max().map_or(0, |highest| highest + 1)];
        for member in members {
            let speaker = member.likeness.and_then(|number| speakers.get_mut(number));
            if let Some(Some(index)) = speaker
                && let Some(one) = judged.get_mut(*index)
            {
                one.alike.push(member.place);
                continue;
            }
            match self.evaluate(member, Phase::Validate, &self.input, None) {
                Ok(mut one) => {
                    let outcomes = &one.evaluation.outcomes;
                    one.refuses = outcomes.iter().any(|outcome| refuses(member.validating, outcome));
                    let fails =
                        |outcome: &RuleOutcome<'_>| matches!(outcome.status, Status::Fail | Status::Error);
                    if let Some(speaker) = speaker
                        && !outcomes.iter().any(fails)
                    {
                        *speaker = Some(judged.len());
                    }
                    judged.push(one);
                    if self.is_to_be_timed() {
                        self.time(judged.get_mut(timed..).unwrap_or_default());
                        timed = judged.len();
                    }
                }
                Err(open) => needs.extend(open),
            }
        }
        self.time(judged.get_mut(timed..).unwrap_or_default());
        if !needs.is_empty() {
            return Err(needs);
        }
        let mut verdict = Verdict { policies: judged, ..Verdict::allow() };
        let mask = Mask::of(&self.input);
        if verdict.policies.iter().any(|judged| judged.refuses) {
            verdict.allowed = false;
            verdict.message = Some(fold::denial(self.input.resource(), &verdict, &mask));
        } else {
            let not_executed = self.context.options.warn_of_not_executed;
            let told = verdict.outcomes().filter(|(policy, outcome)| is_told(*policy, outcome, not_executed));
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

/// Whether the user is told of the outcome though the request is admitted; `not_executed` is said of rules that are not.
fn is_told(policy: &dyn CompiledPolicy, outcome: &RuleOutcome<'_>, not_executed: bool) -> bool {
    match outcome.status {
        Status::Pass | Status::Skip => false,
        _ if outcome.obstacle == Some(Obstacle::NotExecuted) => not_executed,
        Status::Fail | Status::Error => outcome.enforcement != Enforcement::Audit || policy.profile().warns,
    }
}
