//! Plans carried out on a real API server: what was planned is gone with its Pods, nothing else is, and it can be taken back.

pub(crate) mod backlog;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, bail, ensure};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{DeleteParams, ListParams, PostParams};
use portcullis_cluster_tests::{ClusterTest, CommandOutput, cluster_test, wait};
use serde_json::{Value, json};
use tempfile::TempDir;

use self::backlog::{Lot, create_backlog, finished_job};
use crate::story::{founding_policy, job, serving, ttl, until_shown};

/// How many Jobs there are; another number is asked for by `PORTCULLIS_JOBS`.
const JOBS: usize = 5_000;

#[test]
fn exactly_what_was_planned_is_gone_with_its_pods_and_comes_back() -> Result<()> {
    let number = number_of_jobs();
    swept(async |test, folder| {
        create_backlog(test, number).await?;
        let before = jobs(test).await?;
        let plan = folder.path().join("plan.json").display().to_string();
        plan_to(test, &plan, &[]).await?;
        // These have changed when the plan is carried out, and those at its end are created anew while it is.
        let of_lot = |lot: Lot| before.keys().filter(move |name| lot.has(name)).cloned().collect::<Vec<_>>();
        let mut last = of_lot(Lot::Dangling);
        last.sort_by_key(|name| std::cmp::Reverse(backlog::number(name)));
        let recreated: BTreeSet<String> = last.iter().take(10).cloned().collect();
        let changed: BTreeSet<String> = last.iter().skip(10).take(5).cloned().collect();
        for name in &changed {
            test.kubectl(&["label", "job", name, "touched=since"]).await?.succeeded()?;
        }
        let first = last.last().context("no Job")?;
        // So slowly that it takes some seconds, in which others meddle.
        let rate = (number / 30).clamp(8, 300).to_string();
        let arguments = ["--qps", &rate, "--canary", "0"];
        let apply = apply(test, &plan, &arguments);
        let meddle = async {
            wait::until_object(&test.api::<Job>(), first, "the end of the first Job", |job: Option<&Job>| {
                job.is_none()
            })
            .await?;
            for name in &recreated {
                test.api::<Job>().delete(name, &DeleteParams::background()).await?;
                let again = finished_job(name, Lot::Dangling, &BTreeMap::new())?;
                let created = test.api::<Job>().create(&PostParams::default(), &again).await;
                created.with_context(|| format!("cannot create `{name}` anew"))?;
            }
            anyhow::Ok(())
        };
        let (output, met) = tokio::join!(apply, meddle);
        met?;
        let output = output?;
        ensure!(output.code == 2, "{output:?}");
        ensure!(output.stdout.contains("5: has changed"), "{}", output.stdout);

        let after = jobs(test).await?;
        let planned: BTreeSet<&String> = before.keys().filter(|name| backlog::is_planned(name)).collect();
        let stayed: BTreeSet<&String> = after.keys().collect();
        let expected: BTreeSet<&String> = before
            .keys()
            .filter(|name| !planned.contains(name) || recreated.contains(*name) || changed.contains(*name))
            .collect();
        ensure!(stayed == expected, "{:?}", stayed.symmetric_difference(&expected).collect::<Vec<_>>());
        for (name, job) in &after {
            let is_same = job.metadata.uid == before[name].metadata.uid;
            ensure!(is_same != recreated.contains(name), "{name}");
        }
        wait::until("the end of the Pods of Jobs that are gone", async || {
            let pods = test.api::<Pod>().list(&ListParams::default()).await?.items;
            ensure!(pods.is_empty(), "{} Pods are left", pods.len());
            Ok(Some(()))
        })
        .await?;

        let backup = format!("{plan}.applied");
        let undo = ["jobs", "undo", &backup, "--yes", "--qps", "1000"];
        test.control_plane.portcullis(&undo).await?.succeeded()?;
        // What stayed is as it was, too.
        ensure_promised(&before, &jobs(test).await?, |name, was, promised| {
            if changed.contains(name) {
                promised["metadata"]["labels"]["touched"] = json!("since");
            } else if !expected.contains(&name.to_owned()) {
                promised["spec"]["suspend"] = json!(true);
                promised["metadata"]["annotations"]["portcullis.dev/restored-from"] = json!(was.metadata.uid);
            }
        })
    })
}

