//! Jobs of mixed kinds that finished long ago.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use portcullis_cluster_tests::ClusterTest;
use serde_json::json;
use tokio::task::JoinSet;

/// How many Jobs are made at once.
const AT_ONCE: usize = 16;

/// The lots that Jobs are of, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lot {
    /// Nobody looks after it.
    Dangling,
    /// Nor after it, and it has a Pod.
    WithPods,
    /// It has an owner.
    Owned,
    /// It is marked to be kept.
    Kept,
    /// It finished only just now.
    Young,
    OfHelm,
}

const LOTS: [Lot; 8] = [
    Lot::Dangling,
    Lot::Owned,
    Lot::WithPods,
    Lot::Kept,
    Lot::Dangling,
    Lot::Young,
    Lot::OfHelm,
    Lot::Dangling,
];

impl Lot {
    pub(crate) fn of(number: usize) -> Lot {
        LOTS.into_iter().cycle().nth(number).unwrap_or(Lot::Dangling)
    }

    pub(crate) fn has(self, name: &str) -> bool {
        number(name).is_some_and(|number| Lot::of(number) == self)
    }
}

/// The name of Job number `number`; the first one finished first.
pub(crate) fn name(number: usize) -> String {
    format!("job-{number}")
}

pub(crate) fn number(name: &str) -> Option<usize> {
    name.strip_prefix("job-")?.parse().ok()
}

/// When it finished, in seconds since 1970-01-01 UTC.
pub(crate) fn finished(job: &Job) -> Option<i64> {
    let conditions = job.status.as_ref()?.conditions.as_ref()?;
    let complete = conditions.iter().find(|condition| condition.type_ == "Complete")?;
    Some(complete.last_transition_time.as_ref()?.0.as_second())
}

/// Creates so many Jobs that have finished, of all lots in turn.
pub(crate) async fn create_backlog(test: &ClusterTest, jobs: usize) -> Result<()> {
    let settings = json!({"metadata": {"name": "owner"}});
    let owner: ConfigMap =
        test.api().create(&PostParams::default(), &serde_json::from_value(settings)?).await?;
    let uid = owner.metadata.uid.context("an owner without a uid")?;
    let owner = BTreeMap::from([("name".to_owned(), "owner".to_owned()), ("uid".to_owned(), uid)]);
    for numbers in (0..jobs).collect::<Vec<_>>().chunks(AT_ONCE) {
        let mut created = JoinSet::new();
        for number in numbers {
            created.spawn(create(test.api(), test.api(), *number, owner.clone()));
        }
        created.join_all().await.into_iter().collect::<Result<()>>()?;
    }
    Ok(())
}

async fn create(
    jobs: Api<Job>,
    pods: Api<Pod>,
    number: usize,
    owner: BTreeMap<String, String>,
) -> Result<()> {
    let (name, lot) = (name(number), Lot::of(number));
    let job = jobs.create(&PostParams::default(), &finished_job(&name, lot, &owner)?).await?;
    if lot == Lot::WithPods {
        let pod = json!({
            "metadata": {
                "name": name,
                "ownerReferences": [{"apiVersion": "batch/v1", "kind": "Job", "name": name, "uid": job.metadata.uid}]
            },
            "spec": {"containers": [{"name": "main", "image": "registry.example.com/main:1.0.0"}], "restartPolicy": "Never"}
        });
        pods.create(&PostParams::default(), &serde_json::from_value(pod)?).await?;
    }
    let age = if lot == Lot::Young {
        SignedDuration::from_mins(5)
    } else {
        SignedDuration::from_hours(10_000)
            .checked_sub(SignedDuration::from_mins(i64::try_from(number)?))
            .context("an age")?
    };
    let time =
        |age| anyhow::Ok(Timestamp::now().checked_sub(age)?.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
    let ended = time(age)?;
    let condition = |kind: &str| json!({"type": kind, "status": "True", "lastTransitionTime": ended});
    // The controller says when it began, or we do; afterwards it cannot be changed.
    let has_begun = jobs.get(&name).await?.status.is_some_and(|status| status.start_time.is_some());
    let finish = |has_begun: bool| {
        let now = time(SignedDuration::ZERO)?;
        let conditions = [condition("SuccessCriteriaMet"), condition("Complete")];
        let status = match has_begun {
            true => json!({"completionTime": now, "succeeded": 1, "conditions": conditions}),
            false => {
                json!({"startTime": now, "completionTime": now, "succeeded": 1, "conditions": conditions})
            }
        };
        anyhow::Ok(Patch::Merge(json!({ "status": status })))
    };
    let parameters = PatchParams::default();
    if jobs.patch_status(&name, &parameters, &finish(has_begun)?).await.is_err() {
        // It said so in between.
        jobs.patch_status(&name, &parameters, &finish(true)?).await?;
    }
    Ok(())
}

/// A Job that no Pod is made for, so that its status is what it is given.
pub(crate) fn finished_job(name: &str, lot: Lot, owner: &BTreeMap<String, String>) -> Result<Job> {
    let labels = match lot {
        Lot::Kept => json!({"number": name, "portcullis.dev/keep": ""}),
        _ => json!({"number": name}),
    };
    let annotations = match lot {
        Lot::OfHelm => json!({"meta.helm.sh/release-name": "shop"}),
        _ => json!({}),
    };
    let owners = match lot {
        Lot::Owned => {
            json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": owner.get("name"), "uid": owner.get("uid")}])
        }
        _ => json!([]),
    };
    let containers = json!([{"name": "main", "image": "registry.example.com/main:1.0.0", "args": [name]}]);
    let job = json!({
        "apiVersion": "batch/v1", "kind": "Job",
        "metadata": {
            "name": name, "generateName": "job-",
            "labels": labels, "annotations": annotations, "ownerReferences": owners
        },
        "spec": {
            "parallelism": 0,
            "template": {"spec": {"restartPolicy": "Never", "containers": containers}}
        }
    });
    Ok(serde_json::from_value(job)?)
}
