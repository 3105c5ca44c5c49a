//! Values of variables by their dotted names: `cm.data.key`.

use std::collections::{BTreeMap, HashSet};

use portcullis_value::{Arena, Object, OwnedValue, Value, json};

/// Values by their dotted names, in the order they are set.
pub(super) type Named = Vec<(String, OwnedValue)>;

/// Whether `name` leads deeper than any document may be.
pub(super) fn is_too_deep(name: &str) -> bool {
    path_of(name).len() > json::MAX_DEPTH
}

/// Both, but for names of `below` that `above` sets too.
pub(super) fn overlaid<'v>(
    below: &'v Named,
    above: &'v Named,
) -> impl Iterator<Item = &'v (String, OwnedValue)> {
    let set_above: HashSet<&str> = above.iter().map(|(name, _)| name.as_str()).collect();
    below.iter().filter(move |(name, _)| !set_above.contains(name.as_str())).chain(above)
}

/// The document in which each value stands at its dotted name. Maps at one name are merged; all else takes the place of
/// what was set before.
pub(super) fn document<'a>(
    arena: &'a Arena,
    values: impl IntoIterator<Item = &'a (String, OwnedValue)>,
) -> Object<'a> {
    let mut root = Node::default();
    for (name, value) in values {
        let place = path_of(name).iter().fold(&mut root, |node, part| node.child(arena.str(part)));
        place.set(value.borrow(arena));
    }
    root.build(arena).as_object().unwrap_or_default()
}

/// A part of the document while it is put together, so that a thousand names do not copy it a thousand times.
#[derive(Default)]
struct Node<'a> {
    /// What it is where it is no map.
    value: Value<'a>,
    map: Option<BTreeMap<&'a str, Node<'a>>>,
}

impl<'a> Node<'a> {
    /// What lies at `key` of the map that the node is, or becomes.
    fn child(&mut self, key: &'a str) -> &mut Self {
        self.map.get_or_insert_default().entry(key).or_default()
    }

    fn set(&mut self, value: Value<'a>) {
        match value {
            Value::Object(object) => {
                self.map.get_or_insert_default();
                object.iter().for_each(|(key, value)| self.child(key).set(value));
            }
            value => *self = Self { value, map: None },
        }
    }

    fn build(self, arena: &'a Arena) -> Value<'a> {
        let Some(map) = self.map else { return self.value };
        let entries: Vec<_> = map.into_iter().map(|(key, node)| (key, node.build(arena))).collect();
        Value::Object(Object::from_sorted(arena.slice(&entries)))
    }
}

/// The parts of a dotted name; a part in double quotes may hold dots, as in CSV: `labels."a.b/c"`.
fn path_of(name: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut quoted = false;
    for character in name.chars() {
        match (character, parts.last_mut()) {
            ('"', _) => quoted = !quoted,
            ('.', _) if !quoted => parts.push(String::new()),
            (_, Some(part)) => part.push(character),
            (_, None) => {}
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(values: &[(&str, OwnedValue)], want: &str) {
        let values: Named = values.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        assert_eq!(format!("{:?}", document(&Arena::new(), &values)), want);
    }

    #[test]
    fn dotted_names_become_nested_maps_and_quotes_keep_dots_together() {
        assert_eq!(path_of("a.b.c"), ["a", "b", "c"]);
        assert_eq!(path_of(r#"labels."a.b/c""#), ["labels", "a.b/c"]);
        check(
            &[("cm.data.a", "1".into()), ("cm.data.b", "2".into())],
            r#"{"cm":{"data":{"a":"1","b":"2"}}}"#,
        );
    }

    #[test]
    fn maps_at_one_name_are_merged_and_anything_else_is_replaced() {
        let arena = Arena::new();
        let map: OwnedValue = json::read(&arena, r#"{"b":{"c":2},"d":{}}"#).unwrap().into();
        check(&[("a.b.x", "1".into()), ("a", map.clone())], r#"{"a":{"b":{"c":2,"x":"1"},"d":{}}}"#);
        check(&[("a", map), ("a.b", "1".into()), ("a.b.c", "3".into())], r#"{"a":{"b":{"c":"3"},"d":{}}}"#);
    }

    #[test]
    fn a_hundred_thousand_names_are_put_together_in_little_memory() {
        let values: Named = (0..100_000).map(|number| (format!("a{number}.b"), "1".into())).collect();
        let arena = Arena::new();
        assert_eq!(document(&arena, &values).len(), values.len());
        assert!(arena.allocated_bytes() < 64 << 20, "{}", arena.allocated_bytes());
    }
}
