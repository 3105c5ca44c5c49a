//! What is answered, and what is left of it: Events, metrics, objects that are not touched.

use std::io::Write as _;

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use portcullis_cluster_tests::wait;

use crate::story::{create, founded, get_job, job, notes, serving, until_event, until_shown};

/// A policy with one rule about kinds in one namespace.
fn policy(name: &str, failure_policy: &str, kind: &str, namespace: &str, rule: &str) -> String {
    let rule: String = rule.lines().map(|line| format!("    {line}\n")).collect();
    format!(
        "\
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata:
  name: {name}
  annotations:
    pod-policies.kyverno.io/autogen-controllers: none
spec:
  failurePolicy: {failure_policy}
  rules:
  - name: rule
    match:
      any:
      - resources:
          kinds: [{kind}]
          namespaces: [{namespace}]
{rule}"
    )
}

fn config_map(name: &str) -> String {
    format!("{{apiVersion: v1, kind: ConfigMap, metadata: {{name: {name}}}}}")
}

const NEEDS_A_TEAM: &str = "\
validate:
  failureAction: Audit
  message: a team is missing
  pattern:
    metadata:
      labels:
        team: \"?*\"";

const ASKS_FOR_WHAT_IS_NOT_THERE: &str = "\
validate:
  failureAction: Enforce
  message: cannot be judged
  deny:
    conditions:
      all:
      - key: \"{{ request.object.data.missing }}\"
        operator: Equals
        value: x";

#[test]
fn what_is_let_through_although_a_rule_failed_is_said_in_an_event_and_counted() -> Result<()> {
    serving(async |test, portcullis| {
        let namespace = &test.namespace;
        let policies = [
            policy("audits", "Ignore", "ConfigMap", namespace, NEEDS_A_TEAM),
            policy("errs-open", "Ignore", "ConfigMap", namespace, ASKS_FOR_WHAT_IS_NOT_THERE),
        ];
        portcullis.put_in_force(&policies.join("---\n")).await?.succeeded()?;
        wait::until("a review by the policies", async || {
            create(test, &config_map("tried"), &["--dry-run=server"]).await?.succeeded()?;
            let failed = ["policy_name=\"audits\"", "rule_result=\"fail\"", "rule_type=\"validate\""];
            Ok((portcullis.metric("kyverno_policy_results_total", &failed).await? > 0.0).then_some(()))
        })
        .await?;
        create(test, &config_map("real"), &[]).await?.succeeded()?;
        let audited = until_event(test, "audits", "PolicyViolation").await?;
        ensure!(audited.contains(&format!("ConfigMap {namespace}/real: [rule] fail: ")), "{audited}");
        let described = test.kubectl(&["describe", "clusterpolicy", "audits"]).await?.succeeded()?;
        ensure!(described.contains("PolicyViolation") && described.contains(&audited), "{described}");
        let erred = until_event(test, "errs-open", "PolicyError").await?;
        ensure!(erred.contains(&format!("ConfigMap {namespace}/real: [rule] error: ")), "{erred}");
        ensure!(portcullis.metric("portcullis_rule_errors_ignored_total", &[]).await? >= 1.0);
        // Events are written in order: those of the dry runs would be there.
        let of_dry_runs = notes(test).await?.into_iter().filter(|(_, note)| note.contains("/tried")).count();
        ensure!(of_dry_runs == 0, "{of_dry_runs} Events of dry runs");

        // With the other failure policy the same error refuses.
        let closed = policy("errs-closed", "Fail", "ConfigMap", namespace, ASKS_FOR_WHAT_IS_NOT_THERE);
        portcullis.put_in_force(&closed).await?.succeeded()?;
        until_shown(test, &config_map("refused"), "\"validate.portcullis.svc-fail\" denied the request")
            .await?;
        let allowed = ["request_allowed=\"false\"", "resource_kind=\"ConfigMap\""];
        ensure!(portcullis.metric("kyverno_admission_requests_total", &allowed).await? >= 1.0);
        Ok(())
    })
}

const NEEDS_A_LABEL_OF_THE_SETTINGS: &str = "\
context:
- name: settings
  configMap: {name: settings, namespace: NAMESPACE}
