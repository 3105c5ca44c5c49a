//! The sentence that says what becomes of a Job, when and why.

use portcullis_retention::retention::{Fate, NEVER, Term};
use portcullis_retention::{Outcome, Protection, TtlOwner, format_age};

use super::Explanation;

/// What becomes of the Job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// It stays until somebody deletes it, or something changes.
    Stays,
    /// It has not finished: how long it stays is not for retention to say.
    Unfinished,
    /// It is being deleted already.
    Going,
    /// Kubernetes deletes it then, in seconds since 1970-01-01 UTC.
    Expires(i64),
    /// What is known does not say.
    Unknown,
}

impl Ending {
    /// The word for programs.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Ending::Stays => "stays",
            Ending::Unfinished => "unfinished",
            Ending::Going => "going",
            Ending::Expires(_) => "expires",
            Ending::Unknown => "unknown",
        }
    }
}

impl Explanation<'_> {
    /// What becomes of the Job, and why, as a clause.
    pub(super) fn ending(&self) -> (Ending, String) {
        if self.facts.protections.contains(Protection::Going) {
            return (Ending::Going, Protection::Going.reason(None));
        }
        let Some((outcome, finished)) = self.facts.outcome.zip(self.facts.finished) else {
            return self.without_finish();
        };
        let mut protected = self.protections();
        // That it is young keeps a Job from being planned, and is not what it stays by.
        if self.selecting.is_empty() {
            protected.retain(|(protection, _)| *protection != Protection::Young);
        }
        match self.fate {
            Fate::Settled(term) => (ends(finished, term.seconds), self.clause(term, outcome)),
            Fate::Write(term) => {
                let clause = self.clause(term, outcome);
                let now_has = match self.facts.ttl {
                    None => "a TTL is still to be written".to_owned(),
                    Some(ttl) => {
                        format!(
                            "its TTL of {}{}, is still to be replaced",
                            format_age(ttl.into()),
                            self.origin()
                        )
                    }
                };
                (ends(finished, term.seconds), format!("{clause}; {now_has}"))
            }
            Fate::NamespaceUnknown => {
                let clause = "the labels of its namespace are not known, and a JobRetention asks for some";
                (Ending::Unknown, clause.to_owned())
            }
            Fate::ExistingTtl => self.left_as_it_is(finished, "no JobRetention replaces it"),
            Fate::Protected(_) | Fate::Unselected if !protected.is_empty() => {
                let reasons: Vec<_> = protected.into_iter().map(|(_, reason)| reason).collect();
                let reasons = reasons.join(", ");
                match self.facts.ttl {
                    None => (Ending::Stays, reasons),
                    Some(_) => self.left_as_it_is(finished, &format!("is left alone: {reasons}")),
                }
            }
            Fate::Protected(_) | Fate::Unselected if self.selecting.is_empty() => {
                let given = self.retentions_given;
                self.left_as_it_is(
                    finished,
                    if given { "no JobRetention selects it" } else { "no JobRetention was given" },
                )
            }
            Fate::Protected(_) | Fate::Unselected => {
                self.left_as_it_is(finished, "every JobRetention that selects it is in mode audit")
            }
        }
    }

    /// The Job has not finished, or does not say when.
    fn without_finish(&self) -> (Ending, String) {
        let reasons: Vec<_> = self.protections().into_iter().map(|(_, reason)| reason).collect();
        let ending = if self.facts.outcome.is_some() { Ending::Stays } else { Ending::Unfinished };
        (ending, reasons.join(", "))
    }

    /// What becomes of the Job by the TTL that it has or has not, and why that is so.
    fn left_as_it_is(&self, finished: i64, why: &str) -> (Ending, String) {
        match self.facts.ttl {
            None => (Ending::Stays, format!("it has no TTL, and {why}")),
            Some(ttl) => {
                let has = format!("it has a TTL of {}{}, and {why}", format_age(ttl.into()), self.origin());
                (ends(finished, ttl), has)
            }
        }
    }

    fn clause(&self, term: Term, outcome: Outcome) -> String {
        term.sentence(self.retentions, outcome)
    }

    /// Where the TTL of the Job is from, as a clause that goes on a sentence.
    pub(super) fn origin(&self) -> String {
        match &self.ttl_owner {
            TtlOwner::Admission => ", which came from admission".to_owned(),
            TtlOwner::Asked => ", which Portcullis has written".to_owned(),
            TtlOwner::Other(manager) => format!(", which `{manager}` has set"),
            TtlOwner::Unknown => String::new(),
        }
    }

    /// The sentence.
    pub(super) fn sentence(&self) -> String {
        let (ending, clause) = self.ending();
        let job = format!("`{}/{}`", self.facts.namespace, self.facts.name);
        match ending {
            Ending::Stays => format!("{job} stays: {clause}"),
            Ending::Unfinished => format!("{job} stays for now: {clause}"),
            Ending::Going => format!("{job} goes: it {clause}"),
            Ending::Unknown => format!("{job} may stay or go: {clause}"),
            Ending::Expires(at) if at <= self.now => {
                format!(
                    "{job} goes at any moment, as its time ran out {} ago: {clause}",
                    format_age(self.now - at)
                )
            }
            Ending::Expires(at) => format!("{job} expires in {}: {clause}", format_age(at - self.now)),
        }
    }
}

fn ends(finished: i64, seconds: i32) -> Ending {
    match seconds {
        NEVER => Ending::Stays,
        seconds => Ending::Expires(finished.saturating_add(seconds.into())),
    }
}
