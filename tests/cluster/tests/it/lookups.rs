//! What rules ask a cluster for: ConfigMaps, and answers of the API server.

use std::time::Duration;

use anyhow::{Result, bail, ensure};
use http::Request;
use portcullis_cluster_tests::{ClusterTest, wait};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::story::{create, serving, until_ready_is, until_shown};

/// How long the change of a ConfigMap may take until rules see it.
const SOON: Duration = Duration::from_secs(1);
/// How often one is changed at most, until the machine is not busy for a moment.
const TIMES: usize = 20;

/// A policy with one rule about Services of the test, which has this context entry and denies what this condition says.
fn policy(test: &ClusterTest, entry: &str, condition: &str) -> String {
    format!(
        "\
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata:
  name: asks
spec:
  rules:
  - name: looks-it-up
    match: {{any: [{{resources: {{kinds: [Service], namespaces: [{namespace}], operations: [CREATE]}}}}]}}
    context:
    - name: fact
      {entry}
    validate:
      failureAction: Enforce
      message: it is {{{{ fact.data.allowed || fact }}}}
      deny: {{conditions: {{any: [{condition}]}}}}
",
        namespace = test.namespace
    )
}

fn service(name: &str) -> String {
    format!("{{apiVersion: v1, kind: Service, metadata: {{name: {name}}}, spec: {{ports: [{{port: 80}}]}}}}")
}

fn config_map(allowed: &str) -> String {
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "allowed" }, "data": { "allowed": allowed } })
        .to_string()
}

/// The name of a Service must be the one that the ConfigMap says.
fn reads_a_config_map(test: &ClusterTest) -> String {
    let entry = "configMap: {name: allowed, namespace: \"{{ request.namespace }}\"}";
    let condition = "{key: \"{{ request.object.metadata.name }}\", operator: NotEquals, value: \"{{ fact.data.allowed }}\"}";
    policy(test, entry, condition)
}

/// How long it takes from now until a Service of this name is admitted.
async fn until_admitted(test: &ClusterTest, name: &str) -> Result<Duration> {
    let asked = Instant::now();
    let body = json!({ "metadata": { "name": name }, "spec": { "ports": [{ "port": 80 }] } }).to_string();
    while asked.elapsed() < wait::PATIENCE {
        let path = format!("/api/v1/namespaces/{}/services?dryRun=All", test.namespace);
        let request = Request::post(path).header("content-type", "application/json");
        if test.client.request::<Value>(request.body(body.clone().into_bytes())?).await.is_ok() {
            return Ok(asked.elapsed());
        }
    }
    bail!("waited in vain for the Service `{name}` to be admitted")
}

#[test]
fn a_rule_that_reads_a_config_map_sees_its_change_within_a_second_and_asks_nothing_for_it() -> Result<()> {
    serving(async |test, portcullis| {
        let applied = portcullis.put_in_force(&reads_a_config_map(test)).await?;
        ensure!(applied.code == 0 && !applied.stderr.contains("not enforced"), "{applied:?}");
        let ready = until_ready_is(test, "asks", "True").await?;
        ensure!(ready.pointer("/reason") == Some(&"Succeeded".into()), "{ready}");
        // There is none yet, which is an error of the rule, and the policy fails closed.
        let missing = format!(
            "failed to retrieve config map for context entry fact: failed to get configmap {}/allowed : configmaps \
             \"allowed\" not found",
            test.namespace
        );
        until_shown(test, &service("one"), &missing).await?;
        let mut least = wait::PATIENCE;
        for index in 0..TIMES {
            let name = format!("one-{index}");
            test.apply(&config_map(&name)).await?.succeeded()?;
            least = least.min(until_admitted(test, &name).await?);
            let refused = create(test, &service("two"), &["--dry-run=server"]).await?;
            ensure!(refused.stderr.contains(&format!("it is {name}")), "{refused:?}");
            if least < SOON {
                break;
            }
        }
        println!("from the change of a ConfigMap to the rule that sees it: {least:?} at least");
        ensure!(least < SOON, "{least:?}");
        test.kubectl(&["delete", "configmap", "allowed"]).await?.succeeded()?;
        until_shown(test, &service("one"), &missing).await
    })
}

