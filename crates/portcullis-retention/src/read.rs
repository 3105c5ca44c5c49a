//! Taking the facts from the text of a Job.

use portcullis_gocompat::labels::Selector;
use portcullis_value::json::{self, Scanner, Taken};
use portcullis_value::{Arena, Object, Value};

use crate::{JobFacts, Outcome, Protection};

/// What is asked of every Job beside the facts that all need.
#[derive(Clone, Debug, Default)]
pub struct Interest {
    /// Which Jobs are meant, by their labels.
    pub selector: Selector,
    /// The label whose value makes a group; `generateName` does where a Job has none.
    pub group_label: Option<Box<str>>,
    /// The label by which Argo CD knows what is its own.
    pub instance_label: Option<Box<str>>,
}

/// What is longest in the Jobs that were read, and of no interest: Jobs of one origin are alike in it, and where it comes again
/// it is not gone through again.
#[derive(Clone, Copy, Debug, Default)]
pub struct Alike<'a> {
    /// The fields that the first and the second manager set.
    fields: [Taken<'a>; 2],
    pod: Taken<'a>,
}

/// Why a document is no Job.
#[derive(Debug, thiserror::Error)]
pub enum NotAJob {
    #[error("{} at line {}, column {}", .0, .0.line, .0.column)]
    Json(json::Error),
    #[error("it is a `{0}`, not a `Job` of `batch/v1`")]
    Kind(Box<str>),
    #[error("`{0}` is missing, which every Job of a cluster has")]
    Missing(&'static str),
    /// A member of the document cannot be that of a Job.
    #[error("its `{0}` is not that of a Job: a field has another type")]
    Member(&'static str),
}

/// Reads the Job in `text`.
///
/// What is written plainly is gone through once, without a document being made of it. Of a key that stands twice, what
/// protects counts each time.
///
/// # Errors
/// It is no JSON, or no Job.
pub fn read_job<'a>(arena: &'a Arena, text: &'a str, interest: &Interest) -> Result<JobFacts<'a>, NotAJob> {
    let mut alike = Alike::default();
    if let Some(facts) = scan_job(&mut Scanner::new(text), interest, &mut alike) {
        return Ok(facts);
    }
    let document = json::read(arena, text).map_err(NotAJob::Json)?;
    if let Some(kind) = other_kind(document) {
        return Err(NotAJob::Kind(kind));
    }
    let document = with_plain_keys(arena, document);
    let text = arena.str(&document.to_string());
    let read = Reading::in_arena(arena).job(&mut Scanner::new(text), interest, &mut alike);
    read.ok_or_else(|| why_no_job(arena, document, interest))
}

/// `document` without what needs escapes in keys, as a scanner takes none: no key that is looked for has any, though it may
/// begin like one.
fn with_plain_keys<'a>(arena: &'a Arena, document: Value<'a>) -> Value<'a> {
    let needs_escape =
        |character: char| matches!(character, '"' | '\\' | '\0'..='\x1f' | '\u{2028}' | '\u{2029}');
    let plain = |key: &'a str| match key.contains(needs_escape) {
        true => arena.str(&key.replace(needs_escape, "\u{fffd}")),
        false => key,
    };
    match document {
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(|item| with_plain_keys(arena, *item)).collect();
            arena.array(&items)
        }
        Value::Object(object) => {
            let entries = object.iter().map(|(key, value)| (plain(key), with_plain_keys(arena, value)));
            arena.object(&mut entries.collect())
        }
        value => value,
    }
}

/// What `document` says that it is, where that is another kind. Items of a list need not say it.
fn other_kind(document: Value<'_>) -> Option<Box<str>> {
    let word = |key| document.get(key).and_then(Value::as_str);
    let kind = word("kind").unwrap_or(JOB);
    let version = word("apiVersion").filter(|version| !matches!(*version, "" | API_VERSION));
    match version {
        Some(version) if kind == JOB => Some(format!("{version}/{kind}").into()),
        _ => Some(kind.into()).filter(|_| kind != JOB),
    }
}

/// Why `document` is no Job.
fn why_no_job(arena: &Arena, document: Value<'_>, interest: &Interest) -> NotAJob {
    for (name, path) in [
        ("metadata.name", ["metadata", "name"]),
        ("metadata.namespace", ["metadata", "namespace"]),
        ("metadata.uid", ["metadata", "uid"]),
        ("metadata.resourceVersion", ["metadata", "resourceVersion"]),
    ] {
        if document.path(&path).is_none_or(|value| value.is_null() || value.as_str() == Some("")) {
            return NotAJob::Missing(name);
        }
    }
    let is_read = |member: &str| {
        let Some(value) = document.get(member) else { return true };
        let (mut reading, mut scanner) =
            (Reading::in_arena(arena), Scanner::new(arena.str(&value.to_string())));
        let mut alike = Alike::default();
        let read = match member {
            "apiVersion" => reading.text(&mut scanner).map(drop),
            "metadata" => reading.metadata(&mut scanner, interest, &mut alike),
            "spec" => reading.spec(&mut scanner, &mut alike),
            _ => reading.status(&mut scanner),
        };
        read.is_some()
    };
    let unread = ["apiVersion", "metadata", "spec", "status"].into_iter().find(|member| !is_read(member));
    NotAJob::Member(unread.unwrap_or("kind"))
}

