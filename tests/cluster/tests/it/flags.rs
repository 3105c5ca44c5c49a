//! What the flags of `portcullis serve` do in a cluster.

use std::path::Path;
use std::time::SystemTime;

use anyhow::{Context as _, Result, anyhow, ensure};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use portcullis_cluster_tests::{ClusterTest, wait};
use portcullis_webhook::Authority;

use crate::story::{create, founding_policy, get_job, job, record, serving_with, ttl, until_shown};

/// A policy that labels Jobs of the test; `annotations` are its own.
fn labels_jobs(test: &ClusterTest, name: &str, annotations: &str) -> String {
    format!(
        "\
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata:
  name: {name}
  annotations: {{{annotations}}}
spec:
  rules:
  - name: label
    match: {{any: [{{resources: {{kinds: [Job], namespaces: [{}]}}}}]}}
    mutate: {{patchStrategicMerge: {{metadata: {{labels: {{{name}: \"yes\"}}}}}}}}
",
        test.namespace
    )
}

/// Puts two policies in force, of which one has the record elsewhere by its annotation, creates a Job, and checks its
/// record and what the audit log has of it.
fn recorded(flag: &str, annotation: &str, check: impl Fn(&str, &str) -> bool) -> Result<()> {
    serving_with(&[flag], async |test, portcullis| {
        let other = format!("portcullis.dev/mutation-record: {annotation}");
        let policies = [labels_jobs(test, "plain", ""), labels_jobs(test, "other", &other)];
        portcullis.put_in_force(&policies.join("---\n")).await?.succeeded()?;
        until_shown(test, &job("probe", ""), "plain: \"yes\"").await?;
        create(test, &job("real", ""), &[]).await?.succeeded()?;
        let created = get_job(test, "real").await?;
        let labels = created.metadata.labels.clone().unwrap_or_default();
        ensure!(labels.contains_key("plain") && labels.contains_key("other"), "{labels:?}");
        let on_object = record(&created).unwrap_or_default();
        wait::until("the record", async || {
            let audited = test.control_plane.audit_annotations(&test.namespace)?.join("\n");
            ensure!(check(on_object, &audited), "on the object: {on_object}; in the audit log: {audited}");
            Ok(Some(()))
        })
        .await
    })
}

#[test]
fn the_record_goes_to_the_audit_log_where_that_is_asked_for_and_to_the_object_where_a_policy_says_so()
-> Result<()> {
    let check = |on_object: &str, audited: &str| {
        let plain =
            "mutate.portcullis.svc-fail/last-applied-patches: label.plain.kyverno.io: added /metadata/labels";
        on_object == "label.other.kyverno.io: added /metadata/labels\n"
            && audited.contains(plain)
            && !audited.contains("label.other")
    };
    recorded("--mutation-record=audit", "annotation", check)
}

#[test]
fn nothing_is_recorded_where_the_record_is_off_except_by_policies_that_want_it() -> Result<()> {
    recorded("--mutation-record=off", "audit", |on_object, audited| {
        on_object.is_empty()
            && audited.contains("label.other.kyverno.io: ")
            && !audited.contains("label.plain")
    })
}

/// Changes the template of a Job, which is fixed once the Job runs.
const CHANGES_THE_TEMPLATE: &str = "\
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata:
  name: template
spec:
  rules:
  - name: template
    match: {any: [{resources: {kinds: [Job]}}]}
    mutate: {patchStrategicMerge: {spec: {template: {metadata: {labels: {team: a}}}}}}
";

#[test]
fn a_mutation_of_a_fixed_field_is_the_api_servers_to_refuse_where_it_is_asked_for_as_written() -> Result<()> {
    serving_with(&["--immutable-fields=as-written"], async |test, portcullis| {
        test.apply(&job("running", "")).await?.succeeded()?;
        portcullis.put_in_force(CHANGES_THE_TEMPLATE).await?.succeeded()?;
        until_shown(test, &job("probe", ""), "team: a").await?;
        let refused = test.kubectl(&["label", "job/running", "seen=yes"]).await?;
        ensure!(refused.code == 1 && refused.stderr.contains("field is immutable"), "{refused:?}");
        let skipped = portcullis.metric("portcullis_mutations_skipped_immutable_total", &[]).await?;
        ensure!(skipped == 0.0, "{skipped} were left out");
        Ok(())
    })
}

#[test]
fn webhooks_have_the_names_of_the_reference_where_programs_look_at_them() -> Result<()> {
    serving_with(&["--webhook-names=kyverno"], async |test, portcullis| {
        portcullis.put_in_force(&founding_policy()?).await?.succeeded()?;
        until_shown(test, &job("probe", ""), "ttlSecondsAfterFinished: 900").await?;
        let webhooks = ["get", "mutatingwebhookconfiguration", "kyverno-resource-mutating-webhook-cfg"];
        let names = [&webhooks[..], &["-o", "jsonpath={.webhooks[*].name}"]].concat();
        let names = test.kubectl(&names).await?.succeeded()?;
        ensure!(names == "mutate.kyverno.svc-ignore", "{names}");
        let disarmed = portcullis.command(&["disarm"]).await?;
        ensure!(disarmed.contains("kyverno-policy-validating-webhook-cfg removed"), "{disarmed}");
        Ok(())
    })
}

/// Refuses what has the label `refused`, and says that it fails closed.
const CLOSED: &str = "\
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata:
  name: closed
spec:
  failurePolicy: Fail
  rules:
  - name: nothing-refused
    match: {any: [{resources: {kinds: [ConfigMap, Node], selector: {matchLabels: {refused: \"true\"}}}}]}
    validate: {failureAction: Enforce, message: it is refused, deny: {}}
";

#[test]
fn no_policy_fails_closed_where_all_failures_are_ignored_and_nothing_is_left_out() -> Result<()> {
    serving_with(&["--force-failure-policy-ignore"], async |test, portcullis| {
        let applied = portcullis.put_in_force(CLOSED).await?;
        ensure!(applied.code == 0 && !applied.stderr.contains("never asked"), "{applied:?}");
        let map = "{apiVersion: v1, kind: ConfigMap, metadata: {name: m, labels: {refused: \"true\"}}}";
        until_shown(test, map, "\"validate.portcullis.svc-ignore\" denied the request").await?;
        let labelled = test.kubectl(&["label", "node", "node-1", "refused=true", "--dry-run=server"]).await?;
        ensure!(labelled.code == 1 && labelled.stderr.contains("it is refused"), "{labelled:?}");
        portcullis.serve.kill();
        create(test, map, &["--dry-run=server"]).await?.succeeded().map(drop)
    })
}

/// Whether the API server trusts this certificate of the webhooks for Jobs and for policies.
async fn trusts(test: &ClusterTest, certificate: &str) -> Result<bool> {
    for configuration in [
        "mutatingwebhookconfiguration/portcullis-resource-mutating",
        "validatingwebhookconfiguration/portcullis-policy-validating",
    ] {
        let bundle = ["get", configuration, "-o", "jsonpath={.webhooks[0].clientConfig.caBundle}"];
        let bundle = BASE64_STANDARD.decode(test.kubectl(&bundle).await?.succeeded()?)?;
        if !String::from_utf8(bundle)?.contains(certificate) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Serves with the certificate of these files, and has them hold the next one twice: at no moment does the API server trust neither.
/// `next` writes files, and returns what it is to trust.
fn exchanging(flags: &[&str], next: impl Fn() -> Result<String>) -> Result<()> {
    let first = next()?;
    serving_with(flags, async |test, portcullis| {
        portcullis.put_in_force(&founding_policy()?).await?.succeeded()?;
        until_shown(test, &job("probe", ""), "ttlSecondsAfterFinished: 900").await?;
        ensure!(trusts(test, &first).await?, "the first certificate is not trusted");
        for exchanges in 1..=2 {
            let next = next()?;
            portcullis.serve.hang_up()?;
            wait::until("the next certificate", async || {
                // A webhook that is not trusted would be passed over.
                let created = create(test, &job("probe", ""), &["--dry-run=server"]).await?.succeeded()?;
                if !created.contains("ttlSecondsAfterFinished: 900") {
                    return Ok(Some(Err(anyhow!("asked nobody: {}", portcullis.serve.log()?))));
                }
                let served = portcullis.serve.log()?.matches("serving with a new certificate").count();
                Ok((served == exchanges).then_some(Ok(())))
            })
            .await??;
            ensure!(trusts(test, &next).await?, "it is served before it is trusted");
        }
        create(test, &job("real", ""), &[]).await?.succeeded()?;
        ensure!(ttl(&get_job(test, "real").await?) == Some(900));
        Ok(())
    })
}

#[test]
fn a_certificate_is_exchanged_without_a_moment_in_which_the_api_server_trusts_neither() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let [certificate, key] = ["tls.crt", "tls.key"].map(|name| folder.path().join(name));
    let flags = [format!("--tls-cert={}", certificate.display()), format!("--tls-key={}", key.display())];
    exchanging(&flags.each_ref().map(String::as_str), || {
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()])?;
        write(&certificate, &made.cert.pem())?;
        write(&key, &made.signing_key.serialize_pem())?;
        Ok(made.cert.pem())
    })
}

#[test]
fn certificates_of_an_authority_are_exchanged_with_it_and_it_alone_is_trusted() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let [certificate, key, authority] = ["tls.crt", "tls.key", "ca.crt"].map(|name| folder.path().join(name));
    let flags = [("cert", &certificate), ("key", &key), ("ca", &authority)];
    let flags = flags.map(|(name, path)| format!("--tls-{name}={}", path.display()));
    exchanging(&flags.each_ref().map(String::as_str), || {
        let made = Authority::new(SystemTime::from(Timestamp::now()))?;
        let leaf = made.issue_pem(&["127.0.0.1".to_owned()], SystemTime::from(Timestamp::now()))?;
        write(&certificate, &leaf.certificate)?;
        write(&key, &leaf.key)?;
        write(&authority, made.bundle_pem())?;
        Ok(made.bundle_pem().to_owned())
    })
}

#[expect(clippy::disallowed_methods, reason = "the test exchanges files")]
fn write(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).with_context(|| format!("cannot write `{}`", path.display()))
}
