//! Facts from outside that an evaluation asks for.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

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
    ServiceCall {
        entry: String,
        method: String,
        url: String,
        data: String,
        /// What is sent along, in order.
        headers: Vec<(String, String)>,
        /// The authorities in PEM that the service's certificate is checked with; those of the system where it is empty.
        ca_bundle: String,
    },
    /// An entry of the global context, or a projection of one (`entry.projection`).
    GlobalContext { entry: String, name: String },
    /// What a registry says of an image.
    Image { entry: String, reference: String },
    /// Resources that are there already; the answer is a list of them.
    Resources(ResourceQuery),
}

/// Which resources are asked for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceQuery {
    pub purpose: Purpose,
    /// As objects write it: `apps/v1`.
    pub api_version: String,
    pub kind: String,
    /// Empty unless a subresource of them is meant.
    pub subresource: String,
    /// Empty outside namespaces; `None` for all.
    pub namespace: Option<String>,
    /// `None` for all.
    pub name: Option<String>,
}

/// What resources are asked for for.
///
/// To a cluster it makes no difference. The command line is given what rules copy and what they change apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Purpose {
    /// A rule generates copies of them.
    Clone,
    /// A rule generates them, unless they are there.
    Generate,
    /// A rule changes them.
    Mutate,
}

impl Question {
    /// The name of the context entry that asks; where a rule asks for resources, their kind.
    pub fn entry(&self) -> &str {
        match self {
            Question::ConfigMap { entry, .. }
            | Question::ApiCall { entry, .. }
            | Question::ServiceCall { entry, .. }
            | Question::GlobalContext { entry, .. }
            | Question::Image { entry, .. } => entry,
            Question::Resources(query) => &query.kind,
        }
    }

    /// The same question from whoever asks it.
    #[must_use]
    pub fn without_entry(&self) -> Self {
        let mut question = self.clone();
        match &mut question {
            Question::ConfigMap { entry, .. }
            | Question::ApiCall { entry, .. }
            | Question::ServiceCall { entry, .. }
            | Question::GlobalContext { entry, .. }
            | Question::Image { entry, .. } => entry.clear(),
            Question::Resources(_) => {}
        }
        question
    }
}

/// What is asked for, in a few words: `ConfigMap ns/name`, `GET /api/v1/pods`.
impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Question::ConfigMap { namespace, name, .. } => write!(f, "ConfigMap {namespace}/{name}"),
            Question::ApiCall { method, url_path, .. } => write!(f, "{method} {url_path}"),
            Question::ServiceCall { method, url, .. } => write!(f, "{method} {url}"),
            Question::GlobalContext { name, .. } => write!(f, "GlobalContextEntry {name}"),
            Question::Image { reference, .. } => write!(f, "image {reference}"),
            Question::Resources(query) => {
                let part = |part: &Option<String>| part.as_deref().unwrap_or("*").to_owned();
                let (namespace, name) = (part(&query.namespace), part(&query.name));
                write!(f, "{}/{} {namespace}/{name}", query.api_version, query.kind)
            }
        }
    }
}

/// What came of a question.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// Shared by all who ask: it may be large.
    Value(Arc<OwnedValue>),
    /// The same of what was made of Secrets: no text in it is told.
    OfSecrets(Arc<OwnedValue>),
    /// It was asked and failed; the text says why.
    Failed(String),
    /// Nobody is there to ask. The variable keeps what was given for it from outside, if anything.
    Unavailable,
}

impl Answer {
    /// The answer that is `value`.
    pub fn value(value: impl Into<OwnedValue>) -> Self {
        Answer::Value(Arc::new(value.into()))
    }
}

/// The answers known so far.
pub type Answers = BTreeMap<Question, Answer>;
