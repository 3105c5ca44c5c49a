//! What a shell and `man` want to know of the command line.

mod kubectl;

use std::ffi::OsString;
use std::io::Write as _;

use clap_complete::Shell;

use crate::arguments;
use crate::exit::{Ended, Exit, standard_output};
use crate::surroundings::Surroundings;

/// Prints the completion script of `shell`.
pub(crate) fn completion(shell: Shell, surroundings: &mut Surroundings<'_>) -> Result<Exit, Ended> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut arguments::command(), "portcullis", &mut script);
    surroundings.stdout.write_all(&script).map_err(standard_output)?;
    Ok(Exit::SUCCESS)
}

/// Tells kubectl how the command line goes on whose words behind `kubectl portcullis` are `words`.
pub(crate) fn complete_for_kubectl(
    words: &[OsString],
    surroundings: &mut Surroundings<'_>,
) -> Result<Exit, Ended> {
    let words: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
    let words: Vec<&str> = words.iter().map(|word| &**word).collect();
    let answer = kubectl::answer(arguments::command(), &words);
    surroundings.stdout.write_all(answer.as_bytes()).map_err(standard_output)?;
    Ok(Exit::SUCCESS)
}

/// Prints the manual: the page of the program, then one for each command and those below it.
pub(crate) fn manual(surroundings: &mut Surroundings<'_>) -> Result<Exit, Ended> {
    let mut command = arguments::command();
    // Gives each sub-command its full name, `portcullis apply`.
    command.build();
    let mut pages = Vec::new();
    let mut commands = vec![&command];
    // The last one is the next page: those below it follow it in their order.
    while let Some(command) = commands.pop() {
        clap_mangen::Man::new(command.clone()).render(&mut pages)?;
        let below: Vec<_> = command.get_subcommands().filter(|below| below.get_name() != "help").collect();
        commands.extend(below.into_iter().rev());
    }
    // The generator puts all that follows the arguments under a heading of its own.
    let pages = String::from_utf8_lossy(&pages).replace(".SH EXTRA\nExamples:\n", ".SH EXAMPLES\n");
    let pages = pages.replace(".SH EXTRA\nExit code:", "Exit code:");
    let pages = pages.replace("\nExit code:\n", "\n.SH EXIT STATUS\n");
    let pages = pages.replace("\nExit code: ", "\n.SH EXIT STATUS\n");
    surroundings.stdout.write_all(pages.as_bytes()).map_err(standard_output)?;
    Ok(Exit::SUCCESS)
}
