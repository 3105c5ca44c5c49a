//! From a policy that is written to requests that are judged by it: how soon, and what is said of it.

use anyhow::{Context as _, Result, ensure};
use http::Request;
use k8s_openapi::api::batch::v1::Job;
use kube::Api;
use kube::api::ListParams;
use portcullis_cluster_tests::{ClusterTest, Portcullis, cluster_test, wait};
use serde_json::Value;

use crate::crds::undefine;
use crate::retention::{failing, finished};
use crate::story::{
    create, example, founding_policy, is_finished, job, serving, status_of, until_ready_is, until_shown,
};

/// Refuses ConfigMaps of the test that have this name.
fn refusing(test: &ClusterTest, name: &str) -> String {
    let resources = format!("{{kinds: [ConfigMap], namespaces: [{}], names: [{name}]}}", test.namespace);
    format!(
        "\
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata:
  name: refuses-{name}
spec:
  rules:
  - name: r
    match: {{any: [{{resources: {resources}}}]}}
    validate: {{failureAction: Enforce, message: refused by {name}, deny: {{}}}}
"
    )
}

// What is promised of the time from a write to the first request that is judged by it, 200 ms, is measured by `cargo xtask
// bench serve`. Here is what holds however busy the machine is.
#[test]
fn a_policy_that_says_it_is_ready_judges_the_very_next_request() -> Result<()> {
    serving(async |test, portcullis| {
        let map = |name: &str| format!("{{apiVersion: v1, kind: ConfigMap, metadata: {{name: {name}}}}}");
        // The first one calls for the webhook, which the API server hears of a moment after it is written.
        portcullis.put_in_force(&refusing(test, "first")).await?.succeeded()?;
        until_shown(test, &map("first"), "refused by first").await?;
        let names: Vec<_> = (1..=5).map(|number| format!("next-{number}")).collect();
        for name in &names {
            create(test, &map(name), &["--dry-run=server"]).await?.succeeded()?;
            portcullis.put_in_force(&refusing(test, name)).await?.succeeded()?;
            let refused = create(test, &map(name), &[]).await?;
            ensure!(
                refused.code == 1 && refused.stderr.contains(&format!("refused by {name}")),
                "{refused:?}"
            );
            // Whatever comes, those that were there before stay in force.
            let refused = create(test, &map("first"), &[]).await?;
            ensure!(refused.stderr.contains("refused by first"), "{refused:?}");
        }
        Ok(())
    })
}

#[test]
fn a_request_is_judged_by_a_policy_as_it_was_or_as_it_is_and_never_again_as_it_was() -> Result<()> {
    serving(async |test, portcullis| {
        let policies = "/apis/kyverno.io/v1/clusterpolicies/add-ttl-to-dangling-job";
        portcullis.put_in_force(&founding_policy()?).await?.succeeded()?;
        until_shown(test, &job("probe", ""), "ttlSecondsAfterFinished: 900").await?;
        let mut before = Some(900);
        for seconds in [901, 902, 903, 904] {
            let policy = founding_policy()?.replace(": 900", &format!(": {seconds}"));
            let write = Request::patch(format!("{policies}?fieldManager=tests&force=true"))
                .header("content-type", "application/apply-patch+yaml")
                .body(policy.into_bytes())?;
            follow(test, write, before, Some(seconds)).await?;
            before = Some(seconds);
        }
        follow(test, Request::delete(policies).body(Vec::new())?, before, None).await
    })
}

/// Sends `write`, after which Jobs get another TTL: each that is created gets the one before until one gets that of `after`, as
/// all do from then on.
async fn follow(
    test: &ClusterTest,
    write: Request<Vec<u8>>,
    before: Option<i64>,
    after: Option<i64>,
) -> Result<()> {
    test.client.request::<Value>(write).await?;
    wait::until_unless_wrong(&format!("a TTL of {after:?}"), async || {
        let found = ttl_of_new_job(test).await?;
        ensure!(
            found == before || found == after,
            "a TTL of {found:?} between one of {before:?} and one of {after:?}"
        );
        Ok((found == after).then_some(()))
    })
    .await?;
    for _ in 0..5 {
        let found = ttl_of_new_job(test).await?;
        ensure!(found == after, "a TTL of {found:?} after one of {after:?}");
    }
    Ok(())
}

