//! The entries of a rule's `context`.

use std::collections::HashMap;

use portcullis_gocompat::image::Reference;
use portcullis_jmespath::Expression;
use portcullis_model::ApiPath;
use portcullis_value::Value;

use super::document::{Rule, given, list, text};
use super::finder::Finder;
use crate::variable::{has_variable, variables};

/// The names that the engine gives itself.
const RESERVED: [&str; 6] =
    ["images", "request", "serviceAccountName", "serviceAccountNamespace", "element", "elementIndex"];

/// Where the data of an entry may come from.
const SOURCES: [&str; 5] = ["configMap", "apiCall", "imageRegistry", "variable", "globalReference"];

/// What an entry is refused for; `finder` is at the rule.
pub(super) fn check(rule: &Rule<'_>, finder: &mut Finder) {
    let entries = list(rule.value, "context");
    if entries.is_empty() {
        return;
    }
    let frame = format!("path: spec.rules[{}]: ", rule.index);
    if rule.given(&["validate", "cel"]).is_some() {
        finder
            .error("context variables are not supported for CEL expressions in validate rules")
            .under(["context"])
            .framed(&frame)
            .hint("declare them in `validate.cel.variables`");
    }
    for (index, entry) in entries.iter().enumerate() {
        finder.item("context", index, |finder| check_entry(*entry, &frame, finder));
    }
}

fn check_entry(entry: Value<'_>, frame: &str, finder: &mut Finder) {
    let name = text(entry, "name");
    if name.is_empty() {
        finder.error("a name is required for context entries").framed(frame);
    }
    let conflict = RESERVED.iter().find(|reserved| {
        name == **reserved || name.strip_prefix(**reserved).is_some_and(|rest| rest.starts_with('.'))
    });
    if let Some(reserved) = conflict {
        finder
            .error(format!(
                "entry name {name} is invalid as it conflicts with a pre-defined variable {reserved}"
            ))
            .under(["name"])
            .framed(frame);
    }
    let sources: Vec<_> = SOURCES.into_iter().filter(|source| given(entry, source).is_some()).collect();
    // None or several are the schema's business.
    let [source] = *sources else { return };
    let body = entry.get(source).unwrap_or_default();
    finder.below(source, |finder| match source {
        "configMap" => check_config_map(body, frame, finder),
        "apiCall" => check_api_call(body, frame, finder),
        "imageRegistry" => check_image(body, frame, finder),
        "variable" => check_variable(body, frame, finder),
        _ => check_jmespath(body, frame, finder),
    });
}

fn check_config_map(body: Value<'_>, frame: &str, finder: &mut Finder) {
    for key in ["name", "namespace"] {
        if text(body, key).is_empty() {
            finder.error(format!("a {key} is required for configMap context entry")).framed(frame);
        }
    }
}

fn check_api_call(body: Value<'_>, frame: &str, finder: &mut Finder) {
    if !text(body, "urlPath").is_empty() && given(body, "service").is_some() {
        finder
            .error("a URLPath cannot be used for service API calls")
            .under(["urlPath"])
            .framed(frame)
            .hint("write the path into `service.url`");
    }
    check_jmespath(body, frame, finder);
}

fn check_image(body: Value<'_>, frame: &str, finder: &mut Finder) {
    match text(body, "reference") {
        "" if given(body, "reference").is_none() => {}
        "" => {
            finder
                .error("a ref is required for imageRegistry context entry")
                .under(["reference"])
                .framed(frame);
        }
        image if has_variable(image) => {}
        image => {
            if let Err(error) = Reference::parse(image) {
                finder
                    .error(format!("bad image: {image}: {}", error.reason()))
                    .under(["reference"])
                    .framed(frame)
                    .hint("an image is written as `registry/name:tag`");
            }
        }
    }
    check_jmespath(body, frame, finder);
}

fn check_variable(body: Value<'_>, frame: &str, finder: &mut Finder) {
    let has_path = !text(body, "jmesPath").is_empty();
    if given(body, "value").is_none() && !has_path {
        finder.error("a variable must define a value or a jmesPath expression").framed(frame);
    }
    if given(body, "default").is_some() && !has_path {
        finder
            .error("a variable must define a default value only when a jmesPath expression is defined")
            .under(["default"])
            .framed(frame);
    }
    check_jmespath(body, frame, finder);
}

