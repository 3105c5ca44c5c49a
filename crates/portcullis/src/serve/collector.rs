//! What the cluster's side counts by itself, as metrics.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use portcullis_cluster::{EventCounts, Leadership, WatchState, WatchStates};
use portcullis_controllers::retention::RetentionCounts;
use portcullis_controllers::writer::{Wanted, Written};
use portcullis_webhook::Metrics;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use tokio::sync::watch;

/// Reads the counts when they are asked for.
#[derive(Debug)]
pub(crate) struct Counts {
    pub(crate) events: Arc<EventCounts>,
    pub(crate) retention: Arc<RetentionCounts>,
    pub(crate) watches: WatchStates,
    /// What is to be in the cluster, and what is there.
    pub(crate) wanted: watch::Receiver<Option<Arc<Wanted>>>,
    pub(crate) written: watch::Receiver<Written>,
    /// Whether webhooks were removed since Portcullis leaves.
    pub(crate) disarmed: Arc<AtomicBool>,
    /// Those that this process stands for.
    pub(crate) leases: Vec<(&'static str, Leadership)>,
}

impl Counts {
    /// Adds them to `metrics`.
    pub(crate) fn register(self, metrics: &Metrics) {
        metrics.register(|registry| registry.register_collector(Box::new(self)));
    }

    fn rules_not_enforced(&self) -> i64 {
        let wanted = self.wanted.borrow().clone();
        let rules = wanted.map_or(0, |wanted| wanted.rules_not_enforced(&self.written.borrow().missing));
        i64::try_from(rules).unwrap_or(i64::MAX)
    }
}

impl Collector for Counts {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut events = encoder.encode_descriptor(
            "portcullis_events",
            "Events by what became of them: written, counted in one that was there, dropped",
            None,
            MetricType::Counter,
        )?;
        let counts = [
            ("written", self.events.written()),
            ("repeated", self.events.repeated()),
            ("dropped", self.events.dropped()),
        ];
        for (result, count) in counts {
            ConstCounter::new(count).encode(events.encode_family(&[("result", result)])?)?;
        }
        let mut ttls = encoder.encode_descriptor(
            "portcullis_job_ttls",
            "TTLs of Jobs by what became of them: set, skipped since the Job is another one by now, failed",
            None,
            MetricType::Counter,
        )?;
        let counts = [
            ("set", self.retention.written()),
            ("skipped", self.retention.skipped()),
            ("failed", self.retention.failed()),
        ];
        for (result, count) in counts {
            ConstCounter::new(count).encode(ttls.encode_family(&[("result", result)])?)?;
        }
        let mut watches = encoder.encode_descriptor(
            "portcullis_watch_state",
            "How the watch of a kind is doing: 1 for the state it is in",
            None,
            MetricType::Gauge,
        )?;
        for (watch, state) in self.watches.all() {
            let labels = [("watch", watch), ("state", name(&state))];
            ConstGauge::new(1).encode(watches.encode_family(&labels)?)?;
        }
        let not_enforced = encoder.encode_descriptor(
            "portcullis_policies_not_enforced",
            "Rules of policies that are not enforced, for a mistake, since this version does not know them, or since the \
             API server refuses their webhook",
            None,
            MetricType::Gauge,
        )?;
        ConstGauge::new(self.rules_not_enforced()).encode(not_enforced)?;
        let disarmed = encoder.encode_descriptor(
            "portcullis_disarmed",
            "1 once this process has removed all webhooks, since Portcullis was deleted or scaled to zero",
            None,
            MetricType::Gauge,
        )?;
        ConstGauge::new(i64::from(self.disarmed.load(Ordering::Relaxed))).encode(disarmed)?;
        let mut leader = encoder.encode_descriptor(
            "portcullis_leader",
            "1 while this process holds the Lease of a controller, whose work it does",
            None,
            MetricType::Gauge,
        )?;
        for (lease, leadership) in &self.leases {
            let holds = i64::from(leadership.is_leader());
            ConstGauge::new(holds).encode(leader.encode_family(&[("lease", *lease)])?)?;
        }
        Ok(())
    }
}

fn name(state: &WatchState) -> &'static str {
    match state {
        WatchState::Starting => "starting",
        WatchState::Live => "live",
        WatchState::Absent => "absent",
        WatchState::Failing(_) => "failing",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_that_are_there_from_the_start_are_shown_as_nought() {
        let metrics = Metrics::new("0");
        let counts = Counts {
            events: Arc::default(),
            retention: Arc::default(),
            watches: WatchStates::default(),
            wanted: watch::channel(None).1,
            written: watch::channel(Written::default()).1,
            disarmed: Arc::default(),
            leases: Vec::new(),
        };
        counts.register(&metrics);
        let text = metrics.encode();
        assert!(text.contains("portcullis_policies_not_enforced 0\n"), "{text}");
        assert!(text.contains("portcullis_events_total{result=\"dropped\"} 0\n"), "{text}");
        assert!(text.contains("# TYPE portcullis_watch_state gauge\n"), "{text}");
    }
}
