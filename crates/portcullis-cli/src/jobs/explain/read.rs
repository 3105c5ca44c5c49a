//! What is read to explain a Job: the Jobs around it, the objects, the policies.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use portcullis_cluster::{ApiError, Asked, Connection, Extent, ListQuery, encoded};
use portcullis_model::{Diagnostic, Resource, closest};
use portcullis_retention::retention::{Candidate, JobRetention, Retentions, Traits, Ttl};
use portcullis_retention::{
    Backlog, Interest, JobFacts, Outcome, Protection, Protections, Safeguards, Verdict, format_age, judge,
    read_job,
};
use portcullis_value::{Arena, OwnedValue, Value};

use super::{Arguments, HeldUp, Known, given};
use crate::cluster::{Commands, Reach};
use crate::diagnostics;
use crate::exit::{cannot, hinted};
use crate::jobs::dependents;
use crate::jobs::fetch;
use crate::jobs::listing;
use crate::jobs::missed::TtlPolicies;
use crate::jobs::progress::Progress;
use crate::jobs::shell_word::shell_word;
use crate::jobs::stream::{self, StreamError};
use crate::surroundings::Surroundings;

/// What was read.
pub(super) struct Reading {
    pub(super) retentions: Retentions,
    /// What holds an object up, by its name.
    pub(super) held_up: BTreeMap<Box<str>, HeldUp>,
    /// The Jobs that may be of one group with it, and itself.
    pub(super) jobs: Vec<Kept>,
    /// Its number.
    pub(super) target: usize,
    /// Its text.
    pub(super) text: String,
    /// What is known of its namespace.
    pub(super) namespace: Option<KnownNamespace>,
    /// One kind of what it owns and is left alone for, where it owns such.
    pub(super) owned: Option<String>,
    /// The policies that give such a Job a TTL.
    pub(super) policies: Known,
    /// Whether the objects were read.
    pub(super) retentions_given: bool,
    /// In seconds since 1970-01-01 UTC.
    pub(super) now: i64,
}

pub(super) struct KnownNamespace {
    pub(super) labels: OwnedValue,
    pub(super) is_terminating: bool,
}

/// What is kept of a Job.
pub(super) struct Kept {
    uid: Box<str>,
    namespace: Box<str>,
    name: Box<str>,
    generate_name: Box<str>,
    outcome: Option<Outcome>,
    finished: Option<i64>,
    protections: Protections,
    ttl: Option<Ttl>,
    traits: Traits,
}

impl Kept {
    fn of(candidate: &Candidate<'_>, uid: &str) -> Self {
        Self {
            uid: uid.into(),
            namespace: candidate.namespace.into(),
            name: candidate.name.into(),
            generate_name: candidate.generate_name.into(),
            outcome: candidate.outcome,
            finished: candidate.finished,
            protections: candidate.protections,
            ttl: candidate.ttl,
            traits: candidate.traits.clone(),
        }
    }

    pub(super) fn candidate(&self) -> Candidate<'_> {
        Candidate {
            namespace: &self.namespace,
            name: &self.name,
            generate_name: &self.generate_name,
            outcome: self.outcome,
            finished: self.finished,
            protections: self.protections,
            ttl: self.ttl,
            traits: &self.traits,
        }
    }
}

impl Reading {
    /// Reads from the file that is named, or from the cluster.
    ///
    /// # Errors
    /// They do not give what is needed, or there is no such Job.
    pub(super) fn of(
        arguments: &Arguments,
        surroundings: &mut Surroundings<'_>,
        cluster: &dyn Commands,
    ) -> Result<Self> {
        let (namespace, name) = match (arguments.job.split_once('/'), arguments.namespace.as_deref()) {
            (None, namespace) => (namespace, &*arguments.job),
            (Some((namespace, name)), None) => (Some(namespace), name),
            (Some((namespace, name)), Some(other)) if namespace == other => (Some(namespace), name),
            (Some((namespace, _)), Some(other)) => {
                bail!("the Job is said to be in the namespace `{namespace}` and in `{other}`")
            }
        };
        match &arguments.from {
            Some(path) => Self::from_file(path, namespace, name, arguments, surroundings),
            None => {
                let reach = cluster.reach(&arguments.cluster)?;
                Self::from_cluster(&reach, namespace, name, arguments, surroundings)
            }
        }
    }