/// `jmesPath` must be JMESPath, unless variables have yet to make it that.
fn check_jmespath(body: Value<'_>, frame: &str, finder: &mut Finder) {
    let expression = text(body, "jmesPath");
    if expression.is_empty() || has_variable(expression) {
        return;
    }
    if let Err(error) = Expression::compile(expression) {
        finder
            .error(format!("failed to parse JMESPath {expression}: {error}"))
            .under(["jmesPath"])
            .framed(frame)
            .hint(error.hint(expression));
    }
}

/// What the reference accepts and cannot load, in a policy of the namespace `home` (empty for a cluster-wide one); `finder`
/// is at the rule.
pub(super) fn warn(rule: &Rule<'_>, home: &str, finder: &mut Finder) {
    let entries = list(rule.value, "context");
    let mut declared: HashMap<&str, usize> = HashMap::new();
    for (index, entry) in entries.iter().enumerate() {
        declared.entry(text(*entry, "name")).or_insert(index);
    }
    for (index, entry) in entries.iter().enumerate() {
        finder.item("context", index, |finder| {
            let is_later = |name: &str| declared.get(name).is_some_and(|place| *place >= index);
            warn_of_order(*entry, is_later, finder);
            warn_of_api_call(entry.get("apiCall").unwrap_or_default(), home, finder);
            let namespace = text(entry.get("configMap").unwrap_or_default(), "namespace");
            if !namespace.is_empty() && !has_variable(namespace) && is_elsewhere(home, Some(namespace)) {
                finder.warning(limited(home)).under(["configMap", "namespace"]);
            }
        });
    }
}

/// The name that an expression begins with.
pub(super) fn root_of(expression: &str) -> &str {
    let end = expression.find(|letter: char| !(letter.is_alphanumeric() || "_-".contains(letter)));
    expression.get(..end.unwrap_or(expression.len())).unwrap_or(expression)
}

/// An entry sees those before it alone: `is_later` tells names that are declared by it, or after it.
fn warn_of_order(entry: Value<'_>, is_later: impl Fn(&str) -> bool, finder: &mut Finder) {
    super::walk::texts(entry, &mut |found| {
        for variable in variables(found.text) {
            let root = root_of(variable.expression);
            if root.is_empty() || !is_later(root) {
                continue;
            }
            let message = match root == text(entry, "name") {
                true => format!("`{root}` is used in its own declaration"),
                false => format!("`{root}` is used before it is declared"),
            };
            finder
                .warning(format!("{message}: an entry sees only those before it"))
                .under(found.path().tokens());
        }
    });
}

/// Whether what a policy of the namespace `home` asks for is out of its reach.
fn is_elsewhere(home: &str, namespace: Option<&str>) -> bool {
    !home.is_empty() && namespace != Some(home)
}

fn limited(home: &str) -> String {
    format!("a policy of a namespace sees that namespace alone, which is `{home}`: the rule will be in error")
}

fn warn_of_api_call(call: Value<'_>, home: &str, finder: &mut Finder) {
    if call.as_object().is_none_or(|call| call.is_empty()) {
        return;
    }
    if text(call, "urlPath").is_empty() && given(call, "service").is_none() {
        finder.warning("the call has neither `urlPath` nor `service`: it cannot be made").under(["apiCall"]);
    }
    let path = text(call, "urlPath");
    if !path.is_empty() && !has_variable(path) {
        let reason = match ApiPath::parse(path) {
            Err(reason) => Some(reason),
            Ok(path) if text(call, "method") == "POST" && !path.is_review() => {
                Some("nothing but reviews of access and of tokens is created by a call".to_owned())
            }
            Ok(path) => is_elsewhere(home, path.namespace()).then(|| limited(home)),
        };
        if let Some(reason) = reason {
            finder.warning(format!("the call is not made: {reason}")).under(["apiCall", "urlPath"]);
        }
    }
    if !list(call, "data").is_empty() && text(call, "method") != "POST" {
        finder.warning("`data` is sent with `method: POST` alone").under(["apiCall", "data"]);
    }
}
