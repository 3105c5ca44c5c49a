//! JobRetention: objects, and what becomes of Jobs by them.

mod decide;
mod grant;
mod hostile;
mod promises;
mod read;
mod status;
mod window;

use portcullis_model::Diagnostic;
use portcullis_retention::retention::{
    Candidate, FIELD_MANAGER, Fate, JobRetention, Mode, Namespace, Retentions, Scene, Traits,
};
use portcullis_retention::{Interest, JobFacts, read_job};
use portcullis_value::Arena;

use crate::jobs::{NOW, job};

/// Reads an object with this spec, in YAML.
pub(crate) fn read(name: &str, spec: &str) -> Result<JobRetention, Vec<Diagnostic>> {
    let text = format!(
        "apiVersion: portcullis.dev/v1alpha1\nkind: JobRetention\nmetadata: {{name: {name}, generation: 3}}\nspec: {{{spec}}}\n"
    );
    let arena = Arena::new();
    JobRetention::read(portcullis_yaml::read(&arena, &text).unwrap())
}

/// The objects with these names and specs.
pub(crate) fn retentions(specs: &[(&str, &str)]) -> Retentions {
    Retentions::new(specs.iter().map(|(name, spec)| read(name, spec).unwrap()).collect(), "portcullis")
}

/// So many Jobs in all that those of a test are a small part, which needs no approval.
pub(crate) const MANY: u64 = 1_000;

/// A Job that ended by this condition so many seconds before now, made from the name `report-`.
pub(crate) struct Ended<'e> {
    pub(crate) name: &'e str,
    pub(crate) condition: &'e str,
    pub(crate) ago: i64,
    /// Further members of its metadata, in JSON.
    pub(crate) metadata: &'e str,
    /// Its TTL, and who owns it: `admission`, `retention`, or a field manager.
    pub(crate) ttl: Option<(i32, &'e str)>,
}

pub(crate) const SUCCEEDED: Ended<'static> =
    Ended { name: "a", condition: "Complete", ago: 60, metadata: "", ttl: None };
pub(crate) const FAILED: Ended<'static> = Ended { condition: "Failed", ..SUCCEEDED };

impl Ended<'_> {
    pub(crate) fn text(&self) -> String {
        let creator = r#"{"manager":"kubectl","operation":"Update","fieldsV1":{"f:spec":{"f:suspend":{}}}}"#;
        let owner = match self.ttl {
            None | Some((_, "admission")) => String::new(),
            Some((_, owner)) => {
                let (manager, operation) =
                    if owner == "retention" { (FIELD_MANAGER, "Apply") } else { (owner, "Update") };
                format!(
                    r#",{{"manager":"{manager}","operation":"{operation}","fieldsV1":{{"f:spec":{{"f:ttlSecondsAfterFinished":{{}}}}}}}}"#
                )
            }
        };
        let time = jiff::Timestamp::from_second(NOW - self.ago).unwrap();
        let comma = if self.metadata.is_empty() { "" } else { "," };
        job(
            &format!(
                r#""generateName":"report-","managedFields":[{creator}{owner}]{comma}{}"#,
                self.metadata
            ),
            &self
                .ttl
                .map(|(seconds, _)| format!(r#""ttlSecondsAfterFinished":{seconds}"#))
                .unwrap_or_default(),
            &format!(
                r#""conditions":[{{"type":"{}","status":"True","lastTransitionTime":"{time}"}}]"#,
                self.condition
            ),
        )
        .replace("\"pi\"", &format!("\"{}\"", self.name))
    }
}

/// Hands the Jobs in `texts` on, as retention sees them.
pub(crate) fn with_jobs<T>(
    retentions: &Retentions,
    texts: &[String],
    then: impl FnOnce(&[Candidate<'_>]) -> T,
) -> T {
    let arenas: Vec<Arena> = texts.iter().map(|_| Arena::new()).collect();
    let facts: Vec<JobFacts<'_>> = texts
        .iter()
        .zip(&arenas)
        .map(|(text, arena)| read_job(arena, text, &Interest::default()).unwrap())
        .collect();
    let traits: Vec<Traits> = facts.iter().map(|facts| retentions.traits(facts)).collect();
    let jobs: Vec<_> =
        facts.iter().zip(&traits).map(|(facts, traits)| retentions.candidate(facts, traits)).collect();
    then(&jobs)
}

/// What becomes of the Jobs by the objects that are enforced. Namespaces have no labels.
pub(crate) fn fates(specs: &[(&str, &str)], jobs: &[Ended<'_>]) -> Vec<Fate> {
    let retentions = retentions(specs);
    let texts: Vec<_> = jobs.iter().map(Ended::text).collect();
    with_jobs(&retentions, &texts, |jobs| {
        let scene = Scene::new(&retentions, jobs, &|_| Some(Namespace::default()), NOW);
        scene.round(&[Mode::Enforce]).fates().to_vec()
    })
}
