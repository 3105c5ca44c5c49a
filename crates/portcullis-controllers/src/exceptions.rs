//! Exceptions to policies: whose count, what they are compiled to, and what is said of one while it is written.

use std::collections::BTreeMap;
use std::sync::Arc;

use portcullis_cluster::Document;
use portcullis_kyverno::{Findings, PolicyException};
use portcullis_model::Diagnostic;
use portcullis_value::{Arena, Value, json};

use crate::policy_admission::PolicyAdmission;

/// The namespaces whose exceptions count: whoever may write there may let anything through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ExceptionScope {
    #[default]
    Nowhere,
    Namespace(String),
    Everywhere,
}

impl ExceptionScope {
    /// As an administrator names it: nothing, a namespace, or `*`.
    pub fn named(namespace: Option<&str>) -> Self {
        match namespace {
            None => ExceptionScope::Nowhere,
            Some("*") => ExceptionScope::Everywhere,
            Some(namespace) => ExceptionScope::Namespace(namespace.to_owned()),
        }
    }

    /// Whether exceptions in `namespace` count.
    pub fn covers(&self, namespace: &str) -> bool {
        match self {
            ExceptionScope::Nowhere => false,
            ExceptionScope::Namespace(name) => name == namespace,
            ExceptionScope::Everywhere => true,
        }
    }

    /// What whoever writes an exception in `namespace` is warned of: the reference's words, and what to do.
    fn warnings(&self, namespace: &str) -> Vec<String> {
        match self {
            _ if self.covers(namespace) => Vec::new(),
            ExceptionScope::Namespace(name) => vec![
                "PolicyException resource namespace must match the defined namespace.".to_owned(),
                format!("only exceptions in namespace `{name}` count, this one has no effect"),
            ],
            ExceptionScope::Nowhere | ExceptionScope::Everywhere => vec![
                "PolicyException resources would not be processed until it is enabled.".to_owned(),
                "no exception counts until `portcullis serve` has `--exception-namespace NAMESPACE`"
                    .to_owned(),
            ],
        }
    }
}

/// Looks at `document`, a PolicyException that is about to be stored, where those of `scope` count.
pub fn exception_admission(document: Value<'_>, scope: &ExceptionScope) -> PolicyAdmission {
    let findings = Findings::of_exception(document);
    let refusal = findings.refusal();
    let mut warnings = Vec::new();
    if refusal.is_none() {
        let namespace = document.path(&["metadata", "namespace"]).and_then(Value::as_str).unwrap_or_default();
        warnings = scope.warnings(namespace);
    }
    warnings.extend(findings.told_beside());
    PolicyAdmission { refusal, warnings }
}

/// Compiles exceptions, each once for as long as its text stays the same.
#[derive(Debug, Default)]
pub(crate) struct ExceptionCompiler {
    /// By namespace and name.
    known: BTreeMap<(Box<str>, Box<str>), Known>,
}

/// The text of an exception, and what it was compiled to unless there is a mistake in it.
type Known = (Arc<str>, Option<Arc<PolicyException>>);

/// Exceptions by the key of the policy that they name: `name`, or `namespace/name`.
pub(crate) type ExceptionsOf = BTreeMap<Box<str>, Vec<Arc<PolicyException>>>;

impl ExceptionCompiler {
    /// The exceptions that count, `documents` being all of them in the order of namespace and name.
    pub(crate) fn compile<'d>(
        &mut self,
        documents: impl IntoIterator<Item = &'d Arc<Document>>,
    ) -> ExceptionsOf {
        let mut before = std::mem::take(&mut self.known);
        let mut of = ExceptionsOf::new();
        for document in documents {
            let key = (document.metadata.namespace.clone(), document.metadata.name.clone());
            let compiled = match before.remove(&key) {
                Some((text, compiled)) if Arc::ptr_eq(&text, &document.text) => compiled,
                _ => compile(document),
            };
            for policy in compiled.iter().flat_map(|exception| exception.policies()) {
                of.entry(policy.into()).or_default().extend(compiled.clone());
            }
            self.known.insert(key, (document.text.clone(), compiled));
        }
        of
    }
}

fn compile(document: &Document) -> Option<Arc<PolicyException>> {
    let arena = Arena::new();
    let read = json::read(&arena, &document.text).map_err(|error| error.to_string());
    let compiled = read.and_then(|value| {
        let found = Findings::of_exception(value).into_diagnostics();
        match found.iter().find(|diagnostic| diagnostic.is_error()) {
            Some(Diagnostic { path, message, .. }) => Err(format!("{path}: {message}")),
            None => Ok(Arc::new(PolicyException::compile(value))),
        }
    });
    let (namespace, name) = (&document.metadata.namespace, &document.metadata.name);
    compiled
        .inspect_err(|error| tracing::warn!(%namespace, %name, error, "an exception cannot be used, and excepts nothing"))
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_writes_an_exception_that_does_not_count_is_warned() {
        let warned = |scope: Option<&str>| {
            let arena = Arena::new();
            let text = "{apiVersion: kyverno.io/v2, kind: PolicyException, metadata: {name: e, namespace: a}, spec: \
                        {exceptions: [{policyName: p, ruleNames: [r]}], match: {any: [{resources: {kinds: [Pod]}}]}}}";
            let document = portcullis_yaml::read(&arena, text).unwrap();
            let admission = exception_admission(document, &ExceptionScope::named(scope));
            assert_eq!(admission.refusal, None);
            admission.warnings.into_iter().next().unwrap_or_default()
        };
        let off = "PolicyException resources would not be processed until it is enabled.";
        let elsewhere = "PolicyException resource namespace must match the defined namespace.";
        assert_eq!([None, Some("b"), Some("a"), Some("*")].map(warned), [off, elsewhere, "", ""]);
    }
}
