//! Results for programs: one JSON or YAML document, written as the work goes on.
//!
//! ```yaml
//! resources:
//! - resource: {apiVersion: batch/v1, kind: Job, namespace: default, name: pi}
//!   results:
//!   - {policy: add-ttl, rule: add-ttl, type: mutate, result: pass, message: ..}
//!   mutated: {..}
//! # a rule about existing resources: `target` and `patchedTarget` in its result; one that generates: `generated`, and
//! # `failure` where it could not
//! policiesLeftOut: [{name: .., reason: ..}]
//! summary: {pass: 1, fail: 0, warn: 0, error: 0, skip: 0}
//! ```

use std::io::{self, Write as _};

use portcullis_model::{Resource, RuleKind, RuleOutcome, SideEffect};
use portcullis_value::{Arena, Value, json};

use super::form::{Form, Run};
use super::judged::Judged;
use super::mutations;
use super::table::policy_key;
use crate::offline::verdict::{Counts, Verdict};
use crate::surroundings::{Stream, Surroundings};

/// The document, as far as it is written.
#[derive(Debug)]
pub(crate) struct Document {
    is_json: bool,
    /// How many resources are written.
    written: usize,
}

impl Document {
    pub(crate) fn json() -> Self {
        Self { is_json: true, written: 0 }
    }

    pub(crate) fn yaml() -> Self {
        Self { is_json: false, written: 0 }
    }
}

fn kind_name(kind: RuleKind) -> &'static str {
    match kind {
        RuleKind::Mutate => "mutate",
        RuleKind::Validate => "validate",
        RuleKind::Generate => "generate",
        RuleKind::VerifyImages => "verifyImages",
    }
}

/// Without entries that say nothing.
fn object<'a>(arena: &'a Arena, mut entries: Vec<(&'a str, Value<'a>)>) -> Value<'a> {
    entries.retain(|(_, value)| !matches!(value, Value::Null | Value::String("")));
    arena.object(&mut entries)
}

fn result<'a>(arena: &'a Arena, policy: &str, outcome: &'a RuleOutcome<'a>, verdict: Verdict) -> Value<'a> {
    let (target, patched, generated, failure) = match outcome.side_effect.as_deref() {
        None => Default::default(),
        Some(SideEffect::Target { object, patched }) => {
            let target = object.map(|object| identity(arena, Resource(object))).unwrap_or_default();
            (target, patched.unwrap_or_default(), Value::Null, "")
        }
        Some(SideEffect::Generated { objects, failure }) => {
            let generated = arena.array(objects);
            (Value::Null, Value::Null, generated, failure.as_deref().unwrap_or_default())
        }
    };
    object(
        arena,
        vec![
            ("policy", arena.string(policy)),
            ("rule", Value::String(outcome.rule)),
            ("type", Value::String(kind_name(outcome.kind))),
            ("result", Value::String(verdict.as_str())),
            ("message", Value::String(&outcome.message)),
            ("target", target),
            ("patchedTarget", patched),
            ("generated", generated),
            ("failure", Value::String(failure)),
            ("explanation", Value::String(outcome.explanation.as_deref().unwrap_or_default())),
        ],
    )
}

fn judged_resource<'a>(arena: &'a Arena, judged: &'a Judged<'a, 'a>) -> Value<'a> {
    let resource = judged.resource;
    let results: Vec<_> = judged
        .outcomes()
        .map(|(policy, outcome, verdict)| result(arena, &policy_key(policy), outcome, verdict))
        .collect();
    let mut not_applied = Vec::new();
    for response in judged.responses {
        let Some(policy) = judged.policy(response) else { continue };
        for (rule, reason) in &response.evaluation.not_applied {
            let entry = vec![
                ("policy", arena.string(&policy_key(policy))),
                ("rule", Value::String(rule)),
                ("reason", Value::String(reason)),
            ];
            not_applied.push(object(arena, entry));
        }
    }
    let mutated = mutations::outcome(&judged.mutations()).filter(|(_, is_changed)| *is_changed);
    let list = |values: &[Value<'a>]| if values.is_empty() { Value::Null } else { arena.array(values) };
    object(
        arena,
        vec![
            ("resource", identity(arena, resource)),
            ("results", arena.array(&results)),
            ("notApplied", list(&not_applied)),
            ("mutated", mutated.map(|(object, _)| object).unwrap_or_default()),
        ],
    )
}

/// What a resource is called.
fn identity<'a>(arena: &'a Arena, resource: Resource<'a>) -> Value<'a> {
    let identity = vec![
        ("apiVersion", resource.0.get("apiVersion").unwrap_or_default()),
        ("kind", Value::String(resource.kind())),
        ("namespace", Value::String(resource.namespace())),
        ("name", Value::String(resource.name())),
    ];
    object(arena, identity)
}

/// What follows the resources.
fn tail<'a>(arena: &'a Arena, run: &'a Run<'_>) -> Value<'a> {
    let left_out: Vec<_> = run
        .policies
        .left_out
        .iter()
        .map(|left_out| {
            let entry =
                vec![("name", Value::String(&left_out.name)), ("reason", Value::String(&left_out.reason))];
            object(arena, entry)
        })
        .collect();
    let Counts { pass, fail, warn, error, skip } = run.counts;
    let count = |count: usize| Value::from(i64::try_from(count).unwrap_or(i64::MAX));
    let summary = vec![
        ("pass", count(pass)),
        ("fail", count(fail)),
        ("warn", count(warn)),
        ("error", count(error)),
        ("skip", count(skip)),
    ];
    let entries = vec![("policiesLeftOut", arena.array(&left_out)), ("summary", object(arena, summary))];
    object(arena, entries)
}

impl Form for Document {
    fn begin(&mut self, _run: &Run<'_>, stdout: &mut Stream<'_>) -> io::Result<()> {
        stdout.write_all(if self.is_json { b"{\n  \"resources\": [" } else { b"resources:" })
    }

    fn resource(&mut self, judged: &Judged<'_, '_>, stdout: &mut Stream<'_>) -> io::Result<()> {
        let arena = Arena::new();
        let value = judged_resource(&arena, judged);
        if self.is_json {
            let text = json::Writer::indented(2).to_string(value).replace('\n', "\n    ");
            write!(stdout, "{}\n    {text}", if self.written > 0 { "," } else { "" })?;
        } else {
            let text = portcullis_yaml::to_string(arena.array(&[value]));
            write!(stdout, "{}{text}", if self.written > 0 { "" } else { "\n" })?;
        }
        self.written += 1;
        Ok(())
    }

    fn end(&mut self, run: &Run<'_>, surroundings: &mut Surroundings<'_>) -> io::Result<()> {
        let stdout = &mut surroundings.stdout;
        let arena = Arena::new();
        let tail = tail(&arena, run);
        if self.is_json {
            let text = json::Writer::indented(2).to_string(tail);
            let close = if self.written > 0 { "\n  ]" } else { "]" };
            writeln!(stdout, "{close},{}", text.trim_start_matches('{'))
        } else {
            let none = if self.written > 0 { "" } else { " []\n" };
            write!(stdout, "{none}{}", portcullis_yaml::to_string(tail))
        }
    }
}
