//! The status of a policy: how many rules it has, which were generated, and whether all of it is in force.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use portcullis_model::Diagnostic;
use portcullis_value::{Arena, Value, json};

use crate::autogen;
use crate::checks::quote;
use crate::context::Lookups;
use crate::policy::Policy;

/// What `status` says of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyStatus {
    pub rule_count: RuleCount,
    /// The fingerprint of what [`autogen`] says: that is longer than the policy, and seldom asked for.
    pub autogen: u64,
    pub readiness: Readiness,
    /// The kinds that it names and that the API server never asks about, since it fails closed.
    pub never_asked: BTreeSet<String>,
}

/// The number of written rules by what they do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RuleCount {
    pub validate: i64,
    pub mutate: i64,
    pub generate: i64,
    pub verify_images: i64,
}

/// Whether a policy is in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// Every rule is executed.
    Ready,
    /// Some rules are not enforced: the name of each, and why.
    RulesNotEnforced(Vec<(String, NotEnforced)>),
    /// Nothing of it is executed, for these errors.
    Invalid(Vec<Diagnostic>),
    /// The API server asks nobody about it, for this reason.
    WebhookNotWritten(String),
}

/// Why a rule is not enforced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotEnforced {
    /// This version does not execute this part of it.
    NotExecuted(&'static str),
    /// The API server asks about none of its kinds.
    NeverAsked,
}

/// The condition that says whether a policy is in force.
const READY: &str = "Ready";
/// Of a list of errors or rules, so many are told.
const TOLD: usize = 10;

/// What `status.autogen` says: the rules that are generated from those of the policy `document`.
pub fn autogen<'a>(arena: &'a Arena, document: Value<'_>) -> Value<'a> {
    let rules = Arena::new();
    written(arena, autogen::all_rules(&rules, document.copy_to(&rules)).generated)
}

/// Generated rules, written as the reference's types are.
fn written<'a>(arena: &'a Arena, generated: Vec<Value<'_>>) -> Value<'a> {
    let rules = generated.into_iter().map(quote::rule);
    let rules: Vec<_> = rules.filter_map(|rule| json::read(arena, arena.str(&rule)).ok()).collect();
    match rules.is_empty() {
        true => arena.object(&mut Vec::new()),
        false => arena.object(&mut vec![("rules", arena.array(&rules))]),
    }
}

impl PolicyStatus {
    /// The status of the policy `document` in a cluster that offers `lookups`: `compiled` is what was made of it, or the errors
    /// that stand in the way.
    pub fn of(document: Value<'_>, compiled: Result<&Policy, Vec<Diagnostic>>, lookups: Lookups) -> Self {
        let arena = Arena::new();
        let rules = autogen::all_rules(&arena, document);
        let readiness = match compiled {
            Err(diagnostics) => Readiness::Invalid(diagnostics),
            Ok(policy) => {
                let rules = policy
                    .rules_not_executed(lookups)
                    .map(|(rule, part)| (rule.to_owned(), NotEnforced::NotExecuted(part)));
                Readiness::of(rules.collect())
            }
        };
        Self {
            rule_count: RuleCount::of(rules.written),
            autogen: written(&arena, rules.generated).fingerprint(),
            readiness,
            never_asked: BTreeSet::new(),
        }
    }

    /// The status where the API server never asks about `kinds`, and so about nothing that `rules` are for.
    #[must_use]
    pub fn with_never_asked(mut self, kinds: &BTreeSet<String>, rules: &[String]) -> Self {
        let mut named = match self.readiness {
            Readiness::Ready => Vec::new(),
            Readiness::RulesNotEnforced(named) => named,
            // Nothing of it is enforced anyway.
            Readiness::Invalid(_) | Readiness::WebhookNotWritten(_) => return self,
        };
        for rule in rules {
            if !named.iter().any(|(name, _)| name == rule) {
                named.push((rule.clone(), NotEnforced::NeverAsked));
            }
        }
        self.readiness = Readiness::of(named);
        self.never_asked.clone_from(kinds);
        self
    }

    /// What the condition says to people: one line.
    fn message(&self) -> String {
        let said = self.readiness.message();
        match self.never_asked.is_empty() {
            true => said,
            false => format!("{said}; {}", never_asked_about(&self.never_asked)),
        }
    }

