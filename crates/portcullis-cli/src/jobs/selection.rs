//! Which Jobs a command is about: the arguments that `list` and `plan` share.

use std::collections::BTreeSet;
use std::str::FromStr;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, ValueEnum};
use portcullis_cluster::Connection;
use portcullis_gocompat::labels::{self, Selector};
use portcullis_retention::{ByOutcome, Interest, KeepPolicy, Outcome, Safeguards, format_age, parse_age};

use super::safeguards::SafeguardArguments;
use super::shell_word::shell_word;
use crate::cluster::ClusterArguments;

#[derive(Debug, Args)]
pub(crate) struct Selection {
    #[command(flatten)]
    pub(crate) cluster: ClusterArguments,

    /// Read Jobs from this file instead of a cluster, `-` for standard input: what `kubectl get jobs -A -o json` prints
    #[arg(long, value_name = "FILE", value_parser = NonEmptyStringValueParser::new(), conflicts_with_all = ["kubeconfig", "context"], help_heading = "Jobs")]
    pub(crate) from: Option<String>,

    /// Jobs of all namespaces
    #[arg(short = 'A', long, help_heading = "Jobs")]
    pub(crate) all_namespaces: bool,

    /// Jobs of these namespaces, with commas between; without it and without -A those of the kubeconfig's namespace, or
    /// all in the file
    #[arg(
        short,
        long,
        value_name = "NAME",
        value_delimiter = ',',
        value_parser = NonEmptyStringValueParser::new(),
        conflicts_with = "all_namespaces",
        help_heading = "Jobs"
    )]
    pub(crate) namespace: Vec<String>,

    /// Jobs with these labels, as kubectl writes it: `app=report,tier!=web,team in (a,b),!keep`
    #[arg(short = 'l', long, value_name = "SELECTOR", value_parser = selector, default_value = "", hide_default_value = true, help_heading = "Jobs")]
    pub(crate) selector: LabelText,

    /// Jobs that finished at least so long ago, as 90s, 15m, 24h, 7d, 2d10h
    #[arg(long, value_name = "AGE", value_parser = parse_age, default_value = "0s", hide_default_value = true, help_heading = "Jobs")]
    pub(crate) older_than: i64,

    /// Jobs that a policy in force would have given a TTL: they are younger than the policy and have none, as no engine
    /// ran when they were created
    #[arg(long, help_heading = "Jobs")]
    pub(crate) missed: bool,

    /// With --missed and --from: the policies in these files or folders, which are taken to be in force
    #[arg(long, value_name = "PATH", value_delimiter = ',', value_parser = NonEmptyStringValueParser::new(), requires_all = ["missed", "from"], help_heading = "Jobs")]
    pub(crate) policies: Vec<String>,

    /// Jobs that ended so
    #[arg(long, value_enum, default_value_t, value_name = "OUTCOME", help_heading = "Jobs")]
    pub(crate) outcome: Ended,

    #[command(flatten)]
    pub(crate) safeguards: SafeguardArguments,
}

/// A count, as an argument.
pub(super) fn number<N: FromStr>(text: &str) -> Result<N, String> {
    text.parse().map_err(|_| "write a whole number, as `3`".to_owned())
}

/// An age as it is written: exactly, in the largest unit that it is a whole number of.
pub(super) fn age_word(seconds: i64) -> String {
    let units = [(86_400, "d"), (3_600, "h"), (60, "m")];
    let unit = units.into_iter().find(|(length, _)| seconds % length == 0 && seconds > 0);
    let (length, letter) = unit.unwrap_or((1, "s"));
    format!("{}{letter}", seconds / length)
}

/// The key of a label.
pub(super) fn label_key(text: &str) -> Result<String, String> {
    labels::validate_key(text).map_err(|error| error.to_string())?;
    Ok(text.to_owned())
}

/// A selector, and how it was written.
#[derive(Clone, Debug, Default)]
pub(crate) struct LabelText {
    pub(crate) text: String,
    selector: Selector,
}

fn selector(text: &str) -> Result<LabelText, String> {
    let selector = Selector::parse(text).map_err(|error| error.to_string())?;
    Ok(LabelText { text: text.to_owned(), selector })
}

/// How Jobs ended that are meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Ended {
    Succeeded,
    Failed,
    #[default]
    Any,
}

