//! Policies that give Jobs a TTL, and what that does to Jobs which something reconciles.
//!
//! A Job with a TTL is deleted once it is finished. Where Argo CD, Flux or Helm want it to exist they create it again,
//! and it runs again, for ever. A TTL that an UPDATE sets on a Job finished long ago deletes the Job at once.

use portcullis_model::{Diagnostic, Gvk};
use portcullis_value::{Pointer, Value};

use crate::kind::KindSelector;

/// The kind that this is about, and its field.
const JOB: Gvk<'_> = Gvk { group: "batch", version: "v1", kind: "Job" };
const TTL: &str = "ttlSecondsAfterFinished";

/// Who creates Jobs again, and what every Job of theirs carries in a label or an annotation.
const RECONCILERS: &[(&str, &[&str])] = &[
    ("Argo CD", &["argocd.argoproj.io/"]),
    ("Flux", &["toolkit.fluxcd.io/"]),
    ("Helm", &["helm.sh/hook", "meta.helm.sh/"]),
];

/// Whether a rule of `document`, a ClusterPolicy or Policy, gives Jobs a TTL.
pub fn sets_job_ttl(document: Value<'_>) -> bool {
    rules(document).any(|(_, rule)| rule_sets_job_ttl(rule))
}

/// Warns of the first rule of `document` that gives a TTL to Jobs which something creates again, or to finished ones.
///
/// The message stays under 256 bytes for rule names of up to 63 letters: that is what a warning of an API server may have.
pub fn warn_of_job_ttl(document: Value<'_>) -> Option<Diagnostic> {
    rules(document).find_map(|(index, rule)| {
        if !rule_sets_job_ttl(rule) {
            return None;
        }
        let left_out = |markers: &[&str]| {
            ["match", "exclude", "preconditions"]
                .iter()
                .filter_map(|block| rule.get(block))
                .any(|block| markers.iter().any(|marker| mentions(block, marker)))
        };
        let missing: Vec<&str> =
            RECONCILERS.iter().filter(|(_, markers)| !left_out(markers)).map(|(name, _)| *name).collect();
        let updates = matches_updates(rule);
        let risk = match (missing.is_empty(), updates) {
            (true, false) => return None,
            (true, true) => "a TTL set by an UPDATE deletes a Job that finished long ago at once".to_owned(),
            (false, updates) => {
                let also = if updates { ", and an UPDATE deletes Jobs finished long ago" } else { "" };
                format!(
                    "Jobs of {} are created again once the TTL has deleted them{also}",
                    missing.join(", ")
                )
            }
        };
        let name = rule.get("name").and_then(Value::as_str).unwrap_or_default();
        let mut path = Pointer::root();
        ["spec", "rules", &index.to_string(), "mutate"].iter().for_each(|token| path.push(token));
        let message = format!("rule `{name}` sets a TTL on Jobs: {risk}");
        Some(Diagnostic::warning(path, message).with_hint("docs/guides/dangling-jobs.md leaves them out"))
    })
}

fn rules(document: Value<'_>) -> impl Iterator<Item = (usize, Value<'_>)> {
    let rules = document.path(&["spec", "rules"]).and_then(Value::as_array).unwrap_or_default();
    rules.iter().copied().enumerate()
}

fn rule_sets_job_ttl(rule: Value<'_>) -> bool {
    let Some(mutate) = rule.get("mutate") else { return false };
    mentions(mutate, TTL) && kinds(rule).any(|kind| KindSelector::parse(kind).matches(JOB, "", false))
}

