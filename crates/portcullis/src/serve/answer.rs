//! From what the engine found to what the webhook answers.

use portcullis_engine::Verdict;
use portcullis_value::{Arena, json};
use portcullis_webhook as webhook;

/// The verdict in the form of an answer: its patch as text.
pub(crate) fn answer<'a>(arena: &'a Arena, verdict: Verdict<'a>) -> webhook::Verdict {
    let patch = (!verdict.patch.is_empty()).then(|| {
        let operations: Vec<_> = verdict.patch.iter().map(|operation| operation.to_value(arena)).collect();
        json::Writer::compact().to_string(arena.array(&operations)).into_bytes()
    });
    webhook::Verdict {
        allowed: verdict.allowed,
        message: verdict.message,
        warnings: verdict.warnings,
        patch,
        audit_annotations: verdict
            .audit_annotations
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value))
            .collect(),
    }
}
