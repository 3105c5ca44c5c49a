//! The rules of one webhook: collected by resource, then written as few as possible.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use k8s_openapi::api::admissionregistration::v1::RuleWithOperations;
use portcullis_cluster::discovery::Discovery;
use portcullis_kyverno::kind::KindSelector;
use portcullis_model::Operations;

use crate::kinds;

/// Resources with the operations on them.
#[derive(Debug, Default)]
pub(super) struct RuleSet(BTreeMap<Target, Operations>);

/// What a rule is about, in the terms of webhook configurations: `*` is anything.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Target {
    group: Box<str>,
    version: Box<str>,
    /// `pods`, `pods/exec`, `*`, `*/*`, `*/scale`.
    resource: Box<str>,
    scope: Scope,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Scope {
    /// Objects of the cluster and of namespaces.
    All,
    Namespaced,
}

impl RuleSet {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds `operations` on all that `kind` names in a policy, be it limited to its namespace or not.
    pub(super) fn add(
        &mut self,
        kind: &KindSelector,
        operations: Operations,
        is_namespaced: bool,
        discovery: &Discovery,
    ) {
        let mut add = |target| self.insert(target, operations);
        if names_all_kinds(kind) {
            add(Target {
                group: kind.group.clone(),
                version: kind.version.clone(),
                resource: joined("*", &kind.subresource),
                scope: if is_namespaced { Scope::Namespaced } else { Scope::All },
            });
            return;
        }
        // A policy that is limited to its namespace has nothing to say about objects outside of any.
        for served in kinds::find(discovery, kind).filter(|served| served.namespaced || !is_namespaced) {
            add(Target {
                group: served.group.clone(),
                version: served.version.clone(),
                resource: joined(&served.resource, &served.subresource),
                scope: if served.namespaced { Scope::Namespaced } else { Scope::All },
            });
        }
    }

    pub(super) fn extend(&mut self, other: RuleSet) {
        for (target, operations) in other.0 {
            self.insert(target, operations);
        }
    }

    fn insert(&mut self, target: Target, operations: Operations) {
        let all = self.0.entry(target).or_default();
        *all = all.or(operations);
    }

    /// The rules, each resource in as few as possible, sorted.
    pub(super) fn into_rules(mut self) -> Vec<RuleWithOperations> {
        self.add_ephemeral_containers();
        self.drop_covered();
        let mut grouped: BTreeMap<_, Vec<String>> = BTreeMap::new();
        for (target, operations) in self.0 {
            let Target { group, version, resource, scope } = target;
            grouped.entry((group, version, scope, operations)).or_default().push(resource.into());
        }
        let mut rules: Vec<_> = grouped
            .into_iter()
            .map(|((group, version, scope, operations), resources)| {
                let mut operations: Vec<_> =
                    operations.iter().map(|operation| operation.as_str().to_owned()).collect();
                operations.sort_unstable();
                RuleWithOperations {
                    api_groups: Some(vec![group.into()]),
                    api_versions: Some(vec![version.into()]),
                    operations: Some(operations),
                    resources: Some(resources),
                    scope: Some(scope.as_str().to_owned()),
                }
            })
            .collect();
        rules.sort_by(compare);
        rules
    }

    /// A rule about Pods is about the containers that are added to them as well.
    fn add_ephemeral_containers(&mut self) {
        let is_pods = |target: &Target| {
            matches!(&*target.group, "" | "*")
                && matches!(&*target.version, "v1" | "*")
                && matches!(&*target.resource, "pods" | "*")
        };
        let pods: Vec<_> = self
            .0
            .iter()
            .filter(|(target, _)| is_pods(target))
            .map(|(target, operations)| {
                (Target { resource: "pods/ephemeralcontainers".into(), ..target.clone() }, *operations)
            })
            .collect();
        self.extend(RuleSet(pods.into_iter().collect()));
    }

    /// Takes away the operations that a wider rule asks for.
    fn drop_covered(&mut self) {
        let wide: Vec<_> = self
            .0
            .iter()
            .filter(|(target, _)| target.is_wide())
            .map(|(target, operations)| (target.clone(), *operations))
            .collect();
        for (target, operations) in &mut self.0 {
            for (_, asked) in wide.iter().filter(|(wide, _)| wide != target && wide.covers(target)) {
                *operations = operations.without(*asked);
            }
        }
        self.0.retain(|_, operations| !operations.is_empty());
    }
}

impl Target {
    fn is_wide(&self) -> bool {
        [&self.group, &self.version, &self.resource].iter().any(|part| part.contains('*'))
    }

    /// Whether every request that is about `other` is about this one.
    fn covers(&self, other: &Target) -> bool {
        let wider = |wide: &str, narrow: &str| wide == "*" || wide == narrow;
        let (resource, subresource) = split(&self.resource);
        let (other_resource, other_subresource) = split(&other.resource);
        wider(&self.group, &other.group)
            && wider(&self.version, &other.version)
            && wider(resource, other_resource)
            && wider(subresource, other_subresource)
            && (self.scope == Scope::All || other.scope == Scope::Namespaced)
    }
}

impl Scope {
    fn as_str(self) -> &'static str {
        match self {
            Scope::All => "*",
            Scope::Namespaced => "Namespaced",
        }
    }
}

/// Whether `kind` names all kinds of an API group or of all, in a way that webhook rules can say.
fn names_all_kinds(kind: &KindSelector) -> bool {
    let is_plain = |part: &str| part == "*" || !part.contains(['*', '?']);
    &*kind.kind == "*"
        && [&kind.group, &kind.version, &kind.subresource].into_iter().all(|part| is_plain(part))
}

fn joined(resource: &str, subresource: &str) -> Box<str> {
    match subresource {
        "" => resource.into(),
        _ => format!("{resource}/{subresource}").into(),
    }
}

fn split(resource: &str) -> (&str, &str) {
    resource.split_once('/').unwrap_or((resource, ""))
}

/// The order of rules: by groups, versions, resources, operations and scope, shorter lists first.
fn compare(left: &RuleWithOperations, right: &RuleWithOperations) -> Ordering {
    let by = |of: fn(&RuleWithOperations) -> &Option<Vec<String>>| {
        let length = |rule| of(rule).as_ref().map(Vec::len);
        length(left).cmp(&length(right)).then_with(|| of(left).cmp(of(right)))
    };
    by(|rule| &rule.api_groups)
        .then_with(|| by(|rule| &rule.api_versions))
        .then_with(|| by(|rule| &rule.resources))
        .then_with(|| by(|rule| &rule.operations))
        .then_with(|| left.scope.cmp(&right.scope))
}