/// Lets rules do something with a resource of a group.
fn grant(test: &ClusterTest, group: &str, resource: &str, verb: &str) -> String {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
        "metadata": {
            "name": format!("{}-{resource}", test.namespace),
            "labels": { "portcullis.dev/aggregate-to-lookups": "true" },
        },
        "rules": [{ "apiGroups": [group], "resources": [resource], "verbs": [verb] }],
    })
    .to_string()
}

#[test]
fn a_rule_that_counts_services_is_told_what_it_may_not_list_until_that_is_granted() -> Result<()> {
    serving(async |test, portcullis| {
        let entry = "apiCall: {urlPath: \"/api/v1/namespaces/{{ request.namespace }}/services\", jmesPath: \"items | length(@)\"}";
        let condition = "{key: \"{{ fact }}\", operator: GreaterThanOrEquals, value: 1}";
        let counts = policy(test, entry, condition).replace("{{ fact.data.allowed || fact }}", "full");
        portcullis.serve.expect_refused("list", "services");
        let applied = portcullis.put_in_force(&counts).await?;
        ensure!(applied.code == 0 && !applied.stderr.contains("not enforced"), "{applied:?}");
        let path = format!("/api/v1/namespaces/{}/services", test.namespace);
        let forbidden = format!(
            "failed to fetch data for APICall: failed to GET resource with raw url: {path}: permission denied: services \
             is forbidden: User \"system:serviceaccount:portcullis:portcullis\" cannot list resource \"services\""
        );
        until_shown(test, &service("first"), &forbidden).await?;
        test.apply(&grant(test, "", "services", "list")).await?.succeeded()?;
        until_admitted(test, "first").await?;
        create(test, &service("first"), &[]).await?.succeeded()?;
        // It is there, and counts at once.
        let refused = create(test, &service("second"), &[]).await?;
        ensure!(refused.code == 1 && refused.stderr.contains("looks-it-up: it is full"), "{refused:?}");
        test.kubectl(&["delete", "clusterrole", &format!("{}-services", test.namespace)])
            .await?
            .succeeded()?;
        Ok(())
    })
}

#[test]
fn a_rule_asks_by_a_post_who_may_do_what() -> Result<()> {
    serving(async |test, portcullis| {
        let entry = format!(
            "apiCall: {{method: POST, urlPath: /apis/authorization.k8s.io/v1/subjectaccessreviews, jmesPath: status.allowed, \
             data: [{{key: apiVersion, value: authorization.k8s.io/v1}}, {{key: kind, value: SubjectAccessReview}}, \
             {{key: spec, value: {{user: \"{{{{ request.object.metadata.name }}}}\", resourceAttributes: \
             {{namespace: {}, verb: list, resource: pods}}}}}}]}}",
            test.namespace
        );
        let condition = "{key: \"{{ fact }}\", operator: Equals, value: false}";
        let asks = policy(test, &entry, condition).replace("{{ fact.data.allowed || fact }}", "nobody's");
        let applied = portcullis.put_in_force(&asks).await?;
        ensure!(applied.code == 0 && !applied.stderr.contains("not enforced"), "{applied:?}");
        portcullis.serve.expect_refused("create", "subjectaccessreviews");
        let forbidden =
            "cannot create resource \"subjectaccessreviews\" in API group \"authorization.k8s.io\"";
        until_shown(test, &service("reader"), forbidden).await?;
        let granted = grant(test, "authorization.k8s.io", "subjectaccessreviews", "create");
        test.apply(&granted).await?.succeeded()?;
        until_shown(test, &service("reader"), "looks-it-up: it is nobody's").await?;
        let binding = ["create", "rolebinding", "reads", "--clusterrole=view", "--user=reader"];
        test.kubectl(&binding).await?.succeeded()?;
        until_admitted(test, "reader").await?;
        let refused = create(test, &service("other"), &["--dry-run=server"]).await?;
        ensure!(refused.stderr.contains("looks-it-up: it is nobody's"), "{refused:?}");
        let role = format!("{}-subjectaccessreviews", test.namespace);
        test.kubectl(&["delete", "clusterrole", &role]).await?.succeeded().map(drop)
    })
}

