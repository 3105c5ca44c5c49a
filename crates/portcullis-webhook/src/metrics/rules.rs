//! Results of rules: the metrics with the most labels. What a policy decides of them is known when it is loaded, what a
//! request decides is looked up once for a review, and a result is counted at the cost of some words compared.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use portcullis_model::Review;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, LabelSetEncoder};

use super::timed::{Name, Names, OVERFLOW, Series, label};
use super::{SERIES, operation};

const NAMES: Names = Names {
    counter: Name("kyverno_policy_results", "Results of rules"),
    histogram: Name("kyverno_policy_execution_duration_seconds", "Time that rules took"),
};

/// The labels of a policy.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, EncodeLabelSet)]
pub struct PolicyLabels {
    /// `enforce` or `audit`.
    pub policy_validation_mode: &'static str,
    /// `cluster` or `namespaced`.
    pub policy_type: &'static str,
    /// Whether the policy is evaluated in the background too.
    pub policy_background_mode: bool,
    /// The namespace of the policy; `-` where it has none.
    pub policy_namespace: String,
    /// The name of the policy.
    pub policy_name: String,
}

/// The labels of a rule, which its policy decides.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, EncodeLabelSet)]
pub struct RuleLabels {
    /// Those of the policy.
    #[prometheus(flatten)]
    pub policy: PolicyLabels,
    /// The name of the rule.
    pub rule_name: String,
    /// `validate`, `mutate`, `generate` or `imageVerify`.
    pub rule_type: &'static str,
}

impl PolicyLabels {
    pub(super) fn overflow() -> Self {
        let other = || OVERFLOW.to_owned();
        Self {
            policy_validation_mode: OVERFLOW,
            policy_type: OVERFLOW,
            policy_background_mode: false,
            policy_namespace: other(),
            policy_name: other(),
        }
    }
}

impl RuleLabels {
    /// The labels of what comes over a cap.
    pub fn overflow() -> Self {
        Self { policy: PolicyLabels::overflow(), rule_name: OVERFLOW.to_owned(), rule_type: OVERFLOW }
    }
}

/// A rule to count results of. Equal labels are the same rule; it costs nothing to clone.
#[derive(Clone, Debug)]
pub struct Rule(Arc<Counted>);

#[derive(Debug)]
struct Counted {
    labels: Arc<RuleLabels>,
    /// Sorted by the number of the target and the result.
    results: RwLock<Vec<RuleResult>>,
}

/// The results of one rule on one target that are the same.
#[derive(Clone, Debug)]
struct RuleResult {
    target: Arc<Target>,
    result: &'static str,
    series: Arc<Series>,
}

impl Rule {
    fn new(labels: Arc<RuleLabels>) -> Self {
        Self(Arc::new(Counted { labels, results: RwLock::default() }))
    }

    /// Counts a result if the like of it was counted before.
    fn observe_again(&self, target: &Target, result: &'static str, time: Duration) -> bool {
        let results = self.0.results.read().unwrap_or_else(PoisonError::into_inner);
        let place = place(&results, target, result);
        let known = place.ok().and_then(|place| results.get(place));
        known.inspect(|known| known.series.observe(time)).is_some()
    }

    /// Counts a result. Whether it is the first of its like.
    fn observe(&self, target: &Arc<Target>, result: &'static str, time: Duration) -> bool {
        let mut results = self.0.results.write().unwrap_or_else(PoisonError::into_inner);
        let before = results.len();
        let place = place(&results, target, result).unwrap_or_else(|place| {
            results.insert(place, RuleResult { target: target.clone(), result, series: Arc::default() });
            place
        });
        if let Some(known) = results.get(place) {
            known.series.observe(time);
        }
        results.len() > before
    }