/// Takes a Job from where `scanner` stands; `None` where the text ends before it does, or [`read_job`] has to look at it.
pub fn scan_job<'a>(
    scanner: &mut Scanner<'a>,
    interest: &Interest,
    alike: &mut Alike<'a>,
) -> Option<JobFacts<'a>> {
    Reading::default().job(scanner, interest, alike)
}

/// A Job half read.
#[derive(Default)]
struct Reading<'a> {
    /// Where texts lie whose escapes are resolved; without it none is taken that has any.
    arena: Option<&'a Arena>,
    facts: JobFacts<'a>,
    suspended: bool,
    /// The words that protections are about, where one was met.
    owner: Option<&'a str>,
    controller: Option<&'a str>,
    finalizer: Option<&'a str>,
}

impl<'a> Reading<'a> {
    fn in_arena(arena: &'a Arena) -> Self {
        Self { arena: Some(arena), ..Self::default() }
    }

    fn job(
        mut self,
        scanner: &mut Scanner<'a>,
        interest: &Interest,
        alike: &mut Alike<'a>,
    ) -> Option<JobFacts<'a>> {
        let start = scanner.taken();
        scanner.members(|key, scanner| match key {
            "apiVersion" => matches!(self.text(scanner)?, "" | API_VERSION).then_some(()),
            "kind" => (self.text(scanner)? == JOB).then_some(()),
            "metadata" => self.metadata(scanner, interest, alike),
            "spec" => self.spec(scanner, alike),
            "status" => self.status(scanner),
            _ => scanner.skip(),
        })?;
        self.finish(scanner.taken() - start)
    }

    /// Takes a string; `null` is the empty one.
    #[inline]
    fn text(&self, scanner: &mut Scanner<'a>) -> Option<&'a str> {
        match self.arena {
            None => Some(scanner.optional(Scanner::string)?.unwrap_or_default()),
            Some(arena) => text_in(arena, scanner),
        }
    }

    fn protect(&mut self, protection: Protection) {
        self.facts.protections.insert(protection);
    }

    fn metadata(
        &mut self,
        scanner: &mut Scanner<'a>,
        interest: &Interest,
        alike: &mut Alike<'a>,
    ) -> Option<()> {
        self.facts.selected = interest.selector.matches(Object::default());
        scanner.members(|key, scanner| {
            match key {
                "namespace" => self.facts.namespace = self.text(scanner)?,
                "name" => self.facts.name = self.text(scanner)?,
                "uid" => self.facts.uid = self.text(scanner)?,
                "resourceVersion" => self.facts.resource_version = self.text(scanner)?,
                "generateName" => {
                    let prefix = self.text(scanner)?;
                    self.facts.generate_name = prefix;
                    if !prefix.is_empty() {
                        self.facts.group.get_or_insert(prefix);
                    }
                }
                "creationTimestamp" => self.facts.created = self.text(scanner)?,
                "deletionTimestamp" => {
                    if !self.text(scanner)?.is_empty() {
                        self.protect(Protection::Going);
                    }
                }
                "labels" => self.labels(scanner, interest)?,
                "annotations" => self.annotations(scanner)?,
                "ownerReferences" => {
                    ((), self.facts.owners) = scanner.with_text(|scanner| self.owners(scanner))?;
                }
                "finalizers" => self.finalizers(scanner)?,
                "managedFields" => {
                    (self.facts.manager, self.facts.managed_fields) =
                        scanner.with_text(|scanner| self.manager(scanner, &mut alike.fields))?;
                }
                _ => scanner.skip()?,
            }
            Some(())
        })
    }

    /// The manager that wrote before all others, writers of subresources left out: who made the Job. Kubernetes keeps the list
    /// in order of time, but for those that apply, which come first.
    fn manager(&self, scanner: &mut Scanner<'a>, fields: &mut [Taken<'a>]) -> Option<&'a str> {
        let mut first: Option<(&str, &str)> = None;
        let mut fields = fields.iter_mut();
        list(scanner, |scanner| {
            let mut fields = fields.next();
            let (mut name, mut time, mut subresource) = ("", "", "");
            scanner.members(|key, scanner| {
                match key {
                    "manager" => name = self.text(scanner)?,
                    // Texts of times in UTC are in the order of the times.
                    "time" => time = self.text(scanner)?,
                    "subresource" => subresource = self.text(scanner)?,
                    "fieldsV1" => match &mut fields {
                        Some(fields) => scanner.skip_like(fields)?,
                        None => scanner.skip()?,
                    },
                    _ => scanner.skip()?,
                }
                Some(())
            })?;
            if subresource.is_empty() && first.is_none_or(|(earliest, _)| time < earliest) {
                first = Some((time, name));
            }
            Some(())
        })?;
        Some(first.unwrap_or_default().1)
    }

    fn labels(&mut self, scanner: &mut Scanner<'a>, interest: &Interest) -> Option<()> {
        let label = |key: &'a str, scanner: &mut Scanner<'a>| {
            let value = self.text(scanner)?;
            if interest.group_label.as_deref() == Some(key) {
                self.facts.group = Some(value);
            }
            if interest.instance_label.as_deref() == Some(key) {
                self.protect(Protection::ArgoCd);
            }
            self.mark(key);
            Some(())
        };
        let ((), labels) = scanner.with_text(|scanner| map(scanner, label))?;
        self.facts.labels = labels;
        self.facts.selected = interest.selector.is_empty() || {
            let arena = Arena::new();
            let labels = json::read(&arena, labels).ok().and_then(|labels| labels.as_object());
            interest.selector.matches(labels.unwrap_or_default())
        };
        Some(())
    }

    fn annotations(&mut self, scanner: &mut Scanner<'a>) -> Option<()> {
        map(scanner, |key, scanner| {
            match key {
                "helm.sh/hook" => self.protect(Protection::HelmHook),
                "meta.helm.sh/release-name" => self.protect(Protection::HelmRelease),
                key => self.mark(key),
            }
            scanner.skip()
        })
    }

    /// What a key of a label or an annotation says about who looks after the Job.
    fn mark(&mut self, key: &str) {
        // Most keys have no prefix, or one of these.
        let Some((prefix, name)) = key.split_once('/') else { return };
        let protection = match prefix {
            "portcullis.dev" if name == "keep" => Protection::Keep,
            "argocd.argoproj.io" => Protection::ArgoCd,
            "kueue.x-k8s.io" => Protection::Kueue,
            "objectset.rio.cattle.io" | "helmcharts.helm.cattle.io" | "upgrade.cattle.io" => {
                Protection::Rancher
            }
            prefix if prefix == FLUX || prefix.strip_suffix(FLUX).is_some_and(|rest| rest.ends_with('.')) => {
                Protection::Flux
            }
            _ => return,
        };
        self.protect(protection);
    }

    fn owners(&mut self, scanner: &mut Scanner<'a>) -> Option<()> {
        list(scanner, |scanner| {
            self.protect(Protection::Owned);
            scanner.members(|key, scanner| match key {
                "kind" => {
                    let kind = self.text(scanner)?;
                    self.owner.get_or_insert(kind);
                    Some(())
                }
                _ => scanner.skip(),
            })
        })
    }

    fn finalizers(&mut self, scanner: &mut Scanner<'a>) -> Option<()> {
        list(scanner, |scanner| {
            let finalizer = self.text(scanner)?;
            if finalizer != JOB_TRACKING {
                self.protect(Protection::Finalizer);
                self.finalizer.get_or_insert(finalizer);
            }
            Some(())
        })
    }

    fn spec(&mut self, scanner: &mut Scanner<'a>, alike: &mut Alike<'a>) -> Option<()> {
        scanner.members(|key, scanner| {
            match key {
                "suspend" => self.suspended = scanner.optional(Scanner::bool)?.unwrap_or_default(),
                "ttlSecondsAfterFinished" => {
                    if let Some(ttl) = scanner.optional(ttl)? {
                        self.facts.ttl = Some(ttl);
                        self.protect(Protection::Ttl);
                    }
                }
                "template" => map(scanner, |key, scanner| match key {
                    "spec" => scanner.skip_like(&mut alike.pod),
                    _ => scanner.skip(),
                })?,
                "managedBy" => {
                    let controller = self.text(scanner)?;
                    if !matches!(controller, "" | BUILT_IN) {
                        self.protect(Protection::ManagedBy);
                        self.controller = Some(controller);
                    }
                }
                _ => scanner.skip()?,
            }
            Some(())
        })
    }

    fn status(&mut self, scanner: &mut Scanner<'a>) -> Option<()> {
        let mut pods = 0_u32;
        let mut left = 0;
        scanner.members(|key, scanner| {
            match key {
                "succeeded" | "failed" => pods = pods.saturating_add(count(scanner)?),
                "active" => {
                    let active = count(scanner)?;
                    pods = pods.saturating_add(active);
                    left |= active;
                }
                "terminating" => left |= count(scanner)?,
                "conditions" => {
                    (self.facts.outcome, self.facts.finished) = (None, None);
                    list(scanner, |scanner| self.condition(scanner))?;
                }
                _ => scanner.skip()?,
            }
            Some(())
        })?;
        self.facts.pods = pods;
        if self.facts.outcome.is_some() && left > 0 {
            self.protect(Protection::PodsLeft);
        }
        Some(())
    }

    fn condition(&mut self, scanner: &mut Scanner<'a>) -> Option<()> {
        let (mut outcome, mut holds, mut time) = (None, false, "");
        scanner.members(|key, scanner| {
            match key {
                "type" => {
                    outcome = match self.text(scanner)? {
                        "Complete" => Some(Outcome::Succeeded),
                        "Failed" => Some(Outcome::Failed),
                        _ => None,
                    }
                }
                "status" => holds = self.text(scanner)? == "True",
                "lastTransitionTime" => time = self.text(scanner)?,
                _ => scanner.skip()?,
            }
            Some(())
        })?;
        if holds && self.facts.outcome.is_none() && outcome.is_some() {
            self.facts.outcome = outcome;
            self.facts.finished = seconds(time);
        }
        Some(())
    }

    /// The facts of a Job whose text has `length` bytes.
    fn finish(mut self, length: usize) -> Option<JobFacts<'a>> {
        match self.facts.outcome {
            // One that has finished can be suspended too: somebody holds on to it.
            _ if self.suspended => self.protect(Protection::Suspended),
            None => self.protect(Protection::Running),
            Some(_) => {}
        }
        if self.facts.outcome.is_some() && self.facts.finished.is_none() {
            self.protect(Protection::NoFinishTime);
        }
        self.facts.detail = match self.facts.protections.first() {
            Some(Protection::Owned) => self.owner,
            Some(Protection::ManagedBy) => self.controller,
            Some(Protection::Finalizer) => self.finalizer,
            _ => None,
        };
        self.facts.bytes = u32::try_from(length).unwrap_or(u32::MAX);
        let JobFacts { namespace, name, uid, resource_version, .. } = self.facts;
        let identity = [namespace, name, uid, resource_version];
        identity.iter().all(|text| !text.is_empty()).then_some(self.facts)
    }
}

