//! Policies that come, change and go.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;

use super::rules::PolicyLabels;

/// What became of a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    Created,
    Updated,
    Deleted,
}

impl Change {
    fn as_str(self) -> &'static str {
        match self {
            Change::Created => "created",
            Change::Updated => "updated",
            Change::Deleted => "deleted",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, EncodeLabelSet)]
struct Changed {
    #[prometheus(flatten)]
    policy: PolicyLabels,
    policy_change_type: &'static str,
}

/// Changes of policies, never of more than a cap.
#[derive(Debug)]
pub(super) struct Changes {
    cap: usize,
    counts: Mutex<BTreeMap<Changed, u64>>,
}

impl Changes {
    pub(super) fn new(cap: usize) -> Self {
        Self { cap, counts: Mutex::default() }
    }

    /// Counts a change. When there is no room, policies that are gone make it: `is_there` is asked by namespace and name.
    pub(super) fn count(&self, policy: PolicyLabels, change: Change, is_there: impl Fn(&str, &str) -> bool) {
        let mut changed = Changed { policy, policy_change_type: change.as_str() };
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.len() >= self.cap && !counts.contains_key(&changed) {
            counts
                .retain(|Changed { policy, .. }, _| is_there(&policy.policy_namespace, &policy.policy_name));
            if counts.len() >= self.cap {
                changed.policy = PolicyLabels::overflow();
            }
        }
        *counts.entry(changed).or_default() += 1;
    }
}

impl Collector for Changes {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let help = "Policies that were created, updated or deleted while this process ran";
        let mut changes =
            encoder.encode_descriptor("kyverno_policy_changes", help, None, MetricType::Counter)?;
        for (changed, count) in &*self.counts.lock().unwrap_or_else(PoisonError::into_inner) {
            ConstCounter::new(*count).encode(changes.encode_family(changed)?)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_over_the_cap_are_counted_together_unless_others_have_gone() {
        let changes = Changes::new(2);
        let count = |name: &str, change, there: &[&str]| {
            let policy = PolicyLabels { policy_name: name.to_owned(), ..PolicyLabels::overflow() };
            changes.count(policy, change, |_, name| there.contains(&name));
        };
        let counts = || {
            let counts = changes.counts.lock().unwrap();
            let told = counts.iter().map(|(changed, count)| {
                format!("{} {} {count}", changed.policy.policy_name, changed.policy_change_type)
            });
            told.collect::<Vec<_>>()
        };
        count("a", Change::Created, &["a"]);
        count("b", Change::Created, &["a", "b"]);
        count("b", Change::Created, &["a", "b"]);
        count("c", Change::Updated, &["a", "b", "c"]);
        assert_eq!(counts(), ["a created 1", "b created 2", "other updated 1"]);
        count("d", Change::Deleted, &["b"]);
        assert_eq!(counts(), ["b created 2", "d deleted 1"]);
    }
}
