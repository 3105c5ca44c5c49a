//! A plan: what would be done to whom and why, as a document that is carried out later, by somebody else perhaps.
//!
//! ```json
//! {"caps":{},"cluster":{"server":"https://192.0.2.7:6443","uid":"5b6c.."},"criteria":["older than 24h"],
//! "dependents":{"allowed":false,"looked":"usual","unlistable":[]},"items":[
//! {"finished":"2026-09-01T10:01:00Z","manager":"kubectl-create","name":"report-1","namespace":"team-a",
//!  "outcome":"succeeded","resourceVersion":"900000","uid":"0d3f1f0e-..","why":".."}
//! ],
//! "listed":1,"made":{"at":"2026-09-25T08:00:00Z","by":"jane"},"mode":"delete",
//! "safeguards":{"floor":3600,"instanceLabel":"app.kubernetes.io/instance","portcullisNamespace":"portcullis"},"version":1,
//! "digest":"sha256:.."}
//! ```
//!
//! The digest is the SHA-256 of the document without it, printed with its keys sorted and without blanks between tokens.

use std::collections::{BTreeMap, HashSet};
use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{Job, Outcome, Safeguards};

/// The version of the format, counted up when a reader of the old one would do the wrong thing.
const VERSION: u32 = 1;

// INVARIANT: the fields of everything that is serialized here stand in the order of their names, since the digest is
// computed over the document with its keys sorted.

/// A plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Plan {
    /// How much of it may be carried out at once.
    #[serde(default)]
    pub caps: Caps,
    pub cluster: Cluster,
    /// What was asked for, in words.
    #[serde(default)]
    pub criteria: Vec<String>,
    pub dependents: Dependents,
    /// What the document says its digest is.
    #[serde(skip_serializing)]
    pub digest: Digest,
    /// Those whose time has come, the one that finished first at the start.
    pub items: Vec<Item>,
    /// How many Jobs were looked at.
    pub listed: u64,
    pub made: Made,
    pub mode: Mode,
    /// In mode `ttl`: how many seconds are to remain at least when it is carried out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notice: Option<u32>,
    /// What protects Jobs beside their manifests: it does when the plan is carried out, too.
    pub safeguards: Safeguards,
    pub version: u32,
}

/// A Job that is to go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Item {
    /// How many objects of each kind it owns, where that was looked up.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub dependents: BTreeMap<String, u32>,
    /// In seconds since 1970-01-01 UTC.
    #[serde(with = "time")]
    pub finished: i64,
    /// The field manager that made it; empty where none is told.
    pub manager: String,
    pub name: String,
    pub namespace: String,
    pub outcome: Outcome,
    pub resource_version: String,
    pub uid: String,
    pub why: String,
}

/// How Jobs are made to go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// They are deleted.
    #[default]
    Delete,
    /// They are given a TTL, and Kubernetes deletes them at its own pace.
    Ttl,
}

/// How much of a plan may be carried out at once; what is left is reported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Caps {
    /// Jobs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<u64>,
    /// Of the Jobs that were looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<u8>,
}

/// The cluster whose Jobs these are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Cluster {
    /// The address of its API server. `None` where the Jobs came from a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// The uid of its namespace kube-system. `None` where the Jobs came from a file and nobody said it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
}

/// What is known of the objects that the Jobs own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Dependents {
    /// Whether Jobs that own a volume claim or another workload were planned all the same.
    pub allowed: bool,
    pub looked: Looked,
    /// The kinds that could not be listed, as `secrets` or `workloads.kueue.x-k8s.io`.
    #[serde(default)]
    pub unlistable: Vec<String>,
}

/// Which kinds were looked through for objects that the Jobs own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Looked {
    /// None: the Jobs came from a file. Whoever carries the plan out is to look.
    #[default]
    Unknown,
    /// Volume claims, ConfigMaps, Secrets, Services, Jobs, Workloads.
    Usual,
    /// All kinds that the API server serves.
    All,
}

impl Looked {
    /// The word for it in a document.
    pub fn name(self) -> &'static str {
        match self {
            Looked::Unknown => "unknown",
            Looked::Usual => "usual",
            Looked::All => "all",
        }
    }
}

/// Who made a plan, and when.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Made {
    /// In seconds since 1970-01-01 UTC, by the API server's clock where there was one.
    #[serde(with = "time")]
    pub at: i64,
    /// The user, as the API server knows it; `None` where it was not asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// The file that the Jobs were read from; `-` for standard input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
}

/// The SHA-256 of a plan.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Digest(String);

/// Why a document is no plan that can be carried out.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    #[error("not a plan: {0}")]
    Unreadable(String),
    /// It says that it is of this version, and has other fields: another build wrote it, or somebody by hand.
    #[error("a plan that another build of this program made, or that was edited: {0}")]
    OtherBuild(String),
    #[error("a plan of version {0}, and this program knows version {VERSION} alone")]
    Version(u32),
    #[error("a plan that holds a Job twice: `{name}`, whose uid is `{uid}`")]
    Repeated { name: String, uid: String },
    #[error("the plan was changed after it was made: its digest is {found}, and it says {stated}")]
    Changed { stated: Digest, found: Digest },
}

