//! `portcullis serve` and `portcullis disarm` without a cluster.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::serving::{Certificate, Serving};
use crate::{check_snapshot, root, run, stderr};

const POLICY: &str = "examples/dangling-jobs/production.yaml";

/// A request to make a Job.
fn review() -> Value {
    let job = json!({
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "pi", "namespace": "default"},
        "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "pi", "image": "perl"}]}}},
    });
    json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
            "kind": {"group": "batch", "version": "v1", "kind": "Job"},
            "resource": {"group": "batch", "version": "v1", "resource": "jobs"},
            "name": "pi",
            "namespace": "default",
            "operation": "CREATE",
            "userInfo": {"username": "jane"},
            "object": job,
        },
    })
}

/// Starts a server with `certificate`, whose files are in `folder`.
fn start(certificate: &Certificate, folder: &Path) -> Serving {
    start_with(certificate, folder, POLICY)
}

fn start_with(certificate: &Certificate, folder: &Path, policies: &str) -> Serving {
    let [certificate, key] = certificate.write(folder).map(|path| path.to_str().unwrap().to_owned());
    Serving::start(&["--policies", policies, "--tls-cert", &certificate, "--tls-key", &key])
}

/// What is recorded once there is a record: it is kept when the answer is out.
fn decisions(serving: &Serving) -> String {
    loop {
        let answer = serving.get("/decisions");
        if let Some((_, lines)) = answer.split_once("\r\n\r\n").filter(|(_, lines)| !lines.is_empty()) {
            return lines.to_owned();
        }
    }
}

/// The records, once there are so many.
fn decisions_of(serving: &Serving, number: usize) -> Vec<Value> {
    loop {
        let recorded = decisions(serving);
        if recorded.lines().count() >= number {
            return recorded.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        }
    }
}

#[test]
fn policies_from_files_are_served_until_the_process_is_told_to_end() {
    let folder = tempfile::tempdir().unwrap();
    let certificate = Certificate::new();
    let serving = start(&certificate, folder.path());
    let answer = serving.review(&certificate, "/mutate", &review()).unwrap();
    let patch = BASE64_STANDARD.decode(answer["response"]["patch"].as_str().unwrap()).unwrap();
    let patch = String::from_utf8(patch).unwrap();
    assert!(patch.contains("/spec/ttlSecondsAfterFinished"), "{patch}");

    assert!(serving.get("/readyz").starts_with("HTTP/1.1 200 "));
    let decision: Value = serde_json::from_str(&decisions(&serving)).unwrap();
    assert_eq!(decision["uid"], "705ab4f5-6393-11e8-b7cc-42010a800002");
    assert_eq!((&decision["allowed"], &decision["mutated"]), (&json!(true), &json!(true)));
    assert!(decision["time"].as_str().unwrap().ends_with('Z'), "{decision}");
    let metrics = serving.get("/metrics");
    for name in ["portcullis_decisions_dropped_total 0", "kyverno_admission_requests_total{"] {
        assert!(metrics.contains(name), "{metrics}");
    }

    serving.signal("TERM");
    let (status, log) = serving.ended();
    assert!(status.success(), "{status}");
    assert!(log.contains("told to end by SIGTERM"), "{log}");
}

const GUARDS_SECRETS: &str = "\
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {name: guards-secrets}
spec:
  rules:
  - name: long-passwords
    match: {any: [{resources: {kinds: [Secret]}}]}
    validate:
      failureAction: Enforce
      message: the password is too short
      pattern: {data: {password: '????????????????*'}, metadata: {labels: {team: '?*'}}}
";

#[cfg(target_os = "linux")]
#[test]
fn nothing_of_the_memory_is_left_on_a_disk() {
    let folder = tempfile::tempdir().unwrap();
    let serving = start(&Certificate::new(), folder.path());
    let limits = fs::read_to_string(format!("/proc/{}/limits", serving.process_id())).unwrap();
    let cores = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(cores.split_whitespace().skip(4).collect::<Vec<_>>(), ["0", "0", "bytes"]);
}

