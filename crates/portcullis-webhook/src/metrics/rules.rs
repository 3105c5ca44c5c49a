//! Results of rules: the metrics with the most labels, at a cost of a few words compared per result.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use portcullis_model::Review;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{EncodeLabelSet, LabelSetEncoder};

use super::timed::{Labels, Name, OVERFLOW, Timed};
use super::{SERIES, operation};

/// The labels of a rule, which its policy decides.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, EncodeLabelSet)]
pub struct RuleLabels {
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
    /// The name of the rule.
    pub rule_name: String,
    /// `validate`, `mutate`, `generate` or `imageVerify`.
    pub rule_type: &'static str,
}

/// A rule to count results of. Equal labels are the same rule; it costs nothing to clone and little to compare.
#[derive(Clone, Debug)]
pub struct Rule {
    /// INVARIANT: one number for each value of the labels that is in use.
    number: u64,
    labels: Arc<RuleLabels>,
}

/// What a review is about, made once for all of its results.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, EncodeLabelSet)]
pub struct Target {
    resource_kind: String,
    resource_namespace: String,
    resource_request_operation: &'static str,
    rule_execution_cause: &'static str,
    dry_run: bool,
}

impl Target {
    /// The target of an admission review.
    pub fn new(review: &Review<'_>) -> Arc<Self> {
        Arc::new(Self {
            resource_kind: review.request.gvk().kind.to_owned(),
            resource_namespace: review.request.namespace.clone().into_owned(),
            resource_request_operation: operation(review.operation),
            rule_execution_cause: "admission_request",
            dry_run: review.request.is_dry_run(),
        })
    }
}

/// One result.
#[derive(Clone, Debug)]
struct RuleResult {
    rule: Rule,
    target: Arc<Target>,
    rule_result: &'static str,
}

impl RuleResult {
    /// By number, so that the labels of a rule are never compared.
    fn key(&self) -> (u64, &'static str, &Target) {
        (self.rule.number, self.rule_result, &self.target)
    }
}

impl PartialEq for RuleResult {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for RuleResult {}

impl PartialOrd for RuleResult {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for RuleResult {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

impl EncodeLabelSet for RuleResult {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> fmt::Result {
        self.rule.labels.encode(encoder)?;
        self.target.encode(encoder)?;
        [("rule_result", self.rule_result)].encode(encoder)
    }
}

impl Labels for RuleResult {
    fn overflow(&self) -> Self {
        let other = || OVERFLOW.to_owned();
        let labels = RuleLabels {
            policy_validation_mode: OVERFLOW,
            policy_type: OVERFLOW,
            policy_background_mode: false,
            policy_namespace: other(),
            policy_name: other(),
            rule_name: other(),
            rule_type: OVERFLOW,
        };
        let target = Target { resource_kind: other(), resource_namespace: other(), ..(*self.target).clone() };
        let rule = Rule { number: u64::MAX, labels: Arc::new(labels) };
        Self { rule, target: Arc::new(target), rule_result: self.rule_result }
    }
}

/// The results of all rules, and the rules that are known.
#[derive(Debug)]
pub(super) struct Rules {
    known: Mutex<Known>,
    results: Arc<Timed<RuleResult>>,
}

#[derive(Debug, Default)]
struct Known {
    next: u64,
    rules: BTreeMap<RuleLabels, Rule>,
}

impl Rules {
    pub(super) fn new() -> Self {
        let results = Timed::new(
            Name("kyverno_policy_results", "Results of rules"),
            Name("kyverno_policy_execution_duration_seconds", "Time that rules took"),
            SERIES,
        );
        Self { known: Mutex::default(), results: Arc::new(results) }
    }

    pub(super) fn collector(&self) -> Box<dyn Collector> {
        Box::new(self.results.clone())
    }

    pub(super) fn rule(&self, labels: RuleLabels) -> Rule {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(rule) = known.rules.get(&labels) {
            return rule.clone();
        }
        let rule = Rule { number: known.next, labels: Arc::new(labels.clone()) };
        known.next += 1;
        known.rules.insert(labels, rule.clone());
        rule
    }

    pub(super) fn observe(
        &self,
        rule: &Rule,
        target: &Arc<Target>,
        rule_result: &'static str,
        time: Duration,
    ) {
        let result = RuleResult { rule: rule.clone(), target: target.clone(), rule_result };
        self.results.observe(&result, time);
    }

    pub(super) fn forget(&self, namespace: &str, name: &str) {
        let others = |labels: &RuleLabels| labels.policy_name != name || labels.policy_namespace != namespace;
        self.results.retain(|result| others(&result.rule.labels));
        self.known.lock().unwrap_or_else(PoisonError::into_inner).rules.retain(|labels, _| others(labels));
    }
}
