//! How many finished Jobs nobody will ever remove.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::index::{Index, Published, fields};

/// Whether a Job dangles, and a hash of its uid: two words for each while a list is read.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(from = "SentJob")]
pub(crate) struct Job {
    key: u64,
    dangles: bool,
}

impl From<SentJob> for Job {
    fn from(job: SentJob) -> Self {
        Self { key: job.key(), dangles: job.dangles() }
    }
}

/// The few fields of a Job that tell whether it dangles.
#[derive(Debug, Deserialize)]
struct SentJob {
    metadata: JobMetadata,
    #[serde(default)]
    spec: JobSpec,
    #[serde(default)]
    status: JobStatus,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct JobMetadata {
    uid: Box<str>,
    #[serde(default)]
    owner_references: Option<Vec<IgnoredAny>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct JobSpec {
    ttl_seconds_after_finished: Option<IgnoredAny>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct JobStatus {
    conditions: Option<Vec<Condition>>,
}

#[derive(Debug, Deserialize)]
struct Condition {
    r#type: Box<str>,
    status: Box<str>,
}

impl SentJob {
    /// Finished, without a TTL that would remove it and without an owner that would take it along.
    fn dangles(&self) -> bool {
        let finished = |condition: &Condition| {
            matches!(condition.r#type.as_ref(), "Complete" | "Failed") && condition.status.as_ref() == "True"
        };
        self.status.conditions.iter().flatten().any(finished)
            && self.spec.ttl_seconds_after_finished.is_none()
            && self.metadata.owner_references.as_ref().is_none_or(Vec::is_empty)
    }

    fn key(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.metadata.uid.hash(&mut hasher);
        hasher.finish()
    }
}

/// Counts the Jobs that dangle. Of each it keeps a hash of its uid, nothing else: 100,000 of them are some 2 MB.
#[derive(Debug)]
pub(crate) struct JobIndex {
    dangling: HashSet<u64>,
    published: Arc<Published<usize>>,
}

impl JobIndex {
    pub(crate) fn new(published: Arc<Published<usize>>) -> Self {
        Self { dangling: HashSet::new(), published }
    }
}

impl Index for JobIndex {
    type Object = Job;

    fn read(&self, text: &str) -> Result<Job, String> {
        fields(text)
    }

    fn apply(&mut self, job: Job) {
        match job.dangles {
            true => self.dangling.insert(job.key),
            false => self.dangling.remove(&job.key),
        };
    }

    fn delete(&mut self, job: &Job) {
        self.dangling.remove(&job.key);
    }

    fn reset(&mut self, jobs: Vec<Job>) {
        self.dangling = jobs.iter().filter(|job| job.dangles).map(|job| job.key).collect();
    }

    fn publish(&mut self) {
        if *self.published.load() != self.dangling.len() {
            self.published.store(self.dangling.len());
        }
    }
}
