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
    counted: BTreeMap<Name, Counted>,
}

/// Namespace (empty for a cluster-wide policy) and name.
type Name = (Box<str>, Box<str>);

/// The rules of a policy as they are counted, by name.
#[derive(Debug)]
struct Counted {
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
        let counted = policies.iter().map(|policy| {
            let name = (policy.namespace().into(), policy.name().into());
            (name, Counted::new(policy, metrics))
        });
        let all = policies.iter().map(|policy| policy.clone() as Arc<dyn CompiledPolicy>);
        Self {
            counted: counted.collect(),
            set: if ignore_failures { PolicySet::ignoring_failures(all) } else { PolicySet::new(all) },
            settings,
        }
    }

    /// The rule as it is counted. `None` for the outcome of a policy that has no rule to blame.
    pub(crate) fn counted(&self, policy: &dyn CompiledPolicy, rule: &str) -> Option<&Rule> {
        let name: Name = (policy.namespace().into(), policy.name().into());
        self.counted.get(&name)?.rules.get(rule)
    }

    /// The names of policies that `next` does not have.
    pub(crate) fn gone<'p>(&'p self, next: &'p Policies) -> impl Iterator<Item = (&'p str, &'p str)> {
        let gone = self.counted.keys().filter(|name| !next.counted.contains_key(*name));
        gone.map(|(namespace, name)| (or_dash(namespace), &**name))
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
}

/// COMPAT(kyverno): its metrics write a dash where a policy has no namespace.
fn or_dash(namespace: &str) -> &str {
    if namespace.is_empty() { "-" } else { namespace }
}
