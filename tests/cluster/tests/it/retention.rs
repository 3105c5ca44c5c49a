//! JobRetentions in a cluster: Jobs that have finished get a TTL, and Kubernetes deletes them.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use k8s_openapi::api::batch::v1::Job;
use portcullis_cluster_tests::{ClusterTest, Portcullis, Replicas, cluster_test, wait};
use serde_json::Value;

use crate::story::{
    example, founding_policy, get_job, has_condition, is_finished, job, remove_jobs_of_other_tests,
    serving_with, ttl, until_shown,
};
use crate::{crds, kueue};

/// The TTL of a Job that is to stay.
const NEVER: i32 = i32::MAX;

/// The field manager of what retention writes.
const MANAGER: &str = "portcullis-retention";

/// Runs a test with Portcullis at work, retention included; there is no object yet.
fn retaining(test: impl AsyncFnOnce(&ClusterTest, &mut Portcullis<'_, '_>) -> Result<()>) -> Result<()> {
    serving_with(&["--retention"], test)
}

/// A JobRetention for the namespace of the test; `spec` is added to its specification, a line each.
pub(crate) async fn retain(test: &ClusterTest, name: &str, spec: &str) -> Result<()> {
    let spec: String = spec.lines().map(|line| format!("  {line}\n")).collect();
    let document = format!(
        "\
apiVersion: portcullis.dev/v1alpha1
kind: JobRetention
metadata:
  name: {name}
spec:
  selector: {{}}
  namespaceSelector: {{matchLabels: {{kubernetes.io/metadata.name: {}}}}}
{spec}",
        test.namespace
    );
    test.apply(&document).await?.succeeded().map(drop)
}

/// Creates a Job and waits until it has finished.
pub(crate) async fn finished(test: &ClusterTest, document: &str) -> Result<()> {
    let created = ["create", "-f", "-", "-o", "jsonpath={.metadata.name}"];
    let name = test.control_plane.kubectl(&test.namespace).run_with(&created, document).await?.succeeded()?;
    wait::until_object(&test.api::<Job>(), &name, "the end of the Job", is_finished).await.map(drop)
}

/// A Job of the group `g` that fails.
pub(crate) fn failing(name: &str) -> String {
    job(name, "backoffLimit: 0").replacen("metadata:\n", "metadata:\n  labels: {group: g}\n", 1).replacen(
        "  template:\n",
        "  template:\n    metadata: {labels: {fails: ''}}\n",
        1,
    )
}

/// Waits until a Job has this TTL.
pub(crate) async fn until_ttl(test: &ClusterTest, name: &str, wanted: i32) -> Result<Job> {
    wait::until(&format!("a TTL of {wanted} of the Job `{name}`"), async || {
        let job = get_job(test, name).await?;
        ensure!(ttl(&job) == Some(wanted), "it is {:?}", ttl(&job));
        Ok(Some(job))
    })
    .await
}

/// Waits until the status of an object is what is wanted.
async fn until_status(
    test: &ClusterTest,
    name: &str,
    what: &str,
    is_wanted: impl Fn(&Value) -> bool,
) -> Result<Value> {
    wait::until(&format!("a status of `{name}` with {what}"), async || {
        let text =
            test.kubectl(&["get", "jobretention", name, "-o", "jsonpath={.status}"]).await?.succeeded()?;
        let status: Value = if text.is_empty() { Value::Null } else { serde_json::from_str(&text)? };
        ensure!(is_wanted(&status), "{status:#}");
        Ok(Some(status))
    })
    .await
}

/// The condition of this type in a status.
fn condition<'s>(status: &'s Value, of: &str) -> &'s Value {
    let conditions = status["conditions"].as_array().into_iter().flatten();
    conditions.into_iter().find(|condition| condition["type"] == of).unwrap_or(&Value::Null)
}

/// Writes a document of something that the Job owns whose owner reference it is given.
type Dependent<'d> = &'d dyn Fn(&str) -> String;

/// What was written to Jobs of the test.
fn writes_to_jobs(test: &ClusterTest, portcullis: &Portcullis<'_, '_>) -> Result<Vec<String>> {
    Ok(of_jobs(test, portcullis.serve.writes()?))
}

