//! The kinds that policies name, found among those that the API server serves.

use portcullis_cluster::discovery::{Discovery, ServedResource};
use portcullis_kyverno::kind::KindSelector;
use portcullis_kyverno::{Kinds, Served};
use portcullis_model::Gvk;

/// What `kind` names: resources, and subresources where it names such.
pub fn find<'d>(discovery: &'d Discovery, kind: &KindSelector) -> impl Iterator<Item = &'d ServedResource> {
    discovery.resources().iter().filter(move |served| kind.matches(gvk(served), &served.subresource, false))
}

fn gvk(served: &ServedResource) -> Gvk<'_> {
    Gvk { group: &served.group, version: &served.version, kind: &served.kind }
}

/// Discovery, as the checks of policies ask it.
#[derive(Clone, Copy, Debug)]
pub struct ServedKinds<'d>(pub &'d Discovery);

impl Kinds for ServedKinds<'_> {
    fn find(&self, kind: &str) -> Served {
        let mut found = Served::Unknown;
        for served in find(self.0, &KindSelector::parse(kind)) {
            match &*served.subresource {
                "" => found = Served::Resource,
                _ => return Served::Subresource,
            }
        }
        found
    }

    fn is_cluster_scoped(&self, kind: &str) -> bool {
        self.0.resources().iter().any(|served| {
            !served.namespaced
                && served.subresource.is_empty()
                && (*served.kind == *kind || gvk(served).to_string() == kind)
        })
    }
}
