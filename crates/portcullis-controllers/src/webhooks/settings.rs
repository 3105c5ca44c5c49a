//! What the installation decides of webhooks: names, the way to the engine, selectors.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::{MatchCondition, ServiceReference, WebhookClientConfig};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, OwnerReference};

/// The longest that an API server can be told to wait, in seconds.
const LONGEST_TIMEOUT: i32 = 30;

/// How webhooks are written, whatever the policies need.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    pub names: WebhookNames,
    pub reach: Reach,
    /// The certificates of the authorities that the server's certificate may come from, as PEM.
    pub ca_bundle: Vec<u8>,
    /// The engine's own namespace, which is left out, if it runs in the cluster.
    pub namespace: Option<String>,
    /// What the configurations go with when it is deleted.
    pub owner: Option<OwnerReference>,
    /// How long the API server waits where no policy asks for longer, in seconds.
    pub timeout_seconds: i32,
    /// How long it waits at most, in seconds.
    pub longest_timeout_seconds: i32,
    /// Whether all failures are ignored, whatever the policies say.
    pub ignore_failures: bool,
    /// The namespaces that are looked at, beside ours that are not.
    pub namespace_selector: Option<LabelSelector>,
    pub object_selector: Option<LabelSelector>,
    /// Conditions of the webhooks that are not one policy's own.
    pub match_conditions: Vec<MatchCondition>,
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
}

/// Under which names webhooks stand in the cluster, and in the texts of refusals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WebhookNames {
    #[default]
    Portcullis,
    /// Those of Kyverno, for whom refusals are read by programs.
    Kyverno,
}

/// How the API server reaches the engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    Service {
        namespace: String,
        name: String,
        port: u16,
    },
    /// `https://HOST:PORT`, without a path.
    Url(String),
}

impl Settings {
    /// Settings with nothing but defaults.
    pub fn new(reach: Reach, ca_bundle: Vec<u8>) -> Self {
        let namespace = match &reach {
            Reach::Service { namespace, .. } => Some(namespace.clone()),
            Reach::Url(_) => None,
        };
        Self {
            names: WebhookNames::default(),
            reach,
            ca_bundle,
            namespace,
            owner: None,
            timeout_seconds: 10,
            longest_timeout_seconds: LONGEST_TIMEOUT,
            ignore_failures: false,
            namespace_selector: None,
            object_selector: None,
            match_conditions: Vec::new(),
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
        }
    }

    /// How the API server calls the engine for `path`.
    pub(super) fn client_config(&self, path: &str) -> WebhookClientConfig {
        let ca_bundle = (!self.ca_bundle.is_empty()).then(|| ByteString(self.ca_bundle.clone()));
        match &self.reach {
            Reach::Service { namespace, name, port } => WebhookClientConfig {
                ca_bundle,
                service: Some(ServiceReference {
                    namespace: namespace.clone(),
                    name: name.clone(),
                    path: Some(path.to_owned()),
                    port: Some(i32::from(*port)),
                }),
                url: None,
            },
            Reach::Url(base) => WebhookClientConfig {
                ca_bundle,
                service: None,
                url: Some(format!("{}{path}", base.trim_end_matches('/'))),
            },
        }
    }

    /// How long the API server waits at a webhook whose policies ask for `asked` seconds.
    pub(super) fn timeout(&self, asked: i32) -> i32 {
        let longest = self.longest_timeout_seconds.clamp(1, LONGEST_TIMEOUT);
        self.timeout_seconds.max(asked).clamp(1, longest)
    }

    /// The labels of the configurations, by which `disarm` finds them.
    pub(super) fn labels(&self) -> BTreeMap<String, String> {
        let mut labels = self.labels.clone();
        labels.insert(MANAGED_BY.0.to_owned(), MANAGED_BY.1.to_owned());
        labels
    }
}

/// The label that marks what the engine writes and may take away.
pub const MANAGED_BY: (&str, &str) = ("app.kubernetes.io/managed-by", "portcullis");

impl WebhookNames {
    pub fn mutating_configuration(self) -> &'static str {
        match self {
            WebhookNames::Portcullis => "portcullis-resource-mutating",
            WebhookNames::Kyverno => "kyverno-resource-mutating-webhook-cfg",
        }
    }

    pub fn validating_configuration(self) -> &'static str {
        match self {
            WebhookNames::Portcullis => "portcullis-resource-validating",
            WebhookNames::Kyverno => "kyverno-resource-validating-webhook-cfg",
        }
    }

    /// The configuration of the webhooks for policies and exceptions.
    pub fn policy_configuration(self) -> &'static str {
        match self {
            WebhookNames::Portcullis => "portcullis-policy-validating",
            WebhookNames::Kyverno => "kyverno-policy-validating-webhook-cfg",
        }
    }

    /// The webhook for policies.
    pub fn policy_webhook(self) -> &'static str {
        match self {
            WebhookNames::Portcullis => "validate-policy.portcullis.svc",
            WebhookNames::Kyverno => "validate-policy.kyverno.svc",
        }
    }

    /// The webhook for exceptions.
    pub fn exception_webhook(self) -> &'static str {
        match self {
            WebhookNames::Portcullis => "validate-exception.portcullis.svc",
            // COMPAT(kyverno): it has the name of the Service.
            WebhookNames::Kyverno => "kyverno-svc.kyverno.svc",
        }
    }

    /// What the names of mutating webhooks begin with.
    pub fn mutating_webhook(self) -> &'static str {
        match self {
            WebhookNames::Portcullis => "mutate.portcullis.svc",
            WebhookNames::Kyverno => "mutate.kyverno.svc",
        }
    }

    /// What the names of validating webhooks begin with.
    pub fn validating_webhook(self) -> &'static str {
        match self {
            WebhookNames::Portcullis => "validate.portcullis.svc",
            WebhookNames::Kyverno => "validate.kyverno.svc",
        }
    }
}
