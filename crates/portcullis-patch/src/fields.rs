//! Merging the fields of two maps.

use portcullis_value::{Arena, Object, Value};

/// `before` with each field of `patch` as `merge` makes it of the key, the value in `before` and that in `patch`.
///
/// `before` itself if that changes nothing.
pub(crate) fn merge_fields<'a, E>(
    arena: &'a Arena,
    before: Object<'a>,
    patch: Object<'a>,
    mut merge: impl FnMut(&'a str, Option<Value<'a>>, Value<'a>) -> Result<Option<Value<'a>>, E>,
) -> Result<Object<'a>, E> {
    let mut entries = Vec::with_capacity(before.len() + patch.len());
    let mut changed = false;
    let mut rest = before.iter().peekable();
    for (key, value) in patch.iter() {
        while let Some(entry) = rest.next_if(|(name, _)| *name < key) {
            entries.push(entry);
        }
        let old = rest.next_if(|(name, _)| *name == key).map(|(_, value)| value);
        let new = merge(key, old, value)?;
        changed |= match (old, new) {
            (Some(old), Some(new)) => !new.is_same(old),
            (None, None) => false,
            _ => true,
        };
        entries.extend(new.map(|value| (key, value)));
    }
    if !changed {
        return Ok(before);
    }
    entries.extend(rest);
    Ok(Object::from_sorted(arena.slice(&entries)))
}
