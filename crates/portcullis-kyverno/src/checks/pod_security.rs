//! `validate.podSecurity`.

use portcullis_value::Value;

use super::document::{Rule, given, list, text};
use super::finder::Finder;
use super::match_block::Filter;
use crate::kind::KindSelector;

/// Controls of containers, which need `images`.
const OF_CONTAINERS: [&str; 5] =
    ["Capabilities", "Privileged Containers", "Host Ports", "/proc Mount Type", "Privilege Escalation"];
/// Controls of pods, which must not have `images`.
const OF_PODS: [&str; 4] = ["Host Namespaces", "HostPath Volumes", "Sysctls", "Volume Types"];
/// Controls that the level `baseline` does not have.
const RESTRICTED: [&str; 4] =
    ["Volume Types", "Privilege Escalation", "Running as Non-root", "Running as Non-root user"];

/// The kinds that have a pod specification.
const POD_KINDS: [&str; 8] = [
    "Pod",
    "DaemonSet",
    "Deployment",
    "Job",
    "StatefulSet",
    "ReplicaSet",
    "ReplicationController",
    "CronJob",
];

/// The exclusions; `finder` is at the rule.
pub(super) fn check(rule: &Rule<'_>, finder: &mut Finder) {
    let Some(standard) = rule.given(&["validate", "podSecurity"]) else { return };
    finder.at(&["validate", "podSecurity"].into_iter().collect(), |finder| {
        for (index, exclusion) in list(standard, "exclude").iter().enumerate() {
            let path = format!("spec.rules[{}].podSecurity.exclude[{index}]", rule.index);
            finder.item("exclude", index, |finder| {
                check_exclusion(*exclusion, text(standard, "level"), &path, finder);
            });
        }
    });
}

fn check_exclusion(exclusion: Value<'_>, level: &str, path: &str, finder: &mut Finder) {
    let control = text(exclusion, "controlName");
    let refuse_control = |message: &str, finder: &mut Finder| {
        finder
            .error(message)
            .under(["controlName"])
            .invalid(format_args!("{path}.controlName"), Value::String(control));
    };
    let has_images = !list(exclusion, "images").is_empty();
    if OF_CONTAINERS.contains(&control) && !has_images {
        refuse_control("exclude.images must be specified for the container level control", finder);
    }
    if OF_PODS.contains(&control) && has_images {
        refuse_control("exclude.images must not be specified for the pod level control", finder);
    }
    let field = text(exclusion, "restrictedField");
    let values = list(exclusion, "values");
    if !field.is_empty() && values.is_empty() {
        finder
            .error("values is required")
            .under(["restrictedField"])
            .invalid(format_args!("{path}.values"), given(exclusion, "values").unwrap_or_default());
    }
    if field.is_empty() && !values.is_empty() {
        finder
            .error("restrictedField is required")
            .under(["values"])
            .invalid(format_args!("{path}.restrictedField"), Value::String(field));
    }
    if level == "baseline" && RESTRICTED.contains(&control) {
        refuse_control("Invalid control name defined at the given level", finder);
    }
}

/// A rule about objects without a pod specification; `finder` is at the rule.
pub(super) fn warn(rule: &Rule<'_>, finder: &mut Finder) {
    if rule.given(&["validate", "podSecurity"]).is_none() {
        return;
    }
    let block = rule.value.get("match").unwrap_or_default();
    finder.below("match", |finder| {
        for filter in Filter::deciding(block) {
            for (index, written) in filter.kinds().enumerate() {
                let kind = KindSelector::parse(written).kind;
                if kind.contains(['*', '?']) || POD_KINDS.contains(&&*kind) {
                    continue;
                }
                filter.look(finder, |finder| {
                    finder
                        .warning(format!(
                            "`{written}` has no pod specification: the rule ends in an error for it"
                        ))
                        .under(["resources", "kinds", &index.to_string()]);
                });
            }
        }
    });
}
