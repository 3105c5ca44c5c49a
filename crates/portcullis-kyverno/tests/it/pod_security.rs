//! Rules about pod security on whole resources: the reference's messages, reports and explanations.

use portcullis_kyverno::Policy;
use portcullis_model::{Answers, Input, Operation, Phase};
use portcullis_value::{Arena, Limits};

use crate::policies::{check, evaluate, policy, run};

const BASELINE: &str = "validate: {podSecurity: {level: baseline, version: v1.30}}";

/// A resource of `kind` whose Pods are on the network of their node and have an AppArmor profile that is none.
fn on_the_node_network(kind: &str) -> String {
    let metadata = "metadata: {annotations: {container.apparmor.security.beta.kubernetes.io/a: x}}";
    let spec = "spec: {hostNetwork: true}";
    match kind {
        "Pod" => format!("{{apiVersion: v1, kind: Pod, {metadata}, {spec}}}"),
        // The reference takes the metadata of the Jobs for that of their Pods.
        "CronJob" => format!(
            "{{apiVersion: batch/v1, kind: CronJob, spec: {{jobTemplate: {{{metadata}, spec: {{template: {{{spec}}}}}}}}}}}"
        ),
        _ => format!("{{apiVersion: apps/v1, kind: {kind}, spec: {{template: {{{metadata}, {spec}}}}}}}"),
    }
}

#[test]
fn a_failure_names_the_fields_where_the_resource_has_them() {
    for (kind, rule, prefix) in [
        ("Pod", "r", "spec"),
        ("Deployment", "autogen-r", "spec.template.spec"),
        ("CronJob", "autogen-cronjob-r", "spec.jobTemplate.spec.template.spec"),
    ] {
        let want = format!(
            "{rule} fail: Validation rule '{rule}' failed. It violates PodSecurity \"baseline:v1.30\": \
             (Forbidden reason: forbidden AppArmor profile(s), field error list: \
             [spec.template.metadata.annotations[container.apparmor.security.beta.kubernetes.io/a] is forbidden, forbidden values found: x])\
             (Forbidden reason: host namespaces, field error list: [{prefix}.hostNetwork is forbidden, forbidden values found: true])"
        );
        check(&policy("Pod", BASELINE), &on_the_node_network(kind), &want);
    }
}

#[test]
fn what_is_required_and_what_is_there_without_a_value_are_told_apart() {
    let pod = "{apiVersion: v1, kind: Pod, spec: {volumes: [{nfs: {}}], securityContext: {runAsNonRoot: true, \
        seccompProfile: {type: Localhost}}, containers: [{livenessProbe: {httpGet: {host: a}}, \
        securityContext: {allowPrivilegeEscalation: false}}]}}";
    check(
        &policy("Pod", "validate: {podSecurity: {level: restricted}}"),
        pod,
        "r fail: Validation rule 'r' failed. It violates PodSecurity \"restricted:\": \
         (Forbidden reason: unrestricted capabilities, field error list: [spec.containers[0].securityContext.capabilities.drop: Required value])\
         (Forbidden reason: probe or lifecycle host, field error list: [])\
         (Forbidden reason: restricted volume types, field error list: [spec.volumes[0].nfs: Forbidden])",
    );
}

#[test]
fn a_pod_that_keeps_to_the_standard_passes_and_one_that_is_gone_is_nothing() {
    let pod = "{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {containers: [{name: a}]}}";
    check(&policy("Pod", BASELINE), pod, "r pass: Validation rule 'r' passed.");
    let deleted = |input: &mut Input<'_>| {
        input.operation = Operation::Delete;
        input.old_object = input.object.take();
    };
    assert_eq!(evaluate(&policy("Pod", BASELINE), pod, deleted), "");
}

#[test]
fn what_cannot_be_read_is_an_error() {
    for (kind, resource, want) in [
        ("ConfigMap", "{apiVersion: v1, kind: ConfigMap}", "could not find correct resource type"),
        (
            "Pod",
            "{apiVersion: v1, kind: Pod, spec: {containers: [{}, {securityContext: {privileged: 'yes'}}]}}",
            "`spec.containers[1].securityContext.privileged` expects a boolean, got string",
        ),
        (
            "Job",
            "{apiVersion: batch/v1, kind: Job, spec: {template: {spec: {containers: [{ports: [{hostPort: 1.5}]}]}}}}",
            "`spec.template.spec.containers[0].ports[0].hostPort` expects an integer, got number",
        ),
    ] {
        let want = format!("r error: Error while getting new resource: {want}");
        check(&policy(kind, BASELINE), resource, &want);
    }
}

#[test]
fn a_failure_is_explained_and_has_its_properties_in_reports() {
    let (arena, answers) = (Arena::new(), Answers::new());
    let source = policy(
        "Pod",
        "validate: {podSecurity: {level: restricted, version: latest, exclude: [{controlName: Seccomp}]}}",
    );
    let policy = Policy::compile(portcullis_yaml::read(&arena, &source).unwrap());
    let pod = "{apiVersion: v1, kind: Pod, spec: {hostPID: true, securityContext: {runAsNonRoot: true}, containers: [\
        {name: a, image: corp/a, securityContext: {capabilities: {drop: [ALL], add: [KILL]}, allowPrivilegeEscalation: false}}]}}";
    let input = Input::create(&arena, portcullis_yaml::read(&arena, pod).unwrap());
    let evaluation = run(&policy, Phase::Validate, &input, &arena, &answers, Limits::default());
    let [outcome] = evaluation.outcomes.as_slice() else { panic!("{evaluation:?}") };
    assert_eq!(
        outcome.explanation.as_deref().unwrap(),
        "2 checks fail:\n\
         Capabilities: spec.containers[0].securityContext.capabilities.add (container `a`) is [KILL]; \
         restricted asks for containers that drop ALL, and add nothing but NET_BIND_SERVICE\n\
         Host Namespaces: spec.hostPID is true; baseline asks for namespaces of the Pod's own"
    );
    let properties: Vec<_> =
        outcome.properties.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(
        properties.join("\n"),
        "controls=capabilities_restricted,hostNamespaces\n\
         controlsJSON=[{\"ID\":\"capabilities_restricted\",\"Name\":\"Capabilities\",\"Images\":[\"docker.io/corp/a:latest\"]},\
         {\"ID\":\"hostNamespaces\",\"Name\":\"Host Namespaces\",\"Images\":[]}]\n\
         standard=restricted\n\
         version=latest"
    );
}
