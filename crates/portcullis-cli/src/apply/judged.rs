//! A resource that was judged, as every form of output reads it.

use portcullis_engine::{Response, record};
use portcullis_kyverno::Policy;
use portcullis_model::{CompiledPolicy as _, Phase, Resource, RuleKind, RuleOutcome, SideEffect, Status};
use portcullis_value::{Arena, Object, Value};

use crate::offline::verdict::Verdict;

/// What came of one resource.
#[derive(Debug)]
pub(crate) struct Judged<'j, 'a> {
    /// As it was given.
    pub(crate) resource: Resource<'a>,
    pub(crate) namespace_labels: Object<'a>,
    pub(crate) policies: &'a [Policy],
    pub(crate) responses: &'j [Response<'a>],
    pub(crate) arena: &'a Arena,
    /// Whether failures of policies in audit mode are warnings.
    pub(crate) audit_warn: bool,
    /// Whether mutated objects carry the record of what changed them.
    pub(crate) record: bool,
}

/// What the mutate rules of one policy made of the resource.
#[derive(Debug)]
pub(crate) struct Mutation<'a> {
    pub(crate) policy: &'a Policy,
    pub(crate) before: Value<'a>,
    pub(crate) ending: Ending<'a>,
    /// The existing resources that they changed: as they were, and as they are.
    pub(crate) targets: Vec<(Value<'a>, Value<'a>)>,
    /// Whether an existing resource could not be found or changed.
    pub(crate) has_failed_targets: bool,
    /// What was wrong with the record that the resource came with.
    pub(crate) warning: Option<&'static str>,
}

/// How the mutate rules of a policy ended.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ending<'a> {
    Changed(Value<'a>),
    Unchanged(Value<'a>),
    Failed,
}

impl<'j, 'a> Judged<'j, 'a> {
    /// The policy that responded.
    pub(crate) fn policy(&self, response: &Response<'_>) -> Option<&'a Policy> {
        self.policies.get(response.policy)
    }

    /// What `outcome` of `policy` counts as.
    pub(crate) fn verdict(&self, policy: &Policy, outcome: &RuleOutcome<'_>) -> Verdict {
        Verdict::of(policy, outcome, self.resource, self.namespace_labels, self.audit_warn)
    }

    /// All outcomes with their policies and verdicts, those of rules that generate last.
    pub(crate) fn outcomes(&self) -> impl Iterator<Item = (&'a Policy, &'j RuleOutcome<'a>, Verdict)> + '_ {
        [false, true].into_iter().flat_map(move |generates| {
            let of_kind = move |outcome: &RuleOutcome<'_>| (outcome.kind == RuleKind::Generate) == generates;
            self.responses.iter().flat_map(move |response| {
                let policy = self.policy(response);
                let outcomes = response.evaluation.outcomes.iter().filter(move |outcome| of_kind(outcome));
                outcomes.filter_map(move |outcome| {
                    let policy = policy?;
                    Some((policy, outcome, self.verdict(policy, outcome)))
                })
            })
        })
    }

    /// What rules generated, with their policies.
    pub(crate) fn generated(&self) -> impl Iterator<Item = (&'a Policy, &'j [Value<'a>])> + '_ {
        self.outcomes().filter_map(|(policy, outcome, _)| match outcome.side_effect.as_deref() {
            Some(SideEffect::Generated { objects, .. }) => Some((policy, &**objects)),
            _ => None,
        })
    }

    /// What each policy that has mutate rules made of the resource.
    pub(crate) fn mutations(&self) -> Vec<Mutation<'a>> {
        let mut mutations = Vec::new();
        let mut changes = Vec::new();
        let mut current = self.resource.0;
        // The object as it is shown, the record on it where one is wanted.
        let mut shown = current;
        for response in self.responses.iter().filter(|response| response.phase == Phase::Mutate) {
            let Some(policy) = self.policy(response) else { continue };
            if !policy.has_rule(RuleKind::Mutate) {
                continue;
            }
            let before = shown;
            let (mut is_changed, mut targets) = (false, Vec::new());
            for outcome in &response.evaluation.outcomes {
                let (name, namespace, rule) = (policy.name(), policy.namespace(), outcome.rule);
                let change = |before, after| record::Change { policy: name, namespace, rule, before, after };
                if let Some(SideEffect::Target { object: Some(before), patched: Some(after) }) =
                    outcome.side_effect.as_deref()
                {
                    let shown = match self.record {
                        true => record::record(self.arena, *after, &[change(*before, *after)]).object,
                        false => *after,
                    };
                    targets.push((*before, shown));
                }
                let Some(after) = outcome.patched else { continue };
                changes.push(change(current, after));
                is_changed = true;
                current = after;
            }
            let mut warning = None;
            if is_changed {
                shown = current;
                if self.record {
                    record::Recorded { object: shown, warning } =
                        record::record(self.arena, current, &changes);
                }
            }
            let errors = || response.evaluation.outcomes.iter().filter(|one| one.status == Status::Error);
            let failed = errors().any(|outcome| outcome.side_effect.is_none());
            let has_failed_targets = errors().any(|outcome| outcome.side_effect.is_some());
            let ending = match () {
                () if failed => Ending::Failed,
                () if is_changed => Ending::Changed(shown),
                () => Ending::Unchanged(shown),
            };
            mutations.push(Mutation { policy, before, ending, targets, has_failed_targets, warning });
        }
        mutations
    }
}
