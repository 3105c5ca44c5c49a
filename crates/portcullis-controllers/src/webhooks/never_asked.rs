//! What policies that fail closed wish to be asked about and never are: who wrote them should know.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use portcullis_cluster::discovery::Discovery;
use portcullis_kyverno::Policy;
use portcullis_kyverno::kind::KindSelector;
use portcullis_kyverno::webhooks::{FailurePolicy, WebhookNeeds};

use super::exclusions::is_vital;
use super::{PolicyName, mutating_failure_policy, policy_name, validating_failure_policy};
use crate::kinds;

/// What one policy is never asked about, since it fails closed. Kinds are written as policies write them: `Node`,
/// `ServiceAccount/token`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NeverAsked {
    /// Kinds that it names.
    pub named: BTreeSet<String>,
    /// Kinds that are among what it names by a wildcard, together with others that it is asked about.
    pub among_others: BTreeSet<String>,
    /// The rules that are about nothing else than what they name in vain.
    pub rules: Vec<String>,
}

/// Finds out what policies ask for in vain, each kind that they name once: thousands of policies name the same few.
#[derive(Debug)]
pub(crate) struct Unasked<'p, 'd> {
    discovery: &'d Discovery,
    ignore_failures: bool,
    /// By the kind, and whether a policy of a namespace asks, which has nothing to say about objects outside of any.
    known: BTreeMap<(bool, &'p KindSelector), Arc<LeftOut>>,
}

/// What of a kind is left out of webhooks that fail closed.
#[derive(Debug)]
struct LeftOut {
    kinds: BTreeSet<String>,
    /// Whether that is all of it. What is not served is not left out: it is asked about once it is served.
    is_all: bool,
}

impl<'p, 'd> Unasked<'p, 'd> {
    /// For an API server that serves `discovery`; `ignore_failures` says whether no webhook fails closed, whatever policies say.
    pub(crate) fn new(discovery: &'d Discovery, ignore_failures: bool) -> Self {
        Self { discovery, ignore_failures, known: BTreeMap::new() }
    }

    /// What is never asked of `policy`, which needs `needs`. `None` where it is asked about all that it is for.
    pub(crate) fn of(&mut self, policy: &'p Policy, needs: &WebhookNeeds) -> Option<NeverAsked> {
        let mutating = mutating_failure_policy(needs, self.ignore_failures);
        let validating = validating_failure_policy(needs, self.ignore_failures);
        let is_asked_for_nothing = needs.mutating.is_empty() && needs.validating.is_empty();
        if mutating == FailurePolicy::Ignore || is_asked_for_nothing {
            return None;
        }
        let mut never_asked = NeverAsked::default();
        for (rule, changes_objects, kinds) in policy.written_rules() {
            let failure_policy = if changes_objects { mutating } else { validating };
            if failure_policy == FailurePolicy::Ignore {
                continue;
            }
            let (mut names_any, mut is_asked) = (false, false);
            for kind in kinds {
                let left_out = self.left_out(kind, needs.namespace.is_some());
                names_any = true;
                is_asked |= !left_out.is_all;
                let kinds = match left_out.is_all {
                    true => &mut never_asked.named,
                    false => &mut never_asked.among_others,
                };
                kinds.extend(left_out.kinds.iter().cloned());
            }
            if names_any && !is_asked {
                never_asked.rules.push(rule.to_owned());
            }
        }
        (never_asked != NeverAsked::default()).then_some(never_asked)
    }

    fn left_out(&mut self, kind: &'p KindSelector, is_namespaced: bool) -> Arc<LeftOut> {
        let known = self.known.entry((is_namespaced, kind)).or_insert_with(|| {
            let served =
                kinds::find(self.discovery, kind).filter(|served| served.namespaced || !is_namespaced);
            let (vital, others): (Vec<_>, Vec<_>) = served.partition(|served| is_vital(served));
            let kinds = vital.into_iter().map(|served| match &*served.subresource {
                "" => served.kind.to_string(),
                subresource => format!("{}/{subresource}", served.kind),
            });
            let kinds: BTreeSet<_> = kinds.collect();
            Arc::new(LeftOut { is_all: others.is_empty() && !kinds.is_empty(), kinds })
        });
        known.clone()
    }
}

/// What is never asked of each of `policies`. Those that are asked about all that they are for are not among them.
pub fn never_asked<'p>(
    policies: impl IntoIterator<Item = (&'p Policy, &'p WebhookNeeds)>,
    discovery: &Discovery,
    ignore_failures: bool,
) -> BTreeMap<PolicyName, NeverAsked> {
    let mut unasked = Unasked::new(discovery, ignore_failures);
    let of = |(policy, needs): (&'p Policy, &'p WebhookNeeds)| {
        Some((policy_name(needs), unasked.of(policy, needs)?))
    };
    policies.into_iter().filter_map(of).collect()
}
