//! What makes Jobs a group: as it is compared, and as it is kept.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use crate::intern::Interner;

/// Jobs of one namespace for which this is the same are a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group<'b> {
    /// The fingerprint of the label, or of `generateName`, that it shares with others. That two of 100,000 groups have the same
    /// one happens once in a thousand million lists; then they count as one.
    Shared(u64),
    /// A Job that shares nothing, by its name.
    Alone(&'b str),
}

/// What is kept of what a Job shares with others: eight bytes, also where each has a label of its own. The highest two bits say
/// what the rest is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeptGroup(u64);

const START_OF_NAME: u64 = 1 << 62;
const WORD: u64 = 2 << 62;
const FINGERPRINT: u64 = 3 << 62;

/// So many words are kept as they are, for who reads why a Job goes; of those that come later, the fingerprint.
const WORDS: usize = 4096;

impl KeptGroup {
    /// A name that was generated begins with what it was generated from, however many there are of these.
    pub(crate) fn new(group: Option<&str>, name: &str, words: &mut Interner) -> Self {
        let Some(group) = group else { return Self(0) };
        if let Ok(length) = u16::try_from(group.len())
            && name.starts_with(group)
        {
            return Self(START_OF_NAME | u64::from(length));
        }
        let word = words.find(group).or_else(|| (words.len() < WORDS).then(|| words.intern(group)));
        Self(word.map_or_else(|| FINGERPRINT | fingerprint(group), |word| WORD | u64::from(word)))
    }

    /// The text, where it is kept; `name` is that of the Job.
    pub(crate) fn text<'b>(self, name: &'b str, words: &'b Interner) -> Option<&'b str> {
        let rest = self.0 & !FINGERPRINT;
        match self.0 & FINGERPRINT {
            START_OF_NAME => name.get(..usize::try_from(rest).ok()?),
            WORD => words.word(u32::try_from(rest).ok()?),
            _ => None,
        }
    }

    pub(crate) fn group<'b>(self, name: &'b str, words: &'b Interner) -> Group<'b> {
        match self.text(name, words) {
            Some(text) => Group::Shared(fingerprint(text)),
            None if self.0 == 0 => Group::Alone(name),
            None => Group::Shared(self.0 & !FINGERPRINT),
        }
    }
}

fn fingerprint(group: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    group.hash(&mut hasher);
    hasher.finish() & !FINGERPRINT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_share_what_reads_the_same_however_it_is_kept() {
        let mut words = Interner::default();
        let mut group = |group: Option<&str>, name: &str| {
            let kept = KeptGroup::new(group, name, &mut words);
            let text = kept.text(name, &words).map(str::to_owned);
            let Group::Shared(shared) = kept.group(name, &words) else { return (None, text) };
            (Some(shared), text)
        };
        let nightly = group(Some("nightly"), "a");
        assert_eq!(nightly.1.as_deref(), Some("nightly"));
        assert_eq!(group(Some("nightly"), "nightly-7"), nightly);
        assert_eq!(group(None, "nightly"), (None, None));
        for number in 0..WORDS {
            group(Some(&format!("run-{number}")), "a");
        }
        assert_eq!(group(Some("nightly"), "b"), nightly);
        let late = group(Some("late"), "a");
        assert_eq!(late.1, None);
        assert!(late.0.is_some());
        assert_eq!(group(Some("late"), "late-1").0, late.0);
        assert_ne!(group(Some("later"), "a").0, late.0);
    }
}
