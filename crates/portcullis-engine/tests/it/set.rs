//! Which policies a request concerns.

use std::sync::Arc;

use portcullis_engine::{PolicySet, Subject};
use portcullis_gocompat::wildcard;
use portcullis_model::{CompiledPolicy, Gvk, Operation};
use proptest::prelude::*;

use crate::support::{policy, route};

fn named(name: &str, spec: &str, resources: &str) -> Arc<dyn CompiledPolicy> {
    let action = if spec.contains("Audit") { "" } else { "validationFailureAction: Enforce," };
    policy(&format!(
        "{{kind: ClusterPolicy, metadata: {{name: {name}, annotations: {{pod-policies.kyverno.io/autogen-controllers: none}}}}, spec: {{{action} {spec} rules: [{{name: r, match: {{any: [{{resources: {{{resources}}}}}]}}, validate: {{deny: {{}}}}}}]}}}}"
    ))
}

fn names<'s>(set: &'s PolicySet, path: &str, subject: &Subject<'_>) -> Vec<&'s str> {
    set.matching(&route(path), subject).iter().map(|member| member.policy.name()).collect()
}

const POD: Subject<'static> = Subject {
    gvk: Gvk { group: "", version: "v1", kind: "Pod" },
    subresource: "",
    operation: Operation::Create,
    namespace: "team",
    name: "web",
};

#[test]
fn policies_come_in_order_and_by_failure_policy() {
    let policies = || {
        [
            named("c", "", "kinds: [Pod]"),
            named("a", "", "kinds: [Pod, '*']"),
            named("b", "failurePolicy: Ignore,", "kinds: [Pod]"),
            named("d", "failurePolicy: Fail, webhookConfiguration: {failurePolicy: Ignore},", "kinds: [Pod]"),
            named("e", "admission: false,", "kinds: [Pod]"),
            named(
                "f",
                "webhookConfiguration: {matchConditions: [{name: n, expression: 'true'}]},",
                "kinds: [Pod]",
            ),
            named("g", "validationFailureAction: Audit,", "kinds: [Pod]"),
        ]
    };
    let set = PolicySet::new(policies());
    assert_eq!(names(&set, "/validate/fail", &POD), ["a", "c"]);
    assert_eq!(names(&set, "/validate/ignore", &POD), ["b", "d", "g"]);
    assert_eq!(names(&set, "/validate", &POD), ["a", "b", "c", "d", "f", "g"]);
    assert_eq!(names(&set, "/validate/fail/finegrained/f", &POD), ["f"]);
    assert_eq!(names(&set, "/validate/fail/finegrained/gone", &POD), [""; 0]);
    assert_eq!(names(&set, "/mutate", &POD), [""; 0]);
    let set = PolicySet::ignoring_failures(policies());
    assert_eq!(names(&set, "/validate/fail", &POD), [""; 0]);
    assert_eq!(names(&set, "/validate/ignore", &POD), ["a", "b", "c", "d", "g"]);
}

#[test]
fn a_policy_of_a_namespace_stays_there_and_comes_after_those_of_the_cluster() {
    let home = |namespace: &str| {
        policy(&format!(
            "{{kind: Policy, metadata: {{name: own, namespace: {namespace}}}, spec: {{validationFailureAction: Enforce, rules: [{{name: r, match: {{any: [{{resources: {{kinds: [Pod]}}}}]}}, validate: {{deny: {{}}}}}}]}}}}"
        ))
    };
    let set = PolicySet::new([home("team"), home("other"), named("z", "", "kinds: [Pod]")]);
    assert_eq!(names(&set, "/validate/fail", &POD), ["z", "own"]);
    assert_eq!(names(&set, "/validate/fail", &Subject { namespace: "third", ..POD }), ["z"]);
    assert_eq!(names(&set, "/validate/fail/finegrained/team/own", &POD), ["own"]);
}

#[test]
fn a_namespace_is_in_the_namespace_that_it_is() {
    let set = PolicySet::new([named("a", "", "kinds: [Namespace], namespaces: [team]")]);
    let namespace = Gvk::new("v1", "Namespace");
    assert_eq!(
        names(&set, "/validate", &Subject { gvk: namespace, namespace: "", name: "team", ..POD }),
        ["a"]
    );
    assert_eq!(
        names(&set, "/validate", &Subject { gvk: namespace, namespace: "", name: "x", ..POD }),
        [""; 0]
    );
}

proptest! {
    /// What the index leaves out, a look at each filter leaves out too; and the other way round.
    #[test]
    fn the_index_finds_what_a_look_at_every_policy_finds(
        policies in prop::collection::vec(
            (
                prop::sample::select(vec!["Pod", "*", "Job", "batch/v1/Job", "P*", "*/*", "Pod/exec", "*/exec", "v1/Pod"]),
                prop::sample::select(vec!["", "CREATE", "DELETE, UPDATE"]),
                prop::sample::select(vec!["", "team", "team, other", "te*", "other"]),
            ),
            1..6,
        ),
        kind in prop::sample::select(vec![("v1", "Pod"), ("batch/v1", "Job"), ("apps/v1", "Pod")]),
        subresource in prop::sample::select(vec!["", "exec", "ephemeralcontainers"]),
        operation in prop::sample::select(Operation::ALL.to_vec()),
        namespace in prop::sample::select(vec!["", "team", "other"]),
    ) {
        let subject = Subject { gvk: Gvk::new(kind.0, kind.1), subresource, operation, namespace, name: "web" };
        let list = |text: &str| text.split(", ").filter(|item| !item.is_empty()).map(str::to_owned).collect::<Vec<_>>();
        let set = PolicySet::new(policies.iter().enumerate().map(|(index, (kind, operations, namespaces))| {
            let resources = format!("kinds: ['{kind}'], operations: [{operations}], namespaces: [{}]", namespaces.replace("te*", "'te*'"));
            named(&format!("p{index}"), "", &resources)
        }));
        let wanted = policies.iter().enumerate().filter(|(_, (kind, operations, namespaces))| {
            let (operations, namespaces) = (list(operations), list(namespaces));
            portcullis_model::KindSelector::parse(kind).matches(subject.gvk, subresource, true)
                && (operations.is_empty() || operations.iter().any(|name| name == operation.as_str()))
                && (namespaces.is_empty() || namespaces.iter().any(|pattern| wildcard::matches(pattern, namespace)))
        });
        let wanted: Vec<String> = wanted.map(|(index, _)| format!("p{index}")).collect();
        prop_assert_eq!(names(&set, "/validate/fail", &subject), wanted);
    }
}
