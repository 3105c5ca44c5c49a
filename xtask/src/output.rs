//! What the tasks print. Everything goes through here; a reader that went away, as `head` does, is no error.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

/// A line on stdout.
pub(crate) fn line(text: &str) {
    let _ = writeln!(io::stdout(), "{text}");
}

/// The heading of a step.
pub(crate) fn heading(title: &str, detail: &str) {
    line(&format!("\n{} {detail}", bold(&format!("==> {title}"))));
}

/// How long a step took.
pub(crate) fn done(title: &str, took: Duration) {
    line(&format!("    {title}: ok, {}", seconds(took)));
}

/// A word on stderr about what takes long.
pub(crate) fn progress(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// An error on stderr, with its causes.
pub(crate) fn error(error: &anyhow::Error) {
    let _ = writeln!(io::stderr(), "error: {error:#}");
}

/// `3.2 s`, or `2 min 5 s` from a minute on.
pub(crate) fn seconds(took: Duration) -> String {
    match took.as_secs() {
        0..60 => format!("{:.1} s", took.as_secs_f64()),
        all => format!("{} min {} s", all / 60, all % 60),
    }
}

/// `1234567` as `1,234,567`. The command line has such a function too; tasks use no crate of the workspace, so that they
/// run when one of these does not build.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn bold(text: &str) -> String {
    if io::stdout().is_terminal() { format!("\x1b[1m{text}\x1b[0m") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_times_read_well() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(123), "123");
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(seconds(Duration::from_millis(3210)), "3.2 s");
        assert_eq!(seconds(Duration::from_secs(125)), "2 min 5 s");
    }
}
