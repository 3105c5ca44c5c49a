//! The object `JobRetention`, and how it is read.

use std::collections::BTreeSet;

use portcullis_gocompat::labels::{self, Selector};
use portcullis_model::{Diagnostic, Resource};
use portcullis_value::{Arena, Value};

use super::fields::Fields;
use crate::age::parse_plain_age;
use crate::{ByOutcome, Outcome};

pub const API_VERSION: &str = "portcullis.dev/v1alpha1";
pub const KIND: &str = "JobRetention";

/// How many TTLs are written in an hour where the object does not say it.
const WRITES_PER_HOUR: u32 = 500;
/// The label by which Argo CD knows what is its own, unless it is told another.
const INSTANCE_LABEL: &str = "app.kubernetes.io/instance";

/// What its author wants: which Jobs, and how long they stay once they have finished.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobRetention {
    pub name: Box<str>,
    /// `metadata.generation`; 0 where there is none.
    pub generation: i64,
    pub uid: Box<str>,
    /// Changes with everything that says which Jobs go and when; not with the pace, nor with an approval.
    pub revision: Box<str>,
    pub selector: Selector,
    /// Which namespaces, by their labels; all without one.
    pub namespace_selector: Option<Selector>,
    /// In seconds, counted from the finish; a Job whose outcome has none never expires.
    pub ttl: ByOutcome<Option<i32>>,
    /// The label whose value makes a group; without one, and for Jobs without the label, `generateName` does.
    pub group_by: Option<Box<str>>,
    /// How many of each group never expire: those that finished last.
    pub keep_last: usize,
    /// How many of those that failed never expire.
    pub keep_failed: usize,
    /// Further namespaces that are left alone.
    pub protected_namespaces: BTreeSet<Box<str>>,
    /// Namespaces that are not left alone, though they usually are.
    pub included_namespaces: BTreeSet<Box<str>>,
    /// The label by which Argo CD knows what is its own; none where there is no Argo CD.
    pub instance_label: Option<Box<str>>,
    /// Whether Jobs are meant too that own a volume claim or another workload, which goes with them.
    pub with_dependents: bool,
    pub mode: Mode,
    /// How many TTLs are written in any hour.
    pub writes_per_hour: u32,
    pub existing_ttl: ExistingTtl,
    /// How many Jobs that had finished before may go without another question.
    pub approved_backlog: Option<u64>,
}

/// Whether an object acts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// It says what it would do.
    #[default]
    Audit,
    Enforce,
}

impl Mode {
    /// The word for it in the object.
    pub fn name(self) -> &'static str {
        match self {
            Mode::Audit => "audit",
            Mode::Enforce => "enforce",
        }
    }
}

/// What becomes of a TTL that a Job has already and that is not of our making.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ExistingTtl {
    Keep,
    /// One that no field manager owns came from admission, and is replaced.
    #[default]
    ReplaceAdmission,
    ReplaceAny,
}

impl ExistingTtl {
    /// The word for it in the object.
    pub fn name(self) -> &'static str {
        match self {
            ExistingTtl::Keep => "keep",
            ExistingTtl::ReplaceAdmission => "replaceAdmission",
            ExistingTtl::ReplaceAny => "replaceAny",
        }
    }
}

impl JobRetention {
    /// Reads the object, which is one by its apiVersion and kind.
    ///
    /// # Errors
    /// All that is wrong with it, each with its place.
    pub fn read(document: Value<'_>) -> Result<JobRetention, Vec<Diagnostic>> {
        let mut errors = Vec::new();
        let read = read(document, &mut errors);
        if errors.is_empty() { Ok(read) } else { Err(errors) }
    }
}

/// Whether a document says that it is a JobRetention.
pub fn is_job_retention(document: Value<'_>) -> bool {
    let text = |key| document.get(key).and_then(Value::as_str);
    text("apiVersion") == Some(API_VERSION) && text("kind") == Some(KIND)
}