#[test]
fn a_denial_is_explained_in_its_record_without_what_secrets_hold() {
    let folder = tempfile::tempdir().unwrap();
    let certificate = Certificate::new();
    let policy = folder.path().join("policy.yaml");
    fs::write(&policy, GUARDS_SECRETS).unwrap();
    let mut serving = start_with(&certificate, folder.path(), policy.to_str().unwrap());
    let mut review = review();
    review["request"]["kind"] = json!({"group": "", "version": "v1", "kind": "Secret"});
    review["request"]["resource"] = json!({"group": "", "version": "v1", "resource": "secrets"});
    review["request"]["object"] = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "pi", "namespace": "default", "labels": {"team": "a"}},
        "data": {"password": BASE64_STANDARD.encode("hunter22")},
    });
    let answer = serving.review(&certificate, "/validate", &review).unwrap();
    assert_eq!(answer["response"]["allowed"], false);

    let decisions = decisions(&serving);
    assert!(!decisions.contains("hunter22") && !decisions.contains(&BASE64_STANDARD.encode("hunter22")));
    let explained = |record: &str| {
        fs::write(folder.path().join("record.jsonl"), record).unwrap();
        let output = run(folder.path(), &["explain", "--record", "record.jsonl"]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        crate::stdout(&output)
    };
    let told = explained(&decisions);
    for line in [
        "policy guards-secrets on Secret default/pi, CREATE refused at ",
        "rule `long-passwords` fails: resource value '***' does not match '????????????????*' at path /data/password/",
        "  ✗ pattern",
        "    ✗ data.password  \"***\"  wanted: ????????????????*",
    ] {
        assert!(told.lines().any(|told| told.starts_with(line)), "no line `{line}` in\n{told}");
    }
    // It is a part of a line of the log, which is explained as well.
    let logged = serving.until_decided();
    assert_eq!(logged["decision"], serde_json::from_str::<Value>(&decisions).unwrap());
    assert_eq!(explained(&logged.to_string()), told);
}

/// A policy that lets no Job in, and an exception to it for the Job of [`review`].
const EXCEPTED: &str = "\
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {name: no-jobs}
spec:
  rules:
  - name: none
    match: {any: [{resources: {kinds: [Job]}}]}
    validate: {failureAction: Enforce, message: never, deny: {conditions: {all: [{key: a, operator: Equals, value: a}]}}}
---
apiVersion: kyverno.io/v2
kind: PolicyException
metadata: {name: pi, namespace: anywhere}
spec:
  exceptions: [{policyName: no-jobs, ruleNames: [none]}]
  match: {any: [{resources: {kinds: [Job], names: [pi]}}]}
";

#[test]
fn exceptions_in_the_files_count() {
    let folder = tempfile::tempdir().unwrap();
    let certificate = Certificate::new();
    let file = folder.path().join("policies.yaml");
    fs::write(&file, EXCEPTED).unwrap();
    let serving = start_with(&certificate, folder.path(), file.to_str().unwrap());
    let allowed = |name: &str| {
        let mut review = review();
        review["request"]["name"] = json!(name);
        review["request"]["object"]["metadata"]["name"] = json!(name);
        let answer = serving.review(&certificate, "/validate", &review).unwrap();
        answer["response"]["allowed"].clone()
    };
    assert_eq!((allowed("pi"), allowed("tau")), (json!(true), json!(false)));
}

/// A policy with a rule that is not executed, and one whose match conditions nobody checks.
const NOT_ENFORCED: &str = "\
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {name: cel}
spec:
  rules:
  - name: never
    match: {any: [{resources: {kinds: [Job]}}]}
    validate: {failureAction: Enforce, cel: {expressions: [{expression: 'false'}]}}
---
apiVersion: kyverno.io/v1
kind: Policy
metadata: {name: conditions, namespace: default}
spec:
  webhookConfiguration: {matchConditions: [{name: none, expression: 'false'}]}
  rules:
  - name: never
    match: {any: [{resources: {kinds: [Job]}}]}
    validate: {failureAction: Enforce, message: never, deny: {}}
";

