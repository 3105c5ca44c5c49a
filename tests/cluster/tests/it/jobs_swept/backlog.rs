//! Jobs of mixed kinds that finished long ago.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use portcullis_cluster_tests::ClusterTest;
use serde_json::{Map, Value, json};
use tokio::task::JoinSet;

/// How many Jobs are made at once.
const AT_ONCE: usize = 32;

/// The lots that Jobs are of, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lot {
    /// Nobody looks after it.
    Dangling,
    /// Nor after it, and it has a Pod.
    WithPods,
    /// Nor after it, and it failed.
    Failed,
    /// It has an owner.
    Owned,
    /// It is marked to be kept.
    Kept,
    /// It finished only just now.
    Young,
    OfHelm,
    WithATtl,
    /// It has not finished.
    Running,
}

const LOTS: [Lot; 12] = [
    Lot::Dangling,
    Lot::Owned,
    Lot::WithPods,
    Lot::Kept,
    Lot::Failed,
    Lot::Young,
    Lot::OfHelm,
    Lot::Dangling,
    Lot::WithPods,
    Lot::WithATtl,
    Lot::Running,
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

/// Whether a plan of what finished long ago holds the Job of this name.
pub(crate) fn is_planned(name: &str) -> bool {
    [Lot::Dangling, Lot::WithPods, Lot::Failed].iter().any(|lot| lot.has(name))
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
    let end = conditions.iter().find(|condition| ["Complete", "Failed"].contains(&&*condition.type_))?;
    Some(end.last_transition_time.as_ref()?.0.as_second())
}

/// Creates so many Jobs, of all lots in turn.
pub(crate) async fn create_backlog(test: &ClusterTest, jobs: usize) -> Result<()> {
    let settings = json!({"metadata": {"name": "owner"}});
    let owner: ConfigMap =
        test.api().create(&PostParams::default(), &serde_json::from_value(settings)?).await?;
    let uid = owner.metadata.uid.context("an owner without a uid")?;
    let owner = BTreeMap::from([("name".to_owned(), "owner".to_owned()), ("uid".to_owned(), uid)]);
    let mut workers = JoinSet::new();
    for first in 0..AT_ONCE {
        let (jobs_of_test, pods, owner) = (test.api::<Job>(), test.api::<Pod>(), owner.clone());
        workers.spawn(async move {
            for number in (first..jobs).step_by(AT_ONCE) {
                create(&jobs_of_test, &pods, number, &owner).await?;
            }
            anyhow::Ok(())
        });
    }
    workers.join_all().await.into_iter().collect()
}

async fn create(
    jobs: &Api<Job>,
    pods: &Api<Pod>,
    number: usize,
    owner: &BTreeMap<String, String>,
) -> Result<()> {
    let (name, lot) = (name(number), Lot::of(number));
    let job = jobs.create(&PostParams::default(), &finished_job(&name, lot, owner)?).await?;
    if lot == Lot::Running {
        return Ok(());
    }
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
    let ends =
        if lot == Lot::Failed { ["FailureTarget", "Failed"] } else { ["SuccessCriteriaMet", "Complete"] };
    let finish = |starts: bool| {
        let now = time(SignedDuration::ZERO)?;
        let start = if starts { json!({"startTime": now}) } else { json!({}) };
        let end = match lot {
            Lot::Failed => json!({"failed": 1}),
            _ => json!({"succeeded": 1, "completionTime": now}),
        };
        let parts = [json!({"conditions": ends.map(condition)}), start, end];
        let status: Map<String, Value> =
            parts.iter().flat_map(|part| part.as_object().cloned().unwrap_or_default()).collect();
        anyhow::Ok(Patch::Merge(json!({"status": status})))
    };
    let parameters = PatchParams::default();
    if jobs.patch_status(&name, &parameters, &finish(true)?).await.is_err() {
        // The controller has said when it began, which cannot be changed afterwards.
        jobs.patch_status(&name, &parameters, &finish(false)?).await?;
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
    let ttl = (lot == Lot::WithATtl).then_some(i32::MAX);
    let job = json!({
        "apiVersion": "batch/v1", "kind": "Job",
        "metadata": {
            "name": name, "generateName": "job-",
            "labels": labels, "annotations": annotations, "ownerReferences": owners
        },
        "spec": {
            "parallelism": 0, "backoffLimit": 3, "activeDeadlineSeconds": 86_400, "ttlSecondsAfterFinished": ttl,
            "podFailurePolicy": {"rules": [
                {"action": "FailJob", "onExitCodes": {"containerName": "main", "operator": "In", "values": [42]}}
            ]},
            "template": {
                "metadata": {"labels": {"number": name}, "annotations": {"example.com/team": "reports"}},
                "spec": {
                    "restartPolicy": "Never",
                    "nodeSelector": {"kubernetes.io/os": "linux"},
                    "tolerations": [{"key": "spot", "operator": "Exists", "effect": "NoSchedule"}],
                    "securityContext": {"runAsNonRoot": true, "runAsUser": 1000},
                    "initContainers": [{"name": "wait", "image": "registry.example.com/wait:1.0.0"}],
                    "containers": [{
                        "name": "main", "image": "registry.example.com/main:1.0.0", "args": [name],
                        "env": [
                            {"name": "NUMBER", "value": name},
                            {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}
                        ],
                        "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"memory": "64Mi"}},
                        "volumeMounts": [{"name": "scratch", "mountPath": "/scratch"}]
                    }],
                    "volumes": [{"name": "scratch", "emptyDir": {"sizeLimit": "1Gi"}}]
                }
            }
        }
    });
    Ok(serde_json::from_value(job)?)
}
