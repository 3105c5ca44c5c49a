//! The schema of a policy document: which fields there are, what they hold, and what they mean.
//!
//! Every field stands once, in the table of the struct that has it, and serves three readers:
//! - [`check`] finds what a document has that its schema does not know, and what is of a wrong type;
//! - [`crate::crds`] tells an API server and `kubectl explain` the same;
//! - `checks::quote` prints a rule as the reference's Go types do. That is why the fields of a table stand in the order
//!   of `api/kyverno`, and why a field says when Go prints it.

mod check;
mod conditions;
mod context;
mod exception;
mod generate;
mod images;
mod mutate;
mod policy;
mod selection;
mod validate;

pub(crate) use check::check;
pub(crate) use conditions::{ANY_ALL, CONDITION_LIST};
pub(crate) use exception::{EXCEPTION, EXCEPTION_SPEC};
pub(crate) use images::VERIFY_IMAGE;
pub(crate) use mutate::MUTATE_FOREACH;
pub(crate) use policy::{POLICY, RULE, SPEC};
pub(crate) use selection::LABEL_SELECTOR;
pub(crate) use validate::VALIDATE_FOREACH;

/// The generations of the API, which differ in some fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    /// `kyverno.io/v1`.
    V1,
    /// `kyverno.io/v2beta1` and `v2`, without the forms that are deprecated in `v1`.
    V2,
}

/// What a node may be.
#[derive(Debug)]
pub(crate) enum Shape {
    /// Anything at all.
    Any,
    /// Conditions, a list or a map of `any` and `all`: the CRD takes anything.
    Conditions,
    /// A shape that the CRD leaves open, so that anything is taken.
    Undeclared(&'static Shape),
    /// What the engine copies from a place that has this shape in `v1`, and is described there.
    Copied(&'static Shape),
    Text,
    Flag,
    Integer,
    /// One of these texts.
    Enum(&'static [&'static str]),
    List(&'static Shape),
    /// A map with any keys.
    Map(&'static Shape),
    /// A map with these keys.
    Fields(&'static [Field]),
    /// A map with these keys and any others.
    Open(&'static [Field]),
    /// A list or map that server-side apply replaces as a whole.
    Atomic(&'static Shape),
    /// A shape of which more is asked.
    With(&'static Shape, &'static [Demand]),
}

/// What is asked of a value beyond its shape.
#[derive(Debug)]
pub(crate) enum Demand {
    /// At most one of these keys.
    NotTogether(&'static [&'static str]),
    /// One of these keys.
    ExactlyOne(&'static [&'static str]),
    /// No fewer characters than this.
    Shortest(usize),
    /// No more characters than this.
    Longest(usize),
    /// No number below this.
    AtLeast(i64),
    /// A match of this regular expression.
    Match(&'static str),
    /// The format of OpenAPI that the value has.
    Format(&'static str),
}

/// One key of a map.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) shape: &'static Shape,
    /// What it is for, in whole sentences: users read it in `kubectl explain`.
    pub(crate) doc: &'static str,
    pub(crate) is_required: bool,
    pub(crate) printed: Printed,
    /// The only version that has it.
    only: Option<Version>,
}

/// When Go prints a field.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Printed {
    /// As is usual: a required field always, one of fields or of any value when it is given, another when it is not
    /// empty.
    Usual,
    /// When it is given, be it empty: a pointer.
    Given,
    /// Always, though it is not required: a struct, or a field without `omitempty`.
    Always,
    /// Always, as this JSON when it is not given: the reference's CRD has a default, which ours has not.
    Default(&'static str),
}

const fn field(name: &'static str, shape: &'static Shape, doc: &'static str) -> Field {
    Field { name, shape, doc, is_required: false, printed: Printed::Usual, only: None }
}

impl Field {
    const fn required(self) -> Field {
        Field { is_required: true, ..self }
    }

    const fn only(self, version: Version) -> Field {
        Field { only: Some(version), ..self }
    }

    /// A pointer in Go, to something that has an empty value.
    const fn pointer(self) -> Field {
        Field { printed: Printed::Given, ..self }
    }

    const fn always(self) -> Field {
        Field { printed: Printed::Always, ..self }
    }

    /// `json` is what stands for the field when it is not given.
    const fn default(self, json: &'static str) -> Field {
        Field { printed: Printed::Default(json), ..self }
    }

    pub(crate) fn is_in(&self, version: Version) -> bool {
        self.only.is_none_or(|only| only == version)
    }
}

static TEXTS: Shape = Shape::List(&Shape::Text);
/// Annotations, labels and the like.
static TEXT_MAP: Shape = Shape::Map(&Shape::Text);
static INT32: Shape = Shape::With(&Shape::Integer, &[Demand::Format("int32")]);

#[cfg(test)]
mod tests;
