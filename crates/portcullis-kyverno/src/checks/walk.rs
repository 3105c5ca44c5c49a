//! Walking through the strings of a document, and through the variables of a string.

use std::borrow::Cow;

use portcullis_value::{Pointer, Value};

use crate::variable::{Found, has_variable, variables};

/// How often a text is searched for the variables around those that were replaced.
const MAX_ROUNDS: usize = 32;

/// A string of a document.
#[derive(Clone, Copy, Debug)]
pub(super) struct Text<'t> {
    pub(super) text: &'t str,
    /// Where it is; a key is at the path of its value.
    pub(super) place: Place<'t>,
    pub(super) is_key: bool,
}

impl Text<'_> {
    /// Where it is.
    pub(super) fn path(&self) -> Pointer {
        let mut tokens: Vec<_> = self.place.tokens_outwards().collect();
        tokens.reverse();
        tokens.into_iter().collect()
    }
}

/// A place in a document, known by the way to it: most places that are passed are never told to anybody.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Place<'p>(Option<(&'p Place<'p>, Token<'p>)>);

#[derive(Clone, Copy, Debug)]
enum Token<'p> {
    Key(&'p str),
    Index(usize),
}

impl<'p> Place<'p> {
    /// The tokens of its path, the last first.
    pub(super) fn tokens_outwards(self) -> impl Iterator<Item = Cow<'p, str>> {
        let mut place = self;
        std::iter::from_fn(move || {
            let (outer, token) = place.0?;
            place = *outer;
            Some(match token {
                Token::Key(key) => Cow::Borrowed(key),
                Token::Index(index) => Cow::Owned(index.to_string()),
            })
        })
    }
}

/// Calls `look` on every key and every string of `value`, in the order of the document.
///
/// Recurses as deep as the document, which [`super::check`] has limited.
pub(super) fn texts(value: Value<'_>, look: &mut impl FnMut(Text<'_>)) {
    walk(value, Place::default(), look);
}

fn walk(value: Value<'_>, place: Place<'_>, look: &mut impl FnMut(Text<'_>)) {
    match value {
        Value::String(text) => look(Text { text, place, is_key: false }),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                walk(*item, Place(Some((&place, Token::Index(index)))), look);
            }
        }
        Value::Object(object) => {
            for (key, item) in object.iter() {
                let place = Place(Some((&place, Token::Key(key))));
                look(Text { text: key, place, is_key: true });
                walk(item, place, look);
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
pub(super) fn replace_variables<'t>(
    text: &'t str,
    word: &str,
    mut look: impl FnMut(Found<'_>),
) -> Cow<'t, str> {
    if !has_variable(text) {
        return Cow::Borrowed(text);
    }
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
    Cow::Owned(current)
}
