//! The commands and what is common to all of them.

mod examples;
mod mistake;
mod written;

use std::ffi::{OsStr, OsString};
use std::io::Write as _;
use std::path::Path;

use clap::error::ErrorKind;
use clap::{ArgAction, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use clap_complete::Shell;

use self::written::Written;
use crate::exit::{Ended, Exit, hinted, standard_output};
use crate::surroundings::Surroundings;
use crate::{apply, explain, installation, jobs, jp, serve, test};

/// A Kubernetes policy engine that runs the policies you already have.
#[derive(Debug, Parser)]
#[command(
    name = "portcullis",
    version,
    disable_help_flag = true,
    disable_version_flag = true,
    subcommand_required = true,
    arg_required_else_help = true,
    disable_help_subcommand = true,
    after_help = EXAMPLES
)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,

    // Our own, so that they stand below what a command is about.
    /// Print help; `-h` prints a summary.
    #[arg(short, long, global = true, action = ArgAction::Help, help_heading = "Help")]
    help: Option<bool>,

    /// Print the version.
    #[arg(short = 'V', long, action = ArgAction::Version, help_heading = "Help")]
    version: Option<bool>,
}

const EXAMPLES: &str = "\
Examples:
  Try a policy on a manifest, without a cluster:
      portcullis apply policy.yaml --resource job.yaml

  See what it changes:
      portcullis apply policy.yaml --resource job.yaml --diff

  See why a rule did not fire:
      portcullis explain policy.yaml job.yaml

  Run the tests of the policies in a folder:
      portcullis test policies/

  Load completions into this shell:
      source <(portcullis completion bash)

`portcullis COMMAND --help` explains a command, its flags and its exit code.";

const PRINTED: &str = "Exit code: 0 when it is printed, 1 otherwise.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Apply(Box<apply::Arguments>),
    Explain(Box<explain::Arguments>),
    Test(Box<test::Arguments>),
    Jp(jp::Arguments),
    Jobs(Box<jobs::Arguments>),
    Serve(Box<serve::ServeArguments>),
    Install(Box<installation::InstallArguments>),
    Uninstall(Box<installation::UninstallArguments>),
    Disarm(Box<installation::DisarmArguments>),
    Rearm(Box<installation::RearmArguments>),
    /// Print the CustomResourceDefinitions of policies and of JobRetention, for `portcullis crds | kubectl apply --server-side -f -`.
    #[command(after_help = PRINTED)]
    Crds,
    /// Print the completion script of a shell.
    #[command(after_help = PRINTED)]
    Completion {
        /// The shell that is to complete commands.
        shell: Shell,
    },
    /// Print the manual, for `portcullis man | man -l -`.
    #[command(after_help = PRINTED)]
    Man,
}

/// The whole command line as a description, for completions and manual.
pub(crate) fn command() -> clap::Command {
    CommandLine::command()
}

/// Parses the arguments. Help and version are printed here; wrong arguments are told.
pub(crate) fn parse(arguments: Vec<OsString>, surroundings: &mut Surroundings<'_>) -> Result<Command, Ended> {
    let mut command = examples::keep_whole(command());
    if let Some(width) = surroundings.stdout.width {
        command = command.term_width(width);
    }
    // kubectl runs a program of this name where somebody writes `kubectl portcullis`.
    if arguments.first().is_some_and(|program| is_called(program, "kubectl-portcullis")) {
        command = command.bin_name("kubectl portcullis");
    }
    let arguments = spell_out_switches(arguments, &command);
    let parsed = command.try_get_matches_from_mut(&arguments).and_then(|matches| {
        CommandLine::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
    });
    let error = match parsed {
        Ok(parsed) => return Ok(parsed.command),
        Err(error) => error,
    };
    let asked_for = matches!(
        error.kind(),
        ErrorKind::DisplayHelp
            | ErrorKind::DisplayVersion
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    );
    if error.kind() == ErrorKind::InvalidUtf8 {
        return Err(no_text(&arguments).into());
    }
    if !asked_for {
        return Err(mistake::told(&error, &Written::of(&command, &arguments)).into());
    }
    let stdout = &mut surroundings.stdout;
    let rendered = error.render();
    let text = if stdout.colour { rendered.ansi().to_string() } else { rendered.to_string() };
    let written = write!(stdout, "{}", examples::printed(&text));
    written.and_then(|()| stdout.flush()).map_err(standard_output)?;
    Err(Ended::Done(Exit::SUCCESS))
}

/// The first of `arguments` that is no text.
fn no_text(arguments: &[OsString]) -> anyhow::Error {
    let mut numbered = arguments.iter().enumerate().skip(1);
    let found = numbered.find(|(_, argument)| argument.to_str().is_none());
    let message = match found {
        Some((number, argument)) => {
            format!("argument {number}, `{}`, is not UTF-8", argument.to_string_lossy())
        }
        None => "an argument is not UTF-8".to_owned(),
    };
    hinted(message, Some("`�` stands for what is none; a file with such a name is to be renamed"))
}

/// Whether the path `program`, by which somebody runs this one, ends in `name`.
pub(crate) fn is_called(program: &OsStr, name: &str) -> bool {
    Path::new(program).file_name().is_some_and(|file| file == name)
}

/// Spells `--switch=true` and `--switch=false` without the value, as pipelines written for the reference have them.
fn spell_out_switches(
    arguments: impl IntoIterator<Item = OsString>,
    command: &clap::Command,
) -> Vec<OsString> {
    let is_switch = |name: &OsStr| {
        let mut switches = command
            .get_subcommands()
            .flat_map(clap::Command::get_arguments)
            .filter(|argument| matches!(argument.get_action(), ArgAction::SetTrue));
        switches.any(|argument| {
            argument.get_long_and_visible_aliases().into_iter().flatten().any(|long| long == name)
        })
    };
    let mut spelled = Vec::new();
    let mut arguments = arguments.into_iter();
    for argument in arguments.by_ref() {
        if argument == "--" {
            spelled.push(argument);
            break;
        }
        let switch = argument
            .to_str()
            .and_then(|argument| argument.strip_prefix("--"))
            .and_then(|argument| argument.split_once('='))
            .filter(|(name, _)| is_switch(OsStr::new(name)));
        match switch {
            Some((name, "true" | "1" | "t" | "T" | "TRUE" | "True")) => {
                spelled.push(format!("--{name}").into())
            }
            Some((_, "false" | "0" | "f" | "F" | "FALSE" | "False")) => {}
            _ => spelled.push(argument),
        }
    }
    spelled.extend(arguments);
    spelled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_describes_itself_without_contradiction() {
        command().debug_assert();
    }

    #[test]
    fn every_command_that_does_something_tells_its_exit_code() {
        let mut commands = vec![command()];
        while let Some(mut command) = commands.pop() {
            if command.get_subcommands().next().is_none() {
                let help = command.render_long_help().to_string();
                assert!(help.contains("\nExit code:"), "{}: {help}", command.get_name());
            }
            commands.extend(command.get_subcommands().cloned());
        }
    }

    #[test]
    fn switches_may_carry_true_or_false_as_in_the_reference() {
        let spell = |arguments: &[&str]| {
            let arguments = arguments.iter().map(OsString::from);
            let spelled = spell_out_switches(arguments, &command());
            spelled.into_iter().map(|argument| argument.into_string().unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(spell(&["apply", "--table=true", "--audit-warn=false"]), ["apply", "--table"]);
        assert_eq!(spell(&["--resource=true", "--table=maybe"]), ["--resource=true", "--table=maybe"]);
        assert_eq!(spell(&["--", "--table=true"]), ["--", "--table=true"]);
    }
}
