//! `validate.podSecurity`: the Pod Security Standards.
//!
//! [`checks::CHECKS`] is the table of what the standards consist of. A Pod is read into [`pod::Pod`] once, each check of the
//! level looks at that, and exclusions take violations back out.

mod checks;
mod control;
mod exclusion;
mod pod;
mod read;
mod standard;
mod told;
mod violation;

use std::fmt::Display;

use portcullis_model::explain::{Finding, Part, Recorder, Step, within};
use portcullis_model::{Resource, Status};
use portcullis_value::{Budget, Exhausted, Value};

use crate::ending::Ending;
use crate::exception::{self, PolicyException};
use crate::rule::Rule;
use crate::scope::Scope;

use checks::{CHECKS, Check};
use pod::Pod;
use standard::{Level, Version};
use violation::Violation;

pub(crate) use control::{CONTROL_NAMES, Control, Images};
pub(crate) use exclusion::Exclusion;

/// A rule's standard and its exclusions, compiled.
#[derive(Debug)]
pub(crate) struct PodSecurity {
    level: Level,
    /// As it is written, for messages.
    written_version: Box<str>,
    /// `None` where it is none.
    version: Option<Version>,
    exclusions: Box<[Exclusion]>,
}

/// A check that a Pod fails.
#[derive(Debug)]
struct Failure<'a> {
    check: &'static Check,
    violations: Vec<Violation<'a>>,
}

/// Where an object has a Pod: the paths of its metadata and specification.
#[derive(Clone, Copy, Debug)]
struct Place {
    metadata: &'static str,
    spec: &'static str,
}

impl Place {
    /// `None` for a kind without Pods.
    fn in_kind(kind: &str) -> Option<Self> {
        match kind {
            "Pod" => Some(Place { metadata: "metadata", spec: "spec" }),
            "DaemonSet" | "Deployment" | "Job" | "ReplicaSet" | "ReplicationController" | "StatefulSet" => {
                Some(Place { metadata: "spec.template.metadata", spec: "spec.template.spec" })
            }
            // COMPAT(kyverno): the metadata is that of the Jobs, not that of their Pods.
            "CronJob" => Some(Place {
                metadata: "spec.jobTemplate.metadata",
                spec: "spec.jobTemplate.spec.template.spec",
            }),
            _ => None,
        }
    }

    /// Where `field` of a Pod is in the object.
    fn field(self, field: &str) -> String {
        match field.strip_prefix("metadata") {
            Some(rest) => format!("{}{rest}", self.metadata),
            None => format!("{}{}", self.spec, field.strip_prefix("spec").unwrap_or(field)),
        }
    }
}

/// Compiles a list of exclusions.
pub(crate) fn exclusions(list: Value<'_>) -> Box<[Exclusion]> {
    list.as_array().unwrap_or_default().iter().filter_map(|entry| Exclusion::compile(*entry)).collect()
}

/// Whether objects of `kind` have a Pod.
pub(crate) fn has_pod(kind: &str) -> bool {
    Place::in_kind(kind).is_some()
}

impl PodSecurity {
    pub(crate) fn compile(block: Value<'_>) -> Self {
        let text = |key: &str| block.get(key).and_then(Value::as_str).unwrap_or_default();
        Self {
            level: Level::of(text("level")),
            written_version: text("version").into(),
            version: Version::parse(text("version")),
            exclusions: block.get("exclude").map(exclusions).unwrap_or_default(),
        }
    }

