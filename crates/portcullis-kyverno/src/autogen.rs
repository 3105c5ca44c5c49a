//! Autogen: a rule about Pods applied to the controllers that make Pods.
//!
//! COMPAT(kyverno): the generated rule is rewritten as text (`request.object.spec` becomes
//! `request.object.spec.template.spec` wherever it stands, in messages and literals too).

use portcullis_model::Resource;
use portcullis_value::{Arena, Number, Object, Value, json};

use crate::kind::KindSelector;
use crate::variable::map_references;

/// The annotation that says for which controllers rules are generated.
pub(crate) const ANNOTATION: &str = "pod-policies.kyverno.io/autogen-controllers";
pub(crate) const CRON_JOB: &str = "CronJob";

/// The controllers that rules can be generated for, with the way their kinds are written in generated rules.
const CONTROLLERS: [(&str, &str); 7] = [
    ("DaemonSet", "apps/v1/DaemonSet"),
    ("Deployment", "apps/v1/Deployment"),
    ("Job", "batch/v1/Job"),
    ("ReplicaSet", "apps/v1/ReplicaSet"),
    ("ReplicationController", "v1/ReplicationController"),
    ("StatefulSet", "apps/v1/StatefulSet"),
    (CRON_JOB, "batch/v1/CronJob"),
];

/// The paths from a controller to what it makes Pods of.
pub(crate) const POD_TEMPLATES: [&[&str]; 2] = [POD_TEMPLATE, POD_TEMPLATE_OF_CRON_JOB];
const POD_TEMPLATE: &[&str] = &["spec", "template"];
const POD_TEMPLATE_OF_CRON_JOB: &[&str] = &["spec", "jobTemplate", "spec", "template"];

/// What the names of generated rules begin with, the longer one first.
pub(crate) const PREFIXES: [&str; 2] = ["autogen-cronjob-", "autogen-"];

/// The controllers of a policy: for which kinds its Pod rules apply too.
#[derive(Debug)]
pub(crate) enum Controllers {
    /// Every one of [`CONTROLLERS`].
    All,
    Listed(Box<[Box<str>]>),
}

impl Controllers {
    /// The controllers of `policy`. One rule that cannot be generated turns generation off for all of them.
    pub(crate) fn of(policy: Value<'_>) -> Self {
        let rules = policy.path(&["spec", "rules"]).and_then(Value::as_array).unwrap_or_default();
        if !rules.iter().all(|rule| can_generate(*rule))
            || !rules.iter().any(|rule| names_pod_or_controller(*rule))
        {
            return Controllers::Listed(Box::default());
        }
        match Resource(policy).annotations().get(ANNOTATION).and_then(Value::as_str) {
            None => Controllers::All,
            Some("none" | "") => Controllers::Listed(Box::default()),
            // Not trimmed, as in the reference.
            Some(list) => Controllers::Listed(list.split(',').map(Box::from).collect()),
        }
    }

    /// Whether rules are generated for `kind`.
    pub(crate) fn contain(&self, kind: &str) -> bool {
        match self {
            Controllers::All => CONTROLLERS.iter().any(|(controller, _)| *controller == kind),
            Controllers::Listed(kinds) => kinds.iter().any(|controller| **controller == *kind),
        }
    }
}

/// The rules of `policy`, and those generated from them.
pub(crate) fn all_rules<'a>(arena: &'a Arena, policy: Value<'a>) -> Rules<'a> {
    let written = policy.path(&["spec", "rules"]).and_then(Value::as_array).unwrap_or_default();
    let controllers = Controllers::of(policy);
    let generated =
        written.iter().flat_map(|rule| generate(arena, *rule, &controllers).into_both()).collect();
    Rules { written, generated }
}

/// The rules of a policy, as documents.
pub(crate) struct Rules<'a> {
    pub(crate) written: &'a [Value<'a>],
    pub(crate) generated: Vec<Value<'a>>,
}

impl<'a> Rules<'a> {
    /// All of them in one list.
    pub(crate) fn into_vec(mut self) -> Vec<Value<'a>> {
        self.generated.extend(self.written);
        self.generated
    }
}

/// The rules generated from one.
#[derive(Default)]
pub(crate) struct Generated<'a> {
    /// That for all controllers but CronJobs.
    pub(crate) for_controllers: Option<Value<'a>>,
    pub(crate) for_cron_jobs: Option<Value<'a>>,
}

