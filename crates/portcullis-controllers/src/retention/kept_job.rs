//! What is kept of a Job, and how it is read.

use std::sync::Arc;

use portcullis_cluster::{Keeper, Read};
use portcullis_retention::retention::{Candidate, Retentions, Traits, Ttl};
use portcullis_retention::{Interest, Outcome, Protection, Protections, owning_jobs, read_job};
use portcullis_value::Arena;

use super::dependents::Owners;

/// A Job that an object selects, or that another Job owns: a few words, whatever its manifest holds.
#[derive(Debug)]
pub(super) struct KeptJob {
    /// Namespace, name, resource version and the prefix of a generated name, one after the other.
    texts: Box<str>,
    /// Where the first three of them end.
    ends: [u16; 3],
    outcome: Option<Outcome>,
    finished: Option<i64>,
    protections: Protections,
    ttl: Option<Ttl>,
    traits: Traits,
    /// The Jobs that own it.
    pub(super) owners: Owners,
}

impl KeptJob {
    pub(super) fn namespace(&self) -> &str {
        self.text(0, usize::from(self.ends[0]))
    }

    pub(super) fn name(&self) -> &str {
        self.text(usize::from(self.ends[0]), usize::from(self.ends[1]))
    }

    pub(super) fn resource_version(&self) -> &str {
        self.text(usize::from(self.ends[1]), usize::from(self.ends[2]))
    }

    /// As the objects see it that it was read by; with whether it owns what is missed when it goes along.
    pub(super) fn candidate(&self, has_dependents: bool) -> Candidate<'_> {
        let protections = match has_dependents {
            true => self.protections.with(Protection::Dependents),
            false => self.protections,
        };
        Candidate {
            namespace: self.namespace(),
            name: self.name(),
            generate_name: self.text(usize::from(self.ends[2]), self.texts.len()),
            outcome: self.outcome,
            finished: self.finished,
            protections,
            ttl: self.ttl,
            traits: &self.traits,
        }
    }

    fn text(&self, from: usize, to: usize) -> &str {
        self.texts.get(from..to).unwrap_or_default()
    }
}

/// Keeps the Jobs that these objects select, and those that other Jobs own.
#[derive(Debug)]
pub(super) struct JobKeeper(pub(super) Arc<Retentions>);

impl Keeper for JobKeeper {
    type Kept = KeptJob;

    fn read(&self, text: &str) -> Result<Read<KeptJob>, String> {
        let arena = Arena::new();
        // Labels are looked at by the traits.
        let interest = Interest { instance_label: None, ..Interest::default() };
        let facts = read_job(&arena, text, &interest).map_err(|error| error.to_string())?;
        let traits = self.0.traits(&facts);
        let owners = owning_jobs(facts.owners);
        let has_owners = !owners.is_empty();
        let kept = || {
            let mut texts = String::new();
            let mut add = |text: &str| {
                texts.push_str(text);
                u16::try_from(texts.len()).map_err(|_| "a name is longer than Kubernetes allows".to_owned())
            };
            let ends = [add(facts.namespace)?, add(facts.name)?, add(facts.resource_version)?];
            add(facts.generate_name)?;
            Ok::<_, String>(KeptJob {
                texts: texts.into(),
                ends,
                outcome: facts.outcome,
                finished: facts.finished,
                protections: facts.protections.without(Protection::Ttl),
                ttl: Ttl::of(&facts),
                traits: traits.clone(),
                owners,
            })
        };
        let kept = if traits.is_empty() && !has_owners { None } else { Some(kept()?) };
        Ok(Read { uid: facts.uid.into(), kept })
    }
}

#[cfg(test)]
mod tests {
    use portcullis_retention::retention::JobRetention;
    use portcullis_value::json;

    use super::*;

    fn keeper(spec: &str) -> JobKeeper {
        let arena = Arena::new();
        let text = format!(r#"{{"metadata":{{"name":"r"}},"spec":{spec}}}"#);
        let retention = JobRetention::read(json::read(&arena, &text).unwrap()).unwrap();
        JobKeeper(Arc::new(Retentions::new(vec![retention], "portcullis")))
    }

    fn manifest(labels: &str, annotation: &str) -> String {
        let name = "n".repeat(63);
        format!(
            r#"{{"metadata":{{"namespace":"{name}","name":"{name}","generateName":"n","uid":"u","resourceVersion":"18446744073709551615",
            "labels":{labels},"annotations":{{"a":"{annotation}"}}}},"spec":{{"ttlSecondsAfterFinished":900}},
            "status":{{"conditions":[{{"type":"Failed","status":"True","lastTransitionTime":"2026-10-01T00:00:00Z"}}]}}}}"#
        )
    }

    #[test]
    fn what_is_kept_of_a_job_is_what_was_read() {
        let keeper = keeper(r#"{"selector":{},"groupBy":"app"}"#);
        let read = keeper.read(&manifest(r#"{"app":"report"}"#, "")).unwrap();
        let job = read.kept.unwrap();
        let candidate = job.candidate(false);
        assert_eq!((candidate.namespace, candidate.name), (&*"n".repeat(63), &*"n".repeat(63)));
        assert_eq!((candidate.generate_name, job.resource_version()), ("n", "18446744073709551615"));
        assert_eq!((candidate.outcome, candidate.finished), (Some(Outcome::Failed), Some(1_790_812_800)));
        assert_eq!(candidate.ttl.map(|ttl| ttl.seconds), Some(900));
        assert!(candidate.protections.is_empty(), "{:?}", candidate.protections);
    }

    #[test]
    fn of_a_job_that_nobody_selects_nothing_is_kept_and_of_another_a_few_words() {
        let keeper = keeper(r#"{"selector":{"matchLabels":{"app":"report"}}}"#);
        let read = |labels| keeper.read(&manifest(labels, &"long".repeat(100_000))).unwrap().kept;
        assert!(read(r#"{"app":"other"}"#).is_none());
        let job = read(r#"{"app":"report"}"#).unwrap();
        assert!(size_of::<KeptJob>() + job.texts.len() <= 256, "{}", size_of::<KeptJob>() + job.texts.len());
    }
}
