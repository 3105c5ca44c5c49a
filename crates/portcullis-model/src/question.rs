//! Facts from outside that an evaluation asks for.

use std::collections::BTreeMap;

use portcullis_value::OwnedValue;

/// What an evaluation needs to know and cannot look up itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Question {
    /// A ConfigMap; the answer is `{"data": .., "metadata": ..}`.
    ConfigMap {
        /// The context entry that asks.
        entry: String,
        namespace: String,
        name: String,
    },
    /// A call to the API server; the answer is the decoded body.
    ApiCall { entry: String, method: String, url_path: String, data: String },
    /// A call to another service; the answer is the decoded body.
    ServiceCall { entry: String, method: String, url: String, data: String },
    /// An entry of the global context, or a projection of one (`entry.projection`).
    GlobalContext { entry: String, name: String },
    /// What a registry says of an image.
    Image { entry: String, reference: String },
}

impl Question {
    /// The name of the context entry that asks.
    pub fn entry(&self) -> &str {
        match self {
            Question::ConfigMap { entry, .. }
            | Question::ApiCall { entry, .. }
            | Question::ServiceCall { entry, .. }
            | Question::GlobalContext { entry, .. }
            | Question::Image { entry, .. } => entry,
        }
    }
}

/// What came of a question.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    Value(OwnedValue),
    /// It was asked and failed; the text says why.
    Failed(String),
    /// Nobody is there to ask. The variable keeps what was given for it from outside, if anything.
    Unavailable,
}

/// The answers known so far.
pub type Answers = BTreeMap<Question, Answer>;
