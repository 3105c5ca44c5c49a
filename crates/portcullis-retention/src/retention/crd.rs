//! The CustomResourceDefinition of JobRetention.

use portcullis_value::{Arena, Value};

/// The definition as it is applied to a cluster. It has no defaults, which would be written into every stored object.
pub fn crd(arena: &Arena) -> Value<'_> {
    // A test reads it.
    portcullis_yaml::read(arena, include_str!("crd.yaml")).unwrap_or_default()
}
