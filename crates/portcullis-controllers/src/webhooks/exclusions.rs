//! What is left out whatever policies say, so that a cluster whose engine is dead can heal.

use k8s_openapi::api::admissionregistration::v1::MatchCondition;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};
use portcullis_kyverno::webhooks::FailurePolicy;

use super::{Settings, unique};

/// The namespaces of the control plane and of the heartbeats of nodes.
const NAMESPACES: [&str; 2] = ["kube-node-lease", "kube-system"];
/// The label that every namespace has, with its name; nobody can change it.
const NAMESPACE_NAME: &str = "kubernetes.io/metadata.name";

/// What the control plane writes to stay alive: it must not wait for an engine that runs on top of it.
const VITAL: [(&str, &str); 4] = [
    (
        "portcullis.dev/exclude-nodes",
        "!(request.resource.group == \"\" && request.resource.resource == \"nodes\")",
    ),
    (
        "portcullis.dev/exclude-certificate-signing-requests",
        "!(request.resource.group == \"certificates.k8s.io\" && request.resource.resource == \
         \"certificatesigningrequests\")",
    ),
    (
        "portcullis.dev/exclude-leases",
        "!(request.resource.group == \"coordination.k8s.io\" && request.resource.resource == \"leases\")",
    ),
    (
        "portcullis.dev/exclude-token-and-access-reviews",
        "!(request.resource.group in [\"authentication.k8s.io\", \"authorization.k8s.io\"]) && \
         !(request.resource.resource == \"serviceaccounts\" && request.subResource == \"token\")",
    ),
];

/// The most conditions that a webhook can have.
const MOST_CONDITIONS: usize = 64;

/// The namespaces that webhooks look at: those of the settings without ours.
pub(super) fn namespace_selector(settings: &Settings) -> LabelSelector {
    let mut selector = settings.namespace_selector.clone().unwrap_or_default();
    let mut names: Vec<String> =
        NAMESPACES.into_iter().chain(settings.namespace.as_deref()).map(str::to_owned).collect();
    names.sort_unstable();
    names.dedup();
    selector.match_expressions.get_or_insert_default().push(LabelSelectorRequirement {
        key: NAMESPACE_NAME.to_owned(),
        operator: "NotIn".to_owned(),
        values: Some(names),
    });
    selector
}

/// The conditions of a webhook: `given`, and what is left out where a dead engine would refuse.
pub(super) fn match_conditions(
    given: Vec<MatchCondition>,
    failure_policy: FailurePolicy,
) -> Vec<MatchCondition> {
    let vital = match failure_policy {
        FailurePolicy::Fail => VITAL.as_slice(),
        FailurePolicy::Ignore => &[],
    };
    let mut conditions: Vec<MatchCondition> = vital
        .iter()
        .map(|(name, expression)| MatchCondition {
            name: (*name).to_owned(),
            expression: (*expression).to_owned(),
        })
        .collect();
    for mut condition in given {
        // An API server refuses two conditions of one name and too many of them: the configuration as a whole.
        condition.name = unique(&condition.name, |name| conditions.iter().any(|other| other.name == name));
        match conditions.get_mut(MOST_CONDITIONS - 1) {
            Some(last) => last.expression = format!("({}) && ({})", last.expression, condition.expression),
            None => conditions.push(condition),
        }
    }
    conditions
}
