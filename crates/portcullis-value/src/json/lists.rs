//! Lists that are larger than memory: taken apart item by item, as their text comes in.

use super::Scanner;

/// Where a reader of lists stands in a stream of JSON documents.
///
/// A list is a map with a list under the key `items`, as Kubernetes writes `JobList` and `List`. The caller holds a
/// part of the stream as text, and drops what was taken; whatever comes in pieces is taken when it is there whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lists {
    place: Place,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    /// Between documents.
    #[default]
    Outside,
    /// Behind the brace of a list.
    Start,
    /// Behind a member of a list.
    Members,
    /// Behind the bracket of the items.
    Items,
    /// Behind an item.
    Item,
}

/// What stands next in a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part<'t, T> {
    /// What the caller has read of an item.
    Item(T),
    /// An item that the caller has not read: it is complete, and not what was expected.
    Unread(&'t str),
    /// Another member of the list: its key, and its value as text.
    Member(&'t str, &'t str),
    /// The list ends.
    End,
    /// A document that is no list.
    Document(&'t str),
}

/// Why nothing was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The text ends before the part does.
    CutShort,
    /// This is no JSON, or nested too deeply; [`read`](super::read) says why, of the text from here on.
    Fault,
}

impl Lists {
    /// Takes the next part from the start of `text`, and says how many bytes that was. `item` reads an item, or says that
    /// it is another thing than it reads.
    ///
    /// # Errors
    /// Nothing was taken: there has to be more text first, or there is a fault in it.
    pub fn next<'t, T>(
        &mut self,
        text: &'t str,
        mut item: impl FnMut(&mut Scanner<'t>) -> Option<T>,
    ) -> Result<(Part<'t, T>, usize), Stop> {
        let mut scanner = Scanner::new(text);
        let mut next = *self;
        match next.part(&mut scanner, text, &mut item) {
            Some(part) => {
                *self = next;
                Ok((part, scanner.at()))
            }
            None if scanner.is_cut_short() => Err(Stop::CutShort),
            None => Err(Stop::Fault),
        }
    }

    /// What a text has to be put behind so that it can be read as one document from where the reader stands.
    pub fn opening(self) -> &'static str {
        match self.place {
            Place::Outside => "",
            Place::Start | Place::Members => "{",
            Place::Items | Place::Item => "[",
        }
    }

    /// Whether a comma stands next, or an end.
    pub fn is_behind_part(self) -> bool {
        matches!(self.place, Place::Members | Place::Item)
    }

    /// Whether a document has begun and not ended.
    pub fn is_inside(self) -> bool {
        self.place != Place::Outside
    }

    fn part<'t, T>(
        &mut self,
        scanner: &mut Scanner<'t>,
        text: &'t str,
        item: &mut impl FnMut(&mut Scanner<'t>) -> Option<T>,
    ) -> Option<Part<'t, T>> {
        loop {
            match self.place {
                Place::Outside => {
                    if !begins_list(scanner)? {
                        scanner.skip_blanks();
                        return scanner.raw().map(Part::Document);
                    }
                    scanner.take()?;
                    self.place = Place::Start;
                }
                Place::Start | Place::Members => {
                    let is_first = self.place == Place::Start;
                    let mut next = scanner.take()?;
                    if next == b'}' {
                        self.place = Place::Outside;
                        return Some(Part::End);
                    }
                    if !is_first {
                        (next == b',').then_some(())?;
                        next = scanner.take()?;
                    }
                    (next == b'"').then_some(())?;
                    let key = scanner.plain()?;
                    (scanner.next()? == b'"').then_some(())?;
                    scanner.colon()?;
                    scanner.skip_blanks();
                    if key == ITEMS && scanner.peek()? == b'[' {
                        scanner.take()?;
                        self.place = Place::Items;
                    } else {
                        self.place = Place::Members;
                        return Some(Part::Member(key, scanner.raw()?));
                    }
                }
                Place::Items | Place::Item => {
                    let is_first = self.place == Place::Items;
                    scanner.skip_blanks();
                    match (scanner.peek()?, is_first) {
                        (b']', _) => {
                            scanner.take()?;
                            self.place = Place::Members;
                            continue;
                        }
                        (b',', false) => {
                            scanner.take()?;
                        }
                        (_, true) => {}
                        (_, false) => return None,
                    }
                    self.place = Place::Item;
                    let start = scanner.at();
                    if let Some(read) = item(scanner) {
                        return Some(Part::Item(read));
                    }
                    *scanner = Scanner::new(text);
                    scanner.go_to(start);
                    return scanner.raw().map(Part::Unread);
                }
            }
        }
    }
}

const ITEMS: &str = "items";

/// Whether the document that is next is a list; takes the blanks before it.
fn begins_list(scanner: &mut Scanner<'_>) -> Option<bool> {
    scanner.skip_blanks();
    if scanner.peek()? != b'{' {
        return Some(false);
    }
    // A list whose items are `null` is one, and has no place where they begin.
    let mut ahead = scanner.clone();
    let mut is_list = false;
    let whole = ahead.members(|key, scanner| {
        scanner.skip_blanks();
        is_list = key == ITEMS && matches!(scanner.peek()?, b'[' | b'n');
        // What follows is looked at when its turn comes.
        if is_list { None } else { scanner.skip() }
    });
    if whole.is_none() && !is_list {
        *scanner = ahead;
        return None;
    }
    Some(is_list)
}
