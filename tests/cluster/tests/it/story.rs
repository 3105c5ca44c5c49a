//! What tests with Portcullis have in common: policies in force, the examples, Jobs.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::events::v1::Event;
use kube::Api;
use kube::api::{DeleteParams, ListParams, PartialObjectMeta, Patch, PatchParams};
use portcullis_cluster_tests::{ClusterTest, CommandOutput, Portcullis, cluster_test, wait};
use serde_json::{Value, json};

/// The annotation that says which rule changed what.
pub(crate) const RECORD: &str = "policies.kyverno.io/last-applied-patches";

/// What it says of a Job under the founding policy.
pub(crate) const RECORDED_TTL: &str =
    "add-ttl-to-dangling-job.add-ttl-to-dangling-job.kyverno.io: added /spec/ttlSecondsAfterFinished\n";

/// The folders of the other example policies. Each has a `policy.yaml`.
pub(crate) const OTHER_EXAMPLES: [&str; 6] = [
    "cached-tool-image",
    "no-load-balancers",
    "pre-stop-hooks",
    "proxy-buffer-sizes",
    "ready-addresses-only",
    "spot-or-on-demand",
];

/// A file of the examples.
#[expect(clippy::disallowed_methods, reason = "a test that reads what the repository shows")]
pub(crate) fn example(path: &str) -> Result<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(path);
    std::fs::read_to_string(&path).with_context(|| format!("cannot read `{}`", path.display()))
}

/// The founding policy.
pub(crate) fn founding_policy() -> Result<String> {
    example("dangling-jobs/add-ttl-to-dangling-job.yaml")
}

/// Runs a test with Portcullis at work; there is no policy yet.
pub(crate) fn serving(
    test: impl AsyncFnOnce(&ClusterTest, &mut Portcullis<'_, '_>) -> Result<()>,
) -> Result<()> {
    serving_with(&[], test)
}

/// The same with further arguments for `portcullis serve`.
pub(crate) fn serving_with(
    arguments: &[&str],
    test: impl AsyncFnOnce(&ClusterTest, &mut Portcullis<'_, '_>) -> Result<()>,
) -> Result<()> {
    cluster_test(async |prepared| {
        let body = async |portcullis: &mut Portcullis<'_, '_>| test(prepared, portcullis).await;
        Portcullis::during(prepared.control_plane, arguments, body).await
    })
}

/// Runs a test under the founding policy.
pub(crate) fn founded(
    test: impl AsyncFnOnce(&ClusterTest, &mut Portcullis<'_, '_>) -> Result<()>,
) -> Result<()> {
    serving(async |prepared, portcullis| {
        portcullis.put_in_force(&founding_policy()?).await?.succeeded()?;
        until_shown(prepared, &job("probe", ""), "ttlSecondsAfterFinished: 900").await?;
        test(prepared, portcullis).await
    })
}

/// Waits until the creation of an object shows a text, in the object or in what is said of it. It leaves no trace.
///
/// An API server hears of new webhooks a moment after they are written.
pub(crate) async fn until_shown(test: &ClusterTest, document: &str, text: &str) -> Result<()> {
    wait::until(&format!("`{text}` when an object is created"), async || {
        let created = create(test, document, &["--dry-run=server"]).await?;
        let shown = format!("{}{}", created.stdout, created.stderr);
        ensure!(shown.contains(text), "{shown}");
        Ok(Some(()))
    })
    .await
}

/// Creates objects by kubectl, which prints them as YAML.
pub(crate) async fn create(test: &ClusterTest, documents: &str, options: &[&str]) -> Result<CommandOutput> {
    let arguments = [&["create", "-f", "-", "-o", "yaml"], options].concat();
    test.control_plane.kubectl(&test.namespace).run_with(&arguments, documents).await
}

/// A Job; `spec` is added to its specification, a line each.
pub(crate) fn job(name: &str, spec: &str) -> String {
    let spec: String = spec.lines().map(|line| format!("  {line}\n")).collect();
    format!(
        "\
apiVersion: batch/v1
kind: Job
metadata:
  name: {name}
spec:
{spec}  template:
    spec:
      restartPolicy: Never
      containers:
      - name: main
        image: registry.example.com/main:1.0.0
"
    )
}

/// The Job of this name in the namespace of the test.
pub(crate) async fn get_job(test: &ClusterTest, name: &str) -> Result<Job> {
    test.api::<Job>().get(name).await.with_context(|| format!("cannot get the Job `{name}`"))
}

/// Its time to live in seconds.
pub(crate) fn ttl(job: &Job) -> Option<i32> {
    job.spec.as_ref()?.ttl_seconds_after_finished
}

/// Its mutation record.
pub(crate) fn record(job: &Job) -> Option<&str> {
    job.metadata.annotations.as_ref()?.get(RECORD).map(String::as_str)
}

