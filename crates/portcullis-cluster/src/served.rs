//! Asking the API server what it serves, and keeping the answer fresh.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{
    APIGroupList, APIResource, APIResourceList, APIVersions,
};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::sync::watch;

use crate::backoff::{Backoff, pause};
use crate::connection::Connection;
use crate::discovery::Discovery;
use crate::error::{ApiError, Asked};
use crate::index::Published;
use crate::reader::{Query, Reader};
use crate::readiness::Pending;

/// One answer for all groups; servers that do not know the format answer with a list of groups instead.
pub(crate) const AGGREGATED: &str =
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json";
const LONGEST_ANSWER: usize = 32 << 20;
/// How long an answer is used when nothing is heard of changes: aggregated API servers change without a definition.
const INTERVAL: Duration = Duration::from_secs(300);
/// A kind is served some time after its definition was written, and gone some time after it was deleted.
const AFTER_CHANGE: [Duration; 3] =
    [Duration::from_millis(200), Duration::from_secs(2), Duration::from_secs(10)];

/// Keeps [`Discovery`] fresh.
pub(crate) struct DiscoveryRefresh {
    pub(crate) reader: Reader,
    pub(crate) discovery: Arc<Published<Discovery>>,
    /// Released by the first answer.
    pub(crate) pending: Option<Pending>,
    /// Changes when kinds come and go.
    pub(crate) kinds: watch::Receiver<()>,
}

impl Connection {
    /// What the API server serves at this moment.
    ///
    /// # Errors
    /// The API server cannot be asked.
    pub async fn discovery(&self) -> Result<Discovery, ApiError> {
        let discovery = Published::new(Discovery::default());
        let kinds = watch::Sender::new(()).subscribe();
        let mut once = DiscoveryRefresh {
            reader: Reader::background(self),
            discovery: discovery.clone(),
            pending: None,
            kinds,
        };
        once.refresh().await?;
        Ok((*discovery.load()).clone())
    }
}

impl DiscoveryRefresh {
    /// Asks for ever; dropping the future ends it.
    pub(crate) async fn run(mut self) -> Infallible {
        let mut backoff = Backoff::standard();
        let mut after_change = AFTER_CHANGE.iter();
        // Said once, not every time.
        let mut failure = None;
        loop {
            self.kinds.mark_unchanged();
            let wait = match self.refresh().await {
                Ok(()) => {
                    backoff.reset();
                    failure = None;
                    after_change.next().copied().unwrap_or(INTERVAL)
                }
                Err(error) => {
                    let error = error.to_string();
                    if failure.as_ref() != Some(&error) {
                        tracing::warn!(error, "cannot ask which kinds there are, trying again");
                    }
                    failure = Some(error);
                    backoff.next_delay()
                }
            };
            tokio::select! {
                () = pause(wait) => {}
                Ok(()) = self.kinds.changed() => {
                    after_change = AFTER_CHANGE.iter();
                    pause(after_change.next().copied().unwrap_or(INTERVAL)).await;
                }
            }
        }
    }

    async fn refresh(&mut self) -> Result<(), ApiError> {
        let mut lists = self.lists("/api").await?;
        lists.extend(self.lists("/apis").await?);
        let next = Discovery::new(&lists);
        if *self.discovery.load() != next {
            tracing::debug!(resources = next.resources().len(), "discovery has changed");
            self.discovery.store(next);
        }
        self.pending = None;
        Ok(())
    }

    /// The resources of all group versions under `root`.
    async fn lists(&self, root: &str) -> Result<Vec<APIResourceList>, ApiError> {
        let query = query(root, AGGREGATED);
        let body = self.reader.read(&query).await?;
        let answer: Kind = decode(&query, &body)?;
        if answer.kind == "APIGroupDiscoveryList" {
            let groups: Groups = decode(&query, &body)?;
            return Ok(groups.items.iter().flat_map(|group| self.group(group)).collect());
        }
        let group_versions = if root == "/api" {
            decode::<APIVersions>(&query, &body)?.versions
        } else {
            let groups = decode::<APIGroupList>(&query, &body)?.groups;
            groups.into_iter().flat_map(|group| group.versions).map(|version| version.group_version).collect()
        };
        let mut lists = Vec::new();
        for group_version in group_versions {
            lists.push(self.list(root, &group_version).await?);
        }
        Ok(lists)
    }

