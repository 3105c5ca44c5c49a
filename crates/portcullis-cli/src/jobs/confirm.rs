//! Asking before something is done.

use std::io::{self, BufRead as _, Read as _, Write as _};

use anyhow::Result;

use crate::exit::hinted;
use crate::paint::Paint;
use crate::surroundings::Surroundings;

/// The longest answer that is read.
const LONGEST_ANSWER: u64 = 1 << 10;

/// Returns if whoever sits at the terminal agrees to `what`, or agreed beforehand.
///
/// # Errors
/// He does not, or there is no terminal to ask at.
pub(super) fn confirm(what: &str, yes: bool, surroundings: &mut Surroundings<'_>) -> Result<()> {
    can_be_asked(what, yes, surroundings)?;
    if yes {
        return Ok(());
    }
    let stderr = &mut surroundings.stderr;
    let paint = Paint::on(stderr);
    write!(stderr, "{} {what}? {} ", paint.warning("About to"), paint.strong("[y/N]"))?;
    stderr.flush()?;
    let answer = line(&mut surroundings.stdin)?;
    if ["y", "yes"].contains(&answer.trim().to_ascii_lowercase().as_str()) {
        return Ok(());
    }
    Err(hinted("nothing was done".to_owned(), None::<String>))
}

/// Returns if somebody can be asked whether to do `what`, or agreed beforehand: whoever prepares anything asks this first.
///
/// # Errors
/// There is no terminal to ask at.
pub(super) fn can_be_asked(what: &str, yes: bool, surroundings: &Surroundings<'_>) -> Result<()> {
    if yes || surroundings.stdin_is_terminal && surroundings.stderr.width.is_some() {
        return Ok(());
    }
    let message = format!("nobody can be asked whether to {what}: this is no terminal");
    Err(hinted(message, Some("add `--yes` if that is what is meant")))
}

/// The first line.
fn line(reader: &mut dyn io::Read) -> io::Result<String> {
    let mut line = String::new();
    io::BufReader::new(reader.take(LONGEST_ANSWER)).read_line(&mut line)?;
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::surroundings::Stream;

    fn confirmed(answer: &str, is_terminal: bool, yes: bool) -> Result<(), String> {
        let mut surroundings = Surroundings::of_process();
        surroundings.stdin = Box::new(io::Cursor::new(answer.to_owned()));
        surroundings.stdin_is_terminal = is_terminal;
        surroundings.stderr = Stream::plain(io::sink());
        surroundings.stderr.width = Some(80);
        confirm("delete it", yes, &mut surroundings).map_err(|error| error.to_string())
    }

    #[test]
    fn only_a_clear_yes_is_one() {
        for answer in ["y\n", "YES\n", " yes"] {
            assert_eq!(confirmed(answer, true, false), Ok(()), "{answer}");
        }
        for answer in ["", "\n", "n\n", "yess\n", "no\nyes\n"] {
            assert_eq!(confirmed(answer, true, false), Err("nothing was done".to_owned()), "{answer}");
        }
    }

    #[test]
    fn where_nobody_can_be_asked_yes_has_to_be_said_beforehand() {
        assert!(confirmed("yes\n", false, false).unwrap_err().contains("nobody can be asked"));
        assert_eq!(confirmed("", false, true), Ok(()));
    }
}
