//! The corpus `patch`: overlays and JSON patches on resources, compared as documents; an error need only be one.

use std::path::Path;

use anyhow::Result;
use portcullis_kyverno::mutate::{self, Outcome, Overlay};
use portcullis_value::{Arena, Budget, Value, json};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::corpus::{Case, Corpus, Finding, read_json_lines};

pub(crate) const CORPUS: Corpus = Corpus { name: "patch", cases };

/// The files, each a class.
const FILES: &[&str] = &["strategic", "json6902", "harvested", "reference-bugs"];

#[derive(Deserialize)]
struct Line {
    id: String,
    resource: Box<RawValue>,
    overlay: Option<Box<RawValue>>,
    /// Beside the overlay, or instead of it.
    patches: Option<String>,
    /// Absent where the reference is known to be wrong: any answer will do that leaves no anchor behind.
    expect: Option<Want>,
}

/// The recorded answer: one of these.
#[derive(Deserialize, Debug)]
struct Want {
    result: Option<Box<RawValue>>,
    #[serde(default)]
    skip: bool,
    error: Option<String>,
}

fn cases(root: &Path) -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for file in FILES {
        for line in read_json_lines::<Line>(&root.join(format!("patch/{file}.jsonl")))? {
            cases.push(Case::new(line.id.clone(), *file, move || check(&line)));
        }
    }
    Ok(cases)
}

fn check(line: &Line) -> Finding {
    let arena = Arena::new();
    let read = |text: &RawValue| json::read(&arena, arena.str(text.get())).map_err(|error| error.to_string());
    let resource = read(&line.resource)?;
    let mut budget = Budget::default();
    // Outlives the answer, which borrows from it.
    let overlay;
    let answer = match (&line.overlay, &line.patches) {
        (Some(text), _) => match Overlay::compile(read(text)?, &mut budget) {
            Ok(compiled) => {
                overlay = compiled;
                mutate::strategic_merge(&arena, resource, &overlay, None, &mut budget)
            }
            Err(error) => Err(error.into()),
        },
        (None, Some(patches)) => mutate::json_patch(&arena, resource, arena.str(patches), &mut budget),
        (None, None) => return Err("the case has neither overlay nor patches".to_owned()),
    };
    let Some(want) = &line.expect else { return check_sane(&answer) };
    let is_as_recorded = match (&answer, want) {
        (Ok(Outcome::Patched(found)), Want { result: Some(result), .. }) => *found == read(result)?,
        // The reference takes a changed order of keys for a change.
        (Ok(Outcome::Unchanged), Want { result: Some(result), .. }) => resource == read(result)?,
        (Ok(Outcome::Unchanged), want) => want.skip,
        (Err(_), want) => want.error.is_some(),
        _ => false,
    };
    if is_as_recorded {
        return Ok(());
    }
    let patch = line.overlay.as_ref().map_or(line.patches.as_deref(), |overlay| Some(overlay.get()));
    Err(format!("{} gives {answer:?}\nwant {want:?}\nof {resource}", patch.unwrap_or_default()))
}

/// No anchor is written into the resource.
fn check_sane(answer: &Result<Outcome<'_>, mutate::Error>) -> Finding {
    match answer {
        Ok(Outcome::Patched(found)) if holds_anchor(*found) => Err(format!("leaves an anchor: {found}")),
        _ => Ok(()),
    }
}

fn holds_anchor(value: Value<'_>) -> bool {
    match value {
        Value::Array(items) => items.iter().any(|item| holds_anchor(*item)),
        Value::Object(map) => map.iter().any(|(key, value)| {
            (key.ends_with(')') && portcullis_kyverno::anchor::Anchor::parse(key).is_some())
                || holds_anchor(value)
        }),
        _ => false,
    }
}