#[test]
fn a_call_leads_to_no_other_place_than_an_api() -> Result<()> {
    serving(async |test, portcullis| {
        let entry = "apiCall: {urlPath: \"/api/v1/../../{{ request.object.metadata.name }}\"}";
        let condition = "{key: \"{{ fact }}\", operator: Equals, value: x}";
        portcullis.put_in_force(&policy(test, entry, condition)).await?.succeeded()?;
        let refused =
            "failed to GET resource with raw url: /api/v1/../../version: the path has a dot segment";
        until_shown(test, &service("version"), refused).await
    })
}

#[test]
fn a_policy_of_a_namespace_reads_no_other() -> Result<()> {
    serving(async |test, _| {
        let entry = "configMap: {name: kube-root-ca.crt, namespace: \"{{ request.object.metadata.name }}\"}";
        let condition = "{key: \"{{ fact.data }}\", operator: Equals, value: x}";
        let own = policy(test, entry, condition)
            .replace("kind: ClusterPolicy", "kind: Policy")
            .replace(&format!(", namespaces: [{}]", test.namespace), "");
        test.apply(&own).await?.succeeded()?;
        let refused = format!(
            "context entry fact: configMap namespace \"kube-public\" is different from policy namespace \"{}\"",
            test.namespace
        );
        until_shown(test, &service("kube-public"), &refused).await
    })
}

/// A policy about Services named `asks-*` that reads a ConfigMap of this namespace.
fn reads_from(namespace: &str, test: &ClusterTest) -> String {
    let entry = format!("configMap: {{name: allowed, namespace: {namespace}}}");
    let condition = "{key: \"{{ request.object.metadata.name }}\", operator: NotEquals, value: \"{{ fact.data.allowed }}\"}";
    policy(test, &entry, condition).replace("name: asks", &format!("name: asks-{namespace}"))
}

#[test]
fn a_rule_reads_the_config_maps_of_the_namespaces_that_are_bound_and_says_which_it_may_not() -> Result<()> {
    const REQUESTS: usize = 50;
    serving(async |test, portcullis| {
        // As the chart has it with `rbac.configMaps: false`, and one namespace bound.
        let unbind = ["delete", "clusterrolebinding", "portcullis-config-maps"];
        test.kubectl(&unbind).await?.succeeded()?;
        let bind = ["create", "rolebinding", "readable", "--clusterrole=portcullis-config-maps"];
        test.kubectl(&[&bind[..], &["--serviceaccount=portcullis:portcullis"]].concat())
            .await?
            .succeeded()?;
        test.apply(&config_map("one")).await?.succeeded()?;
        portcullis.put_in_force(&reads_from(&test.namespace, test)).await?.succeeded()?;
        until_admitted(test, "one").await?;
        until_shown(test, &service("two"), "it is one").await?;

        portcullis.serve.expect_refused("get", "configmaps");
        portcullis.put_in_force(&reads_from("default", test)).await?.succeeded()?;
        let told = "failed to retrieve config map for context entry fact: failed to get configmap default/allowed : configmaps \
            \"allowed\" is forbidden: User \"system:serviceaccount:portcullis:portcullis\" cannot get resource \"configmaps\" in API \
            group \"\" in the namespace \"default\"";
        until_shown(test, &service("one"), told).await?;
        let lines = |log: &str| log.lines().filter(|line| line.contains("is forbidden")).count();
        let before = lines(&portcullis.serve.log()?);
        for _ in 0..REQUESTS {
            let refused = create(test, &service("one"), &["--dry-run=server"]).await?;
            ensure!(refused.stderr.contains(told), "{refused:?}");
        }
        // Each request has its decision, and nothing is said beside.
        let log = portcullis.serve.log()?;
        let beside = log
            .lines()
            .filter(|line| line.contains("is forbidden") && !line.contains("portcullis::decision"));
        println!("{} lines of {REQUESTS} requests", lines(&log) - before);
        ensure!(beside.clone().count() <= 1, "{:#?}", beside.collect::<Vec<_>>());
        Ok(())
    })
}
