//! What requests are judged by: one immutable snapshot, swapped whole.

use std::collections::BTreeMap;
use std::sync::Arc;

use portcullis_engine::{PolicySet, Settings};
use portcullis_kyverno::Policy;
use portcullis_model::{CompiledPolicy, RuleKind};
use portcullis_webhook::{Metrics, Rule, RuleLabels};

/// Policies and settings at one moment.
#[derive(Debug, Default)]
pub(crate) struct Policies {
    pub(crate) set: PolicySet,
    pub(crate) settings: Settings,
    /// By namespace (empty for cluster-wide policies) and name.
    counted: BTreeMap<Box<str>, BTreeMap<Box<str>, Counted>>,
}

/// The rules of a policy as they are counted, by name.
#[derive(Debug)]
pub(crate) struct Counted {
    rules: BTreeMap<Box<str>, Rule>,
}

impl Policies {
    /// With `ignore_failures` every policy is asked at webhooks that ignore failures, as `--force-failure-policy-ignore` has it.
    pub(crate) fn new(
        policies: &[Arc<Policy>],
        settings: Settings,
        metrics: &Metrics,
        ignore_failures: bool,
    ) -> Self {
        let mut counted = BTreeMap::<_, BTreeMap<_, _>>::new();
        for policy in policies {
            let of_namespace = counted.entry(policy.namespace().into()).or_default();
            of_namespace.insert(policy.name().into(), Counted::new(policy, metrics));
        }
        let all = policies.iter().map(|policy| policy.clone() as Arc<dyn CompiledPolicy>);
        Self {
            counted,
            set: if ignore_failures { PolicySet::ignoring_failures(all) } else { PolicySet::new(all) },
            settings,
        }
    }

    /// The rules of a policy as they are counted.
    pub(crate) fn counted(&self, policy: &dyn CompiledPolicy) -> Option<&Counted> {
        self.counted.get(policy.namespace())?.get(policy.name())
    }

    /// The names of policies that `next` does not have.
    pub(crate) fn gone<'p>(&'p self, next: &'p Policies) -> impl Iterator<Item = (&'p str, &'p str)> {
        let names = self
            .counted
            .iter()
            .flat_map(|(namespace, policies)| policies.keys().map(move |name| (&**namespace, &**name)));
        let is_gone = |(namespace, name): &(&str, &str)| {
            next.counted.get(*namespace).is_none_or(|policies| !policies.contains_key(*name))
        };
        names.filter(is_gone).map(|(namespace, name)| (or_dash(namespace), name))
    }
}

impl Counted {
    fn new(policy: &Policy, metrics: &Metrics) -> Self {
        let labels = |rule: &str, kind| RuleLabels {
            policy_validation_mode: if policy.profile().may_enforce { "enforce" } else { "audit" },
            policy_type: if policy.is_namespaced() { "namespaced" } else { "cluster" },
            policy_background_mode: policy.is_background(),
            policy_namespace: or_dash(policy.namespace()).to_owned(),
            policy_name: policy.name().to_owned(),
            rule_name: rule.to_owned(),
            rule_type: match kind {
                RuleKind::Mutate => "mutate",
                RuleKind::Validate => "validate",
                RuleKind::Generate => "generate",
                RuleKind::VerifyImages => "imageVerify",
            },
        };
        let rules = policy.rule_kinds().map(|(rule, kind)| (rule.into(), metrics.rule(labels(rule, kind))));
        Self { rules: rules.collect() }
    }

    /// The rule as it is counted. `None` for an outcome that no rule is to blame for.
    pub(crate) fn rule(&self, name: &str) -> Option<&Rule> {
        self.rules.get(name)
    }
}

/// COMPAT(kyverno): its metrics write a dash where a policy has no namespace.
fn or_dash(namespace: &str) -> &str {
    if namespace.is_empty() { "-" } else { namespace }
}
