//! The corpus `admission`: what is said to whoever creates a policy, and the status and webhooks that are derived from it.
//!
//! The recorded answers are those of the reference with one policy in the cluster, under its own names and with the
//! selectors of its installation. What is left out here beyond that is taken off before comparing. A policy that never
//! refuses a request is asked at an `-ignore` webhook here, where the reference may have a `-fail` one.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhook, RuleWithOperations, ValidatingWebhook, WebhookClientConfig,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{
    APIResource, APIResourceList, LabelSelector, LabelSelectorRequirement,
};
use portcullis_cluster::discovery::Discovery;
use portcullis_controllers::policy_admission;
use portcullis_controllers::webhooks::{Configurations, Reach, Settings, WebhookNames};
use portcullis_kyverno::status::{PolicyStatus, Readiness, autogen};
use portcullis_kyverno::webhooks::WebhookNeeds;
use portcullis_kyverno::{Lookups, Policy};
use portcullis_value::{Arena, Value, json};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::corpus::{Case, Corpus, Finding, files, read_text};
use crate::policy_validation::Expected;
use crate::pruned::Schemas;
use crate::reviews::rule_kinds;

pub(crate) const CORPUS: Corpus = Corpus { name: "admission", cases };

/// A file of the corpus, as far as it is compared.
#[derive(Deserialize)]
struct Recorded {
    id: String,
    policy: Box<RawValue>,
    created: Expected,
    /// Missing where the policy was refused, as the next is.
    status: Option<Box<RawValue>>,
    webhooks: Option<Vec<Webhook>>,
}

/// A webhook, with the configuration that it stands in and the path of its client.
#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Webhook {
    configuration: String,
    name: String,
    path: String,
    failure_policy: Option<String>,
    match_policy: Option<String>,
    side_effects: String,
    timeout_seconds: Option<i32>,
    reinvocation_policy: Option<String>,
    admission_review_versions: Vec<String>,
    namespace_selector: Option<LabelSelector>,
    object_selector: Option<LabelSelector>,
    rules: Option<Vec<RuleWithOperations>>,
}

fn cases(root: &Path) -> Result<Vec<Case>> {
    let discovery = Arc::new(read_discovery(root)?);
    let schemas = Schemas::of_definitions()?;
    let mut cases = Vec::new();
    for path in files(&root.join("admission"), "adm-")? {
        let recorded: Recorded = serde_json::from_str(&read_text(&path)?)
            .with_context(|| format!("cannot read `{}`", path.display()))?;
        let Recorded { id, policy, created, status, webhooks } = recorded;
        let policy: Arc<RawValue> = policy.into();
        let mut kept = serde_json::from_str(policy.get())?;
        schemas.prune(&mut kept);
        let (class, served) = (created_class(policy.get())?, Arc::clone(&discovery));
        let check = move || check_created(&kept.to_string(), &created, &served);
        cases.push(Case::new(format!("{id}/created"), class, check));
        if let Some(status) = status {
            let policy = Arc::clone(&policy);
            let check = move || check_status(policy.get(), status.get());
            cases.push(Case::new(format!("{id}/status"), "status", check));
        }
        if let Some(webhooks) = webhooks {
            let discovery = Arc::clone(&discovery);
            let check = move || check_webhooks(policy.get(), webhooks, &discovery);
            cases.push(Case::new(format!("{id}/webhooks"), "webhooks", check));
        }
    }
    Ok(cases)
}

/// The discovery documents of the API server that the answers come from.
pub(crate) fn read_discovery(root: &Path) -> Result<Discovery> {
    #[derive(Deserialize)]
    struct Document {
        resources: Vec<Resource>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Resource {
        group_version: String,
        #[serde(flatten)]
        resource: APIResource,
    }
    let text = read_text(&root.join("admission/discovery.json"))?;
    let document: Document = serde_json::from_str(&text).context("discovery.json")?;
    let mut lists: BTreeMap<String, Vec<APIResource>> = BTreeMap::new();
    for Resource { group_version, resource } in document.resources {
        lists.entry(group_version).or_default().push(resource);
    }
    let lists: Vec<_> = lists
        .into_iter()
        .map(|(group_version, resources)| APIResourceList { group_version, resources })
        .collect();
    Ok(Discovery::new(&lists))
}

/// A class of its own for policies with CEL, where the reference warns of types.
fn created_class(policy: &str) -> Result<&'static str> {
    let arena = Arena::new();
    let kinds = rule_kinds(json::read(&arena, policy).context("policy")?);
    Ok(if kinds.contains("validate.cel") { "created validate.cel" } else { "created" })
}

/// The policy is accepted or refused in the reference's words, and each of its warnings is among those here.
fn check_created(policy: &str, want: &Expected, discovery: &Discovery) -> Finding {
    let arena = Arena::new();
    let got = policy_admission(read(&arena, policy)?, Some(discovery), false, 0, Lookups::default());
    want.compare(got.refusal.as_deref())?;
    match want.warnings.iter().find(|warning| !got.warnings.contains(warning)) {
        None => Ok(()),
        Some(missing) => Err(format!("does not warn: {missing}\ngot  {}", got.warnings.join("\n     "))),
    }
}

fn check_status(policy: &str, want: &str) -> Finding {
    let arena = Arena::new();
    let (policy, want) = (read(&arena, policy)?, read(&arena, want)?);
    let status = PolicyStatus::of(policy, Ok(&Policy::compile(policy)), Lookups::default());
    let got = status.to_value(&arena, Value::Null, "").with(&arena, &["autogen"], autogen(&arena, policy));
    let mut compared = vec!["rulecount", "autogen"];
    if status.readiness == Readiness::Ready {
        compared.push("conditions");
    }
    for field in compared {
        let part = |status: Value<'_>| status.get(field).map(|part| without_times(&arena, part).to_string());
        let (got, want) = (part(got), part(want));
        if got != want {
            let shown = |part: Option<String>| part.unwrap_or_default();
            return Err(format!("{field} differ\nwant {}\ngot  {}", shown(want), shown(got)));
        }
    }
    Ok(())
}