    /// The content of `status`, in place of `current`, but for the fingerprint of `autogen`; `now` is an RFC 3339 time.
    ///
    /// The time of the condition stays as it is unless what it says changes. Conditions of others are kept.
    pub fn to_value<'a>(&self, arena: &'a Arena, current: Value<'a>, now: &'a str) -> Value<'a> {
        let conditions = current.get("conditions").and_then(Value::as_array).unwrap_or_default();
        let is_ours = |condition: &&Value<'_>| condition.get("type").and_then(Value::as_str) == Some(READY);
        let ready = self.condition(arena, conditions.iter().find(is_ours), now);
        let conditions: Vec<_> =
            conditions.iter().filter(|condition| !is_ours(condition)).copied().chain([ready]).collect();
        let object = |mut entries: Vec<(&'a str, Value<'a>)>| arena.object(&mut entries);
        object(vec![
            ("autogen", Value::String(arena.format(format_args!("{:x}", self.autogen)))),
            ("conditions", arena.array(&conditions)),
            ("rulecount", object(self.rule_count.entries().to_vec())),
            // Admission policies of the API server are never made of ours.
            (
                "validatingadmissionpolicy",
                object(vec![("generated", Value::Bool(false)), ("message", Value::String(""))]),
            ),
        ])
    }

    fn condition<'a>(&self, arena: &'a Arena, current: Option<&Value<'a>>, now: &'a str) -> Value<'a> {
        let (status, reason) = match &self.readiness {
            Readiness::Ready => ("True", "Succeeded"),
            Readiness::RulesNotEnforced(_) => ("False", "RulesNotEnforced"),
            Readiness::Invalid(_) => ("False", "Invalid"),
            Readiness::WebhookNotWritten(_) => ("False", "WebhookNotWritten"),
        };
        let text = |key| current.and_then(|condition| condition.get(key)?.as_str());
        let since = text("lastTransitionTime").filter(|_| text("status") == Some(status)).unwrap_or(now);
        arena.object(&mut vec![
            ("lastTransitionTime", Value::String(since)),
            ("message", arena.string(&self.message())),
            ("reason", Value::String(reason)),
            ("status", Value::String(status)),
            ("type", Value::String(READY)),
        ])
    }
}

impl RuleCount {
    fn of(rules: &[Value<'_>]) -> Self {
        let number = |action: &str| {
            let has = |rule: &&Value<'_>| rule.get(action).is_some_and(|action| !action.is_null());
            i64::try_from(rules.iter().filter(has).count()).unwrap_or(i64::MAX)
        };
        Self {
            validate: number("validate"),
            mutate: number("mutate"),
            generate: number("generate"),
            verify_images: number("verifyImages"),
        }
    }

    fn entries<'a>(self) -> [(&'a str, Value<'a>); 4] {
        [
            ("generate", self.generate.into()),
            ("mutate", self.mutate.into()),
            ("validate", self.validate.into()),
            ("verifyimages", self.verify_images.into()),
        ]
    }
}

impl Readiness {
    /// That of a policy of which these rules are not enforced.
    fn of(rules: Vec<(String, NotEnforced)>) -> Self {
        if rules.is_empty() { Readiness::Ready } else { Readiness::RulesNotEnforced(rules) }
    }

    fn message(&self) -> String {
        match self {
            Readiness::Ready => "Ready".to_owned(),
            Readiness::RulesNotEnforced(rules) => told("not enforced: ", rules, |out, (rule, why)| {
                let _ = match why {
                    NotEnforced::NotExecuted(part) => {
                        write!(out, "rule `{rule}` (this version does not execute `{part}`)")
                    }
                    NotEnforced::NeverAsked => write!(out, "rule `{rule}` (never asked)"),
                };
            }),
            Readiness::Invalid(diagnostics) => told("", diagnostics, |out, diagnostic| {
                let _ = write!(out, "{}: {}", diagnostic.path, diagnostic.message);
            }),
            Readiness::WebhookNotWritten(reason) => reason.clone(),
        }
    }
}

/// Says that the API server never asks a policy about these kinds.
pub fn never_asked_about(kinds: &BTreeSet<String>) -> String {
    let kinds: Vec<_> = kinds.iter().map(|kind| format!("`{kind}`")).collect();
    format!(
        "never asked about {}, which the control plane needs to stay alive (a policy with `failurePolicy: Ignore` is)",
        kinds.join(", ")
    )
}

