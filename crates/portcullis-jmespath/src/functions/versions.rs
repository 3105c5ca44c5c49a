//! Functions of semantic versions.

use portcullis_gocompat::semver::{Range, Version};
use portcullis_value::Value;

use super::{Arguments, Function, STRING, Type};
use crate::error::Failure;
use crate::evaluate::{Evaluated, Evaluator};

pub(super) const FUNCTIONS: &[Function] = &[Function {
    name: "semver_compare",
    parameters: &[STRING, STRING],
    returns: Type::Bool,
    doc: "Whether a version is in a range of versions; what is no version counts as 0.0.0.",
    example: ("semver_compare('1.4.1', '>=1.2.0 <2.0.0')", "true"),
    call: semver_compare,
}];

/// COMPAT(kyverno): a version that cannot be read is 0.0.0, `v1.2.3` and `1.0` among them.
fn semver_compare<'a>(evaluator: &mut Evaluator<'a, '_, '_>, arguments: Arguments<'a, '_>) -> Evaluated<'a> {
    let (version, range) = (arguments.string(0)?, arguments.string(1)?);
    evaluator.scan(version)?;
    evaluator.steps(range.len())?;
    let version = Version::parse(version).unwrap_or_default();
    let range = Range::parse(range).map_err(|error| Failure::runtime(error.to_string()))?;
    Ok(Value::Bool(range.contains(&version)))
}
