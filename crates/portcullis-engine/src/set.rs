//! The policies in force, and which of them a request concerns.

mod index;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use index::Index;
pub use index::Subject;
use portcullis_model::{CompiledPolicy, FailurePolicy, Likeness, Needs, Phase};

use crate::route::{Route, Selection};

/// An immutable set of policies, in the order in which they are evaluated: those of the whole cluster, then those of
/// the namespaces, both by name.
///
/// A review uses one set throughout; a change of a policy makes a new set. A request that matches nothing is found out
/// without a look at its object, and what is not about a request's kind costs it nothing.
#[derive(Default)]
pub struct PolicySet {
    members: Vec<Member>,
    mutate: Indexes,
    validate: Indexes,
}

/// A policy of a set.
#[derive(Debug)]
pub struct Member {
    pub policy: Arc<dyn CompiledPolicy>,
    /// Its place in the set.
    pub(crate) place: usize,
    /// What becomes of a request that the policy fails to mutate.
    pub(crate) mutating: FailurePolicy,
    /// What becomes of a request that the policy fails to judge. One that only audits stands in nobody's way.
    pub(crate) validating: FailurePolicy,
    /// What the policy needs, here beside the rest: of most members a review looks at nothing else.
    pub(crate) needs: Needs,
    /// The number of its likeness, if other members have it too.
    pub(crate) likeness: Option<usize>,
}

impl Member {
    fn new(policy: Arc<dyn CompiledPolicy>, ignore_failures: bool) -> Self {
        let profile = policy.profile();
        let mutating = if ignore_failures { FailurePolicy::Ignore } else { profile.failure_policy };
        let validating = if profile.may_enforce { mutating } else { FailurePolicy::Ignore };
        let needs = profile.needs;
        Self { policy, place: 0, mutating, validating, needs, likeness: None }
    }

    /// The namespace of the policy, empty for a cluster-wide one, and its name.
    pub fn key(&self) -> (&str, &str) {
        (self.policy.namespace(), self.policy.name())
    }
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
        Self::build(taking_part(policies), false)
    }

    /// The set of `policies` where no failure to judge refuses a request, whatever they say: all are asked at webhooks
    /// that ignore failures.
    pub fn ignoring_failures(policies: impl IntoIterator<Item = Arc<dyn CompiledPolicy>>) -> Self {
        Self::build(taking_part(policies), true)
    }

    /// The set of `policies` for what is there already: those that take no part in admission are in it.
    pub fn of_scan(policies: impl IntoIterator<Item = Arc<dyn CompiledPolicy>>) -> Self {
        Self::build(policies.into_iter(), true)
    }

    fn build(policies: impl Iterator<Item = Arc<dyn CompiledPolicy>>, ignore_failures: bool) -> Self {
        let mut members: Vec<_> = policies.map(|policy| Member::new(policy, ignore_failures)).collect();
        members.sort_by(|a, b| a.key().cmp(&b.key()));
        members.iter_mut().enumerate().for_each(|(place, member)| member.place = place);
        number_likenesses(&mut members);
        let mut set = Self { members, ..Self::default() };
        for (member, number) in set.members.iter().zip(0..) {
            let profile = member.policy.profile();
            for (targets, failing, indexes) in [
                (&profile.mutates, member.mutating, &mut set.mutate),
                (&profile.validates, member.validating, &mut set.validate),
            ] {
                let index = match failing {
                    _ if profile.has_match_conditions => &mut indexes.fine_grained,
                    FailurePolicy::Fail => &mut indexes.fail,
                    FailurePolicy::Ignore => &mut indexes.ignore,
                };
                targets.iter().for_each(|target| index.insert(number, member.policy.namespace(), target));
            }
        }
        set
    }

    /// All of them, in order.
    pub fn policies(&self) -> &[Member] {
        &self.members
    }

    /// Whether it has a policy of this namespace and name.
    pub fn contains(&self, key: (&str, &str)) -> bool {
        self.place(key).is_some()
    }

    fn place(&self, key: (&str, &str)) -> Option<usize> {
        self.members.binary_search_by(|member| member.key().cmp(&key)).ok()
    }

    /// The policies that `route` asks about `subject`, in order.
    pub fn matching<'s>(&'s self, route: &Route<'_>, subject: &Subject<'_>) -> Vec<&'s Member> {
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
                let place = self.place((namespace, name));
                return place.and_then(|place| self.members.get(place)).into_iter().collect();
            }
        }
        found.sort_unstable();
        found.dedup();
        let mut members = Vec::with_capacity(found.len());
        members
            .extend(found.into_iter().filter_map(|number| self.members.get(usize::try_from(number).ok()?)));
        members
    }
}

/// Numbers the likenesses that several of `members` have.
fn number_likenesses(members: &mut [Member]) {
    let mut alike: BTreeMap<Likeness, Vec<usize>> = BTreeMap::new();
    for member in &*members {
        if let Some(likeness) = member.policy.profile().likeness {
            alike.entry(likeness).or_default().push(member.place);
        }
    }
    alike.retain(|_, places| places.len() > 1);
    for (number, places) in alike.values().enumerate() {
        for place in places {
            if let Some(member) = members.get_mut(*place) {
                member.likeness = Some(number);
            }
        }
    }
}

/// Those that take part in admission.
fn taking_part(
    policies: impl IntoIterator<Item = Arc<dyn CompiledPolicy>>,
) -> impl Iterator<Item = Arc<dyn CompiledPolicy>> {
    policies.into_iter().filter(|policy| !policy.profile().is_background_only)
}

impl fmt::Debug for PolicySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.members.iter().map(Member::key)).finish()
    }
}
