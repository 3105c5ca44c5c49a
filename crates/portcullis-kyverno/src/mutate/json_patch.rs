//! `patchesJson6902`: a JSON Patch written as JSON or YAML.

use portcullis_patch::json6902::{Options, Patch};
use portcullis_value::json::{self, Writer};
use portcullis_value::{Arena, Budget, Value};

use super::{Error, Outcome, patched};

/// `resource` with the operations of `text` applied. A text that begins with `[` is JSON, any other YAML.
///
/// # Errors
/// An empty text, one that is no patch, an operation that does not apply, and an exhausted `budget`. Nothing is
/// applied then.
pub fn json_patch<'a>(
    arena: &'a Arena,
    resource: Value<'a>,
    text: &'a str,
    budget: &mut Budget<'_>,
) -> Result<Outcome<'a>, Error> {
    if text.is_empty() {
        return Err(Error::Empty);
    }
    let patch = Patch::parse(read(arena, text)?).map_err(|error| Error::Decode(error.to_string()))?;
    let after = patch.apply(arena, resource, Options::LENIENT, budget)?;
    if after == resource { Ok(Outcome::Unchanged) } else { patched(after) }
}

fn read<'a>(arena: &'a Arena, text: &'a str) -> Result<Value<'a>, Error> {
    let text = if text.starts_with('[') {
        text
    } else {
        let value = portcullis_yaml::read(arena, text).map_err(|error| Error::Yaml(error.to_string()))?;
        // As the reference does: a number has the text that JSON gives it, which is what `test` compares.
        Writer::compact().to_arena(arena, value)
    };
    json::read(arena, text).map_err(|_| Error::Decode("invalid state detected".to_owned()))
}
