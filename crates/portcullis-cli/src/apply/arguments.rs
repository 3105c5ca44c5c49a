//! The arguments of `apply`.
//!
//! Flags that the reference knows keep their names and meanings. Those whose work is not done yet are parsed and
//! answered with a sentence, so that none is ever taken for a file name.

use clap::{Args, ValueEnum};

use crate::exit::Hinted;
use crate::offline::from_cluster::ClusterResources;
use crate::offline::known::Known;

/// Try policies on resources: print what each rule says, and what the resources become.
///
/// Nothing leaves this machine: no cluster is asked unless `--cluster` is given, no registry, no address in a policy.
#[derive(Debug, Default, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Policies: files, folders (with the folders in them), or `-` for standard input
    #[arg(value_name = "POLICY", help_heading = "Input")]
    pub(crate) policies: Vec<String>,

    /// Resources: files, folders, or `-` for standard input; several with commas between
    #[arg(short, long, visible_alias = "resources", value_name = "PATH", value_delimiter = ',')]
    #[arg(help_heading = "Input")]
    pub(crate) resource: Vec<String>,

    #[command(flatten)]
    pub(crate) from_cluster: ClusterResources,

    #[command(flatten)]
    pub(crate) known: Known,

    /// The form of the results
    #[arg(long, value_enum, default_value_t, help_heading = "Output")]
    pub(crate) format: Format,

    /// Print the results as a table
    #[arg(short, long, help_heading = "Output", conflicts_with_all = ["format", "policy_report"])]
    pub(crate) table: bool,

    /// With --table: add the messages
    #[arg(long, help_heading = "Output")]
    pub(crate) detailed_results: bool,

    /// Print policy reports
    #[arg(short, long, help_heading = "Output", conflicts_with = "format")]
    pub(crate) policy_report: bool,

    /// With --policy-report: the form of reports, which is yaml where none is given
    #[arg(long, value_enum, value_name = "FORM", help_heading = "Output")]
    pub(crate) output_format: Option<ReportFormat>,

    /// Write the mutated resources to this file (`.yaml` or `.yml`) or into this folder
    #[arg(short, long, value_name = "PATH", help_heading = "Output")]
    pub(crate) output: Option<String>,

    /// Show what changes in place of the mutated resources
    #[arg(long, help_heading = "Output", conflicts_with = "output")]
    pub(crate) diff: bool,

    /// Write on each mutated resource which rule changed what
    #[arg(long, help_heading = "Output")]
    pub(crate) record: bool,

    /// Print the mutated resources alone, to be piped on; results go to standard error
    #[arg(short = 'i', long, help_heading = "Output")]
    pub(crate) stdin: bool,

    /// Print without colours
    #[arg(long, help_heading = "Output")]
    pub(crate) remove_color: bool,

    /// Count failures of policies in audit mode as warnings
    #[arg(long, help_heading = "Verdict")]
    pub(crate) audit_warn: bool,

    /// Exit with this code when there are warnings
    #[arg(long, value_name = "CODE", default_value_t = 0, help_heading = "Verdict")]
    pub(crate) warn_exit_code: u8,

    /// Take it for a warning when no rule passed
    #[arg(long, help_heading = "Verdict")]
    pub(crate) warn_no_pass: bool,

    #[command(flatten)]
    pub(crate) later: Later,
}

const EXAMPLES: &str = "\
Examples:
  Judge a manifest by every policy of a folder:
      portcullis apply policies/ --resource deployment.yaml

  Mutate on the way to a file:
      portcullis apply policies/ --resource job.yaml --output mutated.yaml

  Judge what another program prints:
      helm template chart | portcullis apply policies/ --resource -

  See what a policy makes of resources that are there already:
      portcullis apply policy.yaml --resource trigger.yaml --target-resource existing.yaml

  Judge what is in a cluster, as far as a namespace goes:
      portcullis apply policies/ --cluster --namespace shop

  Give a variable that a cluster would know:
      portcullis apply policy.yaml --resource pod.yaml --set request.operation=UPDATE

Exit code:
  0  no rule failed and all could be judged
  1  a rule failed or could not be judged, or an input or argument is wrong
  N  there are warnings and `--warn-exit-code N` is given";

/// The form of the results.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Lines for people
    #[default]
    Text,
    /// A table for people
    Table,
    /// One JSON document
    Json,
    /// One YAML document
    Yaml,
}

/// The form of reports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReportFormat {
    #[default]
    Yaml,
    Json,
}

