//! Events on policies: what was let through although a rule failed or could not be judged.

use std::sync::Arc;

use portcullis_cluster::{Cluster, EventSender, Notice, Regarding};
use portcullis_engine::Verdict;
use portcullis_model::{CompiledPolicy, Review, RuleOutcome, Status};

use super::masked::mask;

/// Says on a policy what its rules have let through.
#[derive(Clone, Debug)]
pub(crate) struct Announcer {
    pub(crate) events: EventSender,
    /// Where the policies are that Events are about.
    pub(crate) cluster: Arc<Cluster>,
}

impl Announcer {
    /// Announces what `verdict`, which admits `review`, has let through. Never waits.
    pub(crate) fn announce(&self, review: &Review<'_>, verdict: &Verdict<'_>) {
        for (policy, outcome) in verdict.outcomes() {
            let reason = match outcome.status {
                Status::Fail => "PolicyViolation",
                Status::Error => "PolicyError",
                Status::Pass | Status::Skip => continue,
            };
            self.events.send(Notice {
                regarding: self.regarding(policy),
                related: None,
                warning: true,
                reason: reason.to_owned(),
                action: "Resource Passed".to_owned(),
                note: note(review, outcome),
            });
        }
    }

    /// The policy as it is in the cluster. kubectl looks for Events by the uid.
    fn regarding(&self, policy: &dyn CompiledPolicy) -> Regarding {
        let (namespace, name) = (policy.namespace(), policy.name());
        let (kind, documents) = match namespace {
            "" => ("ClusterPolicy", &self.cluster.cluster_policies),
            _ => ("Policy", &self.cluster.policies),
        };
        let uid = documents.load().get(namespace, name).map(|document| document.metadata.uid.to_string());
        Regarding {
            api_version: "kyverno.io/v1".to_owned(),
            kind: kind.to_owned(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            uid: uid.unwrap_or_default(),
        }
    }
}

fn note(review: &Review<'_>, outcome: &RuleOutcome<'_>) -> String {
    let request = &review.request;
    let place = match &*request.namespace {
        "" => request.name.to_string(),
        namespace => format!("{namespace}/{}", request.name),
    };
    let message = mask(review).apply(&outcome.message).into_owned();
    format!("{} {place}: [{}] {}: {message}", request.gvk().kind, outcome.rule, outcome.status.as_str())
}
