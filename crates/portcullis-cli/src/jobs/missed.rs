//! Jobs that a policy would have given a TTL, had it been asked: they were created while no engine ran.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;

use anyhow::{Result, bail};
use portcullis_cluster::{ApiError, Connection, Extent, ListQuery};
use portcullis_engine::judge;
use portcullis_kyverno::{Policy, PolicyException, sets_job_ttl};
use portcullis_model::{CompiledPolicy, Gvk, Operation, Resource};
use portcullis_retention::{JobFacts, Protection};
use portcullis_value::{Arena, OwnedValue, Value, json};

use crate::diagnostics;
use crate::exit::cannot;
use crate::offline::documents;
use crate::offline::host::{Circumstances, ResourceHost};
use crate::offline::inputs::Inputs;
use crate::offline::policies::Policies;
use crate::offline::values::Values;
use crate::surroundings::{Stream, Surroundings};

/// The field of a Job that this is about.
const TTL: [&str; 2] = ["spec", "ttlSecondsAfterFinished"];

/// The policies in force that give Jobs a TTL.
pub(super) struct TtlPolicies {
    /// Each with the time since which it is there, in seconds since 1970-01-01 UTC.
    policies: Vec<(i64, Policy)>,
    /// Those of which nobody can say afterwards whether they gave a Job a TTL: which, and why.
    unjudged: Vec<String>,
    circumstances: Circumstances,
}

