//! Keeps the webhook configurations in the cluster as they are to be.
//!
//! They are written when the policies in force need something else, and put back when somebody else has changed them.
//! Who changes them again and again is not fought: after three times we stop, and say so, until there is news. A webhook
//! that the API server refuses is left out, so that the others are there.

mod refusals;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::time::Duration;

use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration,
};
use kube::api::{DeleteParams, ListParams, PostParams};
use kube::{Api, Resource};
use portcullis_cluster::{ApiError, Asked, Connection};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;
use tokio::time::Instant;

use self::refusals::{has_conditions, name, refusals, without_conditions};
use crate::webhooks::{Configurations, MANAGED_BY};

/// Who writes, in `metadata.managedFields`.
pub const FIELD_MANAGER: &str = "portcullis";

/// How often the configurations are looked at when nothing is new.
pub const LOOK_AFTER: Duration = Duration::from_secs(5);

/// How often within [`QUARREL`] a change by somebody else is undone.
const MOST_RESTORED: usize = 3;
const QUARREL: Duration = Duration::from_secs(300);

/// What one look at the configurations led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kept {
    /// They were as they are to be.
    Unchanged,
    Written,
    /// Somebody had changed them; they are as they are to be again.
    Restored,
    /// Somebody changes them again and again; they are left as they are.
    Contested,
}

/// What came of writing one configuration.
enum Attempt {
    Put {
        /// Whether it was anything else before.
        changed: bool,
    },
    /// Nothing was written: these webhooks would have been others.
    Lost(Refused),
}

/// Keeps the configurations of one engine.
#[derive(Debug)]
pub struct Arming {
    connection: Connection,
    wanted: Option<Written>,
    restored: VecDeque<Instant>,
    refused: Refused,
    /// Whether the API server is known to keep the conditions of webhooks.
    keeps_conditions: bool,
}

/// The three configurations as they were written last.
type Written = (MutatingWebhookConfiguration, ValidatingWebhookConfiguration, ValidatingWebhookConfiguration);

/// The webhooks that the API server does not take by their names, each with the reason: conditions that do not compile, or
/// that it does not know.
pub type Refused = BTreeMap<String, String>;

impl Arming {
    pub fn new(connection: Connection) -> Self {
        let (restored, refused) = (VecDeque::new(), Refused::new());
        Self { connection, wanted: None, restored, refused, keeps_conditions: false }
    }

    /// The webhooks that were left out of the last configurations, by their names, each with the reason.
    pub fn refused(&self) -> &Refused {
        &self.refused
    }

    /// Writes `configurations` where the cluster holds something else.
    ///
    /// # Errors
    /// The API server does not take them. What was written before stays.
    pub async fn keep(
        &mut self,
        configurations: &Configurations,
        policy: &ValidatingWebhookConfiguration,
    ) -> Result<Kept, kube::Error> {
        let Configurations { mutating: wanted_mutating, validating: wanted_validating, .. } = configurations;
        let is_news = self.wanted.as_ref().is_none_or(|(mutating, validating, of_policies)| {
            (mutating, validating, of_policies) != (wanted_mutating, wanted_validating, policy)
        });
        if is_news {
            self.restored.clear();
            self.refused.clear();
        }
        while self.restored.front().is_some_and(|restored| restored.elapsed() > QUARREL) {
            self.restored.pop_front();
        }
        let may_write = is_news || self.restored.len() < MOST_RESTORED;
        let client = self.connection.background();
        let mutating: Api<MutatingWebhookConfiguration> = Api::all(client.clone());
        let validating: Api<ValidatingWebhookConfiguration> = Api::all(client.clone());
        let changed = self.put_accepted(&mutating, wanted_mutating, may_write).await?
            | self.put_accepted(&validating, wanted_validating, may_write).await?
            | put(&validating, policy, may_write).await?;
        let wanted = || Some((wanted_mutating.clone(), wanted_validating.clone(), policy.clone()));
        Ok(match (changed, is_news) {
            (false, _) => {
                self.wanted = wanted();
                Kept::Unchanged
            }
            (true, true) => {
                self.wanted = wanted();
                Kept::Written
            }
            (true, false) if !may_write => Kept::Contested,
            (true, false) => {
                self.restored.push_back(Instant::now());
                Kept::Restored
            }
        })
    }

