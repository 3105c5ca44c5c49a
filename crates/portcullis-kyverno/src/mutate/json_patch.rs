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
    if is_equal(after, resource) { Ok(Outcome::Unchanged) } else { patched(after) }
}

/// Whether the two are equal, without a look into what a patch has left alone.
fn is_equal(after: Value<'_>, before: Value<'_>) -> bool {
    match (after, before) {
        _ if after.is_same(before) => true,
        (Value::Array(after), Value::Array(before)) => {
            after.len() == before.len()
                && after.iter().zip(before).all(|(after, before)| is_equal(*after, *before))
        }
        (Value::Object(after), Value::Object(before)) => {
            let is_same_entry = |((key, after), (other, before))| key == other && is_equal(after, before);
            after.len() == before.len() && after.iter().zip(before.iter()).all(is_same_entry)
        }
        _ => false,
    }
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