/// Whether it is there and has finished, well or not.
pub(crate) fn is_finished(job: Option<&Job>) -> bool {
    job.is_some_and(|job| has_condition(job, "Complete") || has_condition(job, "Failed"))
}

/// Whether the condition of this type is `True`.
pub(crate) fn has_condition(job: &Job, condition_type: &str) -> bool {
    let conditions = job.status.iter().flat_map(|status| status.conditions.iter().flatten());
    conditions.into_iter().any(|condition| condition.type_ == condition_type && condition.status == "True")
}

/// The status of a cluster-wide policy.
pub(crate) async fn status_of(test: &ClusterTest, policy: &str) -> Result<Value> {
    let text =
        test.kubectl(&["get", "clusterpolicy", policy, "-o", "jsonpath={.status}"]).await?.succeeded()?;
    if text.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_str(&text).with_context(|| format!("the status `{text}`"))
}

/// Waits until the condition `Ready` of a cluster-wide policy is `True` or `False`, and returns it.
pub(crate) async fn until_ready_is(test: &ClusterTest, policy: &str, status: &str) -> Result<Value> {
    wait::until(&format!("`{policy}` to be Ready={status}"), async || {
        let found = status_of(test, policy).await?;
        let conditions = found.pointer("/conditions").and_then(Value::as_array).into_iter().flatten();
        let ready = conditions.filter(|condition| condition.pointer("/type") == Some(&"Ready".into()));
        let mut is_so = ready.filter(|condition| condition.pointer("/status") == Some(&status.into()));
        Ok(is_so.next().cloned())
    })
    .await
}

/// Waits for an Event on a policy and returns what it says.
pub(crate) async fn until_event(test: &ClusterTest, policy: &str, reason: &str) -> Result<String> {
    wait::until(&format!("an Event `{reason}` on `{policy}`"), async || {
        let key = format!("{policy} {reason}");
        Ok(notes(test).await?.into_iter().find(|(about, _)| *about == key).map(|(_, note)| note))
    })
    .await
}

/// The policy, the reason and the note of each Event about the namespace of the test.
pub(crate) async fn notes(test: &ClusterTest) -> Result<Vec<(String, String)>> {
    let events: Api<Event> = Api::all(test.client.clone());
    let events = events.list(&ListParams::default()).await?.items.into_iter();
    let told = events.filter_map(|event| {
        let about = format!("{} {}", event.regarding?.name?, event.reason?);
        event.note.map(|note| (about, note))
    });
    Ok(told.filter(|(_, note)| note.contains(&test.namespace)).collect())
}

/// Removes the Jobs that earlier tests left, where all Jobs of the cluster count; those too that wait for somebody who is not
/// there, and the CronJobs that would make more.
pub(crate) async fn remove_jobs_of_other_tests(test: &ClusterTest) -> Result<()> {
    let (everything, at_once) = (ListParams::default(), DeleteParams::background());
    let all_cron_jobs: Api<CronJob> = Api::all(test.client.clone());
    for namespace in namespaces(&all_cron_jobs.list_metadata(&everything).await?.items) {
        let cron_jobs: Api<CronJob> = Api::namespaced(test.client.clone(), &namespace);
        cron_jobs.delete_collection(&at_once, &everything).await?;
    }
    let all_jobs: Api<Job> = Api::all(test.client.clone());
    wait::until("a cluster without Jobs", async || {
        // Again and again: a CronJob may have made one since.
        let left = all_jobs.list_metadata(&everything).await?.items;
        for namespace in namespaces(&left) {
            let jobs: Api<Job> = Api::namespaced(test.client.clone(), &namespace);
            jobs.delete_collection(&at_once, &everything).await?;
        }
        for job in left.iter().filter(|job| job.metadata.finalizers.is_some()) {
            let (Some(namespace), Some(name)) = (&job.metadata.namespace, &job.metadata.name) else {
                continue;
            };
            let jobs: Api<Job> = Api::namespaced(test.client.clone(), namespace);
            let free = Patch::Merge(json!({ "metadata": { "finalizers": null } }));
            jobs.patch(name, &PatchParams::default(), &free).await.map(drop).or_else(unless_gone)?;
        }
        Ok(left.is_empty().then_some(()))
    })
    .await
}

/// The namespaces that these objects are in.
fn namespaces<K>(objects: &[PartialObjectMeta<K>]) -> BTreeSet<String> {
    objects.iter().filter_map(|object| object.metadata.namespace.clone()).collect()
}

fn unless_gone(error: kube::Error) -> Result<()> {
    match error {
        kube::Error::Api(status) if status.code == 404 => Ok(()),
        error => Err(error.into()),
    }
}
