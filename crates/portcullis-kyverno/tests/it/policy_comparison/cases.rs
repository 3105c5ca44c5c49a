//! Policies, and requests that they meet, of few words, so that rules are often about an object.

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use crate::slow::policy::Request;

pub(super) type Drawn = BoxedStrategy<Json>;
/// A field that is drawn or left out.
type Field = (&'static str, BoxedStrategy<Option<Json>>);

fn one_of<const N: usize>(values: [Json; N]) -> Drawn {
    prop::sample::select(Vec::from(values)).boxed()
}

fn texts<const N: usize>(values: [&'static str; N]) -> Drawn {
    prop::sample::select(Vec::from(values)).prop_map(Json::from).boxed()
}

fn always(key: &'static str, value: impl Strategy<Value = Json> + 'static) -> Field {
    (key, value.prop_map(Some).boxed())
}

/// There `percent` times in a hundred.
fn maybe(percent: u32, key: &'static str, value: impl Strategy<Value = Json> + 'static) -> Field {
    (key, prop::option::weighted(f64::from(percent) / 100.0, value).boxed())
}

fn map(fields: Vec<Field>) -> Drawn {
    let (keys, values): (Vec<_>, Vec<_>) = fields.into_iter().unzip();
    let entries = move |values: Vec<Option<Json>>| {
        let entries = keys.iter().zip(values).filter_map(|(key, value)| Some(((*key).to_owned(), value?)));
        entries.collect::<serde_json::Map<_, _>>().into()
    };
    values.prop_map(entries).boxed()
}

fn list(item: impl Strategy<Value = Json> + 'static, from: usize, to: usize) -> Drawn {
    prop::collection::vec(item, from..=to).prop_map(Json::from).boxed()
}

/// What a Pod is made of: `metadata` and `spec`.
fn template() -> Drawn {
    let labels = map(vec![maybe(70, "app", texts(["x", "y"])), maybe(30, "team", texts(["x", "y", ""]))]);
    let port = one_of([json!(80), json!(8080), json!("80"), json!(1.5)]);
    let container = map(vec![
        always("name", texts(["c1", "c2"])),
        maybe(90, "image", texts(["a:1", "a:latest", "b:1"])),
        maybe(50, "port", port.clone()),
        maybe(60, "ports", list(prop_oneof![1 => port.clone(), 3 => map(vec![always("n", port)])], 0, 2)),
    ]);
    let item = prop_oneof![9 => container, 1 => one_of([Json::Null, json!("s")])];
    map(vec![
        always(
            "metadata",
            map(vec![
                maybe(95, "name", texts(["n1", "n2"])),
                maybe(60, "namespace", texts(["prod", "dev"])),
                maybe(80, "labels", labels),
                maybe(20, "annotations", map(vec![maybe(60, "a", texts(["x", "1"]))])),
            ]),
        ),
        always(
            "spec",
            map(vec![
                maybe(70, "n", one_of([json!(1), json!(2), json!(80)])),
                maybe(70, "s", texts(["x", "y"])),
                maybe(90, "containers", list(item, 0, 3)),
            ]),
        ),
    ])
}

fn object() -> Drawn {
    let kind = prop::sample::select(vec!["Pod", "Pod", "Pod", "Deployment", "CronJob"]);
    (kind, template(), template())
        .prop_map(|(kind, outer, template)| {
            let mut object = outer;
            match kind {
                "Pod" => {}
                "Deployment" => object["spec"] = json!({ "n": 1, "template": template }),
                _ => object["spec"] = json!({ "jobTemplate": { "spec": { "template": template } } }),
            }
            object["kind"] = kind.into();
            object["apiVersion"] = match kind {
                "Pod" => "v1",
                "Deployment" => "apps/v1",
                _ => "batch/v1",
            }
            .into();
            object
        })
        .boxed()
}

/// An exception, in which operations play no part.
fn exception() -> Drawn {
    let block = (prop::bool::ANY, list(filter(), 1, 2)).prop_map(|(any, mut filters)| {
        for filter in filters.as_array_mut().unwrap() {
            if let Some(Json::Object(resources)) = filter.get_mut("resources") {
                resources.remove("operations");
            }
        }
        if any { json!({ "any": filters }) } else { json!({ "all": filters }) }
    });
    let names = list(texts(["r0", "r1", "r*", "autogen-*", "x"]), 1, 2);
    let entry = (texts(["p", "p", "p", "q"]), names)
        .prop_map(|(policy, names)| json!({ "policyName": policy, "ruleNames": names }));
    let spec = map(vec![
        always("exceptions", list(entry, 1, 2)),
        always("match", block),
        maybe(40, "conditions", conditions()),
    ]);
    let name = texts(["e", "f"]);
    (name, spec)
        .prop_map(|(name, spec)| {
            json!({
                "apiVersion": "kyverno.io/v2",
                "kind": "PolicyException",
                "metadata": { "name": name, "namespace": "ns" },
                "spec": spec,
            })
        })
        .boxed()
}

pub(super) fn request() -> impl Strategy<Value = Request> {
    let operation = prop::sample::select(vec!["CREATE", "CREATE", "UPDATE", "UPDATE", "DELETE"]);
    let user = prop::sample::select(vec![None, Some("bob"), Some("eve")]);
    let labels = map(vec![maybe(50, "env", texts(["p", "d"]))]);
    let exceptions = prop_oneof![2 => Just(Vec::new()), 1 => prop::collection::vec(exception(), 1..3)];
    let drawn = (operation, object(), template(), user, labels, exceptions);
    drawn.prop_map(|(operation, object, before, user, namespace_labels, exceptions)| {
        let mut old = object.clone();
        if object["kind"] == "Pod" {
            old["spec"] = before["spec"].clone();
            old["metadata"]["labels"] = before["metadata"]["labels"].clone();
        }
        let (object, old_object) = match operation {
            "CREATE" => (Some(object), None),
            "UPDATE" => (Some(object), Some(old)),
            _ => (None, Some(object)),
        };
        Request { operation, object, old_object, user, namespace_labels, exceptions }
    })
}

fn filter() -> Drawn {
    let kinds = one_of([
        json!(["Pod"]),
        json!(["Pod"]),
        json!(["Pod"]),
        json!(["Pod"]),
        json!(["v1/Pod"]),
        json!(["Deployment"]),
        json!(["*"]),
        json!(["CronJob", "Deployment"]),
        json!(["Deployment", "Pod"]),
    ]);
    let resources = map(vec![
        maybe(90, "kinds", kinds),
        maybe(8, "names", list(texts(["n1", "n*", "x"]), 1, 2)),
        maybe(15, "namespaces", list(texts(["prod", "?*", "d*"]), 1, 2)),
        maybe(8, "selector", json_of(json!({ "matchLabels": { "app": "x" } }))),
        maybe(8, "namespaceSelector", json_of(json!({ "matchLabels": { "env": "p" } }))),
        maybe(10, "operations", list(texts(["CREATE", "UPDATE", "DELETE"]), 1, 2)),
    ]);
    let subject = texts(["bob", "e*"]).prop_map(|name| json!({ "kind": "User", "name": name }));
    map(vec![maybe(95, "resources", resources), maybe(10, "subjects", list(subject, 1, 2))])
}

fn json_of(value: Json) -> Drawn {
    Just(value).boxed()
}

/// A match or exclude block.
fn block() -> Drawn {
    prop_oneof![
        4 => list(filter(), 1, 2).prop_map(|any| json!({ "any": any })),
        1 => list(filter(), 1, 2).prop_map(|all| json!({ "all": all })),
        1 => filter(),
    ]
    .boxed()
}

/// The entries of a context.
fn context() -> Drawn {
    let variable = one_of([
        json!({ "value": "x" }),
        json!({ "value": "{{ request.object.metadata.labels.app }}" }),
        json!({ "jmesPath": "request.object.spec.s", "default": "y" }),
        json!({ "jmesPath": "request.object.metadata.labels.team" }),
        json!({ "value": { "k": "{{ va }}" }, "jmesPath": "k" }),
        json!({ "value": { "k": 1 }, "jmesPath": "no", "default": "{{ request.object.spec.n }}" }),
        json!({ "value": "{{ element.name || 'none' }}-{{ va || '' }}" }),
        json!({ "jmesPath": "element.image" }),
        json!({ "value": "{{ vb }}" }),
    ]);
    let entry = map(vec![always("name", texts(["va", "va", "vb", "vc"])), always("variable", variable)]);
    // What names itself and an element is refused at load.
    let entry = entry.prop_map(|mut entry| {
        let value = entry["variable"]["value"].as_str().unwrap_or_default();
        if entry["name"] == "va" && value.contains("element") && value.contains("va ") {
            entry["name"] = json!("vb");
        }
        entry
    });
    list(entry.boxed(), 1, 3)
}

fn condition() -> Drawn {
    let key = one_of([
        json!("{{ request.object.metadata.labels.app }}"),
        json!("{{ request.object.metadata.labels.app || 'none' }}"),
        json!("{{ request.object.metadata.annotations.a || '' }}"),
        json!("{{ request.object.spec.n }}"),
        json!("{{ request.object.spec.n || '' }}"),
        json!("{{ request.operation }}"),
        json!("{{ request.operation }}-{{ request.object.metadata.name }}"),
        json!("{{ element.image || '' }}"),
        json!("{{ element.port }}"),
        json!("{{ elementIndex }}"),
        json!("{{ va }}"),
        json!("{{ va }}-{{ vb }}"),
        json!("{{ va || 'x' }}"),
        json!("{{ element0.name || 'c1' }}"),
        json!("x"),
        json!(1),
    ]);
    let operator = texts([
        "Equals",
        "NotEquals",
        "AnyIn",
        "AllIn",
        "AnyNotIn",
        "AllNotIn",
        "GreaterThan",
        "LessThanOrEquals",
    ]);
    let value = one_of([
        json!("x"),
        json!("y"),
        json!("a*"),
        json!("CREATE*"),
        json!(1),
        json!(80),
        json!(["x", "UPDATE", "c1"]),
        json!([1, "x"]),
        json!("{{ request.object.spec.s }}"),
        json!("{{ request.object.spec.s || 'x' }}"),
        json!("{{ vb || 'x' }}"),
    ]);
    let message = texts(["why", "n is {{ request.object.spec.n }}"]);
    map(vec![
        always("key", key),
        always("operator", operator),
        always("value", value),
        maybe(30, "message", message),
    ])
}

fn blocks() -> Drawn {
    map(vec![maybe(50, "any", list(condition(), 0, 2)), maybe(60, "all", list(condition(), 0, 2))])
}

fn conditions() -> Drawn {
    prop_oneof![4 => blocks(), 1 => list(condition(), 0, 2)].boxed()
}

/// A pattern for what Pods are made of.
fn pattern() -> Drawn {
    let app = || {
        texts([
            "x",
            "!y",
            "x | z",
            "{{ request.object.spec.s }}",
            "{{ request.object.spec.s || 'x' }}",
            "{{ va }}",
        ])
    };
    let labels = || map(vec![always("app", app())]);
    let container = one_of([
        json!({ "image": "a:*" }),
        json!({ "image": "!*:latest" }),
        json!({ "(image)": "a:*", "port": 80 }),
        json!({ "<(image)": "a:*", "=(port)": ">80" }),
        json!({ "=(port)": "8*" }),
        json!({ "X(ports)": "null" }),
        json!({ "name": "c?" }),
    ]);
    let metadata = map(vec![
        maybe(60, "labels", labels()),
        maybe(15, "(labels)", labels()),
        maybe(15, "=(annotations)", json_of(json!({ "a": "x" }))),
    ]);
    let spec = map(vec![
        maybe(40, "n", one_of([json!(1), json!("<3"), json!(">1"), json!("*")])),
        maybe(10, "=(n)", one_of([json!(1), json!("8*")])),
        maybe(10, "(s)", texts(["x", "{{ request.object.metadata.labels.app }}"])),
        maybe(40, "containers", container.clone().prop_map(|first| json!([first]))),
        maybe(10, "^(containers)", container.prop_map(|first| json!([first]))),
    ]);
    map(vec![maybe(60, "metadata", metadata), maybe(60, "spec", spec)])
}

/// A pattern for an element.
fn element_pattern() -> Drawn {
    one_of([
        json!({ "image": "a:*" }),
        json!({ "(name)": "c1", "image": "b:*" }),
        json!({ "=(port)": "80*" }),
        json!({ "=(port)": 80 }),
        json!({ "=(port)": "> 80" }),
        json!({ "name": "{{ element0.name }}" }),
        json!({ "name": "{{ vb || 'c1' }}" }),
        json!({ "name": "{{ request.object.metadata.labels.app || 'c1' }}" }),
        json!({ "spec": { "n": ">1" } }),
    ])
}

/// What is checked: one of pattern, anyPattern and deny, or `inner`.
fn check(pattern: &Drawn, inner: Drawn) -> Drawn {
    let deny = prop_oneof![9 => conditions().prop_map(|conditions| json!({ "conditions": conditions })), 1 => Just(json!({}))];
    prop_oneof![
        4 => pattern.clone().prop_map(|pattern| json!({ "pattern": pattern })),
        2 => list(pattern.clone(), 0, 3).prop_map(|patterns| json!({ "anyPattern": patterns })),
        2 => deny.prop_map(|deny| json!({ "deny": deny })),
        3 => inner,
    ]
    .boxed()
}

fn with(holder: Json, more: Json) -> Json {
    let (Json::Object(mut holder), Json::Object(more)) = (holder, more) else { panic!("no maps") };
    holder.extend(more);
    Json::Object(holder)
}

/// The lists of outer loops.
fn outer_list() -> Drawn {
    texts([
        "request.object.spec.containers",
        "request.object.spec.containers",
        "request.object.spec.containers",
        "request.object.spec.containers",
        "request.object.spec.containers",
        "request.object.spec.missing",
        "request.object.metadata.labels",
        "request.object.spec.n",
        "request.oldObject.spec.containers",
    ])
}

fn loops(list_of: &Drawn, body: &Drawn) -> Drawn {
    let around = map(vec![
        always("list", list_of.clone()),
        maybe(30, "preconditions", blocks()),
        maybe(25, "context", context()),
        maybe(10, "elementScope", any::<bool>().prop_map(Json::from)),
    ]);
    let entry = (around, body.clone()).prop_map(|(around, body)| with(around, body));
    list(entry, 1, 2).prop_map(|entries| json!({ "foreach": entries })).boxed()
}

/// A pattern for an element of an inner loop.
fn inner_pattern() -> Drawn {
    one_of([
        json!({ "n": 80 }),
        json!({ "n": "{{ element.n }}" }),
        json!({ "n": "{{ element0.port || '80' }}" }),
        json!({ "(n)": ">80" }),
        json!({ "name": "c1" }),
    ])
}

fn validate() -> Drawn {
    let nested = check(&inner_pattern(), json_of(json!({ "deny": {} })));
    let nested = loops(&texts(["element.ports", "element.missing", "element0.ports"]), &nested);
    let outer = loops(&outer_list(), &check(&element_pattern(), nested));
    let rest = map(vec![
        maybe(
            50,
            "message",
            texts([
                "m",
                "m.",
                "app is {{ request.object.metadata.labels.app }}",
                "{{ request.object.spec.n }}",
                "{{ request.object.metadata.name }}",
                "it is {{ va }} {{ vc }}",
            ]),
        ),
        maybe(30, "failureAction", texts(["Enforce", "Enforce", "Audit"])),
        maybe(20, "allowExistingViolations", any::<bool>().prop_map(Json::from)),
    ]);
    (check(&pattern(), outer), rest)
        .prop_map(|(check, rest)| json!({ "validate": with(check, rest) }))
        .boxed()
}

fn overlay(is_in_loop: bool) -> Drawn {
    let value = texts([
        "x",
        "y",
        "v-{{ request.object.metadata.name }}",
        "{{ request.object.metadata.labels.app }}",
        "{{ va }}",
    ]);
    let element = texts([
        "{{ element.name || 'none' }}",
        "{{ elementIndex }}-{{ request.object.metadata.labels.app || '' }}",
    ]);
    let value = if is_in_loop { prop_oneof![1 => value, 3 => element].boxed() } else { value };
    let labels = map(vec![
        maybe(60, "app", value.clone()),
        maybe(40, "+(team)", value.clone()),
        maybe(20, "(app)", texts(["x", "?*"])),
    ]);
    let spec = |key| map(vec![maybe(70, key, value.clone()), maybe(20, "(n)", texts(["1", ">1"]))]);
    let spec = prop_oneof![spec("s"), spec("+(s)")];
    map(vec![
        maybe(70, "metadata", labels.prop_map(|labels| json!({ "labels": labels }))),
        maybe(40, "spec", spec),
    ])
}

fn mutate() -> Drawn {
    let patch = |is_in_loop| {
        overlay(is_in_loop).prop_map(|overlay| json!({ "patchStrategicMerge": overlay })).boxed()
    };
    let order = map(vec![maybe(40, "order", texts(["Ascending", "Descending"]))]);
    let ordered = (patch(true), order).prop_map(|(patch, order)| with(patch, order)).boxed();
    let nested = loops(&texts(["element.ports", "element.ports || 'x'"]), &ordered);
    let outer = loops(&outer_list(), &prop_oneof![4 => ordered, 1 => nested].boxed());
    prop_oneof![1 => patch(false), 1 => outer].prop_map(|mutate| json!({ "mutate": mutate })).boxed()
}

pub(super) fn policy() -> Drawn {
    let around = map(vec![
        always("match", block()),
        maybe(15, "exclude", block()),
        maybe(25, "preconditions", conditions()),
        maybe(40, "context", context()),
    ]);
    let rule = (around, prop_oneof![2 => validate(), 1 => mutate()])
        .prop_map(|(around, action)| with(around, action));
    let annotation = texts(["none", "Deployment", "CronJob,StatefulSet", "Deployment, CronJob"]);
    let spec = map(vec![
        maybe(25, "applyRules", texts(["One", "All"])),
        maybe(70, "validationFailureAction", texts(["Enforce", "Enforce", "Audit"])),
    ]);
    (prop::collection::vec(rule, 1..4), spec, prop::option::weighted(0.3, annotation))
        .prop_map(|(mut rules, spec, annotation)| {
            for (index, rule) in rules.iter_mut().enumerate() {
                rule["name"] = json!(format!("r{index}"));
            }
            let annotations = match annotation {
                Some(controllers) => json!({ "pod-policies.kyverno.io/autogen-controllers": controllers }),
                None => json!({}),
            };
            json!({
                "apiVersion": "kyverno.io/v1",
                "kind": "ClusterPolicy",
                "metadata": { "name": "p", "annotations": annotations },
                "spec": with(spec, json!({ "rules": rules })),
            })
        })
        .boxed()
}
