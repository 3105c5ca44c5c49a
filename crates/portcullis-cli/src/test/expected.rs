//! Files with the objects that a row expects.

use std::collections::BTreeMap;

use portcullis_model::Resource;
use portcullis_value::{Arena, OwnedValue};

use super::compare;
use crate::offline::inputs::Inputs;
use crate::offline::resources::{self, Scopes};
use crate::surroundings::Surroundings;

/// The objects of files that were asked for, by path.
#[derive(Debug, Default)]
pub(crate) struct ExpectedObjects {
    files: BTreeMap<String, File>,
}

/// What a file holds, and whether all of it could be read.
#[derive(Debug)]
struct File {
    objects: Vec<OwnedValue>,
    is_whole: bool,
}

/// Why an object is not the expected one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mismatch {
    /// No file holds one of its name.
    NotThere,
    /// A file that may hold it cannot be read.
    Unreadable,
    Different,
}

impl ExpectedObjects {
    /// Compares `actual` with the objects of its name in the files at `paths`. One that is equal is enough; where there
    /// is no file, nothing is expected.
    ///
    /// # Errors
    /// None is equal.
    pub(crate) fn compare(
        &mut self,
        paths: &[String],
        actual: Resource<'_>,
        scopes: &Scopes,
        surroundings: &mut Surroundings<'_>,
    ) -> Result<(), Mismatch> {
        let mut outcome = if paths.is_empty() { Ok(()) } else { Err(Mismatch::NotThere) };
        for path in paths {
            let expected = self.files.entry(path.clone()).or_insert_with(|| {
                let mut inputs = Inputs::find(&[path.to_owned()], false, surroundings);
                let (objects, errors) =
                    resources::read_all(&mut inputs.inputs, scopes, &mut surroundings.stderr);
                File { objects, is_whole: errors + inputs.errors == 0 }
            });
            let scratch = Arena::new();
            // What a rule generates may leave out the namespace that a file is read with.
            let actual = Resource(scopes.complete(&scratch, actual.0));
            let mut objects = expected.objects.iter().map(|expected| Resource(expected.borrow(&scratch)));
            match objects.find(|expected| identity(*expected) == identity(actual)) {
                Some(expected) if compare::is_expected(&scratch, actual.0, expected.0) => return Ok(()),
                Some(_) => outcome = Err(Mismatch::Different),
                None if !expected.is_whole => outcome = Err(Mismatch::Unreadable),
                None => {}
            }
        }
        outcome
    }
}

/// What makes a resource this one: group, version, kind, namespace and name.
pub(crate) fn identity<'a>(resource: Resource<'a>) -> (&'a str, &'a str, &'a str, &'a str, &'a str) {
    let gvk = resource.gvk();
    (gvk.group, gvk.version, gvk.kind, resource.namespace(), resource.name())
}
