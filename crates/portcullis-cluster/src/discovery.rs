//! What an API server serves: which kinds there are, and under which resources.

use std::collections::HashMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{APIResource, APIResourceList};

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
    fn the_order_of_the_lists_does_not_matter() {
        let (core, batch) = (list("v1", &[("pods", "Pod")]), list("batch/v1", &[("jobs", "Job")]));
        assert_eq!(Discovery::new([&core, &batch]), Discovery::new([&batch, &core]));
    }
}
