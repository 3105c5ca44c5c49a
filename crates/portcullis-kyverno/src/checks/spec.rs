//! The fields of `spec`, and what the rules are together.

use std::collections::HashSet;

use portcullis_gocompat::wildcard;
use portcullis_model::{RecordMode, Resource};
use portcullis_value::Value;

use super::document::{Document, Rule, given, list, printed, text, texts};
use super::finder::Finder;
use super::wildcards::Wildcards;
use super::{match_block, quote};
use crate::autogen;
use crate::profile::RECORD;

const AUTOGEN: &str = "pod-policies.kyverno.io/autogen-controllers";

/// The longest name of a policy, which becomes the value of a label.
const MAX_NAME: usize = 63;

/// The field errors of metadata and `spec`, but for those inside the rules.
pub(super) fn check_fields(document: &Document<'_>, finder: &mut Finder) {
    let resource = Resource(document.root);
    if !document.is_namespaced && !resource.namespace().is_empty() {
        finder
            .error("A clusterpolicy should not have the namespace defined")
            .under(["metadata", "namespace"])
            .forbidden("metadata.namespace")
            .hint("leave it out, or write `kind: Policy`");
    }
    if resource.annotations().get(AUTOGEN) == Some(Value::String("all")) {
        finder
            .error("Autogen annotation does not support 'all' anymore, remove the annotation or set it to a valid value")
            .under(["metadata", "annotations", AUTOGEN])
            .forbidden("metadata.annotations");
    }
    if resource.name().len() > MAX_NAME {
        finder
            .error(format!("may not be more than {MAX_NAME} bytes"))
            .under(["metadata", "name"])
            .field_error("name: Too long: ");
    }
    finder.below("spec", |finder| {
        check_deprecated(document.spec, finder);
        check_timeout(document.spec, finder);
        check_rule_names(document, finder);
        if document.is_namespaced && !list(document.spec, "validationFailureActionOverrides").is_empty() {
            finder
                .error("Use of validationFailureActionOverrides is supported only with ClusterPolicy")
                .under(["validationFailureActionOverrides"])
                .forbidden("spec.validationFailureActionOverrides");
        }
    });
}

/// What may be written in one place only, being given in the old one and the new.
fn check_deprecated(spec: Value<'_>, finder: &mut Finder) {
    let configuration = spec.get("webhookConfiguration").unwrap_or_default();
    for (old, new) in [("webhookTimeoutSeconds", "timeoutSeconds"), ("failurePolicy", "failurePolicy")] {
        if given(spec, old).is_some() && given(configuration, new).is_some() {
            finder
                .error(format!("remove the deprecated field and use spec.webhookConfiguration.{new} instead"))
                .under([old])
                .forbidden(format_args!("spec.{old}"));
        }
    }
    if given(spec, "generateExistingOnPolicyUpdate").is_some() {
        finder
            .error("remove the deprecated field and use spec.generate[*].generateExisting instead")
            .under(["generateExistingOnPolicyUpdate"])
            .forbidden("spec.generateExistingOnPolicyUpdate");
    }
}

fn check_timeout(spec: Value<'_>, finder: &mut Finder) {
    let places: [&[&str]; 2] = [&["webhookTimeoutSeconds"], &["webhookConfiguration", "timeoutSeconds"]];
    for path in places {
        match spec.path(path).and_then(Value::as_i64) {
            None | Some(1..=30) => {}
            Some(seconds) => {
                finder
                    .error("the timeout value must be between 1 and 30 seconds")
                    .under(path)
                    .invalid(format_args!("spec.{}", path.join(".")), Value::from(seconds));
            }
        }
    }
}

fn check_rule_names(document: &Document<'_>, finder: &mut Finder) {
    let mut names = HashSet::new();
    for rule in &document.rules {
        if !names.insert(rule.name) {
            finder
                .error(format!("Duplicate rule name: '{}'", rule.name))
                .under(["rules", &rule.index.to_string(), "name"])
                .invalid_text(format_args!("spec.rules[{}].name", rule.index), &quote::rule(rule.value));
        }
    }
}

/// What the reference looks at when all fields are right.
pub(super) fn check_processing(document: &Document<'_>, finder: &mut Finder) {
    finder.below("spec", |finder| {
        if !document.is_namespaced {
            check_overrides(list(document.spec, "validationFailureActionOverrides"), finder);
        }
        if document.spec.get("admission") != Some(Value::Bool(false)) {
            return;
        }
        if !document.background {
            finder
                .error("disabling both admission and background processing is not allowed")
                .under(["admission"]);
        }
        let does_more =
            |rule: &Rule<'_>| ["mutate", "generate", "verifyImages"].iter().any(|action| rule.has(action));
        if document.rules.iter().any(does_more) {
            finder
                .error("disabling admission processing is only allowed with validation policies")
                .under(["admission"]);
        }
    });
}

