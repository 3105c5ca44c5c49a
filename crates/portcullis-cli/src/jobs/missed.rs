//! Jobs that a policy would have given a TTL, had it been asked: they were created while no engine ran.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;

use anyhow::{Result, bail};
use portcullis_cluster::{ApiError, Connection, Extent, ListQuery};
use portcullis_engine::judge;
use portcullis_kyverno::{Policy, PolicyException, sets_job_ttl};
use portcullis_model::{CompiledPolicy, Gvk, Operation};
use portcullis_retention::{JobFacts, Protection};
use portcullis_value::{Arena, OwnedValue, Value, json};

use crate::diagnostics;
use crate::exit::cannot;
use crate::offline::documents;
use crate::offline::host::{Circumstances, ResourceHost};
use crate::offline::inputs::Inputs;
use crate::offline::policies::Policies;
use crate::offline::values::Values;
use crate::surroundings::Surroundings;

/// The field of a Job that this is about.
const TTL: [&str; 2] = ["spec", "ttlSecondsAfterFinished"];

/// The policies in force that give Jobs a TTL.
pub(super) struct TtlPolicies {
    /// Each with the time since which it is there, in seconds since 1970-01-01 UTC.
    policies: Vec<(i64, Policy)>,
    circumstances: Circumstances,
}