#[test]
fn a_sweep_that_was_killed_goes_on_and_does_nothing_twice() -> Result<()> {
    swept(async |test, folder| {
        let number = 40;
        create_backlog(test, number).await?;
        let plan = folder.path().join("plan.json").display().to_string();
        plan_to(test, &plan, &[]).await?;
        let planned: Vec<String> =
            jobs(test).await?.into_keys().filter(|name| backlog::is_planned(name)).collect();
        let first = planned.iter().min_by_key(|name| backlog::number(name)).context("no Job")?;
        let is_gone = |job: Option<&Job>| job.is_none();
        let api = test.api::<Job>();
        tokio::select! {
            // So slowly that it is not done before it is killed.
            output = apply(test, &plan, &["--canary", "0", "--qps", "1"]) => bail!("it has ended: {output:?}"),
            // What is not waited for any more is killed.
            gone = wait::until_object(&api, first, "the end of the first Job", is_gone) => drop(gone?),
        }
        let left = jobs(test).await?.into_keys().filter(|name| planned.contains(name)).count();
        ensure!(left > 0 && left < planned.len(), "{left} of {} are left", planned.len());
        let output = apply(test, &plan, &["--canary", "0", "--qps", "50"]).await?;
        ensure!(output.code == 0, "{output:?}");
        ensure!(output.stdout.starts_with(&format!("{} Jobs deleted\n", planned.len())), "{}", output.stdout);
        ensure!(!jobs(test).await?.into_keys().any(|name| planned.contains(&name)), "some are left");

        let backup = format!("{plan}.applied");
        for (further, is_suspended) in [(&[][..], true), (&["--run"][..], false)] {
            let undo = [&["jobs", "undo", &backup, "--yes", "--qps", "200"], further].concat();
            test.control_plane.portcullis(&undo).await?.succeeded()?;
            let jobs = jobs(test).await?;
            for name in &planned {
                let spec = jobs.get(name).and_then(|job| job.spec.as_ref());
                ensure!(spec.and_then(|spec| spec.suspend) == Some(is_suspended), "{name}: {spec:?}");
            }
        }
        Ok(())
    })
}

#[test]
fn a_sweep_that_was_capped_goes_on_with_larger_caps_and_all_of_it_comes_back() -> Result<()> {
    swept(async |test, folder| {
        create_backlog(test, 16).await?;
        let plan = folder.path().join("plan.json").display().to_string();
        plan_to(test, &plan, &[]).await?;
        let planned: BTreeSet<String> =
            jobs(test).await?.into_keys().filter(|name| backlog::is_planned(name)).collect();
        let capped = apply(test, &plan, &["--canary", "0", "--max-jobs", "3"]).await?;
        let rest = planned.len() - 3;
        ensure!(capped.stdout.contains(&format!("{rest} Jobs are beyond the caps")), "{capped:?}");
        let left = jobs(test).await?.into_keys().filter(|name| planned.contains(name)).count();
        ensure!(capped.code == 0 && left == rest, "{left} are left: {capped:?}");
        let output = apply(test, &plan, &["--canary", "0"]).await?;
        ensure!(output.code == 0, "{output:?}");
        ensure!(!jobs(test).await?.into_keys().any(|name| planned.contains(&name)), "some are left");

        let undo = ["jobs", "undo", &format!("{plan}.applied"), "--yes", "--qps", "200"];
        test.control_plane.portcullis(&undo).await?.succeeded()?;
        let back: BTreeSet<String> = jobs(test).await?.into_keys().collect();
        ensure!(planned.is_subset(&back), "{:?} did not come back", planned.difference(&back));
        Ok(())
    })
}

#[test]
fn of_jobs_whose_first_comes_back_the_rest_stays_and_who_made_it_is_named() -> Result<()> {
    swept(async |test, folder| {
        create_backlog(test, 16).await?;
        let plan = folder.path().join("plan.json").display().to_string();
        plan_to(test, &plan, &[]).await?;
        let before = jobs(test).await?;
        let planned = before.keys().filter(|name| backlog::is_planned(name));
        let first = planned.min_by_key(|name| backlog::number(name)).context("no Job")?;
        let apply = apply(test, &plan, &["--canary", "1", "--canary-wait", "20s"]);
        let bring_back = async {
            let is_gone = |job: Option<&Job>| job.is_none();
            wait::until_object(&test.api::<Job>(), first, "the end of the first Job", is_gone).await?;
            let parameters = PostParams { field_manager: Some("gitops".to_owned()), ..PostParams::default() };
            let again = finished_job(first, Lot::Dangling, &BTreeMap::new())?;
            test.api::<Job>().create(&parameters, &again).await?;
            anyhow::Ok(())
        };
        let (output, met) = tokio::join!(apply, bring_back);
        met?;
        let output = output?;
        ensure!(output.code == 2 && output.stdout.contains("recreated by gitops"), "{output:?}");
        ensure!(jobs(test).await?.len() == before.len(), "another one is gone");
        Ok(())
    })
}

#[test]
fn a_ttl_leaves_the_notice_and_is_taken_away_again() -> Result<()> {
    swept(async |test, folder| {
        create_backlog(test, 8).await?;
        let before = jobs(test).await?;
        let plan = folder.path().join("plan.json").display().to_string();
        plan_to(test, &plan, &["--mode", "ttl", "--notice", "1h"]).await?;
        let output = apply(test, &plan, &[]).await?;
        ensure!(output.code == 0, "{output:?}");
        let mut with_a_ttl = 0;
        let after = jobs(test).await?;
        for (name, job) in &after {
            ensure!(ttl(job).is_some() == backlog::is_planned(name), "{name}: {:?}", ttl(job));
            let Some(ttl) = ttl(job) else { continue };
            with_a_ttl += 1;
            let finished = backlog::finished(job).context("it has finished")?;
            let left = finished + i64::from(ttl) - k8s_openapi::jiff::Timestamp::now().as_second();
            ensure!((3_500..=3_700).contains(&left), "{name}: {left} s are left");
        }
        ensure!(with_a_ttl > 0, "no Job has a TTL");
        // Nothing else is written, and nothing is left of it.
        ensure_promised(&before, &after, |name, _, promised| {
            if let Some(ttl) = after.get(name).and_then(ttl) {
                promised["spec"]["ttlSecondsAfterFinished"] = json!(ttl);
            }
        })?;
        let backup = format!("{plan}.applied");
        test.control_plane.portcullis(&["jobs", "undo", &backup, "--yes"]).await?.succeeded()?;
        ensure_promised(&before, &jobs(test).await?, |_, _, _| {})
    })
}