/// Flags of the reference whose work is not done yet, and some that need none.
#[derive(Debug, Default, Args)]
pub(crate) struct Later {
    #[arg(long, hide = true, value_delimiter = ',')]
    json: Vec<String>,
    #[arg(long, hide = true, visible_alias = "http-payloads", value_delimiter = ',')]
    http_payload: Vec<String>,
    #[arg(long, hide = true, visible_alias = "envoy-payloads", value_delimiter = ',')]
    envoy_payload: Vec<String>,
    #[arg(long, hide = true, visible_alias = "parameter-resources", value_delimiter = ',')]
    parameter_resource: Vec<String>,
    #[arg(long, hide = true)]
    context_file: Option<String>,
    #[arg(long, hide = true)]
    registry: bool,
    #[arg(long, hide = true)]
    generate_exceptions: bool,
    #[arg(short = 'b', long, hide = true)]
    git_branch: Option<String>,
    #[arg(long, hide = true)]
    username: Option<String>,
    #[arg(long, hide = true)]
    password: Option<String>,
    // What follows only tunes what is not there, or is how this program works anyway.
    #[arg(long, hide = true)]
    generated_exception_ttl: Option<String>,
    #[arg(long, hide = true)]
    concurrent: Option<String>,
    #[arg(long, hide = true)]
    continue_on_error: bool,
    #[arg(long, hide = true)]
    show_performance: bool,
    #[arg(long, hide = true)]
    continue_on_fail: bool,
    #[arg(short, long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "2")]
    v: Option<String>,
}

impl Later {
    /// The flags that are given and do nothing yet, with what they would do.
    fn given(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let list = |values: &[String]| !values.is_empty();
        [
            ("--json", "judging JSON payloads", list(&self.json)),
            ("--http-payload", "judging HTTP requests", list(&self.http_payload)),
            ("--envoy-payload", "judging Envoy requests", list(&self.envoy_payload)),
            ("--parameter-resource", "judging by Kubernetes' own policies", list(&self.parameter_resource)),
            ("--context-file", "giving CEL policies their context", self.context_file.is_some()),
            ("--registry", "asking registries for images", self.registry),
            ("--generate-exceptions", "writing exceptions", self.generate_exceptions),
            ("--git-branch", "reading policies from git", self.git_branch.is_some()),
            ("--username", "reading policies from git", self.username.is_some()),
            ("--password", "reading policies from git", self.password.is_some()),
        ]
        .into_iter()
        .filter_map(|(flag, work, given)| given.then_some((flag, work)))
    }
}

impl Arguments {
    /// Refuses what contradicts itself, is missing, or is not there yet.
    pub(crate) fn check(&self) -> Result<(), anyhow::Error> {
        if let Some((flag, work)) = self.later.given().next() {
            anyhow::bail!("`{flag}` is not there yet: {work} comes in a later version");
        }
        let paths = self.policies.iter().chain(&self.resource).chain(&self.output);
        if paths.into_iter().any(String::is_empty) {
            return Err(missing("a path is empty", "a variable of the shell may not be set"));
        }
        if self.output.as_deref() == Some("-") {
            return Err(missing(
                "`--output -` names no file",
                "leave `--output` out: standard output is where the resources go",
            ));
        }
        self.known.check(&self.policies, &self.resource)?;
        if self.policies.is_empty() {
            return Err(missing(
                "require policy",
                "name a policy file: `portcullis apply policy.yaml --resource job.yaml`",
            ));
        }
        if self.diff && !self.policy_report && matches!(self.format, Format::Json | Format::Yaml) {
            return Err(missing(
                "`--diff` is for people: one document holds no diffs",
                "leave out `--diff` or `--format`",
            ));
        }
        if self.from_cluster.cluster {
            self.from_cluster.check(&self.resource, &self.known)?;
        } else if self.resource.is_empty() {
            return Err(missing(
                "resource file(s) or cluster required",
                "name a manifest: `--resource job.yaml`",
            ));
        }
        if !self.known.crd_paths.is_empty() && self.from_cluster.access.kubeconfig.is_some() {
            anyhow::bail!(
                "crd-paths and kubeconfig flags are mutually exclusive, please use only one of them"
            );
        }
        Ok(())
    }

    /// The flags that are given and do nothing without another one, which comes second.
    ///
    /// COMPAT(kyverno): the reference takes them without a word, and so may scripts; here a word is said.
    pub(crate) fn idle(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let cluster = self.from_cluster.cluster;
        let access = &self.from_cluster.access;
        [
            ("--kubeconfig", "--cluster", access.kubeconfig.is_some() && !cluster),
            ("--context", "--cluster", access.context.is_some() && !cluster),
            ("--output-format", "--policy-report", self.output_format.is_some() && !self.policy_report),
            ("--detailed-results", "--table", self.detailed_results && self.form() != Format::Table),
        ]
        .into_iter()
        .filter_map(|(flag, other, is_idle)| is_idle.then_some((flag, other)))
    }

    /// The form of the results, whichever way it was asked for.
    pub(crate) fn form(&self) -> Format {
        if self.table { Format::Table } else { self.format }
    }
}

fn missing(message: &str, hint: &str) -> anyhow::Error {
    Hinted { message: message.to_owned(), hint: hint.to_owned() }.into()
}