impl TtlPolicies {
    /// Asks the API server for them, for the exceptions to them, and for the labels of the namespaces that they may select.
    ///
    /// # Errors
    /// The API server does not give them.
    pub(super) async fn in_force(connection: &Connection, now: i64) -> Result<Self> {
        let (mut policies, mut unjudged, mut exceptions) = (Vec::new(), Vec::new(), Vec::new());
        for (version, plural, what) in [
            ("v1", "clusterpolicies", "list policies"),
            ("v1", "policies", "list policies"),
            ("v2", "policyexceptions", "list exceptions"),
        ] {
            let (name, path) =
                (format!("{plural}.kyverno.io"), format!("/apis/kyverno.io/{version}/{plural}"));
            let each = |object: Value<'_>| match version {
                "v2" => exceptions.push(Arc::new(PolicyException::compile(object))),
                _ if is_ready(object) => take(object, true, &mut policies, &mut unjudged),
                _ => {}
            };
            match connection.each_object(&ListQuery::all(&name, &path, Extent::Whole), each).await {
                // Without the kind there is none.
                Ok(()) | Err(ApiError::NotFound { .. }) => {}
                Err(error) => return Err(cannot(what, &error)),
            }
        }
        let labels =
            connection.namespace_labels().await.map_err(|error| cannot("list namespaces", &error))?;
        Ok(Self::with(policies, unjudged, &exceptions, labels, now))
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
        let (mut policies, mut unjudged, mut exceptions) = (Vec::new(), Vec::new(), Vec::new());
        for mut input in found.inputs {
            let each = documents::each(&mut input, &mut surroundings.stderr, |source, _| {
                let arena = Arena::new();
                let document = documents::read_quietly(&arena, source).unwrap_or_default();
                documents::objects(&arena, document, &mut |object, _| {
                    take(object, false, &mut policies, &mut unjudged);
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
        Ok(Self::with(policies, unjudged, &exceptions, BTreeMap::new(), now))
    }

    /// Every exception counts, wherever it lies: in which namespace they do is known to who serves, and a Job that somebody has
    /// excepted is none to be cleared away.
    fn with(
        policies: Vec<(i64, Policy)>,
        unjudged: Vec<String>,
        exceptions: &[Arc<PolicyException>],
        labels: BTreeMap<String, OwnedValue>,
        now: i64,
    ) -> Self {
        let policies =
            policies.into_iter().map(|(since, policy)| (since, policy.excepting(exceptions))).collect();
        let values = Values::of_namespaces(labels);
        let circumstances =
            Circumstances { values, now: now.saturating_mul(1_000_000_000), ..Circumstances::default() };
        Self { policies, unjudged, circumstances }
    }

    /// Says of which policies nobody can say whether they gave a Job a TTL: nothing counts as missed by them.
    pub(super) fn tell_unjudged(&self, stderr: &mut Stream<'_>) {
        for policy in &self.unjudged {
            diagnostics::warning(stderr, &format!("{policy}: it counts for none"));
        }
    }

    /// Says so where there is no such policy: then nothing was missed.
    pub(super) fn tell_if_none(&self, surroundings: &mut Surroundings<'_>) {
        self.tell_unjudged(&mut surroundings.stderr);
        if self.policies.is_empty() && self.unjudged.is_empty() {
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
            let title = title(policy.namespace(), policy.name());
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

/// Takes a policy that gives Jobs a TTL, or says why nobody can say to which it would have given one. `knows_labels` says
/// whether the labels of namespaces are known.
fn take(
    document: Value<'_>,
    knows_labels: bool,
    policies: &mut Vec<(i64, Policy)>,
    unjudged: &mut Vec<String>,
) {
    let gvk = Gvk::of(document);
    let is_policy = gvk.group == "kyverno.io" && matches!(gvk.kind, "ClusterPolicy" | "Policy");
    if !is_policy || !sets_job_ttl(document) {
        return;
    }
    let arena = Arena::new();
    let rules = document.path(&["spec", "rules"]).and_then(Value::as_array).unwrap_or_default();
    let giving = rules.iter().filter(|rule| {
        let alone = arena.array(&[**rule]);
        sets_job_ttl(document.copy_to(&arena).with(&arena, &["spec", "rules"], alone))
    });
    if let Some(why) = giving.filter_map(|rule| unknown(*rule, knows_labels)).next() {
        let resource = Resource(document);
        unjudged.push(format!("{} {why}", title(resource.namespace(), resource.name())));
        return;
    }
    let created = document.path(&["metadata", "creationTimestamp"]).and_then(Value::as_str);
    // A policy that says no time is taken to have been there always: a file was written by hand.
    let since = created.and_then(seconds).unwrap_or(i64::MIN);
    policies.push((since, Policy::compile(document)));
}

fn title(namespace: &str, name: &str) -> String {
    match namespace {
        "" => format!("ClusterPolicy `{name}`"),
        namespace => format!("Policy `{namespace}/{name}`"),
    }
}

/// What a rule asks for that is not known of a Job afterwards.
fn unknown(rule: Value<'_>, knows_labels: bool) -> Option<&'static str> {
    let text = json::Writer::compact().to_string(rule);
    let variables = ["request.userInfo", "request.roles", "request.clusterRoles", "serviceAccountName"];
    // A field of a Pod is called so, too.
    let is_variable =
        |name: &&str| text.match_indices(*name).any(|(at, _)| text.get(..at).is_some_and(is_in_braces));
    let has_key = |keys: &[&str]| {
        ["match", "exclude"].iter().filter_map(|block| rule.get(block)).any(|block| holds_key(block, keys))
    };
    let context = rule.get("context").and_then(Value::as_array).unwrap_or_default();
    let is_asked_for = |entry: &Value<'_>| {
        ["configMap", "apiCall", "imageRegistry", "globalReference"]
            .iter()
            .any(|key| entry.get(key).is_some())
    };
    if has_key(&["subjects", "roles", "clusterRoles"]) || variables.iter().any(is_variable) {
        Some("asks who creates a Job, which is not known afterwards")
    } else if !knows_labels && has_key(&["namespaceSelector"]) {
        Some("asks for the labels of the namespace, which a file of Jobs does not say")
    } else if context.iter().any(is_asked_for) {
        Some("asks for a context as it was when the Job was created")
    } else {
        None
    }
}

/// Whether the text ends within a variable that is written in braces.
fn is_in_braces(text: &str) -> bool {
    match (text.rfind("{{"), text.rfind("}}")) {
        (Some(opened), closed) => closed.is_none_or(|closed| closed < opened),
        (None, _) => false,
    }
}

/// Whether a map in `value` has one of these keys.
fn holds_key(value: Value<'_>, keys: &[&str]) -> bool {
    // Filters of rules lie three deep at most: `any`, `resources`, the selector.
    fn below(value: Value<'_>, keys: &[&str], depth: usize) -> bool {
        if depth == 0 {
            return false;
        }
        let in_object = value.as_object().is_some_and(|object| {
            object.iter().any(|(key, member)| keys.contains(&key) || below(member, keys, depth - 1))
        });
        let in_array =
            || value.as_array().is_some_and(|all| all.iter().any(|one| below(*one, keys, depth - 1)));
        in_object || in_array()
    }
    below(value, keys, 6)
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
