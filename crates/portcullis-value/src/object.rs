//! Maps with sorted keys.

use std::cmp::Ordering;
use std::fmt;

use crate::{Arena, Value};

/// A map from strings to values, sorted bytewise by key.
#[derive(Clone, Copy, PartialEq, Default)]
pub struct Object<'a> {
    // INVARIANT: keys are unique and ascending bytewise.
    entries: &'a [(&'a str, Value<'a>)],
}

/// Up to this many entries a scan is quicker than a binary search: most keys differ in length or last letter.
const SCAN: usize = 16;

impl<'a> Object<'a> {
    /// A map of entries that are sorted and unique already.
    ///
    /// The caller guarantees the order; a debug build checks it.
    pub fn from_sorted(entries: &'a [(&'a str, Value<'a>)]) -> Self {
        debug_assert!(entries.is_sorted_by(|a, b| a.0 < b.0), "keys must be unique and ascending");
        Self { entries }
    }

    /// A map of entries in any order; of equal keys the last wins. `entries` is left sorted.
    pub fn from_unsorted(arena: &'a Arena, entries: &mut Vec<(&'a str, Value<'a>)>) -> Self {
        let unique = sort_last_wins(entries, |a, b| compare(a.0, b.0));
        entries.truncate(unique);
        Self { entries: arena.slice(entries) }
    }

    pub fn len(self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(self) -> bool {
        self.entries.is_empty()
    }

    /// The entries in key order.
    pub fn entries(self) -> &'a [(&'a str, Value<'a>)] {
        self.entries
    }

    /// The entries in key order.
    pub fn iter(self) -> impl ExactSizeIterator<Item = (&'a str, Value<'a>)> + DoubleEndedIterator {
        self.entries.iter().copied()
    }