/// The blocks of `match` that name resources: the block itself, those of `any`, those of `all`.
fn filters(rule: Value<'_>) -> impl Iterator<Item = Value<'_>> {
    let matching = rule.get("match").unwrap_or_default();
    let listed = |key| matching.get(key).and_then(Value::as_array).unwrap_or_default().iter().copied();
    std::iter::once(matching)
        .chain(listed("any"))
        .chain(listed("all"))
        .filter_map(|filter| filter.get("resources"))
}

fn kinds(rule: Value<'_>) -> impl Iterator<Item = &str> {
    filters(rule)
        .filter_map(|resources| resources.get("kinds").and_then(Value::as_array))
        .flatten()
        .filter_map(|kind| kind.as_str())
}

/// Whether a rule is about UPDATE: a mutate rule is where nothing else is said.
fn matches_updates(rule: Value<'_>) -> bool {
    filters(rule).any(|resources| match resources.get("operations").and_then(Value::as_array) {
        None | Some([]) => resources.get("kinds").is_some(),
        Some(operations) => operations.iter().any(|operation| operation.as_str() == Some("UPDATE")),
    })
}

/// Whether a key or a text in `value` holds `needle`. Reading has bounded the depth.
fn mentions(value: Value<'_>, needle: &str) -> bool {
    value.has_text(&mut |text| text.contains(needle))
}

#[cfg(test)]
mod tests {
    use portcullis_value::Arena;

    use super::*;

    #[track_caller]
    fn warning(policy: &str) -> Option<String> {
        let arena = Arena::new();
        let document = portcullis_yaml::read(&arena, policy).unwrap();
        assert!(sets_job_ttl(document));
        warn_of_job_ttl(document).map(|warning| warning.message)
    }

    const POLICY: &str = "
kind: ClusterPolicy
spec:
  rules:
    - name: add-ttl
      match:
        any:
          - resources:
              kinds: [batch/v1/Job]
              operations: [OPERATION]
      exclude:
        any:
          - resources: {annotations: {argocd.argoproj.io/hook: '*', helm.sh/hook: '*'}}
          - resources: {selector: {matchLabels: {LABEL: '*'}}}
      mutate:
        patchStrategicMerge:
          spec:
            +(ttlSecondsAfterFinished): 900
";

    #[test]
    fn a_policy_that_leaves_out_what_is_reconciled_is_not_warned_of() {
        let policy = POLICY.replace("LABEL", "kustomize.toolkit.fluxcd.io/name");
        assert_eq!(warning(&policy.replace("OPERATION", "CREATE")), None);
    }

    #[test]
    fn the_warning_names_who_creates_the_jobs_again_and_what_an_update_does() {
        let policy = POLICY.replace("OPERATION", "CREATE").replace("LABEL", "team");
        assert_eq!(
            warning(&policy).unwrap(),
            "rule `add-ttl` sets a TTL on Jobs: Jobs of Flux are created again once the TTL has deleted them"
        );
        let policy = POLICY.replace("OPERATION", "UPDATE").replace("LABEL", "helm.toolkit.fluxcd.io/name");
        assert_eq!(
            warning(&policy).unwrap(),
            "rule `add-ttl` sets a TTL on Jobs: a TTL set by an UPDATE deletes a Job that finished long ago at once"
        );
        let name = "n".repeat(63);
        let policy =
            policy.replace("add-ttl", &name).replace("helm", "x").replace("argocd", "x").replace("flux", "x");
        assert!(warning(&policy).unwrap().len() < 256);
    }

    #[test]
    fn jobs_are_meant_by_every_selector_that_matches_them_and_by_no_other() {
        let policy = POLICY.replace("OPERATION", "CREATE");
        let of = |kind: &str| {
            let arena = Arena::new();
            let policy = policy.replace("batch/v1/Job", &format!("'{kind}'"));
            let document = portcullis_yaml::read(&arena, &policy).unwrap();
            (sets_job_ttl(document), warn_of_job_ttl(document).is_some())
        };
        for kind in ["batch/v1/Job", "Job", "*", "*/*", "Jo*", "batch/v1/J?b", "batch/*/Job"] {
            assert_eq!(of(kind), (true, true), "{kind}");
        }
        for kind in ["Pod", "CronJob", "Job/status", "batch/v2/Job", "example.com/v1/Job"] {
            assert_eq!(of(kind), (false, false), "{kind}");
        }
    }
}
