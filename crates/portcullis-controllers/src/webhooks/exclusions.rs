//! What is left out whatever policies say, so that a cluster whose engine is dead can heal.

use k8s_openapi::api::admissionregistration::v1::MatchCondition;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};
use portcullis_cluster::discovery::ServedResource;
use portcullis_kyverno::webhooks::FailurePolicy;

use super::{Settings, unique};

/// The namespaces of the control plane and of the heartbeats of nodes.
const NAMESPACES: [&str; 2] = ["kube-node-lease", "kube-system"];
/// The label that every namespace has, with its name; nobody can change it.
const NAMESPACE_NAME: &str = "kubernetes.io/metadata.name";

/// What the control plane writes to stay alive: it must not wait for an engine that runs on top of it.
const VITAL: [Vital; 6] = [
    Vital::new("exclude-nodes", "", "nodes"),
    Vital::new("exclude-certificate-signing-requests", "certificates.k8s.io", "certificatesigningrequests"),
    Vital::new("exclude-leases", "coordination.k8s.io", "leases"),
    Vital { subresource: Some("token"), ..Vital::new("exclude-token-requests", "", "serviceaccounts") },
    Vital::new("exclude-token-reviews", "authentication.k8s.io", "*"),
    Vital::new("exclude-access-reviews", "authorization.k8s.io", "*"),
];

/// The removal of the roles, bindings and the PriorityClass of an installation, which belong to no namespace. The
/// configurations go with one of these roles: while nobody answers, they would stay for ever if its removal had to wait.
///
/// A request for all objects of a kind has no name.
const OWN_REMOVAL: (&str, &str) = (
    "exclude-own-removal",
    "request.operation == \"DELETE\" \
     && request.resource.group in [\"rbac.authorization.k8s.io\", \"scheduling.k8s.io\"] \
     && request.resource.resource in [\"clusterroles\", \"clusterrolebindings\", \"priorityclasses\"] \
     && has(request.name) && (request.name == \"portcullis\" || request.name.startsWith(\"portcullis-\"))",
);

/// Resources that no webhook may hold up.
struct Vital {
    /// The name of the condition that leaves them out.
    name: &'static str,
    group: &'static str,
    /// The plural name, or `*`.
    resource: &'static str,
    /// The only one, if it is not all of them and the resource itself.
    subresource: Option<&'static str>,
}

impl Vital {
    const fn new(name: &'static str, group: &'static str, resource: &'static str) -> Self {
        Self { name, group, resource, subresource: None }
    }

    fn includes(&self, served: &ServedResource) -> bool {
        *self.group == *served.group
            && (self.resource == "*" || *self.resource == *served.resource)
            && self.subresource.is_none_or(|subresource| *subresource == *served.subresource)
    }

    fn condition(&self) -> MatchCondition {
        let mut parts = vec![format!("request.resource.group == \"{}\"", self.group)];
        if self.resource != "*" {
            parts.push(format!("request.resource.resource == \"{}\"", self.resource));
        }
        // A request for the resource itself has no such key.
        parts.extend(self.subresource.map(|subresource| {
            format!("has(request.subResource) && request.subResource == \"{subresource}\"")
        }));
        without(self.name, &parts.join(" && "))
    }
}

/// The condition `name`, which leaves out the requests for which `expression` holds.
fn without(name: &str, expression: &str) -> MatchCondition {
    MatchCondition { name: format!("portcullis.dev/{name}"), expression: format!("!({expression})") }
}

/// Whether webhooks that fail closed leave `served` out.
pub(super) fn is_vital(served: &ServedResource) -> bool {
    VITAL.iter().any(|vital| vital.includes(served))
}

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
    let mut conditions = match failure_policy {
        FailurePolicy::Fail => {
            let (name, expression) = OWN_REMOVAL;
            VITAL.iter().map(Vital::condition).chain([without(name, expression)]).collect()
        }
        FailurePolicy::Ignore => Vec::new(),
    };
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
