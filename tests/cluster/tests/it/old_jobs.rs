//! Jobs that were there before the policies: they go on as before, whatever is done to them.

use anyhow::{Result, ensure};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::jiff::SignedDuration;
use kube::api::{ListParams, Patch, PatchParams};
use portcullis_cluster_tests::{ClusterTest, wait};
use serde_json::json;

use crate::story::{
    OTHER_EXAMPLES, example, founding_policy, get_job, is_finished, job, serving, ttl, until_shown,
};

#[test]
fn jobs_older_than_the_six_policies_are_labelled_unsuspended_and_deleted_by_their_ttl() -> Result<()> {
    serving(async |test, portcullis| {
        // The policies send the Pods of Jobs to nodes that may be taken away.
        test.kubectl(&["label", "node", "node-1", "--overwrite", "karpenter.sh/capacity-type=spot"])
            .await?
            .succeeded()?;
        let jobs = [
            job("finished", ""),
            job("suspended", "suspend: true\nttlSecondsAfterFinished: 1"),
            job("suspended-without-a-ttl", "suspend: true"),
        ];
        test.apply(&jobs.join("---\n")).await?.succeeded()?;
        wait::until_object(&test.api::<Job>(), "finished", "the end of the Job", is_finished).await?;
        let policies = OTHER_EXAMPLES.map(|folder| example(&format!("{folder}/policy.yaml")));
        let policies = policies.into_iter().collect::<Result<Vec<_>>>()?.join("---\n");
        portcullis.put_in_force(&policies).await?.succeeded()?;
        until_shown(test, &example("spot-or-on-demand/resources/bad.yaml")?, "denied the request").await?;

        test.kubectl(&["label", "jobs", "--all", "team=a"]).await?.succeeded()?;
        let resume = r#"{"spec": {"suspend": false}}"#;
        let expire = r#"{"spec": {"ttlSecondsAfterFinished": 1}}"#;
        for (name, patch) in [
            ("suspended", resume),
            ("suspended-without-a-ttl", resume),
            ("finished", expire),
            ("suspended-without-a-ttl", expire),
        ] {
            test.kubectl(&["patch", "job", name, "--patch", patch]).await?.succeeded()?;
        }
        wait::until("the end of all Jobs and Pods", async || {
            let jobs = test.api::<Job>().list(&ListParams::default()).await?.items.len();
            let pods = test.api::<Pod>().list(&ListParams::default()).await?.items.len();
            ensure!(jobs == 0 && pods == 0, "{jobs} Jobs and {pods} Pods are left");
            Ok(Some(()))
        })
        .await
    })
}

#[test]
fn a_job_that_finished_long_ago_is_kept_in_production_and_deleted_by_the_founding_policy() -> Result<()> {
    serving(async |test, portcullis| {
        test.apply(&job("old", "")).await?.succeeded()?;
        wait::until_object(&test.api::<Job>(), "old", "the end of the Job", is_finished).await?;
        finish_an_hour_earlier(test).await?;
        let probe = job("probe", "");

        portcullis.put_in_force(&example("dangling-jobs/production.yaml")?).await?.succeeded()?;
        until_shown(test, &probe, "ttlSecondsAfterFinished: 900").await?;
        let labelled = test.kubectl(&["label", "job", "old", "reviewed=once"]).await?;
        ensure!(labelled.code == 0 && labelled.stderr.is_empty(), "{labelled:?}");
        let old = get_job(test, "old").await?;
        ensure!(ttl(&old).is_none() && old.metadata.deletion_timestamp.is_none(), "{old:?}");

        portcullis.put_in_force(&founding_policy()?).await?.succeeded()?;
        until_shown(test, &probe, ".add-ttl-to-dangling-job.kyverno.io: added").await?;
        test.kubectl(&["delete", "clusterpolicy", "add-ttl-to-dangling-job-in-production"])
            .await?
            .succeeded()?;
        let labelled = test.kubectl(&["label", "job", "old", "reviewed-again=yes"]).await?;
        ensure!(labelled.code == 0 && labelled.stderr.contains("are deleted at once"), "{labelled:?}");
        wait::until_object(&test.api::<Job>(), "old", "the end of the old Job", |job: Option<&Job>| {
            job.is_none()
        })
        .await?;
        Ok(())
    })
}

/// Has the Job `old` be finished since an hour before it was.
async fn finish_an_hour_earlier(test: &ClusterTest) -> Result<()> {
    let mut status = get_job(test, "old").await?.status.unwrap_or_default();
    for condition in status.conditions.iter_mut().flatten() {
        for time in
            [&mut condition.last_transition_time, &mut condition.last_probe_time].into_iter().flatten()
        {
            time.0 = time.0.checked_sub(SignedDuration::from_hours(1))?;
        }
    }
    let conditions = Patch::Merge(json!({ "status": { "conditions": status.conditions } }));
    test.api::<Job>().patch_status("old", &PatchParams::default(), &conditions).await?;
    Ok(())
}