#[test]
fn what_is_not_enforced_is_told_at_the_start_in_the_metrics_and_to_whom_it_would_concern() {
    let folder = tempfile::tempdir().unwrap();
    let certificate = Certificate::new();
    let file = folder.path().join("policies.yaml");
    fs::write(&file, NOT_ENFORCED).unwrap();
    let mut serving = start_with(&certificate, folder.path(), file.to_str().unwrap());
    let told = serving.until_logged("rules are not enforced: this version does not execute them");
    assert_eq!(
        (&told["level"], &told["policy"], &told["rules"]),
        (&json!("WARN"), &json!("cel"), &json!("`never` (it has `validate.cel`)"))
    );
    let told = serving.until_logged("rules are not enforced: its `webhookConfiguration.matchConditions` are");
    assert_eq!((&told["policy"], &told["rules"]), (&json!("default/conditions"), &json!("`never`")));
    let metrics = serving.get("/metrics");
    assert!(metrics.contains("portcullis_policies_not_enforced 2\n"), "{metrics}");
    let answer = serving.review(&certificate, "/validate", &review()).unwrap();
    assert_eq!(answer["response"]["allowed"], true);
    assert_eq!(
        answer["response"]["warnings"],
        json!([
            "policy cel.never: not executed yet: validate.cel",
            "policy conditions.never: not executed yet: webhookConfiguration.matchConditions"
        ])
    );
}

#[test]
fn reviews_are_answered_where_nobody_reads_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let certificate = Certificate::new();
    let file = folder.path().join("policies.yaml");
    fs::write(&file, EXCEPTED.replace("never", &"n".repeat(16 << 10))).unwrap();
    let mut serving = start_with(&certificate, folder.path(), file.to_str().unwrap());
    let mut refused = review();
    refused["request"]["object"]["metadata"]["name"] = json!("tau");
    // What waits to be read is 64 KiB of the pipe and a MiB of the server, in lines of 16 KiB at least.
    let lost = (0..200).any(|_| {
        let answer = serving.review(&certificate, "/validate", &refused).unwrap();
        assert_eq!(answer["response"]["allowed"], false);
        !serving.get("/metrics").contains("portcullis_log_lines_lost_total 0")
    });
    assert!(lost);
    assert!(serving.until_logged("lines of the log are lost")["lines"].as_u64() > Some(0));
}

#[test]
fn a_certificate_that_was_exchanged_is_served_and_one_that_cannot_be_used_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (Certificate::new(), Certificate::new());
    let mut serving = start(&first, folder.path());
    serving.review(&first, "/mutate", &review()).unwrap();
    serving.review(&second, "/mutate", &review()).unwrap_err();

    fs::write(folder.path().join("tls.key"), "half a k").unwrap();
    serving.signal("HUP");
    serving.until_logged("the certificate in use stays");
    serving.review(&first, "/mutate", &review()).unwrap();

    Certificate::expired().write(folder.path());
    serving.signal("HUP");
    let told = serving.until_logged("the certificate in use stays");
    assert!(
        told.to_string().contains("is valid from 2000-01-01T00:00:00Z to 2001-01-01T00:00:00Z"),
        "{told}"
    );
    serving.review(&first, "/mutate", &review()).unwrap();

    second.write(folder.path());
    serving.signal("HUP");
    serving.until_logged("serving with a new certificate");
    serving.review(&second, "/mutate", &review()).unwrap();
    serving.review(&first, "/mutate", &review()).unwrap_err();
}

#[test]
fn a_certificate_that_has_expired_makes_the_server_unready() {
    let folder = tempfile::tempdir().unwrap();
    let expired = Certificate::expired();
    let mut serving = start(&expired, folder.path());
    serving.until_logged("the certificate is in the last third of its time");
    let answer = serving.get("/readyz");
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(answer.ends_with("the certificate expired at 2001-01-01T00:00:00Z\n"), "{answer}");
    assert!(serving.get("/metrics").contains("portcullis_webhook_certificate_not_after_seconds 978307200\n"));
}

/// A kubeconfig for this server.
fn kubeconfig(server: &str) -> String {
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "here", "cluster": {"server": server}}],
        "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
        "users": [{"name": "me", "user": {"token": "t"}}],
        "current-context": "here",
    })
    .to_string()
}

