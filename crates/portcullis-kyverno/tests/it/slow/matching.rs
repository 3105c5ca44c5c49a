//! `match` and `exclude`.

use serde_json::Value;

use super::policy::items;
use super::{Fault, fits};

/// What is matched.
pub(crate) struct Candidate<'c> {
    pub(crate) operation: &'c str,
    pub(crate) object: &'c Value,
    pub(crate) user: Option<&'c str>,
    pub(crate) namespace_labels: &'c Value,
}

/// Whether `rule` is about `candidate`.
pub(crate) fn is_about(rule: &Value, candidate: &Candidate<'_>, fault: Option<Fault>) -> bool {
    let excluded = fault != Some(Fault::NothingIsExcluded)
        && rule.get("exclude").is_some_and(|exclude| holds(exclude, candidate, true, fault));
    holds(&rule["match"], candidate, false, fault) && !excluded
}

/// Whether the match block of an exception, which has a list, holds for `candidate`. As in an exclude block, nobody is not
/// the user.
pub(crate) fn is_excepted(block: &Value, candidate: &Candidate<'_>, fault: Option<Fault>) -> bool {
    holds(block, candidate, true, fault)
}

fn holds(block: &Value, candidate: &Candidate<'_>, excludes: bool, fault: Option<Fault>) -> bool {
    let filter = |filter: &Value| filter_holds(filter, candidate, excludes, fault);
    match (items(&block["any"]), items(&block["all"])) {
        ([_, ..], _) if fault == Some(Fault::AnyMeansAll) => items(&block["any"]).iter().all(filter),
        (any @ [_, ..], _) => any.iter().any(filter),
        (_, all @ [_, ..]) => all.iter().all(filter),
        _ => filter(block),
    }
}

fn filter_holds(filter: &Value, candidate: &Candidate<'_>, excludes: bool, fault: Option<Fault>) -> bool {
    let resources = &filter["resources"];
    let is_set = |value: &Value| !(value.is_null() || value == &Value::from(Vec::<Value>::new()));
    // Where nobody asks, a match block forgets about users.
    let asks_user = is_set(&filter["subjects"]) && (excludes || candidate.user.is_some());
    let keys = ["kinds", "names", "namespaces", "selector", "namespaceSelector", "operations"];
    if !asks_user && !keys.iter().any(|key| is_set(&resources[key])) {
        return false;
    }
    let one_of = |key: &str, test: &dyn Fn(&str) -> bool| {
        !is_set(&resources[key]) || items(&resources[key]).iter().any(|item| test(item.as_str().unwrap()))
    };
    let selects = |key: &str, labels: &Value| {
        let wanted = resources[key]["matchLabels"].as_object();
        wanted.is_none_or(|wanted| wanted.iter().all(|(key, value)| labels.get(key) == Some(value)))
    };
    let metadata = &candidate.object["metadata"];
    let text = |key: &str| metadata[key].as_str().unwrap_or_default();
    one_of("operations", &|operation| operation == candidate.operation)
        && one_of("kinds", &|kind| is_kind(kind, candidate.object))
        && (fault == Some(Fault::NamesDoNotMatter) || one_of("names", &|name| fits(name, text("name"))))
        && one_of("namespaces", &|namespace| fits(namespace, text("namespace")))
        && selects("selector", &metadata["labels"])
        && selects("namespaceSelector", candidate.namespace_labels)
        && (!asks_user
            || items(&filter["subjects"]).iter().any(|subject| {
                candidate.user.is_some_and(|user| fits(subject["name"].as_str().unwrap(), user))
            }))
}

/// Whether `object` is of `wanted`, which is `Kind`, `version/Kind` or `group/version/Kind`.
fn is_kind(wanted: &str, object: &Value) -> bool {
    let api_version = object["apiVersion"].as_str().unwrap();
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let has = [object["kind"].as_str().unwrap(), version, group];
    wanted.rsplit('/').zip(has).all(|(wanted, has)| fits(wanted, has))
}
