//! How webhooks are written: what the arguments and the ConfigMap decide of them.

use k8s_openapi::api::admissionregistration::v1::MatchCondition;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use portcullis_cli::{ServeArguments, WebhookNames};
use portcullis_controllers::webhooks::{self, Reach};
use portcullis_engine::Settings;
use portcullis_value::{Arena, OwnedValue, json};

use super::certificate::Served;
use super::ignores_failures;

/// How long an API server waits for a process outside of the cluster, in seconds.
const EXTERNAL_TIMEOUT: i32 = 3;

/// What the arguments decide of webhooks.
pub(super) fn of(arguments: &ServeArguments, served: &Served) -> webhooks::Settings {
    let reach = match &arguments.external_url {
        Some(url) => Reach::Url(url.clone()),
        None => Reach::Service {
            namespace: arguments.namespace.clone(),
            name: arguments.service.clone(),
            port: arguments.service_port,
        },
    };
    let mut settings = webhooks::Settings::new(reach, served.ca_bundle.borrow().clone());
    settings.names = match arguments.webhook_names {
        WebhookNames::Portcullis => webhooks::WebhookNames::Portcullis,
        WebhookNames::Kyverno => webhooks::WebhookNames::Kyverno,
    };
    settings.timeout_seconds = i32::from(arguments.webhook_timeout);
    settings.ignore_failures = ignores_failures(arguments);
    if arguments.external_url.is_some() && !arguments.allow_fail {
        settings.longest_timeout_seconds = EXTERNAL_TIMEOUT;
    }
    settings
}

/// `webhooks` with what the ConfigMap decides of them.
pub(super) fn with(webhooks: webhooks::Settings, settings: &Settings) -> webhooks::Settings {
    let conditions = settings.match_conditions.iter().filter_map(typed::<MatchCondition>);
    webhooks::Settings {
        namespace_selector: typed::<LabelSelector>(&settings.namespace_selector),
        object_selector: typed::<LabelSelector>(&settings.object_selector),
        match_conditions: conditions.collect(),
        labels: settings.webhook_labels.iter().cloned().collect(),
        annotations: settings.webhook_annotations.iter().cloned().collect(),
        ..webhooks
    }
}

/// `value` as a type of the API; null is none.
fn typed<T: serde::de::DeserializeOwned>(value: &OwnedValue) -> Option<T> {
    let arena = Arena::new();
    let value = value.borrow(&arena);
    if value.is_null() {
        return None;
    }
    let read = serde_json::from_str(&json::Writer::compact().to_string(value));
    read.inspect_err(
        |error| tracing::warn!(%error, "a selector or condition of the configuration is not used"),
    )
    .ok()
}