    /// Brings one configuration to what is wanted without what the API server does not take of it. Says whether it was
    /// anything else.
    async fn put_accepted<K>(
        &mut self,
        api: &Api<K>,
        wanted: &K,
        may_write: bool,
    ) -> Result<bool, kube::Error>
    where
        K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Serialize + fmt::Debug,
    {
        loop {
            let accepted = without(wanted, &self.refused)?;
            let found = match self.attempt(api, &accepted, may_write).await {
                Ok(Attempt::Put { changed }) => return Ok(changed),
                Ok(Attempt::Lost(found)) => found,
                Err(kube::Error::Api(status)) if status.code == 422 => {
                    let found = refusals(&as_json(&accepted), &status);
                    if found.is_empty() {
                        return Err(kube::Error::Api(status));
                    }
                    found
                }
                Err(error) => return Err(error),
            };
            for (webhook, reason) in &found {
                tracing::error!(webhook, reason, "the API server does not take a webhook, which is left out");
            }
            self.refused.extend(found);
        }
    }

    /// Puts `accepted` in place, unless the API server would drop conditions, by which webhooks ask about less.
    async fn attempt<K>(
        &mut self,
        api: &Api<K>,
        accepted: &K,
        may_write: bool,
    ) -> Result<Attempt, kube::Error>
    where
        K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Serialize + fmt::Debug,
    {
        let wanted = as_json(accepted);
        if may_write && !self.keeps_conditions && has_conditions(&wanted) {
            let current = api.get_opt(name_of(accepted)).await?;
            let taken = write(api, accepted, current.as_ref(), true).await?;
            let lost = without_conditions(&wanted, &as_json(&taken));
            if !lost.is_empty() {
                return Ok(Attempt::Lost(lost));
            }
            self.keeps_conditions = true;
        }
        Ok(Attempt::Put { changed: put(api, accepted, may_write).await? })
    }

    /// Forgets what was written, so that the next [`Arming::keep`] is news.
    pub fn forget(&mut self) {
        self.wanted = None;
    }
}

/// Removes every configuration that carries our label. Returns the names.
///
/// # Errors
/// The API server cannot be asked, or refuses.
pub async fn disarm(connection: &Connection) -> Result<Vec<String>, ApiError> {
    let mut removed = remove::<MutatingWebhookConfiguration>(connection).await?;
    removed.extend(remove::<ValidatingWebhookConfiguration>(connection).await?);
    Ok(removed)
}

async fn remove<K>(connection: &Connection) -> Result<Vec<String>, ApiError>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + fmt::Debug,
{
    let api: Api<K> = Api::all(connection.background().clone());
    let failed = |verb, error: &kube::Error| {
        let resource = format!("{}.{}", K::plural(&()), K::group(&()));
        ApiError::from_client(Asked { verb, resource }, connection.server(), error)
    };
    let ours = ListParams::default().labels(&format!("{}={}", MANAGED_BY.0, MANAGED_BY.1));
    let mut removed = Vec::new();
    for configuration in api.list_metadata(&ours).await.map_err(|error| failed("list", &error))? {
        let Some(name) = configuration.metadata.name else { continue };
        match api.delete(&name, &DeleteParams::default()).await {
            Ok(_) => removed.push(name),
            Err(kube::Error::Api(status)) if status.is_not_found() => {}
            Err(error) => return Err(failed("delete", &error)),
        }
    }
    Ok(removed)
}

/// `wanted` without the webhooks that are refused.
fn without<K: Clone + DeserializeOwned + Serialize>(wanted: &K, refused: &Refused) -> Result<K, kube::Error> {
    if refused.is_empty() {
        return Ok(wanted.clone());
    }
    let mut json = as_json(wanted);
    if let Some(Json::Array(webhooks)) = json.get_mut("webhooks") {
        webhooks.retain(|webhook| !name(webhook).is_some_and(|name| refused.contains_key(name)));
    }
    serde_json::from_value(json).map_err(kube::Error::SerdeError)
}

/// Brings one configuration to what is wanted. Says whether it was anything else.
async fn put<K>(api: &Api<K>, wanted: &K, may_write: bool) -> Result<bool, kube::Error>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Serialize + fmt::Debug,
{
    let current = api.get_opt(name_of(wanted)).await?;
    if current.as_ref().is_some_and(|current| is_as_wanted(&as_json(current), &as_json(wanted))) {
        return Ok(false);
    }
    if may_write {
        write(api, wanted, current.as_ref(), false).await?;
    }
    Ok(true)
}

