//! What the cluster's side counts by itself, as metrics.

use std::fmt;
use std::sync::Arc;

use portcullis_cluster::{EventCounts, WatchState, WatchStates};
use portcullis_webhook::Metrics;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

/// Reads the counts when they are asked for.
#[derive(Debug)]
struct Counts {
    events: Arc<EventCounts>,
    watches: WatchStates,
}

/// Adds the counts of Events and the states of watches to `metrics`.
pub(crate) fn register(metrics: &Metrics, events: Arc<EventCounts>, watches: WatchStates) {
    metrics.register(|registry| registry.register_collector(Box::new(Counts { events, watches })));
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
        register(&metrics, Arc::default(), WatchStates::default());
        let text = metrics.encode();
        assert!(text.contains("portcullis_events_total{result=\"dropped\"} 0\n"), "{text}");
        assert!(text.contains("# TYPE portcullis_watch_state gauge\n"), "{text}");
    }
}
