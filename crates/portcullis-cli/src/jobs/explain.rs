//! `jobs explain`: what becomes of one Job, when and why.

mod document;
mod given;
mod read;
mod sentence;
mod text;

use std::collections::BTreeMap;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, ValueEnum};
use portcullis_retention::retention::{Fate, Mode, Namespace, Place, Retentions, Scene, Term};
use portcullis_retention::{Interest, JobFacts, Protection, Protections, TtlOwner, format_age, read_job};
use portcullis_value::Arena;

use self::read::Reading;
use super::missed::Giving;
use super::safeguards::SafeguardArguments;
use crate::cluster::{ClusterArguments, Commands};
use crate::exit::{Ended, Exit, hinted, standard_output};
use crate::surroundings::Surroundings;

/// Say what becomes of a Job, when and why: what protects it, which JobRetention objects and policies are about it, its
/// group and its place in that.
///
/// The first line says it in one sentence. Nothing is changed.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The Job, as NAME or NAMESPACE/NAME
    #[arg(value_name = "JOB", value_parser = job_name)]
    job: String,

    /// The namespace of the Job; without it that of the kubeconfig, or the one in the file that has such a Job
    #[arg(short, long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    namespace: Option<String>,

    #[command(flatten)]
    cluster: ClusterArguments,

    /// Read Jobs from this file instead of a cluster, `-` for standard input: what `kubectl get jobs -A -o json --show-managed-fields` prints
    #[arg(long, value_name = "FILE", value_parser = NonEmptyStringValueParser::new(), conflicts_with_all = ["kubeconfig", "context"], help_heading = "Without a cluster")]
    from: Option<String>,

    /// With --from: the JobRetention objects in these files or folders
    #[arg(
        long,
        value_name = "PATH",
        value_delimiter = ',',
        value_parser = NonEmptyStringValueParser::new(),
        requires = "from",
        help_heading = "Without a cluster"
    )]
    retentions: Vec<String>,

    /// With --from: the policies in these files or folders, which are taken to be in force
    #[arg(
        long,
        value_name = "PATH",
        value_delimiter = ',',
        value_parser = NonEmptyStringValueParser::new(),
        requires = "from",
        help_heading = "Without a cluster"
    )]
    policies: Vec<String>,

    #[command(flatten)]
    safeguards: SafeguardArguments,

    /// The form of the output
    #[arg(long, value_enum, default_value_t, value_name = "FORM", help_heading = "Output")]
    format: Form,
}

const EXAMPLES: &str = "\
Examples:
  Why is this Job still there, and until when?
      portcullis jobs explain report-28f4k -n team-a

  What would become of it, by objects that are in no cluster yet:
      kubectl get jobs -A -o json --show-managed-fields > jobs.json
      portcullis jobs explain team-a/report-28f4k --from jobs.json --retentions retention.yaml

Exit code: 0 when the Job was found, 1 otherwise.";

/// The name of a Job, alone or with its namespace.
fn job_name(text: &str) -> Result<String, String> {
    match text.split('/').any(str::is_empty) {
        true => Err("write it as NAME or NAMESPACE/NAME".to_owned()),
        false => Ok(text.to_owned()),
    }
}

/// The form of the output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Form {
    #[default]
    Text,
    Json,
    Yaml,
}

/// Runs the command.
pub(super) fn explain(
    arguments: &Arguments,
    surroundings: &mut Surroundings<'_>,
    cluster: &dyn Commands,
) -> Result<Exit, Ended> {
    let reading = Reading::of(arguments, surroundings, cluster)?;
    let arena = Arena::new();
    let facts = read_job(&arena, &reading.text, &Interest::default())
        .map_err(|error| hinted(format!("cannot read the Job: {error}"), None::<String>))?;
    let safeguards = arguments.safeguards.safeguards();
    let mut explanation = Explanation::of(&reading, &facts, safeguards.floor);
    if explanation.selecting.is_empty() {
        explanation.unselected = reading.protections(&safeguards)?;
    }
    let printed = match arguments.format {
        Form::Text => explanation.text(&mut surroundings.stdout),
        Form::Json => explanation.json(&mut surroundings.stdout),
        Form::Yaml => explanation.yaml(&mut surroundings.stdout),
    };
    printed.map_err(standard_output)?;
    Ok(Exit::SUCCESS)
}

