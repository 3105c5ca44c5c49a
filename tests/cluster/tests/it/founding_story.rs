//! The founding story: Jobs that nobody owns are given a time to live, and Kubernetes deletes them.

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use k8s_openapi::jiff::SignedDuration;
use kube::api::{ListParams, Patch, PatchParams};
use kube::{Resource, ResourceExt as _};
use portcullis_cluster_tests::{ClusterTest, wait};
use serde_json::json;

use crate::story::{
    RECORDED_TTL, example, founded, founding_policy, get_job, job, record, serving, ttl, until_shown,
};

#[test]
fn the_job_of_the_article_gets_a_ttl_and_the_job_of_a_cronjob_does_not() -> Result<()> {
    founded(async |test, _| {
        test.apply(&example("dangling-jobs/resources/job.yaml")?).await?.succeeded()?;
        let shown = test.kubectl(&["get", "job", "pi", "-o", "yaml"]).await?.succeeded()?;
        ensure!(shown.contains("\n  ttlSecondsAfterFinished: 900\n"), "{shown}");
        let annotation = format!("    policies.kyverno.io/last-applied-patches: |\n      {RECORDED_TTL}");
        ensure!(shown.contains(&annotation), "{shown}");

        let of_cron_job = job_of_cron_job(test, &example("dangling-jobs/resources/cronjob.yaml")?).await?;
        ensure!(ttl(&of_cron_job).is_none() && record(&of_cron_job).is_none(), "{of_cron_job:?}");
        // Else it would make Jobs as long as the control plane lives.
        test.kubectl(&["delete", "cronjob", "hello"]).await?.succeeded().map(drop)
    })
}

/// Applies the CronJob `hello` and returns the first Job that it makes.
async fn job_of_cron_job(test: &ClusterTest, cron_job: &str) -> Result<Job> {
    test.apply(cron_job).await?.succeeded()?;
    // As if it had been there for a while: its controller makes up for the minute that it missed.
    let missed = test.api::<CronJob>().get("hello").await?.creation_timestamp().context("no time")?.0;
    let missed = missed.checked_sub(SignedDuration::from_mins(5))?;
    let scheduled = Patch::Merge(json!({ "status": { "lastScheduleTime": missed.to_string() } }));
    let cron_jobs = test.api::<CronJob>();
    cron_jobs.patch_status("hello", &PatchParams::default(), &scheduled).await?;
    wait::until("a Job of the CronJob", async || {
        let jobs = test.api::<Job>().list(&ListParams::default()).await?;
        Ok(jobs
            .items
            .into_iter()
            .find(|job| job.owner_references().iter().any(|owner| owner.name == "hello")))
    })
    .await
}

#[test]
fn kubernetes_deletes_the_finished_job_with_its_pods_and_nothing_else_is_touched() -> Result<()> {
    serving(async |test, portcullis| {
        // Suspended: at the next full minute its controller would write to it.
        let cron_job = example("dangling-jobs/resources/cronjob.yaml")?
            .replace("  schedule:", "  suspend: true\n  schedule:");
        let others = [job("without-a-policy", "suspend: true"), cron_job];
        test.apply(&others.join("---\n")).await?.succeeded()?;
        test.kubectl(&["create", "configmap", "bystander"]).await?.succeeded()?;
        let is_suspended = |job: Option<&Job>| {
            let conditions = job.and_then(|job| job.status.as_ref()?.conditions.as_ref());
            conditions.is_some_and(|all| all.iter().any(|one| one.type_ == "Suspended"))
        };
        // The last thing that its controller writes to it.
        wait::until_object(&test.api::<Job>(), "without-a-policy", "a suspended Job", is_suspended).await?;
        let began = portcullis.serve.writes()?.len();
        portcullis.put_in_force(&founding_policy()?.replace(": 900", ": 5")).await?.succeeded()?;
        until_shown(test, &job("probe", ""), "ttlSecondsAfterFinished: 5").await?;
        test.apply(&job("with-its-own", "ttlSecondsAfterFinished: 3600")).await?.succeeded()?;
        let before = versions(test).await?;

        test.apply(&example("dangling-jobs/resources/job.yaml")?).await?.succeeded()?;
        let of_pi = ListParams::default().labels("job-name=pi");
        wait::until("a Pod of the Job", async || {
            Ok((!test.api::<Pod>().list(&of_pi).await?.items.is_empty()).then_some(()))
        })
        .await?;
        let gone = |job: Option<&Job>| job.is_none();
        wait::until_object(&test.api::<Job>(), "pi", "the end of the Job", gone).await?;
        wait::until("the end of its Pods", async || {
            Ok(test.api::<Pod>().list(&of_pi).await?.items.is_empty().then_some(()))
        })
        .await?;

        ensure!(versions(test).await? == before, "{:?} became {:?}", before, versions(test).await?);
        let own = [
            "/apis/admissionregistration.k8s.io/",
            "/apis/coordination.k8s.io/v1/namespaces/portcullis/leases/portcullis",
            "/apis/events.k8s.io/",
            "/status?fieldManager=portcullis",
        ];
        let writes = portcullis.serve.writes()?.split_off(began);
        let foreign: Vec<_> =
            writes.iter().filter(|write| !own.iter().any(|own| write.contains(own))).collect();
        ensure!(!writes.is_empty() && foreign.is_empty(), "portcullis has written {foreign:?}");
        Ok(())
    })
}

/// The versions of objects that have nothing to do with the Job `pi`, and that nobody else writes to.
async fn versions(test: &ClusterTest) -> Result<Vec<Option<String>>> {
    let job = get_job(test, "without-a-policy").await?;
    let cron_job = test.api::<CronJob>().get("hello").await?;
    let bystander = test.api::<ConfigMap>().get("bystander").await?;
    let own_ttl = get_job(test, "with-its-own").await?;
    ensure!(ttl(&own_ttl) == Some(3600) && record(&own_ttl).is_none(), "{own_ttl:?}");
    Ok([job.meta(), cron_job.meta(), bystander.meta()].map(|meta| meta.resource_version.clone()).to_vec())
}

#[test]
fn jobs_pass_while_portcullis_is_stopped_or_dead() -> Result<()> {
    founded(async |test, portcullis| {
        portcullis.serve.kill();
        let webhooks = ["get", "mutatingwebhookconfigurations", "-o", "yaml"];
        let left = test.kubectl(&webhooks).await?.succeeded()?;
        ensure!(
            left.contains("failurePolicy: Ignore"),
            "the webhook is gone, so that nothing is shown: {left}"
        );
        test.apply(&job("while-dead", "")).await?.succeeded()?;
        ensure!(ttl(&get_job(test, "while-dead").await?).is_none());

        portcullis.serve.start()?;
        until_shown(test, &job("probe", ""), "ttlSecondsAfterFinished: 900").await?;
        portcullis.serve.stop().await?;
        let left = test.kubectl(&webhooks).await?.succeeded()?;
        ensure!(!left.contains("portcullis"), "a webhook is left: {left}");
        test.apply(&job("while-stopped", "")).await?.succeeded()?;
        ensure!(ttl(&get_job(test, "while-stopped").await?).is_none());
        Ok(())
    })
}
