//! Group, version and kind, or resource.

use std::fmt;

use portcullis_value::Value;

/// What sort of object: `apps`, `v1`, `Deployment`. The core group is `""`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Gvk<'a> {
    pub group: &'a str,
    pub version: &'a str,
    pub kind: &'a str,
}

impl<'a> Gvk<'a> {
    /// From `apps/v1` or `v1`, and a kind.
    pub fn new(api_version: &'a str, kind: &'a str) -> Self {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        Self { group, version, kind }
    }

    /// What the object says of itself; what it does not say is empty.
    pub fn of(object: Value<'a>) -> Self {
        let text = |key| object.get(key).and_then(Value::as_str).unwrap_or_default();
        Self::new(text("apiVersion"), text("kind"))
    }

    /// `apps/v1`, or `v1` in the core group.
    pub fn api_version(self) -> impl fmt::Display {
        struct ApiVersion<'a>(Gvk<'a>);
        impl fmt::Display for ApiVersion<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                if !self.0.group.is_empty() {
                    write!(f, "{}/", self.0.group)?;
                }
                f.write_str(self.0.version)
            }
        }
        ApiVersion(self)
    }
}

impl fmt::Display for Gvk<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.api_version(), self.kind)
    }
}

/// A resource as paths of the API name it: `apps`, `v1`, `deployments`. The core group is `""`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Gvr<'a> {
    pub group: &'a str,
    pub version: &'a str,
    /// In the plural, without a subresource.
    pub resource: &'a str,
}