fn read(document: Value<'_>, errors: &mut Vec<Diagnostic>) -> JobRetention {
    let resource = Resource(document);
    let mut spec = Fields::of(document, &["spec"], errors);
    let selector = spec.required("selector", "`{}` stands for all Jobs").map(selector);
    let selector = spec.checked("selector", selector);
    let namespace_selector = spec.given("namespaceSelector").map(self::selector);
    let namespace_selector = spec.checked("namespaceSelector", namespace_selector);
    let group_by = spec.text("groupBy").map(label_key);
    let mode = spec.one_of("mode", &[Mode::Audit, Mode::Enforce].map(|one| (one.name(), one)));
    let existing_ttl = [ExistingTtl::Keep, ExistingTtl::ReplaceAdmission, ExistingTtl::ReplaceAny];
    let retention = JobRetention {
        name: resource.name().into(),
        generation: document.path(&["metadata", "generation"]).and_then(Value::as_i64).unwrap_or_default(),
        uid: resource.uid().into(),
        revision: revision(document),
        selector: selector.unwrap_or_default(),
        namespace_selector,
        group_by: spec.checked("groupBy", group_by),
        keep_last: spec.number("keepLast", 0).unwrap_or_default(),
        keep_failed: spec.number("keepFailed", 0).unwrap_or_default(),
        mode: mode.unwrap_or_default(),
        writes_per_hour: spec.number("writesPerHour", 1).unwrap_or(WRITES_PER_HOUR),
        existing_ttl: spec
            .one_of("existingTTL", &existing_ttl.map(|one| (one.name(), one)))
            .unwrap_or_default(),
        approved_backlog: spec.number("approvedBacklog", 1),
        ttl: ByOutcome::default(),
        protected_namespaces: BTreeSet::new(),
        included_namespaces: BTreeSet::new(),
        instance_label: None,
        with_dependents: false,
    };
    // What is left to read lies in maps of their own.
    spec.known(&["ttl", "protections"]);
    spec.finish();

    let mut ttl = Fields::of(document, &["spec", "ttl"], errors);
    let mut of = |outcome: Outcome| {
        let seconds = match ttl.given(outcome.name()) {
            // A number lacks nothing but its unit.
            Some(number @ Value::Number(_)) => Some(seconds(&number.to_string())),
            _ => ttl.text(outcome.name()).map(seconds),
        };
        ttl.checked(outcome.name(), seconds)
    };
    let by_outcome = ByOutcome { succeeded: of(Outcome::Succeeded), failed: of(Outcome::Failed) };
    ttl.finish();

    let mut protections = Fields::of(document, &["spec", "protections"], errors);
    let protected_namespaces = protections.texts("namespaces");
    let included_namespaces = protections.texts("includeNamespaces");
    let label = protections.text("argoCDInstanceLabel");
    let label = label.map(|key| if key.is_empty() { Ok(None) } else { label_key(key).map(Some) });
    let label = protections.checked("argoCDInstanceLabel", label);
    let with_dependents = protections.boolean("withDependents");
    protections.finish();

    JobRetention {
        ttl: by_outcome,
        protected_namespaces,
        included_namespaces,
        with_dependents: with_dependents.unwrap_or_default(),
        instance_label: label.unwrap_or_else(|| Some(INSTANCE_LABEL.into())),
        ..retention
    }
}

fn selector(document: Value<'_>) -> Result<Selector, String> {
    Selector::compile(document).map_err(|error| error.to_string())
}

fn label_key(text: &str) -> Result<Box<str>, String> {
    labels::validate_key(text).map_err(|error| format!("`{text}` is no key of a label: {error}"))?;
    Ok(text.into())
}

/// A TTL as it is written, in seconds.
fn seconds(text: &str) -> Result<i32, String> {
    let seconds = parse_plain_age(text).map_err(|expected| format!("`{text}` is no time: {expected}"))?;
    i32::try_from(seconds)
        .map_err(|_| format!("`{text}` is longer than a TTL can be, which is 24855 days at most"))
}

fn revision(document: Value<'_>) -> Box<str> {
    let arena = Arena::new();
    let spec = document.get("spec").unwrap_or_default().copy_to(&arena);
    let spec =
        ["approvedBacklog", "writesPerHour"].iter().fold(spec, |spec, key| spec.without(&arena, &[key]));
    format!("{:016x}", spec.fingerprint()).into()
}
