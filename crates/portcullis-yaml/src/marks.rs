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

/// What a composer notes of each node while it reads: nothing, or [`Marks`].
pub(crate) trait Marking<'a>: Copy {
    fn scalar(place: Place) -> Self;
    fn sequence(arena: &'a Arena, place: Place, items: impl ExactSizeIterator<Item = Self>) -> Self;
    /// `entries` are sorted by key.
    fn mapping(
        arena: &'a Arena,
        place: Place,
        entries: impl ExactSizeIterator<Item = (&'a str, Place, Self)>,
    ) -> Self;
    /// The same, the topmost at `place`: an alias stands where it is used.
    fn moved_to(self, place: Place) -> Self;
    fn item(self, index: usize) -> Self;
    /// The place of a key and the mark of its value; `place` if that was not noted.
    fn entry(self, key: &str, place: Place) -> (Place, Self);
}

impl<'a> Marking<'a> for () {
    fn scalar(_: Place) {}

    fn sequence(_: &'a Arena, _: Place, _: impl ExactSizeIterator<Item = ()>) {}

    fn mapping(_: &'a Arena, _: Place, _: impl ExactSizeIterator<Item = (&'a str, Place, ())>) {}

    fn moved_to(self, _: Place) {}

    fn item(self, _: usize) {}

    fn entry(self, _: &str, place: Place) -> (Place, ()) {
        (place, ())
    }
}

impl<'a> Marking<'a> for Marks<'a> {
    fn scalar(place: Place) -> Self {
        Self { place, below: Below::Nothing }
    }

    fn sequence(arena: &'a Arena, place: Place, items: impl ExactSizeIterator<Item = Self>) -> Self {
        Self { place, below: Below::Items(arena.slice_of(items)) }
    }

    fn mapping(
        arena: &'a Arena,
        place: Place,
        entries: impl ExactSizeIterator<Item = (&'a str, Place, Self)>,
    ) -> Self {
        Self { place, below: Below::Entries(arena.slice_of(entries)) }
    }

    fn moved_to(self, place: Place) -> Self {
        Self { place, ..self }
    }

    fn item(self, index: usize) -> Self {
        match self.below {
            Below::Items(items) => items.get(index).copied().unwrap_or(self),
            _ => self,
        }
    }

    fn entry(self, key: &str, place: Place) -> (Place, Self) {
        self.find(key).map_or((place, self), |entry| (entry.1, entry.2))
    }
}

impl<'a> Marks<'a> {
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
            Below::Entries(_) => parent.find(last).map(|entry| entry.1),
            _ => parent.child(last).map(|marks| marks.place),
        }
    }

    /// The marks of what `token` names one level down: a key, or a plain decimal index.
    pub fn child(&self, token: &str) -> Option<Marks<'a>> {
        match self.below {
            Below::Nothing => None,
            Below::Items(items) => items.get(token.parse::<usize>().ok()?).copied(),
            Below::Entries(_) => self.find(token).map(|entry| entry.2),
        }
    }

    fn find(&self, key: &str) -> Option<(&'a str, Place, Marks<'a>)> {
        let Below::Entries(entries) = self.below else { return None };
        let index = entries.binary_search_by(|entry| entry.0.cmp(key)).ok()?;
        entries.get(index).copied()
    }

    fn descend<'p>(&self, mut tokens: impl Iterator<Item = &'p str>) -> Option<Marks<'a>> {
        tokens.try_fold(*self, |marks, token| marks.child(token))
    }
}
