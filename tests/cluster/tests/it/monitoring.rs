//! The alerts and the board of the chart: they ask for what a server gives, in expressions that Prometheus reads.

use std::collections::BTreeSet;
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use portcullis_cluster_tests::Programs;
use serde::Deserialize;
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::chart::rendered;
use crate::story::{founded, serving, until_ready_is};

/// What Prometheus itself gives of every target.
const OF_PROMETHEUS: [&str; 1] = ["up"];

#[test]
fn alerts_and_board_ask_for_metrics_that_a_server_gives_and_the_documentation_names() -> Result<()> {
    founded(async |test, portcullis| {
        let given = given(&portcullis.metrics().await?);
        let documented = include_str!("../../../../docs/serve.md");
        for metric in given.iter().filter(|name| name.ends_with("_total") || !is_part(name)) {
            // How many there are of what is measured is not worth a line.
            ensure!(documented.contains(&format!("`{metric}`")), "docs/serve.md does not tell of `{metric}`");
        }
        let values = "monitoring.prometheusRule=true,monitoring.dashboard=true";
        let programs = Programs::find()?.context("no programs")?;
        let objects = rendered(&programs, &test.namespace, values).await?;
        for (title, count) in [("PrometheusRule portcullis", 7), ("ConfigMap portcullis-dashboard", 10)] {
            let expressions = expressions(objects.get(title).with_context(|| format!("no {title}"))?)?;
            ensure!(expressions.len() >= count, "{title} has {expressions:?}");
            for metric in asked(&programs, &expressions).await.context(title)? {
                let is_given = given.contains(&metric) || OF_PROMETHEUS.contains(&&*metric);
                ensure!(is_given, "{title} asks for `{metric}`, which no server gives");
            }
        }
        Ok(())
    })
}

/// Refuses nothing, and has a rule that this version does not execute.
const IN_PART: &str = "\
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata:
  name: counted
spec:
  rules:
  - name: quota
    match: {any: [{resources: {kinds: [Namespace]}}]}
    generate: {apiVersion: v1, kind: ConfigMap, name: c, namespace: default, data: {}}
";

#[test]
fn policies_queries_and_controllers_are_counted_as_kyverno_counts_them() -> Result<()> {
    serving(async |test, portcullis| {
        let counted = async |metric: &str, labels: &[&str], wanted: f64| {
            portcullis.until_metric_is(metric, labels, wanted).await
        };
        let policy = "policy_name=\"counted\"";
        let changes = "kyverno_policy_changes_total";
        let info = "kyverno_policy_rule_info_total";
        test.apply(IN_PART).await?.succeeded()?;
        let rule = [policy, "rule_name=\"quota\"", "rule_type=\"generate\"", "status_ready=\"false\""];
        counted(info, &rule, 1.0).await?;
        counted(changes, &[policy, "policy_change_type=\"created\""], 1.0).await?;
        let executed = IN_PART
            .split_inclusive('\n')
            .map(|line| match line.trim_start().starts_with("generate:") {
                true => "    validate: {pattern: {metadata: {name: \"?*\"}}}\n",
                false => line,
            })
            .collect::<String>();
        test.apply(&executed).await?.succeeded()?;
        counted(info, &[policy, "rule_type=\"validate\"", "status_ready=\"true\""], 1.0).await?;
        counted(info, &[policy], 1.0).await?;
        counted(changes, &[policy, "policy_change_type=\"updated\""], 1.0).await?;
        until_ready_is(test, "counted", "True").await?;
        // The status was written twice at least, and that is no change of the policy.
        let written = ["operation=\"patch\"", "client_type=\"kyverno\"", "resource_kind=\"ClusterPolicy\""];
        let watched = ["operation=\"watch\"", "client_type=\"kubeclient\"", "resource_kind=\"Namespace\""];
        for (labels, least) in [(written, 2.0), (watched, 1.0)] {
            let queries = portcullis.metric("kyverno_client_queries_total", &labels).await?;
            ensure!(queries >= least, "{queries} of {labels:?}");
        }
        for controller in ["policies", "webhooks"] {
            let labels = [&*format!("controller_name=\"{controller}\"")];
            let reconciles = portcullis.metric("kyverno_controller_reconcile_total", &labels).await?;
            ensure!(reconciles >= 2.0, "{controller} did {reconciles}");
        }
        test.kubectl(&["delete", "clusterpolicy", "counted"]).await?.succeeded()?;
        counted(changes, &[policy, "policy_change_type=\"deleted\""], 1.0).await?;
        counted(info, &[policy], 0.0).await?;
        counted(changes, &[policy], 3.0).await
    })
}

