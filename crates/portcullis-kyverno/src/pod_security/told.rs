//! What is told of the checks that a Pod fails: the message, the explanation, the properties of a report.

use std::collections::HashSet;
use std::fmt::{self, Write as _};

use portcullis_gocompat::image::Reference;
use portcullis_value::{Value, json};

use super::violation::{Bad, Problem, Violation};
use super::{Failure, Place, PodSecurity};

/// Of the fields that fail one check, so many are explained.
const EXPLAINED: usize = 3;

impl PodSecurity {
    /// The message of a failed rule, in the reference's words.
    pub(super) fn message(&self, rule: &str, failures: &[Failure<'_>], place: Place) -> String {
        let (level, version) = (self.level.as_str(), &self.written_version);
        let mut message =
            format!("Validation rule '{rule}' failed. It violates PodSecurity \"{level}:{version}\": ");
        for Failure { check, violations } in failures {
            let _ = write!(message, "(Forbidden reason: {}, field error list: [", check.reason);
            // COMPAT(kyverno): this check has no list of fields.
            let violations = if check.control.is_empty() { &[] } else { violations.as_slice() };
            for (index, violation) in violations.iter().enumerate() {
                let comma = if index == 0 { "" } else { ", " };
                let field = quoted_field(&violation.field, place);
                let _ = match &violation.problem {
                    Problem::Value(bad) => {
                        write!(message, "{comma}{field} is forbidden, forbidden values found: {bad}")
                    }
                    Problem::Forbidden => write!(message, "{comma}{field}: Forbidden"),
                    Problem::Required => write!(message, "{comma}{field}: Required value"),
                };
            }
            message.push_str("])");
        }
        message
    }

    /// What a report says of the failure beside its message.
    pub(super) fn properties(&self, failures: &[Failure<'_>]) -> Vec<(&'static str, String)> {
        let ids: Vec<_> = failures.iter().map(|failure| failure.check.id).collect();
        let controls: Vec<_> = failures.iter().map(control_json).collect();
        vec![
            ("controls", ids.join(",")),
            ("controlsJSON", format!("[{}]", controls.join(","))),
            ("standard", self.level.as_str().to_owned()),
            ("version", self.written_version.to_string()),
        ]
    }
}

/// A field as the reference's messages have it.
///
/// COMPAT(kyverno): every `spec` in it is replaced by its place in the object, every `metadata` by that of a template.
fn quoted_field(field: &str, place: Place) -> String {
    field.replace("spec", place.spec).replace("metadata", "spec.template.metadata")
}

/// A check with the images of the containers that fail it.
fn control_json(failure: &Failure<'_>) -> String {
    let mut seen = HashSet::new();
    let containers = failure.violations.iter().filter_map(|violation| violation.container);
    let quote = |text: &str| json::Writer::compact().escape_html().to_string(Value::String(text));
    let image = |(_, image): (&str, &str)| match Reference::parse(image) {
        Ok(reference) => quote(&reference.reference()),
        Err(_) => quote(image),
    };
    let images: Vec<_> = containers.filter(|container| seen.insert(*container)).map(image).collect();
    let (id, name) = (failure.check.id, failure.check.control);
    format!(r#"{{"ID":"{id}","Name":"{name}","Images":[{}]}}"#, images.join(","))
}

/// A line for each check, under a heading where there are several: its control, what a Pod has, and what it may have.
pub(super) fn explanation(failures: &[Failure<'_>], place: Place) -> String {
    let line = |failure: &Failure<'_>| {
        let check = failure.check;
        let name = if check.control.is_empty() { check.id } else { check.control };
        let found = found(failure, place);
        format!("{name}: {found}; {} asks for {}", check.level.as_str(), check.asks_for)
    };
    let lines: Vec<_> = failures.iter().map(line).collect();
    match lines.as_slice() {
        [line] => line.clone(),
        _ => format!("{} checks fail:\n{}", lines.len(), lines.join("\n")),
    }
}

/// What a Pod has that fails a check, the first of it.
pub(super) fn found(failure: &Failure<'_>, place: Place) -> String {
    let found = failure.violations.iter().take(EXPLAINED);
    let mut found: Vec<_> = found.map(|violation| Found { violation, place }.to_string()).collect();
    match failure.violations.len().saturating_sub(EXPLAINED) {
        0 => {}
        more => found.push(format!("{more} more")),
    }
    found.join(", ")
}

/// A violation in words of our own.
struct Found<'f, 'a> {
    violation: &'f Violation<'a>,
    place: Place,
}

impl fmt::Display for Found<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.place.field(&self.violation.field))?;
        if let Some((name, _)) = self.violation.container {
            write!(f, " (container `{name}`)")?;
        }
        match &self.violation.problem {
            Problem::Forbidden => f.write_str(" is set"),
            Problem::Required | Problem::Value(Bad::Nil) => f.write_str(" is not set"),
            Problem::Value(bad) => write!(f, " is {bad}"),
        }
    }
}
