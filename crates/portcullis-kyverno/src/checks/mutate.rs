//! `mutate`.

mod overlay;

use portcullis_patch::json6902;
use portcullis_value::{Arena, Value};

use super::Served;
use super::document::{Document, Rule, given, list, text};
use super::finder::Finder;
use super::walk;
use crate::variable::has_variable;

/// The JSON patch of a rule, as far as it can be read before variables are known.
#[derive(Debug)]
pub(super) struct Patch {
    paths: Vec<String>,
}

impl Patch {
    /// The patch of `mutate`, with variables as they are; an error in the reference's words.
    pub(super) fn of(mutate: Value<'_>) -> Option<Result<Self, String>> {
        let source = text(mutate, "patchesJson6902");
        (!source.is_empty()).then(|| Self::parse(source))
    }

    fn parse(source: &str) -> Result<Self, String> {
        let arena = Arena::new();
        let document = portcullis_yaml::read(&arena, source).map_err(|error| yaml_error(source, &error))?;
        let patch = json6902::Patch::parse(document).map_err(|error| error.to_string())?;
        Ok(Self { paths: patch.operations.iter().map(|operation| operation.path().to_owned()).collect() })
    }

    pub(super) fn paths(&self) -> &[String] {
        &self.paths
    }
}

/// What Go's YAML library says of a mistake in `source`, where that is known.
fn yaml_error(source: &str, error: &portcullis_yaml::Error) -> String {
    if !error.message().contains("is missing in a") {
        return format!("yaml: line {}: {}", error.line(), error.message());
    }
    // COMPAT(kyverno): lines count from 0 here, and one in the first line is said to be where the text ends.
    let line = if error.line() > 1 { error.line() - 1 } else { source.lines().count() };
    let close = if error.message().contains('}') { '}' } else { ']' };
    format!("yaml: line {line}: did not find expected ',' or '{close}'")
}

/// The JSON patch of the rule; `finder` is at the rule.
pub(super) fn check_json_patch(rule: &Rule<'_>, finder: &mut Finder) {
    let source = rule.given(&["mutate", "patchesJson6902"]).and_then(Value::as_str).unwrap_or_default();
    if source.is_empty() {
        return;
    }
    let frame = format!("path must begin with a forward slash: spec.rules[{}]: ", rule.index);
    // A word for each variable, so that the text can be parsed.
    let source = walk::replace_variables(source, "kyvernojsonpatchvariable", |_| {});
    let (message, hint) = match Patch::parse(&source) {
        Err(message) => (message, "write a list of operations: `op`, `path`, `value`"),
        Ok(patch) => match patch.paths().iter().find(|path| !path.starts_with('/')) {
            Some(path) => (path.clone(), "paths are JSON pointers: `/spec/replicas`"),
            None => return,
        },
    };
    finder.error(message).under(["mutate", "patchesJson6902"]).framed(frame).hint(hint);
}

/// What a mutation is refused for; `finder` is at the rule.
pub(super) fn check(document: &Document<'_>, rule: &Rule<'_>, finder: &mut Finder) {
    if !rule.has("mutate") {
        return;
    }
    let mutate = rule.value.get("mutate").unwrap_or_default();
    let frame = format!("path: spec.rules[{}].mutate.", rule.index);
    let has_merge = given(mutate, "patchStrategicMerge").is_some();
    let has_patch = !text(mutate, "patchesJson6902").is_empty();
    finder.below("mutate", |finder| {
        let entries = list(mutate, "foreach");
        if !entries.is_empty() {
            if has_merge || has_patch {
                finder
                    .error("only one of `foreach`, `patchStrategicMerge`, or `patchesJson6902` is allowed")
                    .framed(format_args!("{frame}foreach.: "));
            }
            check_foreach(entries, &frame, "", finder);
            return;
        }
        // COMPAT(kyverno): not asked of loops.
        if !list(rule.value, "celPreconditions").is_empty() {
            finder
                .error("celPrecondition can only be used with validate.cel")
                .framed(format_args!("{frame}.: "))
                .hint("use `preconditions`");
        }
        if has_merge && has_patch {
            finder
                .error("only one of `patchStrategicMerge` or `patchesJson6902` is allowed")
                .framed(format_args!("{frame}foreach.: "))
                .hint("write a rule for each");
        }
        check_targets(document, mutate, &frame, finder);
    });
}

fn check_foreach(entries: &[Value<'_>], frame: &str, tag: &str, finder: &mut Finder) {
    for (index, entry) in entries.iter().enumerate() {
        let tag = format!("{tag}foreach[{index}]");
        let place = format!("{frame}{tag}.: ");
        finder.item("foreach", index, |finder| {
            let has_merge = given(*entry, "patchStrategicMerge").is_some();
            let has_patch = !text(*entry, "patchesJson6902").is_empty();
            let nested = list(*entry, "foreach");
            if nested.is_empty() {
                if has_merge == has_patch {
                    finder
                        .error("only one of `patchStrategicMerge` or `patchesJson6902` is allowed")
                        .framed(place)
                        .hint(if has_merge { "write an entry for each" } else { "there is neither" });
                }
                return;
            }
            let others = ["context", "preconditions"].iter().any(|key| given(*entry, key).is_some());
            if others || has_merge || has_patch {
                finder.error("a nested foreach cannot contain other declarations").framed(place);
            }
            check_foreach(nested, frame, &tag, finder);
        });
    }
}

/// Targets of a kind that is not served cannot be found.
fn check_targets(document: &Document<'_>, mutate: Value<'_>, frame: &str, finder: &mut Finder) {
    let Some(kinds) = document.kinds else { return };
    for (index, target) in list(mutate, "targets").iter().enumerate() {
        let (version, kind) = (text(*target, "apiVersion"), text(*target, "kind"));
        if kind.is_empty() || has_variable(kind) || has_variable(version) {
            continue;
        }
        let kind = if version.is_empty() { kind.to_owned() } else { format!("{version}/{kind}") };
        if kinds.find(&kind) == Served::Unknown {
            finder.item("targets", index, |finder| {
                finder
                    .error(format!("failed to get GVR for kind {kind}"))
                    .under(["kind"])
                    .framed(format_args!("{frame}targets.: auth check fails: "))
                    .hint("no such kind is served here");
            });
        }
    }
}

/// What the reference takes without a word; `finder` is at the rule.
pub(super) fn warn(rule: &Rule<'_>, finder: &mut Finder) {
    let Some(mutate) = given(rule.value, "mutate") else { return };
    let about = overlay::Subject::of(rule);
    finder.below("mutate", |finder| {
        for (index, target) in list(mutate, "targets").iter().enumerate() {
            if text(*target, "kind").is_empty() {
                finder
                    .warning("the target has no `kind`: nothing is found")
                    .under(["targets", &index.to_string()]);
            }
        }
        warn_of_overlays(mutate, &about, finder);
    });
}

/// The overlays of `holder` and of the loops in it.
fn warn_of_overlays(holder: Value<'_>, about: &overlay::Subject, finder: &mut Finder) {
    if let Some(tree) = given(holder, "patchStrategicMerge") {
        finder.below("patchStrategicMerge", |finder| overlay::warn(tree, about, finder));
    }
    for (index, entry) in list(holder, "foreach").iter().enumerate() {
        finder.item("foreach", index, |finder| warn_of_overlays(*entry, about, finder));
    }
}
