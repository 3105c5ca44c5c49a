//! The corpus `policy-validation`: what is said when a policy with one mistake is written.
//!
//! The recorded answers are those of an API server with the reference's admission behind it, so the kinds that it
//! serves are read from its discovery, and fields that its definitions do not know are taken out first. A refusal by
//! the schema (422) is worded by the API server: that the schema finds something is compared, not what. A list inside
//! `valid values: [..]` is a set.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use portcullis_cluster::discovery::Discovery;
use portcullis_controllers::kinds::ServedKinds;
use portcullis_kyverno::Findings;
use portcullis_model::Severity;
use portcullis_value::{Arena, json};
use serde::Deserialize;
use serde_json::Value;

use crate::admission::read_discovery;
use crate::corpus::{Case, Corpus, Finding, read_json_lines};
use crate::pruned::Schemas;

pub(crate) const CORPUS: Corpus = Corpus { name: "policy-validation", cases };

/// What an API server puts before the text of the webhook that refuses.
const WEBHOOK: &str = "admission webhook \"validate-policy.kyverno.svc\" denied the request: ";

#[derive(Deserialize)]
struct Row {
    id: String,
    mistake: String,
    policy: Value,
    expect: Expected,
}

/// What an API server answers to the creation of a policy.
#[derive(Deserialize)]
pub(crate) struct Expected {
    code: u16,
    #[serde(default)]
    message: String,
    #[serde(default)]
    pub(crate) warnings: Vec<String>,
}

fn cases(root: &Path) -> Result<Vec<Case>> {
    let served = Arc::new(read_discovery(root)?);
    let rows: Vec<Row> = read_json_lines(&root.join("policy-validation/cases.jsonl"))?;
    let schemas = Schemas::of_definitions()?;
    let case = |mut row: Row| {
        schemas.prune(&mut row.policy);
        let served = Arc::clone(&served);
        Case::new(row.id.clone(), row.mistake.clone(), move || check(&row, &served))
    };
    Ok(rows.into_iter().map(case).collect())
}

fn check(row: &Row, discovery: &Discovery) -> Finding {
    let served = &ServedKinds(discovery);
    let arena = Arena::new();
    let policy = row.policy.to_string();
    let policy = json::read(&arena, &policy).map_err(|error| error.to_string())?;
    let findings = Findings::of(policy, Some(served));
    let refusal = findings.refusal();
    let errors = || {
        let mut text = String::new();
        for diagnostic in Findings::of(policy, Some(served)).into_diagnostics() {
            if diagnostic.severity == Severity::Error {
                text.push_str(&format!("\n  {}: {}", diagnostic.path, diagnostic.message));
            }
        }
        text
    };
    let finding = match (row.expect.code, refusal) {
        (422, Some(_)) if findings.is_against_schema() => Ok(()),
        (422, _) => Err(format!("the schema finds nothing\nwant {}", row.expect.message)),
        (_, refusal) => row.expect.compare(refusal.as_deref()),
    };
    finding.map_err(|difference| difference + &errors())
}

impl Expected {
    /// Compares an answer of the reference's admission with the refusal here, if there is one.
    pub(crate) fn compare(&self, refusal: Option<&str>) -> Finding {
        match (self.code, refusal) {
            (201, None) => Ok(()),
            (201, Some(refusal)) => Err(format!("accepted by the reference, here: {refusal}")),
            (_, None) => Err(format!("accepted here\nwant {}", self.message)),
            (_, Some(_)) if speaks_of_accounts(&self.message) => Ok(()),
            (_, Some(refusal)) => {
                let got = format!("{WEBHOOK}{refusal}");
                if normal(&got) == normal(&self.message) {
                    Ok(())
                } else {
                    Err(format!("refused in other words\nwant {}\ngot  {got}", self.message))
                }
            }
        }
    }
}

/// Whether the message is about the reference's own service accounts, whose names are its own.
fn speaks_of_accounts(message: &str) -> bool {
    message.contains("auth check fails") || message.contains("requires permissions")
}

/// `text` with the list of operators, which the reference prints in any order, in one.
fn normal(text: &str) -> String {
    let Some((before, list)) = text.split_once("valid values: [") else { return text.to_owned() };
    let Some((list, after)) = list.split_once(']') else { return text.to_owned() };
    let values: BTreeSet<&str> = list.split(' ').collect();
    format!("{before}{values:?}{after}")
}