    /// Judges the Pod of `object`. What `exceptions` leave out is no failure.
    pub(crate) fn judge<'a>(
        &self,
        rule: &'a Rule,
        exceptions: &[&PolicyException],
        object: Value<'a>,
        scope: &mut Scope<'a, '_, '_>,
    ) -> Ending<'a> {
        within(
            scope.recorder,
            || self.judge_pod(rule, exceptions, object, scope),
            |ending, _| {
                let about = format!("{}:{}", self.level.as_str(), self.written_version);
                Step::new(Part::PodSecurity, about).found(ending.finding())
            },
        )
    }

    fn judge_pod<'a>(
        &self,
        rule: &'a Rule,
        exceptions: &[&PolicyException],
        object: Value<'a>,
        scope: &mut Scope<'a, '_, '_>,
    ) -> Ending<'a> {
        let unreadable = |reason: &dyn Display| {
            Ending::new(Status::Error, format!("Error while getting new resource: {reason}"))
        };
        let Some(place) = Place::in_kind(Resource(object).kind()) else {
            return unreadable(&"could not find correct resource type");
        };
        let part =
            |path: &str| path.split('.').try_fold(object, |value, key| value.get(key)).unwrap_or_default();
        let pod = match Pod::read(part(place.metadata), part(place.spec)) {
            Ok(pod) => pod,
            Err(error) => return unreadable(&error.named(|field| place.field(field))),
        };
        let Some(version) = self.version else {
            let reason = r#"failed to parse pod security api version: must be "latest" or "v1.x""#;
            return Ending::new(Status::Error, reason);
        };
        let mut failures = match self.violations(&pod, version, scope.budget()) {
            Ok(failures) => failures,
            Err(exhausted) => return Ending::exhausted("", exhausted),
        };
        let broken: Vec<_> = match scope.recorder {
            Some(_) => failures.iter().map(|failure| failure.check.id).collect(),
            None => Vec::new(),
        };
        if let Err(exhausted) = self.exclude(&pod, version, &mut failures, scope.budget()) {
            return Ending::exhausted("", exhausted);
        }
        if failures.is_empty() {
            if let Some(recorder) = scope.recorder {
                self.report(&broken, &failures, place, recorder);
            }
            return Ending::new(Status::Pass, &*rule.passed);
        }
        for exclusion in exceptions.iter().flat_map(|exception| exception.pod_security()) {
            if let Err(exhausted) = exclusion.apply(&pod, version, &mut failures, scope.budget()) {
                return Ending::exhausted("", exhausted);
            }
        }
        if let Some(recorder) = scope.recorder {
            self.report(&broken, &failures, place, recorder);
        }
        if failures.is_empty() {
            return exception::skip_in_parts(exceptions);
        }
        Ending::new(Status::Fail, self.message(&rule.name, &failures, place))
            .with_explanation(scope.explain.then(|| told::explanation(&failures, place)))
            .with_properties(self.properties(&failures))
    }

    /// Reports what came of each check; those in `broken` failed before anything was excluded.
    fn report(&self, broken: &[&str], failures: &[Failure<'_>], place: Place, recorder: &Recorder) {
        for check in CHECKS.iter().filter(|check| self.level.includes(check.level)) {
            let step = Step::new(Part::Check, check.id).wanted(check.asks_for);
            let failure = failures.iter().find(|failure| failure.check.id == check.id);
            recorder.add(match failure {
                Some(failure) => step.found(Finding::Fails).seen(told::found(failure, place)),
                None if broken.contains(&check.id) => step.note("what fails it is excluded"),
                None => step.found(Finding::Holds),
            });
        }
    }

    /// The checks that `pod` fails.
    fn violations<'a>(
        &self,
        pod: &Pod<'a>,
        version: Version,
        budget: &mut Budget<'_>,
    ) -> Result<Vec<Failure<'a>>, Exhausted> {
        let mut failures = Vec::new();
        for check in CHECKS.iter().filter(|check| self.level.includes(check.level)) {
            budget.steps(1 + pod.containers.len() as u64)?;
            let mut violations = Vec::new();
            (check.judge)(pod, version, &mut violations);
            if !violations.is_empty() {
                failures.push(Failure { check, violations });
            }
        }
        Ok(failures)
    }

    /// Takes what the rule excludes out of `failures`.
    fn exclude<'a>(
        &self,
        pod: &Pod<'a>,
        version: Version,
        failures: &mut Vec<Failure<'a>>,
        budget: &mut Budget<'_>,
    ) -> Result<(), Exhausted> {
        for exclusion in &self.exclusions {
            if failures.is_empty() {
                break;
            }
            exclusion.apply(pod, version, failures, budget)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
