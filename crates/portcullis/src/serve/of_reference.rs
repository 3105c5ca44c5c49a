//! What Kyverno counts of its policies, controllers and clients, under its names.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use portcullis_cluster::{Cluster, EventCounts, QueryKind};
use portcullis_controllers::Reconciles;
use portcullis_controllers::in_force::PolicyInForce;
use portcullis_controllers::writer::{Wanted, Written};
use portcullis_kyverno::status::Readiness;
use portcullis_webhook::{Metrics, RuleLabels, SERIES};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use tokio::sync::watch;

use super::policies::rule_labels;

/// Reads the counts when they are asked for.
#[derive(Debug)]
pub(super) struct OfReference {
    pub(super) cluster: Arc<Cluster>,
    pub(super) events: Arc<EventCounts>,
    /// By the names of the controllers.
    pub(super) controllers: Vec<(&'static str, Arc<Reconciles>)>,
    pub(super) policies: PolicyStates,
}

/// The policies, and how they fare.
#[derive(Debug)]
pub(super) struct PolicyStates {
    pub(super) wanted: watch::Receiver<Option<Arc<Wanted>>>,
    pub(super) written: watch::Receiver<Written>,
}

impl OfReference {
    /// Adds them to `metrics`.
    pub(super) fn register(self, metrics: &Metrics) {
        metrics.register(|registry| registry.register_collector(Box::new(self)));
    }
}

impl Collector for OfReference {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.policies.encode(&mut encoder)?;
        let discovery = self.cluster.discovery.load();
        let kind_of = |kind: &QueryKind| {
            let served = discovery.resources().iter();
            let mut served = served.filter(|served| {
                served.group == kind.group
                    && served.resource == kind.resource
                    && served.subresource.is_empty()
            });
            served.next().map_or_else(|| kind.resource.to_string(), |served| served.kind.to_string())
        };
        encode_queries(&mut encoder, &self.cluster.connection().queries().all(), kind_of)?;
        encode_controllers(&mut encoder, &self.controllers)?;
        let help = "Events that nobody will read: too many came at once, or the API server refused them";
        let dropped = encoder.encode_descriptor("kyverno_events_dropped", help, None, MetricType::Counter)?;
        ConstCounter::new(self.events.dropped()).encode(dropped)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, EncodeLabelSet)]
struct Queried {
    operation: &'static str,
    client_type: &'static str,
    resource_kind: String,
    resource_namespace: String,
}

fn encode_queries(
    encoder: &mut DescriptorEncoder<'_>,
    counts: &BTreeMap<QueryKind, u64>,
    kind_of: impl Fn(&QueryKind) -> String,
) -> fmt::Result {
    let help = "Requests to the API server";
    let mut queries = encoder.encode_descriptor("kyverno_client_queries", help, None, MetricType::Counter)?;
    // Two groups may have a kind of the same name, as Event.
    let mut by_labels: BTreeMap<Queried, u64> = BTreeMap::new();
    for (kind, count) in counts {
        let queried = Queried {
            operation: kind.operation,
            client_type: client_type(&kind.group),
            resource_kind: kind_of(kind),
            resource_namespace: kind.namespace.to_string(),
        };
        *by_labels.entry(queried).or_default() += count;
    }
    for (queried, count) in by_labels {
        ConstCounter::new(count).encode(queries.encode_family(&queried)?)?;
    }
    Ok(())
}

/// The client that the reference would ask with.
fn client_type(group: &str) -> &'static str {
    match group {
        "kyverno.io" => "kyverno",
        "apiextensions.k8s.io" => "apiserver",
        _ if !group.contains('.') || group.ends_with(".k8s.io") => "kubeclient",
        _ => "dynamic",
    }
}

