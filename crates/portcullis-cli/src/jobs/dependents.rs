//! What Jobs own, and so would go with them: found by lists of metadata alone.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use clap::ValueEnum;
use portcullis_cluster::{ApiError, Asked, Connection, Extent, ListQuery, encoded};
use portcullis_retention::{Backlog, jobs_among, protects_owner};
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
    /// The kinds that could not be listed, and where.
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
/// The API server fails; a kind that may not be listed is no failure, nor is one that fails alone and protects no Job.
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
        Kinds::All => all(connection).await,
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

/// Tells `each` of the uid of every Job that owns an object of the kinds `listed`, and of the kind. The kinds that could not be
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
        // What is not in a namespace is listed once.
        let places = if listed.namespaced { namespaces } else { &[None] };
        let mut unlisted = Vec::new();
        for namespace in places {
            match owners_of(connection, listed, *namespace).await {
                Ok(owners) => owners.iter().for_each(|uid| each(uid, &listed.kind)),
                // A kind that came and went has no objects.
                Err(ApiError::NotFound { .. }) => {}
                Err(error) if is_only_its_own(&error, &listed.kind) => unlisted.push(*namespace),
                Err(error) => return Err(cannot(&format!("list `{}`", listed.resource), &error)),
            }
        }
        if unlisted.len() == places.len() {
            unlistable.push(listed.resource.clone());
        } else {
            let named = unlisted.into_iter().flatten();
            unlistable.extend(named.map(|namespace| format!("{} in `{namespace}`", listed.resource)));
        }
    }
    Ok(unlistable)
}

/// Whether the failure is a matter of this kind, without which the search goes on: nobody may list it, or it fails and protects
/// no Job.
fn is_only_its_own(error: &ApiError, kind: &str) -> bool {
    match error {
        ApiError::Forbidden { .. } | ApiError::Refused { code: ..500, .. } => true,
        ApiError::Refused { .. } | ApiError::Unreadable { .. } => !protects_owner(kind),
        _ => false,
    }
}

