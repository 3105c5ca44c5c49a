//! Walking through the strings of a document, and through the variables of a string.

use portcullis_value::{Pointer, Value};

use crate::variable::{Found, variables};

/// How often a text is searched for the variables around those that were replaced.
const MAX_ROUNDS: usize = 32;

/// A string of a document.
#[derive(Clone, Copy, Debug)]
pub(super) struct Text<'t> {
    pub(super) text: &'t str,
    /// Where it is; a key is at the path of its value.
    pub(super) path: &'t Pointer,
    pub(super) is_key: bool,
}

/// Calls `look` on every key and every string of `value`, in the order of the document.
///
/// Recurses as deep as the document, which [`super::check`] has limited.
pub(super) fn texts(value: Value<'_>, look: &mut impl FnMut(Text<'_>)) {
    walk(value, &mut Pointer::root(), look);
}

fn walk(value: Value<'_>, path: &mut Pointer, look: &mut impl FnMut(Text<'_>)) {
    match value {
        Value::String(text) => look(Text { text, path, is_key: false }),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                path.push(&index.to_string());
                walk(*item, path, look);
                path.pop();
            }
        }
        Value::Object(object) => {
            for (key, item) in object.iter() {
                path.push(key);
                look(Text { text: key, path, is_key: true });
                walk(item, path, look);
                path.pop();
            }
        }
        _ => {}
    }
}

/// The path as the reference writes it: `/` in a key as `\/`.
pub(super) fn printed(path: &Pointer) -> String {
    path.tokens().map(|token| format!("/{}", token.replace('/', "\\/"))).collect()
}

/// `text` with `word` in the place of every variable. `look` is called on each, innermost first.
pub(super) fn replace_variables(text: &str, word: &str, mut look: impl FnMut(Found<'_>)) -> String {
    let mut current = text.to_owned();
    for _ in 0..MAX_ROUNDS {
        let mut next = String::with_capacity(current.len());
        let mut rest = current.as_str();
        let mut is_last_shallow = false;
        for found in variables(&current) {
            look(found);
            if let Some((before, after)) = rest.split_once(found.matched) {
                next.push_str(before);
                next.push_str(word);
                rest = after;
            }
            is_last_shallow = found.shallow;
        }
        if rest.len() == current.len() {
            break;
        }
        next.push_str(rest);
        current = next;
        if is_last_shallow {
            break;
        }
    }
    current
}