impl<'a> Generated<'a> {
    /// Both, as far as they are there.
    pub(crate) fn into_both(self) -> impl Iterator<Item = Value<'a>> {
        self.for_controllers.into_iter().chain(self.for_cron_jobs)
    }
}

/// The rules generated from `rule`, for Pod controllers and for CronJobs.
pub(crate) fn generate<'a>(arena: &'a Arena, rule: Value<'a>, controllers: &Controllers) -> Generated<'a> {
    let name = rule.get("name").and_then(Value::as_str).unwrap_or_default();
    let exclude_kinds = kinds_of(rule.get("exclude").unwrap_or_default());
    let is_expandable = !is_named_as_generated(name)
        && kinds_of(rule.get("match").unwrap_or_default()).iter().any(|kind| is_pod(kind))
        && (exclude_kinds.is_empty() || exclude_kinds.iter().any(|kind| is_pod(kind)));
    if !is_expandable {
        return Generated::default();
    }
    let kinds: Vec<Value<'a>> = CONTROLLERS
        .iter()
        .filter(|(kind, _)| *kind != CRON_JOB && controllers.contain(kind))
        .map(|(_, written)| Value::String(written))
        .collect();
    let expand = |target| expand(arena, rule, name, &target);
    let cron_jobs = || Target::CronJob(arena.array(&[Value::String("batch/v1/CronJob")]));
    Generated {
        for_controllers: (!kinds.is_empty())
            .then(|| expand(Target::Controllers(arena.array(&kinds))))
            .flatten(),
        for_cron_jobs: controllers.contain(CRON_JOB).then(|| expand(cron_jobs())).flatten(),
    }
}

/// Whether a rule of this name is taken for a generated one.
pub(crate) fn is_named_as_generated(name: &str) -> bool {
    name.starts_with(PREFIXES[1])
}

/// What a rule is generated for, with the kinds it then matches.
enum Target<'a> {
    Controllers(Value<'a>),
    CronJob(Value<'a>),
}

impl<'a> Target<'a> {
    fn prefix(&self) -> &'static str {
        match self {
            Target::CronJob(_) => PREFIXES[0],
            Target::Controllers(_) => PREFIXES[1],
        }
    }

    /// The path from the controller to what it makes Pods of.
    fn path(&self) -> &'static [&'static str] {
        match self {
            Target::Controllers(_) => POD_TEMPLATE,
            Target::CronJob(_) => POD_TEMPLATE_OF_CRON_JOB,
        }
    }

    /// `inner` at the place of the Pod template.
    fn wrap(&self, arena: &'a Arena, inner: Value<'a>) -> Value<'a> {
        Value::default().with(arena, self.path(), inner)
    }

    fn kinds(&self) -> Value<'a> {
        match self {
            Target::Controllers(kinds) | Target::CronJob(kinds) => *kinds,
        }
    }

    /// A match or exclude block for the target's kinds.
    fn block(&self, arena: &'a Arena, block: Value<'a>) -> Value<'a> {
        let mut result = block;
        for key in ["any", "all"] {
            let Some(filters) = block.get(key).and_then(Value::as_array) else { continue };
            let filters: Vec<_> = filters
                .iter()
                .map(|filter| {
                    let kinds = texts(filter.path(&["resources", "kinds"]));
                    let replace = matches!(self, Target::CronJob(_)) || kinds.iter().any(|kind| is_pod(kind));
                    if replace { filter.with(arena, &["resources", "kinds"], self.kinds()) } else { *filter }
                })
                .collect();
            result = result.with(arena, &[key], arena.array(&filters));
        }
        if !texts(block.path(&["resources", "kinds"])).is_empty() {
            result = result.with(arena, &["resources", "kinds"], self.kinds());
        }
        result
    }
}

