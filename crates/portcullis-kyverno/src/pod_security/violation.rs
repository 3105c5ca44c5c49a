//! A field that a standard forbids, or asks for.

use std::fmt;

use super::pod::Container;

/// A field of a Pod that breaks a standard.
#[derive(Debug)]
pub(super) struct Violation<'a> {
    /// As a Pod has it: `spec.containers[0].securityContext.privileged`.
    pub(super) field: String,
    /// The container that it is a field of: its name and image.
    pub(super) container: Option<(&'a str, &'a str)>,
    pub(super) problem: Problem<'a>,
}

/// What is wrong with the field.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Problem<'a> {
    /// It is not there.
    Required,
    /// It is there.
    Forbidden,
    /// It says what is forbidden.
    Value(Bad<'a>),
}

/// A forbidden value.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Bad<'a> {
    /// COMPAT(kyverno): a field that is not set, where that is told as if it were a value.
    Nil,
    Flag(bool),
    Number(i64),
    Text(&'a str),
    Texts(Vec<&'a str>),
}

impl<'a> Violation<'a> {
    /// Of the field `spec.{field}` of a Pod.
    pub(super) fn of_pod(field: fmt::Arguments<'_>, problem: impl Into<Problem<'a>>) -> Self {
        Self { field: format!("spec.{field}"), container: None, problem: problem.into() }
    }

    /// Of the annotation `key` of a Pod.
    pub(super) fn of_annotation(key: &str, value: &'a str) -> Self {
        Self { field: format!("metadata.annotations[{key}]"), container: None, problem: value.into() }
    }

    /// Of `field` of `container`.
    pub(super) fn of_container(
        container: &Container<'a>,
        field: fmt::Arguments<'_>,
        problem: impl Into<Problem<'a>>,
    ) -> Self {
        Self {
            field: format!("spec.{}[{}].{field}", container.list, container.index),
            container: Some((container.name, container.image)),
            problem: problem.into(),
        }
    }
}

impl From<bool> for Problem<'_> {
    fn from(value: bool) -> Self {
        Problem::Value(Bad::Flag(value))
    }
}

impl From<i64> for Problem<'_> {
    fn from(value: i64) -> Self {
        Problem::Value(Bad::Number(value))
    }
}

/// COMPAT(kyverno): an empty text is no value.
impl<'a> From<&'a str> for Problem<'a> {
    fn from(value: &'a str) -> Self {
        if value.is_empty() { Problem::Forbidden } else { Problem::Value(Bad::Text(value)) }
    }
}

impl<'a> From<Vec<&'a str>> for Problem<'a> {
    fn from(values: Vec<&'a str>) -> Self {
        Problem::Value(Bad::Texts(values))
    }
}

/// As Go prints the value with `%+v`.
impl fmt::Display for Bad<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Bad::Nil => f.write_str("nil"),
            Bad::Flag(value) => write!(f, "{value}"),
            Bad::Number(value) => write!(f, "{value}"),
            Bad::Text(text) => f.write_str(text),
            Bad::Texts(texts) => write!(f, "[{}]", texts.join(" ")),
        }
    }
}
