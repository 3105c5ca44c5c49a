//! `validate`.

use portcullis_value::{Arena, Value};

use super::document::{Document, Rule, given, list, text};
use super::finder::Finder;
use super::pattern;
use crate::autogen::{self, Controllers};

/// What a validation is refused for; `finder` is at the rule.
pub(super) fn check(rule: &Rule<'_>, finder: &mut Finder) {
    let Some(validate) = given(rule.value, "validate") else { return };
    let frame = format!("path: spec.rules[{}].validate.", rule.index);
    finder.below("validate", |finder| {
        check_kinds(validate, &frame, finder);
        if !list(rule.value, "celPreconditions").is_empty() && given(validate, "cel").is_none() {
            finder
                .error("celPrecondition can only be used with validate.cel")
                .framed(format_args!("{frame}.: "))
                .hint("use `preconditions`");
        }
        check_patterns(validate, &frame, finder);
        for (index, entry) in list(validate, "foreach").iter().enumerate() {
            finder.item("foreach", index, |finder| check_foreach(*entry, &frame, finder));
        }
        if let Some(cel) = given(validate, "cel") {
            finder.below("cel", |finder| check_cel(cel, &format!("{frame}.: "), finder));
        }
    });
}

/// The kinds of validation that are there.
fn kinds(validate: Value<'_>) -> Vec<&'static str> {
    let is_there = |kind: &&'static str| match (*kind, given(validate, kind)) {
        (_, None) => false,
        ("manifests", Some(manifests)) => !list(manifests, "attestors").is_empty(),
        _ => true,
    };
    ["pattern", "anyPattern", "deny", "foreach", "podSecurity", "cel", "manifests"]
        .into_iter()
        .filter(is_there)
        .collect()
}

const NO_KIND: &str = "one of pattern, anyPattern, deny, foreach, cel must be specified";

/// A validation is of one kind.
fn check_kinds(validate: Value<'_>, frame: &str, finder: &mut Finder) {
    let (message, hint) = match *kinds(validate) {
        [] if given(validate, "assert").is_some() => (NO_KIND, "`assert` has no effect any more".to_owned()),
        [] => (NO_KIND, "`podSecurity` and `manifests` are kinds, too".to_owned()),
        [_] => return,
        [one, other, ..] => (
            "only one of pattern, anyPattern, deny, foreach, cel can be specified",
            format!("here are `{one}` and `{other}`: write a rule for each"),
        ),
    };
    finder.error(message).framed(format_args!("{frame}.: ")).hint(hint);
}

/// Rules that are generated from those of `document`, which the reference looks at, too.
///
/// COMPAT(kyverno): an empty list of patterns is lost on the way, and the generated rule then has nothing to do.
/// Nothing else is wrong with a generated rule that is not wrong with the one it comes from.
pub(super) fn check_generated(document: &Document<'_>, finder: &mut Finder) {
    let loses_all = |rule: Value<'_>| {
        let validate = rule.get("validate").unwrap_or_default();
        list(validate, "anyPattern").is_empty() && kinds(validate) == ["anyPattern"]
    };
    // Rules are generated for nothing but to count them: where none loses anything, nobody asks.
    if !document.rules.iter().any(|rule| loses_all(rule.value)) {
        return;
    }
    let arena = Arena::new();
    let controllers = Controllers::of(document.root);
    let mut index = document.rules.len();
    for rule in &document.rules {
        let count = autogen::generate(&arena, rule.value, &controllers).into_both().count();
        if count > 0 && loses_all(rule.value) {
            finder
                .error(NO_KIND)
                .under(rule.pointer().tokens())
                .under(["validate", "anyPattern"])
                .framed(format_args!("path: spec.rules[{index}].validate..: "))
                .hint("the list of patterns is empty");
        }
        index += count;
    }
}

fn check_patterns(validate: Value<'_>, frame: &str, finder: &mut Finder) {
    if let Some(tree) = given(validate, "pattern") {
        finder.below("pattern", |finder| {
            pattern::check(tree, frame, "pattern", finder);
        });
    }
    match given(validate, "anyPattern") {
        None => {}
        Some(Value::Array(patterns)) => {
            for (index, tree) in patterns.iter().enumerate() {
                finder.item("anyPattern", index, |finder| {
                    pattern::check(*tree, frame, &format!("anyPattern[{index}]"), finder);
                });
            }
        }
        Some(_) => {
            finder
                .error("failed to deserialize anyPattern, expect array")
                .under(["anyPattern"])
                .framed(format_args!("{frame}anyPattern.: "))
                .hint("write a list of patterns, with `- ` before each");
        }
    }
}

