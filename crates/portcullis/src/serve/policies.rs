//! What requests are judged by: one immutable snapshot, swapped whole.

use std::collections::BTreeMap;
use std::sync::Arc;

use portcullis_engine::{Member, PolicySet, Settings};
use portcullis_kyverno::Policy;
use portcullis_model::{CompiledPolicy, RuleKind};
use portcullis_webhook::{Metrics, PolicyLabels, Rule, RuleLabels};

/// Policies and settings at one moment.
#[derive(Debug, Default)]
pub(crate) struct Policies {
    pub(crate) set: PolicySet,
    pub(crate) settings: Settings,
    /// The rules of each policy of the set, as they are counted.
    counted: Box<[Counted]>,
}

/// The rules of a policy as they are counted.
#[derive(Debug)]
pub(crate) struct Counted(Box<[Rule]>);

impl Policies {
    /// With `ignore_failures` every policy is asked at webhooks that ignore failures, as `--force-failure-policy-ignore` has it.
    pub(crate) fn new(
        policies: &[Arc<Policy>],
        settings: Settings,
        metrics: &Metrics,
        ignore_failures: bool,
    ) -> Self {
        let all = policies.iter().map(|policy| policy.clone() as Arc<dyn CompiledPolicy>);
        let set = if ignore_failures { PolicySet::ignoring_failures(all) } else { PolicySet::new(all) };
        let by_key: BTreeMap<_, _> =
            policies.iter().map(|policy| ((policy.namespace(), policy.name()), policy)).collect();
        let counted =
            set.policies().iter().map(|member| Counted::new(by_key.get(&member.key()).copied(), metrics));
        Self { counted: counted.collect(), set, settings }
    }

    /// The rules of the policy at `place` in the set, as they are counted.
    pub(crate) fn counted(&self, place: usize) -> Option<&Counted> {
        self.counted.get(place)
    }

    /// The names of policies that `next` does not have.
    pub(crate) fn gone<'p>(&'p self, next: &'p Policies) -> impl Iterator<Item = (&'p str, &'p str)> {
        let names = self.set.policies().iter().map(Member::key);
        names.filter(|key| !next.set.contains(*key)).map(|(namespace, name)| (or_dash(namespace), name))
    }
}

impl Counted {
    fn new(policy: Option<&Arc<Policy>>, metrics: &Metrics) -> Self {
        let Some(policy) = policy else { return Self(Box::default()) };
        let of_policy = Arc::new(PolicyLabels {
            policy_validation_mode: if policy.profile().may_enforce { "enforce" } else { "audit" },
            policy_type: if policy.is_namespaced() { "namespaced" } else { "cluster" },
            policy_background_mode: policy.is_background(),
            policy_namespace: or_dash(policy.namespace()).to_owned(),
            policy_name: policy.name().to_owned(),
        });
        let labels = |rule: &str, kind| RuleLabels {
            policy: of_policy.clone(),
            rule_name: rule.into(),
            rule_type: match kind {
                RuleKind::Mutate => "mutate",
                RuleKind::Validate => "validate",
                RuleKind::Generate => "generate",
                RuleKind::VerifyImages => "imageVerify",
            },
        };
        Self(policy.rule_kinds().map(|(rule, kind)| metrics.rule(labels(rule, kind))).collect())
    }

    /// The rule as it is counted. `None` for an outcome that no rule is to blame for.
    pub(crate) fn rule(&self, name: &str) -> Option<&Rule> {
        self.0.iter().find(|rule| rule.name() == name)
    }
}

/// COMPAT(kyverno): its metrics write a dash where a policy has no namespace.
fn or_dash(namespace: &str) -> &str {
    if namespace.is_empty() { "-" } else { namespace }
}
