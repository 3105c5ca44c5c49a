//! The webhooks that look at policies, and exceptions to them, while they are written.

use k8s_openapi::api::admissionregistration::v1::{
    RuleWithOperations, ValidatingWebhook, ValidatingWebhookConfiguration,
};

use super::{Settings, metadata};

/// The configuration by which the API server asks us about policies and exceptions.
///
/// It fails open: what was written while nobody answered is looked at when it is loaded. The status of a policy says
/// what is wrong with it; an exception with a mistake excepts nothing.
pub fn policy_configuration(settings: &Settings) -> ValidatingWebhookConfiguration {
    let names = settings.names;
    let policies = webhook(
        settings,
        (names.policy_webhook(), "/policyvalidate"),
        &["v1", "v2beta1"],
        &["clusterpolicies", "policies"],
    );
    let exceptions = webhook(
        settings,
        (names.exception_webhook(), "/exceptionvalidate"),
        &["v2", "v2beta1"],
        &["policyexceptions"],
    );
    ValidatingWebhookConfiguration {
        metadata: metadata(names.policy_configuration(), settings),
        webhooks: Some(vec![policies, exceptions]),
    }
}

fn webhook(
    settings: &Settings,
    (name, path): (&str, &str),
    versions: &[&str],
    resources: &[&str],
) -> ValidatingWebhook {
    let list = |items: &[&str]| Some(items.iter().map(|item| (*item).to_owned()).collect());
    ValidatingWebhook {
        name: name.to_owned(),
        admission_review_versions: vec!["v1".to_owned()],
        client_config: settings.client_config(path),
        failure_policy: Some("Ignore".to_owned()),
        match_policy: Some("Equivalent".to_owned()),
        rules: Some(vec![RuleWithOperations {
            api_groups: list(&["kyverno.io"]),
            api_versions: list(versions),
            operations: list(&["CREATE", "UPDATE"]),
            resources: list(resources),
            scope: Some("*".to_owned()),
        }]),
        side_effects: "None".to_owned(),
        timeout_seconds: Some(settings.timeout(0)),
        ..ValidatingWebhook::default()
    }
}