validate:
  failureAction: Enforce
  message: the label level is not {{ settings.data.level }}
  deny:
    conditions:
      all:
      - key: \"{{ request.object.metadata.labels.level || '' }}\"
        operator: NotEquals
        value: \"{{ settings.data.level }}\"";

#[test]
fn a_denied_create_leaves_a_record_that_explains_it() -> Result<()> {
    serving(async |test, portcullis| {
        let settings = "{apiVersion: v1, kind: ConfigMap, metadata: {name: settings}, data: {level: high}}";
        create(test, settings, &[]).await?.succeeded()?;
        let rule = NEEDS_A_LABEL_OF_THE_SETTINGS.replace("NAMESPACE", &test.namespace);
        portcullis
            .put_in_force(&policy("levels", "Fail", "Secret", &test.namespace, &rule))
            .await?
            .succeeded()?;
        let secret = "{apiVersion: v1, kind: Secret, metadata: {name: low, labels: {level: low}}, \
            stringData: {password: hunter22}}";
        let record = wait::until("a record that explains the denial", async || {
            // Anew each time: a server that is busy leaves denials unexplained.
            until_shown(test, secret, "the label level is not high").await?;
            let decisions = portcullis.decisions().await?;
            Ok(decisions.lines().rev().find(|line| line.contains("\"explained\"")).map(str::to_owned))
        })
        .await?;
        let mut file = tempfile::NamedTempFile::new()?;
        file.write_all(record.as_bytes())?;
        let file = file.path().to_string_lossy().into_owned();
        let told = portcullis.command(&["explain", "--record", &file]).await?;
        for part in [
            &format!("policy levels on Secret {}/low, CREATE refused at ", test.namespace),
            "rule `rule` fails: condition 1 of `all` holds: `{{ request.object.metadata.labels.level || '' }}` is \"low\"",
            "(the value is \"high\")",
            &format!("asked for ConfigMap {}/settings", test.namespace),
        ] {
            ensure!(told.contains(part), "no `{part}` in\n{told}");
        }
        ensure!(!record.contains("hunter22"), "{record}");
        Ok(())
    })
}

/// Changes what cannot change any more.
const CHANGES_THE_TEMPLATE: &str = "\
mutate:
  patchStrategicMerge:
    spec:
      template:
        metadata:
          labels:
            team: a";

const CHANGES_THE_GRACE: &str = "\
mutate:
  patchStrategicMerge:
    spec:
      terminationGracePeriodSeconds: 7";

#[test]
fn a_field_that_cannot_change_any_more_is_left_and_the_update_passes() -> Result<()> {
    serving(async |test, portcullis| {
        test.apply(&[job("running", ""), job("waiting", "suspend: true")].join("---\n"))
            .await?
            .succeeded()?;
        let pod =
            "{apiVersion: v1, kind: Pod, metadata: {name: old}, spec: {containers: [{name: c, image: i}]}}";
        test.apply(pod).await?.succeeded()?;
        let policies = [
            policy("template", "Fail", "Job", &test.namespace, CHANGES_THE_TEMPLATE),
            policy("grace", "Fail", "Pod", &test.namespace, CHANGES_THE_GRACE),
        ];
        portcullis.put_in_force(&policies.join("---\n")).await?.succeeded()?;
        until_shown(test, &job("probe", ""), "team: a").await?;

        for object in ["job/running", "job/waiting", "pod/old"] {
            test.kubectl(&["label", object, "seen=yes"]).await?.succeeded()?;
        }
        let team = |job: Job| job.spec?.template.metadata?.labels?.remove("team");
        ensure!(team(get_job(test, "running").await?).is_none());
        // It has never started: its template may still change.
        ensure!(team(get_job(test, "waiting").await?).as_deref() == Some("a"));
        let pod = test.api::<Pod>().get("old").await?;
        ensure!(pod.spec.and_then(|spec| spec.termination_grace_period_seconds) == Some(30));
        let skipped = portcullis.metric("portcullis_mutations_skipped_immutable_total", &[]).await?;
        ensure!(skipped >= 2.0, "{skipped} were counted");
        Ok(())
    })
}