/// The names of all series, by the types that the text declares, whether there are any yet or not.
fn given(text: &str) -> BTreeSet<String> {
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let named = |(name, kind): (&str, &str)| {
        let endings: &[&str] = match kind {
            "counter" => &["_total"],
            "histogram" => &["_bucket", "_sum", "_count", ""],
            "info" => &["_info"],
            _ => &[""],
        };
        endings.iter().map(|ending| format!("{name}{ending}")).collect::<Vec<_>>()
    };
    types.flat_map(named).collect()
}

/// Whether it is one of the series of a histogram, or tells of the build.
fn is_part(name: &str) -> bool {
    ["_bucket", "_sum", "_count", "_info"].iter().any(|ending| name.ends_with(ending))
}

/// Every `expr` of an object; a board stands in a ConfigMap as text.
fn expressions(object: &Value) -> Result<Vec<String>> {
    let mut found = Vec::new();
    let mut rest = vec![object.clone()];
    if let Some(board) = object.pointer("/data/portcullis.json").and_then(Value::as_str) {
        rest.push(serde_json::from_str(board).context("the board is no JSON")?);
    }
    while let Some(value) = rest.pop() {
        match value {
            Value::Object(members) => {
                found.extend(members.get("expr").and_then(Value::as_str).map(str::to_owned));
                rest.extend(members.into_iter().map(|(_, value)| value));
            }
            Value::Array(items) => rest.extend(items),
            _ => {}
        }
    }
    Ok(found)
}

/// What Prometheus' parser finds in an expression.
#[derive(Debug, Deserialize)]
struct Parsed {
    /// Why it is no expression; empty where it is one.
    error: String,
    /// The metrics that it asks for, and those of them that it takes over a range of time.
    metrics: BTreeSet<String>,
    ranges: BTreeSet<String>,
}

/// Has Prometheus' parser read each of these expressions.
async fn parse(programs: &Programs, expressions: &[String]) -> Result<Vec<Parsed>> {
    let mut promql = Command::new(programs.path("promql"));
    let mut promql = promql.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
    let mut input = promql.stdin.take().context("promql has no stdin")?;
    // One line each, whatever line breaks are within.
    let lines: String = expressions.iter().map(|expression| expression.replace('\n', " ") + "\n").collect();
    input.write_all(lines.as_bytes()).await?;
    drop(input);
    let output = promql.wait_with_output().await?;
    ensure!(output.status.success(), "promql ended with {}", output.status);
    let parsed = serde_json::Deserializer::from_slice(&output.stdout).into_iter::<Parsed>();
    let parsed = parsed.collect::<Result<Vec<_>, _>>()?;
    ensure!(parsed.len() == expressions.len(), "promql answers {parsed:?}");
    Ok(parsed)
}

/// The metrics that these expressions ask for.
async fn asked(programs: &Programs, expressions: &[String]) -> Result<BTreeSet<String>> {
    let mut asked = BTreeSet::new();
    for (expression, parsed) in expressions.iter().zip(parse(programs, expressions).await?) {
        ensure!(parsed.error.is_empty(), "`{expression}`: {}", parsed.error);
        for metric in &parsed.ranges {
            // Over a time we look at counters alone: at what was there once, and is not any more, a range would look too.
            let counts = metric.ends_with("_total") || metric.ends_with("_bucket");
            ensure!(counts, "`{expression}` has a range of `{metric}`, which is no counter");
        }
        asked.extend(parsed.metrics);
    }
    Ok(asked)
}

#[test]
fn an_expression_with_a_mistake_is_found_out() -> Result<()> {
    let Some(programs) = Programs::find()? else { return Ok(()) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let asked = |expression: &str| runtime.block_on(asked(&programs, &[expression.to_owned()]));
    let good = asked("sum by (le) (rate(a_total{b=\"c\",d!=\"e\"}[5m])) / 2 > 0")?;
    ensure!(good.into_iter().eq(["a_total".to_owned()]));
    for wrong in ["sum(a", "summ(a)", "a{b=c}", "rate(a_total)", "rate(a[5m])", "a >", "a b", "a{b=\"c}"] {
        ensure!(asked(wrong).is_err(), "{wrong}");
    }
    Ok(())
}