    fn forget(&self) {
        self.0.results.write().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn results(&self) -> Vec<RuleResult> {
        self.0.results.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Where a result is, or would be.
fn place(results: &[RuleResult], target: &Target, result: &str) -> Result<usize, usize> {
    results.binary_search_by(|known| (known.target.number, known.result).cmp(&(target.number, result)))
}

/// Why rules are evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    AdmissionRequest,
    BackgroundScan,
}

/// What a review is about: looked up once for all of its results.
#[derive(Debug)]
pub struct Target {
    /// INVARIANT: one number for each value of the labels that is in use.
    number: u64,
    labels: TargetLabels,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, EncodeLabelSet)]
struct TargetLabels {
    resource_kind: String,
    resource_namespace: String,
    resource_request_operation: &'static str,
    rule_execution_cause: &'static str,
    dry_run: bool,
}

/// One series with all its labels.
struct Labelled(Arc<RuleLabels>, RuleResult);

impl EncodeLabelSet for Labelled {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> fmt::Result {
        self.0.encode(encoder)?;
        self.1.target.labels.encode(encoder)?;
        [("rule_result", self.1.result)].encode(encoder)
    }
}

/// The results of all rules, never of more than a cap.
#[derive(Debug)]
pub(super) struct Rules {
    cap: usize,
    known: Mutex<BTreeMap<Arc<RuleLabels>, Rule>>,
    targets: Mutex<Targets>,
    /// How many series the known rules have.
    series: Mutex<usize>,
    /// Takes in what comes over the cap.
    other: Rule,
}

#[derive(Debug, Default)]
struct Targets {
    next: u64,
    known: BTreeMap<TargetLabels, Arc<Target>>,
}

impl Targets {
    fn get(&mut self, labels: TargetLabels) -> Arc<Target> {
        if let Some(known) = self.known.get(&labels) {
            return known.clone();
        }
        let target = Arc::new(Target { number: self.next, labels: labels.clone() });
        self.next += 1;
        self.known.insert(labels, target.clone());
        target
    }
}

impl TargetLabels {
    fn overflow(&self) -> Self {
        let other = || OVERFLOW.to_owned();
        Self { resource_kind: other(), resource_namespace: other(), ..self.clone() }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Rules {
    pub(super) fn new() -> Arc<Self> {
        Self::with_cap(SERIES)
    }

    fn with_cap(cap: usize) -> Arc<Self> {
        Arc::new(Self {
            cap,
            known: Mutex::default(),
            targets: Mutex::default(),
            series: Mutex::default(),
            other: Rule::new(Arc::new(RuleLabels::overflow())),
        })
    }

    pub(super) fn rule(&self, labels: RuleLabels) -> Rule {
        let mut known = lock(&self.known);
        if let Some(rule) = known.get(&labels) {
            return rule.clone();
        }
        let labels = Arc::new(labels);
        known.entry(labels.clone()).or_insert_with(|| Rule::new(labels)).clone()
    }

    pub(super) fn target(&self, review: &Review<'_>, cause: Cause) -> Arc<Target> {
        self.target_of(TargetLabels {
            resource_kind: label(review.request.gvk().kind),
            resource_namespace: label(&review.request.namespace),
            resource_request_operation: operation(review.operation),
            rule_execution_cause: match cause {
                Cause::AdmissionRequest => "admission_request",
                Cause::BackgroundScan => "background_scan",
            },
            dry_run: review.request.is_dry_run(),
        })
    }

    fn target_of(&self, labels: TargetLabels) -> Arc<Target> {
        let mut targets = lock(&self.targets);
        let full = targets.known.len() >= self.cap && !targets.known.contains_key(&labels);
        targets.get(if full { labels.overflow() } else { labels })
    }

    pub(super) fn observe(&self, rule: &Rule, target: &Arc<Target>, result: &'static str, time: Duration) {
        if rule.observe_again(target, result, time) {
            return;
        }
        let mut series = lock(&self.series);
        if *series < self.cap {
            *series += usize::from(rule.observe(target, result, time));
        } else if !rule.observe_again(target, result, time) {
            let target = lock(&self.targets).get(target.labels.overflow());
            self.other.observe(&target, result, time);
        }
    }

    pub(super) fn retain(&self, is_there: impl Fn(&str, &str) -> bool) {
        let mut known = lock(&self.known);
        known.retain(|labels, rule| {
            let stays = is_there(&labels.policy.policy_namespace, &labels.policy.policy_name);
            if !stays {
                rule.forget();
            }
            stays
        });
        // Counted anew: a review that is under way may count for a rule that is gone.
        *lock(&self.series) = known.values().map(|rule| rule.results().len()).sum();
        drop(known);
        lock(&self.targets).known.retain(|_, target| Arc::strong_count(target) > 1);
    }
}

impl Collector for Rules {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let labelled = |rule: &Rule| {
            let labels = rule.0.labels.clone();
            rule.results().into_iter().map(move |result| Labelled(labels.clone(), result))
        };
        let all: Vec<_> = lock(&self.known).values().chain([&self.other]).flat_map(labelled).collect();
        NAMES.encode(&mut encoder, all.iter().map(|labelled| (labelled, &*labelled.1.series)))
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text;
    use prometheus_client::registry::Registry;

    use super::*;

    fn labels(policy: &str) -> RuleLabels {
        RuleLabels {
            policy: PolicyLabels {
                policy_validation_mode: "audit",
                policy_type: "cluster",
                policy_background_mode: true,
                policy_namespace: "-".to_owned(),
                policy_name: policy.to_owned(),
            },
            rule_name: "r".to_owned(),
            rule_type: "validate",
        }
    }

    fn target(rules: &Rules, namespace: &str) -> Arc<Target> {
        rules.target_of(TargetLabels {
            resource_kind: "Pod".to_owned(),
            resource_namespace: namespace.to_owned(),
            resource_request_operation: "create",
            rule_execution_cause: "admission_request",
            dry_run: false,
        })
    }

    /// Policy, namespace, result and count of each series.
    fn counts(rules: &Arc<Rules>) -> Vec<String> {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(rules.clone()));
        let mut text = String::new();
        text::encode(&mut text, &registry).unwrap();
        let of = |line: &str, label: &str| {
            line.split_once(&format!("{label}=\"")).unwrap().1.split('"').next().unwrap().to_owned()
        };
        let said = |line: &str| {
            let labels = ["policy_name", "resource_namespace", "rule_result"].map(|label| of(line, label));
            format!("{} {}", labels.join(" "), line.rsplit_once(' ').unwrap().1)
        };
        text.lines().filter(|line| line.starts_with("kyverno_policy_results_total{")).map(said).collect()
    }

    #[test]
    fn results_over_the_cap_are_counted_together_until_a_policy_makes_room() {
        let rules = Rules::with_cap(3);
        let (a, b) = (rules.rule(labels("a")), rules.rule(labels("b")));
        for rule in [&a, &b] {
            for namespace in ["x", "y", "z"] {
                rules.observe(rule, &target(&rules, namespace), "pass", Duration::ZERO);
            }
        }
        assert_eq!(counts(&rules), ["a x pass 1", "a y pass 1", "a z pass 1", "other other pass 3"]);
        rules.retain(|_, policy| policy != "a");
        rules.observe(&rules.rule(labels("b")), &target(&rules, "x"), "fail", Duration::ZERO);
        rules.observe(&b, &target(&rules, "x"), "fail", Duration::ZERO);
        assert_eq!(counts(&rules), ["b x fail 2", "other other pass 3"]);
        // For a rule that is gone: a review was under way.
        rules.observe(&a, &target(&rules, "x"), "pass", Duration::ZERO);
        assert_eq!(counts(&rules).len(), 2);
    }

    #[test]
    fn targets_that_nothing_is_counted_on_are_forgotten() {
        let rules = Rules::with_cap(3);
        let rule = rules.rule(labels("a"));
        for namespace in ["x", "y", "z", "w"] {
            rules.observe(&rule, &target(&rules, namespace), "pass", Duration::ZERO);
        }
        assert_eq!(counts(&rules).last().unwrap(), "other other pass 1");
        rules.retain(|_, policy| policy != "a");
        assert_eq!(lock(&rules.targets).known.len(), 1);
        rules.observe(&rules.rule(labels("a")), &target(&rules, "w"), "pass", Duration::ZERO);
        assert_eq!(counts(&rules).first().unwrap(), "a w pass 1");
    }
}
