//! What a path of the API names.

use portcullis_model::Resource;
use portcullis_value::Value;

/// What a path of the API names: `/apis/apps/v1/namespaces/default/deployments/web`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ApiPath<'p> {
    pub(super) group: &'p str,
    pub(super) version: &'p str,
    pub(super) namespace: Option<&'p str>,
    /// In the plural, as `deployments`.
    pub(super) resource: &'p str,
    pub(super) name: Option<&'p str>,
}

impl<'p> ApiPath<'p> {
    pub(super) fn parse(path: &'p str) -> Option<Self> {
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        let (group, rest) = match parts.split_first()? {
            (&"api", rest) => ("", rest),
            (&"apis", [group, rest @ ..]) => (*group, rest),
            _ => return None,
        };
        let (version, rest) = rest.split_first()?;
        let (namespace, resource, name) = match rest {
            ["namespaces", namespace, resource] => (Some(*namespace), *resource, None),
            ["namespaces", namespace, resource, name] => (Some(*namespace), *resource, Some(*name)),
            [resource] => (None, *resource, None),
            [resource, name] => (None, *resource, Some(*name)),
            _ => return None,
        };
        Some(Self { group, version, namespace, resource, name })
    }

    /// The resources that the `kubernetesResource` of a GlobalContextEntry names.
    pub(super) fn of_entry(wanted: Value<'p>) -> Option<Self> {
        let text = |key: &str| wanted.get(key).and_then(Value::as_str);
        Some(Self {
            group: text("group").unwrap_or_default(),
            version: text("version")?,
            namespace: text("namespace").filter(|namespace| !namespace.is_empty()),
            resource: text("resource")?,
            name: None,
        })
    }

    pub(super) fn matches(&self, resource: Resource<'_>) -> bool {
        let gvk = resource.gvk();
        gvk.group == self.group
            && gvk.version == self.version
            && plural(gvk.kind) == self.resource.to_ascii_lowercase()
            && self.namespace.is_none_or(|namespace| resource.namespace() == namespace)
            && self.name.is_none_or(|name| resource.name() == name)
    }
}

/// The name of a kind in paths, as Kubernetes guesses it.
fn plural(kind: &str) -> String {
    let singular = kind.to_ascii_lowercase();
    match singular.as_bytes() {
        _ if singular == "endpoints" => singular,
        [.., b's'] | [.., b'x'] | [.., b'c' | b's', b'h'] => singular + "es",
        [.., b'a' | b'e' | b'i' | b'o' | b'u', b'y'] => singular + "s",
        [.., b'y'] => singular.trim_end_matches('y').to_owned() + "ies",
        _ => singular + "s",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_have_the_plural_that_kubernetes_gives_them() {
        let check = |kind, want| assert_eq!(plural(kind), want);
        check("Pod", "pods");
        check("Ingress", "ingresses");
        check("NetworkPolicy", "networkpolicies");
        check("Gateway", "gateways");
        check("Endpoints", "endpoints");
    }
}
