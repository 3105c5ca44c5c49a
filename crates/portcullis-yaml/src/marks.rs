//! Where each node and key of a document stands in its text.

use std::ops::Range;

use portcullis_value::{Arena, Pointer};

/// A stretch of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Of the first character, counted from 1, in the stream that the document came from.
    pub line: u32,
    /// Of the first character, in characters, counted from 1.
    pub column: u32,
    /// Byte offsets in the text of the document.
    pub start: u32,
    pub end: u32,
}

impl Place {
    /// Byte offsets in the text of the document.
    pub fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// The places of a node and of all below it: a tree of the document's shape.
#[derive(Clone, Copy, Debug)]
pub struct Marks<'a> {
    place: Place,
    below: Below<'a>,
}

#[derive(Clone, Copy, Debug)]
enum Below<'a> {
    Nothing,
    Items(&'a [Marks<'a>]),
    // INVARIANT: keys are unique and ascending bytewise, as in the object.
    Entries(&'a [(&'a str, Place, Marks<'a>)]),
}

impl<'a> Marks<'a> {
    pub(crate) fn scalar(place: Place) -> Self {
        Self { place, below: Below::Nothing }
    }

    pub(crate) fn sequence(arena: &'a Arena, place: Place, items: &[Marks<'a>]) -> Self {
        Self { place, below: Below::Items(arena.slice(items)) }
    }

    pub(crate) fn mapping(arena: &'a Arena, place: Place, entries: &[(&'a str, Place, Marks<'a>)]) -> Self {
        Self { place, below: Below::Entries(arena.slice(entries)) }
    }

    /// The same marks, the topmost of them at `place`: an alias stands where it is used.
    pub(crate) fn moved_to(self, place: Place) -> Self {
        Self { place, ..self }
    }

    /// Where this node stands.
    pub fn place(&self) -> Place {
        self.place
    }

    /// Where the node stands that `pointer` names.
    pub fn at(&self, pointer: &Pointer) -> Option<Place> {
        self.descend(pointer.tokens()).map(|marks| marks.place)
    }

    /// Where the key stands that ends `pointer`; the element itself if `pointer` ends in an index.
    pub fn key(&self, pointer: &Pointer) -> Option<Place> {
        let mut tokens = pointer.tokens();
        let last = tokens.next_back()?;
        let parent = self.descend(tokens)?;
        match parent.below {
            Below::Entries(_) => parent.entry(last).map(|entry| entry.1),
            _ => parent.child(last).map(|marks| marks.place),
        }
    }

    /// The marks of what `token` names one level down: a key, or a plain decimal index.
    pub fn child(&self, token: &str) -> Option<Marks<'a>> {
        match self.below {
            Below::Nothing => None,
            Below::Items(items) => items.get(token.parse::<usize>().ok()?).copied(),
            Below::Entries(_) => self.entry(token).map(|entry| entry.2),
        }
    }

    fn entry(&self, key: &str) -> Option<(&'a str, Place, Marks<'a>)> {
        let Below::Entries(entries) = self.below else { return None };
        let index = entries.binary_search_by(|entry| entry.0.cmp(key)).ok()?;
        entries.get(index).copied()
    }

    fn descend<'p>(&self, mut tokens: impl Iterator<Item = &'p str>) -> Option<Marks<'a>> {
        tokens.try_fold(*self, |marks, token| marks.child(token))
    }
}
