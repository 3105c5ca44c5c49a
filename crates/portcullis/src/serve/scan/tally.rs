//! What a pass counts, and what is shown of the last whole one.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use portcullis_kyverno::Policy;
use portcullis_model::{CompiledPolicy as _, RuleOutcome, Status};
use portcullis_webhook::Metrics;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::serve::clock::timestamp;

/// How many rules and results are told apart; what comes over it is counted together.
const SERIES: usize = 2000;
/// What that is called.
const OTHER: &str = "other";

/// A result of a rule, with the names that a policy report has for its parts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, EncodeLabelSet)]
struct RuleResult {
    /// `NAME`, or `NAMESPACE/NAME`.
    policy: String,
    rule: String,
    result: &'static str,
}

/// How many objects came to which result.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// How many objects were judged.
    pub(super) objects: u64,
    results: BTreeMap<RuleResult, i64>,
}

impl Tally {
    /// Counts an outcome of `policy`.
    ///
    /// COMPAT(kyverno): in reports, what a policy that is not scored would refuse is a warning.
    pub(super) fn count(&mut self, policy: &Policy, outcome: &RuleOutcome<'_>) {
        let is_scored = policy.annotation("policies.kyverno.io/scored") != Some("false");
        let result = RuleResult {
            policy: match policy.namespace() {
                "" => policy.name().to_owned(),
                namespace => format!("{namespace}/{}", policy.name()),
            },
            rule: outcome.rule.to_owned(),
            result: match outcome.status {
                Status::Fail if !is_scored => "warn",
                status => status.as_str(),
            },
        };
        self.count_times(result, 1);
    }

    fn count_times(&mut self, result: RuleResult, times: i64) {
        let is_full = self.results.len() >= SERIES && !self.results.contains_key(&result);
        let result = match is_full {
            true => RuleResult { policy: OTHER.to_owned(), rule: OTHER.to_owned(), ..result },
            false => result,
        };
        *self.results.entry(result).or_default() += times;
    }

    /// Adds what another has counted.
    pub(super) fn add(&mut self, other: Tally) {
        self.objects += other.objects;
        other.results.into_iter().for_each(|(result, times)| self.count_times(result, times));
    }

    /// How many results there are.
    pub(super) fn total(&self) -> i64 {
        self.results.values().sum()
    }
}

/// The last whole pass, as a metric; nothing is shown before there was one.
#[derive(Clone, Debug, Default)]
pub(in crate::serve) struct LastPass(Arc<ArcSwapOption<Pass>>);

#[derive(Debug)]
struct Pass {
    tally: Tally,
    unseen: i64,
    /// Seconds since 1970-01-01 UTC.
    ended: i64,
}

impl LastPass {
    /// Adds it to `metrics`.
    pub(in crate::serve) fn register(&self, metrics: &Metrics) {
        let collector = Box::new(self.clone());
        metrics.register(|registry| registry.register_collector(collector));
    }

    /// Shows a pass that has ended now, without `unseen` kinds.
    pub(super) fn publish(&self, tally: Tally, unseen: i64) {
        let ended = timestamp().as_second();
        self.0.store(Some(Arc::new(Pass { tally, unseen, ended })));
    }

    /// Shows none.
    pub(super) fn forget(&self) {
        self.0.store(None);
    }
}

impl Collector for LastPass {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Some(pass) = self.0.load_full() else { return Ok(()) };
        let mut gauge = |name, help, value: i64| {
            ConstGauge::new(value).encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)
        };
        gauge(
            "portcullis_scan_ended_seconds",
            "When the last pass over the cluster ended, as Unix time",
            pass.ended,
        )?;
        gauge(
            "portcullis_scan_kinds_unseen",
            "Kinds that policies judge and the last pass could not list",
            pass.unseen,
        )?;
        let mut results = encoder.encode_descriptor(
            "portcullis_scan_results",
            "Objects in the cluster by what a rule comes to on them, in the last pass",
            None,
            MetricType::Gauge,
        )?;
        for (result, times) in &pass.tally.results {
            ConstGauge::new(*times).encode(results.encode_family(result)?)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(rule: &str) -> RuleResult {
        RuleResult { policy: "p".to_owned(), rule: rule.to_owned(), result: "fail" }
    }

    #[test]
    fn the_last_whole_pass_is_shown_and_what_is_too_much_is_counted_together() {
        let (metrics, last_pass) = (Metrics::new("0"), LastPass::default());
        last_pass.register(&metrics);
        assert!(!metrics.encode().contains("portcullis_scan"), "before there was a pass");
        let mut tally = Tally::default();
        for number in 0..SERIES + 2 {
            tally.count_times(result(&format!("r{number:04}")), 3);
        }
        last_pass.publish(tally, 1);
        let text = metrics.encode();
        let shows = |policy: &str, rule: &str, times: i64| {
            let labels = format!("{{policy=\"{policy}\",rule=\"{rule}\",result=\"fail\"}}");
            text.contains(&format!("portcullis_scan_results{labels} {times}\n"))
        };
        assert!(shows("p", "r0000", 3) && shows("other", "other", 6), "{text}");
        assert!(text.contains("portcullis_scan_kinds_unseen 1\n"));
        last_pass.forget();
        assert!(!metrics.encode().contains("portcullis_scan"), "after another replica leads");
    }
}
