//! The Jobs of a list, a few words each.

use std::collections::HashSet;

use crate::group::KeptGroup;
use crate::intern::Interner;
use crate::job::{Job, JobFacts};
use crate::{Outcome, Protection, Protections};

/// The Jobs that were read.
///
/// One takes 64 bytes beside its name and resource version: what many have in common is kept once, a uid that is
/// written as Kubernetes writes them is kept as a number.
#[derive(Debug, Default)]
pub struct Backlog {
    records: Vec<Record>,
    /// Names, resource versions and unusual uids, one after the other.
    texts: String,
    words: Interner,
}

/// The texts of the Jobs do not fit.
#[derive(Debug, thiserror::Error)]
#[error("a name is longer than Kubernetes allows, or these are more Jobs than can be kept")]
pub struct Full;

/// What is kept of a Job.
#[derive(Debug)]
pub(crate) struct Record {
    uid: [u8; 16],
    pub(crate) finished: i64,
    pub(crate) group: KeptGroup,
    /// Where its texts begin: name, resource version, and the uid where it is no number.
    start: u32,
    pub(crate) namespace: u32,
    pub(crate) manager: u32,
    pub(crate) detail: u32,
    pub(crate) pods: u32,
    pub(crate) bytes: u32,
    pub(crate) protections: Protections,
    name_length: u8,
    version_length: u8,
    /// [`AS_NUMBER`] where the uid is kept as a number.
    uid_length: u8,
    pub(crate) outcome: Option<Outcome>,
}

impl Backlog {
    /// Adds a Job.
    ///
    /// # Errors
    /// It does not fit.
    pub fn push(&mut self, facts: &JobFacts<'_>) -> Result<(), Full> {
        let start = u32::try_from(self.texts.len()).map_err(|_| Full)?;
        let number = uid_as_number(facts.uid);
        let spelled_uid = if number.is_some() { "" } else { facts.uid };
        let last = self.records.last();
        let last = last.map_or((Interner::NONE, Interner::NONE), |last| (last.namespace, last.manager));
        let record = Record {
            uid: number.unwrap_or_default(),
            finished: facts.finished.unwrap_or_default(),
            start,
            namespace: self.words.intern_like(facts.namespace, last.0),
            group: KeptGroup::new(facts.group, facts.name, &mut self.words),
            manager: self.words.intern_like(facts.manager, last.1),
            detail: facts.detail.map_or(Interner::NONE, |detail| self.words.intern(detail)),
            pods: facts.pods,
            bytes: facts.bytes,
            protections: facts.protections,
            name_length: short_length(facts.name)?,
            version_length: short_length(facts.resource_version)?,
            uid_length: if number.is_some() { AS_NUMBER } else { short_length(spelled_uid)? },
            outcome: facts.outcome,
        };
        for text in [facts.name, facts.resource_version, spelled_uid] {
            self.texts.push_str(text);
        }
        self.records.push(record);
        Ok(())
    }

    pub fn len(&self) -> usize {
        self.records.len()
    }

    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The Job that was added as number `index`, counted from 0.
    pub fn job(&self, index: usize) -> Option<Job<'_>> {
        self.records.get(index).map(|record| Job { backlog: self, record })
    }

    /// All Jobs in the order in which they were added.
    pub fn jobs(&self) -> impl ExactSizeIterator<Item = Job<'_>> {
        self.records.iter().map(|record| Job { backlog: self, record })
    }

    /// Protects the Job number `index`: something was found out that its manifest does not say.
    pub fn protect(&mut self, index: usize, protection: Protection, detail: &str) {
        if let Some(record) = self.records.get_mut(index) {
            record.protections.insert(protection);
            if record.protections.first() == Some(protection) {
                record.detail = self.words.intern(detail);
            }
        }
    }

    /// Drops all Jobs but the first of each uid.
    pub fn drop_repeated(&mut self) {
        let Self { records, texts, .. } = self;
        let mut uids = HashSet::new();
        records.retain(|record| uids.insert(record.uid(texts)));
    }

    pub(crate) fn words(&self) -> &Interner {
        &self.words
    }

    pub(crate) fn word(&self, number: u32) -> &str {
        self.words.word(number).unwrap_or_default()
    }

    pub(crate) fn texts(&self) -> &str {
        &self.texts
    }
}

