//! Expressions that the reference takes and that cannot work: unknown functions, braces without their match.

use portcullis_jmespath::{Expression, Problem, functions};
use portcullis_model::closest;
use portcullis_value::{Pointer, Value};

use super::document::{Document, Rule, list, text};
use super::finder::{Finder, Note};
use super::walk::{self, Text};
use crate::variable::has_variable;

pub(super) fn warn(document: &Document<'_>, finder: &mut Finder) {
    for rule in &document.rules {
        finder.at(&rule.pointer(), |finder| {
            walk::texts(rule.value, &mut |text| {
                if text.text.contains('{') && !is_elsewhere(&text.path()) {
                    warn_of_text(text, finder);
                }
            });
            warn_of_bare(rule, finder);
        });
    }
}

/// Whether the text at `path` is of another language, or for people.
fn is_elsewhere(path: &Pointer) -> bool {
    let mut tokens = path.tokens();
    matches!(
        (tokens.next(), tokens.next()),
        (Some("validate"), Some("cel" | "manifests")) | (Some("celPreconditions"), _)
    )
}

fn warn_of_text(text: Text<'_>, finder: &mut Finder) {
    let rest = walk::replace_variables(text.text, "null", |found| {
        warn_of_expression(found.expression, text, finder)
    });
    warn_of_braces(&rest, text, finder);
}

/// Double braces that are left when all variables are replaced.
fn warn_of_braces(rest: &str, text: Text<'_>, finder: &mut Finder) {
    let open = rest
        .match_indices("{{")
        .find(|(at, _)| !rest.get(..*at).is_some_and(|before| before.ends_with('\\')));
    let Some((at, _)) = open else { return };
    let after = rest.get(at..).unwrap_or_default();
    let (message, hint) = match after.contains("}}") {
        true => (
            "braces inside `{{ }}` are nested too deep: it is no variable, but stays as text",
            "one level of single braces may stand in a variable",
        ),
        false => (
            "`{{` without `}}`: it is no variable, but stays as text",
            "close it with `}}`, or write `\\{{` for the text itself",
        ),
    };
    note(text, finder, message.to_owned()).hint(hint);
}

fn note<'f>(text: Text<'_>, finder: &'f mut Finder, message: String) -> Note<'f> {
    let note = finder.warning(message).under(text.path().tokens());
    if text.is_key { note.about_key() } else { note }
}

fn warn_of_expression(expression: &str, text: Text<'_>, finder: &mut Finder) {
    if finder.is_full() {
        return;
    }
    // One that is no JMESPath is refused elsewhere.
    let Ok(compiled) = Expression::compile(expression) else { return };
    for problem in compiled.problems() {
        let message = problem.to_string();
        let note = note(text, finder, message);
        match &problem {
            Problem::UnknownFunction(name) => {
                note.suggest(closest(name, functions().map(|function| function.name)));
            }
            Problem::WrongNumberOfArguments { function, .. } => {
                let known = functions().find(|known| known.name == *function);
                let signature = known.map_or_else(|| (*function).to_owned(), |known| known.signature());
                note.hint(format!("it is called as `{signature}`"));
            }
        }
    }
}

/// Expressions that stand without braces: lists of loops, paths of context entries.
fn warn_of_bare(rule: &Rule<'_>, finder: &mut Finder) {
    walk::texts(rule.value, &mut |text| {
        let last = text.place.tokens_outwards().next();
        if text.is_key || !matches!(last.as_deref(), Some("list" | "jmesPath")) {
            return;
        }
        let path = text.path();
        let tokens: Vec<&str> = path.tokens().collect();
        let is_list = matches!(*tokens, [.., "foreach", _, "list"]);
        let is_path = matches!(
            *tokens,
            [.., "context", _, "variable" | "apiCall" | "imageRegistry" | "globalReference", "jmesPath"]
        );
        if !(is_list || is_path) || has_variable(text.text) {
            return;
        }
        match Expression::compile(text.text) {
            Ok(_) => warn_of_expression(text.text, text, finder),
            Err(error) if is_list && !text.text.is_empty() => {
                note(text, finder, format!("the list is no JMESPath: {error}")).hint(error.hint(text.text));
            }
            // Others are refused elsewhere.
            Err(_) => {}
        }
    });
    warn_of_loops(rule.value.get("validate").unwrap_or_default(), "validate", finder);
}

/// A list with braces is taken as it stands.
fn warn_of_loops(holder: Value<'_>, name: &str, finder: &mut Finder) {
    finder.below(name, |finder| {
        for (index, entry) in list(holder, "foreach").iter().enumerate() {
            if has_variable(text(*entry, "list")) {
                finder
                    .warning("the list is an expression itself: variables in it are not replaced")
                    .under(["foreach", &index.to_string(), "list"])
                    .hint("leave out the braces");
            }
        }
    });
}
