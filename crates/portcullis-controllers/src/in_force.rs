//! The policies of a cluster, compiled: which are in force, and what is wrong with the others.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use portcullis_cluster::Document;
use portcullis_cluster::discovery::Discovery;
use portcullis_kyverno::status::{PolicyStatus, Readiness};
use portcullis_kyverno::webhooks::WebhookNeeds;
use portcullis_kyverno::{Findings, Lookups, Policy, PolicyException};
use portcullis_model::Diagnostic;
use portcullis_value::{Arena, Value, json};

use crate::exceptions::ExceptionCompiler;
use crate::kinds::ServedKinds;

/// The policies at one moment.
#[derive(Debug, Default)]
pub struct InForce {
    /// All policies that there are, those with a mistake included, in the order of namespace and name.
    pub policies: Vec<PolicyInForce>,
}

/// A policy as it was written, and what became of it.
#[derive(Clone, Debug)]
pub struct PolicyInForce {
    /// As it lies in the cluster, with the status that it has there.
    pub document: Document,
    pub compiled: Arc<Compiled>,
}

/// What is known of a policy once it is compiled.
#[derive(Debug)]
pub struct Compiled {
    /// `None` where a mistake is in the way.
    pub policy: Option<Arc<Policy>>,
    pub needs: WebhookNeeds,
    /// The number of its rules as they are written.
    pub rules: usize,
    /// What its status is to say.
    pub status: PolicyStatus,
}

impl Compiled {
    /// Compiles the policy that `text` holds as JSON, with `exceptions` to it. A kind that `discovery` does not know is no
    /// mistake.
    pub fn of(
        text: &str,
        exceptions: &[Arc<PolicyException>],
        discovery: &Discovery,
        lookups: Lookups,
    ) -> Self {
        let arena = Arena::new();
        let (document, mistakes) = match json::read(&arena, text) {
            Ok(document) => {
                let kinds = ServedKinds(discovery);
                let found = Findings::of(document, Some(&kinds)).into_diagnostics();
                (document, found.into_iter().filter(Diagnostic::is_error).collect())
            }
            Err(error) => {
                (Default::default(), vec![Diagnostic::error(Default::default(), error.to_string())])
            }
        };
        let policy = Policy::compile(document).excepting(exceptions);
        let compiled = if mistakes.is_empty() { Ok(&policy) } else { Err(mistakes.clone()) };
        let status = PolicyStatus::of(document, compiled, lookups);
        Self {
            policy: mistakes.is_empty().then(|| Arc::new(policy)),
            needs: WebhookNeeds::of(document),
            rules: document.path(&["spec", "rules"]).and_then(Value::as_array).unwrap_or_default().len(),
            status,
        }
    }
}

impl InForce {
    /// Whether the same policies are in force as in `other`, compiled from the same texts with the same exceptions.
    pub fn is_same_as(&self, other: &InForce) -> bool {
        let same =
            |(ours, theirs): (&PolicyInForce, &PolicyInForce)| Arc::ptr_eq(&ours.compiled, &theirs.compiled);
        self.policies.len() == other.policies.len() && self.policies.iter().zip(&other.policies).all(same)
    }

    /// The policies that requests are judged by.
    pub fn compiled(&self) -> impl Iterator<Item = &Arc<Policy>> {
        self.policies.iter().filter_map(|policy| policy.compiled.policy.as_ref())
    }

    /// What `policies` need of webhooks: a policy with a mistake needs nothing.
    pub fn webhook_needs(&self) -> impl Iterator<Item = &WebhookNeeds> {
        self.policies
            .iter()
            .filter(|policy| policy.compiled.policy.is_some())
            .map(|policy| &policy.compiled.needs)
    }
}

impl PolicyInForce {
    /// What its status is to say; `unasked` is why its webhooks are not in the cluster, if they are not.
    pub fn status(&self, unasked: Option<String>) -> Cow<'_, PolicyStatus> {
        let status = &self.compiled.status;
        match unasked {
            Some(reason) => {
                Cow::Owned(PolicyStatus { readiness: Readiness::WebhookNotWritten(reason), ..status.clone() })
            }
            None => Cow::Borrowed(status),
        }
    }

    /// How many of its rules are not enforced, though somebody wrote them.
    pub fn rules_not_enforced(&self, is_unasked: bool) -> usize {
        match &self.compiled.status.readiness {
            Readiness::Ready if !is_unasked => 0,
            Readiness::RulesNotEnforced(rules) if !is_unasked => rules.len(),
            _ => self.compiled.rules,
        }
    }
}

/// The namespace of a policy, empty for a ClusterPolicy, and its name.
pub type PolicyName = (Box<str>, Box<str>);

/// Compiles policies, each once for as long as its text and the exceptions to it stay the same.
#[derive(Debug, Default)]
pub struct Compiler {
    known: BTreeMap<PolicyName, Known>,
    exceptions: ExceptionCompiler,
    lookups: Lookups,
}

/// What a policy was compiled from, and what to.
#[derive(Debug)]
struct Known {
    text: Arc<str>,
    exceptions: Vec<Arc<PolicyException>>,
    compiled: Arc<Compiled>,
}

impl Known {
    fn is_of(&self, text: &Arc<str>, exceptions: &[Arc<PolicyException>]) -> bool {
        Arc::ptr_eq(&self.text, text)
            && self.exceptions.len() == exceptions.len()
            && self.exceptions.iter().zip(exceptions).all(|(ours, theirs)| Arc::ptr_eq(ours, theirs))
    }
}

impl Compiler {
    /// For a cluster that offers `lookups` to rules.
    pub fn new(lookups: Lookups) -> Self {
        Self { lookups, ..Self::default() }
    }

    /// The policies in force: `documents` are all there are, `exceptions` all that count.
    pub fn compile<'d>(
        &mut self,
        documents: impl IntoIterator<Item = &'d Document>,
        exceptions: impl IntoIterator<Item = &'d Document>,
        discovery: &Discovery,
    ) -> InForce {
        let mut exceptions_of = self.exceptions.compile(exceptions);
        let mut before = std::mem::take(&mut self.known);
        let mut policies = Vec::new();
        for document in documents {
            let name = (document.metadata.namespace.clone(), document.metadata.name.clone());
            let exceptions = exceptions_of.remove(&*key(&name)).unwrap_or_default();
            let known = match before.remove(&name) {
                Some(known) if known.is_of(&document.text, &exceptions) => known,
                _ => Known {
                    compiled: Arc::new(Compiled::of(&document.text, &exceptions, discovery, self.lookups)),
                    text: document.text.clone(),
                    exceptions,
                },
            };
            policies.push(PolicyInForce { document: document.clone(), compiled: known.compiled.clone() });
            self.known.insert(name, known);
        }
        InForce { policies }
    }
}

/// As exceptions name a policy.
fn key((namespace, name): &PolicyName) -> Cow<'_, str> {
    match &**namespace {
        "" => Cow::Borrowed(name),
        namespace => Cow::Owned(format!("{namespace}/{name}")),
    }
}