    pub fn keys(self) -> impl ExactSizeIterator<Item = &'a str> + DoubleEndedIterator {
        self.entries.iter().map(|entry| entry.0)
    }

    pub fn contains_key(self, key: &str) -> bool {
        self.find_entry(key).is_some()
    }

    pub fn get(self, key: &str) -> Option<Value<'a>> {
        self.find_entry(key).map(|entry| entry.1)
    }

    /// The value of `key` where it lies, for those who copy nothing of it.
    pub fn find(self, key: &str) -> Option<&'a Value<'a>> {
        self.find_entry(key).map(|entry| &entry.1)
    }

    /// The entry of `key` with the key as this map borrows it.
    pub fn get_entry(self, key: &str) -> Option<(&'a str, Value<'a>)> {
        self.find_entry(key).copied()
    }

    /// Only where it is, since most of those who look copy little of it or nothing.
    #[inline]
    fn find_entry(self, key: &str) -> Option<&'a (&'a str, Value<'a>)> {
        if let Some(last) = key.as_bytes().last()
            && self.entries.len() <= SCAN
        {
            match self.first_alike(key.len(), *last) {
                None => return None,
                Some(entry) if is_equal(entry.0, key) => return Some(entry),
                Some(_) => {}
            }
        }
        self.search(key)
    }

    /// The first entry whose key has this length and this last byte.
    #[inline]
    fn first_alike(self, length: usize, last: u8) -> Option<&'a (&'a str, Value<'a>)> {
        let is_alike =
            |entry: &(&str, _)| entry.0.len() == length && entry.0.as_bytes().last() == Some(&last);
        // Four at a time, since to go on takes as long as to compare two lengths.
        let (fours, rest) = self.entries.as_chunks();
        for [a, b, c, d] in fours {
            for entry in [a, b, c, d] {
                if is_alike(entry) {
                    return Some(entry);
                }
            }
        }
        rest.iter().find(|entry| is_alike(entry))
    }

    /// Apart from [`Object::find_entry`], which is quicker without it.
    #[inline(never)]
    fn search(self, key: &str) -> Option<&'a (&'a str, Value<'a>)> {
        self.position(key).ok().and_then(|index| self.entries.get(index))
    }

    fn position(self, key: &str) -> Result<usize, usize> {
        self.entries.binary_search_by(|entry| entry.0.cmp(key))
    }

    /// This map with `key` set to `value`.
    pub fn with(self, arena: &'a Arena, key: &'a str, value: Value<'a>) -> Object<'a> {
        let mut entries = arena.vec(self.len() + 1);
        let (before, after) = match self.position(key) {
            Ok(index) => (self.entries.get(..index), self.entries.get(index + 1..)),
            Err(index) => (self.entries.get(..index), self.entries.get(index..)),
        };
        entries.extend_from_slice_copy(before.unwrap_or_default());
        entries.push((key, value));
        entries.extend_from_slice_copy(after.unwrap_or_default());
        Object { entries: entries.into_bump_slice() }
    }

    /// This map with `entries`, which are sorted by key and take the place of those that are there.
    pub fn with_sorted(self, arena: &'a Arena, entries: &[(&'a str, Value<'a>)]) -> Object<'a> {
        let mut merged = arena.vec(self.len() + entries.len());
        let mut below = self.entries.iter().peekable();
        for entry in entries {
            while let Some(other) = below.next_if(|other| other.0 < entry.0) {
                merged.push(*other);
            }
            below.next_if(|other| other.0 == entry.0);
            merged.push(*entry);
        }
        merged.extend(below);
        Object::from_sorted(merged.into_bump_slice())
    }

    /// This map with the entries of `over` laid over it: maps in both are merged in turn, all else is replaced.
    pub fn merged(self, arena: &'a Arena, over: Object<'a>) -> Object<'a> {
        let mut entries = self.entries.to_vec();
        for (key, value) in over.iter() {
            let value = match (self.get(key), value) {
                (Some(Value::Object(below)), Value::Object(above)) => {
                    Value::Object(below.merged(arena, above))
                }
                _ => value,
            };
            entries.push((key, value));
        }
        Object::from_unsorted(arena, &mut entries)
    }

    /// This map without `key`.
    pub fn without(self, arena: &'a Arena, key: &str) -> Object<'a> {
        if !self.contains_key(key) {
            return self;
        }
        let entries: Vec<_> = self.entries.iter().filter(|entry| entry.0 != key).copied().collect();
        Object { entries: arena.slice(&entries) }
    }
}

/// Sorts entries by what `compare` says of their keys, and puts all but the last of equal keys behind the others. Says how
/// many those are.
#[inline]
pub(crate) fn sort_last_wins<E>(entries: &mut [E], compare: impl Fn(&E, &E) -> Ordering) -> usize {
    if entries.is_sorted_by(|a, b| compare(a, b).is_lt()) {
        return entries.len();
    }
    // The sort is stable, so that of equal keys the one written last comes last.
    // Two that come to stand side by side have been compared with each other, so that none equal is missed.
    let mut repeats = false;
    entries.sort_by(|a, b| {
        let order = compare(a, b);
        repeats |= order.is_eq();
        order
    });
    if !repeats {
        return entries.len();
    }
    let mut kept = 0;
    for index in 0..entries.len() {
        let superseded = match (entries.get(index), entries.get(index + 1)) {
            (Some(entry), Some(next)) => compare(entry, next).is_eq(),
            _ => false,
        };
        if !superseded {
            entries.swap(kept, index);
            kept += 1;
        }
    }
    kept
}

/// Which of two keys comes first, bytewise. That of most is known from what they begin with.
#[inline]
pub(crate) fn compare(a: &str, b: &str) -> Ordering {
    beginning(a.as_bytes()).cmp(&beginning(b.as_bytes())).then_with(|| a.cmp(b))
}

/// The first eight bytes as a number that is ordered as they are; what is missing counts as zeros.
#[inline]
pub(crate) fn beginning(key: &[u8]) -> u64 {
    if let Some(start) = key.first_chunk() {
        return u64::from_be_bytes(*start);
    }
    if let (Some(start), Some(end)) = (key.first_chunk(), key.last_chunk()) {
        // The bytes that the two have in common are shifted out of the second.
        let (start, end) = (u32::from_be_bytes(*start), u32::from_be_bytes(*end));
        let end = u64::from(end) << (8 * (8 - key.len()));
        return u64::from(start) << 32 | end & u64::from(u32::MAX);
    }
    key.iter().zip([56, 48, 40]).fold(0, |number, (byte, shift)| number | u64::from(*byte) << shift)
}

/// Whether two texts of one length are equal. Most keys are so short that two words hold each of them, which is compared
/// sooner than the library is called.
#[inline]
fn is_equal(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    match a.len() {
        4..=8 => ends_are_equal::<4>(a, b),
        9..=16 => ends_are_equal::<8>(a, b),
        17..=32 => ends_are_equal::<16>(a, b),
        _ => a == b,
    }
}

/// Whether two texts have the same first and the same last `N` bytes.
#[inline]
fn ends_are_equal<const N: usize>(a: &[u8], b: &[u8]) -> bool {
    a.first_chunk::<N>() == b.first_chunk() && a.last_chunk::<N>() == b.last_chunk()
}

impl fmt::Debug for Object<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&Value::Object(*self), f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn keys_are_ordered_bytewise(a in "[ab\0é]{0,12}", b in "[ab\0é]{0,12}") {
            prop_assert_eq!(compare(&a, &b), a.as_bytes().cmp(b.as_bytes()));
        }
    }
}
