//! What people with kubectl see of a policy that changes their Jobs: no difference, no conflict, no surprise.

use anyhow::{Result, ensure};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use portcullis_cluster_tests::{ClusterTest, wait};
use serde_json::Value;

use crate::story::{
    RECORDED_TTL, create, example, founded, get_job, is_finished, job, notes, record, ttl, until_event,
};

#[test]
fn a_job_that_is_applied_twice_shows_no_difference_and_no_conflict() -> Result<()> {
    founded(async |test, _| {
        let kubectl = test.control_plane.kubectl(&test.namespace);
        let pi = example("dangling-jobs/resources/job.yaml")?;
        test.apply(&pi).await?.succeeded()?;
        // What its controller writes would be a difference.
        let jobs = test.api::<Job>();
        wait::until_object(&jobs, "pi", "the end of the Job", is_finished).await?;
        let difference = kubectl.run_with(&["diff", "-f", "-"], &pi).await?;
        ensure!(difference.code == 0 && difference.stdout.is_empty(), "{difference:?}");
        let again = test.apply(&pi).await?.succeeded()?;
        ensure!(again == "job.batch/pi unchanged\n", "{again}");

        let on_server = ["apply", "--server-side", "-f", "-"];
        let applied = job("applied", "");
        kubectl.run_with(&on_server, &applied).await?.succeeded()?;
        wait::until_object(&jobs, "applied", "the end of the Job", is_finished).await?;
        let version = get_job(test, "applied").await?.metadata.resource_version;
        kubectl.run_with(&on_server, &applied).await?.succeeded()?;
        let difference = kubectl.run_with(&["diff", "--server-side", "-f", "-"], &applied).await?;
        ensure!(difference.code == 0 && difference.stdout.is_empty(), "{difference:?}");
        let changed = get_job(test, "applied").await?;
        ensure!(ttl(&changed) == Some(900) && record(&changed) == Some(RECORDED_TTL), "{changed:?}");
        ensure!(changed.metadata.generation == Some(1), "version {version:?} became {changed:?}");

        let own = job("applied", "ttlSecondsAfterFinished: 60");
        kubectl.run_with(&on_server, &own).await?.succeeded()?;
        ensure!(ttl(&get_job(test, "applied").await?) == Some(60));
        kubectl.run_with(&on_server, &own).await?.succeeded()?;
        ensure!(ttl(&get_job(test, "applied").await?) == Some(60));
        Ok(())
    })
}

#[test]
fn a_job_that_is_replaced_without_a_ttl_gets_it_again_and_one_record_of_it() -> Result<()> {
    founded(async |test, _| {
        test.apply(&job("replaced", "")).await?.succeeded()?;
        let stored = test.kubectl(&["get", "job", "replaced", "-o", "yaml"]).await?.succeeded()?;
        ensure!(stored.contains("  ttlSecondsAfterFinished: 900\n"), "{stored}");
        // Nor its version: the controller of Jobs writes to it meanwhile.
        let is_kept = |line: &&str| {
            !["  ttlSecondsAfterFinished: ", "  resourceVersion: "].iter().any(|left| line.starts_with(left))
        };
        let without = stored.lines().filter(is_kept).collect::<Vec<_>>().join("\n");
        let kubectl = test.control_plane.kubectl(&test.namespace);
        kubectl.run_with(&["replace", "-f", "-"], &without).await?.succeeded()?;
        let replaced = get_job(test, "replaced").await?;
        ensure!(ttl(&replaced) == Some(900) && record(&replaced) == Some(RECORDED_TTL), "{replaced:?}");
        Ok(())
    })
}