/// The TTL that a Job would get at this moment.
async fn ttl_of_new_job(test: &ClusterTest) -> Result<Option<i64>> {
    let body = serde_json::json!({
        "metadata": { "name": "probe" },
        "spec": { "template": { "spec": { "restartPolicy": "Never", "containers": [{ "name": "c", "image": "i" }] } } },
    });
    let path = format!("/apis/batch/v1/namespaces/{}/jobs?dryRun=All", test.namespace);
    let request = Request::post(path).header("content-type", "application/json");
    let created: Value = test.client.request(request.body(body.to_string().into_bytes())?).await?;
    Ok(created.pointer("/spec/ttlSecondsAfterFinished").and_then(Value::as_i64))
}

#[test]
fn who_cannot_see_policies_says_so_and_goes_on_when_their_kinds_are_defined() -> Result<()> {
    cluster_test(async |test| {
        undefine(&test.control_plane.kubectl("default")).await?;
        Portcullis::before_definitions(test.control_plane, async |portcullis| {
            let hint = "hint: portcullis crds | kubectl apply --server-side -f -";
            wait::until("that it waits for policies", async || {
                let readiness = portcullis.readiness().await?;
                ensure!(readiness.contains("waiting for clusterpolicies (not served yet; "), "{readiness}");
                // The other kind may take a moment longer.
                let are_both = readiness.starts_with("HTTP/1.1 503 ") && readiness.matches(hint).count() == 2;
                ensure!(are_both, "{readiness}");
                Ok(Some(()))
            })
            .await?;
            let told = format!("the API server does not serve this kind yet, waiting for it; {hint}");
            portcullis.serve.until_logged(&told).await?;

            let definitions = portcullis.command(&["crds"]).await?;
            let apply = ["apply", "--server-side", "-f", "-"];
            portcullis.kubectl().run_with(&apply, &definitions).await?.succeeded()?;
            portcullis.until_ready().await?;
            portcullis.put_in_force(&founding_policy()?).await?.succeeded().map(drop)
        })
        .await
    })
}

/// A rule that this version executes, and one that it does not.
const IN_PART: &str = "\
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata:
  name: in-part
spec:
  rules:
  - name: needs-a-team
    match:
      any:
      - resources:
          kinds: [ConfigMap]
          names: [in-part]
    validate:
      failureAction: Enforce
      message: a team is missing
      pattern:
        metadata:
          labels:
            team: \"?*\"
  - name: gives-quota
    match:
      any:
      - resources:
          kinds: [Namespace]
    generate:
      apiVersion: v1
      kind: ResourceQuota
      name: quota
      namespace: \"{{ request.object.metadata.name }}\"
      data:
        spec:
          hard:
            pods: \"10\"
";

#[test]
fn a_rule_that_this_version_does_not_execute_is_told_and_the_others_are_enforced() -> Result<()> {
    serving(async |test, portcullis| {
        let applied = test.apply(IN_PART).await?;
        let warning = "Warning: rule `gives-quota` is not enforced by this version: it has `generate`";
        ensure!(applied.code == 0 && applied.stderr.contains(warning), "{applied:?}");
        let ready = until_ready_is(test, "in-part", "False").await?;
        ensure!(ready.pointer("/reason") == Some(&"RulesNotEnforced".into()), "{ready}");
        ensure!(
            ready.to_string().contains("rule `gives-quota` (this version does not execute `generate`)"),
            "{ready}"
        );
        portcullis.until_metric_is("portcullis_policies_not_enforced", &[], 1.0).await?;
        let map = "{apiVersion: v1, kind: ConfigMap, metadata: {name: in-part}}";
        until_shown(test, map, "denied the request").await
    })
}

#[test]
fn a_policy_with_a_mistake_is_refused_and_one_that_got_by_is_not_ready() -> Result<()> {
    serving(async |test, portcullis| {
        let mistaken =
            founding_policy()?.replace("metadata.ownerReferences ||", "metadata.(ownerReferences ||");
        wait::until("a refusal", async || {
            let refused =
                portcullis.kubectl().run_with(&["create", "--dry-run=server", "-f", "-"], &mistaken).await?;
            let words = "admission webhook \"validate-policy.portcullis.svc\" denied the request: ";
            ensure!(refused.code == 1 && refused.stderr.contains(words), "{refused:?}");
            Ok(Some(()))
        })
        .await?;
        // The webhook for policies fails open.
        portcullis.serve.stop().await?;
        test.apply(&mistaken).await?.succeeded()?;
        portcullis.serve.start()?;
        let ready = until_ready_is(test, "add-ttl-to-dangling-job", "False").await?;
        ensure!(ready.pointer("/reason") == Some(&"Invalid".into()), "{ready}");
        ensure!(ready.to_string().contains("/spec/rules/0/preconditions/any/0/key: "), "{ready}");
        portcullis.until_metric_is("portcullis_policies_not_enforced", &[], 1.0).await?;
        let created = create(test, &job("untouched", ""), &["--dry-run=server"]).await?.succeeded()?;
        ensure!(!created.contains("ttlSecondsAfterFinished"), "{created}");

        // Corrected, it comes into force, and its status tells what the reference's tells.
        test.apply(&founding_policy()?).await?.succeeded()?;
        let ready = until_ready_is(test, "add-ttl-to-dangling-job", "True").await?;
        ensure!(ready.pointer("/reason") == Some(&"Succeeded".into()), "{ready}");
        let status = status_of(test, "add-ttl-to-dangling-job").await?;
        ensure!(status.pointer("/rulecount/mutate") == Some(&1.into()), "{status}");
        portcullis.until_metric_is("portcullis_policies_not_enforced", &[], 0.0).await
    })
}

