//! What the server counts, in the text form of OpenMetrics.

mod changes;
mod rules;
mod timed;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::StatusCode;
use portcullis_model::{Operation, Review};
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

pub use self::changes::Change;
use self::changes::Changes;
use self::rules::Rules;
pub use self::rules::{Cause, PolicyLabels, Rule, RuleLabels, Target};
use self::timed::{Labels, Name, OVERFLOW, Timed, label};
use crate::Route;

/// Series of one metric. More would be a load for who scrapes them; what comes over it is counted together.
pub const SERIES: usize = 2000;

/// The metrics of the process. Other crates add theirs by [`Metrics::register`].
#[derive(Debug)]
pub struct Metrics {
    registry: Mutex<Registry>,
    reviews: Arc<Timed<Reviewed>>,
    requests: Arc<Timed<HttpRequest>>,
    rules: Arc<Rules>,
    changes: Arc<Changes>,
    refusals: Family<Refused, Counter>,
    closed: Family<Closed, Counter>,
    panics: Counter,
    certificate: Gauge,
}

impl Metrics {
    /// Metrics with nothing counted, of a process of this `version`.
    pub fn new(version: &str) -> Arc<Self> {
        let reviews = Timed::new(
            Name("kyverno_admission_requests", "Admission reviews answered"),
            Name(
                "kyverno_admission_review_duration_seconds",
                "Time from the headers of a review to its verdict",
            ),
            SERIES,
        );
        let requests = Timed::new(
            Name("kyverno_http_requests", "HTTP requests answered with a review"),
            Name(
                "kyverno_http_requests_duration_seconds",
                "Time from the headers of a request to its answer",
            ),
            SERIES,
        );
        let metrics = Self {
            registry: Mutex::default(),
            reviews: Arc::new(reviews),
            requests: Arc::new(requests),
            rules: Rules::new(),
            changes: Arc::new(Changes::new(SERIES)),
            refusals: Family::default(),
            closed: Family::default(),
            panics: Counter::default(),
            certificate: Gauge::default(),
        };
        // What is alerted on is there from the start: of a series that begins with 1 no rate tells.
        drop(metrics.refusals.get_or_create(&Refused { code: StatusCode::TOO_MANY_REQUESTS.as_u16() }));
        metrics.register(|registry| {
            registry.register_collector(Box::new(metrics.reviews.clone()));
            registry.register_collector(Box::new(metrics.requests.clone()));
            registry.register_collector(Box::new(metrics.rules.clone()));
            registry.register_collector(Box::new(metrics.changes.clone()));
            registry.register(
                "kyverno",
                "The version that runs",
                Info::new(vec![("version".to_owned(), version.to_owned())]),
            );
            registry.register(
                "portcullis_webhook_refusals",
                "Requests refused by a status code",
                metrics.refusals.clone(),
            );
            registry.register(
                "portcullis_webhook_connections_closed",
                "Connections closed or not taken for a reason of the server",
                metrics.closed.clone(),
            );
            registry.register(
                "portcullis_webhook_panics",
                "Reviews that ended in a panic and were answered by the failure policy",
                metrics.panics.clone(),
            );
            registry.register(
                "portcullis_webhook_certificate_not_after_seconds",
                "When the certificate in use expires, as Unix time",
                metrics.certificate.clone(),
            );
        });
        Arc::new(metrics)
    }

    /// Adds metrics to those that are written.
    pub fn register(&self, add: impl FnOnce(&mut Registry)) {
        add(&mut self.registry.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// All metrics as text.
    pub fn encode(&self) -> String {
        let mut out = String::new();
        let registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        // Writing to a string fails only where a collector does, and none of ours does.
        let _ = text::encode(&mut out, &registry);
        out
    }

    /// A rule to count results of: looked up once for as long as its policy is the same.
    pub fn rule(&self, labels: RuleLabels) -> Rule {
        self.rules.rule(labels)
    }

    /// The target of a review, to count results on: made once for all of them.
    pub fn target(&self, review: &Review<'_>, cause: Cause) -> Arc<Target> {
        self.rules.target(review, cause)
    }

    /// Counts a result (`pass`, `fail`, `warn`, `error`, `skip`) of `rule` on `target`, which took `time`.
    pub fn rule_result(&self, rule: &Rule, target: &Arc<Target>, result: &'static str, time: Duration) {
        self.rules.observe(rule, target, result, time);
    }

    /// Counts a change of a policy: `is_there` says of which policies there are, as for [`Metrics::retain_policies`].
    pub fn policy_changed(
        &self,
        policy: PolicyLabels,
        change: Change,
        is_there: impl Fn(&str, &str) -> bool,
    ) {
        self.changes.count(policy, change, is_there);
    }

    /// Forgets the results of policies that are gone, so that they make room for others': `is_there` is asked by namespace
    /// (`-` where a policy has none) and name.
    pub fn retain_policies(&self, is_there: impl Fn(&str, &str) -> bool) {
        self.rules.retain(is_there);
    }

    /// Says when the certificate in use expires.
    pub fn certificate_expires(&self, not_after: SystemTime) {
        let seconds = not_after.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        self.certificate.set(i64::try_from(seconds).unwrap_or(i64::MAX));
    }

    pub(crate) fn reviewed(&self, reviewed: &Reviewed, time: Duration) {
        self.reviews.observe(reviewed, time);
    }

    /// A review was answered over HTTP.
    pub(crate) fn answered(&self, path: &str, route: &Route<'_>, time: Duration) {
        let labels =
            HttpRequest { http_method: "POST", http_url: label(path), request_webhook: configuration(route) };
        self.requests.observe(&labels, time);
    }

    pub(crate) fn refused(&self, code: u16) {
        self.refusals.get_or_create(&Refused { code }).inc();
    }

    pub(crate) fn closed(&self, reason: &'static str) {
        self.closed.get_or_create(&Closed { reason }).inc();
    }

    pub(crate) fn panicked(&self) {
        self.panics.inc();
    }
}

/// The labels of an admission review.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, EncodeLabelSet)]
pub(crate) struct Reviewed {
    resource_kind: String,
    resource_namespace: String,
    resource_request_operation: &'static str,
    request_allowed: bool,
    request_webhook: &'static str,
}

impl Reviewed {
    pub(crate) fn new(review: &Review<'_>, route: &Route<'_>, allowed: bool) -> Self {
        Self {
            resource_kind: label(review.request.gvk().kind),
            resource_namespace: label(&review.request.namespace),
            resource_request_operation: operation(review.operation),
            request_allowed: allowed,
            request_webhook: configuration(route),
        }
    }
}

impl Labels for Reviewed {
    fn overflow(&self) -> Self {
        Self { resource_kind: OVERFLOW.to_owned(), resource_namespace: OVERFLOW.to_owned(), ..self.clone() }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, EncodeLabelSet)]
struct HttpRequest {
    http_method: &'static str,
    http_url: String,
    request_webhook: &'static str,
}

impl Labels for HttpRequest {
    fn overflow(&self) -> Self {
        Self { http_url: OVERFLOW.to_owned(), ..self.clone() }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Refused {
    code: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Closed {
    reason: &'static str,
}

/// The kind of configuration that calls a webhook.
fn configuration(route: &Route<'_>) -> &'static str {
    if route.mutates() { "MutatingWebhookConfiguration" } else { "ValidatingWebhookConfiguration" }
}

/// The label of an operation.
fn operation(operation: Operation) -> &'static str {
    match operation {
        Operation::Create => "create",
        Operation::Update => "update",
        Operation::Delete => "delete",
        Operation::Connect => "connect",
    }
}
