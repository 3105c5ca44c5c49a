//! The corpus `jmespath`: expressions on documents, compared by value and by kind of error; and the public suite.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use portcullis_jmespath::{Context, Error, Expression};
use portcullis_value::{Arena, Budget, Value, json};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::corpus::{Case, Corpus, Finding, read_json_lines, read_text};

pub(crate) const CORPUS: Corpus = Corpus { name: "jmespath", cases };

/// The files of recorded expressions, each a class.
const FILES: &[&str] = &["functions", "expressions", "harvested", "panics"];

#[derive(Deserialize)]
struct Line {
    id: String,
    document: String,
    /// Absent where a template is substituted, which is another corpus.
    expression: Option<String>,
    expect: Want,
    quirk: Option<String>,
}

/// The recorded answer.
#[derive(Deserialize, Debug, Clone, Default)]
struct Want {
    #[serde(default, deserialize_with = "present")]
    result: Option<Box<RawValue>>,
    error: Option<String>,
    kind: Option<String>,
    panic: Option<String>,
    unserialisable: Option<String>,
}

/// A value that is there, be it null.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Box<RawValue>>, D::Error> {
    Box::<RawValue>::deserialize(deserializer).map(Some)
}

/// The documents that the lines of the corpus name.
pub(crate) struct Documents(BTreeMap<String, Arc<RawValue>>);

impl Documents {
    pub(crate) fn read(folder: &Path) -> Result<Self> {
        let documents: BTreeMap<String, Box<RawValue>> =
            serde_json::from_str(&read_text(&folder.join("documents.json"))?)?;
        Ok(Self(documents.into_iter().map(|(name, document)| (name, document.into())).collect()))
    }

    pub(crate) fn named(&self, name: &str) -> Result<Arc<RawValue>> {
        self.0.get(name).cloned().with_context(|| format!("no document `{name}`"))
    }
}

fn cases(root: &Path) -> Result<Vec<Case>> {
    let root = root.join("jmespath");
    let documents = Documents::read(&root)?;
    let mut cases = Vec::new();
    for file in FILES {
        for line in read_json_lines::<Line>(&root.join(format!("{file}.jsonl")))? {
            let Line { id, document, expression: Some(expression), expect, quirk } = line else { continue };
            let document = documents.named(&document)?;
            cases.push(Case::new(id, *file, move || {
                check(&expression, document.get(), &expect, quirk.as_deref())
            }));
        }
    }
    compliance(&root, &mut cases)?;
    Ok(cases)
}

fn check(source: &str, document: &str, want: &Want, quirk: Option<&str>) -> Finding {
    let arena = Arena::new();
    let answer = answer(&arena, source, document)?;
    match (&answer, quirk) {
        // These depend on an accident of the reference: any sane answer will do.
        (_, Some("expref" | "int-overflow" | "invalid-utf8")) => return Ok(()),
        // The reference has a list or number here that it does not take for one.
        (Ok(_), Some("items-list" | "go-int")) if want.result.is_none() => return Ok(()),
        (Ok(Value::Bool(true)), Some("items-list" | "go-int")) => return Ok(()),
        _ => {}
    }
    if want.panic.is_some() || want.unserialisable.is_some() {
        return Ok(());
    }
    match (&answer, &want.result) {
        (Ok(value), Some(result)) => {
            let result = json::read(&arena, result.get()).map_err(|error| error.to_string())?;
            if value.with_float_numbers(&arena) == result.with_float_numbers(&arena) {
                return Ok(());
            }
        }
        (Err((kind, message)), None) => {
            let error = want.error.as_deref().unwrap_or_default();
            let exact = *kind == "missing_key" || error.starts_with("JMESPath function '");
            if Some(*kind) == want.kind.as_deref() && (!exact || message == error) {
                return Ok(());
            }
        }
        _ => {}
    }
    Err(format!("`{source}` gives {answer:?}\nwant {want:?}"))
}

