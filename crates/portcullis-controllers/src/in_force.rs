//! The policies of a cluster, compiled: which are in force, and what is wrong with the others.

use std::borrow::Cow;
use std::cmp::Ordering;
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
use crate::webhooks::NeverAsked;

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
    pub document: Arc<Document>,
    pub compiled: Arc<Compiled>,
}

/// What is known of a policy once it is compiled.
#[derive(Debug)]
pub struct Compiled {
    /// `None` where a mistake is in the way.
    pub policy: Option<Arc<Policy>>,
    /// What could be made of it where a mistake is in the way: nobody is judged by it, but it is counted.
    pub mistaken: Option<Box<Policy>>,
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
        let (policy, mistaken) = match mistakes.is_empty() {
            true => (Some(Arc::new(policy)), None),
            false => (None, Some(Box::new(policy))),
        };
        Self {
            policy,
            mistaken,
            needs: WebhookNeeds::of(document),
            rules: document.path(&["spec", "rules"]).and_then(Value::as_array).unwrap_or_default().len(),
            status,
        }
    }
}

impl Compiled {
    /// The policy with its rules, be it in force or not.
    pub fn written(&self) -> Option<&Policy> {
        self.policy.as_deref().or(self.mistaken.as_deref())
    }
}

impl InForce {
    /// Whether there is a policy of this name, be it in force or not; `namespace` is empty for a ClusterPolicy.
    pub fn contains(&self, namespace: &str, policy: &str) -> bool {
        self.policies.binary_search_by(|known| name(&known.document).cmp(&(namespace, policy))).is_ok()
    }

    /// The policies that are here and were not in `before`, or with another text, or the other way round: each as it was
    /// and as it is.
    pub fn changes_since<'p>(
        &'p self,
        before: &'p InForce,
    ) -> Vec<(Option<&'p PolicyInForce>, Option<&'p PolicyInForce>)> {
        let (mut old, mut new) = (before.policies.iter().peekable(), self.policies.iter().peekable());
        let mut changes = Vec::new();
        loop {
            let order = match (old.peek(), new.peek()) {
                (None, None) => return changes,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(old), Some(new)) => name(&old.document).cmp(&name(&new.document)),
            };
            let was = if order.is_le() { old.next() } else { None };
            let is = if order.is_ge() { new.next() } else { None };
            let is_same =
                was.zip(is).is_some_and(|(was, is)| Arc::ptr_eq(&was.document.text, &is.document.text));
            if !is_same {
                changes.push((was, is));
            }
        }
    }

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
        self.asking().map(|(_, needs)| needs)
    }

    /// The policies that requests are judged by, each with what it needs of webhooks.
    pub fn asking(&self) -> impl Iterator<Item = (&Policy, &WebhookNeeds)> {
        self.policies.iter().filter_map(|policy| {
            let Compiled { policy, needs, .. } = &*policy.compiled;
            Some((&**policy.as_ref()?, needs))
        })
    }
}

impl PolicyInForce {
    /// What its status is to say; `unasked` is why its webhooks are not in the cluster, if they are not, and `never_asked`
    /// what they leave out.
    pub fn status(&self, unasked: Option<String>, never_asked: Option<&NeverAsked>) -> Cow<'_, PolicyStatus> {
        let status = &self.compiled.status;
        match (unasked, never_asked) {
            (Some(reason), _) => {
                Cow::Owned(PolicyStatus { readiness: Readiness::WebhookNotWritten(reason), ..status.clone() })
            }
            (None, Some(NeverAsked { named, rules, .. })) => {
                Cow::Owned(status.clone().with_never_asked(named, rules))
            }
            (None, None) => Cow::Borrowed(status),
        }
    }

    /// How many of its rules are not enforced, though somebody wrote them; `status` is what it says.
    pub fn rules_not_enforced(&self, status: &PolicyStatus) -> usize {
        match &status.readiness {
            Readiness::Ready => 0,
            Readiness::RulesNotEnforced(rules) => rules.len(),
            Readiness::Invalid(_) | Readiness::WebhookNotWritten(_) => self.compiled.rules,
        }
    }
}

/// Compiles policies, each once for as long as its text and the exceptions to it stay the same.
#[derive(Debug, Default)]
pub struct Compiler {
    /// In the order of namespace and name.
    known: Vec<Known>,
    exceptions: ExceptionCompiler,
    lookups: Lookups,
}

/// What a policy was compiled from, and what to.
#[derive(Debug)]
struct Known {
    document: Arc<Document>,
    exceptions: Vec<Arc<PolicyException>>,
    compiled: Arc<Compiled>,
}

impl Known {
    fn is_of(&self, document: &Document, exceptions: &[Arc<PolicyException>]) -> bool {
        Arc::ptr_eq(&self.document.text, &document.text)
            && self.exceptions.len() == exceptions.len()
            && self.exceptions.iter().zip(exceptions).all(|(ours, theirs)| Arc::ptr_eq(ours, theirs))
    }
}

impl Compiler {
    /// For a cluster that offers `lookups` to rules.
    pub fn new(lookups: Lookups) -> Self {
        Self { lookups, ..Self::default() }
    }