fn encode_controllers(
    encoder: &mut DescriptorEncoder<'_>,
    controllers: &[(&'static str, Arc<Reconciles>)],
) -> fmt::Result {
    let help = "How often a controller brought the cluster to what is wanted, or tried to";
    let mut done =
        encoder.encode_descriptor("kyverno_controller_reconcile", help, None, MetricType::Counter)?;
    for (name, reconciles) in controllers {
        let labels = [("controller_name", *name)];
        ConstCounter::new(reconciles.done()).encode(done.encode_family(&labels)?)?;
    }
    let help = "How often a controller failed and tries again, by how often it had failed in a row";
    let mut requeued =
        encoder.encode_descriptor("kyverno_controller_requeue", help, None, MetricType::Counter)?;
    for (name, reconciles) in controllers {
        for (attempt, count) in reconciles.requeued() {
            let attempt = attempt.to_string();
            let labels = [("controller_name", *name), ("num_requeues", &attempt)];
            ConstCounter::new(count).encode(requeued.encode_family(&labels)?)?;
        }
    }
    Ok(())
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, EncodeLabelSet)]
struct RuleInfo {
    #[prometheus(flatten)]
    rule: RuleLabels,
    status_ready: bool,
}

impl PolicyStates {
    fn encode(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let help = "Rules of policies, generated ones included: 1 for each, by whether its policy is ready";
        let mut info =
            encoder.encode_descriptor("kyverno_policy_rule_info_total", help, None, MetricType::Gauge)?;
        let wanted = self.wanted.borrow().clone();
        let missing = self.written.borrow().missing.clone();
        let mut counts: BTreeMap<RuleInfo, i64> = BTreeMap::new();
        for policy in wanted.iter().flat_map(|wanted| &wanted.in_force.policies) {
            let status_ready = wanted
                .as_ref()
                .is_some_and(|wanted| matches!(wanted.status(policy, &missing).readiness, Readiness::Ready));
            for rule in rules(policy) {
                let one = RuleInfo { rule, status_ready };
                let is_over = counts.len() >= SERIES && !counts.contains_key(&one);
                let one = if is_over { RuleInfo { rule: RuleLabels::overflow(), status_ready } } else { one };
                *counts.entry(one).or_default() += 1;
            }
        }
        for (rule, count) in counts {
            ConstGauge::new(count).encode(info.encode_family(&rule)?)?;
        }
        Ok(())
    }
}

fn rules(policy: &PolicyInForce) -> impl Iterator<Item = RuleLabels> {
    let policy = policy.compiled.written();
    policy
        .into_iter()
        .flat_map(|policy| policy.rule_kinds().map(move |(rule, kind)| rule_labels(policy, rule, kind)))
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text;
    use prometheus_client::registry::Registry;

    use super::*;

    /// What `encode` writes, without the lines that tell of names and types.
    fn written(encode: impl Fn(&mut DescriptorEncoder<'_>) -> fmt::Result + Send + Sync + 'static) -> String {
        struct By<F>(F);
        impl<F> fmt::Debug for By<F> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("By")
            }
        }
        impl<F> Collector for By<F>
        where
            F: Fn(&mut DescriptorEncoder<'_>) -> fmt::Result + Send + Sync + 'static,
        {
            fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
                self.0(&mut encoder)
            }
        }
        let mut registry = Registry::default();
        registry.register_collector(Box::new(By(encode)));
        let mut text = String::new();
        text::encode(&mut text, &registry).unwrap();
        text.lines().filter(|line| !line.starts_with('#')).map(|line| format!("{line}\n")).collect()
    }

    #[test]
    fn queries_of_the_same_labels_are_one_series() {
        let kind = |group: &str, resource: &str, namespace: &str| QueryKind {
            operation: "create",
            group: group.into(),
            resource: resource.into(),
            namespace: namespace.into(),
        };
        let counts = BTreeMap::from([
            (kind("", "events", "a"), 1),
            (kind("events.k8s.io", "events", "a"), 2),
            (kind("kyverno.io", "policies", "a"), 3),
            (kind("example.com", "things", ""), 4),
        ]);
        let kind_of = |kind: &QueryKind| match &*kind.resource {
            "events" => "Event".to_owned(),
            other => other.to_owned(),
        };
        let text = written(move |encoder| encode_queries(encoder, &counts, kind_of));
        let line = |client: &str, kind: &str, namespace: &str, count: u64| {
            format!(
                "kyverno_client_queries_total{{operation=\"create\",client_type=\"{client}\",resource_kind=\"{kind}\",\
                 resource_namespace=\"{namespace}\"}} {count}\n"
            )
        };
        let wanted = [
            line("dynamic", "things", "", 4),
            line("kubeclient", "Event", "a", 3),
            line("kyverno", "policies", "a", 3),
        ];
        assert_eq!(text, wanted.concat());
    }

    #[test]
    fn controllers_are_told_by_their_names() {
        let reconciles = Arc::new(Reconciles::default());
        reconciles.count(true);
        reconciles.count(false);
        let controllers = vec![("policies", reconciles)];
        let text = written(move |encoder| encode_controllers(encoder, &controllers));
        assert_eq!(
            text,
            "kyverno_controller_reconcile_total{controller_name=\"policies\"} 2\n\
             kyverno_controller_requeue_total{controller_name=\"policies\",num_requeues=\"1\"} 1\n"
        );
    }
}
