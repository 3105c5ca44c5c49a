//! PolicyExceptions, loaded and checked.

use std::convert::Infallible;
use std::sync::Arc;

use anyhow::bail;
use portcullis_kyverno::{Findings, PolicyException};
use portcullis_model::{Diagnostic, Gvk};
use portcullis_value::{Arena, Pointer};
use portcullis_yaml::Source;

use super::documents;
use super::inputs::Inputs;
use crate::diagnostics::Reporter;
use crate::surroundings::Surroundings;

/// What files are read for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Files {
    /// Exceptions alone: anything else is a mistake.
    OfExceptions,
    /// Something else, among which exceptions may stand.
    OfOthers,
}

/// Reads the exceptions in the files that `paths` name.
///
/// Exceptions to policies in CEL are passed over: such policies are not run yet.
///
/// # Errors
/// Something cannot be used; the mistakes are told. What would be judged without it is not what was meant.
pub(crate) fn read(
    paths: &[String],
    files: Files,
    surroundings: &mut Surroundings<'_>,
) -> anyhow::Result<Vec<Arc<PolicyException>>> {
    let mut exceptions = Vec::new();
    let mut found = Inputs::find(paths, true, surroundings);
    let mut errors = found.errors;
    for input in &mut found.inputs {
        let name = input.name.clone();
        let told = documents::each(input, &mut surroundings.stderr, |source, stderr| {
            let mut reporter = Reporter::new(&name, stderr);
            document(source, files, &mut reporter, &mut exceptions);
            Ok::<_, Infallible>(reporter.errors())
        });
        errors += told.unwrap_or_default();
    }
    match errors {
        0 => Ok(exceptions),
        _ => bail!("not all exceptions can be used"),
    }
}

fn document(
    source: Source<'_>,
    files: Files,
    reporter: &mut Reporter<'_, '_>,
    exceptions: &mut Vec<Arc<PolicyException>>,
) {
    let arena = Arena::new();
    let document = match source.read_marked(&arena) {
        Ok(document) => document,
        // Whoever reads the file for what else is in it tells.
        Err(_) if files == Files::OfOthers => return,
        Err(error) => return reporter.syntax(source, &error),
    };
    let told = documents::objects(&arena, document.value, &mut |object, place| {
        let gvk = Gvk::of(object);
        let marks = documents::marks_at(document.marks, place);
        match (gvk.group, gvk.kind) {
            ("kyverno.io", "PolicyException") => {
                let found = Findings::of_exception(object).without_admission().into_diagnostics();
                found.iter().for_each(|diagnostic| reporter.diagnostic(source, &marks, diagnostic));
                exceptions.push(Arc::new(PolicyException::compile(object)));
            }
            ("policies.kyverno.io", "PolicyException") => {}
            _ if files == Files::OfOthers || object.is_null() => {}
            (_, kind) => {
                let path: Pointer = ["kind"].into_iter().collect();
                let mistake =
                    Diagnostic::error(path, format!("expected a PolicyException, found a `{kind}`"));
                reporter.diagnostic(source, &marks, &mistake);
            }
        }
        Ok::<_, Infallible>(())
    });
    told.unwrap_or_else(|never| match never {});
}
