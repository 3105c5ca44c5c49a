//! The command line of the runner.

use anyhow::{Result, bail};

pub(crate) const HELP: &str = "\
Runs the corpora of recorded answers and keeps the score.

Usage: cargo xtask conformance [OPTIONS]

  --corpus NAME   run this corpus only (may be given again)
  --case ID       run the cases with this id, or CORPUS/ID, and show each in full
  --failed        list every failing case with its reason
  --list          list the ids of the cases and run none
  --raise         record the scores as the new floor
  --trace         name each case on stderr before it runs (to find one that ends the process)

The data is read from PORTCULLIS_CONFORMANCE, or from ../shared/conformance beside the repository.
Exit code: 0 when no score is below its floor, 1 when one is, 2 when a corpus cannot be read.
";

#[derive(Debug, Default)]
pub(crate) struct Arguments {
    pub(crate) corpora: Vec<String>,
    pub(crate) case: Option<String>,
    pub(crate) failed: bool,
    pub(crate) list: bool,
    pub(crate) raise: bool,
    pub(crate) trace: bool,
    pub(crate) help: bool,
}

impl Arguments {
    pub(crate) fn parse(words: impl Iterator<Item = String>) -> Result<Arguments> {
        let mut arguments = Arguments::default();
        let mut words = words;
        while let Some(word) = words.next() {
            match word.as_str() {
                "--failed" => arguments.failed = true,
                "--list" => arguments.list = true,
                "--raise" => arguments.raise = true,
                "--trace" => arguments.trace = true,
                "-h" | "--help" => arguments.help = true,
                "--corpus" => arguments.corpora.push(value_of("--corpus", words.next())?),
                "--case" => arguments.case = Some(value_of("--case", words.next())?),
                _ => bail!("unknown argument `{word}`\n\n{HELP}"),
            }
        }
        if arguments.raise && arguments.case.is_some() {
            bail!("`--raise` records whole corpora: leave out `--case`");
        }
        Ok(arguments)
    }
}

fn value_of(flag: &str, value: Option<String>) -> Result<String> {
    match value {
        Some(value) => Ok(value),
        None => bail!("`{flag}` needs a value\n\n{HELP}"),
    }
}