type Answer<'a> = Result<Value<'a>, (&'static str, String)>;

/// The value of `source` on `document`, or the kind and text of the error.
fn answer<'a>(arena: &'a Arena, source: &str, document: &str) -> Result<Answer<'a>, String> {
    let scratch = Arena::new();
    let root = json::read(&scratch, document).map_err(|error| error.to_string())?;
    // The recorded answers are of a decoder that makes a double of every number.
    let root = root.with_float_numbers(&scratch);
    let expression = match Expression::compile(source) {
        Ok(expression) => expression,
        Err(error) => return Ok(Err(("syntax", error.to_string()))),
    };
    let (mut budget, mut bits) = (Budget::default(), random_bits());
    // The time of the recorded answers: 2024-03-01T10:00:00Z.
    let now = 1_709_287_200_000_000_000;
    let mut context = Context { arena: &scratch, budget: &mut budget, now, random: &mut bits };
    let answer = expression.search(root, &mut context).map(|value| value.copy_to(arena));
    Ok(answer.map_err(|error| match &error {
        Error::MissingKey(_) => ("missing_key", error.to_string()),
        Error::Runtime(_) => ("runtime", error.to_string()),
        Error::Exhausted(_) => ("exhausted", error.to_string()),
    }))
}

/// A plain generator (splitmix64), the same in every run.
fn random_bits() -> impl FnMut() -> u64 {
    let mut state = 0_u64;
    move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb)
    }
}

/// A group of the public suite: cases on one document.
#[derive(Deserialize)]
struct Group {
    given: Box<RawValue>,
    cases: Vec<SuiteCase>,
}

#[derive(Deserialize)]
struct SuiteCase {
    expression: String,
    #[serde(default, deserialize_with = "present")]
    result: Option<Box<RawValue>>,
    error: Option<String>,
}

/// Where the dialect departs from the suite on purpose.
#[derive(Deserialize)]
struct Deviation {
    file: String,
    group: usize,
    case: usize,
    kyverno: Want,
}

fn compliance(root: &Path, cases: &mut Vec<Case>) -> Result<()> {
    let deviations: Vec<Deviation> = read_json_lines(&root.join("compliance-deviations.jsonl"))?;
    let mut files = Vec::new();
    for entry in std::fs::read_dir(root.join("compliance"))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.ends_with(".json") {
            files.push(name);
        }
    }
    files.sort();
    for file in files {
        let groups: Vec<Group> = serde_json::from_str(&read_text(&root.join("compliance").join(&file))?)?;
        for (group, Group { given, cases: suite }) in groups.into_iter().enumerate() {
            let given: Arc<RawValue> = given.into();
            for (case, SuiteCase { expression, result, error }) in suite.into_iter().enumerate() {
                // Cases with neither are benchmarks.
                if result.is_none() && error.is_none() {
                    continue;
                }
                let deviation = deviations
                    .iter()
                    .find(|one| (one.file.as_str(), one.group, one.case) == (file.as_str(), group, case));
                let given = Arc::clone(&given);
                let id = format!("{file}:{group}:{case}");
                let want = deviation.map(|one| one.kyverno.clone());
                cases.push(Case::new(id, "compliance", move || match want {
                    Some(want) => check(&expression, given.get(), &want, None),
                    None => check_suite(&expression, given.get(), result.as_deref(), error.as_deref()),
                }));
            }
        }
    }
    Ok(())
}

/// An error of the suite is an error, whenever it comes and whatever it says.
fn check_suite(source: &str, document: &str, result: Option<&RawValue>, error: Option<&str>) -> Finding {
    let arena = Arena::new();
    let answer = answer(&arena, source, document)?;
    match (&answer, result) {
        (Ok(value), Some(result)) => {
            let result = json::read(&arena, result.get()).map_err(|error| error.to_string())?;
            if value.with_float_numbers(&arena) == result.with_float_numbers(&arena) {
                return Ok(());
            }
        }
        (Err(_), None) => return Ok(()),
        _ => {}
    }
    Err(format!("`{source}` gives {answer:?}\nwant {result:?} or error {error:?}"))
}