/// Lets every Job in, and says in an Event that it has no team.
const WANTS_A_TEAM: &str = "\
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {name: wants-a-team}
spec:
  rules:
  - name: team
    match: {any: [{resources: {kinds: [Job], namespaces: [NAMESPACE]}}]}
    validate: {failureAction: Audit, message: a team is missing, pattern: {metadata: {labels: {team: \"?*\"}}}}
";

#[test]
fn a_dry_run_shows_ttl_and_record_and_leaves_no_trace() -> Result<()> {
    founded(async |test, portcullis| {
        let audits = WANTS_A_TEAM.replace("NAMESPACE", &test.namespace);
        portcullis.put_in_force(&audits).await?.succeeded()?;
        let dry_run = async |name: &str| {
            let shown = create(test, &job(name, ""), &["--dry-run=server"]).await?.succeeded()?;
            ensure!(
                shown.contains("ttlSecondsAfterFinished: 900") && shown.contains(RECORDED_TTL.trim()),
                "{shown}"
            );
            Ok(())
        };
        // An API server hears of new webhooks a moment after they are written.
        wait::until("a dry run that is judged", async || {
            dry_run("probe").await?;
            let records = records_of(&portcullis.decisions().await?, "probe")?;
            Ok(records.iter().any(fails).then_some(()))
        })
        .await?;
        dry_run("tried").await?;
        let tried = wait::until("the record of the dry run", async || {
            let records = records_of(&portcullis.decisions().await?, "tried")?;
            Ok(records.into_iter().find(fails))
        })
        .await?;
        ensure!(tried.pointer("/dryRun") == Some(&true.into()), "{tried}");
        let jobs = test.api::<Job>().list(&ListParams::default()).await?;
        ensure!(jobs.items.is_empty(), "{jobs:?}");

        // Events are written in the order of requests: those of the dry runs would be there.
        create(test, &job("done", ""), &[]).await?.succeeded()?;
        let done = until_event(test, "wants-a-team", "PolicyViolation").await?;
        ensure!(done.contains(&format!("Job {}/done: [team] fail: ", test.namespace)), "{done}");
        let events = notes(test).await?;
        ensure!(
            events.iter().filter(|(about, _)| about.starts_with("wants-a-team ")).count() == 1,
            "{events:?}"
        );
        Ok(())
    })
}

/// The records of requests about Jobs of this name, among `decisions`.
fn records_of(decisions: &str, name: &str) -> Result<Vec<Value>> {
    let records = decisions.lines().map(serde_json::from_str).collect::<Result<Vec<Value>, _>>()?;
    Ok(records.into_iter().filter(|record| record.pointer("/name") == Some(&name.into())).collect())
}

/// Whether the rule that audits was asked and failed.
fn fails(record: &Value) -> bool {
    record.pointer("/rules/0/status") == Some(&"fail".into())
}

#[test]
fn jobs_of_every_kind_get_their_ttl_and_stay_what_they_are() -> Result<()> {
    founded(async |test, _| {
        let generated = job("x", "").replace("  name: x\n", "  generateName: of-a-program-\n");
        for _ in 0..2 {
            let created = create(test, &generated, &[]).await?.succeeded()?;
            ensure!(created.contains("ttlSecondsAfterFinished: 900"), "{created}");
        }
        let failure_policy = "\
podFailurePolicy:
  rules:
  - action: FailJob
    onExitCodes:
      operator: In
      values: [42]";
        let jobs = [
            job("suspended", "suspend: true"),
            job("managed-elsewhere", "managedBy: example.com/queue"),
            job("with-a-failure-policy", failure_policy),
        ];
        test.apply(&jobs.join("---\n")).await?.succeeded()?;
        let suspended = changed(test, "suspended").await?;
        ensure!(suspended.spec.and_then(|spec| spec.suspend) == Some(true));
        let managed = changed(test, "managed-elsewhere").await?;
        ensure!(managed.spec.and_then(|spec| spec.managed_by).as_deref() == Some("example.com/queue"));
        let failing = changed(test, "with-a-failure-policy").await?;
        ensure!(
            failing
                .spec
                .and_then(|spec| spec.pod_failure_policy)
                .is_some_and(|policy| policy.rules.len() == 1)
        );
        let pods = test.api::<Pod>().list(&ListParams::default().labels("job-name=suspended")).await?;
        ensure!(pods.items.is_empty(), "{pods:?}");

        test.kubectl(&["patch", "job", "suspended", "--patch", r#"{"spec": {"suspend": false}}"#])
            .await?
            .succeeded()?;
        let resumed = changed(test, "suspended").await?;
        ensure!(resumed.spec.and_then(|spec| spec.suspend) == Some(false));
        Ok(())
    })
}

/// A Job, which must have the TTL of the policy and the record of it.
async fn changed(test: &ClusterTest, name: &str) -> Result<Job> {
    let job = get_job(test, name).await?;
    ensure!(ttl(&job) == Some(900) && record(&job) == Some(RECORDED_TTL), "{job:?}");
    Ok(job)
}
