//! What an API server serves: which kinds there are, and under which resources.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{APIResource, APIResourceList};
use portcullis_model::Gvk;
use portcullis_value::{Arena, Value};

use crate::watch::encoded;

/// The resources and subresources of an API server, of all served versions.
///
/// Two are equal when nothing was added or taken away in between.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Discovery {
    resources: Vec<ServedResource>,
}

/// One resource or subresource in one version.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ServedResource {
    /// Empty for the core group.
    pub group: Box<str>,
    pub version: Box<str>,
    /// The kind of the objects; of a subresource, the kind of the resource that it belongs to (`Deployment` of
    /// `deployments/scale`, not `Scale`).
    pub kind: Box<str>,
    /// The plural name: `deployments`.
    pub resource: Box<str>,
    /// `scale`; empty for the resource itself.
    pub subresource: Box<str>,
    /// Whether the objects live in namespaces.
    pub namespaced: bool,
}

impl Discovery {
    /// Reads the resource lists of the served group versions (`/api/v1`, `/apis/GROUP/VERSION`).
    ///
    /// A subresource whose resource is not served is left out: no policy can name it.
    pub fn new<'a>(lists: impl IntoIterator<Item = &'a APIResourceList>) -> Self {
        let mut resources: Vec<_> = lists.into_iter().flat_map(read).collect();
        resources.sort_unstable();
        resources.dedup();
        Self { resources }
    }

    /// All of them, sorted by group, version and kind.
    pub fn resources(&self) -> &[ServedResource] {
        &self.resources
    }

    /// The resources whose kind `is_wanted`, each once: of several versions the most stable one. Sorted by group and name.
    pub fn preferred(&self, is_wanted: impl Fn(Gvk<'_>) -> bool) -> Vec<&ServedResource> {
        let mut chosen: BTreeMap<(&str, &str), &ServedResource> = BTreeMap::new();
        for served in self.resources.iter().filter(|served| served.subresource.is_empty()) {
            if !is_wanted(served.gvk()) {
                continue;
            }
            let best = chosen.entry((&served.group, &served.resource)).or_insert(served);
            if stability(&served.version) > stability(&best.version) {
                *best = served;
            }
        }
        chosen.into_values().collect()
    }
}

impl ServedResource {
    /// The kind of its objects.
    pub fn gvk(&self) -> Gvk<'_> {
        Gvk { group: &self.group, version: &self.version, kind: &self.kind }
    }

    /// How RBAC names it: `deployments.apps`.
    pub fn name(&self) -> String {
        match &*self.group {
            "" => self.resource.to_string(),
            group => format!("{}.{group}", self.resource),
        }
    }

    /// Where its objects are listed: those of `namespace`, or all.
    pub fn path(&self, namespace: Option<&str>) -> String {
        let root = match &*self.group {
            "" => format!("/api/{}", self.version),
            group => format!("/apis/{group}/{}", self.version),
        };
        match namespace.filter(|_| self.namespaced) {
            Some(namespace) => format!("{root}/namespaces/{}/{}", encoded(namespace), self.resource),
            None => format!("{root}/{}", self.resource),
        }
    }

    /// An item of a list of it, with what the API server says of all items only once.
    pub fn item<'a>(&self, arena: &'a Arena, item: Value<'a>) -> Value<'a> {
        let version = arena.format(format_args!("{}", self.gvk().api_version()));
        let item = item.with(arena, &["apiVersion"], Value::String(version));
        item.with(arena, &["kind"], arena.string(&self.kind))
    }
}

/// Orders versions as Kubernetes does: `v2` before `v1` before `v1beta2` before `v1beta1` before `v1alpha1`.
fn stability(version: &str) -> (bool, Reverse<bool>, u32, u32) {
    let number =
        |text: &str| text.chars().take_while(char::is_ascii_digit).collect::<String>().parse().unwrap_or(0);
    let major = number(version.trim_start_matches('v'));
    let rest = version.trim_start_matches('v').trim_start_matches(|c: char| c.is_ascii_digit());
    let minor = number(rest.trim_start_matches(|c: char| c.is_ascii_alphabetic()));
    (rest.is_empty(), Reverse(rest.starts_with("alpha")), major, minor)
}

fn read(list: &APIResourceList) -> Vec<ServedResource> {
    let (group, version) = list.group_version.split_once('/').unwrap_or(("", &list.group_version));
    let kinds: HashMap<&str, &str> =
        list.resources.iter().map(|resource| (&*resource.name, &*resource.kind)).collect();
    let served = |resource: &APIResource| {
        let (name, subresource) = resource.name.split_once('/').unwrap_or((&resource.name, ""));
        Some(ServedResource {
            group: group.into(),
            version: version.into(),
            kind: (*kinds.get(name)?).into(),
            resource: name.into(),
            subresource: subresource.into(),
            namespaced: resource.namespaced,
        })
    };
    list.resources.iter().filter_map(served).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(group_version: &str, resources: &[(&str, &str)]) -> APIResourceList {
        let resource = |(name, kind): &(&str, &str)| APIResource {
            name: (*name).to_owned(),
            kind: (*kind).to_owned(),
            namespaced: true,
            ..APIResource::default()
        };
        APIResourceList {
            group_version: group_version.to_owned(),
            resources: resources.iter().map(resource).collect(),
        }
    }

    #[test]
    fn a_subresource_has_the_kind_of_its_resource() {
        let lists = [
            list("apps/v1", &[("deployments", "Deployment"), ("deployments/scale", "Scale")]),
            list("v1", &[("pods/exec", "PodExecOptions")]),
        ];
        let discovery = Discovery::new(&lists);
        let found: Vec<_> = discovery
            .resources()
            .iter()
            .map(|served| [&*served.group, &*served.version, &*served.kind, &*served.subresource])
            .collect();
        assert_eq!(found, [["apps", "v1", "Deployment", ""], ["apps", "v1", "Deployment", "scale"]]);
    }

    #[test]
    fn versions_are_ordered_by_how_stable_they_are() {
        let mut versions = ["v1alpha1", "v1beta2", "v1", "v2alpha1", "v2", "v1beta10", "v2beta1"];
        versions.sort_by_key(|version| Reverse(stability(version)));
        assert_eq!(versions, ["v2", "v1", "v2beta1", "v1beta10", "v1beta2", "v2alpha1", "v1alpha1"]);
    }

    #[test]
    fn the_order_of_the_lists_does_not_matter() {
        let (core, batch) = (list("v1", &[("pods", "Pod")]), list("batch/v1", &[("jobs", "Job")]));
        assert_eq!(Discovery::new([&core, &batch]), Discovery::new([&batch, &core]));
    }
}