impl Record {
    pub(crate) fn name<'t>(&self, texts: &'t str) -> &'t str {
        self.text(texts, 0, usize::from(self.name_length))
    }

    pub(crate) fn resource_version<'t>(&self, texts: &'t str) -> &'t str {
        self.text(texts, usize::from(self.name_length), usize::from(self.version_length))
    }

    pub(crate) fn uid(&self, texts: &str) -> String {
        let before = usize::from(self.name_length) + usize::from(self.version_length);
        match self.uid_length {
            AS_NUMBER => uid_of_number(&self.uid),
            length => self.text(texts, before, usize::from(length)).to_owned(),
        }
    }

    fn text<'t>(&self, texts: &'t str, before: usize, length: usize) -> &'t str {
        let start = self.start as usize + before;
        texts.get(start..start + length).unwrap_or_default()
    }
}

/// Stands for the length of a uid that is kept as a number.
const AS_NUMBER: u8 = u8::MAX;

/// The length of a text that Kubernetes keeps far below this limit.
fn short_length(text: &str) -> Result<u8, Full> {
    u8::try_from(text.len()).ok().filter(|length| *length < AS_NUMBER).ok_or(Full)
}

/// Where the two digits of each byte of a uid begin, and where its dashes are.
const DIGITS: [usize; 16] = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];
const DASHES: [usize; 4] = [8, 13, 18, 23];

/// The number that a uid is, where it is one: 32 small hexadecimal digits with dashes where they belong.
fn uid_as_number(uid: &str) -> Option<[u8; 16]> {
    let bytes: &[u8; 36] = uid.as_bytes().try_into().ok()?;
    let has_dashes = DASHES.iter().all(|place| bytes.get(*place) == Some(&b'-'));
    let digit = |place: usize| match bytes.get(place)? {
        digit @ b'0'..=b'9' => Some(digit - b'0'),
        digit @ b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let mut number = [0; 16];
    for (byte, place) in number.iter_mut().zip(DIGITS) {
        *byte = digit(place)? << 4 | digit(place + 1)?;
    }
    has_dashes.then_some(number)
}

fn uid_of_number(number: &[u8; 16]) -> String {
    let mut uid = vec![b'-'; 36];
    let digit = |digit: u8| if digit < 10 { b'0' + digit } else { b'a' + digit - 10 };
    for (byte, place) in number.iter().zip(DIGITS) {
        if let Some([high, low]) = uid.get_mut(place..place + 2) {
            (*high, *low) = (digit(byte >> 4), digit(byte & 15));
        }
    }
    String::from_utf8(uid).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_job_with_the_longest_name_takes_less_than_150_bytes_though_its_group_is_its_own() {
        let texts = 63 + "18446744073709551615".len();
        assert!(size_of::<Record>() + texts <= 150, "{}", size_of::<Record>() + texts);
        let mut backlog = Backlog::default();
        for number in 0..10 {
            let (name, group) = (format!("report-{number}-x"), format!("report-{number}-"));
            let facts = JobFacts { name: &name, group: Some(&group), ..JobFacts::default() };
            backlog.push(&facts).unwrap();
        }
        assert!(backlog.words.find("report-3-").is_none());
        assert_eq!(backlog.job(3).unwrap().group_text(), Some("report-3-"));
    }

    #[test]
    fn of_jobs_with_one_uid_the_first_stays() {
        let mut backlog = Backlog::default();
        for (name, uid) in [("a", "u"), ("b", "v"), ("c", "u"), ("d", "u"), ("e", "w")] {
            backlog.push(&JobFacts { name, uid, ..JobFacts::default() }).unwrap();
        }
        backlog.drop_repeated();
        assert!(backlog.jobs().map(Job::name).eq(["a", "b", "e"]));
    }

    proptest! {
        #[test]
        fn what_is_kept_is_what_was_read(uids in proptest::collection::vec("[0-9a-fA-F]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[a-z0-9-]{0,40}|[0-9a-f-]{36}", 1..4), version in "[0-9]{1,20}|[a-z]*", group in "n?|g") {
            let group = &*group;
            let mut backlog = Backlog::default();
            for uid in &uids {
                let facts = JobFacts { name: "n", namespace: "s", uid, resource_version: &version, group: Some(group), ..JobFacts::default() };
                backlog.push(&facts).unwrap();
            }
            for (uid, job) in uids.iter().zip(backlog.jobs()) {
                prop_assert_eq!((&job.uid(), job.resource_version(), job.name(), job.namespace(), job.group_text()), (uid, version.as_str(), "n", "s", Some(group)));
            }
        }
    }
}
