//! A replica with a root folder that takes no file, 128 MiB of memory and no name server (threat 98).

use std::net::Ipv4Addr;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use kube::Api;
use portcullis_cluster_tests::{ClusterTest, MEMORY, Replica, Replicas, cluster_test};
use rustls::time_provider::DefaultTimeProvider;
use serde_json::json;
use tokio::task::JoinSet;

use super::client::{Direct, post, review_of};
use super::replicated::{TEAMS, ensure_pod_is, put_in_force, until_pod_is};
use super::site::{Asked, try_create};

/// The service that a rule asks, by a name.
const SERVICE: &str = "facts.example.com";

/// A policy that looks into ConfigMaps of one name, and one that asks a service about those of another.
fn policies(namespace: &str) -> String {
    format!(
        "\
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata:
  name: large
spec:
  rules:
  - name: r
    match: {{any: [{{resources: {{kinds: [ConfigMap], namespaces: [{namespace}], names: [large]}}}}]}}
    validate: {{failureAction: Enforce, message: a bad text, pattern: {{data: {{'1': '!bad'}}}}}}
---
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata:
  name: asks
spec:
  failurePolicy: Fail
  rules:
  - name: r
    match: {{any: [{{resources: {{kinds: [ConfigMap], namespaces: [{namespace}], names: [asked]}}}}]}}
    context: [{{name: answer, apiCall: {{service: {{url: 'http://{SERVICE}/check'}}}}}}]
    validate:
      failureAction: Enforce
      message: never
      deny: {{conditions: {{any: [{{key: '{{{{ answer }}}}', operator: Equals, value: bad}}]}}}}
---
{TEAMS}"
    )
}

/// A client of this replica that trusts what the API server trusts.
async fn direct(test: &ClusterTest, replica: &Replica) -> Result<Direct> {
    let configurations: Api<ValidatingWebhookConfiguration> = Api::all(test.client.clone());
    let configuration = configurations.get("portcullis-resource-validating").await?;
    let webhook = configuration.webhooks.into_iter().flatten().next().context("a webhook")?;
    let bundle = webhook.client_config.ca_bundle.context("a CA bundle")?.0;
    Direct::new(replica.address, &bundle, Arc::new(DefaultTimeProvider))?.named("portcullis.portcullis.svc")
}

/// A request with a ConfigMap of so many keys.
fn with_keys(namespace: &str, count: usize) -> Arc<str> {
    let data: Vec<_> = (0..count).map(|key| format!("\"{key:x}\":\"a\"")).collect();
    let metadata = json!({ "namespace": namespace, "name": "large" });
    let empty = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {} });
    let review = review_of(&empty).replace("\"data\":{}", &format!("\"data\":{{{}}}", data.join(",")));
    post("/validate/fail", &review).into()
}

/// Sends more at once than all limits together admit, from several addresses: bodies that take nearly all the memory that one
/// may take. And then one that takes more.
async fn press(test: &ClusterTest, replica: &Replica) -> Result<()> {
    let direct = direct(test, replica).await?;
    let sent_by = |source: Ipv4Addr, request: Arc<str>| {
        let direct = direct.clone();
        async move {
            let mut connection = direct.connect_from(source).await?;
            // Who is sent away may hear of it by the end of the connection alone, as it was not heard out.
            let _ = connection.send(request.as_bytes()).await;
            anyhow::Ok(connection.answer().await?.map_or_else(String::new, |answer| answer.body))
        }
    };
    let large = with_keys(&test.namespace, 300_000);
    let clients = (0..32).map(|client| sent_by(Ipv4Addr::new(127, 0, 0, 2 + client / 4), large.clone()));
    let answers = clients.collect::<JoinSet<_>>().join_all().await.into_iter().collect::<Result<Vec<_>>>()?;
    let judged = answers.iter().filter(|answer| answer.contains("\"allowed\":true")).count();
    ensure!((1..32).contains(&judged), "{judged} of 32 were judged");
    let larger = sent_by(Ipv4Addr::LOCALHOST, with_keys(&test.namespace, 800_000)).await?;
    ensure!(larger.contains("more values than are accepted"), "{larger}");
    Ok(())
}

/// Returns the most memory that the replica had at once, in bytes.
async fn serves_confined(test: &ClusterTest, replicas: &mut Replicas<'_>) -> Result<u64> {
    let is_isolated = replicas.confine()?;
    replicas.start(1).await?;
    put_in_force(test, &policies(&test.namespace)).await?;
    until_pod_is(test, "a team is wanted").await?;
    let replica = &replicas.running[0];
    replica.ensure_confined(is_isolated)?;
    let process = replica.process.id()?;

    // A name server that does not answer costs who asks it, and nobody else.
    let asked = try_create(&test.api(), "asked").await?;
    let Asked::Refused(message) = asked else { anyhow::bail!("{asked:?}") };
    ensure!(message.contains("\nasks:") && !message.contains("failed calling webhook"), "{message}");

    press(test, replica).await?;
    ensure_pod_is(test, "a team is wanted").await?;
    let peak = replica.peak_memory()?;
    ensure!(peak < MEMORY, "{peak} bytes");
    ensure!(replica.process.id()? == process, "it was started again");
    replicas.terminate_oldest()?;
    replicas.until_left().await?;
    Ok(peak)
}

#[test]
fn a_replica_with_a_read_only_root_little_memory_and_no_name_server_serves() -> Result<()> {
    cluster_test(async |test| {
        let arguments = ["--allow-service", SERVICE];
        let body = async |replicas: &mut Replicas<'_>| {
            let peak = serves_confined(test, replicas).await?;
            println!("{} MiB of memory at most", peak >> 20);
            Ok(())
        };
        Replicas::during(test.control_plane, &arguments, body).await
    })
}