fn check_foreach(entry: Value<'_>, frame: &str, finder: &mut Finder) {
    let frame = format!("{frame}.: ");
    if text(entry, "list").is_empty() {
        finder.error("foreach.list is required").framed(&frame);
    }
    let nested = !list(entry, "foreach").is_empty();
    let kinds = ["pattern", "anyPattern", "deny"].iter().filter(|kind| given(entry, kind).is_some()).count();
    match kinds + usize::from(nested) {
        0 => {
            finder
                .error("one of pattern, anyPattern, deny, or a nested foreach must be specified")
                .framed(&frame);
        }
        1 => {}
        _ => {
            finder
                .error("only one of pattern, anyPattern, deny, or a nested foreach can be specified")
                .framed(&frame);
        }
    }
}

fn check_cel(cel: Value<'_>, frame: &str, finder: &mut Finder) {
    let mut require = |is_there: bool, what: &str| {
        if !is_there {
            finder.error(what).framed(frame);
        }
    };
    let is_said = |value: Value<'_>, key: &str| !text(value, key).is_empty();
    for expression in list(cel, "expressions") {
        require(is_said(*expression, "expression"), "cel.expressions.expression is required");
    }
    match (given(cel, "paramKind"), given(cel, "paramRef")) {
        (Some(kind), reference) => {
            require(is_said(kind, "apiVersion"), "cel.paramKind.apiVersion is required");
            require(is_said(kind, "kind"), "cel.paramKind.kind is required");
            match reference {
                None => require(false, "cel.paramRef is required"),
                Some(reference) => {
                    require(
                        is_said(reference, "name") || given(reference, "selector").is_some(),
                        "one of cel.paramRef.name or cel.paramRef.selector must be set",
                    );
                    require(
                        given(reference, "parameterNotFoundAction").is_some(),
                        "cel.paramRef.parameterNotFoundAction is required",
                    );
                }
            }
        }
        (None, Some(_)) => require(false, "cel.paramKind is required"),
        (None, None) => {}
    }
    for annotation in list(cel, "auditAnnotations") {
        require(is_said(*annotation, "key"), "cel.auditAnnotation.key is required");
        require(is_said(*annotation, "valueExpression"), "cel.auditAnnotation.valueExpression is required");
    }
}

/// Labels and annotations in patterns; `finder` is at the rule.
pub(super) fn check_labels(rule: &Rule<'_>, finder: &mut Finder) {
    let validate = rule.value.get("validate").unwrap_or_default();
    finder.below("validate", |finder| match given(validate, "pattern") {
        Some(tree) if tree.as_object().is_some() => {
            finder.below("pattern", |finder| pattern::check_labels(tree, finder));
        }
        _ => {
            for (index, tree) in list(validate, "anyPattern").iter().enumerate() {
                finder.item("anyPattern", index, |finder| pattern::check_labels(*tree, finder));
            }
        }
    });
}

/// What the reference takes without a word; `finder` is at the rule.
pub(super) fn warn(rule: &Rule<'_>, finder: &mut Finder) {
    let Some(validate) = given(rule.value, "validate") else { return };
    finder.below("validate", |finder| {
        warn_of_patterns(validate, finder);
        if given(validate, "anyPattern") == Some(Value::Array(&[])) {
            finder.warning("an empty list of patterns is never satisfied").under(["anyPattern"]);
        }
        if given(validate, "assert").is_some() {
            finder.warning("`assert` has no effect").under(["assert"]).about_key().hint("write a `pattern`");
        }
    });
}

/// The patterns of `holder` and of the loops in it.
fn warn_of_patterns(holder: Value<'_>, finder: &mut Finder) {
    for key in ["pattern", "anyPattern"] {
        if let Some(tree) = given(holder, key) {
            finder.below(key, |finder| pattern::warn(tree, finder));
        }
    }
    for (index, entry) in list(holder, "foreach").iter().enumerate() {
        finder.item("foreach", index, |finder| warn_of_patterns(*entry, finder));
    }
}