impl TtlPolicies {
    /// Asks the API server for them, for the exceptions to them, and for the labels of the namespaces that they may select.
    ///
    /// # Errors
    /// The API server does not give them.
    pub(super) async fn in_force(connection: &Connection, now: i64) -> Result<Self> {
        let (mut policies, mut exceptions) = (Vec::new(), Vec::new());
        for (version, plural, what) in [
            ("v1", "clusterpolicies", "list policies"),
            ("v1", "policies", "list policies"),
            ("v2", "policyexceptions", "list exceptions"),
        ] {
            let (name, path) =
                (format!("{plural}.kyverno.io"), format!("/apis/kyverno.io/{version}/{plural}"));
            let each = |object: Value<'_>| match version {
                "v2" => exceptions.push(Arc::new(PolicyException::compile(object))),
                _ => policies.extend(Some(object).filter(|policy| is_ready(*policy)).and_then(Self::read)),
            };
            match connection.each_object(&ListQuery::all(&name, &path, Extent::Whole), each).await {
                // Without the kind there is none.
                Ok(()) | Err(ApiError::NotFound { .. }) => {}
                Err(error) => return Err(cannot(what, &error)),
            }
        }
        let labels =
            connection.namespace_labels().await.map_err(|error| cannot("list namespaces", &error))?;
        Ok(Self::with(policies, &exceptions, labels, now))
    }

    /// Those in the files and folders `paths`, all of which are taken to be in force. Mistakes are told, as
    /// `apply` tells them.
    ///
    /// # Errors
    /// A file cannot be used, or a policy has a mistake: what it would have done is not known.
    pub(super) fn given(paths: &[String], now: i64, surroundings: &mut Surroundings<'_>) -> Result<Self> {
        let mut found = Inputs::find(paths, true, surroundings);
        if found.errors + Policies::mistakes(&mut found.inputs, &mut surroundings.stderr) > 0 {
            bail!("not all that `--policies` names can be used");
        }
        let (mut policies, mut exceptions) = (Vec::new(), Vec::new());
        for mut input in found.inputs {
            let each = documents::each(&mut input, &mut surroundings.stderr, |source, _| {
                let arena = Arena::new();
                let document = documents::read_quietly(&arena, source).unwrap_or_default();
                documents::objects(&arena, document, &mut |object, _| {
                    policies.extend(Self::read(object));
                    let gvk = Gvk::of(object);
                    if gvk.group == "kyverno.io" && gvk.kind == "PolicyException" {
                        exceptions.push(Arc::new(PolicyException::compile(object)));
                    }
                    Ok::<_, Infallible>(())
                })?;
                Ok::<_, Infallible>(0)
            });
            each.unwrap_or_else(|never| match never {});
        }
        Ok(Self::with(policies, &exceptions, BTreeMap::new(), now))
    }

    /// Every exception counts, wherever it lies: in which namespace they do is known to who serves, and a Job that somebody has
    /// excepted is none to be cleared away.
    fn with(
        policies: Vec<(i64, Policy)>,
        exceptions: &[Arc<PolicyException>],
        labels: BTreeMap<String, OwnedValue>,
        now: i64,
    ) -> Self {
        let policies =
            policies.into_iter().map(|(since, policy)| (since, policy.excepting(exceptions))).collect();
        let values = Values::of_namespaces(labels);
        let circumstances =
            Circumstances { values, now: now.saturating_mul(1_000_000_000), ..Circumstances::default() };
        Self { policies, circumstances }
    }

    fn read(document: Value<'_>) -> Option<(i64, Policy)> {
        let gvk = Gvk::of(document);
        let is_policy = gvk.group == "kyverno.io" && matches!(gvk.kind, "ClusterPolicy" | "Policy");
        if !is_policy || !sets_job_ttl(document) {
            return None;
        }
        let created = document.path(&["metadata", "creationTimestamp"]).and_then(Value::as_str);
        // A policy that says no time is taken to have been there always: a file was written by hand.
        let since = created.and_then(seconds).unwrap_or(i64::MIN);
        Some((since, Policy::compile(document)))
    }

    /// Says so where there is no such policy: then nothing was missed.
    pub(super) fn tell_if_none(&self, surroundings: &mut Surroundings<'_>) {
        if self.policies.is_empty() {
            diagnostics::warning(
                &mut surroundings.stderr,
                "no policy in force gives Jobs a TTL: none was missed",
            );
        }
    }

    /// Whether one of them gives the Job in `text` a TTL, which is younger than the policy and has none.
    pub(super) fn missed(&self, facts: &JobFacts<'_>, text: &str) -> bool {
        let Some(created) = facts.created().filter(|_| !facts.protections.contains(Protection::Ttl)) else {
            return false;
        };
        let older = self.policies.iter().filter(|(since, _)| *since < created);
        let policies: Vec<&dyn CompiledPolicy> =
            older.map(|(_, policy)| policy as &dyn CompiledPolicy).collect();
        !policies.is_empty() && self.ttl_given(&policies, text).is_some()
    }

    /// The policies that would give the Job in `text` a TTL, were it created without one.
    pub(super) fn giving(&self, text: &str) -> Vec<Giving> {
        let arena = Arena::new();
        let created = json::read(&arena, text).ok();
        let created = created.and_then(|job| job.path(&["metadata", "creationTimestamp"])?.as_str());
        let created = created.and_then(seconds);
        let giving = self.policies.iter().filter_map(|(since, policy)| {
            let ttl = self.ttl_given(&[policy as &dyn CompiledPolicy], text)?;
            let title = match policy.namespace() {
                "" => format!("ClusterPolicy `{}`", policy.name()),
                namespace => format!("Policy `{namespace}/{}`", policy.name()),
            };
            Some(Giving { title, ttl, is_older: created.is_some_and(|created| *since < created) })
        });
        giving.collect()
    }

    /// The TTL in seconds that the policies give the Job in `text`, were it created without one.
    fn ttl_given(&self, policies: &[&dyn CompiledPolicy], text: &str) -> Option<i64> {
        let arena = Arena::new();
        let job = json::read(&arena, text).ok()?.without(&arena, &TTL);
        // Items of a list need not say what they are.
        let job = job.with(&arena, &["apiVersion"], Value::String("batch/v1"));
        let job = job.with(&arena, &["kind"], Value::String("Job"));
        let host = ResourceHost::new(&self.circumstances, &arena, job, Some(Operation::Create));
        judge(policies, Some(job), &arena, &host).object?.path(&TTL)?.as_i64()
    }
}

/// A policy that gives a Job a TTL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Giving {
    /// Its kind and name.
    pub(super) title: String,
    /// In seconds.
    pub(super) ttl: i64,
    /// Whether it was there before the Job.
    is_older: bool,
}

impl Giving {
    /// Whether the Job was created while nobody asked the policy.
    pub(super) fn is_missed(&self, has_ttl: bool) -> bool {
        self.is_older && !has_ttl
    }
}

/// Seconds since 1970-01-01 UTC of a time as Kubernetes writes it.
fn seconds(time: &str) -> Option<i64> {
    time.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_second)
}

/// Whether a policy says of itself that it is in force.
fn is_ready(policy: Value<'_>) -> bool {
    let conditions = policy.path(&["status", "conditions"]).and_then(Value::as_array).unwrap_or_default();
    conditions.iter().any(|condition| {
        let text = |key| condition.get(key).and_then(Value::as_str);
        text("type") == Some("Ready") && text("status") == Some("True")
    })
}
