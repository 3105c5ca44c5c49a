//! The corpus `json`: every document of the other corpora is read, written and read again, beside `serde_json`.

use std::path::Path;

use anyhow::Result;
use portcullis_value::{Arena, json};
use serde_json::value::RawValue;

use crate::corpus::{Case, Corpus, Finding, read_json_lines};

pub(crate) const CORPUS: Corpus = Corpus { name: "json", cases };

/// Files of JSON Lines with documents of every kind.
const FILES: &[&str] = &[
    "jmespath/expressions",
    "jmespath/functions",
    "kyverno-core/anchors",
    "kyverno-core/operators",
    "kyverno-core/patterns",
    "patch/json6902",
    "patch/strategic",
];

fn cases(root: &Path) -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for file in FILES {
        let lines: Vec<Box<RawValue>> = read_json_lines(&root.join(format!("{file}.jsonl")))?;
        for (index, line) in lines.into_iter().enumerate() {
            cases.push(Case::new(format!("{file}:{}", index + 1), *file, move || check(line.get())));
        }
    }
    Ok(cases)
}

/// What is written reads as what was read, and `serde_json` reads the text alike.
fn check(text: &str) -> Finding {
    let written = rewrite(text)?;
    if rewrite(&written)? != written {
        return Err(format!("reads differently when written\nonce: {written}"));
    }
    let tree: serde_json::Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let theirs = rewrite(&tree.to_string())?;
    if theirs != written {
        return Err(format!("serde_json reads it differently\nours:   {written}\ntheirs: {theirs}"));
    }
    Ok(())
}

fn rewrite(text: &str) -> Result<String, String> {
    let arena = Arena::new();
    let value = json::read(&arena, text).map_err(|error| error.to_string())?;
    Ok(json::Writer::compact().to_string(value))
}
