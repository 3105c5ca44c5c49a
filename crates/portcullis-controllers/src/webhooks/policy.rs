//! The webhook that looks at policies while they are written.

use k8s_openapi::api::admissionregistration::v1::{
    RuleWithOperations, ValidatingWebhook, ValidatingWebhookConfiguration,
};

use super::{Settings, metadata};

/// The configuration by which the API server asks us about policies.
///
/// It fails open: a policy that was written while nobody answered is looked at when it is loaded, and its status says
/// what is wrong with it.
pub fn policy_configuration(settings: &Settings) -> ValidatingWebhookConfiguration {
    let names = settings.names;
    let list = |items: &[&str]| Some(items.iter().map(|item| (*item).to_owned()).collect());
    let webhook = ValidatingWebhook {
        name: names.policy_webhook().to_owned(),
        admission_review_versions: vec!["v1".to_owned()],
        client_config: settings.client_config("/policyvalidate"),
        failure_policy: Some("Ignore".to_owned()),
        match_policy: Some("Equivalent".to_owned()),
        rules: Some(vec![RuleWithOperations {
            api_groups: list(&["kyverno.io"]),
            api_versions: list(&["v1", "v2beta1"]),
            operations: list(&["CREATE", "UPDATE"]),
            resources: list(&["clusterpolicies", "policies"]),
            scope: Some("*".to_owned()),
        }]),
        side_effects: "None".to_owned(),
        timeout_seconds: Some(settings.timeout(0)),
        ..ValidatingWebhook::default()
    };
    ValidatingWebhookConfiguration {
        metadata: metadata(names.policy_configuration(), settings),
        webhooks: Some(vec![webhook]),
    }
}
