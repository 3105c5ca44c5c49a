//! Decisions that a server recorded, with what it explained of them.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::Path;

use portcullis_model::explain::PolicyExplanation;
use serde::Deserialize;

use super::{About, Form, Request};
use crate::diagnostics;
use crate::exit::{Ended, hinted, standard_output};
use crate::files;
use crate::surroundings::Surroundings;

/// How large a file of decisions may be, in bytes.
const MAX_FILE: u64 = 64 << 20;

/// What is read of a decision.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Decision {
    #[serde(default)]
    time: String,
    uid: String,
    operation: String,
    /// `group/version/Kind`.
    kind: String,
    #[serde(default)]
    namespace: String,
    #[serde(default)]
    name: String,
    allowed: bool,
    /// Why no rule had a say, if so: there is nothing to explain then.
    #[serde(default)]
    message: String,
    #[serde(default)]
    explained: Vec<PolicyExplanation>,
}

/// A line of the log in JSON.
#[derive(Debug, Deserialize)]
struct Logged {
    decision: Decision,
}

/// Prints the explanations of the decisions in the file at `path`; with `rule`, those of that rule alone.
pub(super) fn print(
    path: &str,
    rule: Option<&str>,
    form: &mut dyn Form,
    surroundings: &mut Surroundings<'_>,
) -> Result<(), Ended> {
    let text = read(path, surroundings)?;
    let source = if path == "-" { "standard input".to_owned() } else { format!("`{path}`") };
    let decisions: Vec<_> = text.lines().filter_map(decision).collect();
    if decisions.is_empty() {
        return Err(hinted(
            format!("there is no decision in {source}"),
            Some("save what `/decisions` of a server answers, or its log"),
        )
        .into());
    }
    let explained: Vec<_> = decisions.iter().filter(|decision| !decision.explained.is_empty()).collect();
    if explained.is_empty() {
        return Err(hinted(
            format!("no decision in {source} is explained"),
            Some("a server explains denials, as long as there are not too many at once"),
        )
        .into());
    }
    if let Some(rule) = rule {
        find_rule(rule, &explained, &source)?;
    }
    // What is allowed is never explained, and most of a log.
    let denied_by_rules = |decision: &&Decision| !decision.allowed && decision.message.is_empty();
    let denials = decisions.iter().filter(denied_by_rules);
    let others = denials.clone().filter(|decision| decision.explained.is_empty()).count();
    if others > 0 {
        let message = format!("{others} of {} denials in {source} are not explained", denials.count());
        diagnostics::warning(&mut surroundings.stderr, &message);
    }
    for decision in explained {
        let mut explanations = decision.explained.clone();
        for explanation in &mut explanations {
            explanation.rules.retain(|explained| rule.is_none_or(|rule| explained.rule == rule));
        }
        explanations.retain(|explanation| !explanation.rules.is_empty());
        let (api_version, kind) = decision.kind.rsplit_once('/').unwrap_or(("", &decision.kind));
        let about = About {
            api_version: api_version.to_owned(),
            kind: kind.to_owned(),
            namespace: decision.namespace.clone(),
            name: decision.name.clone(),
            request: Some(Request {
                time: decision.time.clone(),
                uid: decision.uid.clone(),
                operation: decision.operation.clone(),
                allowed: decision.allowed,
            }),
        };
        form.explanations(&about, &explanations, &mut surroundings.stdout).map_err(standard_output)?;
    }
    Ok(())
}

/// Refuses the name of a rule that none of the `explained` decisions tells of.
fn find_rule(rule: &str, explained: &[&Decision], source: &str) -> anyhow::Result<()> {
    let policies = explained.iter().flat_map(|decision| &decision.explained);
    let names: BTreeSet<&str> =
        policies.flat_map(|policy| &policy.rules).map(|explained| &*explained.rule).collect();
    if names.contains(rule) {
        return Ok(());
    }
    let hint = super::meant(rule, names);
    Err(hinted(format!("no decision in {source} explains a rule `{rule}`"), Some(hint)))
}

fn read(path: &str, surroundings: &mut Surroundings<'_>) -> anyhow::Result<String> {
    if path != "-" {
        return Ok(files::read_text(&surroundings.directory.join(Path::new(path)), MAX_FILE)?);
    }
    let mut text = String::new();
    let read = (&mut surroundings.stdin).take(MAX_FILE + 1).read_to_string(&mut text);
    read.map_err(files::FileError::Stdin)?;
    if u64::try_from(text.len()).unwrap_or(u64::MAX) > MAX_FILE {
        anyhow::bail!("standard input is larger than {MAX_FILE} bytes");
    }
    Ok(text)
}

/// The decision in a line of `/decisions` or of the log, which puts time and level before it.
fn decision(line: &str) -> Option<Decision> {
    let json = line.get(line.find('{')?..)?;
    let logged = || serde_json::from_str::<Logged>(json).ok();
    serde_json::from_str(json).ok().or_else(|| Some(logged()?.decision))
}
