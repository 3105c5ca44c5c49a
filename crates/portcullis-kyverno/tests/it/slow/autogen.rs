//! Rules about Pods for the controllers that make Pods.

use serde_json::{Value, json};

use super::Fault;
use super::policy::items;

const ALL: &str = "DaemonSet,Deployment,Job,StatefulSet,ReplicaSet,ReplicationController,CronJob";

/// Two of the controllers, as their kinds are written in rules that are generated.
const CONTROLLERS: [(&str, &str); 2] =
    [("Deployment", "apps/v1/Deployment"), ("StatefulSet", "apps/v1/StatefulSet")];

/// The rules that an object of `kind` meets, in order.
pub(crate) fn rules_for(policy: &Value, kind: &str, fault: Option<Fault>) -> Vec<Value> {
    let rules = items(&policy["spec"]["rules"]);
    let annotation = &policy["metadata"]["annotations"]["pod-policies.kyverno.io/autogen-controllers"];
    let listed = annotation.as_str().filter(|_| fault != Some(Fault::AllControllersHaveRules)).unwrap_or(ALL);
    let controllers: Vec<_> = listed.split(',').collect();
    let filters = |rule: &Value| -> Vec<Value> {
        let blocks = [&rule["match"], &rule["exclude"]];
        let lists = blocks.iter().flat_map(|block| [&block["any"], &block["all"]]);
        lists.flat_map(|list| items(list).to_vec()).chain(blocks.into_iter().cloned()).collect()
    };
    let kinds = |filter: &Value| items(&filter["resources"]["kinds"]).to_vec();
    let stands_in_the_way = |filter: &Value| {
        let resources = &filter["resources"];
        let is_mixed = kinds(filter).len() > 1 && kinds(filter).iter().any(is_pod);
        is_mixed || ["names", "selector"].iter().any(|key| !resources[key].is_null())
    };
    let names_one = |filter: &Value| {
        kinds(filter).iter().any(|kind| ["Pod", "Deployment", "CronJob"].iter().any(|name| kind == name))
    };
    let mut result = rules.to_vec();
    if !controllers.contains(&kind)
        || rules.iter().flat_map(filters).any(|filter| stands_in_the_way(&filter))
        || !rules.iter().flat_map(filters).any(|filter| names_one(&filter))
    {
        return result;
    }
    for rule in rules {
        let of = |block: &str| {
            filters(&json!({ "match": rule[block] })).iter().flat_map(kinds).collect::<Vec<_>>()
        };
        let excluded = of("exclude");
        if of("match").iter().any(is_pod) && (excluded.is_empty() || excluded.iter().any(is_pod)) {
            result.push(generated(rule, kind == "CronJob", &controllers, fault));
        }
    }
    result
}

fn is_pod(kind: &Value) -> bool {
    kind.as_str().unwrap().rsplit('/').next() == Some("Pod")
}

/// `rule` for CronJobs, or else for all other controllers.
fn generated(rule: &Value, for_cron_jobs: bool, controllers: &[&str], fault: Option<Fault>) -> Value {
    let (prefix, path) = match for_cron_jobs {
        true => ("autogen-cronjob-", "spec.jobTemplate.spec.template"),
        false => ("autogen-", "spec.template"),
    };
    let new_kinds: Vec<_> = match for_cron_jobs {
        true => vec!["batch/v1/CronJob"],
        false => {
            CONTROLLERS.iter().filter(|(kind, _)| controllers.contains(kind)).map(|(_, kind)| *kind).collect()
        }
    };
    let wrap = |inner: &Value| path.split('.').rev().fold(inner.clone(), |inner, key| json!({ key: inner }));
    let mut rule = rule.clone();
    rule["name"] = json!(format!("{prefix}{}", rule["name"].as_str().unwrap()));
    for block in ["match", "exclude"] {
        let Some(block) = rule.get_mut(block) else { continue };
        for list in ["any", "all"] {
            for filter in block.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
                if for_cron_jobs || items(&filter["resources"]["kinds"]).iter().any(is_pod) {
                    filter["resources"]["kinds"] = json!(new_kinds);
                }
            }
        }
        if !items(&block["resources"]["kinds"]).is_empty() {
            block["resources"]["kinds"] = json!(new_kinds);
        }
    }
    if let Some(mutate) = rule.get("mutate").cloned() {
        let kept = |entry: &Value| {
            let mut kept = entry.clone();
            for lost in ["order", "foreach"] {
                kept.as_object_mut().unwrap().remove(lost);
            }
            if let Some(patch) = kept.get_mut("patchStrategicMerge") {
                *patch = wrap(patch);
            }
            kept
        };
        rule["mutate"] = match mutate.get("foreach") {
            Some(entries) => json!({ "foreach": items(entries).iter().map(kept).collect::<Value>() }),
            None => kept(&mutate),
        };
    }
    if let Some(pattern) = rule.pointer_mut("/validate/pattern") {
        *pattern = wrap(pattern);
    } else if let Some(Value::Array(patterns)) = rule.pointer_mut("/validate/anyPattern") {
        patterns.iter_mut().for_each(|pattern| *pattern = wrap(pattern));
    }
    if fault == Some(Fault::GeneratedRulesKeepPaths) {
        return rule;
    }
    let mut text = rule.to_string();
    for object in ["object", "oldObject"] {
        for field in ["spec", "metadata"] {
            text = text
                .replace(&format!("request.{object}.{field}"), &format!("request.{object}.{path}.{field}"));
        }
    }
    serde_json::from_str(&text).unwrap()
}
