//! What the targets share.

use portcullis_value::{Arena, Limits, Value};

/// An object with each kind of value, and the names that the seeds use.
pub const OBJECT: &str = include_str!("object.json");

/// Policies with each kind of rule.
pub const POLICIES: &str = include_str!("policies.yaml");

/// Enough for any small evaluation, and little enough for libFuzzer to go on.
pub fn limits() -> Limits {
    Limits { steps: 100_000, bytes: 4 << 20, ..Limits::default() }
}

/// The first documents of a stream of YAML.
pub fn documents<'a, const N: usize>(arena: &'a Arena, text: &'a str) -> Option<[Value<'a>; N]> {
    let mut sources = portcullis_yaml::documents(text);
    let mut found = [Value::Null; N];
    for document in &mut found {
        *document = sources.next()?.ok()?.read(arena).ok()?.value;
    }
    Some(found)
}
