//! The corpus `kyverno-core`: patterns, anchors, operators, wildcards, selectors and kinds, one question a line.
//!
//! Answers are compared whole, but for the text of errors.

use std::path::Path;

use anyhow::Result;
use portcullis_gocompat::wildcard;
use portcullis_kyverno::condition::{self, Operator, OperatorError};
use portcullis_kyverno::kind::KindSelector;
use portcullis_kyverno::pattern::{Pattern, Verdict, scalar};
use portcullis_kyverno::selector::LabelSelector;
use portcullis_model::{Answers, Gvk, Input, Numbers, Run};
use portcullis_value::{Arena, Budget, Value, json};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::corpus::{Case, Corpus, Finding, read_json_lines};

pub(crate) const CORPUS: Corpus = Corpus { name: "kyverno-core", cases };

const FILES: &[&str] = &["anchors", "kinds", "operators", "panics", "patterns", "wildcards"];

#[derive(Deserialize)]
struct Head {
    id: String,
    #[serde(rename = "type")]
    kind: String,
}

fn cases(root: &Path) -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for file in FILES {
        let lines: Vec<Box<RawValue>> = read_json_lines(&root.join(format!("kyverno-core/{file}.jsonl")))?;
        for line in lines {
            let Head { id, kind } = serde_json::from_str(line.get())?;
            let class = if *file == "panics" { "panics".to_owned() } else { kind.clone() };
            cases.push(Case::new(id, class, move || check(&kind, line.get())));
        }
    }
    Ok(cases)
}

/// A line of a file. Its numbers are as they were written, so that `1` is an integer and `1.0` is none.
#[derive(Clone, Copy)]
struct Question<'a>(Value<'a>);

impl<'a> Question<'a> {
    fn value(self, key: &str) -> Value<'a> {
        self.0.get(key).unwrap_or_default()
    }

    fn text(self, key: &str) -> &'a str {
        self.value(key).as_str().unwrap_or_default()
    }

    fn is_true(self, key: &str) -> bool {
        self.value(key) == Value::Bool(true)
    }

    fn wanted(self) -> Value<'a> {
        self.value("expect")
    }
}

fn check(kind: &str, line: &str) -> Finding {
    let arena = Arena::new();
    let question = Question(json::read(&arena, line).map_err(|error| error.to_string())?);
    if question.0.get("panic").is_some() {
        return survives(question);
    }
    let answer = match kind {
        "scalar" => matched(&arena, scalar_matches(question)?),
        "tree" => verdict(&arena, question)?,
        "pair" => results(&arena, question),
        "wildcard" => matched(&arena, wildcard::matches(question.text("pattern"), question.text("text"))),
        "selector" => return selects(&arena, question),
        "conditions" => return concludes(&arena, question),
        "kind-parse" => kind_parts(&arena, question.text("kind")),
        "kind-match" => matched(&arena, kind_matches(question)),
        other => return Err(format!("no answer to questions of type `{other}`")),
    };
    let wanted = question.wanted();
    if answer == wanted {
        Ok(())
    } else {
        Err(format!("differs\nwant: {wanted}\ngot:  {answer}\nof:   {line}"))
    }
}

fn object<'a>(arena: &'a Arena, entries: impl IntoIterator<Item = (&'a str, Value<'a>)>) -> Value<'a> {
    arena.object(&mut entries.into_iter().collect())
}

fn matched(arena: &Arena, matched: bool) -> Value<'_> {
    object(arena, [("match", Value::Bool(matched))])
}

fn scalar_matches(question: Question<'_>) -> Result<bool, String> {
    let (value, pattern) = (question.value("value"), question.value("pattern"));
    scalar::matches(value, pattern, Numbers::AsWritten, &mut Budget::default())
        .map_err(|error| error.to_string())
}

fn verdict<'a>(arena: &'a Arena, question: Question<'_>) -> Result<Value<'a>, String> {
    let mut budget = Budget::default();
    let verdict = Pattern::compile(question.value("pattern"), &mut budget)
        .and_then(|pattern| pattern.check(question.value("resource"), Numbers::AsWritten, &mut budget))
        .map_err(|error| error.to_string())?;
    let mut entries = vec![];
    let (status, path, message) = match &verdict {
        Verdict::Pass => ("pass", None, None),
        Verdict::Skip { message } => ("skip", None, Some(message)),
        Verdict::Fail { path, message } => ("fail", Some(path), Some(message)),
        Verdict::Error { message } => ("error", None, Some(message)),
    };
    entries.push(("status", Value::String(status)));
    entries.extend(path.map(|path| ("path", arena.string(path))));
    entries.extend(message.map(|message| ("message", arena.string(message))));
    Ok(object(arena, entries))
}

