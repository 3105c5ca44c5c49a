//! Finished Jobs for programs.

use std::collections::BTreeMap;
use std::io;

use portcullis_retention::Dependents;
use portcullis_value::{Arena, Value};

use super::{Arguments, Shown, Summary, View};
use crate::jobs::format::{Format, Row, Rows, number, object, time};
use crate::jobs::group::{Count, Kin};
use crate::surroundings::Surroundings;

impl View<'_> {
    pub(super) fn document(
        &self,
        arguments: &Arguments,
        format: Format,
        surroundings: &mut Surroundings<'_>,
    ) -> io::Result<()> {
        let stdout = &mut surroundings.stdout;
        let mut arena = Arena::new();
        let rows = if arguments.each {
            let mut rows = Rows::begin(format, "jobs", &FIELDS_OF_JOBS, stdout)?;
            for shown in self.jobs() {
                rows.row(&arena, job_row(&arena, &shown, &self.reasons(&shown), format), stdout)?;
                arena.reset();
            }
            rows
        } else {
            let mut rows = Rows::begin(format, "groups", &FIELDS_OF_GROUPS, stdout)?;
            for (kin, count) in self.groups(arguments.sort_by) {
                rows.row(&arena, group_row(&arena, &kin, &count), stdout)?;
                arena.reset();
            }
            rows
        };
        let Summary { finished, touchable, bytes } = self.summary();
        let mut summary = vec![
            ("finished", number(finished)),
            ("touchable", number(touchable)),
            ("protected", number(finished - touchable)),
            ("unfinished", number(self.unfinished)),
            ("bytes", number(bytes)),
            ("partial", Value::Bool(self.listing.continues.is_some())),
        ];
        let passed_over = [("otherKinds", self.listing.others), ("repeated", self.listing.repeated)];
        summary.extend(
            passed_over
                .into_iter()
                .filter(|(_, items)| *items > 0)
                .map(|(name, items)| (name, number(items))),
        );
        let summary = object(&arena, summary);
        let server = self.listing.reach.as_ref().map(|reach| arena.string(reach.connection.server()));
        let Dependents { allowed, looked, unlistable } = &self.judged.dependents;
        let unlistable: Vec<_> = unlistable.iter().map(|kind| arena.string(kind)).collect();
        let dependents = vec![
            ("allowed", Value::Bool(*allowed)),
            ("looked", Value::String(looked.name())),
            ("unlistable", arena.array(&unlistable)),
        ];
        let tail = vec![
            ("dependents", object(&arena, dependents)),
            ("server", server.unwrap_or_default()),
            ("now", time(&arena, Some(self.listing.now))),
            ("summary", summary),
        ];
        rows.end(&arena, tail, stdout)
    }
}

const FIELDS_OF_JOBS: [&str; 11] = [
    "namespace",
    "name",
    "outcome",
    "manager",
    "finished",
    "pods",
    "bytes",
    "touchable",
    "protections",
    "reasons",
    "dependents",
];

fn job_row<'a>(arena: &'a Arena, shown: &Shown<'_>, reasons: &[String], format: Format) -> Row<'a> {
    let Shown { job, outcome, protections, owned } = *shown;
    let names: Vec<_> = protections.iter().map(|protection| Value::String(protection.name())).collect();
    let reasons: Vec<_> = reasons.iter().map(|reason| arena.string(reason)).collect();
    vec![
        ("namespace", arena.string(job.namespace())),
        ("name", arena.string(job.name())),
        ("outcome", Value::String(outcome.name())),
        ("manager", arena.string(job.manager())),
        ("finished", time(arena, job.finished())),
        ("pods", number(job.pods().into())),
        ("bytes", number(job.bytes().into())),
        ("touchable", Value::Bool(protections.is_empty())),
        ("protections", arena.array(&names)),
        ("reasons", arena.array(&reasons)),
        ("dependents", dependents(arena, owned, format)),
    ]
}

/// What a Job owns, as plans say it: by kind, and in CSV as a number.
fn dependents<'a>(arena: &'a Arena, owned: Option<&BTreeMap<String, u32>>, format: Format) -> Value<'a> {
    let kinds = owned.into_iter().flatten();
    if format == Format::Csv {
        return number(kinds.map(|(_, count)| u64::from(*count)).sum());
    }
    let counts: Vec<_> = kinds.map(|(kind, count)| (arena.str(kind), number((*count).into()))).collect();
    if counts.is_empty() { Value::Null } else { object(arena, counts) }
}

const FIELDS_OF_GROUPS: [&str; 10] =
    ["namespace", "outcome", "manager", "jobs", "oldest", "newest", "pods", "bytes", "touchable", "reason"];

fn group_row<'a>(arena: &'a Arena, kin: &Kin<'_>, count: &Count) -> Row<'a> {
    vec![
        ("namespace", arena.string(kin.namespace)),
        ("outcome", Value::String(kin.outcome.name())),
        ("manager", arena.string(kin.manager)),
        ("jobs", number(count.jobs)),
        ("oldest", time(arena, count.oldest())),
        ("newest", time(arena, count.newest())),
        ("pods", number(count.pods)),
        ("bytes", number(count.bytes)),
        ("touchable", Value::Bool(kin.protection.is_none())),
        ("reason", kin.reason().map_or(Value::Null, |reason| arena.string(&reason))),
    ]
}
