//! The arguments of `test`.

use clap::{Args, ValueEnum};

use super::selector::Selector;
use crate::exit::Hinted;

/// Run the tests of policies: the `kyverno-test.yaml` files below some folders, as they are.
#[derive(Debug, Default, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Folders whose tests are run, with those of the folders in them
    #[arg(value_name = "FOLDER", required = true, help_heading = "Input")]
    pub(crate) folders: Vec<String>,

    /// The name of the files that are tests
    #[arg(short, long, value_name = "NAME", default_value = "kyverno-test.yaml", help_heading = "Input")]
    pub(crate) file_name: String,

    /// Run the rows of these policies, rules and resources alone; wildcards may stand in them
    #[arg(short, long, value_name = "policy=NAME,rule=NAME,resource=NAME", help_heading = "Input")]
    #[arg(default_value = "policy=*,rule=*,resource=*", hide_default_value = true)]
    pub(crate) test_case_selector: Selector,

    /// Print the rows for a program: one document for all tests
    #[arg(short, long, value_enum, value_name = "FORM", help_heading = "Output")]
    pub(crate) output_format: Option<OutputFormat>,

    /// Print failing rows alone, at the end
    #[arg(long, help_heading = "Output")]
    pub(crate) fail_only: bool,

    /// Add the messages of rules
    #[arg(long, help_heading = "Output")]
    pub(crate) detailed_results: bool,

    /// Print without colours
    #[arg(long, help_heading = "Output")]
    pub(crate) remove_color: bool,

    /// Let rows fail that can never fail otherwise: of rules and resources that there are none of, of resources that the
    /// rule leaves out (but for `result: skip`), of patched resources that the file does not hold
    #[arg(long, help_heading = "Verdict")]
    pub(crate) strict: bool,

    /// Take it for an error when there is no test
    #[arg(long, help_heading = "Verdict")]
    pub(crate) require_tests: bool,

    /// Not yet: ask registries for what rules want to know of images
    #[arg(long, help_heading = "Later")]
    registry: bool,

    /// Not yet: the branch of a git repository
    #[arg(short = 'b', long, value_name = "BRANCH", help_heading = "Later")]
    git_branch: Option<String>,
}

const EXAMPLES: &str = "\
Examples:
  Run all tests of a repository of policies:
      portcullis test policies/

  See the failing rows alone, with the messages of their rules:
      portcullis test policies/ --fail-only --detailed-results

  Run the rows of one rule:
      portcullis test policies/ --test-case-selector policy=require-labels,rule=check-team

  Give a pipeline its report:
      portcullis test policies/ --output-format junit > report.xml

Exit code:
  0  no row failed
  1  a row failed, a test could not be run, or an argument is wrong";

/// A form of the rows for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutputFormat {
    /// A list of objects
    Json,
    /// A list of objects
    Yaml,
    /// A table
    Markdown,
    /// JUnit's XML
    Junit,
}

impl Arguments {
    /// Refuses what is not done yet.
    pub(crate) fn check(&self) -> Result<(), Hinted> {
        let is_url = |folder: &&String| folder.starts_with("https://") || folder.starts_with("http://");
        let fetch = "fetch the repository first and name its folder";
        let (message, hint) = match () {
            () if self.registry => (
                "`--registry` is not there yet: no registry is asked".to_owned(),
                "give what a rule wants to know of an image among the values",
            ),
            () if self.git_branch.is_some() => ("`--git-branch` is not there yet".to_owned(), fetch),
            () => match self.folders.iter().find(is_url) {
                Some(url) => (format!("`{url}`: git repositories are not fetched yet"), fetch),
                None => return Ok(()),
            },
        };
        Err(Hinted { message, hint: hint.to_owned() })
    }
}
