//! Runs other programs, in the root of the repository, and shows how to run them again.

use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::files;

/// A command line: program and arguments, apart at blanks. Words with blanks are added by `arg`.
pub(crate) fn command(line: &str) -> Command {
    let mut words = line.split_whitespace();
    let mut command = Command::new(words.next().unwrap_or("true"));
    command.args(words).current_dir(files::root());
    command
}

/// Runs a command; its output is ours. The error says how to run it again.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot run `{}`", show(command)))?;
    if !status.success() {
        bail!("`{}` failed ({status})", show(command));
    }
    Ok(())
}

/// Runs a command and returns what it prints; its errors go to ours.
pub(crate) fn output_of(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot run `{}`", show(command)))?;
    if !output.status.success() {
        bail!("`{}` failed ({})", show(command), output.status);
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Whether a program answers to `--version`.
pub(crate) fn is_there(program: &str) -> bool {
    let mut command = Command::new(program);
    command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// The command as one would type it in the root of the repository.
pub(crate) fn show(command: &Command) -> String {
    // A search path with our tools in front would hide the rest.
    let telling = command.get_envs().filter(|(name, _)| *name != "PATH");
    let variables = telling.filter_map(|(name, value)| {
        let value = value?.to_string_lossy();
        Some(format!("{}={}", name.to_string_lossy(), quoted(&value)))
    });
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words = words.map(|word| quoted(&word.to_string_lossy()));
    variables.chain(words).collect::<Vec<_>>().join(" ")
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./=:+,@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_shown_as_it_is_typed() {
        let mut cargo = command("cargo doc --no-deps");
        cargo.env("RUSTDOCFLAGS", "-D warnings").arg("it's");
        assert_eq!(show(&cargo), r"RUSTDOCFLAGS='-D warnings' cargo doc --no-deps 'it'\''s'");
    }

    #[test]
    fn a_failed_command_says_how_to_run_it_again() {
        let error = run(&mut command("false --really")).unwrap_err();
        assert!(error.to_string().starts_with("`false --really` failed ("), "{error}");
    }
}