#[test]
fn who_misspells_a_field_of_a_policy_is_warned_and_the_policy_is_stored_even_while_nobody_answers()
-> Result<()> {
    serving(async |test, portcullis| {
        let misspelt = |name: &str| {
            let policy = IN_PART.split("  - name: gives-quota").next().unwrap_or_default();
            let policy = policy.replace("name: in-part", &format!("name: {name}"));
            policy.replace(
                "    validate:",
                "    preconditions: {all: [{key: a, operator: Equals, value: a, mesage: a}]}\n    validate:",
            )
        };
        let warning = "Warning: spec.rules[0].preconditions.all[0].mesage: unknown field `mesage`: it is not looked at (did \
                       you mean `message`?)";
        let warned = wait::until("a warning", async || {
            let dry_run = ["apply", "--dry-run=server", "-f", "-"];
            let applied = portcullis.kubectl().run_with(&dry_run, &misspelt("warned")).await?;
            ensure!(applied.stderr.contains(warning), "{applied:?}");
            Ok(Some(applied))
        });
        let warned = warned.await?;
        ensure!(warned.code == 0, "{warned:?}");
        portcullis.serve.kill();
        let applied = test.apply(&misspelt("unseen")).await?;
        ensure!(applied.code == 0 && !applied.stderr.contains(warning), "{applied:?}");
        Ok(())
    })
}

/// How many Jobs of the cluster have finished, without a TTL and an owner.
async fn dangling_jobs(test: &ClusterTest) -> Result<usize> {
    let jobs = Api::<Job>::all(test.client.clone()).list(&ListParams::default()).await?.items;
    let dangling = jobs.iter().filter(|job| {
        let has_ttl = job.spec.as_ref().is_some_and(|spec| spec.ttl_seconds_after_finished.is_some());
        is_finished(Some(job)) && !has_ttl && job.metadata.owner_references.is_none()
    });
    Ok(dangling.count())
}

#[test]
fn who_writes_a_policy_that_sets_a_ttl_on_jobs_is_told_of_the_risk_and_of_old_jobs() -> Result<()> {
    serving(async |test, _| {
        finished(test, &job("old", "")).await?;
        finished(test, &failing("failed")).await?;
        let warned = wait::until("the number of old Jobs", async || {
            // A Job of an earlier test may be deleted in between.
            let before = dangling_jobs(test).await?;
            let applied = test.apply(&founding_policy()?).await?;
            let after = dangling_jobs(test).await?;
            // Applied once more unchanged, it would not be looked at.
            test.kubectl(&["delete", "clusterpolicy", "add-ttl-to-dangling-job"]).await?.succeeded()?;
            let is_told = |jobs| {
                let count = match jobs {
                    1 => "Warning: 1 finished Job without a TTL is there already".to_owned(),
                    jobs => format!("Warning: {jobs} finished Jobs without a TTL are there already"),
                };
                applied.stderr.contains(&count)
            };
            let is_right = (before.min(after)..=before.max(after)).any(is_told);
            ensure!(applied.code == 0 && is_right, "want {before} to {after}, got {applied:?}");
            Ok(Some(applied.stderr))
        });
        let warned = warned.await.context("the warning")?;
        let risk = "Warning: rule `add-ttl-to-dangling-job` sets a TTL on Jobs: Jobs of Argo CD";
        let risks = warned.matches("sets a TTL on Jobs").count();
        ensure!(warned.contains(risk) && risks == 1, "{warned}");
        ensure!(warned.contains("docs/guides/dangling-jobs.md leaves them out"), "{warned}");

        let silent = test.apply(&example("dangling-jobs/production.yaml")?).await?;
        ensure!(silent.code == 0 && !silent.stderr.contains("sets a TTL on Jobs"), "{silent:?}");
        Ok(())
    })
}
