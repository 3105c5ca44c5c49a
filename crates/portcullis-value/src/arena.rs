//! The bump arena that values live in.

use std::fmt;

use bumpalo::Bump;

use crate::{Object, Value};

/// A vector whose memory lies in an arena; `into_bump_slice` gives what it holds.
pub type ArenaVec<'a, T> = bumpalo::collections::Vec<'a, T>;

/// Memory for the values of one evaluation, freed as a whole.
///
/// An adapter keeps one per worker and calls [`Arena::reset`] between requests.
#[derive(Default)]
pub struct Arena {
    bump: Bump,
}

impl Arena {
    /// An empty arena; the first allocation takes memory.
    pub fn new() -> Self {
        Self::default()
    }

    /// An arena that holds `bytes` bytes before it asks for more memory.
    pub fn with_capacity(bytes: usize) -> Self {
        Self { bump: Bump::with_capacity(bytes) }
    }

    /// Frees everything, keeping the largest chunk for the next use.
    pub fn reset(&mut self) {
        self.bump.reset();
    }

    /// The bytes taken from the allocator so far.
    pub fn allocated_bytes(&self) -> usize {
        self.bump.allocated_bytes()
    }

    /// A copy of `text` in the arena.
    pub fn str(&self, text: &str) -> &str {
        self.bump.alloc_str(text)
    }

    /// The text of `parts` in the arena, e.g. `arena.format(format_args!("{a}-{b}"))`.
    pub fn format(&self, parts: fmt::Arguments<'_>) -> &str {
        match parts.as_str() {
            Some(text) => self.str(text),
            None => {
                let mut text = bumpalo::collections::String::new_in(&self.bump);
                // Writing to a string in memory fails only if a `Display` implementation does.
                let _ = fmt::write(&mut text, parts);
                text.into_bump_str()
            }
        }
    }

    /// The text that `parts` make, one behind the other, in the arena.
    pub fn concat(&self, parts: &[&str]) -> &str {
        let length = parts.iter().map(|part| part.len()).sum();
        let mut text = bumpalo::collections::String::with_capacity_in(length, &self.bump);
        parts.iter().for_each(|part| text.push_str(part));
        text.into_bump_str()
    }

    /// A copy of `items` in the arena.
    pub fn slice<T: Copy>(&self, items: &[T]) -> &[T] {
        self.bump.alloc_slice_copy(items)
    }

    /// What `items` yields, in the arena.
    pub fn slice_of<T: Copy>(&self, items: impl ExactSizeIterator<Item = T>) -> &[T] {
        self.bump.alloc_slice_fill_iter(items)
    }

    /// A list that is filled in place: up to `most` items take no further memory.
    pub fn vec<'a, T>(&'a self, most: usize) -> ArenaVec<'a, T> {
        ArenaVec::with_capacity_in(most, &self.bump)
    }

    /// A list of `items`.
    pub fn array<'a>(&'a self, items: &[Value<'a>]) -> Value<'a> {
        Value::Array(self.slice(items))
    }

    /// A map of `entries`, which are sorted here; of equal keys the last wins.
    pub fn object<'a>(&'a self, entries: &mut Vec<(&'a str, Value<'a>)>) -> Value<'a> {
        Value::Object(Object::from_unsorted(self, entries))
    }

    /// A string value holding a copy of `text`.
    pub fn string<'a>(&'a self, text: &str) -> Value<'a> {
        Value::String(self.str(text))
    }
}

impl fmt::Debug for Arena {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Arena").field("allocated_bytes", &self.allocated_bytes()).finish()
    }
}