fn expand<'a>(arena: &'a Arena, rule: Value<'a>, name: &str, target: &Target<'a>) -> Option<Value<'a>> {
    let present = |path: &[&str]| rule.path(path).filter(|value| !value.is_null());
    let is_cel = present(&["validate", "cel"]).is_some();
    let mut action: Option<(&[&'static str], Value<'a>)> = None;
    let mut set = |path: &'static [&'static str], value: Value<'a>| action = Some((path, value));
    if let Some(patch) = present(&["mutate", "patchStrategicMerge"]) {
        // Targets do not survive, nor does anything else beside the patch.
        set(&["mutate"], Value::default().with(arena, &["patchStrategicMerge"], target.wrap(arena, patch)));
    } else if let Some(entries) = present(&["mutate", "foreach"]).and_then(Value::as_array) {
        let entries: Vec<_> = entries
            .iter()
            .map(|entry| {
                let kept: Vec<_> = ["list", "context", "preconditions", "patchStrategicMerge"]
                    .into_iter()
                    .filter_map(|key| Some((key, entry.get(key)?)))
                    .map(|(key, value)| match key {
                        "patchStrategicMerge" => (key, target.wrap(arena, value)),
                        _ => (key, value),
                    })
                    .collect();
                Value::Object(Object::from_unsorted(arena, &mut kept.clone()))
            })
            .collect();
        set(&["mutate"], Value::default().with(arena, &["foreach"], arena.array(&entries)));
    } else if let Some(pattern) = present(&["validate", "pattern"]) {
        set(&["validate", "pattern"], target.wrap(arena, pattern));
    } else if let Some(patterns) = present(&["validate", "anyPattern"]).and_then(Value::as_array) {
        let patterns: Vec<_> = patterns.iter().map(|pattern| target.wrap(arena, *pattern)).collect();
        set(&["validate", "anyPattern"], arena.array(&patterns));
    } else if !["deny", "podSecurity", "foreach", "cel"]
        .iter()
        .any(|key| present(&["validate", key]).is_some())
        && present(&["verifyImages"]).is_none()
    {
        return None;
    }
    let mut generated = rule;
    if let Some((path, value)) = action {
        generated = generated.with(arena, path, value);
    }
    if let Some(Value::String(message)) = present(&["validate", "message"]) {
        let pivot = ["pattern", "deny", "podSecurity", "anyPattern"]
            .into_iter()
            .find(|key| present(&["validate", key]).is_some());
        let shifted = pivot.map_or(message.into(), |pivot| shift_references(message, pivot, target.path()));
        generated = generated.with(arena, &["validate", "message"], arena.string(&shifted));
    }
    let new_name: String = format!("{}{name}", target.prefix()).chars().take(63).collect();
    generated = generated.with(arena, &["name"], arena.string(&new_name));
    for key in ["match", "exclude"] {
        if let Some(block) = rule.get(key).filter(|block| !block.is_null()) {
            generated = generated.with(arena, &[key], target.block(arena, block));
        }
    }
    let request = if is_cel { "" } else { "request." };
    Some(Rewrite { arena, request, template: target.path().join(".") }.value(generated))
}

/// `message` with its references to what stands below `pivot` leading to the Pod template there.
fn shift_references(message: &str, pivot: &str, path: &[&str]) -> String {
    map_references(message, |reference| {
        let Some((before, after)) = reference.split_once(pivot) else { return reference.to_owned() };
        // The alternatives of anyPattern have a number, behind which their template begins.
        let number = match after.strip_prefix('/').and_then(|after| after.split(['/', ')']).next()) {
            Some(number) if pivot == "anyPattern" => number.len() + 1,
            _ => 0,
        };
        let (number, after) = after.split_at_checked(number).unwrap_or(("", after));
        format!("{before}{pivot}{number}/{}{after}", path.join("/"))
    })
}

/// The way from the paths of expressions in a rule about Pods to those in a rule about a controller of them.
struct Rewrite<'a> {
    arena: &'a Arena,
    /// What the paths begin with.
    request: &'static str,
    /// Where the controller has its Pod template.
    template: String,
}