/// One namespace must not be told to enforce and to audit.
fn check_overrides(overrides: &[Value<'_>], finder: &mut Finder) {
    let mut enforced: Vec<&str> = Vec::new();
    let mut audited: Vec<&str> = Vec::new();
    let mut wildcards = Wildcards::new();
    for (index, entry) in overrides.iter().enumerate() {
        let (same, other) = match text(*entry, "action") {
            "Enforce" | "enforce" => (&mut enforced, &audited),
            "Audit" | "audit" => (&mut audited, &enforced),
            // What is no action at all is the schema's business.
            _ => continue,
        };
        let namespaces: Vec<&str> = texts(*entry, "namespaces").collect();
        for clash in namespaces.iter().filter_map(|namespace| clash(namespace, other, &mut wildcards)) {
            finder
                .error(clash)
                .under(["validationFailureActionOverrides", &index.to_string(), "namespaces"])
                .framed(format_args!("spec.validationFailureActionOverrides[{index}].namespaces: "));
        }
        same.extend(namespaces);
    }
}

/// How `namespace` and one of `others` name the same namespace.
fn clash(namespace: &str, others: &[&str], wildcards: &mut Wildcards) -> Option<String> {
    let is_pattern = wildcard::contains_wildcard(namespace);
    let mut fits = |pattern: &str, text: &str| wildcards.matches(pattern, text, false);
    others.iter().find_map(|other| match (is_pattern, wildcard::contains_wildcard(other)) {
        (false, false) => {
            (namespace == *other).then(|| format!("conflicting namespaces found in path: {namespace}"))
        }
        (true, false) => fits(namespace, other)
            .then(|| format!("wildcard pattern '{namespace}' matches with namespace '{other}'")),
        (false, true) => fits(other, namespace)
            .then(|| format!("wildcard pattern '{other}' matches with namespace '{namespace}'")),
        (true, true) => (fits(namespace, other) || fits(other, namespace))
            .then(|| format!("wildcard pattern '{namespace}' conflicts with the pattern '{other}'")),
    })
}

/// What is loaded all the same.
pub(super) fn warn(document: &Document<'_>, finder: &mut Finder) {
    warn_of_record(document, finder);
    finder.below("spec", |finder| {
        if document.rules.is_empty() && document.spec.as_object().is_some() {
            finder.warning("the policy has no rules: it does nothing");
        }
        warn_of_lower_case(document.spec, "validationFailureAction", finder);
        for (index, entry) in list(document.spec, "validationFailureActionOverrides").iter().enumerate() {
            finder.item("validationFailureActionOverrides", index, |finder| {
                warn_of_lower_case(*entry, "action", finder);
                warn_of_wildcards(*entry, finder);
            });
        }
        for rule in &document.rules {
            finder.item("rules", rule.index, |finder| warn_of_rule(rule, finder));
        }
    });
}

/// The annotation about the mutation record says what it cannot.
fn warn_of_record(document: &Document<'_>, finder: &mut Finder) {
    let Some(mode) = Resource(document.root).annotations().get(RECORD) else { return };
    if mode.as_str().is_none_or(|mode| mode.parse::<RecordMode>().is_err()) {
        finder
            .warning(format!("{} is no place for the mutation record", printed(mode)))
            .under(["metadata", "annotations", RECORD])
            .hint("`annotation`, `audit` and `off` are");
    }
}

/// A name that hides the rule; `finder` is at it.
fn warn_of_rule(rule: &Rule<'_>, finder: &mut Finder) {
    if rule.value.get("name") == Some(Value::String("")) {
        finder.warning("the rule has no name: reports and exceptions cannot name it").under(["name"]);
    }
    if autogen::is_named_as_generated(rule.name) {
        finder
            .warning(
                "the name is that of a generated rule: beside rules that are generated, this one is left out",
            )
            .under(["name"])
            .hint("let it begin otherwise than `autogen-`");
    }
    let overrides = rule.given(&["validate", "failureActionOverrides"]).unwrap_or_default();
    finder.below("validate", |finder| {
        for (index, entry) in overrides.as_array().unwrap_or_default().iter().enumerate() {
            finder.item("failureActionOverrides", index, |finder| warn_of_wildcards(*entry, finder));
        }
    });
}

/// Wildcards by which an override does not find the namespaces in which it is to enforce.
fn warn_of_wildcards(entry: Value<'_>, finder: &mut Finder) {
    let selector = entry.get("namespaceSelector").unwrap_or_default();
    if matches!(text(entry, "action"), "Enforce" | "enforce") && match_block::has_wildcard(selector) {
        finder
            .warning("wildcards in the labels of an override find no namespace: nothing is enforced by them")
            .under(["namespaceSelector", "matchLabels"])
            .hint("name the labels, or list `namespaces`, where wildcards work");
    }
}

fn warn_of_lower_case(holder: Value<'_>, key: &str, finder: &mut Finder) {
    if matches!(text(holder, key), "enforce" | "audit") {
        finder
            .warning("Validation failure actions enforce/audit are deprecated, use Enforce/Audit instead.")
            .under([key])
            .verbatim();
    }
}
