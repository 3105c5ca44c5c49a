//! An explanation for people: the sentence, and below it what it is made of.

use std::io::{self, Write as _};

use portcullis_retention::format_age;
use portcullis_retention::retention::{Fate, Mode, NEVER, Place};

use super::{Explanation, Known, Selecting};
use crate::paint::Paint;
use crate::printable;
use crate::surroundings::Stream;

/// The width of the column of labels.
const LABELS: usize = 12;

impl Explanation<'_> {
    pub(super) fn text(&self, stdout: &mut Stream<'_>) -> io::Result<()> {
        let paint = Paint::on(stdout);
        let sentence = self.sentence();
        writeln!(stdout, "{}\n", paint.strong(printable::line(&sentence)))?;
        for (label, line) in self.lines() {
            let label = format!("{label:LABELS$}");
            writeln!(stdout, "{}{}", paint.quiet(label), printable::line(&line))?;
        }
        Ok(())
    }

    fn lines(&self) -> Vec<(&'static str, String)> {
        let facts = self.facts;
        let mut lines = Vec::new();
        lines.push((
            "finished",
            match (facts.outcome, facts.finished) {
                (None, _) => "not yet".to_owned(),
                (Some(outcome), None) => format!("{outcome}, at a time that it does not say"),
                (Some(outcome), Some(finished)) if finished > self.now => {
                    format!("{outcome}, at {}, which is in the future", time(finished))
                }
                (Some(outcome), Some(finished)) => {
                    format!("{outcome}, at {}, {} ago", time(finished), format_age(self.now - finished))
                }
            },
        ));
        if !facts.manager.is_empty() {
            lines.push(("made by", facts.manager.to_owned()));
        }
        lines.push((
            "TTL",
            match facts.ttl {
                None => "none".to_owned(),
                Some(NEVER) => format!("68 years, the longest there can be{}", self.origin()),
                Some(ttl) => format!("{}{}", format_age(ttl.into()), self.origin()),
            },
        ));
        let protections = self.protections();
        if protections.is_empty() {
            lines.push(("protected", "no".to_owned()));
        }
        lines.extend(protections.into_iter().map(|(_, reason)| ("protected", reason)));
        if self.selecting.is_empty() {
            let none = match self.retentions_given {
                true => "no JobRetention selects it",
                false => "none was given with `--retentions`",
            };
            lines.push(("retention", none.to_owned()));
        }
        for one in &self.selecting {
            lines.extend(self.selecting_line(one).map(|line| ("retention", line)));
            lines.extend(self.held_up_line(one).map(|line| ("held up", line)));
        }
        let none = match self.policies {
            Known::Given(policies) if policies.is_empty() => Some("none gives such a Job a TTL"),
            Known::Given(_) => None,
            Known::NotAsked => Some("none was given with `--policies`"),
            Known::Refused => Some("not known: they could not be read"),
        };
        lines.extend(none.map(|none| ("policy", none.to_owned())));
        lines.extend(self.policies.all().iter().map(|policy| {
            let missed = if policy.is_missed(facts.ttl.is_some()) {
                ": it was created while nobody asked the policy"
            } else {
                ""
            };
            let says =
                format!("{} gives such a Job a TTL of {}{missed}", policy.title, format_age(policy.ttl));
            ("policy", says)
        }));
        lines
    }

    /// Why what an object says is not done.
    fn held_up_line(&self, one: &Selecting) -> Option<String> {
        let retention = self.retentions.all().get(one.retention)?;
        Some(format!("JobRetention `{}`: {}", retention.name, self.held_up_by(one)?))
    }

    /// What one object says of the Job.
    fn selecting_line(&self, one: &Selecting) -> Option<String> {
        let retention = self.retentions.all().get(one.retention)?;
        let mode = match retention.mode {
            Mode::Audit => ", which is in mode audit and changes nothing",
            Mode::Enforce => "",
        };
        let place =
            one.place.as_ref().map(|place| format!("; it is {}", of_group(place))).unwrap_or_default();
        let outcome = self.facts.outcome;
        let says = match one.alone {
            Fate::Settled(term) | Fate::Write(term) => {
                let decides = match self.fate {
                    Fate::Settled(decided) | Fate::Write(decided) if decided.by == one.retention => {
                        ", and decides"
                    }
                    _ if !self.is_enforced(one.retention) => "",
                    Fate::Settled(decided) | Fate::Write(decided) if decided.seconds == term.seconds => {
                        ", and another says the same and decides"
                    }
                    Fate::Settled(_) | Fate::Write(_) => ", and another lets it stay longer",
                    Fate::Protected(_) => ", and another leaves it alone",
                    _ => "",
                };
                let sentence = outcome.map(|outcome| term.sentence(self.retentions, outcome))?;
                format!("{sentence}{decides}")
            }
            Fate::ExistingTtl => format!("JobRetention `{}` keeps the TTL that it has", retention.name),
            Fate::Protected(_) => format!("JobRetention `{}` leaves it alone", retention.name),
            Fate::NamespaceUnknown | Fate::Unselected => {
                format!(
                    "JobRetention `{}` asks for labels of the namespace, which are not known",
                    retention.name
                )
            }
        };
        Some(format!("{says}{mode}{place}"))
    }
}

/// Which one of its group a Job is.
fn of_group(place: &Place) -> String {
    let Place { group, number, size } = place;
    match size {
        1 => format!("alone in the group `{group}`"),
        size => {
            format!("number {number} of {size} in the group `{group}`, the last to finish being the first")
        }
    }
}

/// A time as Kubernetes writes it.
fn time(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).map(|time| time.to_string()).unwrap_or_default()
}
