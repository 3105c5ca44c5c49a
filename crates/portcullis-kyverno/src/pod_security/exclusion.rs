//! `exclude`: what a Pod may do although a standard forbids it.

use std::borrow::Cow;

use portcullis_gocompat::wildcard::Wildcard;
use portcullis_value::{Budget, Exhausted, Value};

use super::Failure;
use super::control::Control;
use super::pod::{Container, Pod};
use super::standard::Version;
use super::violation::{Bad, Problem, Violation};

/// One exclusion, compiled.
#[derive(Debug)]
pub(crate) struct Exclusion {
    control: &'static str,
    /// Without any, the exclusion is for the Pod itself.
    images: Box<[Wildcard]>,
    /// The one field that is excluded, with `*` for each index; empty for all fields of the control.
    field: Box<str>,
    /// The values that the field may have; without any, it may have all.
    values: Box<[Wildcard]>,
}

impl Exclusion {
    /// Compiles an entry of `exclude`. `None` where it names no control.
    pub(super) fn compile(entry: Value<'_>) -> Option<Self> {
        let text = |key: &str| entry.get(key).and_then(Value::as_str).unwrap_or_default();
        let wildcards = |key: &str| {
            let texts = entry.get(key).and_then(Value::as_array).unwrap_or_default();
            texts.iter().filter_map(|text| text.as_str()).map(Wildcard::new).collect()
        };
        Some(Self {
            control: Control::named(text("controlName"))?.name,
            images: wildcards("images"),
            field: text("restrictedField").into(),
            values: wildcards("values"),
        })
    }

    /// Takes what it excludes out of `failures` of `pod`.
    ///
    /// As in the reference, what is excluded is what a sample of the Pod would fail by: with images, the containers that have
    /// them; without, the Pod with one empty container. Each violation of the sample excuses the first one like it.
    ///
    /// # Errors
    /// Looking for them takes too long.
    pub(super) fn apply<'a>(
        &self,
        pod: &Pod<'a>,
        version: Version,
        failures: &mut Vec<Failure<'a>>,
        budget: &mut Budget<'_>,
    ) -> Result<(), Exhausted> {
        let sample = self.sample(pod, budget)?;
        let mut excuses = Vec::new();
        for Failure { check, violations } in failures.iter_mut() {
            if check.control != self.control {
                continue;
            }
            excuses.clear();
            (check.judge)(&sample, version, &mut excuses);
            for excuse in &excuses {
                if !self.covers(excuse, budget)? {
                    continue;
                }
                budget.steps(violations.len() as u64)?;
                if let Some(index) = violations.iter().position(|violation| self.are_alike(violation, excuse))
                {
                    violations.swap_remove(index);
                }
            }
        }
        failures.retain(|failure| !failure.violations.is_empty());
        Ok(())
    }

    fn sample<'a>(&self, pod: &Pod<'a>, budget: &mut Budget<'_>) -> Result<Pod<'a>, Exhausted> {
        if self.images.is_empty() {
            let container = Container { list: "containers", name: "fake", ..Container::default() };
            return Ok(Pod { containers: vec![container], ..pod.clone() });
        }
        let mut sample = Pod::default();
        for container in &pod.containers {
            if matches_any(&self.images, container.image, budget)? {
                sample.containers.push(container.clone());
            }
        }
        Ok(sample)
    }

    /// Whether a violation of the sample is of the excluded field, and has excluded values alone.
    fn covers(&self, violation: &Violation<'_>, budget: &mut Budget<'_>) -> Result<bool, Exhausted> {
        if !self.field.is_empty() && !without_indexes(&violation.field).eq(self.field.bytes()) {
            return Ok(false);
        }
        let Problem::Value(bad) = &violation.problem else { return Ok(true) };
        if self.values.is_empty() {
            return Ok(true);
        }
        for text in texts(bad) {
            if !matches_any(&self.values, &text, budget)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether `violation` is the same as one of the sample, wherever the container stands.
    fn are_alike(&self, violation: &Violation<'_>, excuse: &Violation<'_>) -> bool {
        let names = [violation, excuse].map(|violation| violation.container.map(|(name, _)| name));
        without_indexes(&violation.field).eq(without_indexes(&excuse.field))
            && (self.images.is_empty() || names[0] == names[1])
    }
}

fn matches_any(patterns: &[Wildcard], text: &str, budget: &mut Budget<'_>) -> Result<bool, Exhausted> {
    for pattern in patterns {
        if pattern.matches_within(text, budget)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// `field` with a `*` for each number in it.
pub(super) fn without_indexes(field: &str) -> impl Iterator<Item = u8> {
    let mut in_number = false;
    field.bytes().filter_map(move |byte| {
        let was_in_number = std::mem::replace(&mut in_number, byte.is_ascii_digit());
        match (was_in_number, in_number) {
            (true, true) => None,
            (false, true) => Some(b'*'),
            (_, false) => Some(byte),
        }
    })
}

/// What values are held against.
fn texts<'b>(bad: &'b Bad<'_>) -> Vec<Cow<'b, str>> {
    match bad {
        Bad::Texts(texts) => texts.iter().map(|text| Cow::Borrowed(*text)).collect(),
        Bad::Text(text) => vec![Cow::Borrowed(text)],
        Bad::Nil | Bad::Flag(_) | Bad::Number(_) => vec![Cow::Owned(bad.to_string())],
    }
}
