//! `generate`.

use portcullis_value::Value;

use super::Served;
use super::document::{Document, Rule, given, list, text};
use super::finder::Finder;
use crate::anchor::Anchor;
use crate::variable::has_variable;

/// The field errors; `finder` is at the rule.
pub(super) fn check_fields(document: &Document<'_>, rule: &Rule<'_>, finder: &mut Finder) {
    if !rule.has("generate") {
        return;
    }
    let generate = rule.value.get("generate").unwrap_or_default();
    let path = format!("spec.rules[{}]", rule.index);
    finder.below("generate", |finder| {
        let entries = list(generate, "foreach");
        let sources = [
            given(generate, "data").is_some(),
            given(generate, "clone").is_some_and(|clone| !is_empty(clone)),
            !cloned_kinds(generate).is_empty(),
            given(generate, "foreach").is_some(),
        ];
        if sources.into_iter().filter(|source| *source).count() > 1 {
            finder
                .error("only one of generate patterns(data, clone, cloneList and foreach) can be specified")
                .forbidden(&path);
            return;
        }
        if entries.is_empty() {
            check_pattern(document, generate, &path, finder);
        }
        for (index, entry) in entries.iter().enumerate() {
            finder.item("foreach", index, |finder| {
                check_pattern(document, *entry, &format!("{path}.foreach[{index}]"), finder);
            });
        }
    });
}

fn is_empty(clone: Value<'_>) -> bool {
    text(clone, "name").is_empty() && text(clone, "namespace").is_empty()
}

/// The kinds of the objects that are cloned by a selector.
fn cloned_kinds<'a>(pattern: Value<'a>) -> &'a [Value<'a>] {
    pattern.get("cloneList").map_or(&[][..], |clones| list(clones, "kinds"))
}

/// What is generated, and from what.
fn check_pattern(document: &Document<'_>, pattern: Value<'_>, path: &str, finder: &mut Finder) {
    if document.is_namespaced {
        check_namespaces(document.namespace, pattern, path, finder);
    }
    if !cloned_kinds(pattern).is_empty() {
        return;
    }
    for key in ["kind", "name", "apiVersion"] {
        if text(pattern, key).is_empty() {
            finder
                .error(format!("{key} can not be empty"))
                .under(pattern.get(key).map(|_| key))
                .forbidden(format_args!("{path}.{key}"));
        }
    }
}

/// A Policy generates and clones in its own namespace alone.
fn check_namespaces(own: &str, pattern: Value<'_>, path: &str, finder: &mut Finder) {
    let namespace = text(pattern, "namespace");
    let source = pattern.path(&["clone", "namespace"]).and_then(Value::as_str).unwrap_or_default();
    let clones =
        pattern.path(&["clone", "name"]).and_then(Value::as_str).is_some_and(|name| !name.is_empty());
    let (what, received, key) = if namespace != own {
        ("generate resources in", namespace, "namespace")
    } else if clones && source != own {
        ("clone resources to or from", source, "clone")
    } else {
        return;
    };
    finder
        .error(format!(
            "target resource scope mismatched: a namespaced policy cannot {what} other namespaces, expected: {own}, \
             received: {received} "
        ))
        .under(pattern.get(key).map(|_| key))
        .forbidden(format_args!("{path}.generate.namespace"));
}

/// What the reference looks at when all fields are right; `finder` is at the rule.
pub(super) fn check(document: &Document<'_>, rule: &Rule<'_>, finder: &mut Finder) {
    if !rule.has("generate") {
        return;
    }
    let frame = format!("path: spec.rules[{}].generate.", rule.index);
    let generate = rule.value.get("generate").unwrap_or_default();
    finder.below("generate", |finder| {
        if !list(rule.value, "celPreconditions").is_empty() {
            finder
                .error("celPrecondition can only be used with validate.cel")
                .framed(format_args!("{frame}.: "))
                .hint("use `preconditions`");
        }
        check_kind_served(document, generate, &frame, finder);
        for (index, entry) in list(generate, "foreach").iter().enumerate() {
            finder.item("foreach", index, |finder| check_kind_served(document, *entry, &frame, finder));
        }
    });
}

fn check_kind_served(document: &Document<'_>, pattern: Value<'_>, frame: &str, finder: &mut Finder) {
    let Some(kinds) = document.kinds else { return };
    let (version, kind, place) = match cloned_kinds(pattern).first() {
        // COMPAT(kyverno): of several kinds the first alone is looked at.
        Some(first) => ("", first.as_str().unwrap_or_default(), &["cloneList", "kinds", "0"][..]),
        None => (text(pattern, "apiVersion"), text(pattern, "kind"), &["kind"][..]),
    };
    if kind.is_empty() || has_variable(kind) || has_variable(version) {
        return;
    }
    let kind = if version.is_empty() { kind.to_owned() } else { format!("{version}/{kind}") };
    if kinds.find(&kind) == Served::Unknown {
        finder
            .error(format!("failed to get GVR for kind {kind}"))
            .under(place)
            .framed(format_args!("{frame}.: "))
            .hint("no such kind is served here");
    }
}

/// Anchors mean nothing in what is generated; `finder` is at the rule.
pub(super) fn warn(rule: &Rule<'_>, finder: &mut Finder) {
    let generate = rule.value.get("generate").unwrap_or_default();
    let sources = ["data", "clone", "cloneList", "foreach"];
    if rule.has("generate") && sources.iter().all(|source| given(generate, source).is_none()) {
        finder
            .warning("it is not said what is generated")
            .under(["generate"])
            .hint("write `data` or `clone`");
    }
    super::walk::texts(generate.get("data").unwrap_or_default(), &mut |text| {
        if text.is_key && Anchor::parse(text.text).is_some() {
            finder
                .warning(format!("the anchor `{}` means nothing here: it is generated as a key", text.text))
                .under(["generate", "data"])
                .under(text.path().tokens())
                .about_key();
        }
    });
}