#[test]
fn a_server_that_does_not_know_its_policies_yet_answers_by_the_failure_policy_of_the_webhook() {
    let folder = tempfile::tempdir().unwrap();
    let certificate = Certificate::new();
    let [pem, key] = certificate.write(folder.path()).map(|path| path.to_str().unwrap().to_owned());
    let file = folder.path().join("kubeconfig");
    // Nobody listens on this port.
    fs::write(&file, kubeconfig("http://127.0.0.1:1")).unwrap();
    let cluster = ["--kubeconfig", file.to_str().unwrap(), "--external-url", "https://127.0.0.1:9443"];
    let serving = Serving::start(&[&cluster[..], &["--tls-cert", &pem, "--tls-key", &key]].concat());
    let unready = serving.get("/readyz");
    assert!(unready.starts_with("HTTP/1.1 503 ") && unready.contains("clusterpolicies"), "{unready}");
    for (path, allowed) in [("/validate/fail", false), ("/mutate/fail", false), ("/validate/ignore", true)] {
        let answer = serving.review(&certificate, path, &review()).unwrap();
        assert_eq!(answer["response"]["allowed"], allowed, "{path}: {answer}");
        assert!(answer.to_string().contains("the policies are not known yet"), "{path}: {answer}");
    }
    let recorded = decisions_of(&serving, 3);
    for (decision, allowed) in recorded.iter().zip([false, false, true]) {
        assert_eq!(decision["message"], "the policies are not known yet");
        assert_eq!((&decision["name"], &decision["allowed"]), (&json!("pi"), &json!(allowed)));
    }
}

#[test]
fn a_policy_that_is_written_leaves_a_record_with_the_words_of_a_refusal() {
    let folder = tempfile::tempdir().unwrap();
    let certificate = Certificate::new();
    let serving = start(&certificate, folder.path());
    let mut review = review();
    review["request"]["kind"] = json!({"group": "kyverno.io", "version": "v1", "kind": "ClusterPolicy"});
    let mut ask = |object: Value| {
        review["request"]["object"] = object;
        serving.review(&certificate, "/policyvalidate", &review).unwrap()["response"].clone()
    };
    let rule = json!({
        "name": "a",
        "match": {"any": [{"resources": {"kinds": ["Pod"]}}]},
        "validate": {"message": "m", "pattern": {"a": "b"}},
    });
    let policy = |rules: Value| {
        let (api, name) = ("kyverno.io/v1", json!({"name": "p"}));
        json!({"apiVersion": api, "kind": "ClusterPolicy", "metadata": name, "spec": {"rules": rules}})
    };
    let stored = ask(policy(json!([rule])));
    assert_eq!(stored["allowed"], true, "{stored}");
    let refused = ask(policy(json!([rule, rule])));
    assert_eq!(refused["allowed"], false);
    let recorded = decisions_of(&serving, 2);
    assert_eq!(
        (&recorded[0]["kind"], &recorded[0]["allowed"]),
        (&json!("kyverno.io/v1/ClusterPolicy"), &json!(true))
    );
    assert_eq!(recorded[0].get("message"), None);
    assert_eq!(recorded[1]["message"], refused["status"]["message"]);
}

/// A policy that labels the Pods of a Job.
const TEMPLATE: &str = "\
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {name: template}
spec:
  background: false
  rules:
  - name: label
    match: {any: [{resources: {kinds: [Job]}}]}
    mutate: {patchStrategicMerge: {spec: {template: {metadata: {labels: {team: a}}}}}}
";

#[test]
fn a_mutation_that_comes_too_late_is_in_the_record() {
    let folder = tempfile::tempdir().unwrap();
    let certificate = Certificate::new();
    let file = folder.path().join("policies.yaml");
    fs::write(&file, TEMPLATE).unwrap();
    let serving = start_with(&certificate, folder.path(), file.to_str().unwrap());
    let mut review = review();
    review["request"]["operation"] = json!("UPDATE");
    review["request"]["oldObject"] = review["request"]["object"].clone();
    let answer = serving.review(&certificate, "/mutate", &review).unwrap();
    assert_eq!(answer["response"].get("patch"), None);
    let recorded = decisions_of(&serving, 1);
    assert_eq!(
        recorded[0]["rules"],
        json!([{
            "policy": "template",
            "rule": "label",
            "status": "skip",
            "message": "immutable: spec.template cannot be changed any more",
        }])
    );
}

