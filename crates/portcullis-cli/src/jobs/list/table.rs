//! Finished Jobs for people.

use std::io::{self, Write as _};

use portcullis_retention::{Outcome, format_age};

use super::{Arguments, Shown, Summary, View};
use crate::jobs::ages::Ages;
use crate::jobs::columns::{self, Align, Cell, Column, Tone};
use crate::jobs::group::{Count, Kin};
use crate::jobs::judged::print_unknown;
use crate::numbers::{self, counted, thousands};
use crate::paint::Paint;
use crate::surroundings::Surroundings;

/// The columns of a line for each group.
const OF_GROUPS: [Column; 9] = [
    ("NAMESPACE", Align::Left),
    ("OUTCOME", Align::Left),
    ("MADE BY", Align::Left),
    ("JOBS", Align::Right),
    ("OLDEST", Align::Right),
    ("NEWEST", Align::Right),
    ("PODS", Align::Right),
    ("IN ETCD", Align::Right),
    ("TOUCHABLE", Align::Left),
];

/// The columns of a line for each Job.
const OF_JOBS: [Column; 8] = [
    ("NAMESPACE", Align::Left),
    ("NAME", Align::Left),
    ("OUTCOME", Align::Left),
    ("MADE BY", Align::Left),
    ("AGE", Align::Right),
    ("PODS", Align::Right),
    ("IN ETCD", Align::Right),
    ("TOUCHABLE", Align::Left),
];

impl View<'_> {
    pub(super) fn table(&self, arguments: &Arguments, surroundings: &mut Surroundings<'_>) -> io::Result<()> {
        let stdout = &mut surroundings.stdout;
        let age = |finished: Option<i64>| match finished {
            Some(finished) if finished > self.listing.now => Cell::from("in the future"),
            Some(finished) => Cell::from(format_age(self.listing.now - finished)),
            None => Cell::new(Tone::Quiet, "-"),
        };
        let outcome = |outcome: Outcome| match outcome {
            Outcome::Succeeded => Cell::new(Tone::Good, outcome.name()),
            Outcome::Failed => Cell::new(Tone::Bad, outcome.name()),
        };
        let manager = |manager: &str| match manager {
            "" => Cell::new(Tone::Quiet, "-"),
            manager => Cell::from(manager),
        };
        let touchable = |reason: Option<String>| match reason {
            None => Cell::new(Tone::Good, "yes"),
            Some(reason) => Cell::new(Tone::Quiet, &format!("no: {reason}")),
        };
        if arguments.each {
            let of_job = |shown: Shown<'_>| {
                let job = shown.job;
                vec![
                    Cell::from(job.namespace()),
                    Cell::from(job.name()),
                    outcome(shown.outcome),
                    manager(job.manager()),
                    age(job.finished()),
                    Cell::from(thousands(job.pods())),
                    Cell::from(numbers::bytes(job.bytes().into())),
                    touchable(Some(self.reasons(&shown).join("; ")).filter(|reasons| !reasons.is_empty())),
                ]
            };
            columns::print(&OF_JOBS, self.jobs().map(of_job), "", stdout)?;
        } else {
            let of_group = |(kin, count): &(Kin<'_>, Count)| {
                vec![
                    Cell::from(kin.namespace),
                    outcome(kin.outcome),
                    manager(kin.manager),
                    Cell::from(thousands(count.jobs)),
                    age(count.oldest()),
                    age(count.newest()),
                    Cell::from(thousands(count.pods)),
                    Cell::from(numbers::bytes(count.bytes)),
                    touchable(kin.reason()),
                ]
            };
            columns::print(&OF_GROUPS, self.groups(arguments.sort_by).iter().map(of_group), "", stdout)?;
        }
        let mut ages = Ages::default();
        for shown in self.jobs() {
            if let Some(finished) = shown.job.finished().filter(|finished| *finished <= self.listing.now) {
                ages.add(self.listing.now - finished);
            }
        }
        ages.print(stdout)?;
        self.conclusion(arguments, surroundings)
    }

    /// The last lines: how many of what, and what to do next.
    fn conclusion(&self, arguments: &Arguments, surroundings: &mut Surroundings<'_>) -> io::Result<()> {
        let stdout = &mut surroundings.stdout;
        let paint = Paint::on(stdout);
        let Summary { finished, touchable, bytes } = self.summary();
        if finished == 0 {
            let none = match &*arguments.selection.criteria() {
                [] => "no finished Job is there".to_owned(),
                criteria => format!("no finished Job is there of those asked for ({})", criteria.join("; ")),
            };
            return writeln!(stdout, "{none}{}", unfinished(self.unfinished));
        }
        writeln!(
            stdout,
            "\n{}: {} touchable, {} protected; {} in etcd (estimated){}",
            paint.strong(counted(finished, "finished Job", "finished Jobs")),
            thousands(touchable),
            thousands(finished - touchable),
            numbers::bytes(bytes),
            unfinished(self.unfinished),
        )?;
        if touchable > 0 || !self.judged.owned.is_empty() {
            print_unknown(&self.judged.dependents, stdout)?;
        }
        if touchable > 0 && self.listing.continues.is_none() {
            let words = arguments.selection.words();
            writeln!(
                stdout,
                "{} `portcullis jobs plan{words} -o plan.json` says what would go, and does nothing yet",
                paint.hint("next:")
            )?;
        }
        Ok(())
    }
}

fn unfinished(count: u64) -> String {
    match count {
        0 => String::new(),
        1 => "; 1 has not finished".to_owned(),
        count => format!("; {} have not finished", thousands(count)),
    }
}
