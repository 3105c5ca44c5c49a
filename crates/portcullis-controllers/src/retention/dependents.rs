//! What Jobs own that is missed when it goes along: PersistentVolumeClaims, other Jobs, and Workloads of Kueue.
//!
//! Of each such object the uids of the Jobs that own it are kept, and of one that no Job owns nothing.

use std::collections::BTreeSet;
use std::time::Duration;

use portcullis_cluster::{Cluster, Followed, Keeper, Read};
use portcullis_retention::jobs_among;
use portcullis_value::{Arena, Value, json};
use tokio::time::{Instant, timeout_at};

/// How long rounds wait for the first list of them. After that they say that it is not known.
const PATIENCE: Duration = Duration::from_secs(10);

/// The uids of the Jobs that own an object.
pub(super) type Owners = Vec<Box<str>>;

/// What is followed beside the Jobs.
#[derive(Debug, Default)]
pub(super) struct Dependents {
    claims: Option<Followed<Owners>>,
    /// With the path where they are listed.
    workloads: Option<(String, Followed<Owners>)>,
    /// Until when rounds wait for the first list.
    patience: Option<Instant>,
}

impl Dependents {
    /// Follows what there is of them by now, or nothing where nobody needs to know.
    pub(super) fn follow(&mut self, cluster: &Cluster, is_needed: bool) {
        if !is_needed {
            *self = Self::default();
            return;
        }
        if self.claims.is_none() {
            self.claims = Some(cluster.follow_volume_claims(OwnersOf));
            self.patience = Some(Instant::now() + PATIENCE);
        }
        let discovery = cluster.discovery.load();
        let workloads = discovery.preferred(|gvk| (gvk.group, gvk.kind) == ("kueue.x-k8s.io", "Workload"));
        let path = workloads.first().map(|workloads| workloads.path(None));
        if self.workloads.as_ref().map(|(path, _)| path) != path.as_ref() {
            self.workloads = None;
            self.workloads = path.map(|path| {
                let followed = cluster.follow_workloads(&path, OwnersOf);
                self.patience = Some(Instant::now() + PATIENCE);
                (path, followed)
            });
        }
    }

    fn all(&self) -> impl Iterator<Item = &Followed<Owners>> {
        self.claims.iter().chain(self.workloads.as_ref().map(|(_, followed)| followed))
    }

    /// Returns when all of them were listed once, or after a while.
    pub(super) async fn listed(&self) {
        let listed = async {
            for followed in self.all() {
                followed.listed.ready().await;
            }
        };
        if let Some(patience) = self.patience {
            let _ = timeout_at(patience, listed).await;
        }
    }

    /// The Jobs that own one of them, by their uids.
    pub(super) fn owners(&self) -> BTreeSet<Box<str>> {
        let kept = self.all().flat_map(|followed| followed.kept.all());
        kept.flat_map(|(_, owners)| Owners::clone(&owners)).collect()
    }

    /// Why it is not known which Jobs own some, if it is not.
    pub(super) fn gap(&self) -> Option<String> {
        self.all().find_map(|followed| {
            let why = followed.gap()?;
            Some(format!("which Jobs own `{}` is not known: {why}", followed.resource()))
        })
    }
}

/// Keeps of an object which Jobs own it.
#[derive(Debug)]
struct OwnersOf;

impl Keeper for OwnersOf {
    type Kept = Owners;

    fn read(&self, text: &str) -> Result<Read<Owners>, String> {
        let arena = Arena::new();
        let object = json::read(&arena, text).map_err(|error| error.to_string())?;
        let uid = object.path(&["metadata", "uid"]).and_then(Value::as_str).ok_or("it has no uid")?;
        let owners = jobs_among(object.path(&["metadata", "ownerReferences"]).unwrap_or_default());
        Ok(Read { uid: uid.into(), kept: Some(owners).filter(|owners| !owners.is_empty()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_an_object_that_no_job_owns_nothing_is_kept() {
        let read = |owners: &str| {
            OwnersOf
                .read(&format!(r#"{{"metadata":{{"uid":"c","ownerReferences":{owners}}}}}"#))
                .unwrap()
                .kept
        };
        let job = r#"[{"apiVersion":"batch/v1","kind":"Job","uid":"j"}]"#;
        assert_eq!(read(job), Some(vec!["j".into()]));
        assert_eq!(read(&job.replace("Job", "CronJob")), None);
        assert_eq!(read("null"), None);
        assert!(OwnersOf.read("{}").is_err());
    }
}