/// Those of the writes that were to Jobs of the test.
fn of_jobs(test: &ClusterTest, writes: Vec<String>) -> Vec<String> {
    let jobs = format!("/apis/batch/v1/namespaces/{}/jobs/", test.namespace);
    writes.into_iter().filter(|write| write.contains(&jobs)).collect()
}

#[test]
fn a_job_that_has_finished_gets_a_ttl_and_kubernetes_deletes_it() -> Result<()> {
    retaining(async |test, portcullis| {
        retain(test, "short", "ttl: {succeeded: 1s, failed: 7d}\nmode: enforce").await?;
        test.apply(&job("of-a-user", "ttlSecondsAfterFinished: 86400")).await?.succeeded()?;
        test.apply(&job("report", "")).await?.succeeded()?;
        let gone = |job: Option<&Job>| job.is_none();
        wait::until_object(&test.api::<Job>(), "report", "the end of the Job", gone).await?;

        finished(test, &failing("broken")).await?;
        let broken = until_ttl(test, "broken", 604_800).await?;
        let fields = broken.metadata.managed_fields.unwrap_or_default();
        let ours = fields.iter().find(|entry| entry.manager.as_deref() == Some(MANAGER));
        let ours = serde_json::to_string(&ours.and_then(|entry| entry.fields_v1.as_ref()))?;
        ensure!(ours == r#"{"f:spec":{"f:ttlSecondsAfterFinished":{}}}"#, "{ours}");
        let told = wait::until("an Event of the Job", async || {
            let notes = r#"jsonpath={range .items[*]}{.regarding.name} {.reason}: {.note}{"\n"}{end}"#;
            let events = test.kubectl(&["get", "events.events.k8s.io", "-o", notes]).await?.succeeded()?;
            Ok(events.lines().find(|line| line.starts_with("broken TTLSet: ")).map(str::to_owned))
        });
        let told = told.await?;
        ensure!(told.contains("ttlSecondsAfterFinished: 604800") && told.contains("`short`"), "{told}");

        // The one that its user has given a TTL keeps it, and the status says so.
        wait::until_object(&test.api::<Job>(), "of-a-user", "the end of the Job", is_finished).await?;
        let counted = |status: &Value| status["jobs"]["existingTTL"] == 1 && status["jobs"]["expiring"] == 1;
        let status = until_status(test, "short", "a Job that keeps its TTL", counted).await?;
        ensure!(ttl(&get_job(test, "of-a-user").await?) == Some(86_400), "{status:#}");
        ensure!(status["lastActions"][0]["job"] == format!("{}/broken", test.namespace), "{status:#}");
        ensure!(condition(&status, "Ready")["status"] == "True", "{status:#}");
        // One write for each of the two Jobs: what it writes does not make it write again.
        let writes = writes_to_jobs(test, portcullis)?;
        ensure!(writes.len() == 2 && writes.iter().all(|write| write.contains(MANAGER)), "{writes:#?}");
        ensure!(portcullis.metric("portcullis_job_ttls_total", &["result=\"set\""]).await? == 2.0);
        Ok(())
    })
}

#[test]
fn an_audit_says_what_would_be_and_writes_nothing() -> Result<()> {
    retaining(async |test, portcullis| {
        retain(test, "what-if", "ttl: {succeeded: 1s}").await?;
        finished(test, &job("report", "")).await?;
        let counted = |status: &Value| status["jobs"]["wouldWrite"] == 1;
        let status = until_status(test, "what-if", "a Job that would get a TTL", counted).await?;
        ensure!(condition(&status, "Ready")["reason"] == "Audit", "{status:#}");
        // Nobody wrote a mode.
        let table = test.kubectl(&["get", "jr", "what-if"]).await?.succeeded()?;
        let mode = table.lines().nth(1).and_then(|row| row.split_whitespace().nth(1));
        ensure!(mode == Some("audit"), "{table}");
        ensure!(
            ttl(&get_job(test, "report").await?).is_none() && writes_to_jobs(test, portcullis)?.is_empty()
        );

        // An object with a mistake does nothing, and says which it is.
        retain(test, "broken", "ttl: {succeeded: 1s}\ngroupBy: no label\nmode: enforce").await?;
        let is_invalid = |status: &Value| condition(status, "Ready")["reason"] == "Invalid";
        let status = until_status(test, "broken", "a mistake", is_invalid).await?;
        ensure!(condition(&status, "Ready")["message"].to_string().contains("groupBy"), "{status:#}");
        ensure!(writes_to_jobs(test, portcullis)?.is_empty());
        Ok(())
    })
}

#[test]
fn a_ttl_of_the_founding_policy_is_replaced_and_the_last_three_jobs_stay() -> Result<()> {
    retaining(async |test, portcullis| {
        portcullis.put_in_force(&founding_policy()?).await?.succeeded()?;
        until_shown(test, &job("probe", ""), "ttlSecondsAfterFinished: 900").await?;
        retain(test, "failures", "ttl: {failed: 7d}\nkeepLast: 3\ngroupBy: group\nmode: enforce").await?;
        for name in ["first", "second", "third"] {
            test.apply(&failing(name)).await?.succeeded()?;
            ensure!(ttl(&get_job(test, name).await?) == Some(900));
            wait::until_object(&test.api::<Job>(), name, "the end of the Job", |job: Option<&Job>| {
                job.is_some_and(|job| has_condition(job, "Failed"))
            })
            .await?;
            until_ttl(test, name, NEVER).await?;
        }
        finished(test, &failing("fourth")).await?;
        until_ttl(test, "fourth", NEVER).await?;
        until_ttl(test, "first", 604_800).await?;
        for name in ["second", "third"] {
            ensure!(ttl(&get_job(test, name).await?) == Some(NEVER), "{name}");
        }
        // The policy looks at the Jobs again with every change, and finds a TTL.
        test.kubectl(&["label", "jobs", "--all", "reviewed=once"]).await?.succeeded()?;
        ensure!(ttl(&get_job(test, "second").await?) == Some(NEVER));
        Ok(())
    })
}

#[test]
fn the_hour_of_writes_outlives_a_leader() -> Result<()> {
    retaining(async |test, portcullis| {
        retain(test, "paced", "ttl: {succeeded: 1h}\nwritesPerHour: 2\nmode: enforce").await?;
        for name in ["a", "b", "c"] {
            finished(test, &job(name, "")).await?;
        }
        let waits = |number: i64| {
            move |status: &Value| {
                status["jobs"]["toWrite"] == number && status["next"]["writesFrom"].is_string()
            }
        };
        until_status(test, "paced", "a Job that waits", waits(1)).await?;
        ensure!(writes_to_jobs(test, portcullis)?.len() == 2);

        portcullis.serve.kill();
        portcullis.serve.start()?;
        portcullis.until_ready().await?;
        finished(test, &job("d", "")).await?;
        let status = until_status(test, "paced", "two Jobs that wait", waits(2)).await?;
        let set = async |name| Ok::<_, anyhow::Error>(ttl(&get_job(test, name).await?));
        let ttls = [set("a").await?, set("b").await?, set("c").await?, set("d").await?];
        ensure!(ttls == [Some(3_600), Some(3_600), None, None], "{ttls:?} {status:#}");
        ensure!(writes_to_jobs(test, portcullis)?.len() == 2);
        Ok(())
    })
}

#[test]
fn a_backlog_waits_until_its_number_is_approved() -> Result<()> {
    retaining(async |test, portcullis| {
        // What may go without an approval is a part of all Jobs that have finished, not of those that are selected.
        remove_jobs_of_other_tests(test).await?;
        let names: Vec<String> = (1..=4).map(|number| format!("old-{number}")).collect();
        let jobs: Vec<String> = names.iter().map(|name| job(name, "")).collect();
        test.apply(&jobs.join("---\n")).await?.succeeded()?;
        for name in &names {
            wait::until_object(&test.api::<Job>(), name, "the end of the Job", is_finished).await?;
        }
        // What finishes in the second in which the object is enforced is no backlog.
        finished(test, &job("later", "")).await?;
        test.kubectl(&["delete", "job", "later"]).await?.succeeded()?;
        let spec = "ttl: {succeeded: 1h}\nmode: enforce";
        retain(test, "backlog", spec).await?;
        let asks = |status: &Value| {
            let message = condition(status, "BacklogApproved")["message"].to_string();
            condition(status, "BacklogApproved")["status"] == "False"
                && message.contains("approvedBacklog: 4`")
        };
        until_status(test, "backlog", "a backlog that waits", asks).await?;
        // A Job that finishes from now on is no backlog.
        finished(test, &job("new", "")).await?;
        until_ttl(test, "new", 3_600).await?;
        ensure!(writes_to_jobs(test, portcullis)?.len() == 1);

        retain(test, "backlog", &format!("{spec}\napprovedBacklog: 4")).await?;
        for name in &names {
            until_ttl(test, name, 3_600).await?;
        }
        Ok(())
    })
}

#[test]
fn jobs_that_came_while_portcullis_was_down_are_caught_and_those_of_cronjobs_are_not() -> Result<()> {
    retaining(async |test, portcullis| {
        let here = format!(
            "namespaceSelector: {{matchLabels: {{kubernetes.io/metadata.name: {}}}}}",
            test.namespace
        );
        let ready_made = example("dangling-jobs/job-retention.yaml")?;
        test.apply(&ready_made.replace("selector: {}", &format!("selector: {{}}\n  {here}")))
            .await?
            .succeeded()?;
        finished(test, &job("before", "")).await?;
        until_ttl(test, "before", 900).await?;
        portcullis.serve.kill();
        finished(test, &job("meanwhile", "")).await?;
        let uid = ["get", "serviceaccount", "default", "-o", "jsonpath={.metadata.uid}"];
        let uid = test.kubectl(&uid).await?.succeeded()?;
        let owned = format!(
            "metadata:\n  ownerReferences: [{{apiVersion: v1, kind: ServiceAccount, name: default, uid: {uid}}}]\n"
        );
        finished(test, &job("owned", "").replacen("metadata:\n", &owned, 1)).await?;
        portcullis.serve.start()?;
        until_ttl(test, "meanwhile", 900).await?;
        let protected = |status: &Value| status["jobs"]["protected"] == 1;
        until_status(test, "dangling-jobs", "a protected Job", protected).await?;
        ensure!(ttl(&get_job(test, "owned").await?).is_none());
        Ok(())
    })
}

#[test]
fn a_ttl_that_is_taken_back_three_times_is_left_as_it_is() -> Result<()> {
    retaining(async |test, portcullis| {
        retain(test, "stubborn", "ttl: {succeeded: 1h}\nmode: enforce").await?;
        finished(test, &job("contested", "")).await?;
        for _ in 0..3 {
            until_ttl(test, "contested", 3_600).await?;
            let remove = r#"[{"op": "remove", "path": "/spec/ttlSecondsAfterFinished"}]"#;
            test.kubectl(&["patch", "job", "contested", "--type=json", "-p", remove]).await?.succeeded()?;
        }
        let is_told = |status: &Value| {
            let ready = condition(status, "Ready");
            ready["status"] == "False" && ready["message"].to_string().contains("again and again")
        };
        until_status(test, "stubborn", "a Job that is contested", is_told).await?;
        ensure!(ttl(&get_job(test, "contested").await?).is_none());
        ensure!(writes_to_jobs(test, portcullis)?.len() == 3);
        Ok(())
    })
}

#[test]
fn without_its_kind_retention_is_off_says_so_and_goes_on_when_it_comes() -> Result<()> {
    retaining(async |test, portcullis| {
        let name = "jobretentions.portcullis.dev";
        crds::remove(&test.control_plane.kubectl(&test.namespace), &[name]).await?;
        wait::until("a watch of a kind that is not there", async || {
            let absent = ["watch=\"jobretentions\"", "state=\"absent\""];
            Ok((portcullis.metric("portcullis_watch_state", &absent).await? == 1.0).then_some(()))
        })
        .await?;
        portcullis.serve.until_logged("the API server does not serve this kind yet").await?;
        ensure!(portcullis.is_ready().await?);
        finished(test, &job("report", "")).await?;

        let definitions = portcullis.command(&["crds"]).await?;
        let apply = ["apply", "--server-side", "-f", "-"];
        portcullis.kubectl().run_with(&apply, &definitions).await?.succeeded()?;
        wait::until("a JobRetention that is taken", async || {
            retain(test, "back", "ttl: {succeeded: 1h}\nmode: enforce\napprovedBacklog: 1").await.map(Some)
        })
        .await?;
        until_ttl(test, "report", 3_600).await?;
        Ok(())
    })
}

#[test]
fn of_several_objects_the_longest_retention_wins_and_each_says_so() -> Result<()> {
    retaining(async |test, _| {
        retain(test, "long", "ttl: {succeeded: 2h}\nmode: enforce").await?;
        retain(test, "short", "ttl: {succeeded: 1h}\nmode: enforce").await?;
        finished(test, &job("report", "")).await?;
        until_ttl(test, "report", 7_200).await?;
        for (name, other, overruled) in [("long", "short", 0), ("short", "long", 1)] {
            let says_so =
                |status: &Value| status["overlaps"][0] == other && status["jobs"]["overruled"] == overruled;
            until_status(test, name, "an overlap", says_so).await?;
        }
        Ok(())
    })
}

#[test]
fn the_next_leader_goes_on_with_the_hour_and_writes_nothing_twice() -> Result<()> {
    cluster_test(async |test| {
        let body = async |replicas: &mut Replicas<'_>| {
            replicas.start(2).await?;
            let spec = "ttl: {succeeded: 1h}\nmode: enforce\nwritesPerHour: ";
            retain(test, "paced", &format!("{spec}2")).await?;
            for name in ["a", "b", "c"] {
                finished(test, &job(name, "")).await?;
            }
            let waits = |number: i64| move |status: &Value| status["jobs"]["toWrite"] == number;
            until_status(test, "paced", "a Job that waits", waits(1)).await?;

            // One that is killed says nothing to the next one.
            let leader =
                wait::until("a leader", async || replicas.holder("portcullis-retention").await).await?;
            replicas.kill(leader).await?;
            finished(test, &job("d", "")).await?;
            let status = until_status(test, "paced", "two Jobs that wait", waits(2)).await?;
            ensure!(replicas.holder("portcullis-retention").await? == Some(0), "nobody else leads");
            ensure!(status["jobs"]["expiring"] == 2, "{status:#}");
            ensure!(of_jobs(test, replicas.writes()?).len() == 2);

            // One that ends gives the Lease back.
            replicas.roll_oldest().await?;
            replicas.until_left().await?;
            retain(test, "paced", &format!("{spec}3")).await?;
            until_status(test, "paced", "a Job that waits", waits(1)).await?;
            retain(test, "paced", &format!("{spec}4")).await?;
            for name in ["a", "b", "c", "d"] {
                until_ttl(test, name, 3_600).await?;
            }
            let writes = of_jobs(test, replicas.writes()?);
            let different: BTreeSet<&String> = writes.iter().collect();
            ensure!(writes.len() == 4 && different.len() == 4, "{writes:#?}");
            Ok(())
        };
        Replicas::during(test.control_plane, &["--retention"], body).await
    })
}

