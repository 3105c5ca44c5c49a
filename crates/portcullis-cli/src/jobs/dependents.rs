//! What Jobs own, and so would go with them: found by lists of metadata alone.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use clap::ValueEnum;
use portcullis_cluster::{ApiError, Asked, Connection, Extent, ListQuery, encoded};
use portcullis_retention::{Backlog, protects_owner};
use portcullis_value::{Arena, Value};

use super::fetch::text;
use super::progress::Progress;
use crate::exit::cannot;

/// Which kinds are looked through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Kinds {
    /// PersistentVolumeClaims, ConfigMaps, Secrets, Services, Jobs, and the Workloads of Kueue
    #[default]
    Usual,
    /// All that the API server serves
    All,
}

/// As RBAC names the kind.
const JOBS: &str = "jobs.batch";

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// What each Job owns, by its number: how many of each kind.
    pub(super) owned: BTreeMap<u32, BTreeMap<String, u32>>,
    /// The kinds that could not be listed.
    pub(super) unlistable: Vec<String>,
}

/// A kind whose objects are listed.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Listed {
    kind: String,
    /// As RBAC names it: `jobs.batch`.
    resource: String,
    /// `/apis/batch/v1`.
    root: String,
    /// `jobs`.
    plural: String,
    namespaced: bool,
}

impl Listed {
    fn new(group: &str, version: &str, plural: &str, kind: &str, namespaced: bool) -> Self {
        let (root, resource) = match group {
            "" => (format!("/api/{version}"), plural.to_owned()),
            group => (format!("/apis/{group}/{version}"), format!("{plural}.{group}")),
        };
        Self { kind: kind.to_owned(), resource, root, plural: plural.to_owned(), namespaced }
    }

    fn path(&self, namespace: Option<&str>) -> String {
        match namespace.filter(|_| self.namespaced) {
            Some(name) => format!("{}/namespaces/{}/{}", self.root, encoded(name), self.plural),
            None => format!("{}/{}", self.root, self.plural),
        }
    }
}

/// The Jobs whose dependents are looked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Searched<'s> {
    pub(super) backlog: &'s Backlog,
    /// By their numbers.
    pub(super) jobs: &'s [u32],
    /// The uids of all Jobs that own others, once for each of these, where somebody has gone through all Jobs already.
    pub(super) owners: Option<&'s [Box<str>]>,
}

/// Looks for what Jobs own in `namespaces`, everywhere where one is `None`.
///
/// # Errors
/// The API server fails; a kind that may not be listed is no failure.
pub(super) async fn search(
    connection: &Connection,
    namespaces: &[Option<&str>],
    kinds: Kinds,
    searched: Searched<'_>,
    progress: &mut Progress<'_, '_>,
) -> anyhow::Result<Found> {
    let mut found = Found::default();
    if searched.jobs.is_empty() {
        return Ok(found);
    }
    let owners = Owners::new(searched.backlog, searched.jobs);
    let mut each = |uid: &str, kind: &str| {
        if let Some(index) = owners.find(uid) {
            let count = found.owned.entry(index).or_default().entry(kind.to_owned()).or_default();
            *count = count.saturating_add(1);
        }
    };
    let served = match kinds {
        Kinds::Usual => usual(connection).await,
        Kinds::All => all(connection).await.map(|listed| (listed, Vec::new())),
    };
    let (mut listed, unknown) = served.map_err(|error| cannot("ask which kinds there are", &error))?;
    found.unlistable = unknown;
    if let Some(owners) = searched.owners {
        listed.retain(|listed| listed.resource != JOBS);
        owners.iter().for_each(|uid| each(uid, "Job"));
    }
    let unlistable = each_owner(connection, namespaces, &listed, each, progress).await?;
    found.unlistable.extend(unlistable);
    Ok(found)
}

/// What was found of the objects that Jobs are left alone for.
#[derive(Debug, Default)]
pub(super) struct FoundProtecting {
    /// One kind of what each Job owns, by the uid of the Job.
    pub(super) kinds: BTreeMap<String, String>,
    /// The kinds that could not be listed.
    pub(super) unlistable: Vec<String>,
}

