//! The policies in force, and which of them a request concerns.

mod index;

use std::fmt;
use std::sync::Arc;

use index::Index;
pub use index::Subject;
use portcullis_model::{CompiledPolicy, FailurePolicy, Phase};

use crate::route::{Route, Selection};

/// An immutable set of policies, in the order in which they are evaluated: those of the whole cluster, then those of
/// the namespaces, both by name.
///
/// A review uses one set throughout; a change of a policy makes a new set. A request that matches nothing is found out
/// without a look at its object, and what is not about a request's kind costs it nothing.
#[derive(Default)]
pub struct PolicySet {
    policies: Vec<Arc<dyn CompiledPolicy>>,
    mutate: Indexes,
    validate: Indexes,
}

/// The index of each kind of webhook.
#[derive(Default)]
struct Indexes {
    fail: Index,
    ignore: Index,
    /// Policies that have a webhook of their own.
    fine_grained: Index,
}

impl PolicySet {
    /// The set of `policies`; those that take no part in admission are left out.
    pub fn new(policies: impl IntoIterator<Item = Arc<dyn CompiledPolicy>>) -> Self {
        let mut policies: Vec<_> =
            policies.into_iter().filter(|policy| !policy.profile().is_background_only).collect();
        policies.sort_by(|a, b| key(&**a).cmp(&key(&**b)));
        let mut set = Self { policies, ..Self::default() };
        for (policy, number) in set.policies.iter().zip(0..) {
            let profile = policy.profile();
            for (targets, indexes) in
                [(&profile.mutates, &mut set.mutate), (&profile.validates, &mut set.validate)]
            {
                let index = match profile.failure_policy {
                    _ if profile.has_match_conditions => &mut indexes.fine_grained,
                    FailurePolicy::Fail => &mut indexes.fail,
                    FailurePolicy::Ignore => &mut indexes.ignore,
                };
                targets.iter().for_each(|target| index.insert(number, policy.namespace(), target));
            }
        }
        set
    }

    /// All of them, in order.
    pub fn policies(&self) -> &[Arc<dyn CompiledPolicy>] {
        &self.policies
    }

    /// The policies that `route` asks about `subject`, in order.
    pub fn matching<'s>(&'s self, route: &Route<'_>, subject: &Subject<'_>) -> Vec<&'s dyn CompiledPolicy> {
        let indexes = match route.phase {
            Phase::Mutate => &self.mutate,
            Phase::Validate => &self.validate,
        };
        let mut found = Vec::new();
        match route.policies {
            Selection::All => {
                indexes.fail.find(subject, &mut found);
                indexes.ignore.find(subject, &mut found);
                indexes.fine_grained.find(subject, &mut found);
            }
            Selection::Failing(FailurePolicy::Fail) => indexes.fail.find(subject, &mut found),
            Selection::Failing(FailurePolicy::Ignore) => indexes.ignore.find(subject, &mut found),
            // The API server asks because of the policy's rules: a look at the index would tell nothing new.
            Selection::One { namespace, name, .. } => {
                let place = self.policies.binary_search_by(|policy| key(&**policy).cmp(&(namespace, name)));
                return place
                    .ok()
                    .and_then(|place| self.policies.get(place))
                    .map(|one| &**one)
                    .into_iter()
                    .collect();
            }
        }
        found.sort_unstable();
        found.dedup();
        let policy = |number: u32| self.policies.get(usize::try_from(number).ok()?).map(|policy| &**policy);
        found.into_iter().filter_map(policy).collect()
    }
}

fn key(policy: &dyn CompiledPolicy) -> (&str, &str) {
    (policy.namespace(), policy.name())
}

impl fmt::Debug for PolicySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.policies.iter().map(|policy| key(&**policy))).finish()
    }
}