const JOB: &str = "Job";
const API_VERSION: &str = "batch/v1";
/// The controller that looks after Jobs where none is named.
const BUILT_IN: &str = "kubernetes.io/job-controller";
/// The finalizer by which Kubernetes counts Pods.
const JOB_TRACKING: &str = "batch.kubernetes.io/job-tracking";
/// What the groups of Flux end in: `kustomize.toolkit.fluxcd.io`, `helm.toolkit.fluxcd.io`.
const FLUX: &str = "toolkit.fluxcd.io";

/// Takes a string that may have escapes; `null` is the empty one.
#[cold]
fn text_in<'a>(arena: &'a Arena, scanner: &mut Scanner<'a>) -> Option<&'a str> {
    match json::read(arena, scanner.raw()?).ok()? {
        Value::String(text) => Some(text),
        value => value.is_null().then_some(""),
    }
}

/// Takes a TTL. An API server takes none that is longer than its type has room for.
fn ttl(scanner: &mut Scanner<'_>) -> Option<i32> {
    let seconds: i64 = scanner.raw()?.parse().ok()?;
    Some(i32::try_from(seconds).unwrap_or(i32::MAX))
}

/// Takes a count; `null` is 0.
fn count(scanner: &mut Scanner<'_>) -> Option<u32> {
    match scanner.raw()? {
        "null" => Some(0),
        digits => digits.parse().ok(),
    }
}

/// Takes a map; `null` is the empty one.
fn map<'a>(
    scanner: &mut Scanner<'a>,
    member: impl FnMut(&'a str, &mut Scanner<'a>) -> Option<()>,
) -> Option<()> {
    scanner.optional(|scanner| scanner.members(member)).map(|_| ())
}

/// Takes a list; `null` is the empty one.
fn list<'a>(scanner: &mut Scanner<'a>, item: impl FnMut(&mut Scanner<'a>) -> Option<()>) -> Option<()> {
    scanner.optional(|scanner| scanner.items(item)).map(|_| ())
}

/// Seconds since 1970-01-01 UTC of a time as Kubernetes writes it.
pub(crate) fn seconds(time: &str) -> Option<i64> {
    time.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_second)
}