    /// The lists of one group in the aggregated answer.
    fn group(&self, group: &Group) -> Vec<APIResourceList> {
        let name = &group.metadata.name;
        let list = |version: &Version| {
            let version_name = &version.version;
            let group_version =
                if name.is_empty() { version_name.clone() } else { format!("{name}/{version_name}") };
            // The API server behind this group version does not answer: it will serve the same when it is back.
            if version.freshness == "Stale" && version.resources.is_empty() {
                return self.known(&group_version);
            }
            let resources = version.resources.iter().flat_map(Resource::lines).collect();
            APIResourceList { group_version, resources }
        };
        group.versions.iter().map(list).collect()
    }

    /// The list of one group version, from servers without aggregated discovery.
    async fn list(&self, root: &str, group_version: &str) -> Result<APIResourceList, ApiError> {
        let query = query(&format!("{root}/{group_version}"), "application/json");
        match self.reader.read(&query).await {
            Ok(body) => decode(&query, &body),
            // Gone in between.
            Err(ApiError::NotFound { .. }) => Ok(APIResourceList::default()),
            // One aggregated API server that is down does not take the others along.
            Err(ApiError::Refused { code: 500..600, .. }) => Ok(self.known(group_version)),
            Err(error) => Err(error),
        }
    }

    /// What was known of a group version.
    fn known(&self, group_version: &str) -> APIResourceList {
        let (group, version) = group_version.split_once('/').unwrap_or(("", group_version));
        let discovery = self.discovery.load();
        let same = discovery
            .resources()
            .iter()
            .filter(|served| served.group.as_ref() == group && served.version.as_ref() == version);
        let resources = same
            .map(|served| {
                let name = match served.subresource.as_ref() {
                    "" => served.resource.to_string(),
                    subresource => format!("{}/{subresource}", served.resource),
                };
                line(name, &served.kind, served.namespaced)
            })
            .collect();
        APIResourceList { group_version: group_version.to_owned(), resources }
    }
}

fn query(path: &str, accept: &'static str) -> Query {
    let asked = Asked { verb: "get", resource: path.to_owned() };
    Query { asked, path: path.to_owned(), accept, limit: LONGEST_ANSWER }
}

fn decode<T: DeserializeOwned>(query: &Query, body: &[u8]) -> Result<T, ApiError> {
    serde_json::from_slice(body)
        .map_err(|error| ApiError::Unreadable { asked: query.asked.clone(), reason: error.to_string() })
}

fn line(name: String, kind: &str, namespaced: bool) -> APIResource {
    APIResource { name, kind: kind.to_owned(), namespaced, ..APIResource::default() }
}

#[derive(Deserialize)]
struct Kind {
    #[serde(default)]
    kind: String,
}

// The parts of `apidiscovery.k8s.io/v2` that are read.

#[derive(Deserialize)]
struct Groups {
    #[serde(default)]
    items: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    #[serde(default)]
    metadata: GroupMetadata,
    #[serde(default)]
    versions: Vec<Version>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct GroupMetadata {
    /// Missing for the core group.
    name: String,
}

#[derive(Deserialize)]
struct Version {
    version: String,
    #[serde(default)]
    resources: Vec<Resource>,
    #[serde(default)]
    freshness: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Resource {
    resource: String,
    response_kind: Option<Kind>,
    #[serde(default)]
    scope: String,
    #[serde(default)]
    subresources: Vec<Subresource>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Subresource {
    subresource: String,
    response_kind: Option<Kind>,
}

impl Resource {
    /// The resource and its subresources, as a list of one group version says them.
    fn lines(&self) -> Vec<APIResource> {
        let namespaced = self.scope == "Namespaced";
        let kind = |kind: &Option<Kind>| kind.as_ref().map_or_else(String::new, |kind| kind.kind.clone());
        let own = line(self.resource.clone(), &kind(&self.response_kind), namespaced);
        let sub = |sub: &Subresource| {
            line(format!("{}/{}", self.resource, sub.subresource), &kind(&sub.response_kind), namespaced)
        };
        std::iter::once(own).chain(self.subresources.iter().map(sub)).collect()
    }
}

#[cfg(test)]
mod tests;
