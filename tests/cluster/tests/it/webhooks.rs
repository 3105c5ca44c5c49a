//! Webhook configurations in a real API server: that it takes them as they are, and that they stay so.

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration,
};
use kube::Api;
use kube::api::PostParams;
use portcullis_cluster::discovery::Discovery;
use portcullis_cluster::{Cluster, Connection, Options};
use portcullis_cluster_tests::{ClusterTest, cluster_test, wait};
use portcullis_controllers::arming::{Arming, Kept, disarm};
use portcullis_controllers::webhooks::{Configurations, Reach, Settings, policy_configuration};
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
    let options = Options {
        configuration: ("default".to_owned(), "portcullis".to_owned()),
        secret: None,
        jobs: false,
        retention: false,
        services: Vec::new(),
        api_servers: Vec::new(),
    };
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

#[test]
fn edits_are_taken_back_until_they_come_again_and_again() -> Result<()> {
    cluster_test(async |test| {
        let connection = connection(test).await?;
        let discovery = discovery(&connection).await?;
        let kubectl = test.control_plane.kubectl("default");
        let edit = async |arguments: &[&str]| {
            let configuration = "validatingwebhookconfiguration/portcullis-resource-validating";
            let (verb, arguments) = arguments.split_first().context("no arguments")?;
            kubectl.run(&[&[verb, configuration], arguments].concat()).await?.succeeded()
        };
        let own = |expression: &str| {
            format!("webhookConfiguration: {{matchConditions: [{{name: a, expression: '{expression}'}}]}}")
        };
        let mut policies = vec![
            policy("plain", "PodTemplate", "webhookTimeoutSeconds: 20")?,
            policy("own", "PodTemplate", &own("true"))?,
        ];
        let settings = Settings::new(Reach::Url("https://127.0.0.1:1".to_owned()), Vec::new());
        let good = Configurations::of(&policies, &discovery, &settings);
        let of_policies = policy_configuration(&settings);
        let mut arming = Arming::new(connection.clone());
        ensure!(arming.keep(&good, &of_policies).await? == Kept::Written);
        ensure!(arming.keep(&good, &of_policies).await? == Kept::Unchanged);

        let narrow = r#"[{"op": "replace", "path": "/webhooks/0/rules/0/operations", "value": ["CREATE"]}]"#;
        edit(&["patch", "--type=json", "--patch", narrow]).await?;
        ensure!(arming.keep(&good, &of_policies).await? == Kept::Restored);
        let taken = r#"[{"op": "remove", "path": "/webhooks/0"}]"#;
        edit(&["patch", "--type=json", "--patch", taken]).await?;
        ensure!(arming.keep(&good, &of_policies).await? == Kept::Restored);
        edit(&["delete"]).await?;
        ensure!(arming.keep(&good, &of_policies).await? == Kept::Restored);
        edit(&["patch", "--type=json", "--patch", taken]).await?;
        ensure!(arming.keep(&good, &of_policies).await? == Kept::Contested);

        // News is written, and a condition that does not compile costs its own webhook alone.
        policies.push(policy("broken", "PodTemplate", &own("no.such"))?);
        let with_broken = Configurations::of(&policies, &discovery, &settings);
        ensure!(arming.keep(&with_broken, &of_policies).await? == Kept::Written);
        let refused: Vec<_> = arming.refused().keys().map(String::as_str).collect();
        ensure!(
            refused
                == [
                    "mutate.portcullis.svc-fail-finegrained-broken",
                    "validate.portcullis.svc-fail-finegrained-broken"
                ],
            "{:?}",
            arming.refused()
        );
        ensure!(arming.keep(&with_broken, &of_policies).await? == Kept::Unchanged);
        let validating: Api<ValidatingWebhookConfiguration> = Api::all(connection.background().clone());
        let there = validating.get("portcullis-resource-validating").await?;
        ensure!(there.webhooks == good.validating.webhooks, "{there:?}");

        let nothing = Configurations::of([], &discovery, &settings);
        ensure!(arming.keep(&nothing, &of_policies).await? == Kept::Written);
        ensure!(arming.keep(&nothing, &of_policies).await? == Kept::Unchanged);
        ensure!(disarm(&connection).await?.len() == 3);
        Ok(())
    })
}