/// What is said of `arguments` where no cluster is known. `hidden` is what differs from run to run.
fn said(folder: &Path, arguments: &[&str], hidden: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .current_dir(folder)
        .args(arguments)
        .env_remove("KUBECONFIG")
        .env_remove("KUBERNETES_SERVICE_HOST")
        .env("HOME", "/nowhere")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{arguments:?}");
    let line = format!("$ portcullis {}\n{}\n", arguments.join(" "), stderr(&output));
    if hidden.is_empty() { line } else { line.replace(hidden, "PORT") }
}

/// A policy that lets in the Jobs that a ConfigMap names, in namespaces with a label.
const LISTED: &str = "\
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {name: listed}
spec:
  rules:
  - name: name
    match: {any: [{resources: {kinds: [Job], namespaceSelector: {matchLabels: {team: blue}}}}]}
    context: [{name: list, configMap: {name: jobs, namespace: '{{ request.namespace }}'}}]
    validate:
      failureAction: Enforce
      message: not on the list
      deny: {conditions: {all: [{key: '{{ request.name }}', operator: NotEquals, value: '{{ list.data.name }}'}]}}
";

const OBJECTS: &str = "\
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: Namespace, metadata: {name: default, labels: {team: blue}}}
- {apiVersion: v1, kind: Namespace, metadata: {name: empty, labels: {team: blue}}}
- {apiVersion: v1, kind: Namespace, metadata: {name: red, labels: {team: red}}}
- {apiVersion: v1, kind: ConfigMap, metadata: {name: jobs, namespace: default}, data: {name: pi}}
- apiVersion: v1
  kind: ConfigMap
  metadata: {name: limits, namespace: portcullis}
  data: {resourceFilters: '[Job,default,filtered]', maxContextSize: 4Mi}
";

