//! What is said of a policy while it is written.

use portcullis_cluster::discovery::Discovery;
use portcullis_kyverno::status::{NotEnforced, PolicyStatus, Readiness, never_asked_about};
use portcullis_kyverno::webhooks::WebhookNeeds;
use portcullis_kyverno::{Findings, Kinds, Lookups, Policy, sets_job_ttl, warn_of_job_ttl};
use portcullis_model::Diagnostic;
use portcullis_value::Value;

use crate::kinds::ServedKinds;
use crate::webhooks::{NeverAsked, Unasked};

/// The answer to whoever writes a policy, or an exception to one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PolicyAdmission {
    /// Why it is refused, in the reference's words.
    pub refusal: Option<String>,
    /// One line each, the most important first: what else is wrong where it is refused.
    pub warnings: Vec<String>,
}

/// Looks at `document`, a ClusterPolicy or Policy that is about to be stored.
///
/// `discovery` is what the API server serves, where there is one to ask; `ignore_failures` says whether no webhook fails
/// closed, whatever policies say; `dangling_jobs` is the number of finished Jobs in the cluster that nobody owns and
/// nothing will delete; `lookups` is what is looked up for rules.
pub fn policy_admission(
    document: Value<'_>,
    discovery: Option<&Discovery>,
    ignore_failures: bool,
    dangling_jobs: usize,
    lookups: Lookups,
) -> PolicyAdmission {
    let kinds = discovery.map(ServedKinds);
    let findings = Findings::of(document, kinds.as_ref().map(|kinds| kinds as &dyn Kinds));
    let refusal = findings.refusal();
    let mut warnings = Vec::new();
    if refusal.is_none() {
        let policy = Policy::compile(document);
        warnings.extend(not_enforced(document, &policy, lookups));
        let mut unasked = discovery.map(|discovery| Unasked::new(discovery, ignore_failures));
        let never_asked =
            unasked.as_mut().and_then(|unasked| unasked.of(&policy, &WebhookNeeds::of(document)));
        warnings.extend(never_asked.map(|NeverAsked { named, among_others, .. }| {
            never_asked_about(&named.into_iter().chain(among_others).collect())
        }));
        warnings.extend(warn_of_job_ttl(document).map(|warning| line(&warning)));
        if dangling_jobs > 0 && sets_job_ttl(document) {
            let jobs = match dangling_jobs {
                1 => "1 finished Job without a TTL is there already".to_owned(),
                jobs => format!("{jobs} finished Jobs without a TTL are there already"),
            };
            warnings.push(format!("{jobs}, which this policy does not touch; run: portcullis jobs list"));
        }
    }
    warnings.extend(findings.told_beside());
    PolicyAdmission { refusal, warnings }
}

/// The rules that will not be executed, each with the part that is in the way.
fn not_enforced(document: Value<'_>, policy: &Policy, lookups: Lookups) -> impl Iterator<Item = String> {
    let rules = match PolicyStatus::of(document, Ok(policy), lookups).readiness {
        Readiness::RulesNotEnforced(rules) => rules,
        Readiness::Ready | Readiness::Invalid(_) | Readiness::WebhookNotWritten(_) => Vec::new(),
    };
    rules.into_iter().filter_map(|(rule, why)| match why {
        NotEnforced::NotExecuted(part) => {
            Some(format!("rule `{rule}` is not enforced by this version: it has `{part}`"))
        }
        // What is never asked is told of by its kinds.
        NotEnforced::NeverAsked => None,
    })
}

/// A warning that names its place itself, on one line.
fn line(diagnostic: &Diagnostic) -> String {
    match &diagnostic.hint {
        Some(hint) => format!("{} ({hint})", diagnostic.message),
        None => diagnostic.message.clone(),
    }
}
