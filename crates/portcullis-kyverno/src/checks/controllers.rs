//! Kinds in the policy that bring more, or less, than their author may think.

use portcullis_model::{Resource, closest};
use portcullis_value::Value;

use super::document::{Document, Rule};
use super::finder::Finder;
use super::match_block::Filter;
use super::walk;

const AUTOGEN: &str = "pod-policies.kyverno.io/autogen-controllers";

const CONTROLLERS: [&str; 7] =
    ["DaemonSet", "Deployment", "Job", "StatefulSet", "ReplicaSet", "ReplicationController", "CronJob"];

pub(super) fn warn(document: &Document<'_>, finder: &mut Finder) {
    warn_of_autogen(document, finder);
    for rule in &document.rules {
        finder.at(&rule.pointer(), |finder| warn_of_subresources(rule, finder));
    }
}

/// The annotation names controllers that do not exist, or leaves some out.
fn warn_of_autogen(document: &Document<'_>, finder: &mut Finder) {
    let Some(Value::String(named)) = Resource(document.root).annotations().get(AUTOGEN) else { return };
    if named == "none" || named == "all" {
        return;
    }
    let named: Vec<&str> = named.split(',').collect();
    for name in named.iter().filter(|name| !CONTROLLERS.contains(name) && !name.is_empty()) {
        let note = finder.warning(format!("`{name}` is no controller that rules are generated for")).under([
            "metadata",
            "annotations",
            AUTOGEN,
        ]);
        if CONTROLLERS.contains(&name.trim()) {
            note.hint("write the list without blanks");
        } else {
            note.suggest(closest(name, CONTROLLERS));
        }
    }
    if CONTROLLERS.iter().all(|controller| named.contains(controller)) {
        return;
    }
    for rule in &document.rules {
        let kinds: Vec<_> = kinds_of(rule, "match").collect();
        if matches!(*kinds, ["Pod"]) {
            finder.at(&rule.pointer(), |finder| {
                finder
                    .warning(
                        "Policies that match Pods apply to all Pods including those created and managed by controllers \
                         excluded from autogen. Use preconditions to exclude the Pods managed by controllers which are \
                         excluded from autogen. Refer to \
                         https://kyverno.io/docs/policy-types/cluster-policy/autogen/ for details.",
                    )
                    .under(["match"])
                    .verbatim();
            });
            return;
        }
    }
}

fn kinds_of<'a>(rule: &Rule<'a>, block: &str) -> impl Iterator<Item = &'a str> {
    Filter::all(rule.value.get(block).unwrap_or_default())
        .flat_map(|filter| filter.kinds().collect::<Vec<_>>())
}

/// What is written to a subresource comes by a request of its own.
fn warn_of_subresources(rule: &Rule<'_>, finder: &mut Finder) {
    for action in ["validate", "mutate"] {
        let Some(body) = rule.given(&[action]) else { continue };
        let (mut replicas, mut status) = (false, false);
        walk::texts(body, &mut |text| {
            replicas |= text.text.contains("replicas");
            status |= text.text.contains(".status") || (text.is_key && text.text == "status");
        });
        let names = |word: &str| {
            ["match", "exclude"]
                .iter()
                .flat_map(|block| kinds_of(rule, block))
                .any(|kind| kind.to_lowercase().contains(word))
        };
        let mut warn = |field: &str, subresource: &str| {
            finder
                .warning(format!(
                    "You are matching on {field} but not including the {subresource} subresource in the policy."
                ))
                .under([action])
                .verbatim();
        };
        if replicas && !names("scale") {
            warn("replicas", "scale");
        }
        if action == "validate" && status && !names("status") {
            warn("status", "status");
        }
    }
}