#[test]
fn rules_look_up_what_the_files_of_a_cluster_hold() {
    let folder = tempfile::tempdir().unwrap();
    let certificate = Certificate::new();
    let file = |name: &str, text: &str| {
        fs::write(folder.path().join(name), text).unwrap();
        folder.path().join(name).to_str().unwrap().to_owned()
    };
    let [cert, key] = certificate.write(folder.path()).map(|path| path.to_str().unwrap().to_owned());
    let (policies, objects) = (file("policies.yaml", LISTED), file("objects.yaml", OBJECTS));
    let serving = Serving::start(&[
        "--policies",
        &policies,
        "--resource",
        &objects,
        "--config-map",
        "limits",
        "--tls-cert",
        &cert,
        "--tls-key",
        &key,
    ]);
    let said = |namespace: &str, name: &str| {
        let mut review = review();
        for at in ["/request", "/request/object/metadata"] {
            let part = review.pointer_mut(at).unwrap();
            (part["name"], part["namespace"]) = (json!(name), json!(namespace));
        }
        let answer = serving.review(&certificate, "/validate", &review).unwrap();
        let message = answer["response"]["status"]["message"].as_str().map(str::to_owned);
        (answer["response"]["allowed"].as_bool().unwrap(), message)
    };
    assert_eq!(said("default", "pi"), (true, None));
    let refusal = "\n\nresource Job/default/tau was blocked due to the following policies \n\nlisted:\n  name: not on the list\n";
    assert_eq!(said("default", "tau"), (false, Some(refusal.to_owned())));
    let (allowed, message) = said("empty", "pi");
    let message = message.unwrap();
    assert!(!allowed && message.contains(r#"configmaps "jobs" not found"#), "{message}");
    assert_eq!(said("red", "tau"), (true, None));
    assert_eq!(said("default", "filtered"), (true, None), "by the configuration");
    let (_, message) = said("unknown", "pi");
    assert!(message.unwrap().contains("the labels of its namespace are not known"));
}

#[test]
fn what_a_server_does_not_use_of_a_values_file_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let certificate = Certificate::new();
    let [cert, key] = certificate.write(folder.path()).map(|path| path.to_str().unwrap().to_owned());
    let values = folder.path().join("values.yaml");
    let labels = "apiVersion: cli.kyverno.io/v1alpha1\nkind: Values\nnamespaceSelector: [{name: default, labels: {team: blue}}]";
    let policies = "policies: [{name: p, rules: [{name: r, values: {x: 1}}]}]";
    let path = values.to_str().unwrap();
    let told = |text: String| {
        fs::write(&values, text).unwrap();
        let arguments = ["--policies", POLICY, "--values-file", path, "--tls-cert", &cert, "--tls-key", &key];
        Serving::start(&arguments).warnings().iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(told(labels.to_owned()), [""; 0]);
    assert_eq!(
        told(format!("{labels}\n{policies}\nglobalValues: {{y: 2}}")),
        [format!(
            "warning: not used of `{path}`: `globalValues`, `policies` (a server takes labels of namespaces from it; what \
             rules look up goes into `--resource`)"
        )]
    );
}

#[test]
fn what_cannot_be_served_is_told_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    fs::copy(root().join(POLICY), here.join("policy.yaml")).unwrap();
    let broken = fs::read_to_string(root().join(POLICY)).unwrap().replace("rules:", "rulez:");
    fs::write(here.join("broken.yaml"), broken).unwrap();
    fs::write(here.join("notes.txt"), "no certificate\n").unwrap();
    // Nobody listens on this port.
    fs::write(here.join("kubeconfig"), kubeconfig("http://127.0.0.1:1")).unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let port = address.rsplit_once(':').unwrap().1;

    let serve = ["serve", "--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"];
    let files = [&serve[..], &["--policies", "policy.yaml"]].concat();
    let mut book = String::new();
    for arguments in [
        vec!["serve", "--listen", "9443"],
        vec!["serve", "--policies", "policy.yaml", "--external-url", "https://127.0.0.1:9443"],
        vec!["serve", "--policies", "policy.yaml", "--exception-namespace", "team"],
        vec!["serve", "--service", "gate", "--external-url", "https://127.0.0.1:9443"],
        vec!["serve", "--tls-cert", "tls.crt"],
        vec!["serve", "--allow-fail"],
        vec!["serve", "--policies", "policy.yaml", "--allow-fail"],
        vec!["serve", "--policies", "policy.yaml", "--take-over"],
        vec!["serve", "--webhook-timeout", "31"],
        vec!["serve", "--log", "loud", "--policies", "policy.yaml"],
        vec!["serve", "--policies", "nowhere.yaml"],
        vec!["serve", "--policies", "broken.yaml"],
        vec!["serve", "--policies", "policy.yaml", "--resource", "nowhere.yaml"],
        vec!["serve", "--resource", "policy.yaml"],
        vec!["serve", "--policies", "policy.yaml", "--listen", &address],
        [&files[..], &["--tls-cert", "tls.crt", "--tls-key", "tls.key"]].concat(),
        [&files[..], &["--tls-cert", "notes.txt", "--tls-key", "notes.txt"]].concat(),
        serve.to_vec(),
        [&serve[..], &["--kubeconfig", "nowhere"]].concat(),
        [&serve[..], &["--kubeconfig", "kubeconfig", "--context", "there"]].concat(),
        [&serve[..], &["--kubeconfig", "kubeconfig", "--external-url", "http://127.0.0.1:9443"]].concat(),
        vec!["disarm"],
        vec!["disarm", "--kubeconfig", "kubeconfig"],
    ] {
        book += &said(here, &arguments, port);
    }
    check_snapshot("what_cannot_be_served", &book);
}

#[test]
fn the_help_of_serve_is_a_page_to_read_and_the_guide_knows_each_flag() {
    let output = run(&root(), &["serve", "--help"]);
    assert!(output.status.success());
    let help = String::from_utf8(output.stdout).unwrap();
    check_snapshot("help_of_serve", &help);
    let guide = fs::read_to_string(root().join("docs/serve.md")).unwrap();
    let flags: Vec<_> = help
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix("-n, ").or(Some(line.trim_start())))
        .filter_map(|line| line.split_whitespace().next().filter(|word| word.starts_with("--")))
        .collect();
    assert!(flags.len() > 15, "{flags:?}");
    for flag in flags {
        assert!(guide.contains(&format!("`{flag}`")), "docs/serve.md says nothing of `{flag}`");
    }
}

#[test]
fn the_help_of_disarm_is_a_page_to_read() {
    let output = run(&root(), &["disarm", "--help"]);
    assert!(output.status.success());
    check_snapshot("help_of_disarm", &String::from_utf8(output.stdout).unwrap());
}