fn evaluate(question: Question<'_>, name: &str) -> Option<Result<bool, OperatorError>> {
    let (key, value) = (question.value("key"), question.value("value"));
    Some(Operator::parse(name)?.evaluate(key, value, &mut Budget::default()))
}

/// The results of the operators that have a recorded one: those that crash the reference have none.
fn results<'a>(arena: &'a Arena, question: Question<'a>) -> Value<'a> {
    let asked = question.wanted().get("results").and_then(Value::as_object).unwrap_or_default();
    let result = |name| match evaluate(question, name) {
        None => Value::String("unknown"),
        Some(Ok(result)) => Value::Bool(result),
        Some(Err(error)) => arena.string(&error.to_string()),
    };
    object(arena, [("results", object(arena, asked.keys().map(|name| (name, result(name)))))])
}

/// Where the reference crashes there is an error, and nowhere else.
fn survives(question: Question<'_>) -> Finding {
    let crashing = question.value("operators");
    for name in crashing.as_array().unwrap_or_default().iter().filter_map(|name| name.as_str()) {
        match evaluate(question, name) {
            Some(Err(OperatorError::ItemIsNoString)) => {}
            other => return Err(format!("`{name}` gives {other:?}")),
        }
    }
    Ok(())
}

/// Conditions over the data that their variables read. An error is compared by its presence alone.
fn concludes<'a>(arena: &'a Arena, question: Question<'a>) -> Finding {
    let input = Input {
        variables: question.0.get("context").and_then(Value::as_object).unwrap_or_default(),
        object: None,
        ..Input::create(arena, Value::Null)
    };
    let (answers, mut budget) = (Answers::new(), Budget::default());
    let mut run = Run::new(arena, &answers, &mut budget);
    let wanted = question.wanted();
    match condition::evaluate(question.value("conditions"), &input, Numbers::AsWritten, &mut run) {
        Ok((holds, message)) => {
            let got = object(arena, [("result", Value::Bool(holds)), ("message", arena.string(&message))]);
            if got == wanted { Ok(()) } else { Err(format!("differs\nwant: {wanted}\ngot:  {got}")) }
        }
        Err(_) if wanted.get("error").is_some() => Ok(()),
        Err(error) => Err(format!("differs\nwant: {wanted}\ngot:  {error}")),
    }
}

/// An invalid selector is an error, whatever its text.
fn selects(arena: &Arena, question: Question<'_>) -> Finding {
    let labels = question.value("labels").as_object().unwrap_or_default();
    let got =
        LabelSelector::compile(question.value("selector")).and_then(|selector| selector.matches(labels));
    let wanted = question.wanted();
    match &got {
        Ok(got) if wanted == matched(arena, *got) => Ok(()),
        Err(_) if wanted.get("error").is_some() => Ok(()),
        _ => Err(format!("differs\nwant: {wanted}\ngot:  {got:?}")),
    }
}

fn kind_parts<'a>(arena: &'a Arena, kind: &str) -> Value<'a> {
    let selector = KindSelector::parse(kind);
    object(
        arena,
        [
            ("group", arena.string(&selector.group)),
            ("version", arena.string(&selector.version)),
            ("kind", arena.string(&selector.kind)),
            ("subresource", arena.string(&selector.subresource)),
        ],
    )
}

fn kind_matches(question: Question<'_>) -> bool {
    let gvk = Question(question.value("gvk"));
    let gvk = Gvk { group: gvk.text("group"), version: gvk.text("version"), kind: gvk.text("kind") };
    let kinds = question.value("kinds");
    kinds.as_array().unwrap_or_default().iter().filter_map(|kind| kind.as_str()).any(|kind| {
        let ephemeral_containers = question.is_true("allowEphemeralContainers");
        KindSelector::parse(kind).matches(gvk, question.text("subresource"), ephemeral_containers)
    })
}
