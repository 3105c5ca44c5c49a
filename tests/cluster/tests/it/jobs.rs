//! `portcullis jobs` on a real API server: what it lists is there, and what it plans nobody else looks after.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::{Patch, PatchParams};
use portcullis_cluster_tests::{ClusterTest, cluster_test, wait};
use serde_json::{Value, json};

use crate::kueue;
use crate::story::{get_job, is_finished, job};

/// When all Jobs of these tests are made to have finished.
const FINISHED: &str = "2026-01-02T03:04:05Z";

#[test]
fn what_is_planned_is_what_nobody_looks_after() -> Result<()> {
    cluster_test(async |test| {
        let with = |name: &str, metadata: &str| {
            job(name, "").replacen("metadata:\n", &format!("metadata:\n  {metadata}\n"), 1)
        };
        let jobs = [
            job("dangling", ""),
            job("with-a-settings-map", ""),
            job("with-a-volume", ""),
            with("kept", "labels: {portcullis.dev/keep: ''}"),
            with("of-helm", "annotations: {meta.helm.sh/release-name: shop}"),
            job("with-a-ttl", "ttlSecondsAfterFinished: 2000000000"),
            job("suspended", "suspend: true"),
        ];
        test.apply(&jobs.join("---\n")).await?.succeeded()?;
        for name in ["dangling", "with-a-settings-map", "with-a-volume", "kept", "of-helm", "with-a-ttl"] {
            finish(test, name).await?;
        }
        own(test, "with-a-settings-map", &json!({"apiVersion": "v1", "kind": "ConfigMap"})).await?;
        let claim = json!({"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}});
        let volume = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "spec": claim});
        own(test, "with-a-volume", &volume).await?;

        let namespace = test.namespace.as_str();
        let listed = test
            .control_plane
            .portcullis(&["jobs", "list", "-n", namespace, "--each", "--format", "json"])
            .await?
            .succeeded()?;
        let listed: Value = serde_json::from_str(&listed)?;
        let reasons: BTreeMap<&str, String> = listed["jobs"]
            .as_array()
            .context("no list of jobs")?
            .iter()
            .map(|job| (job["name"].as_str().unwrap_or_default(), job["reasons"].to_string()))
            .collect();
        let expected = [
            ("dangling", "[]"),
            ("kept", r#"["`portcullis.dev/keep` is set"]"#),
            ("of-helm", r#"["belongs to a Helm release"]"#),
            ("with-a-settings-map", "[]"),
            ("with-a-ttl", r#"["has a TTL already"]"#),
            ("with-a-volume", r#"["owns a PersistentVolumeClaim"]"#),
        ];
        ensure!(reasons == expected.map(|(name, reasons)| (name, reasons.to_owned())).into(), "{listed:#}");
        ensure!(listed["summary"]["unfinished"] == 1, "{listed:#}");
        let owned = json!({"ConfigMap": 1});
        ensure!(listed["jobs"][3]["dependents"] == owned, "{listed:#}");

        let plan = plan(test, &[]).await?;
        let planned = |plan: &Value| {
            let items = plan["items"].as_array().cloned().unwrap_or_default();
            items.iter().map(|item| item["name"].as_str().unwrap_or_default().to_owned()).collect::<Vec<_>>()
        };
        ensure!(planned(&plan) == ["dangling", "with-a-settings-map"], "{plan:#}");
        ensure!(plan["items"][1]["dependents"] == json!({"ConfigMap": 1}), "{plan:#}");
        let dangling = get_job(test, "dangling").await?.metadata;
        let first = &plan["items"][0];
        ensure!(
            first["uid"] == json!(dangling.uid)
                && first["resourceVersion"] == json!(dangling.resource_version),
            "{first}"
        );
        ensure!(first["finished"] == FINISHED && plan["made"]["by"] == "kubernetes-admin", "{plan:#}");
        let namespaces: Api<Namespace> = Api::all(test.client.clone());
        ensure!(
            plan["cluster"]["uid"] == json!(namespaces.get("kube-system").await?.metadata.uid),
            "{plan:#}"
        );

        let all = self::plan(test, &["--with-dependents", "--dependents", "all"]).await?;
        ensure!(planned(&all) == ["dangling", "with-a-settings-map", "with-a-volume"], "{all:#}");
        ensure!(all["items"][2]["dependents"] == json!({"PersistentVolumeClaim": 1}), "{all:#}");
        Ok(())
    })
}

#[test]
fn a_job_that_kueue_has_taken_in_is_left_alone_also_where_it_did_so_since_the_plan() -> Result<()> {
    cluster_test(async |test| {
        let queued = job("queued", "").replacen(
            "metadata:\n",
            "metadata:\n  labels: {kueue.x-k8s.io/queue-name: main}\n",
            1,
        );
        test.apply(&[queued, job("taken-in", ""), job("later", "")].join("---\n")).await?.succeeded()?;
        for name in ["queued", "taken-in", "later"] {
            finish(test, name).await?;
        }
        let workload = json!({"apiVersion": kueue::VERSION, "kind": "Workload"});
        kueue::with_workloads(test, async || {
            own(test, "taken-in", &workload).await?;
            let folder = tempfile::tempdir()?;
            let path = folder.path().join("plan.json").display().to_string();
            let before = plan(test, &["-o", &path]).await?;
            ensure!(before["items"].as_array().is_some_and(|items| items.len() == 1), "{before:#}");
            ensure!(before["items"][0]["name"] == "later", "{before:#}");
            let with_all = plan(test, &["--with-dependents"]).await?;
            ensure!(with_all["items"][1]["dependents"] == json!({"Workload": 1}), "{with_all:#}");

            own(test, "later", &workload).await?;
            let apply = ["jobs", "apply", &path, "--yes", "--canary", "0"];
            let applied = test.control_plane.portcullis(&apply).await?;
            ensure!(applied.code == 2 && applied.stdout.contains("owns a Workload"), "{applied:?}");
            get_job(test, "later").await.map(drop)
        })
        .await
    })
}

/// The plan for the namespace of the test, with these further arguments.
async fn plan(test: &ClusterTest, further: &[&str]) -> Result<Value> {
    let arguments =
        [&["jobs", "plan", "-n", &test.namespace, "--older-than", "24h", "--format", "json"], further];
    let plan = test.control_plane.portcullis(&arguments.concat()).await?.succeeded()?;
    serde_json::from_str(&plan).with_context(|| format!("`{plan}` is no plan"))
}

/// Waits until the Job has finished, and has it be finished since long ago.
async fn finish(test: &ClusterTest, name: &str) -> Result<()> {
    wait::until_object(&test.api::<Job>(), name, "the end of the Job", is_finished).await?;
    let mut conditions = json!(get_job(test, name).await?.status.unwrap_or_default().conditions);
    for condition in conditions.as_array_mut().context("no conditions")? {
        let condition = condition.as_object_mut().context("a condition is no map")?;
        condition.insert("lastTransitionTime".to_owned(), json!(FINISHED));
    }
    let long_ago = Patch::Merge(json!({"status": {"conditions": conditions}}));
    test.api::<Job>().patch_status(name, &PatchParams::default(), &long_ago).await?;
    Ok(())
}

/// Makes an object of the same name that the Job owns; `object` is what it is beside that.
async fn own(test: &ClusterTest, name: &str, object: &Value) -> Result<()> {
    let uid = get_job(test, name).await?.metadata.uid;
    let owner = json!({"apiVersion": "batch/v1", "kind": "Job", "name": name, "uid": uid});
    let metadata = json!({"name": name, "ownerReferences": [owner]});
    let mut object = object.as_object().cloned().context("no object")?;
    object.insert("metadata".to_owned(), metadata);
    test.apply(&Value::Object(object).to_string()).await?.succeeded().map(drop)
}