/// Looks for what the Jobs of `namespace` own and are left alone for.
///
/// # Errors
/// The API server fails; a kind that may not be listed is no failure.
pub(super) async fn search_protecting(
    connection: &Connection,
    namespace: &str,
    progress: &mut Progress<'_, '_>,
) -> anyhow::Result<FoundProtecting> {
    let served = usual(connection).await.map_err(|error| cannot("ask which kinds there are", &error))?;
    let (listed, mut unlistable) = served;
    let protecting: Vec<Listed> = listed.into_iter().filter(|listed| protects_owner(&listed.kind)).collect();
    let mut kinds = BTreeMap::new();
    let each = |uid: &str, kind: &str| {
        kinds.insert(uid.to_owned(), kind.to_owned());
    };
    unlistable.extend(each_owner(connection, &[Some(namespace)], &protecting, each, progress).await?);
    Ok(FoundProtecting { kinds, unlistable })
}

/// Tells `each` of the uid of every owner of an object of the kinds `listed`, and of the kind. The kinds that could not be
/// listed.
async fn each_owner(
    connection: &Connection,
    namespaces: &[Option<&str>],
    listed: &[Listed],
    mut each: impl FnMut(&str, &str),
    progress: &mut Progress<'_, '_>,
) -> anyhow::Result<Vec<String>> {
    let mut unlistable = Vec::new();
    for listed in listed {
        progress.show(&format!("looking for {} that the Jobs own", listed.resource));
        for namespace in namespaces {
            let object = |object: Value<'_>| {
                let owners = object.path(&["metadata", "ownerReferences"]).and_then(Value::as_array);
                for owner in owners.unwrap_or_default() {
                    each(text(*owner, &["uid"]), &listed.kind);
                }
            };
            let path = listed.path(*namespace);
            let query = ListQuery::all(&listed.resource, &path, Extent::Metadata);
            match connection.each_object(&query, object).await {
                // A kind that came and went has no objects.
                Ok(()) | Err(ApiError::NotFound { .. }) => {}
                Err(ApiError::Forbidden { .. } | ApiError::Refused { .. } | ApiError::Unreadable { .. }) => {
                    unlistable.push(listed.resource.clone());
                    break;
                }
                Err(error) => return Err(cannot(&format!("list `{}`", listed.resource), &error)),
            }
            if !listed.namespaced {
                break;
            }
        }
    }
    Ok(unlistable)
}

/// The Jobs by their uids, in a few bytes each.
struct Owners<'b> {
    backlog: &'b Backlog,
    /// A hash of the uid, and the number of the Job, in order.
    by_hash: Vec<(u64, u32)>,
}

impl<'b> Owners<'b> {
    fn new(backlog: &'b Backlog, jobs: &[u32]) -> Self {
        let hashed = |index: &u32| backlog.job(*index as usize).map(|job| (hash(&job.uid()), *index));
        let mut by_hash: Vec<_> = jobs.iter().filter_map(hashed).collect();
        by_hash.sort_unstable();
        Self { backlog, by_hash }
    }

    fn find(&self, uid: &str) -> Option<u32> {
        let hash = hash(uid);
        let start = self.by_hash.partition_point(|(other, _)| *other < hash);
        let alike = self.by_hash.iter().skip(start).take_while(|(other, _)| *other == hash);
        let is_it = |index: u32| self.backlog.job(index as usize).is_some_and(|job| job.uid() == uid);
        alike.map(|(_, index)| *index).find(|index| is_it(*index))
    }
}

fn hash(uid: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    uid.hash(&mut hasher);
    hasher.finish()
}