    fn from_file(
        path: &str,
        namespace: Option<&str>,
        name: &str,
        arguments: &Arguments,
        surroundings: &mut Surroundings<'_>,
    ) -> Result<Self> {
        let now = surroundings.now.div_euclid(1_000_000_000);
        let ours = arguments.safeguards.safeguards().portcullis_namespace;
        let retentions = Retentions::new(given::read(&arguments.retentions, surroundings)?, &ours);
        let policies = match &*arguments.policies {
            [] => None,
            paths => Some(TtlPolicies::given(paths, now, surroundings)?),
        };
        if let Some(policies) = &policies {
            policies.tell_unjudged(&mut surroundings.stderr);
        }
        let mut jobs = Jobs::new(&retentions, name, arguments.from.as_deref());
        let mut each = |facts: &JobFacts<'_>, text: &str| -> Result<(), StreamError> {
            if namespace.is_none_or(|namespace| facts.namespace == namespace) {
                jobs.add(facts, text);
            }
            Ok(())
        };
        let ends = {
            let (origin, mut reader) = listing::open(path, surroundings)?;
            stream::read(&mut *reader, &Interest::default(), &mut each)
                .map_err(|error| hinted(format!("cannot read Jobs from {origin}: {error}"), error.hint()))?
        };
        if ends.continues.is_some() {
            let message = "the file holds a part of a list: the place of a Job in its group may be another";
            diagnostics::warning(&mut surroundings.stderr, message);
        }
        let Found { jobs, target, text, hides_owners } = jobs.find(namespace)?;
        if hides_owners && !retentions.all().is_empty() {
            let message = "the file does not say who has set the TTLs of Jobs, and a TTL that came from admission is taken for somebody's: write it with `kubectl get jobs -A -o json --show-managed-fields`";
            diagnostics::warning(&mut surroundings.stderr, message);
        }
        let policies = match policies {
            Some(policies) => Known::Given(policies.giving(&text)),
            None => Known::NotAsked,
        };
        Ok(Self {
            retentions,
            held_up: BTreeMap::new(),
            jobs,
            target,
            text,
            namespace: None,
            owned: None,
            policies,
            retentions_given: !arguments.retentions.is_empty(),
            now,
        })
    }

    fn from_cluster(
        reach: &Reach,
        namespace: Option<&str>,
        name: &str,
        arguments: &Arguments,
        surroundings: &mut Surroundings<'_>,
    ) -> Result<Self> {
        let Reach { runtime, connection } = reach;
        let namespace = namespace.unwrap_or(connection.namespace());
        let mut now = surroundings.now.div_euclid(1_000_000_000);
        let read = async {
            let InCluster { retentions, held_up, refused } = InCluster::read(connection, now).await?;
            for message in refused {
                diagnostics::warning(&mut surroundings.stderr, &message);
            }
            let ours = arguments.safeguards.safeguards().portcullis_namespace;
            let retentions = Retentions::new(retentions, &ours);
            let mut jobs = Jobs::new(&retentions, name, arguments.from.as_deref());
            let mut each = |facts: &JobFacts<'_>, text: &str| {
                jobs.add(facts, text);
                Ok(())
            };
            let interest = Interest::default();
            let mut progress = Progress::on(&mut surroundings.stderr);
            fetch::each_job(connection, namespace, &interest, &mut each, &mut progress).await?;
            let mut found = jobs.find(Some(namespace))?;
            let protecting = dependents::search_protecting(connection, namespace, &mut progress).await?;
            let owned = found.own(protecting.kinds);
            drop(progress);
            if !protecting.unlistable.is_empty() {
                let unlistable = protecting.unlistable.join(", ");
                let message = format!("what Jobs own is not known: {unlistable} cannot be listed");
                diagnostics::warning(&mut surroundings.stderr, &message);
            }
            let known = match known_namespace(connection, namespace).await {
                Ok((known, date)) => {
                    now = date.unwrap_or(now);
                    Some(known)
                }
                Err(error) => {
                    let message = format!("the labels of the namespace are not known: {error}");
                    diagnostics::warning(&mut surroundings.stderr, &message);
                    None
                }
            };
            let policies = match TtlPolicies::in_force(connection, now).await {
                Ok(policies) => {
                    policies.tell_unjudged(&mut surroundings.stderr);
                    Known::Given(policies.giving(&found.text))
                }
                Err(error) => {
                    let message = format!("which policies give Jobs a TTL is not known: {error}");
                    diagnostics::warning(&mut surroundings.stderr, &message);
                    Known::Refused
                }
            };
            Ok::<_, anyhow::Error>((retentions, held_up, found, owned, known, policies))
        };
        let (retentions, held_up, found, owned, namespace, policies) = runtime.block_on(read)?;
        let Found { jobs, target, text, .. } = found;
        Ok(Self {
            retentions,
            held_up,
            jobs,
            target,
            text,
            namespace,
            owned,
            policies,
            retentions_given: true,
            now,
        })
    }

    /// What protects the Job where no object selects it: the verdict that `jobs list` and `jobs plan` show.
    ///
    /// # Errors
    /// It cannot be read.
    pub(super) fn protections(&self, safeguards: &Safeguards) -> Result<Protections> {
        let arena = Arena::new();
        let instance_label = safeguards.instance_label.as_deref().map(Box::from);
        let facts = read_job(&arena, &self.text, &Interest { instance_label, ..Interest::default() })?;
        let mut backlog = Backlog::default();
        backlog.push(&facts)?;
        if let Some(kind) = &self.owned {
            backlog.protect(0, Protection::Dependents, kind);
        }
        let is_terminating = self.namespace.as_ref().is_some_and(|namespace| namespace.is_terminating);
        let terminating = is_terminating.then(|| facts.namespace.into()).into_iter().collect();
        Ok(match judge(&backlog, &safeguards.policy(terminating), self.now).first() {
            Some(Verdict::Protected(protections)) => *protections,
            _ => Protections::default(),
        })
    }
}