fn told<T>(head: &str, items: &[T], tell: impl Fn(&mut String, &T)) -> String {
    let mut out = head.to_owned();
    for (index, item) in items.iter().take(TOLD).enumerate() {
        if index > 0 {
            out.push_str("; ");
        }
        tell(&mut out, item);
    }
    if let more @ 1.. = items.len().saturating_sub(TOLD) {
        let _ = write!(out, "; and {more} more");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Findings;

    fn status(yaml: &str) -> PolicyStatus {
        let arena = Arena::new();
        let document = portcullis_yaml::read(&arena, yaml).unwrap();
        let errors: Vec<_> = Findings::of(document, None)
            .into_diagnostics()
            .into_iter()
            .filter(Diagnostic::is_error)
            .collect();
        let policy = Policy::compile(document);
        PolicyStatus::of(
            document,
            if errors.is_empty() { Ok(&policy) } else { Err(errors) },
            Lookups::default(),
        )
    }

    fn policy(rules: &str) -> String {
        format!(
            "{{apiVersion: kyverno.io/v1, kind: ClusterPolicy, metadata: {{name: p}}, spec: {{rules: [{rules}]}}}}"
        )
    }

    const GOOD: &str =
        "{name: a, match: {any: [{resources: {kinds: [Job]}}]}, validate: {pattern: {spec: {x: y}}}}";
    const GENERATE: &str = "{name: b, match: {any: [{resources: {kinds: [Namespace]}}]}, generate: {apiVersion: v1, \
                            kind: ConfigMap, name: c, namespace: d, data: {}}}";
    const ASKING: &str = "{name: c, match: {any: [{resources: {kinds: [Job]}}]}, context: [{name: x, apiCall: \
                          {service: {url: 'https://a.b.svc'}}}, {name: z, apiCall: {urlPath: /api}}], validate: {pattern: {spec: {x: '{{ x }}'}}}}";

    #[test]
    fn rules_that_are_not_executed_are_named() {
        let status = status(&policy(&[GOOD, GENERATE, ASKING].join(", ")));
        assert_eq!(
            status.message(),
            "not enforced: rule `b` (this version does not execute `generate`); rule `c` (this version does not execute \
             `context.apiCall.service`)"
        );
        assert_eq!(status.rule_count, RuleCount { validate: 2, generate: 1, ..RuleCount::default() });
    }

    #[test]
    fn what_is_never_asked_about_is_told_of_a_ready_policy_and_of_one_that_is_not() {
        let kinds = BTreeSet::from(["Lease".to_owned(), "Node".to_owned()]);
        let ready = status(&policy(GOOD)).with_never_asked(&kinds, &[]);
        assert_eq!(ready.readiness, Readiness::Ready);
        let told = "never asked about `Lease`, `Node`, which the control plane needs to stay alive (a policy with \
                    `failurePolicy: Ignore` is)";
        assert_eq!(ready.message(), format!("Ready; {told}"));
        let rules = ["a".to_owned(), "b".to_owned()];
        let not_ready = status(&policy(&[GOOD, GENERATE].join(", "))).with_never_asked(&kinds, &rules);
        // A rule that is not executed is named once.
        let named =
            "not enforced: rule `b` (this version does not execute `generate`); rule `a` (never asked)";
        assert_eq!(not_ready.message(), format!("{named}; {told}"));
    }

    #[test]
    fn a_fact_that_only_a_loop_asks_for_is_named_too() {
        let context = "context: [{name: x, globalReference: {name: x}}]";
        let policy = policy(&format!(
            "{{name: a, match: {{any: [{{resources: {{kinds: [Pod]}}}}]}}, validate: {{foreach: [{{list: \
             request.object.spec.containers, foreach: [{{list: element.env, {context}, pattern: {{name: '{{{{ x.y \
             }}}}'}}}}]}}]}}}}"
        ));
        assert_eq!(
            status(&policy).message(),
            "not enforced: rule `a` (this version does not execute `context.globalReference`)"
        );
    }

    #[test]
    fn a_policy_that_cannot_be_used_says_why() {
        let status = status(&policy(
            "{name: a, match: {any: [{resources: {kinds: [Job]}}]}, validate: {pattern: 1, deny: {}}}",
        ));
        assert!(matches!(&status.readiness, Readiness::Invalid(_)));
        assert!(status.readiness.message().starts_with("/spec/rules/0"), "{}", status.readiness.message());
    }

    #[test]
    fn the_time_of_a_condition_is_that_of_its_last_change() {
        let arena = Arena::new();
        let time = |status: Value<'_>| {
            status
                .path(&["conditions"])
                .and_then(Value::as_array)
                .unwrap()
                .last()
                .unwrap()
                .get("lastTransitionTime")
                .unwrap()
                .to_string()
        };
        let ready = status(&policy(GOOD));
        let first = ready.to_value(&arena, Value::Null, "t1");
        let same = ready.to_value(&arena, first, "t2");
        assert_eq!(same, first, "nothing changed, so there is nothing to write");
        let other = status(&policy(GENERATE)).to_value(&arena, first, "t3");
        assert_eq!([time(first), time(other)], ["\"t1\"", "\"t3\""]);
    }

    #[test]
    fn a_long_list_is_cut() {
        let rules = (0..12).map(|index| (index.to_string(), NotEnforced::NeverAsked)).collect();
        assert!(Readiness::RulesNotEnforced(rules).message().ends_with("rule `9` (never asked); and 2 more"));
    }
}