/// What is known of a Job.
struct Explanation<'e> {
    facts: &'e JobFacts<'e>,
    /// Who wrote its TTL; of a Job that has none it says nothing.
    ttl_owner: TtlOwner,
    retentions: &'e Retentions,
    /// What holds an object up, by its name.
    held_up: &'e BTreeMap<Box<str>, HeldUp>,
    /// What becomes of it by the objects that are enforced.
    fate: Fate,
    /// Each object that selects it.
    selecting: Vec<Selecting>,
    /// What protects it where no object selects it, as `jobs list` and `jobs plan` see it.
    unselected: Protections,
    /// One kind of what it owns and is left alone for, where it owns such.
    owned: Option<&'e str>,
    /// The age below which no Job is touched, as people say it.
    floor: String,
    policies: &'e Known,
    /// Whether the objects were read.
    retentions_given: bool,
    /// In seconds since 1970-01-01 UTC.
    now: i64,
}

/// The policies that give such a Job a TTL, where that is known.
enum Known {
    Given(Vec<Giving>),
    /// Jobs come from a file, and no policies were given.
    NotAsked,
    /// The API server does not give them.
    Refused,
}

impl Known {
    fn all(&self) -> &[Giving] {
        match self {
            Known::Given(policies) => policies,
            Known::NotAsked | Known::Refused => &[],
        }
    }
}

/// Why what an object says is not done.
struct HeldUp {
    why: String,
    /// Whether that is because the hour is used up for what has Jobs go sooner.
    is_hour: bool,
}

/// What one object says of the Job.
struct Selecting {
    /// Its number.
    retention: usize,
    /// What would become of the Job were there no other object.
    alone: Fate,
    place: Option<Place>,
}

impl<'e> Explanation<'e> {
    fn of(reading: &'e Reading, facts: &'e JobFacts<'e>, floor: i64) -> Self {
        let jobs: Vec<_> = reading.jobs.iter().map(read::Kept::candidate).collect();
        let arena = Arena::new();
        let namespace = |name: &str| {
            let known = reading.namespace.as_ref().filter(|_| name == facts.namespace)?;
            let labels = known.labels.borrow(&arena).as_object().unwrap_or_default();
            Some(Namespace { labels, is_terminating: known.is_terminating })
        };
        let scene = Scene::new(&reading.retentions, &jobs, &namespace, reading.now);
        let all = scene.round(&[Mode::Audit, Mode::Enforce]);
        let selecting = all.selected_by(reading.target).map(|retention| {
            let alone = scene.alone(retention);
            let fate = alone.fates().get(reading.target).copied();
            Selecting {
                retention,
                alone: fate.unwrap_or(Fate::Unselected),
                place: alone.place(reading.target, retention),
            }
        });
        let in_force = scene.round(&[Mode::Enforce]);
        Self {
            facts,
            ttl_owner: TtlOwner::read(facts.managed_fields, portcullis_retention::retention::FIELD_MANAGER),
            retentions: &reading.retentions,
            held_up: &reading.held_up,
            fate: in_force.fates().get(reading.target).copied().unwrap_or(Fate::Unselected),
            selecting: selecting.collect(),
            unselected: Protections::default(),
            owned: reading.owned.as_deref(),
            floor: format_age(floor),
            policies: &reading.policies,
            retentions_given: reading.retentions_given,
            now: reading.now,
        }
    }

    /// Why what one object says of the Job is not done.
    fn held_up_by(&self, one: &Selecting) -> Option<&str> {
        let held_up = self.held_up.get(&self.retentions.all().get(one.retention)?.name)?;
        let hastens = |term: Term| self.facts.ttl.is_none_or(|ttl| ttl > term.seconds);
        let waits_for_hour =
            matches!(self.fate, Fate::Write(term) if term.by == one.retention && hastens(term));
        (!held_up.is_hour || waits_for_hour).then_some(&held_up.why)
    }

    /// Whether an object takes part in what is done.
    fn is_enforced(&self, number: usize) -> bool {
        self.retentions.all().get(number).is_some_and(|one| one.mode == Mode::Enforce)
    }

    /// What protects the Job, with the reason for each. A TTL is no protection here.
    fn protections(&self) -> Vec<(Protection, String)> {
        let by_fates = self.selecting.iter().map(|one| one.alone).chain([self.fate]);
        let mut protections = self.facts.protections.union(self.unselected);
        for fate in by_fates {
            if let Fate::Protected(others) = fate {
                protections = protections.union(others);
            }
        }
        let first = self.facts.protections.first();
        let reason = |protection: Protection| {
            let detail = match protection {
                Protection::Dependents => self.owned,
                Protection::Young => Some(&*self.floor),
                _ => self.facts.detail.filter(|_| first == Some(protection)),
            };
            (protection, protection.reason(detail))
        };
        protections.without(Protection::Ttl).iter().map(reason).collect()
    }
}

#[cfg(test)]
mod tests;