/// The Jobs that are read, and the texts of those that have the name.
struct Jobs<'r> {
    retentions: &'r Retentions,
    name: &'r str,
    /// The file that they are in; without one they are in a cluster.
    from: Option<&'r str>,
    /// By namespace and name: a list that is begun anew tells of Jobs twice.
    kept: BTreeMap<(Box<str>, Box<str>), Kept>,
    /// By namespace.
    texts: BTreeMap<Box<str>, String>,
    /// Whether a Job has a TTL, and no field managers.
    hides_owners: bool,
}

struct Found {
    jobs: Vec<Kept>,
    target: usize,
    text: String,
    hides_owners: bool,
}

impl Found {
    /// Protects the Jobs that own an object, by their uids. The kind that the one which is asked about owns.
    fn own(&mut self, mut kinds: BTreeMap<String, String>) -> Option<String> {
        for job in self.jobs.iter_mut().filter(|job| kinds.contains_key(&*job.uid)) {
            job.protections.insert(Protection::Dependents);
        }
        kinds.remove(&*self.jobs.get(self.target)?.uid)
    }
}

impl<'r> Jobs<'r> {
    fn new(retentions: &'r Retentions, name: &'r str, from: Option<&'r str>) -> Self {
        Self { retentions, name, from, kept: BTreeMap::new(), texts: BTreeMap::new(), hides_owners: false }
    }

    fn add(&mut self, facts: &JobFacts<'_>, text: &str) {
        if facts.name == self.name {
            self.texts.insert(facts.namespace.into(), text.to_owned());
        }
        self.hides_owners |= facts.ttl.is_some() && facts.managed_fields.is_empty();
        let traits = self.retentions.traits(facts);
        let kept = Kept::of(&self.retentions.candidate(facts, &traits), facts.uid);
        self.kept.insert((facts.namespace.into(), facts.name.into()), kept);
    }

