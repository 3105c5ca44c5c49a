//! Which Jobs a command is about: the arguments that `list` and `plan` share.

use std::collections::BTreeSet;

use clap::{Args, ValueEnum};
use portcullis_cluster::Connection;
use portcullis_gocompat::labels::Selector;
use portcullis_retention::{ByOutcome, Interest, KeepPolicy, Outcome, format_age, parse_age};

use crate::cluster::ClusterArguments;

/// The namespaces of Kubernetes itself.
const OF_KUBERNETES: [&str; 3] = ["kube-system", "kube-public", "kube-node-lease"];

#[derive(Debug, Args)]
pub(crate) struct Selection {
    #[command(flatten)]
    pub(crate) cluster: ClusterArguments,

    /// Read Jobs from this file instead of a cluster, `-` for standard input: what `kubectl get jobs -A -o json` prints
    #[arg(long, value_name = "FILE", conflicts_with_all = ["kubeconfig", "context"], help_heading = "Jobs")]
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
        conflicts_with = "all_namespaces",
        help_heading = "Jobs"
    )]
    pub(crate) namespace: Vec<String>,

    /// Jobs with these labels, as kubectl writes it: `app=report,tier!=web,team in (a,b),!keep`
    #[arg(short = 'l', long, value_name = "SELECTOR", value_parser = selector, default_value = "", hide_default_value = true, help_heading = "Jobs")]
    pub(crate) selector: LabelText,

    /// Jobs that finished at least so long ago, as 90s, 15m, 24h, 7d
    #[arg(long, value_name = "AGE", value_parser = parse_age, default_value = "0s", hide_default_value = true, help_heading = "Jobs")]
    pub(crate) older_than: i64,

    /// Jobs that a policy in force would have given a TTL: they are younger than the policy and have none, as no engine
    /// ran when they were created
    #[arg(long, help_heading = "Jobs")]
    pub(crate) missed: bool,

    /// With --missed and --from: the policies in these files or folders, which are taken to be in force
    #[arg(long, value_name = "PATH", value_delimiter = ',', requires_all = ["missed", "from"], help_heading = "Jobs")]
    pub(crate) policies: Vec<String>,

    /// Jobs that ended so
    #[arg(long, value_enum, default_value_t, value_name = "OUTCOME", help_heading = "Jobs")]
    pub(crate) outcome: Ended,

    /// Do not leave the Jobs of these namespaces alone: kube-system, kube-public, kube-node-lease or that of Portcullis
    #[arg(long, value_name = "NAME", value_delimiter = ',', help_heading = "Protection")]
    pub(crate) include_namespace: Vec<String>,

    /// Leave Jobs alone that finished less than this ago
    #[arg(long, value_name = "AGE", value_parser = parse_age, default_value = "1h", help_heading = "Protection")]
    pub(crate) floor: i64,

    /// The label by which Argo CD knows its objects (`application.instanceLabelKey` of it); empty where there is no Argo CD
    #[arg(
        long,
        value_name = "KEY",
        default_value = "app.kubernetes.io/instance",
        help_heading = "Protection"
    )]
    pub(crate) argocd_instance_label: String,

    /// The namespace of Portcullis, whose Jobs are left alone
    #[arg(
        long,
        value_name = "NAME",
        env = "PORTCULLIS_NAMESPACE",
        default_value = "portcullis",
        help_heading = "Protection"
    )]
    pub(crate) portcullis_namespace: String,
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
            instance_label: Some(&*self.argocd_instance_label)
                .filter(|label| !label.is_empty())
                .map(Box::from),
        }
    }

    /// What is kept of the Jobs that are selected; those of `terminating` namespaces are.
    pub(crate) fn policy(&self, keep_last: usize, terminating: BTreeSet<Box<str>>) -> KeepPolicy {
        let expire_after = |outcome| self.outcome.includes(outcome).then_some(self.older_than);
        let protected = OF_KUBERNETES.into_iter().chain([&*self.portcullis_namespace]);
        let is_included = |name: &str| self.include_namespace.iter().any(|included| included == name);
        KeepPolicy {
            expire_after: ByOutcome {
                succeeded: expire_after(Outcome::Succeeded),
                failed: expire_after(Outcome::Failed),
            },
            keep_last,
            keep_failed: 0,
            floor: self.floor,
            protected_namespaces: protected.filter(|name| !is_included(name)).map(Box::from).collect(),
            terminating_namespaces: terminating,
        }
    }

    /// The namespaces that are asked for at the API server; `None` stands for all.
    pub(crate) fn scope<'s>(&'s self, connection: &'s Connection) -> Vec<Option<&'s str>> {
        match (&*self.namespace, self.all_namespaces) {
            (_, true) => vec![None],
            ([], false) => vec![Some(connection.namespace())],
            (named, false) => named.iter().map(|name| Some(&**name)).collect(),
        }
    }

    /// What is asked for, in words.
    pub(crate) fn criteria(&self) -> Vec<String> {
        let mut criteria = Vec::new();
        if !self.namespace.is_empty() {
            criteria.push(format!("namespace {}", self.namespace.join(", ")));
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
        let mut add = |flag: &str, value: &str| {
            let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./=,".contains(letter);
            let value = if value.chars().all(is_plain) { value.to_owned() } else { format!("'{value}'") };
            words.push_str(&format!(" {flag} {value}"));
        };
        if let Some(file) = &self.from {
            add("--from", file);
        }
        if !self.namespace.is_empty() {
            add("-n", &self.namespace.join(","));
        }
        if !self.selector.text.is_empty() {
            add("-l", &self.selector.text);
        }
        if self.older_than > 0 {
            add("--older-than", &format!("{}s", self.older_than));
        }
        if let Some(outcome) = self.outcome.to_possible_value().filter(|_| self.outcome != Ended::Any) {
            add("--outcome", outcome.get_name());
        }
        if !self.policies.is_empty() {
            add("--policies", &self.policies.join(","));
        }
        if !self.include_namespace.is_empty() {
            add("--include-namespace", &self.include_namespace.join(","));
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
