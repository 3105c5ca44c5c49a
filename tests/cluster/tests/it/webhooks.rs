//! Webhook configurations in a real API server: that it takes them as they are.

use anyhow::{Result, ensure};
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration,
};
use kube::Api;
use kube::api::PostParams;
use portcullis_cluster::discovery::Discovery;
use portcullis_cluster::{Cluster, Connection, Options};
use portcullis_cluster_tests::{ClusterTest, cluster_test, wait};
use portcullis_controllers::webhooks::{Configurations, Reach, Settings};
use portcullis_kyverno::webhooks::WebhookNeeds;
use portcullis_value::Arena;

/// A policy that enforces something about `kinds`; `spec` is the rest of its specification.
fn policy(name: &str, kinds: &str, spec: &str) -> Result<WebhookNeeds> {
    let text = format!(
        "{{kind: ClusterPolicy, metadata: {{name: {name}}}, spec: {{rules: [{{name: r, match: {{any: [{{resources: \
         {{kinds: [{kinds}]}}}}]}}, validate: {{failureAction: Enforce, pattern: {{a: b}}}}}}, {{name: m, match: {{any: \
         [{{resources: {{kinds: [{kinds}]}}}}]}}, mutate: {{patchStrategicMerge: {{a: b}}}}}}], {spec}}}}}"
    );
    let arena = Arena::new();
    Ok(WebhookNeeds::of(portcullis_yaml::read(&arena, &text)?))
}

async fn connection(test: &ClusterTest) -> Result<Connection> {
    Ok(Connection::from_config(test.control_plane.config().await?)?)
}

/// What the API server serves, as the watches of the cluster find it.
async fn discovery(connection: &Connection) -> Result<Discovery> {
    let options = Options { configuration: ("default".to_owned(), "portcullis".to_owned()), jobs: false };
    let cluster = Cluster::start(connection.clone(), &options);
    wait::until("the discovery of the API server", async || {
        let discovery = cluster.discovery.load();
        Ok((!discovery.resources().is_empty()).then(|| Discovery::clone(&discovery)))
    })
    .await
}

#[test]
fn an_api_server_takes_whatever_policies_ask_for() -> Result<()> {
    cluster_test(async |test| {
        let discovery = discovery(&connection(test).await?).await?;
        let conditions = |expression: &str| {
            format!("webhookConfiguration: {{matchConditions: [{{name: a, expression: '{expression}'}}]}}")
        };
        let kinds = [
            "Pod",
            "'*'",
            "'*/*'",
            "'*/status', Pod/status, Pod",
            "'Pod/*'",
            "apps/*/*, Deployment, Deployment/scale",
            "'*.k8s.io/*/*'",
            "v1/*, Namespace, Node",
        ];
        let mut policies = Vec::new();
        for (index, kinds) in kinds.into_iter().enumerate() {
            policies.push(policy(
                &format!("own-{index}"),
                kinds,
                &conditions("request.operation != \"DELETE\""),
            )?);
            policies.push(policy(&format!("shared-{index}"), kinds, "failurePolicy: Fail")?);
        }
        let many: Vec<_> = (0..80).map(|index| format!("{{name: c{index}, expression: 'true'}}")).collect();
        let many = format!("webhookConfiguration: {{matchConditions: [{}]}}", many.join(", "));
        policies.push(policy("many", "Pod", &many)?);
        let nowhere = Settings::new(Reach::Url("https://127.0.0.1:1".to_owned()), Vec::new());
        let configurations = Configurations::of(&policies, &discovery, &nowhere);
        let dry_run = PostParams { dry_run: true, ..PostParams::default() };
        let mutating: Api<MutatingWebhookConfiguration> = Api::all(test.client.clone());
        let taken = mutating.create(&dry_run, &configurations.mutating).await?;
        ensure!(taken.webhooks == configurations.mutating.webhooks, "the API server adds to it: {taken:?}");
        let validating: Api<ValidatingWebhookConfiguration> = Api::all(test.client.clone());
        let taken = validating.create(&dry_run, &configurations.validating).await?;
        ensure!(taken.webhooks == configurations.validating.webhooks, "the API server adds to it: {taken:?}");
        Ok(())
    })
}