impl Ended {
    pub(crate) fn includes(self, outcome: Outcome) -> bool {
        match self {
            Ended::Succeeded => outcome == Outcome::Succeeded,
            Ended::Failed => outcome == Outcome::Failed,
            Ended::Any => true,
        }
    }
}

impl Selection {
    /// What is read of every Job.
    pub(crate) fn interest(&self, group_label: Option<&str>) -> Interest {
        Interest {
            selector: self.selector.selector.clone(),
            group_label: group_label.map(Box::from),
            instance_label: self.safeguards().instance_label.map(Box::from),
        }
    }

    /// What protects the Jobs beside their manifests.
    pub(crate) fn safeguards(&self) -> Safeguards {
        self.safeguards.safeguards()
    }

    /// The age below which no Job is touched, as people say it.
    pub(crate) fn floor(&self) -> String {
        format_age(self.safeguards().floor)
    }

    /// What is kept of the Jobs that are selected; those of `terminating` namespaces are.
    pub(crate) fn policy(&self, keep_last: usize, terminating: BTreeSet<Box<str>>) -> KeepPolicy {
        let expire_after = |outcome| self.outcome.includes(outcome).then_some(self.older_than);
        KeepPolicy {
            expire_after: ByOutcome {
                succeeded: expire_after(Outcome::Succeeded),
                failed: expire_after(Outcome::Failed),
            },
            keep_last,
            ..self.safeguards().policy(terminating)
        }
    }

    /// The namespaces that are asked for at the API server; `None` stands for all.
    pub(crate) fn scope<'s>(&'s self, connection: &'s Connection) -> Vec<Option<&'s str>> {
        match (&*self.namespace, self.all_namespaces) {
            (_, true) => vec![None],
            ([], false) => vec![Some(connection.namespace())],
            (_, false) => self.named().into_iter().map(Some).collect(),
        }
    }

    /// The namespaces that are named. One that is named twice is read once, or its Jobs would count twice.
    fn named(&self) -> BTreeSet<&str> {
        self.namespace.iter().map(String::as_str).collect()
    }

    /// What is asked for, in words.
    pub(crate) fn criteria(&self) -> Vec<String> {
        let mut criteria = Vec::new();
        if !self.namespace.is_empty() {
            criteria.push(format!("namespace {}", Vec::from_iter(self.named()).join(", ")));
        }
        if !self.selector.text.is_empty() {
            criteria.push(format!("labels {}", self.selector.text));
        }
        if self.older_than > 0 {
            criteria.push(format!("finished at least {} ago", format_age(self.older_than)));
        }
        match self.outcome {
            Ended::Succeeded => criteria.push("succeeded".to_owned()),
            Ended::Failed => criteria.push("failed".to_owned()),
            Ended::Any => {}
        }
        if self.missed {
            criteria.push("missed by a policy that sets a TTL".to_owned());
        }
        criteria
    }

    /// The arguments that select the same Jobs again, each with a blank before it.
    pub(crate) fn words(&self) -> String {
        let mut words = String::new();
        let mut add = |flag: &str, value: &str| words.push_str(&format!(" {flag} {}", shell_word(value)));
        if let Some(file) = &self.from {
            add("--from", file);
        }
        if !self.namespace.is_empty() {
            add("-n", &Vec::from_iter(self.named()).join(","));
        }
        if !self.selector.text.is_empty() {
            add("-l", &self.selector.text);
        }
        if self.older_than > 0 {
            add("--older-than", &age_word(self.older_than));
        }
        if let Some(outcome) = self.outcome.to_possible_value().filter(|_| self.outcome != Ended::Any) {
            add("--outcome", outcome.get_name());
        }
        if !self.policies.is_empty() {
            add("--policies", &self.policies.join(","));
        }
        self.safeguards.words(&mut add);
        let ClusterArguments { kubeconfig, context } = &self.cluster;
        if let Some(file) = kubeconfig {
            add("--kubeconfig", &file.display().to_string());
        }
        if let Some(context) = context {
            add("--context", context);
        }
        if self.all_namespaces {
            words.push_str(" -A");
        }
        if self.missed {
            words.push_str(" --missed");
        }
        words
    }

    /// Whether Jobs of `namespace` are meant.
    pub(crate) fn includes_namespace(&self, namespace: &str) -> bool {
        self.namespace.is_empty() || self.namespace.iter().any(|name| name == namespace)
    }
}