#[test]
fn a_ttl_is_taken_away_although_a_policy_adds_its_own_to_whatever_is_written() -> Result<()> {
    serving(async |test, portcullis| {
        let folder = tempfile::tempdir()?;
        create_backlog(test, 8).await?;
        let plan = folder.path().join("plan.json").display().to_string();
        plan_to(test, &plan, &["--mode", "ttl", "--notice", "1h"]).await?;
        portcullis.put_in_force(&founding_policy()?).await?.succeeded()?;
        until_shown(test, &job("probe", ""), "ttlSecondsAfterFinished: 900").await?;
        let output = apply(test, &plan, &[]).await?;
        ensure!(output.code == 0, "{output:?}");
        let backup = format!("{plan}.applied");
        let undone = test.control_plane.portcullis(&["jobs", "undo", &backup, "--yes"]).await?;
        ensure!(undone.code == 0 && undone.stdout.contains("with a TTL of 68 years"), "{undone:?}");
        let planned = |name: &str| backlog::is_planned(name);
        let after = jobs(test).await?;
        ensure!(after.keys().any(|name| planned(name)), "none of the planned Jobs is there");
        for (name, job) in after.iter().filter(|(name, _)| planned(name)) {
            let stays = ttl(job) == Some(i32::MAX) && job.metadata.deletion_timestamp.is_none();
            ensure!(stays, "{name}: {:?}", job.metadata);
        }
        Ok(())
    })
}

/// Runs a test with a folder for plans.
fn swept(test: impl AsyncFnOnce(&ClusterTest, &TempDir) -> Result<()>) -> Result<()> {
    cluster_test(async |prepared| test(prepared, &tempfile::tempdir()?).await)
}

#[expect(clippy::disallowed_methods, reason = "how large a test is may be said from outside")]
fn number_of_jobs() -> usize {
    std::env::var("PORTCULLIS_JOBS").ok().and_then(|number| number.parse().ok()).unwrap_or(JOBS)
}

/// Plans what finished more than a day ago in the namespace of the test.
async fn plan_to(test: &ClusterTest, plan: &str, further: &[&str]) -> Result<()> {
    let arguments = ["jobs", "plan", "-n", &test.namespace, "--older-than", "24h", "-o", plan];
    test.control_plane.portcullis(&[&arguments[..], further].concat()).await?.succeeded().map(drop)
}

async fn apply(test: &ClusterTest, plan: &str, further: &[&str]) -> Result<CommandOutput> {
    let arguments = [&["jobs", "apply", plan, "--yes"], further].concat();
    test.control_plane.portcullis(&arguments).await
}

/// The Jobs of the test by their names.
async fn jobs(test: &ClusterTest) -> Result<BTreeMap<String, Job>> {
    let api: Api<Job> = test.api();
    let jobs = api.list(&ListParams::default()).await?.items;
    Ok(jobs.into_iter().filter_map(|job| Some((job.metadata.name.clone()?, job))).collect())
}

/// That each Job is there, and what it was with what `promise` makes of that.
fn ensure_promised(
    before: &BTreeMap<String, Job>,
    after: &BTreeMap<String, Job>,
    promise: impl Fn(&str, &Job, &mut Value),
) -> Result<()> {
    for (name, was) in before {
        let is = after.get(name).with_context(|| format!("{name} is not there again"))?;
        let (mut promised, is) = (definition(was)?, definition(is)?);
        promise(name, was, &mut promised);
        ensure!(promised == is, "{name} was to be {promised:#} and is {is:#}");
    }
    Ok(())
}

/// All of a Job but what belongs to the one object that it was: what is told by the API server, and what that makes of its uid.
fn definition(job: &Job) -> Result<Value> {
    const OF_THE_OBJECT: [&str; 5] =
        ["uid", "resourceVersion", "generation", "creationTimestamp", "managedFields"];
    let mut job = serde_json::to_value(job)?;
    for (path, keys) in [("", &["status"][..]), ("/metadata", &OF_THE_OBJECT), ("/spec", &["selector"])] {
        let part = job.pointer_mut(path).and_then(Value::as_object_mut).context("a part is missing")?;
        part.retain(|key, _| !keys.contains(&key.as_str()));
    }
    for labels in ["/metadata/labels", "/spec/template/metadata/labels"] {
        let labels = job.pointer_mut(labels).and_then(Value::as_object_mut).context("no labels")?;
        labels.retain(|label, _| !label.ends_with("controller-uid") && !label.ends_with("job-name"));
    }
    Ok(job)
}
