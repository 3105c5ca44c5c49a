//! The variables of a rule: each must be JMESPath and start from something that will be there.
//!
//! The reference substitutes every rule once with nothing in its context: a variable becomes `null`, so that one
//! inside another is looked at, too.

mod names;
mod sections;

use portcullis_jmespath::Expression;
use portcullis_value::{Arena, Pointer, Value};

use self::names::Names;
use super::document::{Document, Rule, list};
use super::finder::{Finder, Note};
use super::walk::{self, Text};
use crate::variable::resolve_references;

/// What is put before every complaint of this file.
const FRAME: &str = "policy contains invalid variables: ";

pub(super) fn check(document: &Document<'_>, finder: &mut Finder) {
    for rule in &document.rules {
        finder.at(&rule.pointer(), |finder| {
            sections::check(rule, finder);
            check_targets(document, rule, finder);
            check_rule(document, rule, finder);
        });
    }
}

/// What the targets of a mutation are found by: neither the patch nor `target` is there yet.
fn check_targets(document: &Document<'_>, rule: &Rule<'_>, finder: &mut Finder) {
    let mutate = rule.value.get("mutate").unwrap_or_default();
    for (index, target) in list(mutate, "targets").iter().enumerate() {
        let frame = format!("{FRAME}invalid variables defined at mutate.targets[{index}]: ");
        let names = Names::of_context(list(rule.value, "context"), document.background);
        let mut run = DryRun { names, frame: &frame, finder };
        for key in ["context", "preconditions"] {
            run.value(rule.value.get(key).unwrap_or_default(), &[key].into_iter().collect());
        }
        for key in ["apiVersion", "kind", "namespace", "name", "uid"] {
            let path = ["mutate", "targets", &index.to_string(), key].into_iter().collect();
            run.value(target.get(key).unwrap_or_default(), &path);
        }
    }
}

fn check_rule(document: &Document<'_>, rule: &Rule<'_>, finder: &mut Finder) {
    let arena = Arena::new();
    let frame = format!("{FRAME}variable substitution failed for rule {}: ", rule.name);
    let value = without_attestation_conditions(&arena, rule.value);
    let value = match resolve_references(&arena, value) {
        Ok(resolved) => resolved,
        Err(message) => {
            let path = named_path(&message).filter(|path| path.resolve(value).is_some()).unwrap_or_default();
            finder.error(message).under(path.tokens()).framed(&frame).hint(
                "`$(path)` stands for another place in the same rule: write `\\$(...)` for the text itself",
            );
            value
        }
    };
    let names = Names::of_rule(rule, document.background);
    DryRun { names, frame: &frame, finder }.value(value, &Pointer::root());
}

/// The place that a message about a reference names.
fn named_path(message: &str) -> Option<Pointer> {
    let (_, rest) = message.split_once(" at path ")?;
    let path = rest.split_once(": ").map_or(rest, |(path, _)| path);
    Pointer::parse(&path.replace("\\/", "~1"))
}

/// The rule without the conditions on attestations, whose variables come from the attestation itself.
fn without_attestation_conditions<'a>(arena: &'a Arena, rule: Value<'a>) -> Value<'a> {
    let images = list(rule, "verifyImages");
    if images.is_empty() {
        return rule;
    }
    let images: Vec<_> = images
        .iter()
        .map(|image| {
            let attestations: Vec<_> = list(*image, "attestations")
                .iter()
                .map(|attestation| attestation.without(arena, &["conditions"]))
                .collect();
            match attestations.is_empty() {
                true => *image,
                false => image.with(arena, &["attestations"], arena.array(&attestations)),
            }
        })
        .collect();
    rule.with(arena, &["verifyImages"], arena.array(&images))
}

/// One substitution of a document with nothing in the context.
struct DryRun<'r, 'f> {
    names: Names<'r>,
    frame: &'r str,
    finder: &'f mut Finder,
}

impl DryRun<'_, '_> {
    fn value(&mut self, value: Value<'_>, at: &Pointer) {
        walk::texts(value, &mut |text| {
            walk::replace_variables(text.text, "null", |found| self.expression(found.expression, text, at));
        });
    }

    /// `text` is below `at`.
    fn expression(&mut self, expression: &str, text: Text<'_>, at: &Pointer) {
        // `@` stands for the value at its own path.
        if expression == "@" || self.finder.is_full() {
            return;
        }
        let unresolved = || {
            let (outer, inner) = (walk::printed(at), walk::printed(&text.path()));
            format!("failed to resolve {expression} at path {outer}{inner}: ")
        };
        if expression.is_empty() {
            self.refuse(&unresolved(), "invalid query (nil)", (text, at))
                .hint("write an expression between the braces, or `\\{{` for the text itself");
            return;
        }
        match Expression::compile(expression) {
            Err(error) => {
                let message = format!("invalid JMESPath query {expression}: {error}");
                self.refuse(&unresolved(), &message, (text, at)).hint(error.hint(expression));
            }
            Ok(_) if self.names.allow(expression) => {}
            Ok(_) => {
                // COMPAT(kyverno): the message has the expression without its quotes.
                let message = format!("variable {} must match {}", expression.replace('"', ""), self.names);
                let hint = self.names.hint(expression);
                self.refuse("", &message, (text, at)).hint(hint);
            }
        }
    }

    fn refuse(&mut self, frame: &str, message: &str, (text, at): (Text<'_>, &Pointer)) -> Note<'_> {
        let frame = format_args!("{}{frame}", self.frame);
        let note = self.finder.error(message).under(at.tokens()).under(text.path().tokens()).framed(frame);
        if text.is_key { note.about_key() } else { note }
    }
}
