//! What variables of a rule may start from.

use std::collections::HashSet;
use std::fmt;

use portcullis_model::closest;
use portcullis_value::Value;

use crate::checks::context::root_of;
use crate::checks::document::{Rule, given, list, text};
use crate::checks::wildcards::Wildcards;

/// The names that a rule's variables may start from.
///
/// COMPAT(kyverno): it is enough that one of them stands anywhere in the expression. Printed as the reference names
/// them, by a regular expression and wildcards.
#[derive(Debug)]
pub(super) struct Names<'a> {
    wildcards: Wildcards,
    background: bool,
    with_target: bool,
    /// Wildcards of what the rule declares, in order.
    declared: Vec<String>,
    /// The names declared.
    entries: Vec<&'a str>,
}

/// In admission, outside of mutations of existing objects.
const ANYWHERE: [&str; 8] = [
    "request",
    "serviceAccountName",
    "serviceAccountNamespace",
    "element",
    "elementIndex",
    "@",
    "images",
    "image",
];
/// In background scans, too. Dots are dots.
const IN_BACKGROUND: [&str; 6] = ["request.", "element", "elementIndex", "@", "images", "image."];

/// How many declared names are looked through for the one that was meant.
const MAX_SUGGESTED: usize = 64;

impl<'a> Names<'a> {
    /// What all of `rule` may use.
    pub(super) fn of_rule(rule: &Rule<'a>, background: bool) -> Self {
        let mut names = Self::of_context(list(rule.value, "context"), background);
        names.with_target = rule.mutates_existing();
        for image in list(rule.value, "verifyImages") {
            for attestation in list(*image, "attestations") {
                names.declare(text(*attestation, "name"), &["*"]);
            }
        }
        for action in ["validate", "mutate", "generate"] {
            let action = rule.value.get(action).unwrap_or_default();
            names.declare_in_foreach(list(action, "foreach"));
            for target in list(action, "targets") {
                names.declare_context(list(*target, "context"));
            }
        }
        names
    }

    /// What may be used beside `context`.
    pub(super) fn of_context(context: &'a [Value<'a>], background: bool) -> Self {
        let mut names = Self {
            wildcards: Wildcards::new(),
            background,
            with_target: false,
            declared: Vec::new(),
            entries: Vec::new(),
        };
        names.declare_context(context);
        names
    }

    fn declare_in_foreach(&mut self, entries: &'a [Value<'a>]) {
        for entry in entries {
            self.declare_context(list(*entry, "context"));
            self.declare_in_foreach(list(*entry, "foreach"));
        }
    }

    fn declare_context(&mut self, context: &'a [Value<'a>]) {
        for entry in context {
            let is_config_map = given(*entry, "configMap").is_some();
            let parts: &[&str] =
                if is_config_map { &[".data", ".metadata", ".data.*", ".metadata.*"] } else { &["*"] };
            self.declare(text(*entry, "name"), parts);
        }
    }

    fn declare(&mut self, name: &'a str, parts: &[&str]) {
        if !name.is_empty() {
            self.entries.push(name);
            self.declared.extend(parts.iter().map(|part| format!("{name}{part}")));
        }
    }

    /// Whether `expression` uses a name that is there.
    pub(super) fn allow(&mut self, expression: &str) -> bool {
        let plain = expression.replace('"', "");
        let known: &[&str] = if self.background { &IN_BACKGROUND } else { &ANYWHERE };
        known.iter().any(|name| plain.contains(name))
            || (self.with_target && plain.contains("target."))
            || calls_function(&plain)
            || self.declared.iter().any(|pattern| self.wildcards.matches(pattern, &plain, true))
    }

    /// What may have been meant by `expression`, which uses no name that is there.
    pub(super) fn hint(&self, expression: &str) -> String {
        let root = root_of(expression);
        if self.background && root.starts_with("serviceAccount") {
            return "a background scan knows no user: set `spec.background: false`".to_owned();
        }
        if root == "target" {
            return "`target` is there in rules with `mutate.targets` alone, once the target is found"
                .to_owned();
        }
        let mut known = vec!["request", "element", "elementIndex", "images"];
        let mut seen: HashSet<&str> = known.iter().copied().collect();
        known.extend(self.entries.iter().copied().filter(|name| seen.insert(name)).take(MAX_SUGGESTED));
        if let Some(close) = closest(root, known.iter().copied()).filter(|close| *close != root) {
            return format!("did you mean `{close}`?");
        }
        let listed: Vec<_> = known.iter().take(12).map(|name| format!("`{name}`")).collect();
        format!("known here are {}: other names come from `context`", listed.join(", "))
    }
}

/// `([a-z_0-9]+\()[^{}]`.
fn calls_function(expression: &str) -> bool {
    expression.match_indices('(').any(|(at, _)| {
        let before = expression.get(..at).and_then(|before| before.chars().next_back());
        let after = expression.get(at + 1..).and_then(|after| after.chars().next());
        before.is_some_and(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_')
            && after.is_some_and(|letter| letter != '{' && letter != '}')
    })
}

impl fmt::Display for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = match self.background {
            true => r"request\.|element|elementIndex|@|images|images\.|image\.|",
            false => {
                "request|serviceAccountName|serviceAccountNamespace|element|elementIndex|@|images|image|"
            }
        };
        let target = if self.with_target { r"target\.|" } else { "" };
        write!(f, r#"regex "{known}{target}([a-z_0-9]+\()[^{{}}]" or patterns [{}]"#, self.declared.join(" "))
    }
}
