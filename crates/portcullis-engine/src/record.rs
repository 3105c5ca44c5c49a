//! The mutation record: an annotation on the object that says which rule changed what.
//!
//! The annotation [`ANNOTATION`] holds a YAML map, one line per rule:
//!
//! ```text
//! add-ttl.add-ttl-to-jobs.kyverno.io: added /spec/ttlSecondsAfterFinished
//! ```
//!
//! The key is `<rule>.<policy>.kyverno.io`, for a namespaced Policy `<rule>.<namespace>.<policy>.kyverno.io`; the value
//! holds every operation of the rule in document order, joined by `, `. It is computed from the difference between the
//! object before and after the rule. (Kyverno up to 1.10 wrote it from the last operation of each rule alone, and gave
//! it up because it was wrong.)
//!
//! A record that comes in with an object is what somebody claims: it is kept, and nothing is decided by it.

use portcullis_patch::diff;
use portcullis_patch::json6902::Operation;
use portcullis_value::{Arena, Object, Value, escape_token, json};

/// The annotation that holds the record.
pub const ANNOTATION: &str = "policies.kyverno.io/last-applied-patches";

/// The key of the line that counts lines left out for size.
const OMITTED: &str = "portcullis.dev/omitted";

/// The size that the record is kept within, in bytes.
const MAX_SIZE: usize = 8 << 10;

/// The change that one rule made.
#[derive(Clone, Copy, Debug)]
pub struct Change<'a> {
    pub policy: &'a str,
    /// Empty for a cluster-wide policy.
    pub namespace: &'a str,
    pub rule: &'a str,
    pub before: Value<'a>,
    pub after: Value<'a>,
}

/// An object with its record.
#[derive(Debug)]
pub struct Recorded<'a> {
    pub object: Value<'a>,
    /// What was wrong with the record that came in.
    pub warning: Option<&'static str>,
}

/// `object` with `changes` recorded on it, together with what earlier passes recorded.
///
/// Where nothing was changed nothing is written: a record alone is no reason to touch an object.
pub fn record<'a>(arena: &'a Arena, object: Value<'a>, changes: &[Change<'a>]) -> Recorded<'a> {
    let made: Vec<(String, Vec<String>)> = changes
        .iter()
        .map(|change| (key(change), operations(arena, change)))
        .filter(|(_, operations)| !operations.is_empty())
        .collect();
    if made.is_empty() {
        return Recorded { object, warning: None };
    }
    let annotations = match object.path(&["metadata", "annotations"]) {
        None | Some(Value::Null) => Object::default(),
        Some(Value::Object(annotations)) => annotations,
        Some(_) => {
            return Recorded {
                object,
                warning: Some("metadata.annotations is no map, so no record can be kept in it"),
            };
        }
    };
    let (mut lines, warning) = match annotations.get(ANNOTATION) {
        None | Some(Value::Null) => (Lines::default(), None),
        Some(incoming) => match incoming.as_str().and_then(Lines::parse) {
            Some(lines) => (lines, None),
            None => (
                Lines::default(),
                Some("the record that came with the object is no map of strings; it is replaced"),
            ),
        },
    };
    for (key, operations) in made {
        lines.add(key, operations);
    }
    let annotations = annotations.with(arena, ANNOTATION, arena.string(&lines.to_text()));
    Recorded { object: object.with(arena, &["metadata", "annotations"], Value::Object(annotations)), warning }
}

/// The key of a rule's line.
fn key(change: &Change<'_>) -> String {
    let Change { policy, namespace, rule, .. } = change;
    match *namespace {
        "" => format!("{rule}.{policy}.kyverno.io"),
        namespace => format!("{rule}.{namespace}.{policy}.kyverno.io"),
    }
}

/// What a rule did, in words, its own record left out.
fn operations<'a>(arena: &'a Arena, change: &Change<'a>) -> Vec<String> {
    let own = format!("/metadata/annotations/{}", escape_token(ANNOTATION));
    let operations = diff::diff(arena, change.before, change.after);
    let worded = operations.iter().filter_map(|operation| match *operation {
        Operation::Add { path, .. } => Some(("added", path)),
        Operation::Remove { path } => Some(("removed", path)),
        Operation::Replace { path, .. } => Some(("replaced", path)),
        // A difference holds no other.
        _ => None,
    });
    worded.filter(|(_, path)| *path != own).map(|(verb, path)| format!("{verb} {path}")).collect()
}

/// The lines of a record, by key.
#[derive(Default)]
struct Lines {
    lines: std::collections::BTreeMap<String, String>,
    /// What an earlier pass left out.
    omitted: usize,
}

impl Lines {
    /// Reads a record. `None` if it is no map of strings.
    fn parse(text: &str) -> Option<Self> {
        let arena = Arena::new();
        let mut lines = Self::default();
        // Nobody writes a longer one, and what a stranger wrote is not worth the time.
        if text.len() > 4 * MAX_SIZE {
            return None;
        }
        for (key, value) in portcullis_yaml::read(&arena, text).ok()?.as_object()?.iter() {
            let value = value.as_str()?;
            if key == OMITTED {
                lines.omitted = value.parse().ok()?;
            } else {
                lines.lines.insert(key.to_owned(), value.to_owned());
            }
        }
        Some(lines)
    }

    /// Adds operations to the line of `key`, none twice.
    fn add(&mut self, key: String, operations: Vec<String>) {
        let line = self.lines.entry(key).or_default();
        for operation in operations {
            if !line.split(", ").any(|known| known == operation) {
                if !line.is_empty() {
                    line.push_str(", ");
                }
                line.push_str(&operation);
            }
        }
    }

    /// The record as text: lines that do not fit are left out and counted.
    fn to_text(&self) -> String {
        let mut text = String::new();
        let mut omitted = 0;
        // Kept free for the line that counts.
        let room = MAX_SIZE - OMITTED.len() - 32;
        let mut lines: Vec<_> = self.lines.iter().collect();
        lines.sort_by(|one, other| portcullis_yaml::key_order(one.0, other.0));
        for (key, value) in lines {
            let line = format!("{}: {}\n", scalar(key), scalar(value));
            if text.len() + line.len() <= room {
                text.push_str(&line);
            } else {
                omitted += 1;
            }
        }
        let omitted = omitted.max(self.omitted);
        if omitted > 0 {
            text.push_str(&format!("{OMITTED}: \"{omitted}\"\n"));
        }
        text
    }
}

/// `text` as a YAML scalar on one line.
fn scalar(text: &str) -> String {
    let printed = portcullis_yaml::to_string(Value::String(text));
    let line = printed.trim_end_matches('\n');
    if line.contains('\n') || line.starts_with(['|', '>']) { json::quote(text) } else { line.to_owned() }
}