impl<'a> Rewrite<'a> {
    /// `value` with all paths in its texts and keys leading to the Pod template.
    fn value(&self, value: Value<'a>) -> Value<'a> {
        match value {
            Value::String(text) => Value::String(self.text(text)),
            Value::Array(items) => {
                Value::Array(self.arena.slice_of(items.iter().map(|item| self.value(*item))))
            }
            Value::Object(object) => {
                let entries = object.iter().map(|(key, item)| (self.text(key), self.value(item)));
                Value::Object(Object::from_unsorted(self.arena, &mut entries.collect()))
            }
            // COMPAT(kyverno): the whole rule goes through text, in which `1.0` is written as `1`.
            Value::Number(number @ Number::Float(_)) => {
                json::read(self.arena, self.arena.str(&number.to_string())).unwrap_or(value)
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => value,
        }
    }

    fn text(&self, text: &'a str) -> &'a str {
        // Most texts hold no path, which is found sooner.
        if !(text.contains('.') && text.contains("bject.")) {
            return text;
        }
        let Self { arena, request, template } = self;
        let mut rewritten = text.to_owned();
        for object in ["object", "oldObject"] {
            for field in ["spec", "metadata"] {
                rewritten = rewritten.replace(
                    &format!("{request}{object}.{field}"),
                    &format!("{request}{object}.{template}.{field}"),
                );
            }
        }
        arena.str(&rewritten)
    }
}

fn is_pod(kind: &str) -> bool {
    &*KindSelector::parse(kind).kind == "Pod"
}

fn texts(list: Option<Value<'_>>) -> Vec<&str> {
    list.and_then(Value::as_array).unwrap_or_default().iter().filter_map(|item| item.as_str()).collect()
}

/// The filters of a match or exclude block, with the direct form as one of them.
fn filters(block: Value<'_>) -> Vec<Value<'_>> {
    let list = |key| block.get(key).and_then(Value::as_array).unwrap_or_default();
    list("any").iter().chain(list("all")).copied().chain([block]).collect()
}

fn kinds_of(block: Value<'_>) -> Vec<&str> {
    filters(block).into_iter().flat_map(|filter| texts(filter.path(&["resources", "kinds"]))).collect()
}

/// Whether the rule stands in the way of generating rules for its policy.
fn can_generate(rule: Value<'_>) -> bool {
    let present = |path: &[&str]| rule.path(path).is_some_and(|value| !value.is_null());
    let json_patch_in_foreach = rule
        .path(&["mutate", "foreach"])
        .and_then(Value::as_array)
        .unwrap_or_default()
        .iter()
        .any(|entry| entry.get("patchesJson6902").is_some_and(|patch| patch.as_str() != Some("")));
    if present(&["generate"]) || present(&["mutate", "patchesJson6902"]) || json_patch_in_foreach {
        return false;
    }
    ["match", "exclude"].iter().flat_map(|key| filters(rule.get(key).unwrap_or_default())).all(|filter| {
        let resources = filter.get("resources").unwrap_or_default();
        let set = |key: &str| match resources.get(key) {
            None | Some(Value::Null) => false,
            Some(Value::String(text)) => !text.is_empty(),
            Some(Value::Array(items)) => !items.is_empty(),
            Some(Value::Object(object)) => key == "selector" || !object.is_empty(),
            Some(_) => true,
        };
        let kinds = texts(resources.get("kinds"));
        let mixed = kinds.len() > 1 && kinds.iter().any(|kind| is_pod(kind));
        !mixed && !["name", "names", "selector", "annotations"].iter().any(|key| set(key))
    })
}

fn names_pod_or_controller(rule: Value<'_>) -> bool {
    ["match", "exclude"]
        .iter()
        .flat_map(|key| kinds_of(rule.get(key).unwrap_or_default()))
        .any(|kind| kind == "Pod" || CONTROLLERS.iter().any(|(controller, _)| *controller == kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The messages of the rules generated from one that validates with `validate`.
    fn messages(validate: &str) -> Vec<String> {
        let arena = Arena::new();
        let rule = format!(
            "{{name: r, match: {{any: [{{resources: {{kinds: [Pod]}}}}]}}, validate: {{{validate}}}}}"
        );
        let rule = portcullis_yaml::read(&arena, arena.str(&rule)).unwrap();
        generate(&arena, rule, &Controllers::Listed(["Deployment".into(), "CronJob".into()].into()))
            .into_both()
            .map(|rule| rule.path(&["validate", "message"]).and_then(Value::as_str).unwrap().to_owned())
            .collect()
    }

    #[test]
    fn references_in_a_message_lead_to_the_pod_template() {
        assert_eq!(
            messages(
                "message: 'not $(./../pattern/spec/x) or \\$(./../pattern/y)', pattern: {spec: {x: '1'}}"
            ),
            [
                "not $(./../pattern/spec/template/spec/x) or \\$(./../pattern/y)",
                "not $(./../pattern/spec/jobTemplate/spec/template/spec/x) or \\$(./../pattern/y)",
            ]
        );
        assert_eq!(
            messages(
                "message: '$(./../anyPattern/0/a) $(./../anyPattern/1/b)', anyPattern: [{a: b}, {b: c}]"
            )[0],
            "$(./../anyPattern/0/spec/template/a) $(./../anyPattern/1/spec/template/b)"
        );
        assert_eq!(
            messages("message: $(./../deny/conditions/0/key) $(./../pattern/x), deny: {conditions: []}")[0],
            "$(./../deny/spec/template/conditions/0/key) $(./../pattern/x)"
        );
    }
}
