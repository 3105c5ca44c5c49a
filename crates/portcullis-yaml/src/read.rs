//! Reading one document: what goes in and what comes out.

use portcullis_value::{Arena, Value};

use crate::compose::Composer;
use crate::{Error, Marks, Place};

/// How deep lists and maps may be nested in one another.
pub const MAX_DEPTH: usize = 256;

/// How many nodes the aliases of a document may make.
pub const MAX_ALIAS_NODES: usize = 10_000;

/// Reads the first document of `text`. An empty text is `null`.
///
/// # Errors
/// What `sigs.k8s.io/yaml` refuses, and what goes beyond [`MAX_DEPTH`] or [`MAX_ALIAS_NODES`].
pub fn read<'a>(arena: &'a Arena, text: &'a str) -> Result<Value<'a>, Error> {
    Source::new(text).read(arena).map(|document| document.value)
}

/// The text of one document and the line of its stream on which it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source<'t> {
    text: &'t str,
    line: usize,
}

/// What a text holds.
#[derive(Clone, Debug)]
pub struct Document<'a> {
    pub value: Value<'a>,
    /// Keys that stand twice in one map, in the order of the text.
    pub duplicates: Vec<Duplicate<'a>>,
    /// What follows a document that ended before the text did, as in `[a] b`. It is not read, as in the reference.
    pub unread: Option<Place>,
}

/// What a text holds, and where it stands.
#[derive(Clone, Debug)]
pub struct MarkedDocument<'a> {
    pub value: Value<'a>,
    pub marks: Marks<'a>,
    /// Keys that stand twice in one map, in the order of the text.
    pub duplicates: Vec<Duplicate<'a>>,
    /// What follows a document that ended before the text did, as in `[a] b`. It is not read, as in the reference.
    pub unread: Option<Place>,
}

/// A key that was written twice in one map. The last one counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Duplicate<'a> {
    pub key: &'a str,
    /// The one that is passed over.
    pub first: Place,
    /// The one that counts.
    pub last: Place,
}

impl<'t> Source<'t> {
    /// A text that begins on line 1.
    pub fn new(text: &'t str) -> Self {
        Self::at_line(text, 1)
    }

    /// A text that begins on `line` of its stream.
    pub fn at_line(text: &'t str, line: usize) -> Self {
        Self { text, line }
    }

    /// The text.
    pub fn text(self) -> &'t str {
        self.text
    }

    /// The line of the stream on which the text begins, counted from 1.
    pub fn line(self) -> usize {
        self.line
    }

    /// Reads the first document of the text.
    ///
    /// # Errors
    /// As [`read`].
    pub fn read<'a>(self, arena: &'a Arena) -> Result<Document<'a>, Error>
    where
        't: 'a,
    {
        let composed = Composer::<()>::compose(arena, self.text, self.first_line())?;
        Ok(Document { value: composed.value, duplicates: composed.duplicates, unread: composed.unread })
    }

    /// Reads the first document of the text and notes where everything stands.
    ///
    /// # Errors
    /// As [`read`].
    pub fn read_marked<'a>(self, arena: &'a Arena) -> Result<MarkedDocument<'a>, Error>
    where
        't: 'a,
    {
        let composed = Composer::<Marks<'a>>::compose(arena, self.text, self.first_line())?;
        Ok(MarkedDocument {
            value: composed.value,
            marks: composed.mark,
            duplicates: composed.duplicates,
            unread: composed.unread,
        })
    }

    fn first_line(self) -> u32 {
        u32::try_from(self.line).unwrap_or(u32::MAX)
    }
}
