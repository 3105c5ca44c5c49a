//! How often and how long, by labels: two metrics from one look-up, and never more series than a cap.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;

/// The bounds of the reference's histograms, in seconds.
const BUCKETS: [f64; 15] =
    [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0, 20.0, 25.0, 30.0];
/// The value of every label that the input of a request decides, in the series of all that came over the cap.
pub(super) const OVERFLOW: &str = "other";

/// Labels whose values come from requests.
pub(super) trait Labels: EncodeLabelSet + Ord + Clone + fmt::Debug + Send + Sync + 'static {
    /// The labels that take in what is over the cap: [`OVERFLOW`] where any value may come.
    fn overflow(&self) -> Self;
}

/// A counter and a histogram with the same labels.
#[derive(Debug)]
pub(super) struct Timed<L> {
    counter: Name,
    histogram: Name,
    cap: usize,
    series: RwLock<BTreeMap<L, Series>>,
}

#[derive(Debug)]
struct Series {
    count: Counter,
    times: Histogram,
}

impl Series {
    fn new() -> Self {
        Self { count: Counter::default(), times: Histogram::new(BUCKETS) }
    }

    fn observe(&self, time: Duration) {
        self.count.inc();
        self.times.observe(time.as_secs_f64());
    }
}

/// Name and help of a metric. A counter gets the suffix `_total` where it is written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Name(pub(super) &'static str, pub(super) &'static str);

impl<L: Labels> Timed<L> {
    pub(super) fn new(counter: Name, histogram: Name, cap: usize) -> Self {
        Self { counter, histogram, cap, series: RwLock::default() }
    }

    /// Counts one event of these labels that took `time`.
    pub(super) fn observe(&self, labels: &L, time: Duration) {
        let series = self.series.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = series.get(labels) {
            return known.observe(time);
        }
        drop(series);
        let mut series = self.series.write().unwrap_or_else(PoisonError::into_inner);
        let full = series.len() >= self.cap && !series.contains_key(labels);
        let labels = if full { labels.overflow() } else { labels.clone() };
        series.entry(labels).or_insert_with(Series::new).observe(time);
    }

    /// Forgets the series of other labels than `keep` says.
    pub(super) fn retain(&self, keep: impl Fn(&L) -> bool) {
        self.series.write().unwrap_or_else(PoisonError::into_inner).retain(|labels, _| keep(labels));
    }
}

impl<L: Labels> Collector for Timed<L> {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let series = self.series.read().unwrap_or_else(PoisonError::into_inner);
        let Name(name, help) = self.counter;
        let mut counter = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (labels, series) in &*series {
            series.count.encode(counter.encode_family(labels)?)?;
        }
        let Name(name, help) = self.histogram;
        let mut times = encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
        for (labels, series) in &*series {
            series.times.encode(times.encode_family(labels)?)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text;
    use prometheus_client::registry::Registry;

    use super::*;

    #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, EncodeLabelSet)]
    struct Of {
        name: String,
        fixed: bool,
    }

    impl Labels for Of {
        fn overflow(&self) -> Self {
            Self { name: OVERFLOW.to_owned(), fixed: self.fixed }
        }
    }

    #[test]
    fn what_comes_over_the_cap_is_counted_together_and_nothing_is_lost() {
        let timed = std::sync::Arc::new(Timed::new(Name("events", "Events"), Name("times", "Times"), 3));
        for name in 0..10 {
            for _ in 0..2 {
                timed.observe(&Of { name: name.to_string(), fixed: true }, Duration::from_millis(7));
            }
        }
        let mut registry = Registry::default();
        registry.register_collector(Box::new(timed.clone()));
        let mut have = String::new();
        text::encode(&mut have, &registry).unwrap();
        let counts: Vec<&str> = have.lines().filter(|line| line.starts_with("events_total")).collect();
        assert_eq!(
            counts,
            [
                "events_total{name=\"0\",fixed=\"true\"} 2",
                "events_total{name=\"1\",fixed=\"true\"} 2",
                "events_total{name=\"2\",fixed=\"true\"} 2",
                "events_total{name=\"other\",fixed=\"true\"} 14",
            ]
        );
        assert!(have.contains("times_bucket{le=\"0.005\",name=\"other\",fixed=\"true\"} 0\n"), "{have}");
        assert!(have.contains("times_bucket{le=\"0.01\",name=\"other\",fixed=\"true\"} 14\n"), "{have}");
        timed.retain(|of| of.name != "0");
        assert_eq!(timed.series.read().unwrap().len(), 3);
    }
}
