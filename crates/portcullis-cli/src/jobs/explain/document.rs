//! An explanation for programs.

use std::io::{self, Write as _};

use portcullis_retention::TtlOwner;
use portcullis_retention::retention::{FIELD_MANAGER, Fate, NEVER, Term};
use portcullis_value::{Arena, Value, json};

use super::sentence::Ending;
use super::{Explanation, Known, Selecting};
use crate::jobs::format::{object, time};
use crate::surroundings::Stream;

impl Explanation<'_> {
    pub(super) fn json(&self, stdout: &mut Stream<'_>) -> io::Result<()> {
        let arena = Arena::new();
        writeln!(stdout, "{}", json::Writer::indented(2).to_string(self.document(&arena)))
    }

    pub(super) fn yaml(&self, stdout: &mut Stream<'_>) -> io::Result<()> {
        let arena = Arena::new();
        write!(stdout, "{}", portcullis_yaml::to_string(self.document(&arena)))
    }

    fn document<'a>(&self, arena: &'a Arena) -> Value<'a> {
        let facts = self.facts;
        let (ending, _) = self.ending();
        let expires = match ending {
            Ending::Expires(at) => time(arena, Some(at)),
            _ => Value::Null,
        };
        let protections = self.protections().into_iter().map(|(protection, reason)| {
            object(arena, vec![("name", protection.name().into()), ("reason", arena.string(&reason))])
        });
        let protections: Vec<_> = protections.collect();
        let retentions: Vec<_> = self.selecting.iter().filter_map(|one| self.retention(arena, one)).collect();
        let policies: Vec<_> = self
            .policies
            .all()
            .iter()
            .map(|policy| {
                object(
                    arena,
                    vec![
                        ("policy", arena.string(&policy.title)),
                        ("ttlSeconds", policy.ttl.into()),
                        ("missed", Value::Bool(policy.is_missed(facts.ttl.is_some()))),
                    ],
                )
            })
            .collect();
        object(
            arena,
            vec![
                ("namespace", arena.string(facts.namespace)),
                ("name", arena.string(facts.name)),
                ("uid", arena.string(facts.uid)),
                ("says", arena.string(&self.sentence())),
                ("ending", ending.name().into()),
                ("expires", expires),
                ("outcome", facts.outcome.map_or(Value::Null, |outcome| outcome.name().into())),
                ("finished", time(arena, facts.finished)),
                (
                    "manager",
                    Some(facts.manager)
                        .filter(|manager| !manager.is_empty())
                        .map_or(Value::Null, |manager| arena.string(manager)),
                ),
                ("ttl", self.ttl(arena)),
                ("protections", arena.array(&protections)),
                ("retentions", if self.retentions_given { arena.array(&retentions) } else { Value::Null }),
                (
                    "policies",
                    match self.policies {
                        Known::Given(_) => arena.array(&policies),
                        Known::NotAsked | Known::Refused => Value::Null,
                    },
                ),
                ("now", time(arena, Some(self.now))),
            ],
        )
    }

    fn ttl<'a>(&self, arena: &'a Arena) -> Value<'a> {
        let Some(seconds) = self.facts.ttl else { return Value::Null };
        let owner = match &self.ttl_owner {
            TtlOwner::Admission => "admission".into(),
            TtlOwner::Asked => FIELD_MANAGER.into(),
            TtlOwner::Other(manager) => arena.string(manager),
            TtlOwner::Unknown => Value::Null,
        };
        object(arena, vec![("seconds", i64::from(seconds).into()), ("owner", owner)])
    }

    fn retention<'a>(&self, arena: &'a Arena, one: &Selecting) -> Option<Value<'a>> {
        let retention = self.retentions.all().get(one.retention)?;
        let count = |number: usize| Value::from(i64::try_from(number).unwrap_or(i64::MAX));
        let (term, says) = match one.alone {
            Fate::Settled(term) | Fate::Write(term) => {
                (Some(term), self.facts.outcome.map(|outcome| term.sentence(self.retentions, outcome)))
            }
            _ => (None, None),
        };
        let decides = |decided: Term| decided.by == one.retention;
        let decides = matches!(self.fate, Fate::Settled(term) | Fate::Write(term) if decides(term));
        let seconds = term.map(|term| term.seconds).filter(|seconds| *seconds != NEVER);
        let group = one.place.as_ref().map(|place| {
            object(
                arena,
                vec![
                    ("name", arena.string(&place.group)),
                    ("place", count(place.number)),
                    ("size", count(place.size)),
                ],
            )
        });
        Some(object(
            arena,
            vec![
                ("name", arena.string(&retention.name)),
                ("mode", retention.mode.name().into()),
                ("decides", Value::Bool(decides)),
                ("says", says.map_or(Value::Null, |says| arena.string(&says))),
                ("ttlSeconds", seconds.map_or(Value::Null, |seconds| i64::from(seconds).into())),
                ("keeps", term.map_or(Value::Null, |term| Value::Bool(term.seconds == NEVER))),
                ("group", group.unwrap_or_default()),
                ("heldUp", self.held_up_by(one).map_or(Value::Null, |why| arena.string(why))),
            ],
        ))
    }
}
