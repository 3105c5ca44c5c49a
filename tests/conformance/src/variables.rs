//! The corpus `variables`: substitution in templates, `jmespath/variables.jsonl`.

use std::path::Path;

use anyhow::Result;
use portcullis_kyverno::substitute;
use portcullis_model::{Answers, Input, Operation, Run};
use portcullis_value::{Arena, Budget, Value, json};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::corpus::{Case, Corpus, Finding, read_json_lines};
use crate::jmespath::Documents;

pub(crate) const CORPUS: Corpus = Corpus { name: "variables", cases };

#[derive(Deserialize)]
struct Line {
    id: String,
    document: String,
    template: Option<Box<RawValue>>,
    expect: Box<RawValue>,
    quirk: Option<String>,
}

fn cases(root: &Path) -> Result<Vec<Case>> {
    let root = root.join("jmespath");
    let documents = Documents::read(&root)?;
    let mut cases = Vec::new();
    for file in ["variables", "panics"] {
        for line in read_json_lines::<Line>(&root.join(format!("{file}.jsonl")))? {
            let Line { id, document, template: Some(template), expect, quirk } = line else { continue };
            let document = documents.named(&document)?;
            cases.push(Case::new(id, file, move || {
                check(template.get(), document.get(), expect.get(), quirk.as_deref())
            }));
        }
    }
    Ok(cases)
}

fn check(template: &str, document: &str, expect: &str, quirk: Option<&str>) -> Finding {
    let arena = Arena::new();
    let read = |text| json::read(&arena, text).map_err(|error| error.to_string());
    let (template, document, expect) = (read(template)?, read(document)?, read(expect)?);
    let operation = document.path(&["request", "operation"]).and_then(Value::as_str);
    let input = Input {
        operation: operation.and_then(|operation| operation.parse().ok()).unwrap_or(Operation::Create),
        variables: document.with_float_numbers(&arena).as_object().unwrap_or_default(),
        object: None,
        ..Input::create(&arena, Value::Null)
    };
    let answers = Answers::new();
    let mut budget = Budget::default();
    let mut run = Run::new(&arena, &answers, &mut budget);
    let got = substitute(template.with_float_numbers(&arena), &input, &mut run);
    // A crash or a value that JSON cannot hold: any answer will do.
    if expect.get("panic").is_some() || expect.get("unserialisable").is_some() || quirk == Some("expref") {
        return Ok(());
    }
    match (expect.get("result"), got) {
        (Some(want), Ok(got)) if want == got => Ok(()),
        (None, Err(got)) if is_same_error(expect, &got) => Ok(()),
        (want, got) => {
            let want = want.or(expect.get("error")).unwrap_or_default();
            Err(match got {
                Ok(got) => format!("want {want}\ngot  {got}"),
                Err(got) => format!("want {want}\ngot error {got:?}"),
            })
        }
    }
}

/// Texts are compared for a missing key and for a function's own error; otherwise the frame alone, that is the part
/// before the reason (`failed to resolve EXPR at path PATH`).
fn is_same_error(expect: Value<'_>, got: &str) -> bool {
    let want = expect.get("error").and_then(Value::as_str).unwrap_or_default();
    if expect.get("kind") == Some(Value::String("missing_key")) || want.contains("JMESPath function '") {
        return want == got;
    }
    let frame = |text: &str| text.split(": ").next().unwrap_or_default().to_owned();
    !want.starts_with("failed to resolve ") || frame(want) == frame(got)
}
