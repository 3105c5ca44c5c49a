//! The JobRetention objects in files, for a Job that is explained without a cluster.

use std::convert::Infallible;

use anyhow::{Result, bail};
use portcullis_model::{Diagnostic, Gvk, Severity, closest};
use portcullis_retention::retention::{API_VERSION, JobRetention, KIND, is_job_retention};
use portcullis_value::{Arena, Pointer, Value};
use portcullis_yaml::Source;

use crate::diagnostics::Reporter;
use crate::exit::hinted;
use crate::offline::documents;
use crate::offline::inputs::Inputs;
use crate::surroundings::Surroundings;

/// The objects in files and folders.
///
/// # Errors
/// One cannot be used, or a file has none: what would be said without it is not what was asked. The mistakes are told.
pub(super) fn read(paths: &[String], surroundings: &mut Surroundings<'_>) -> Result<Vec<JobRetention>> {
    let found = Inputs::find(paths, true, surroundings);
    let (mut retentions, mut errors) = (Vec::new(), found.errors);
    for mut input in found.inputs {
        let (name, is_named) = (input.name.clone(), input.is_named);
        let mut file = InFile::default();
        let told = documents::each(&mut input, &mut surroundings.stderr, |source, stderr| {
            let mut reporter = Reporter::new(&name, stderr);
            file.document(source, &mut reporter);
            Ok::<_, Infallible>(reporter.errors())
        });
        let mut told = told.unwrap_or_else(|never| match never {});
        if is_named && told == 0 && file.retentions.is_empty() {
            let hint = file.stranger.map(|kind| format!("it holds the resource `{kind}`"));
            let mut reporter = Reporter::new(&name, &mut surroundings.stderr);
            reporter.whole(Severity::Error, "there is no JobRetention in this file", hint.as_deref());
            told = 1;
        }
        errors += told;
        retentions.append(&mut file.retentions);
    }
    match errors {
        0 if retentions.is_empty() && !paths.is_empty() => {
            let hint = format!("an object has `apiVersion: {API_VERSION}` and `kind: {KIND}`");
            Err(hinted("what `--retentions` names holds no JobRetention".to_owned(), Some(hint)))
        }
        0 => Ok(retentions),
        _ => bail!("not all that `--retentions` names can be used"),
    }
}

/// What was found in a file.
#[derive(Default)]
struct InFile {
    retentions: Vec<JobRetention>,
    /// The kind of the first object that is another.
    stranger: Option<String>,
}

impl InFile {
    /// Takes the objects of a document; other kinds that may lie beside them are passed over.
    fn document(&mut self, source: Source<'_>, reporter: &mut Reporter<'_, '_>) {
        let arena = Arena::new();
        let document = match source.read_marked(&arena) {
            Ok(document) => document,
            Err(error) => return reporter.syntax(source, &error),
        };
        let told = documents::objects(&arena, document.value, &mut |object, place| {
            let marks = documents::marks_at(document.marks, place);
            let mistakes = match is_job_retention(object) {
                true => match JobRetention::read(object) {
                    Ok(retention) => {
                        self.retentions.push(retention);
                        Vec::new()
                    }
                    Err(mistakes) => mistakes,
                },
                false => misspelt(object).into_iter().collect(),
            };
            mistakes.iter().for_each(|mistake| reporter.diagnostic(source, &marks, mistake));
            let kind = Gvk::of(object).to_string();
            if self.stranger.is_none() && !is_job_retention(object) && !kind.is_empty() {
                self.stranger = Some(kind);
            }
            Ok::<_, Infallible>(())
        });
        told.unwrap_or_else(|never| match never {});
    }
}

/// What is wrong with the type of an object that is probably meant to be a JobRetention.
fn misspelt(object: Value<'_>) -> Option<Diagnostic> {
    let gvk = Gvk::of(object);
    let at = |key| -> Pointer { [key].into_iter().collect() };
    let group = API_VERSION.split('/').next().unwrap_or_default();
    if gvk.kind == KIND {
        let version = object.get("apiVersion").and_then(Value::as_str).unwrap_or_default();
        let mistake = Diagnostic::error(at("apiVersion"), format!("`{KIND}` has no version `{version}`"));
        return Some(mistake.with_hint(format!("it is `{API_VERSION}`")));
    }
    let is_near = closest(gvk.kind, [KIND]).is_some();
    (is_near || gvk.group == group).then(|| {
        let message = format!("expected a {KIND}, found a `{}`", gvk.kind);
        Diagnostic::error(at("kind"), message).with_hint(format!("did you mean `{KIND}`?"))
    })
}