#[test]
fn a_job_that_owns_a_volume_claim_a_job_or_a_workload_is_left_alone_unless_the_object_says_otherwise()
-> Result<()> {
    retaining(async |test, portcullis| {
        kueue::with_workloads(test, async || {
            // By now it knows the kind.
            portcullis.serve.kill();
            portcullis.serve.start()?;
            retain(test, "short", "ttl: {succeeded: 1h}\nmode: enforce").await?;
            let claim = |owner: &str| {
                let spec = "spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}";
                format!(
                    "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata:\n  name: data\n{owner}{spec}\n"
                )
            };
            let owned =
                |owner: &str| job("child", "").replacen("metadata:\n", &format!("metadata:\n{owner}"), 1);
            let workload = |owner: &str| {
                format!("apiVersion: {}\nkind: Workload\nmetadata:\n  name: child\n{owner}", kueue::VERSION)
            };
            let owning: [(&str, Dependent<'_>); 3] =
                [("with-data", &claim), ("with-a-job", &owned), ("with-a-workload", &workload)];
            for (name, dependent) in owning {
                // What it owns is there before it ends.
                test.apply(&job(name, "suspend: true")).await?.succeeded()?;
                let uid = get_job(test, name).await?.metadata.uid.unwrap_or_default();
                let owner = format!(
                    "  ownerReferences: [{{apiVersion: batch/v1, kind: Job, name: {name}, uid: {uid}}}]\n"
                );
                test.apply(&dependent(&owner)).await?.succeeded()?;
                let resume = r#"{"spec": {"suspend": false}}"#;
                test.kubectl(&["patch", "job", name, "--type=merge", "-p", resume]).await?.succeeded()?;
                wait::until_object(&test.api::<Job>(), name, "the end of the Job", is_finished).await?;
            }
            wait::until_object(&test.api::<Job>(), "child", "the end of the Job", is_finished).await?;
            finished(test, &job("plain", "")).await?;
            until_ttl(test, "plain", 3_600).await?;
            let all = |status: &Value| status["jobs"]["protected"] == 4 && status["jobs"]["expiring"] == 1;
            until_status(test, "short", "four Jobs that are left alone", all).await?;
            ensure!(writes_to_jobs(test, portcullis)?.len() == 1);
            for (name, what) in
                [("with-data", "owns a PersistentVolumeClaim"), ("with-a-workload", "owns a Workload")]
            {
                let explained = portcullis.command(&["jobs", "explain", name, "-n", &test.namespace]).await?;
                ensure!(explained.contains(what), "{explained}");
            }

            // The three are now its backlog.
            let spec = "ttl: {succeeded: 1h}\nmode: enforce\napprovedBacklog: 3";
            retain(test, "short", &format!("{spec}\nprotections: {{withDependents: true}}")).await?;
            for (name, _) in owning {
                until_ttl(test, name, 3_600).await?;
            }
            Ok(())
        })
        .await
    })
}

#[test]
fn without_a_right_nothing_is_written_the_status_says_which_and_it_goes_on_when_it_comes() -> Result<()> {
    retaining(async |test, portcullis| {
        retain(test, "short", "ttl: {succeeded: 1h}\nmode: enforce").await?;
        finished(test, &job("first", "")).await?;
        until_ttl(test, "first", 3_600).await?;
        for (resource, message) in [
            ("persistentvolumeclaims", "which Jobs own `persistentvolumeclaims` is not known"),
            ("jobs", "cannot write to Jobs"),
        ] {
            let role = ["get", "clusterrole", "portcullis-retention", "-o", "json"];
            let role = test.kubectl(&role).await?.succeeded()?;
            // The rights of the one that is there are looked at when it begins to watch.
            portcullis.serve.kill();
            let less = role.replace(&format!("\"{resource}\""), "\"none\"");
            let apply = ["replace", "-f", "-"];
            let kubectl = test.control_plane.kubectl(&test.namespace);
            kubectl.run_with(&apply, &without_version(&less)?).await?.succeeded()?;
            let account = "system:serviceaccount:portcullis:portcullis";
            let verb = if resource == "jobs" { "patch" } else { "list" };
            portcullis.serve.expect_refused(verb, resource);
            wait::until("a right that is gone", async || {
                let can = test.kubectl(&["auth", "can-i", verb, resource, "-A", "--as", account]).await?;
                Ok((can.stdout.trim() == "no").then_some(()))
            })
            .await?;
            portcullis.serve.start()?;
            finished(test, &job(resource, "")).await?;
            let is_told = |status: &Value| {
                let ready = condition(status, "Ready");
                ready["status"] == "False" && ready["message"].to_string().contains(message)
            };
            let status = until_status(test, "short", "what is missing", is_told).await?;
            ensure!(ttl(&get_job(test, resource).await?).is_none(), "{status:#}");
            kubectl.run_with(&apply, &without_version(&role)?).await?.succeeded()?;
            until_ttl(test, resource, 3_600).await?;
            until_status(test, "short", "no trouble", |status: &Value| {
                condition(status, "Ready")["status"] == "True"
            })
            .await?;
        }
        Ok(())
    })
}

/// The object without the version that it was read in.
fn without_version(object: &str) -> Result<String> {
    let mut object: Value = serde_json::from_str(object)?;
    if let Some(metadata) = object.pointer_mut("/metadata").and_then(Value::as_object_mut) {
        metadata.remove("resourceVersion");
    }
    Ok(object.to_string())
}
