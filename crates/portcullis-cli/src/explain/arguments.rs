//! The arguments of `explain`.

use clap::{Args, ValueEnum};

use crate::offline::known::Known;

/// Show what happened when a policy met a resource: each step, the value it saw, and what it came to.
///
/// For each rule and resource a sentence says how the rule ended and why; the steps follow. Nothing leaves this machine: no
/// cluster is asked, no registry, no address in a policy.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The policy: a file, a folder (with the folders in it), or `-` for standard input
    #[arg(value_name = "POLICY", required_unless_present = "record", help_heading = "Input")]
    pub(crate) policy: Option<String>,

    /// The resource: a file, a folder, or `-` for standard input
    #[arg(value_name = "RESOURCE", required_unless_present = "record", help_heading = "Input")]
    pub(crate) resource: Option<String>,

    /// Show what a server recorded instead: a file of decisions, or `-` for standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = ["policy", "resource"], help_heading = "Input")]
    pub(crate) record: Option<String>,

    #[command(flatten)]
    pub(crate) known: Known,

    /// Show this rule alone
    #[arg(long, value_name = "NAME", help_heading = "Output")]
    pub(crate) rule: Option<String>,

    /// The form of the output
    #[arg(long, value_enum, default_value_t, help_heading = "Output")]
    pub(crate) format: Format,

    /// Print without colours
    #[arg(long, help_heading = "Output")]
    pub(crate) remove_color: bool,
}

/// The form of the output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// A tree for people
    #[default]
    Text,
    /// One JSON document
    Json,
}

const EXAMPLES: &str = "\
Examples:
  See why a policy leaves a manifest as it is:
      portcullis explain policy.yaml job.yaml

  See one rule of many, as a program reads it:
      portcullis explain policies/ pod.yaml --rule check-image --format json

  See why a request was refused:
      curl -s http://127.0.0.1:8000/decisions | portcullis explain --record -

Exit code:
  0  what was asked for is shown, however the rules ended
  1  an input or argument is wrong";
