//! The Deployment of Portcullis: waiting for its Pods to come and to go.

use std::cell::RefCell;
use std::io::Write as _;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use portcullis_cli::{Surroundings, hinted};

use super::{NAME, Site};

impl Site {
    /// Waits until all Pods of the newest version answer, and says how many do.
    ///
    /// # Errors
    /// They do not in time, with what the first one that does not waits for.
    pub(super) async fn until_ready(&self, surroundings: &mut Surroundings<'_>) -> anyhow::Result<()> {
        let progress = Progress::new(surroundings);
        let is_ready = |deployment: Option<&Deployment>| {
            deployment.is_some_and(|deployment| {
                let (ready, wanted) = replicas_ready(deployment);
                progress.tell(&format!("{ready} of {wanted} Pods are ready"));
                ready >= wanted
            })
        };
        match self.comes_true(self.namespaced(), NAME, is_ready).await? {
            true => Ok(()),
            false => Err(self.not_ready().await),
        }
    }

    /// Waits until no Pod is left that takes requests.
    pub(super) async fn until_stopped(&self, surroundings: &mut Surroundings<'_>) -> anyhow::Result<()> {
        let progress = Progress::new(surroundings);
        let is_stopped = |deployment: Option<&Deployment>| {
            let Some(deployment) = deployment else { return true };
            let left = deployment.status.as_ref().and_then(|status| status.replicas).unwrap_or(0);
            progress.tell(&format!("{left} Pods are left"));
            left == 0
        };
        if self.comes_true(self.namespaced(), NAME, is_stopped).await? {
            return Ok(());
        }
        Err(hinted(
            format!("the Pods of portcullis are still there after {} s", self.patience.as_secs()),
            Some(format!("`kubectl -n {} get pods` shows them", self.namespace)),
        ))
    }

    async fn not_ready(&self) -> anyhow::Error {
        let label = ListParams::default().labels("app.kubernetes.io/name=portcullis");
        // Whatever the reason, the Pods are not ready: what cannot be listed is no other error.
        let pods = self.namespaced::<Pod>().list(&label).await.map(|pods| pods.items).unwrap_or_default();
        let deployment = self.namespaced::<Deployment>().get(NAME).await.ok();
        let reason = pods.iter().find_map(waits_for);
        let reason = reason.or_else(|| deployment.as_ref().and_then(refused_pods));
        let reason = reason.unwrap_or_else(|| "their log says why".to_owned());
        hinted(
            format!("the Pods of portcullis are not ready after {} s: {reason}", self.patience.as_secs()),
            Some(format!(
                "`kubectl -n {0} describe pods` and `kubectl -n {0} logs deployment/portcullis` say more; \
                 `portcullis install` goes on waiting",
                self.namespace
            )),
        )
    }
}

/// How many Pods of the newest version are ready, and how many are wanted.
fn replicas_ready(deployment: &Deployment) -> (i32, i32) {
    let wanted = deployment.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
    let Some(status) = &deployment.status else { return (0, wanted) };
    // What is said of an earlier version does not count.
    if status.observed_generation < deployment.metadata.generation {
        return (0, wanted);
    }
    let updated = status.updated_replicas.unwrap_or(0);
    (updated.min(status.available_replicas.unwrap_or(0)), wanted)
}

/// What a Pod waits for, in the words of the scheduler or the kubelet.
fn waits_for(pod: &Pod) -> Option<String> {
    let name = pod.metadata.name.as_deref().unwrap_or_default();
    let status = pod.status.as_ref()?;
    let containers = status.container_statuses.iter().flatten();
    let waiting = containers.filter_map(|container| container.state.as_ref()?.waiting.as_ref());
    let mut waiting = waiting.filter_map(|waiting| waiting.reason.clone());
    let mut unscheduled = status.conditions.iter().flatten().filter(|condition| condition.status == "False");
    let reason = waiting.next().or_else(|| unscheduled.find_map(|condition| condition.message.clone()))?;
    Some(format!("`{name}` waits: {reason}"))
}

/// Why there is no Pod, in the words of who has refused it: a quota, Pod Security, a webhook.
fn refused_pods(deployment: &Deployment) -> Option<String> {
    let conditions = deployment.status.as_ref()?.conditions.iter().flatten();
    let mut failures =
        conditions.filter(|condition| condition.type_ == "ReplicaFailure" && condition.status == "True");
    failures.find_map(|condition| condition.message.clone())
}

/// Tells on standard error how far a wait has come, each time it has come further.
struct Progress<'p, 's> {
    told: RefCell<(String, &'p mut Surroundings<'s>)>,
}

impl<'p, 's> Progress<'p, 's> {
    fn new(surroundings: &'p mut Surroundings<'s>) -> Self {
        Self { told: RefCell::new((String::new(), surroundings)) }
    }

    fn tell(&self, text: &str) {
        let (told, surroundings) = &mut *self.told.borrow_mut();
        if told != text {
            text.clone_into(told);
            // Progress that cannot be shown is no reason to stop.
            let _ = writeln!(surroundings.stderr, "{text}");
            let _ = surroundings.stderr.flush();
        }
    }
}
