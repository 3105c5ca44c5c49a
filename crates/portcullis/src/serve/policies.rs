//! What requests are judged by: one immutable snapshot, swapped whole.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use portcullis_engine::{PolicySet, Settings, Verdict};
use portcullis_kyverno::Policy;
use portcullis_model::{CompiledPolicy, RuleKind, RuleOutcome};
use portcullis_webhook::{Metrics, PolicyLabels, Rule, RuleLabels, Target};

/// Policies and settings at one moment.
#[derive(Debug, Default)]
pub(crate) struct Policies {
    pub(crate) set: PolicySet,
    pub(crate) settings: Settings,
    /// Each policy of the set, and where its rules are among those counted.
    members: Box<[Member]>,
    /// The rules of all of them as they are counted, each looked up when there is a first result of it.
    rules: Box<[OnceLock<Rule>]>,
}

#[derive(Debug)]
struct Member {
    policy: Arc<Policy>,
    /// The place of its first rule.
    rules: usize,
}

/// A policy and its rules as they are counted.
#[derive(Clone, Copy, Debug)]
struct Counted<'p> {
    policy: &'p Policy,
    rules: &'p [OnceLock<Rule>],
}

impl Policies {
    /// With `ignore_failures` every policy is asked at webhooks that ignore failures, as `--force-failure-policy-ignore` has it.
    pub(crate) fn new(policies: &[Arc<Policy>], settings: Settings, ignore_failures: bool) -> Self {
        let all = policies.iter().map(|policy| policy.clone() as Arc<dyn CompiledPolicy>);
        let set = if ignore_failures { PolicySet::ignoring_failures(all) } else { PolicySet::new(all) };
        Self::with(set, policies, settings)
    }

    /// Those that judge what is there already.
    ///
    /// COMPAT(kyverno): what the configuration filters is judged all the same.
    pub(crate) fn of_scan(policies: &[Arc<Policy>]) -> Self {
        let all = policies.iter().map(|policy| policy.clone() as Arc<dyn CompiledPolicy>);
        Self::with(PolicySet::of_scan(all), policies, Settings::default())
    }

    fn with(set: PolicySet, policies: &[Arc<Policy>], settings: Settings) -> Self {
        let by_key: BTreeMap<_, _> =
            policies.iter().map(|policy| ((policy.namespace(), policy.name()), policy)).collect();
        let mut rules = 0;
        let members = set.policies().iter().filter_map(|member| by_key.get(&member.key())).map(|policy| {
            let first = rules;
            rules += policy.rule_kinds().count();
            Member { policy: (*policy).clone(), rules: first }
        });
        let members = members.collect();
        let rules = std::iter::repeat_with(OnceLock::new).take(rules).collect();
        Self { members, rules, set, settings }
    }

    /// The rules of the policy at `place` in the set, as they are counted.
    fn counted(&self, place: usize) -> Option<Counted<'_>> {
        let Member { policy, rules } = self.members.get(place)?;
        Some(Counted { policy, rules: self.rules.get(*rules..)? })
    }

    /// Counts the results of a review of `target`.
    pub(crate) fn count_results(&self, verdict: &Verdict<'_>, target: &Arc<Target>, metrics: &Metrics) {
        for judged in &verdict.policies {
            let Some(counted) = self.counted(judged.place) else { continue };
            let outcomes = &judged.evaluation.outcomes;
            let results = outcomes.len() * (1 + judged.alike.len());
            let share = judged.took / u32::try_from(results.max(1)).unwrap_or(u32::MAX);
            for outcome in outcomes {
                let Some(number) = counted.number(outcome.rule) else { continue };
                let alike = judged.alike.iter().filter_map(|place| self.counted(*place));
                for rule in [counted].into_iter().chain(alike).filter_map(|one| one.rule(number, metrics)) {
                    metrics.rule_result(rule, target, outcome.status.as_str(), share);
                }
            }
        }
    }

    /// The outcomes of a review, each with its policy.
    pub(crate) fn outcomes<'v, 'a>(
        &self,
        verdict: &'v Verdict<'a>,
    ) -> impl Iterator<Item = (&Policy, &'v RuleOutcome<'a>)> {
        verdict.policies.iter().flat_map(|judged| {
            let places = [judged.place].into_iter().chain(judged.alike.iter().copied());
            places.filter_map(|place| self.counted(place)).flat_map(|counted| {
                judged.evaluation.outcomes.iter().map(move |outcome| (counted.policy, outcome))
            })
        })
    }

    /// Whether there is a policy of this name; `namespace` is as metrics write it.
    pub(crate) fn contains(&self, namespace: &str, name: &str) -> bool {
        self.set.contains((plain_namespace(namespace), name))
    }
}

impl<'p> Counted<'p> {
    /// The number of a rule. `None` for an outcome that no rule is to blame for.
    fn number(self, name: &str) -> Option<usize> {
        self.policy.rule_kinds().position(|(rule, _)| rule == name)
    }

    /// A rule as it is counted.
    fn rule(self, number: usize, metrics: &Metrics) -> Option<&'p Rule> {
        let rule = self.rules.get(number)?;
        if let Some(known) = rule.get() {
            return Some(known);
        }
        let (name, kind) = self.policy.rule_kinds().nth(number)?;
        Some(rule.get_or_init(|| metrics.rule(rule_labels(self.policy, name, kind))))
    }
}

/// A policy as it is counted.
pub(super) fn policy_labels(policy: &Policy) -> PolicyLabels {
    PolicyLabels {
        policy_validation_mode: if policy.profile().may_enforce { "enforce" } else { "audit" },
        policy_type: if policy.is_namespaced() { "namespaced" } else { "cluster" },
        policy_background_mode: policy.is_background(),
        policy_namespace: match policy.namespace() {
            "" => NO_NAMESPACE.to_owned(),
            namespace => namespace.to_owned(),
        },
        policy_name: policy.name().to_owned(),
    }
}

/// A rule of it as it is counted.
pub(super) fn rule_labels(policy: &Policy, rule: &str, kind: RuleKind) -> RuleLabels {
    RuleLabels {
        policy: policy_labels(policy),
        rule_name: rule.to_owned(),
        rule_type: match kind {
            RuleKind::Mutate => "mutate",
            RuleKind::Validate => "validate",
            RuleKind::Generate => "generate",
            RuleKind::VerifyImages => "imageVerify",
        },
    }
}

/// The namespace of a policy, empty where it has none, from how metrics write it.
pub(super) fn plain_namespace(written: &str) -> &str {
    if written == NO_NAMESPACE { "" } else { written }
}

/// COMPAT(kyverno): its metrics write a dash where a policy has no namespace.
const NO_NAMESPACE: &str = "-";
