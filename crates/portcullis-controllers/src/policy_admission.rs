//! What is said of a policy while it is written.

use portcullis_cluster::discovery::Discovery;
use portcullis_kyverno::status::{PolicyStatus, Readiness};
use portcullis_kyverno::webhooks::WebhookNeeds;
use portcullis_kyverno::{Findings, Kinds, Lookups, Policy, sets_job_ttl, warn_of_job_ttl};
use portcullis_model::Diagnostic;
use portcullis_value::Value;

use crate::kinds::ServedKinds;
use crate::webhooks::never_asked;

/// The answer to whoever writes a policy, or an exception to one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PolicyAdmission {
    /// Why it is refused, in the reference's words.
    pub refusal: Option<String>,
    /// One line each, the most important first.
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
        warnings.extend(not_enforced(document, lookups));
        if !ignore_failures {
            warnings.extend(discovery.and_then(|discovery| not_asked(document, discovery)));
        }
        warnings.extend(warn_of_job_ttl(document).map(|warning| line(&warning)));
        if dangling_jobs > 0 && sets_job_ttl(document) {
            let jobs = match dangling_jobs {
                1 => "1 finished Job without a TTL is there already".to_owned(),
                jobs => format!("{jobs} finished Jobs without a TTL are there already"),
            };
            warnings.push(format!("{jobs}, which this policy does not touch; run: portcullis jobs list"));
        }
    }
    let found = findings.into_diagnostics();
    warnings.extend(found.iter().filter(|diagnostic| !diagnostic.is_error()).map(line));
    PolicyAdmission { refusal, warnings }
}

/// The rules that will not be executed, each with the part that is in the way.
fn not_enforced(document: Value<'_>, lookups: Lookups) -> impl Iterator<Item = String> {
    let status = PolicyStatus::of(document, Ok(&Policy::compile(document)), lookups);
    let rules = match status.readiness {
        Readiness::RulesNotEnforced(rules) => rules,
        Readiness::Ready | Readiness::Invalid(_) | Readiness::WebhookNotWritten(_) => Vec::new(),
    };
    rules
        .into_iter()
        .map(|(rule, part)| format!("rule `{rule}` is not enforced by this version: it has `{part}`"))
}

/// What a policy that fails closed wants to be asked about and never is.
fn not_asked(document: Value<'_>, discovery: &Discovery) -> Option<String> {
    let kinds = never_asked(&WebhookNeeds::of(document), discovery);
    let kinds: Vec<_> = kinds.iter().map(|kind| format!("`{kind}`")).collect();
    (!kinds.is_empty()).then(|| {
        format!(
            "never asked about {}, which the control plane needs to stay alive (a policy with `failurePolicy: Ignore` is)",
            kinds.join(", ")
        )
    })
}

/// A warning on one line.
pub(crate) fn line(diagnostic: &Diagnostic) -> String {
    match &diagnostic.hint {
        Some(hint) => format!("{} ({hint})", diagnostic.message),
        None => diagnostic.message.clone(),
    }
}
