//! Webhooks of others that stand before the Pods of Portcullis: two engines that guard each other both stay down once both are.

use std::collections::BTreeMap;
use std::fmt;

use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, RuleWithOperations, ValidatingWebhook, ValidatingWebhookConfiguration,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};
use kube::api::ListParams;
use kube::{Resource, ResourceExt as _};
use portcullis_cli::{Surroundings, warning};
use portcullis_controllers::webhooks::MANAGED_BY;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{NAME, Site};

type Labels = BTreeMap<String, String>;

impl Site {
    /// Warns of each configuration by which somebody else decides, failing closed, whether Pods of Portcullis come up.
    pub(super) async fn warn_of_guards(&self, surroundings: &mut Surroundings<'_>) -> anyhow::Result<()> {
        let namespace = self.own_namespace().await?.unwrap_or_default();
        let mut guards = self.guards::<MutatingWebhookConfiguration>(namespace.labels()).await?;
        guards.extend(self.guards::<ValidatingWebhookConfiguration>(namespace.labels()).await?);
        for name in guards {
            let message = format!(
                "`{name}` fails closed on the Pods of portcullis: while who is called there does not answer, none comes up; \
                 docs/operations.md tells how two engines leave out each other"
            );
            warning(&mut surroundings.stderr, &message);
        }
        Ok(())
    }

    /// The names of the configurations of others that guard our Pods.
    async fn guards<K>(&self, namespace: &Labels) -> anyhow::Result<Vec<String>>
    where
        K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Serialize + fmt::Debug,
    {
        let theirs = ListParams::default().labels(&format!("{}!={}", MANAGED_BY.0, MANAGED_BY.1));
        let listed = self.all::<K>().list(&theirs).await;
        let listed = listed.map_err(|error| self.told("list", &K::plural(&()), &error))?;
        let guards = listed.into_iter().filter(|configuration| {
            // The webhooks of both kinds say the same of what they are called about.
            let mut json = serde_json::to_value(configuration).unwrap_or_default();
            let webhooks = json.get_mut("webhooks").map(serde_json::Value::take).unwrap_or_default();
            let webhooks: Vec<ValidatingWebhook> = serde_json::from_value(webhooks).unwrap_or_default();
            webhooks.iter().any(|webhook| guards(webhook, namespace))
        });
        Ok(guards.map(|configuration| configuration.name_any()).collect())
    }
}

/// Whether a webhook refuses Pods of ours when nobody answers. What conditions of it come to only the API server knows: a
/// webhook with some is given the benefit of the doubt.
fn guards(webhook: &ValidatingWebhook, namespace: &Labels) -> bool {
    let pod = Labels::from([("app.kubernetes.io/name".to_owned(), NAME.to_owned())]);
    webhook.failure_policy.as_deref() != Some("Ignore")
        && webhook.match_conditions.as_ref().is_none_or(Vec::is_empty)
        && selects(webhook.namespace_selector.as_ref(), namespace)
        && selects(webhook.object_selector.as_ref(), &pod)
        && webhook.rules.iter().flatten().any(is_about_new_pods)
}

fn is_about_new_pods(rule: &RuleWithOperations) -> bool {
    let names = |list: &Option<Vec<String>>, names: [&str; 3]| {
        list.iter().flatten().any(|name| names.contains(&name.as_str()))
    };
    names(&rule.api_groups, ["", "*", "*"])
        && names(&rule.resources, ["pods", "*", "*/*"])
        && names(&rule.operations, ["CREATE", "*", "*"])
        && rule.scope.as_deref() != Some("Cluster")
}

fn selects(selector: Option<&LabelSelector>, labels: &Labels) -> bool {
    let Some(selector) = selector else { return true };
    selector.match_labels.iter().flatten().all(|(key, value)| labels.get(key) == Some(value))
        && selector.match_expressions.iter().flatten().all(|requirement| holds(requirement, labels))
}

fn holds(requirement: &LabelSelectorRequirement, labels: &Labels) -> bool {
    let value = labels.get(&requirement.key);
    let is_among = value.is_some_and(|value| requirement.values.iter().flatten().any(|known| known == value));
    match &*requirement.operator {
        "In" => is_among,
        "NotIn" => !is_among,
        "Exists" => value.is_some(),
        // `DoesNotExist`: there is no other.
        _ => value.is_none(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn is_guarded_by(change: impl Fn(&mut Value)) -> bool {
        let mut webhook = json!({
            "name": "validate.example.com",
            "admissionReviewVersions": ["v1"],
            "sideEffects": "None",
            "clientConfig": {},
            "namespaceSelector": {"matchExpressions": [
                {"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": ["kube-system"]},
            ]},
            "rules": [{"apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*"], "operations": ["CREATE"]}],
        });
        change(&mut webhook);
        let namespace = Labels::from([("kubernetes.io/metadata.name".to_owned(), "portcullis".to_owned())]);
        guards(&serde_json::from_value(webhook).unwrap(), &namespace)
    }

    #[test]
    fn a_webhook_guards_our_pods_unless_it_leaves_them_out_or_fails_open() {
        assert!(is_guarded_by(|_| ()), "who says nothing of failures fails closed");
        assert!(!is_guarded_by(|webhook| webhook["failurePolicy"] = json!("Ignore")));
        assert!(!is_guarded_by(|webhook| webhook["rules"][0]["resources"] = json!(["deployments"])));
        assert!(!is_guarded_by(|webhook| webhook["rules"][0]["operations"] = json!(["UPDATE", "DELETE"])));
        assert!(!is_guarded_by(|webhook| {
            webhook["namespaceSelector"]["matchExpressions"][0]["values"] =
                json!(["kube-system", "portcullis"]);
        }));
        let of_others = json!({"matchLabels": {"app.kubernetes.io/name": "other"}});
        assert!(!is_guarded_by(|webhook| webhook["objectSelector"] = of_others.clone()));
    }
}