    /// The policies in force: `documents` are all there are, in the order of namespace and name, `exceptions` all that
    /// count.
    ///
    /// It is called for every change of one policy among thousands. What is made anew each time is therefore little, and
    /// in few pieces: what is kept for long would come to lie scattered among what is not.
    pub fn compile<'d>(
        &mut self,
        documents: impl IntoIterator<Item = &'d Arc<Document>>,
        exceptions: impl IntoIterator<Item = &'d Arc<Document>>,
        discovery: &Discovery,
    ) -> InForce {
        let mut exceptions_of = self.exceptions.compile(exceptions);
        let before = std::mem::take(&mut self.known);
        let known = documents.into_iter().map(|document| {
            let exceptions = exceptions_of.remove(&*key(document)).unwrap_or_default();
            let known = before.binary_search_by(|known| name(&known.document).cmp(&name(document)));
            let known = known.ok().and_then(|place| before.get(place));
            let compiled = match known.filter(|known| known.is_of(document, &exceptions)) {
                Some(known) => known.compiled.clone(),
                None => Arc::new(Compiled::of(&document.text, &exceptions, discovery, self.lookups)),
            };
            Known { document: document.clone(), exceptions, compiled }
        });
        self.known = known.collect();
        let in_force = |known: &Known| PolicyInForce {
            document: known.document.clone(),
            compiled: known.compiled.clone(),
        };
        InForce { policies: self.known.iter().map(in_force).collect() }
    }
}

/// The namespace of a policy, empty for a ClusterPolicy, and its name.
fn name(document: &Document) -> (&str, &str) {
    (&document.metadata.namespace, &document.metadata.name)
}

/// As exceptions name a policy.
fn key(document: &Document) -> Cow<'_, str> {
    match name(document) {
        ("", name) => Cow::Borrowed(name),
        (namespace, name) => Cow::Owned(format!("{namespace}/{name}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(namespace: &str, name: &str, image: &str) -> Arc<Document> {
        let kind = if namespace.is_empty() { "ClusterPolicy" } else { "Policy" };
        let rule = format!(
            r#"{{"name":"r","match":{{"any":[{{"resources":{{"kinds":["Pod"]}}}}]}},"validate":{{"pattern":{{"x":"{image}"}}}}}}"#
        );
        let metadata = format!(r#"{{"namespace":"{namespace}","name":"{name}"}}"#);
        let text = format!(
            r#"{{"apiVersion":"kyverno.io/v1","kind":"{kind}","metadata":{metadata},"spec":{{"rules":[{rule}]}}}}"#
        );
        Arc::new(serde_json::from_str(&text).unwrap())
    }

    #[test]
    fn what_has_changed_is_found_whatever_comes_and_goes_around_it() {
        let mut compiler = Compiler::default();
        let mut compile = |documents: &[&Arc<Document>]| {
            compiler.compile(documents.iter().copied(), [], &Discovery::default())
        };
        let told = |before: &InForce, after: &InForce| {
            let name = |policy: Option<&PolicyInForce>| {
                policy.map_or("-".to_owned(), |policy| key(&policy.document).into_owned())
            };
            let changes = after.changes_since(before).into_iter();
            changes.map(|(was, is)| format!("{} {}", name(was), name(is))).collect::<Vec<_>>()
        };
        let [a, b, c, d] = ["a", "b", "c", "d"].map(|name| policy("n", name, "1"));
        let before = compile(&[&a, &b, &d]);
        assert_eq!(told(&before, &compile(&[&a, &b, &d])), [""; 0]);
        assert_eq!(told(&InForce::default(), &before), ["- n/a", "- n/b", "- n/d"]);
        let changed = policy("n", "b", "2");
        assert_eq!(told(&before, &compile(&[&changed, &c, &d])), ["n/a -", "n/b n/b", "- n/c"]);
        assert_eq!(told(&before, &compile(&[])), ["n/a -", "n/b -", "n/d -"]);
    }

    #[test]
    fn a_policy_is_compiled_anew_when_its_text_is_another_one_and_not_when_others_come_and_go() {
        let mut compiler = Compiler::default();
        let mut compile = |documents: &[&Arc<Document>]| {
            compiler.compile(documents.iter().copied(), [], &Discovery::default()).policies
        };
        let (a, b, c) = (policy("", "a", "1"), policy("", "b", "1"), policy("n", "b", "1"));
        let before = compile(&[&a, &b, &c]);
        assert!(before.iter().all(|policy| policy.compiled.policy.is_some()));
        let (changed, new) = (policy("", "b", "2"), policy("", "c", "1"));
        let after = compile(&[&changed, &new, &c]);
        assert!(!Arc::ptr_eq(&before[1].compiled, &after[0].compiled), "its text is another one");
        assert!(Arc::ptr_eq(&before[2].compiled, &after[2].compiled), "one of the same name changed");
        assert!(Arc::ptr_eq(&after[1].compiled, &compile(&[&a, &new])[1].compiled));
    }
}