const LABELS: &str = "\
mutate:
  patchStrategicMerge:
    metadata:
      labels:
        mutated: \"yes\"";

#[test]
fn an_object_that_is_being_deleted_is_not_changed_so_that_its_finalizers_can_go() -> Result<()> {
    serving(async |test, portcullis| {
        let held =
            "{apiVersion: v1, kind: ConfigMap, metadata: {name: held, finalizers: [example.com/hold]}}";
        create(test, held, &[]).await?.succeeded()?;
        test.kubectl(&["delete", "configmap", "held", "--wait=false"]).await?.succeeded()?;
        let labelling = policy("labels", "Fail", "ConfigMap", &test.namespace, LABELS);
        portcullis.put_in_force(&labelling).await?.succeeded()?;
        until_shown(test, &config_map("probe"), "mutated: \"yes\"").await?;
        test.kubectl(&["annotate", "configmap", "held", "seen=yes"]).await?.succeeded()?;
        let maps = test.api::<ConfigMap>();
        let labels = maps.get("held").await?.metadata.labels;
        ensure!(labels.is_none(), "{labels:?}");
        let release = r#"{"metadata": {"finalizers": null}}"#;
        test.kubectl(&["patch", "configmap", "held", "--patch", release]).await?.succeeded()?;
        wait::until_object(&maps, "held", "the end of the object", |map: Option<&ConfigMap>| map.is_none())
            .await?;
        Ok(())
    })
}

#[test]
fn the_configuration_is_followed_while_it_changes() -> Result<()> {
    founded(async |test, portcullis| {
        let kubectl = portcullis.kubectl();
        let set = async |key: &str, value: &str| {
            let configuration = serde_json::json!({
                "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "portcullis" }, "data": { key: value },
            });
            kubectl.run_with(&["apply", "-f", "-"], &configuration.to_string()).await?.succeeded()
        };
        let labelled = job("labelled", "").replace("name: labelled", "name: labelled\n  labels: {team: a}");
        let until_changed = async |job: &str, wanted: bool| {
            wait::until(&format!("a Job that is changed: {wanted}"), async || {
                let created = create(test, job, &["--dry-run=server"]).await?.succeeded()?;
                Ok((created.contains("ttlSecondsAfterFinished") == wanted).then_some(()))
            })
            .await
        };
        let plain = job("probe", "");
        let namespace = |name: &str| {
            format!(
                r#"{{"namespaceSelector": {{"matchLabels": {{"kubernetes.io/metadata.name": "{name}"}}}}}}"#
            )
        };
        let elsewhere = namespace("elsewhere");
        // Each leaves the Jobs of this test out, and what it is changed to does not.
        for (key, leaves_out, does_not) in [
            ("resourceFilters", &*format!("[Job,{},*]", test.namespace), Some("[Job,elsewhere,*]")),
            ("excludeUsernames", "kubernetes-*", Some("somebody")),
            ("excludeGroups", "system:masters", Some("!system:masters")),
            ("webhooks", &elsewhere, Some(&*namespace(&test.namespace))),
            ("webhooks", r#"{"objectSelector": {"matchLabels": {"team": "a"}}}"#, None),
        ] {
            set(key, leaves_out).await?;
            until_changed(&plain, false).await.with_context(|| format!("with {key}: {leaves_out}"))?;
            if let Some(does_not) = does_not {
                set(key, does_not).await?;
                until_changed(&plain, true).await.with_context(|| format!("with {key}: {does_not}"))?;
                set(key, leaves_out).await?;
                until_changed(&plain, false).await.with_context(|| format!("with {key} again"))?;
            } else {
                until_changed(&labelled, true).await.context("what the selector selects")?;
            }
            kubectl.run(&["delete", "configmap", "portcullis"]).await?.succeeded()?;
            until_changed(&plain, true).await.with_context(|| format!("without {key}"))?;
        }
        set("maxContextSize", "4Mi").await?;
        let told = "problem=`maxContextSize` is not used: it has no effect in this version";
        portcullis.serve.until_logged(told).await
    })
}
