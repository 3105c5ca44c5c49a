//! Mutated and generated resources for people: as they become, or what changes.

use std::fmt::Write as _;
use std::io::{self, Write as _};

use portcullis_kyverno::Policy;
use portcullis_model::{CompiledPolicy as _, Resource};
use portcullis_value::Value;
use similar::{ChangeTag, TextDiff};

use super::judged::{Ending, Judged, Mutation};
use crate::paint::Paint;
use crate::printable;
use crate::surroundings::Stream;

/// Lines shown around a change.
const CONTEXT: usize = 3;

/// How mutated and generated resources are shown.
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
    /// Prints what each policy with mutate rules made of the resource and of existing ones, then what was generated.
    pub(crate) fn print(self, judged: &Judged<'_, '_>, stdout: &mut Stream<'_>) -> io::Result<()> {
        if self.hidden {
            return Ok(());
        }
        let paint = Paint::on(stdout);
        for mutation in judged.mutations() {
            if self.diff {
                let own = match mutation.ending {
                    Ending::Changed(after) => Some((mutation.before, after)),
                    Ending::Unchanged(_) | Ending::Failed => None,
                };
                for (before, after) in own.into_iter().chain(mutation.targets) {
                    let gap = if self.bare { "" } else { "\n" };
                    write!(stdout, "{gap}{}", diff(mutation.policy.name(), before, after, paint))?;
                }
                continue;
            }
            let mut text = object(mutation.ending);
            if self.bare {
                writeln!(stdout, "{text}---")?;
                for (_, target) in mutation.targets {
                    writeln!(stdout, "{}---", portcullis_yaml::to_string(target))?;
                }
                continue;
            }
            if !mutation.targets.is_empty() {
                text.push_str("---\npatched targets: \n");
            }
            let targets = mutation.targets.iter().map(|(_, target)| portcullis_yaml::to_string(*target));
            text.extend(targets.enumerate().map(|(index, target)| match index {
                0 => format!("\n{target}"),
                _ => format!("---\n{target}"),
            }));
            let heading = heading(mutation.policy, judged);
            write!(stdout, "\n{}\n{text}---\n\nMutation:\n", paint.strong(printable::line(&heading)))?;
            match mutation.ending {
                Ending::Failed => writeln!(stdout, "{}", paint.bad("The mutation failed."))?,
                Ending::Unchanged(_) if mutation.targets.is_empty() && mutation.has_failed_targets => {
                    writeln!(stdout, "{}", paint.bad("The mutation failed."))?;
                }
                Ending::Unchanged(_) if mutation.targets.is_empty() => {
                    writeln!(stdout, "{}", paint.quiet("There is nothing to change."))?;
                }
                Ending::Changed(_) | Ending::Unchanged(_) => {
                    writeln!(stdout, "{}", paint.good("Mutation has been applied successfully."))?;
                }
            }
        }
        self.print_generated(judged, stdout)
    }

    fn print_generated(self, judged: &Judged<'_, '_>, stdout: &mut Stream<'_>) -> io::Result<()> {
        let paint = Paint::on(stdout);
        for (policy, objects) in judged.generated() {
            for object in objects {
                let text = portcullis_yaml::to_string(*object);
                if self.bare {
                    writeln!(stdout, "{text}---")?;
                    continue;
                }
                let heading = heading(policy, judged);
                write!(stdout, "\n{}\n{text}---\n\nGenerate:\n", paint.strong(printable::line(&heading)))?;
                writeln!(stdout, "{}", paint.good("Generation completed successfully."))?;
            }
        }
        Ok(())
    }
}

fn heading(policy: &Policy, judged: &Judged<'_, '_>) -> String {
    format!("policy {} applied to {}:", policy.name(), judged.resource.key())
}

/// The object as YAML. A failed mutation leaves none: it is shown as an empty one.
fn object(ending: Ending<'_>) -> String {
    match ending {
        Ending::Changed(object) | Ending::Unchanged(object) => portcullis_yaml::to_string(object),
        Ending::Failed => "{}\n".to_owned(),
    }
}

/// A unified diff of an object before and after `policy` changed it.
fn diff(policy: &str, before: Value<'_>, after: Value<'_>, paint: Paint) -> String {
    let key = Resource(before).key().to_string();
    let (before, after) = (portcullis_yaml::to_string(before), portcullis_yaml::to_string(after));
    let differences = TextDiff::from_lines(&before, &after);
    let mut text = String::new();
    // Writing to a string cannot fail.
    let key = printable::line(&key);
    let _ = writeln!(text, "{}", paint.strong(format_args!("--- {key}")));
    let _ = writeln!(text, "{}", paint.strong(format_args!("+++ {key} ({policy})")));
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
