//! Fields that cannot change any more, by the API server's own word: a policy that changes one leaves it as it is, and the
//! update that somebody else makes passes.

use anyhow::{Result, ensure};
use portcullis_cluster_tests::ClusterTest;

use crate::story::{serving, until_shown};

/// An object as it is created, the kind and name that `kubectl` takes, and what a policy would make of it.
struct Case {
    object: &'static str,
    name: &'static str,
    kind: &'static str,
    overlay: &'static str,
}

const fn case(object: &'static str, name: &'static str, kind: &'static str, overlay: &'static str) -> Case {
    Case { object, name, kind, overlay }
}

const JOB: &str = "{apiVersion: batch/v1, kind: Job, metadata: {name: x}, spec: {suspend: true, \
    template: {spec: {restartPolicy: Never, containers: [{name: c, image: i}]}}}}";
const INDEXED: &str = "{apiVersion: batch/v1, kind: Job, metadata: {name: indexed}, spec: {completions: 2, parallelism: 2, \
    completionMode: Indexed, suspend: true, template: {spec: {restartPolicy: Never, containers: [{name: c, image: i}]}}}}";
const SERVICE: &str =
    "{apiVersion: v1, kind: Service, metadata: {name: x}, spec: {selector: {a: b}, ports: [{port: 80}]}}";
const HEADLESS: &str = "{apiVersion: v1, kind: Service, metadata: {name: headless}, spec: {clusterIP: None, selector: {a: b}, \
    ports: [{port: 80}]}}";
const CLAIM: &str = "{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: x}, spec: {accessModes: [ReadWriteOnce], \
    storageClassName: nobody, resources: {requests: {storage: 1Gi}}}}";
const POD: &str = "{apiVersion: v1, kind: Pod, metadata: {name: x}, spec: {nodeName: nowhere, activeDeadlineSeconds: 9000, \
    tolerations: [{key: a, operator: Exists}], containers: [{name: c, image: i}]}}";
const STATEFUL_SET: &str = "{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: x}, spec: {replicas: 0, serviceName: x, \
    selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: i}]}}}}";
const QUOTA: &str = "{apiVersion: v1, kind: ResourceQuota, metadata: {name: x}, spec: {hard: {pods: 100}, scopes: [Terminating]}}";

const CASES: &[Case] = &[
    case(JOB, "job/x", "batch/v1/Job", "{spec: {completions: 7}}"),
    case(JOB, "job/x", "batch/v1/Job", "{spec: {template: {spec: {terminationGracePeriodSeconds: 3}}}}"),
    case(JOB, "job/x", "batch/v1/Job", "{spec: {managedBy: example.com/queue}}"),
    case(INDEXED, "job/indexed", "batch/v1/Job", "{spec: {completions: 7}}"),
    case(SERVICE, "service/x", "Service", "{spec: {clusterIP: 10.0.0.77, clusterIPs: [10.0.0.77]}}"),
    case(SERVICE, "service/x", "Service", "{spec: {ipFamilies: [IPv6]}}"),
    case(HEADLESS, "service/headless", "Service", "{spec: {clusterIPs: [10.0.0.77]}}"),
    case(CLAIM, "pvc/x", "PersistentVolumeClaim", "{spec: {resources: {requests: {storage: 500Mi}}}}"),
    case(CLAIM, "pvc/x", "PersistentVolumeClaim", "{spec: {accessModes: [ReadWriteMany]}}"),
    case(POD, "pod/x", "Pod", "{spec: {tolerations: [{key: b, operator: Exists}]}}"),
    case(POD, "pod/x", "Pod", "{spec: {activeDeadlineSeconds: 9001}}"),
    case(POD, "pod/x", "Pod", "{spec: {dnsPolicy: Default}}"),
    case(STATEFUL_SET, "statefulset/x", "StatefulSet", "{spec: {serviceName: other}}"),
    case(QUOTA, "resourcequota/x", "ResourceQuota", "{spec: {scopes: [NotTerminating]}}"),
];

/// A policy that lays `overlay` over what is updated of a kind in the namespace of the test.
fn changes(test: &ClusterTest, name: &str, kind: &str, overlay: &str) -> String {
    format!(
        "\
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {{name: {name}, annotations: {{pod-policies.kyverno.io/autogen-controllers: none}}}}
spec:
  rules:
  - name: rule
    match: {{any: [{{resources: {{kinds: [{kind}], namespaces: [{}]}}}}]}}
    mutate: {{patchStrategicMerge: {overlay}}}
",
        test.namespace
    )
}

#[test]
fn an_update_passes_whatever_fixed_field_a_policy_would_change() -> Result<()> {
    serving(async |test, portcullis| {
        let objects: Vec<_> = CASES.iter().map(|case| case.object).collect();
        test.apply(&objects.join("\n---\n")).await?.succeeded()?;
        let mut policies: Vec<_> = CASES
            .iter()
            .enumerate()
            .map(|(index, case)| changes(test, &format!("case-{index}"), case.kind, case.overlay))
            .collect();
        // The last by name: once it is in force, the others are.
        policies.push(changes(test, "probe", "ConfigMap", "{metadata: {labels: {probed: \"yes\"}}}"));
        portcullis.put_in_force(&policies.join("---\n")).await?.succeeded()?;
        let probe = "{apiVersion: v1, kind: ConfigMap, metadata: {name: probe}}";
        until_shown(test, probe, "probed: \"yes\"").await?;
        for (index, case) in CASES.iter().enumerate() {
            test.kubectl(&["label", case.name, "seen=yes", "--dry-run=server"]).await?.succeeded()?;
            let by_policy = format!("policy_name=\"case-{index}\"");
            let skipped = [by_policy.as_str(), "rule_result=\"skip\""];
            let skipped = portcullis.metric("kyverno_policy_results_total", &skipped).await?;
            ensure!(skipped >= 1.0, "{} was not to be changed by {}", case.name, case.overlay);
        }
        Ok(())
    })
}
