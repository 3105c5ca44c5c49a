//! What a merge leaves of lists of two keys when an element lacks one of them.

use portcullis_value::{Arena, Budget, Exhausted, Object, Value};

use super::key_text;
use super::schema::{Field, Type};

/// `document` with the doubles gone from its lists of two keys, wherever the schema has such lists.
///
/// COMPAT(kyverno): a port without a protocol takes the place of all ports of its number before it, and so does a
/// topology spread constraint without `whenUnsatisfiable`, whether the overlay touches the list or not. An API
/// server fills both in before admission, so that this shows in manifests alone.
///
/// # Errors
/// An exhausted `budget`.
pub fn collapse_pairs<'a>(
    arena: &'a Arena,
    document: Value<'a>,
    budget: &mut Budget<'_>,
) -> Result<Value<'a>, Exhausted> {
    value(arena, Field::Map(Type::of(document)), document, budget)
}

fn value<'a>(
    arena: &'a Arena,
    field: Field,
    document: Value<'a>,
    budget: &mut Budget<'_>,
) -> Result<Value<'a>, Exhausted> {
    match (field, document) {
        (Field::Map(ty), Value::Object(map)) => fields(arena, ty, map, budget).map(Value::Object),
        (Field::Keyed { keys: [first, second], .. }, Value::Array(items)) => {
            let kept = collapsed([first, second], items, budget)?;
            Ok(kept.map_or(document, |kept| arena.array(&kept)))
        }
        (Field::Keyed { element, .. }, Value::Array(items)) => {
            let mut changed = None;
            for (index, old) in items.iter().enumerate() {
                let new = value(arena, Field::Map(element), *old, budget)?;
                if new.is_same(*old) {
                    continue;
                }
                if let Some(item) = changed.get_or_insert_with(|| items.to_vec()).get_mut(index) {
                    *item = new;
                }
            }
            Ok(changed.map_or(document, |items| arena.array(&items)))
        }
        _ => Ok(document),
    }
}

fn fields<'a>(
    arena: &'a Arena,
    ty: &Type,
    map: Object<'a>,
    budget: &mut Budget<'_>,
) -> Result<Object<'a>, Exhausted> {
    budget.step()?;
    ty.fields().iter().filter(|(_, field)| field.has_pairs()).try_fold(map, |map, (name, field)| {
        let Some(old) = map.get(name) else { return Ok(map) };
        let new = value(arena, *field, old, budget)?;
        Ok(if new.is_same(old) { map } else { map.with(arena, name, new) })
    })
}

/// `items` without the doubles; `None` where there are none.
pub(super) fn collapsed<'a>(
    keys: [&str; 2],
    items: &[Value<'a>],
    budget: &mut Budget<'_>,
) -> Result<Option<Vec<Value<'a>>>, Exhausted> {
    let lacks_one = |item: &Value<'_>| keys.iter().filter(|key| key_text(*item, key).is_empty()).count() == 1;
    if !items.iter().any(lacks_one) {
        return Ok(None);
    }
    // Last to first: an element goes if a later one lacks a key and has the other equal.
    let mut kept = Vec::with_capacity(items.len());
    let mut lacking: Vec<Value<'a>> = Vec::new();
    for item in items.iter().rev() {
        budget.steps(1 + lacking.len() as u64)?;
        if lacking.iter().any(|later| stands_for(keys, *later, *item)) {
            continue;
        }
        kept.push(*item);
        if lacks_one(item) {
            lacking.push(*item);
        }
    }
    kept.reverse();
    Ok((kept.len() < items.len()).then_some(kept))
}

/// Whether `later`, which lacks one of the keys, has the other as `earlier` has it.
fn stands_for(keys: [&str; 2], later: Value<'_>, earlier: Value<'_>) -> bool {
    keys.iter().any(|key| {
        let text = key_text(later, key);
        !text.is_empty() && text == key_text(earlier, key)
    })
}
