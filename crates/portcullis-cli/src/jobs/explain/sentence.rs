//! The sentence that says what becomes of a Job, when and why.

use portcullis_retention::retention::{Fate, NEVER, Term};
use portcullis_retention::{Outcome, TtlOwner, format_age};

use super::Explanation;

/// What becomes of the Job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// It stays until somebody deletes it, or something changes.
    Stays,
    /// It has not finished, or is being deleted already: how long it stays is not for retention to say.
    Unfinished,
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
            Ending::Expires(_) => "expires",
            Ending::Unknown => "unknown",
        }
    }
}

impl Explanation<'_> {
    /// What becomes of the Job, and why, as a clause.
    pub(super) fn ending(&self) -> (Ending, String) {
        let Some((outcome, finished)) = self.facts.outcome.zip(self.facts.finished) else {
            return self.without_finish();
        };
        let protected = self.protections();
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
            Fate::ExistingTtl => {
                let why = "which no JobRetention replaces";
                self.existing(finished, why).unwrap_or_else(|| (Ending::Stays, why.to_owned()))
            }
            Fate::Protected(_) | Fate::Unselected if !protected.is_empty() => {
                let reasons: Vec<_> = protected.into_iter().map(|(_, reason)| reason).collect();
                let reasons = reasons.join(", ");
                self.existing(finished, &format!("and is left alone: {reasons}"))
                    .unwrap_or((Ending::Stays, reasons))
            }
            Fate::Protected(_) | Fate::Unselected => {
                let tried = if self.selecting.is_empty() {
                    "no JobRetention selects it"
                } else {
                    "every JobRetention that selects it is in mode audit"
                };
                self.existing(finished, &format!("and {tried}"))
                    .unwrap_or_else(|| (Ending::Stays, format!("it has no TTL, and {tried}")))
            }
        }
    }

    /// The Job has not finished, or does not say when.
    fn without_finish(&self) -> (Ending, String) {
        let reasons: Vec<_> = self.protections().into_iter().map(|(_, reason)| reason).collect();
        let ending = if self.facts.outcome.is_some() { Ending::Stays } else { Ending::Unfinished };
        (ending, reasons.join(", "))
    }

    /// What the TTL does that the Job has, if it has one.
    fn existing(&self, finished: i64, why: &str) -> Option<(Ending, String)> {
        let ttl = self.facts.ttl?;
        let has = format!("it has a TTL of {}{}, {why}", format_age(ttl.into()), self.origin());
        Some((ends(finished, ttl), has))
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
            Ending::Unknown => format!("{job} may stay or go: {clause}"),
            Ending::Expires(at) if at <= self.now => {
                format!(
                    "{job} goes at any moment, its time is over since {}: {clause}",
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