/// `conditions` as they are recorded: without the times of their changes.
fn without_times<'a>(arena: &'a Arena, part: Value<'_>) -> Value<'a> {
    let part = part.copy_to(arena);
    let Value::Array(conditions) = part else { return part };
    let conditions: Vec<_> =
        conditions.iter().map(|condition| condition.without(arena, &["lastTransitionTime"])).collect();
    arena.array(&conditions)
}

fn check_webhooks(policy: &str, mut want: Vec<Webhook>, discovery: &Discovery) -> Finding {
    let arena = Arena::new();
    let policy = read(&arena, policy)?;
    if !enforces(policy.get("spec").unwrap_or_default()) {
        for webhook in want.iter_mut().filter(|webhook| webhook.configuration == "validating") {
            "validate.kyverno.svc-ignore".clone_into(&mut webhook.name);
            "/validate/ignore".clone_into(&mut webhook.path);
            webhook.failure_policy = Some("Ignore".to_owned());
        }
    }
    let configurations = Configurations::of([&WebhookNeeds::of(policy)], discovery, &settings());
    let mutating = configurations.mutating.webhooks.into_iter().flatten().map(Webhook::mutating);
    let validating = configurations.validating.webhooks.into_iter().flatten().map(Webhook::validating);
    let got: Vec<_> = mutating.chain(validating).collect();
    if got == want {
        return Ok(());
    }
    Err(format!("webhooks differ\nwant {want:#?}\ngot  {got:#?}"))
}

/// The settings of the installation that the answers come from.
fn settings() -> Settings {
    let service =
        Reach::Service { namespace: "kyverno".to_owned(), name: "kyverno-svc".to_owned(), port: 443 };
    let excluded = |namespace: &str| LabelSelectorRequirement {
        key: "kubernetes.io/metadata.name".to_owned(),
        operator: "NotIn".to_owned(),
        values: Some(vec![namespace.to_owned()]),
    };
    Settings {
        names: WebhookNames::Kyverno,
        namespace_selector: Some(LabelSelector {
            match_expressions: Some(vec![excluded("kube-system"), excluded("kyverno")]),
            ..LabelSelector::default()
        }),
        ..Settings::new(service, Vec::new())
    }
}

impl Webhook {
    /// The webhook of ours, without what is left out here on top.
    fn mutating(webhook: MutatingWebhook) -> Self {
        Self {
            configuration: "mutating".to_owned(),
            name: webhook.name,
            path: path(webhook.client_config),
            failure_policy: webhook.failure_policy,
            match_policy: webhook.match_policy,
            side_effects: webhook.side_effects,
            timeout_seconds: webhook.timeout_seconds,
            reinvocation_policy: webhook.reinvocation_policy,
            admission_review_versions: webhook.admission_review_versions,
            namespace_selector: webhook.namespace_selector.map(without_ours),
            object_selector: webhook.object_selector,
            rules: webhook.rules,
        }
    }

    /// The same of a validating one.
    fn validating(webhook: ValidatingWebhook) -> Self {
        Self {
            configuration: "validating".to_owned(),
            name: webhook.name,
            path: path(webhook.client_config),
            failure_policy: webhook.failure_policy,
            match_policy: webhook.match_policy,
            side_effects: webhook.side_effects,
            timeout_seconds: webhook.timeout_seconds,
            reinvocation_policy: None,
            admission_review_versions: webhook.admission_review_versions,
            namespace_selector: webhook.namespace_selector.map(without_ours),
            object_selector: webhook.object_selector,
            rules: webhook.rules,
        }
    }
}

fn path(client: WebhookClientConfig) -> String {
    client.service.and_then(|service| service.path).unwrap_or_default()
}

/// The selector without the namespaces that are always left out here.
fn without_ours(mut selector: LabelSelector) -> LabelSelector {
    let ours = ["kube-node-lease", "kube-system", "kyverno"];
    if let Some(expressions) = &mut selector.match_expressions {
        expressions.retain(|expression| expression.values.as_ref().is_none_or(|values| *values != ours));
    }
    selector
}

/// Whether the action of any rule or override is to enforce, told from the policy as it is written.
fn enforces(spec: Value<'_>) -> bool {
    let is_enforce = |holder: Value<'_>, field: &str| {
        matches!(holder.get(field).and_then(Value::as_str), Some("Enforce" | "enforce"))
    };
    let any_override = |holder: Value<'_>, field: &str| {
        let overrides = holder.get(field).and_then(Value::as_array).unwrap_or_default();
        overrides.iter().any(|item| is_enforce(*item, "action"))
    };
    let rules = spec.get("rules").and_then(Value::as_array).unwrap_or_default();
    rules.iter().filter_map(|rule| rule.get("validate")).any(|validate| {
        any_override(validate, "failureActionOverrides")
            || match validate.get("failureAction") {
                Some(_) => is_enforce(validate, "failureAction"),
                None => {
                    is_enforce(spec, "validationFailureAction")
                        || any_override(spec, "validationFailureActionOverrides")
                }
            }
    })
}

fn read<'a>(arena: &'a Arena, document: &'a str) -> Result<Value<'a>, String> {
    json::read(arena, document).map_err(|error| error.to_string())
}