/// Writes `wanted` in the place of `current`, and returns what the API server has made of it.
async fn write<K>(api: &Api<K>, wanted: &K, current: Option<&K>, dry_run: bool) -> Result<K, kube::Error>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Serialize + fmt::Debug,
{
    let parameters = PostParams { dry_run, field_manager: Some(FIELD_MANAGER.to_owned()) };
    let Some(current) = current else {
        return api.create(&parameters, wanted).await;
    };
    let mut wanted = wanted.clone();
    // What another writer does between our look and our write is a conflict, and looked at again.
    wanted.meta_mut().resource_version = current.meta().resource_version.clone();
    api.replace(name_of(&wanted), &parameters, &wanted).await
}

fn name_of<K: Resource>(configuration: &K) -> &str {
    configuration.meta().name.as_deref().unwrap_or_default()
}

fn as_json(object: &impl Serialize) -> Json {
    // Both are plain data of the API.
    serde_json::to_value(object).unwrap_or_default()
}

/// Whether `current` says what `wanted` says: the same webhooks, and at least the same labels, annotations and owners.
fn is_as_wanted(current: &Json, wanted: &Json) -> bool {
    let at = |document: &Json, pointer: &str| document.pointer(pointer).cloned().unwrap_or_default();
    let has_all = |pointer: &str| {
        let (current, wanted) = (at(current, pointer), at(wanted, pointer));
        wanted
            .as_object()
            .is_none_or(|wanted| wanted.iter().all(|(key, value)| current.get(key) == Some(value)))
    };
    let items = |document: &Json, pointer: &str| match at(document, pointer) {
        Json::Array(items) => items,
        _ => Vec::new(),
    };
    let owners = items(current, "/metadata/ownerReferences");
    let has_owners = items(wanted, "/metadata/ownerReferences").iter().all(|owner| owners.contains(owner));
    // An API server leaves out an empty list.
    let webhooks = |document: &Json| match without_empty(&at(document, "/webhooks")) {
        Json::Array(webhooks) => webhooks,
        _ => Vec::new(),
    };
    has_owners
        && has_all("/metadata/labels")
        && has_all("/metadata/annotations")
        && webhooks(current) == webhooks(wanted)
}

/// `value` without what an API server leaves out or fills in when it is empty.
fn without_empty(value: &Json) -> Json {
    let is_something = |value: &Json| match value {
        Json::Null => false,
        Json::Object(object) => !object.is_empty(),
        Json::Array(items) => !items.is_empty(),
        _ => true,
    };
    match value {
        Json::Object(object) => {
            let fields = object.iter().map(|(key, value)| (key.clone(), without_empty(value)));
            Json::Object(fields.filter(|(_, value)| is_something(value)).collect())
        }
        Json::Array(items) => Json::Array(items.iter().map(without_empty).collect()),
        value => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_an_api_server_fills_in_is_no_change_and_what_a_person_adds_is_one() {
        let wanted = json!({
            "metadata": {"name": "w", "labels": {"ours": "yes"}},
            "webhooks": [{"name": "a", "objectSelector": {}, "namespaceSelector": {"matchExpressions": [1]}}],
        });
        let mut current = wanted.clone();
        current["metadata"]["labels"]["theirs"] = json!("too");
        current["metadata"]["uid"] = json!("1");
        current["webhooks"][0]["matchConditions"] = json!(null);
        assert!(is_as_wanted(&current, &wanted));
        let mut narrowed = current.clone();
        narrowed["webhooks"][0]["objectSelector"] = json!({"matchLabels": {"app": "a"}});
        assert!(!is_as_wanted(&narrowed, &wanted));
        let mut owned = wanted.clone();
        owned["metadata"]["ownerReferences"] = json!([{"kind": "Namespace", "uid": "2"}]);
        assert!(!is_as_wanted(&current, &owned), "an owner is missing");
        let mut unlabelled = current;
        unlabelled["metadata"]["labels"] = json!({});
        assert!(!is_as_wanted(&unlabelled, &wanted));
    }
}
