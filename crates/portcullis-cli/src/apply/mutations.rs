//! Mutated resources for people: as they become, or what changes.

use std::fmt::Write as _;
use std::io::{self, Write as _};

use portcullis_model::CompiledPolicy as _;
use portcullis_value::Value;
use similar::{ChangeTag, TextDiff};

use super::judged::{Ending, Judged, Mutation};
use crate::paint::Paint;
use crate::printable;
use crate::surroundings::Stream;

/// Lines shown around a change.
const CONTEXT: usize = 3;

/// How mutated resources are shown.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Mutations {
    /// What changes, in place of the resource.
    pub(crate) diff: bool,
    /// Without words around them, to be piped on.
    pub(crate) bare: bool,
    /// Not at all: they go to files.
    pub(crate) hidden: bool,
}

impl Mutations {
    /// Prints what each policy with mutate rules made of the resource.
    pub(crate) fn print(self, judged: &Judged<'_, '_>, stdout: &mut Stream<'_>) -> io::Result<()> {
        if self.hidden {
            return Ok(());
        }
        let paint = Paint::on(stdout);
        for mutation in judged.mutations() {
            if self.diff {
                let diff = diff(judged, &mutation, paint);
                let gap = if self.bare || diff.is_empty() { "" } else { "\n" };
                write!(stdout, "{gap}{diff}")?;
                continue;
            }
            let text = object(mutation.ending);
            if self.bare {
                writeln!(stdout, "{text}---")?;
                continue;
            }
            let heading = format!("policy {} applied to {}:", mutation.policy.name(), judged.resource.key());
            write!(stdout, "\n{}\n{text}---\n\nMutation:\n", paint.strong(printable::line(&heading)))?;
            match mutation.ending {
                Ending::Changed(_) => {
                    writeln!(stdout, "{}", paint.good("Mutation has been applied successfully."))?;
                }
                Ending::Unchanged(_) => writeln!(stdout, "{}", paint.quiet("There is nothing to change."))?,
                Ending::Failed => writeln!(stdout, "{}", paint.bad("The mutation failed."))?,
            }
        }
        Ok(())
    }
}

/// The object as YAML. A failed mutation leaves none: it is shown as an empty one.
fn object(ending: Ending<'_>) -> String {
    match ending {
        Ending::Changed(object) | Ending::Unchanged(object) => portcullis_yaml::to_string(object),
        Ending::Failed => "{}\n".to_owned(),
    }
}

/// A unified diff of the object before and after; empty where nothing changed.
fn diff(judged: &Judged<'_, '_>, mutation: &Mutation<'_>, paint: Paint) -> String {
    let Ending::Changed(after) = mutation.ending else { return String::new() };
    let (before, after) = (portcullis_yaml::to_string(mutation.before), portcullis_yaml::to_string(after));
    let differences = TextDiff::from_lines(&before, &after);
    let mut text = String::new();
    // Writing to a string cannot fail.
    let key = judged.resource.key().to_string();
    let key = printable::line(&key);
    let _ = writeln!(text, "{}", paint.strong(format_args!("--- {key}")));
    let _ = writeln!(text, "{}", paint.strong(format_args!("+++ {key} ({})", mutation.policy.name())));
    for hunk in differences.unified_diff().context_radius(CONTEXT).iter_hunks() {
        let _ = writeln!(text, "{}", paint.hint(hunk.header()));
        for change in hunk.iter_changes() {
            let line = printable::line(change.value().trim_end_matches('\n'));
            let _ = match change.tag() {
                ChangeTag::Delete => writeln!(text, "{}", paint.bad(format_args!("-{line}"))),
                ChangeTag::Insert => writeln!(text, "{}", paint.good(format_args!("+{line}"))),
                ChangeTag::Equal => writeln!(text, " {line}"),
            };
        }
    }
    text
}

/// The object that goes to a file or a machine: the last that mutate rules left, `None` where one of them failed or no
/// policy has any.
pub(crate) fn outcome<'a>(mutations: &[Mutation<'a>]) -> Option<(Value<'a>, bool)> {
    let mut last = None;
    let mut is_changed = false;
    for mutation in mutations {
        match mutation.ending {
            Ending::Failed => return None,
            Ending::Changed(object) => {
                is_changed = true;
                last = Some(object);
            }
            Ending::Unchanged(object) => last = Some(object),
        }
    }
    last.map(|object| (object, is_changed))
}