/// The kinds that Jobs own in practice, and the names of those of which nobody may know whether they are served.
async fn usual(connection: &Connection) -> Result<(Vec<Listed>, Vec<String>), ApiError> {
    let core = [
        ("persistentvolumeclaims", "PersistentVolumeClaim"),
        ("configmaps", "ConfigMap"),
        ("secrets", "Secret"),
        ("services", "Service"),
    ];
    let mut listed: Vec<_> =
        core.iter().map(|(plural, kind)| Listed::new("", "v1", plural, kind, true)).collect();
    listed.push(Listed::new("batch", "v1", "jobs", "Job", true));
    let mut unknown = Vec::new();
    let (kueue, workloads) = ("kueue.x-k8s.io", "workloads");
    let asked = Asked { verb: "get", resource: kueue.to_owned() };
    match connection.get(asked.clone(), &format!("/apis/{kueue}"), Extent::Whole).await {
        Ok(answer) => {
            let arena = Arena::new();
            let group = answer.document(&arena, asked)?;
            let version = text(group, &["preferredVersion", "version"]);
            listed.push(Listed::new(kueue, version, workloads, "Workload", true));
        }
        // Kueue is not installed.
        Err(ApiError::NotFound { .. }) => {}
        Err(ApiError::Forbidden { .. }) => unknown.push(format!("{workloads}.{kueue}")),
        Err(error) => return Err(error),
    }
    Ok((listed, unknown))
}

/// All kinds that can be listed, each in the version that the API server prefers.
async fn all(connection: &Connection) -> Result<Vec<Listed>, ApiError> {
    let mut listed = Vec::new();
    for root in ["/api", "/apis"] {
        let asked = Asked { verb: "get", resource: root.to_owned() };
        let answer = connection.get(asked.clone(), root, Extent::Discovery).await?;
        let arena = Arena::new();
        let groups = answer.document(&arena, asked)?;
        for group in groups.get("items").and_then(Value::as_array).unwrap_or_default() {
            listed.extend(of_group(*group));
        }
    }
    Ok(listed)
}

/// The kinds of a group of aggregated discovery.
fn of_group(group: Value<'_>) -> Vec<Listed> {
    let name = text(group, &["metadata", "name"]);
    // Versions stand in the order of preference.
    let Some(version) = group.get("versions").and_then(|versions| versions.at(0)) else { return Vec::new() };
    let resources = version.get("resources").and_then(Value::as_array).unwrap_or_default().iter();
    let listable = resources.filter(|resource| {
        let verbs = resource.get("verbs").and_then(Value::as_array).unwrap_or_default();
        verbs.iter().any(|verb| verb.as_str() == Some("list"))
    });
    let listed = listable.map(|resource| {
        let kind = text(*resource, &["responseKind", "kind"]);
        let is_namespaced = text(*resource, &["scope"]) == "Namespaced";
        Listed::new(name, text(version, &["version"]), text(*resource, &["resource"]), kind, is_namespaced)
    });
    // Pods of a Job go with it, as everybody expects; what happened to it is no part of it.
    listed.filter(|listed| !matches!(&*listed.kind, "Pod" | "Event")).collect()
}

#[cfg(test)]
mod tests {
    use portcullis_value::json;

    use super::*;

    #[test]
    fn kinds_that_can_be_listed_are_taken_in_the_version_that_is_preferred() {
        let arena = Arena::new();
        let group = json::read(
            &arena,
            r#"{"metadata":{"name":"a.b"},"versions":[
              {"version":"v2","resources":[
                {"resource":"things","responseKind":{"kind":"Thing"},"scope":"Namespaced","verbs":["get","list"]},
                {"resource":"reviews","responseKind":{"kind":"Review"},"scope":"Cluster","verbs":["create"]},
                {"resource":"events","responseKind":{"kind":"Event"},"scope":"Namespaced","verbs":["list"]}]},
              {"version":"v1","resources":[
                {"resource":"old","responseKind":{"kind":"Old"},"scope":"Namespaced","verbs":["list"]}]}]}"#,
        );
        let listed = of_group(group.unwrap());
        assert_eq!(listed, [Listed::new("a.b", "v2", "things", "Thing", true)]);
        assert_eq!(listed[0].path(Some("team-a")), "/apis/a.b/v2/namespaces/team-a/things");
        assert_eq!(Listed::new("", "v1", "nodes", "Node", false).path(Some("team-a")), "/api/v1/nodes");
    }
}
