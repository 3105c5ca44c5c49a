//! How often and how long, by labels: two metrics from one look-up, and never more series than a cap.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeLabelSet, EncodeMetric as _, MetricEncoder, NoLabelSet,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;

/// The bounds of the reference's histograms, in seconds.
const BOUNDS: [f64; 15] =
    [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0, 20.0, 25.0, 30.0];
/// The value of every label that the input of a request decides, in the series of all that came over the cap.
pub(super) const OVERFLOW: &str = "other";

/// The longest value of such a label, in bytes: kinds and namespaces have 63 at most, and a path names a namespace and a policy.
const LONGEST: usize = 512;

/// The value of a label that the input of a request decides.
pub(super) fn label(text: &str) -> String {
    if text.len() > LONGEST { OVERFLOW } else { text }.to_owned()
}

/// Labels whose values come from requests.
pub(super) trait Labels: EncodeLabelSet + Ord + Clone + fmt::Debug + Send + Sync + 'static {
    /// The labels that take in what is over the cap: [`OVERFLOW`] where any value may come.
    fn overflow(&self) -> Self;
}

/// How often something happened, and how long it took: a counter and a histogram in one, without a lock.
#[derive(Debug, Default)]
pub(super) struct Series {
    /// What took no longer than each bound and longer than the one before; at the end, what took longer than all.
    counts: [AtomicU64; BOUNDS.len() + 1],
    nanoseconds: AtomicU64,
}

impl Series {
    pub(super) fn observe(&self, time: Duration) {
        let seconds = time.as_secs_f64();
        let place = BOUNDS.iter().position(|bound| seconds <= *bound).unwrap_or(BOUNDS.len());
        if let Some(count) = self.counts.get(place) {
            count.fetch_add(1, Relaxed);
        }
        self.nanoseconds.fetch_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX), Relaxed);
    }

    fn encode_count(&self, encoder: MetricEncoder<'_>) -> fmt::Result {
        let count: u64 = self.counts.iter().map(|count| count.load(Relaxed)).sum();
        ConstCounter::new(count).encode(encoder)
    }

    fn encode_times(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        let bounds = BOUNDS.into_iter().chain([f64::INFINITY]);
        let buckets: Vec<_> =
            bounds.zip(&self.counts).map(|(bound, count)| (bound, count.load(Relaxed))).collect();
        let count = buckets.iter().map(|(_, count)| count).sum();
        let sum = Duration::from_nanos(self.nanoseconds.load(Relaxed)).as_secs_f64();
        encoder.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
    }
}

/// The names of a counter and a histogram with the same labels. A counter gets the suffix `_total` where it is written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Names {
    pub(super) counter: Name,
    pub(super) histogram: Name,
}

/// Name and help of a metric.
#[derive(Clone, Copy, Debug)]
pub(super) struct Name(pub(super) &'static str, pub(super) &'static str);

impl Names {
    /// Writes both metrics of all `series`.
    pub(super) fn encode<'s, L: EncodeLabelSet + 's>(
        self,
        encoder: &mut DescriptorEncoder<'_>,
        series: impl Iterator<Item = (&'s L, &'s Series)> + Clone,
    ) -> fmt::Result {
        let Name(name, help) = self.counter;
        let mut counter = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (labels, series) in series.clone() {
            series.encode_count(counter.encode_family(labels)?)?;
        }
        let Name(name, help) = self.histogram;
        let mut times = encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
        for (labels, series) in series {
            series.encode_times(times.encode_family(labels)?)?;
        }
        Ok(())
    }
}

/// Series by labels.
#[derive(Debug)]
pub(super) struct Timed<L> {
    names: Names,
    cap: usize,
    series: RwLock<BTreeMap<L, Series>>,
}

impl<L: Labels> Timed<L> {
    pub(super) fn new(counter: Name, histogram: Name, cap: usize) -> Self {
        Self { names: Names { counter, histogram }, cap, series: RwLock::default() }
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
        series.entry(labels).or_default().observe(time);
    }
}

impl<L: Labels> Collector for Timed<L> {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let series = self.series.read().unwrap_or_else(PoisonError::into_inner);
        self.names.encode(&mut encoder, series.iter())
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
        registry.register_collector(Box::new(timed));
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
    }
}