impl PlanError {
    pub fn hint(&self) -> &'static str {
        match self {
            PlanError::Unreadable(_) => "give the file that `portcullis jobs plan -o FILE` wrote",
            PlanError::Version(_) | PlanError::OtherBuild(_) => {
                "carry it out with the program that made it, or make a new one"
            }
            PlanError::Changed { .. } | PlanError::Repeated { .. } => {
                "make it anew with `portcullis jobs plan`: selectors and `--keep-last` say what stays"
            }
        }
    }
}

impl Plan {
    /// A plan of nothing, to be filled or written item by item.
    pub fn new(mode: Mode, cluster: Cluster, made: Made) -> Self {
        Self {
            caps: Caps::default(),
            cluster,
            criteria: Vec::new(),
            dependents: Dependents::default(),
            digest: Digest::default(),
            items: Vec::new(),
            listed: 0,
            made,
            mode,
            notice: None,
            safeguards: Safeguards::default(),
            version: VERSION,
        }
    }

    /// Reads a plan and checks its digest.
    ///
    /// # Errors
    /// It is no plan, of another version, was changed, or holds a Job twice.
    pub fn read(text: &[u8]) -> Result<Self, PlanError> {
        #[derive(Deserialize)]
        struct Versioned {
            version: u32,
        }
        let unreadable = |error: serde_json::Error| PlanError::Unreadable(error.to_string());
        let Versioned { version } = serde_json::from_slice(text).map_err(unreadable)?;
        if version != VERSION {
            return Err(PlanError::Version(version));
        }
        let other_build = |error: serde_json::Error| PlanError::OtherBuild(error.to_string());
        let plan: Plan = serde_json::from_slice(text).map_err(other_build)?;
        let found = plan.computed_digest();
        if found != plan.digest {
            return Err(PlanError::Changed { stated: plan.digest, found });
        }
        let mut uids = HashSet::new();
        match plan.items.iter().find(|item| !uids.insert(&item.uid)) {
            Some(Item { namespace, name, uid, .. }) => {
                Err(PlanError::Repeated { name: format!("{namespace}/{name}"), uid: uid.clone() })
            }
            None => Ok(plan),
        }
    }

    /// The digest of what it holds, whatever it says.
    pub fn computed_digest(&self) -> Digest {
        let mut hasher = Sha256::new();
        // Writing to a hasher does not fail, and all keys are strings.
        let _ = serde_json::to_writer(&mut hasher, self);
        Digest::of(hasher)
    }

    /// How many of the items may be carried out under `caps`, counted from the first.
    ///
    /// A percentage is one of all Jobs that were looked at, rounded down.
    pub fn within(&self, caps: Caps) -> usize {
        let most = caps.most(self.listed).and_then(|most| usize::try_from(most).ok());
        self.items.len().min(most.unwrap_or(usize::MAX))
    }
}

impl Caps {
    /// How many Jobs may be carried out where so many were listed; `None` where there is no limit.
    pub fn most(self, listed: u64) -> Option<u64> {
        let by_percent = self.percent.map(|percent| listed.saturating_mul(percent.into()) / 100);
        [self.number, by_percent].into_iter().flatten().min()
    }
}

impl Item {
    /// The entry of `job`, which has finished.
    pub fn of(job: Job<'_>, why: String) -> Option<Self> {
        Some(Self {
            dependents: BTreeMap::new(),
            finished: job.finished()?,
            manager: job.manager().to_owned(),
            name: job.name().to_owned(),
            namespace: job.namespace().to_owned(),
            outcome: job.outcome()?,
            resource_version: job.resource_version().to_owned(),
            uid: job.uid(),
            why,
        })
    }
}

/// The TTL in seconds that leaves a Job which finished at `finished` at least `notice` seconds from `now` on.
pub fn ttl_of(finished: i64, now: i64, notice: u32) -> i32 {
    let ttl = now.saturating_sub(finished).max(0).saturating_add(notice.into());
    i32::try_from(ttl).unwrap_or(i32::MAX)
}

impl Digest {
    pub(crate) fn of(hasher: Sha256) -> Self {
        let hash = hasher.finalize();
        let mut text = String::from("sha256:");
        for byte in hash {
            text.extend(
                [byte >> 4, byte & 15].map(|digit| char::from_digit(digit.into(), 16).unwrap_or_default()),
            );
        }
        Self(text)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Times in RFC 3339, as Kubernetes writes them. Another spelling of the same time is refused, as is a part of a second: the digest is
/// of what is read, and would not see that the text was changed.
pub(crate) mod time {
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(seconds: &i64, serializer: S) -> Result<S::Ok, S::Error> {
        let time = jiff::Timestamp::from_second(*seconds).map_err(serde::ser::Error::custom)?;
        serializer.collect_str(&time)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        let time: jiff::Timestamp = text.parse().map_err(D::Error::custom)?;
        let seconds = time.as_second();
        let written = jiff::Timestamp::from_second(seconds).map_err(D::Error::custom)?;
        if written.to_string() != text {
            return Err(D::Error::custom(format_args!("the time `{text}` is not written as `{written}`")));
        }
        Ok(seconds)
    }
}