    /// The Job of the name, and those of its namespace.
    fn find(mut self, namespace: Option<&str>) -> Result<Found> {
        let namespaces: Vec<_> = self.texts.keys().map(|name| format!("`{name}`")).collect();
        let Some((namespace, text)) = self.texts.pop_first() else {
            let place = namespace.map(|name| format!(" in the namespace `{name}`")).unwrap_or_default();
            let near = closest(self.name, self.kept.keys().map(|(_, name)| &**name));
            let hint = match near {
                Some(near) => format!("did you mean `{near}`?"),
                None => {
                    let from = self.from.map(|from| format!("--from {}", shell_word(from)));
                    let from = from.as_deref().unwrap_or("-A");
                    format!("`portcullis jobs list --each {from}` shows all that have finished")
                }
            };
            return Err(hinted(format!("there is no Job `{}`{place}", self.name), Some(hint)));
        };
        if namespaces.len() > 1 {
            let message =
                format!("there are Jobs `{}` in the namespaces {}", self.name, namespaces.join(", "));
            return Err(hinted(message, Some("name one of them with `-n`")));
        }
        let jobs: Vec<Kept> = self.kept.into_values().filter(|job| job.namespace == namespace).collect();
        let target = jobs.iter().position(|job| &*job.name == self.name).unwrap_or_default();
        Ok(Found { jobs, target, text, hides_owners: self.hides_owners })
    }
}

/// The objects in the cluster.
#[derive(Default)]
struct InCluster {
    retentions: Vec<JobRetention>,
    held_up: BTreeMap<Box<str>, HeldUp>,
    /// What is wrong with those that cannot be used.
    refused: Vec<String>,
}

impl InCluster {
    async fn read(connection: &Connection, now: i64) -> Result<Self> {
        let path = "/apis/portcullis.dev/v1alpha1/jobretentions";
        let listed = ListQuery::all("jobretentions.portcullis.dev", path, Extent::Whole);
        let mut read = Self::default();
        let each = |object: Value<'_>| match JobRetention::read(object) {
            Ok(retention) => {
                read.held_up.extend(held_up(object, now).map(|why| (retention.name.clone(), why)));
                read.retentions.push(retention);
            }
            Err(mistakes) => read.refused.push(unusable(object, &mistakes)),
        };
        match connection.each_object(&listed, each).await {
            // Without the kind there is no object.
            Ok(()) | Err(ApiError::NotFound { .. }) => Ok(read),
            Err(error) => Err(cannot("list JobRetention objects", &error)),
        }
    }
}

/// Why what an object says is not done at `now`, by its status.
fn held_up(object: Value<'_>, now: i64) -> Option<HeldUp> {
    let of_all = |why: &str| HeldUp { why: why.to_owned(), is_hour: false };
    if object.path(&["status", "observedGeneration"]).is_none() {
        return Some(of_all("no Portcullis that looks after JobRetention objects has seen it yet"));
    }
    let conditions = object.path(&["status", "conditions"]).and_then(Value::as_array).unwrap_or_default();
    let by_condition = conditions.iter().find_map(|condition| {
        let text = |key| condition.get(key).and_then(Value::as_str).unwrap_or_default();
        let is_needed = matches!(text("type"), "Ready" | "BacklogApproved");
        (is_needed && text("status") == "False").then(|| of_all(text("message")))
    });
    by_condition.or_else(|| {
        let opens: jiff::Timestamp =
            object.path(&["status", "next", "writesFrom"])?.as_str()?.parse().ok()?;
        let left = opens.as_second().saturating_sub(now);
        let why =
            format!("as many TTLs were written as may be in an hour: it goes on in {}", format_age(left));
        (left > 0).then_some(HeldUp { why, is_hour: true })
    })
}

fn unusable(object: Value<'_>, mistakes: &[Diagnostic]) -> String {
    let told: Vec<_> =
        mistakes.iter().map(|mistake| format!("{}: {}", mistake.path, mistake.message)).collect();
    format!("JobRetention `{}` cannot be used: {}", Resource(object).name(), told.join("; "))
}

/// What is known of a namespace, and the API server's clock.
async fn known_namespace(
    connection: &Connection,
    name: &str,
) -> Result<(KnownNamespace, Option<i64>), ApiError> {
    let asked = Asked { verb: "get", resource: "namespaces".to_owned() };
    let path = format!("/api/v1/namespaces/{}", encoded(name));
    let answer = connection.get(asked.clone(), &path, Extent::Whole).await?;
    let arena = Arena::new();
    let date = answer.date;
    let namespace = answer.document(&arena, asked)?;
    let labels = namespace.path(&["metadata", "labels"]).unwrap_or_default();
    let deleted = namespace.path(&["metadata", "deletionTimestamp"]);
    let known = KnownNamespace {
        labels: OwnedValue::from(labels),
        is_terminating: deleted.is_some_and(|time| !time.is_null()),
    };
    Ok((known, date))
}
