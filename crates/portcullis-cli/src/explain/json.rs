//! Explanations as one JSON document.

use std::io::{self, Write as _};

use portcullis_model::explain::PolicyExplanation;
use serde::Serialize;

use super::{About, Form};
use crate::surroundings::Stream;

/// The JSON form.
#[derive(Debug, Default)]
pub(super) struct Json {
    /// How many entries are written.
    written: usize,
}

/// What happened to the rules of one policy on one resource.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry<'e> {
    resource: Identity<'e>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<Request<'e>>,
    #[serde(flatten)]
    explanation: &'e PolicyExplanation,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Identity<'e> {
    api_version: &'e str,
    kind: &'e str,
    #[serde(skip_serializing_if = "str::is_empty")]
    namespace: &'e str,
    name: &'e str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Request<'e> {
    time: &'e str,
    uid: &'e str,
    operation: &'e str,
    allowed: bool,
}

impl Form for Json {
    fn explanations(
        &mut self,
        about: &About,
        explanations: &[PolicyExplanation],
        stdout: &mut Stream<'_>,
    ) -> io::Result<()> {
        for explanation in explanations {
            let request = about.request.as_ref().map(|request| Request {
                time: &request.time,
                uid: &request.uid,
                operation: &request.operation,
                allowed: request.allowed,
            });
            let resource = Identity {
                api_version: &about.api_version,
                kind: &about.kind,
                namespace: &about.namespace,
                name: &about.name,
            };
            let text = serde_json::to_string_pretty(&Entry { resource, request, explanation })?;
            let before = if self.written == 0 { "{\n  \"explanations\": [" } else { "," };
            write!(stdout, "{before}\n    {}", text.replace('\n', "\n    "))?;
            self.written += 1;
        }
        Ok(())
    }

    fn end(&mut self, stdout: &mut Stream<'_>) -> io::Result<()> {
        let end = if self.written == 0 { "{\n  \"explanations\": []\n}" } else { "\n  ]\n}" };
        writeln!(stdout, "{end}")
    }
}