/// The uids of the Jobs that own an object of this kind, once for each object.
async fn owners_of(
    connection: &Connection,
    listed: &Listed,
    namespace: Option<&str>,
) -> Result<Vec<Box<str>>, ApiError> {
    let path = listed.path(namespace);
    let query = ListQuery::all(&listed.resource, &path, Extent::Metadata);
    let gathered = connection.gathered(&query, |owners: &mut Vec<_>, object| {
        owners.extend(jobs_among(object.path(&["metadata", "ownerReferences"]).unwrap_or_default()));
    });
    gathered.await
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

/// The usual kinds and all others that can be listed, and what of them is not known.
async fn all(connection: &Connection) -> Result<(Vec<Listed>, Vec<String>), ApiError> {
    let (mut listed, mut unknown) = usual(connection).await?;
    for root in ["/api", "/apis"] {
        let asked = Asked { verb: "get", resource: root.to_owned() };
        let answer = connection.get(asked.clone(), root, Extent::Discovery).await?;
        let arena = Arena::new();
        let groups = answer.document(&arena, asked)?;
        let Some(groups) = groups.get("items").and_then(Value::as_array) else {
            unknown.push(format!(
                "what lies at `{root}` beside the usual kinds (Kubernetes 1.30 and later tell)"
            ));
            continue;
        };
        for group in groups {
            let (kinds, stale) = of_group(*group);
            unknown.extend(stale);
            listed.extend(kinds);
        }
    }
    let mut seen = BTreeSet::new();
    listed.retain(|listed| seen.insert(listed.resource.clone()));
    Ok((listed, unknown))
}

/// The kinds of a group of aggregated discovery, each in the version that the API server prefers of those that have it, and the
/// versions behind which nobody answers.
fn of_group(group: Value<'_>) -> (Vec<Listed>, Vec<String>) {
    let name = text(group, &["metadata", "name"]);
    let (mut all, mut stale): (Vec<Listed>, Vec<String>) = Default::default();
    // Versions stand in the order of preference.
    for version in group.get("versions").and_then(Value::as_array).unwrap_or_default() {
        let resources = version.get("resources").and_then(Value::as_array).unwrap_or_default();
        let number = text(*version, &["version"]);
        if resources.is_empty() && text(*version, &["freshness"]) == "Stale" {
            stale.push(format!("{name}/{number}"));
        }
        let listable = resources.iter().filter(|resource| {
            let verbs = resource.get("verbs").and_then(Value::as_array).unwrap_or_default();
            verbs.iter().any(|verb| verb.as_str() == Some("list"))
        });
        for resource in listable {
            let kind = text(*resource, &["responseKind", "kind"]);
            let is_namespaced = text(*resource, &["scope"]) == "Namespaced";
            let listed = Listed::new(name, number, text(*resource, &["resource"]), kind, is_namespaced);
            // Pods of a Job go with it, as everybody expects; what happened to it is no part of it.
            let is_passed_over = matches!(kind, "Pod" | "Event");
            if !is_passed_over && !all.iter().any(|other| other.resource == listed.resource) {
                all.push(listed);
            }
        }
    }
    (all, stale)
}

#[cfg(test)]
mod tests {
    use portcullis_value::json;

    use super::*;
    use crate::jobs::scripted::Scripted;
    use crate::surroundings::Stream;

    /// What `jobs` owns in the namespaces `a` and `b`, where lists of these paths are answered so.
    async fn found(answers: Vec<(&'static str, u16, String)>) -> anyhow::Result<(Vec<String>, Vec<String>)> {
        let connection = Scripted::new(answers).connection();
        let mut stderr = Stream::plain(std::io::sink());
        let mut progress = Progress::on(&mut stderr);
        let mut owners = Vec::new();
        let (listed, _) = usual(&connection).await?;
        let each = |uid: &str, kind: &str| owners.push(format!("{uid} {kind}"));
        let unlistable =
            each_owner(&connection, &[Some("a"), Some("b")], &listed, each, &mut progress).await?;
        Ok((owners, unlistable))
    }

    #[tokio::test]
    async fn a_namespace_that_may_not_be_looked_into_hides_no_other_and_a_failure_is_one() {
        let owner = |kind: &str| {
            format!(
                r#"{{"items":[{{"metadata":{{"ownerReferences":[{{"apiVersion":"batch/v1","kind":"{kind}","uid":"u"}}]}}}}]}}"#
            )
        };
        let answers = |code: u16, path: &'static str| {
            vec![
                (path, code, "{}".to_owned()),
                ("/namespaces/b/persistentvolumeclaims", 200, owner("Job")),
                ("/namespaces/b/configmaps", 200, owner("CronJob")),
            ]
        };
        let (owners, unlistable) = found(answers(403, "/namespaces/a/persistentvolumeclaims")).await.unwrap();
        assert_eq!(owners, ["u PersistentVolumeClaim"]);
        assert_eq!(unlistable, ["persistentvolumeclaims in `a`"]);
        assert_eq!(found(answers(403, "/namespaces/a/secrets")).await.unwrap().1, ["secrets in `a`"]);
        let error = found(answers(500, "/namespaces/a/persistentvolumeclaims")).await.unwrap_err();
        assert!(error.to_string().starts_with("cannot list `persistentvolumeclaims`"), "{error}");
        assert_eq!(found(answers(500, "/namespaces/a/secrets")).await.unwrap().1, ["secrets in `a`"]);
    }

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
                {"resource":"things","responseKind":{"kind":"Thing"},"scope":"Namespaced","verbs":["list"]},
                {"resource":"old","responseKind":{"kind":"Old"},"scope":"Namespaced","verbs":["list"]}]},
              {"version":"v0","freshness":"Stale","resources":[]}]}"#,
        );
        let (listed, stale) = of_group(group.unwrap());
        let new = |version, plural, kind| Listed::new("a.b", version, plural, kind, true);
        assert_eq!(listed, [new("v2", "things", "Thing"), new("v1", "old", "Old")]);
        assert_eq!(stale, ["a.b/v0"]);
        assert_eq!(listed[0].path(Some("team-a")), "/apis/a.b/v2/namespaces/team-a/things");
        assert_eq!(Listed::new("", "v1", "nodes", "Node", false).path(Some("team-a")), "/api/v1/nodes");
    }
}
