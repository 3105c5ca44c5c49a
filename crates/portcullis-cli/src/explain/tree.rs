//! Explanations as trees for people.

use std::fmt::Write as _;
use std::io::{self, Write as _};

use portcullis_model::explain::{Ended, Explanation, Finding, Part, PolicyExplanation, Step};

use super::{About, Form};
use crate::paint::Paint;
use crate::printable;
use crate::surroundings::Stream;

/// What stands beside each other is aligned up to this width.
const WIDEST: usize = 48;

/// How long a line may be where nobody says how wide the terminal is.
const LINE: usize = 120;

/// The text form.
#[derive(Debug)]
pub(super) struct Trees {
    paint: Paint,
    /// How long a line may be before its columns stand below each other.
    width: usize,
    is_first: bool,
}

impl Trees {
    pub(super) fn new(stdout: &Stream<'_>) -> Self {
        Self { paint: Paint::on(stdout), width: stdout.width.unwrap_or(LINE), is_first: true }
    }

    /// Each policy has a heading, each rule a sentence.
    fn policy(&mut self, about: &About, explanation: &PolicyExplanation) -> String {
        let mut text = String::new();
        if !std::mem::replace(&mut self.is_first, false) {
            text.push('\n');
        }
        let place = match &*about.namespace {
            "" => String::new(),
            namespace => format!("{namespace}/"),
        };
        let resource = format!("{} {place}{}", about.kind, about.name);
        let heading = format!("policy {} on {resource}", explanation.policy);
        let request = about.request.as_ref().map(|request| {
            let ending = if request.allowed { "admitted" } else { "refused" };
            format!(", {} {ending} at {} (request {})", request.operation, request.time, request.uid)
        });
        let heading = heading + &request.unwrap_or_default();
        let _ = writeln!(text, "{}", self.paint.strong(printable::line(&heading)));
        for rule in &explanation.rules {
            text.push('\n');
            self.rule(rule, &mut text);
        }
        text
    }

    fn rule(&self, rule: &Explanation, text: &mut String) {
        let summary = printable::line(&rule.summary);
        let _ = match rule.ended {
            Ended::Pass => writeln!(text, "{}", self.paint.good(summary)),
            Ended::Fail | Ended::Error => writeln!(text, "{}", self.paint.bad(summary)),
            Ended::Skip | Ended::NotApplied => writeln!(text, "{}", self.paint.doubtful(summary)),
        };
        if let Some(origin) = &rule.autogen_of {
            let line = format!("generated from rule `{origin}` for controllers of Pods");
            let _ = writeln!(text, "  {}", self.paint.quiet(printable::line(&line)));
        }
        if matches!(rule.ended, Ended::Fail | Ended::Error) && !rule.summary.contains(&rule.message) {
            let message = printable::message(&rule.message, "    ");
            let _ = writeln!(text, "  {}{message}", self.paint.quiet("it says: "));
        }
        self.steps(&rule.steps, rule.more, 1, text);
    }

    /// The steps in `level` levels, aligned, and how many there are beside them.
    fn steps(&self, steps: &[Step], more: usize, level: usize, text: &mut String) {
        let labels: Vec<_> = steps.iter().map(|step| printable::line(&label(step)).into_owned()).collect();
        let widest = |widths: &mut dyn Iterator<Item = usize>| {
            widths.filter(|width| *width <= WIDEST).max().unwrap_or_default()
        };
        // Steps of one line each have columns.
        let beside = || {
            let one_line =
                steps.iter().zip(&labels).filter(|(step, label)| !self.is_long(step, label, level));
            one_line.filter(|(step, _)| step.seen.is_some() || step.wanted.is_some())
        };
        let label_width = widest(&mut beside().map(|(_, label)| label.chars().count()));
        let followed = beside().filter(|(step, _)| step.wanted.is_some() || step.note.is_some());
        let seen_width =
            widest(&mut followed.filter_map(|(step, _)| Some(step.seen.as_ref()?.chars().count())));
        for (step, label) in steps.iter().zip(&labels) {
            let indent = "  ".repeat(level);
            let _ = match step.finding {
                Finding::Holds => write!(text, "{indent}{} ", self.paint.good("✓")),
                Finding::Fails => write!(text, "{indent}{} ", self.paint.bad("✗")),
                Finding::Neutral => write!(text, "{indent}{} ", self.paint.quiet("–")),
            };
            self.line(step, label, level, [label_width, seen_width], text);
            match step.part {
                Part::Exclude if step.finding == Finding::Holds => {
                    let filters: Vec<_> = step.steps.iter().map(unmet_filter).collect();
                    self.steps(&filters, step.more, level + 1, text);
                }
                _ => self.steps(&step.steps, step.more, level + 1, text),
            }
        }
        if more > 0 {
            let line = format!("… {more} more");
            let _ = writeln!(text, "{}{}", "  ".repeat(level), self.paint.quiet(line));
        }
    }

    /// Whether all that is told of a step is too long for one line.
    fn is_long(&self, step: &Step, label: &str, level: usize) -> bool {
        let (Some(seen), Some(wanted)) = (&step.seen, &step.wanted) else { return false };
        let columns = label.chars().count() + seen.chars().count() + wanted.chars().count();
        2 * level + columns + "✓   wanted:   ".chars().count() > self.width
    }

    /// What stands behind the mark: what the step is about, the value seen, what was wanted, and why. Beside each other
    /// in columns of `widths`; below each other where the line would be too long.
    fn line(&self, step: &Step, label: &str, level: usize, widths: [usize; 2], text: &mut String) {
        let seen = step.seen.as_deref().map(printable::line);
        let wanted = step.wanted.as_deref().map(|wanted| format!("wanted: {}", printable::line(wanted)));
        text.push_str(label);
        if self.is_long(step, label, level) {
            let indent = "  ".repeat(level + 1);
            let _ = write!(text, "\n{indent}seen:   {}", seen.unwrap_or_default());
            let _ = write!(text, "\n{indent}{}", self.paint.quiet(wanted.unwrap_or_default()));
            if let Some(note) = &step.note {
                let _ = write!(text, "\n{indent}{}", self.paint.quiet(printable::message(note, &indent)));
            }
            text.push('\n');
            return;
        }
        // How many blanks bring the next column to its place.
        let [label_width, seen_width] = widths;
        let mut gap = label_width.saturating_sub(label.chars().count());
        if let Some(seen) = &seen {
            let _ = write!(text, "{}  {seen}", " ".repeat(gap));
            gap = seen_width.saturating_sub(seen.chars().count());
        }
        if let Some(wanted) = wanted {
            let _ = write!(text, "{}  {}", " ".repeat(gap), self.paint.quiet(wanted));
            gap = 0;
        }
        if let Some(note) = &step.note {
            let note = printable::message(note, "      ");
            // What has no columns has its reason right behind.
            let gap = if seen.is_some() { gap } else { 0 };
            let _ = write!(text, "{}  {}", " ".repeat(gap), self.paint.quiet(note));
        }
        text.push('\n');
    }
}

/// A filter of an exclude block that excludes nothing: there is one clause that does not hold, and no more is to be said.
fn unmet_filter(step: &Step) -> Step {
    let mut unmet = step.steps.iter().filter(|clause| clause.finding == Finding::Fails);
    match (step.part, unmet.next(), unmet.next()) {
        (Part::Filter, Some(clause), None) => {
            Step { about: format!("{}: {}", step.about, clause.about), ..clause.clone() }
        }
        _ => step.clone(),
    }
}

/// What a step is called.
fn label(step: &Step) -> String {
    match step.part {
        Part::Filter
        | Part::Clause
        | Part::Condition
        | Part::Path
        | Part::Anchor
        | Part::Check
        | Part::Operation => step.about.clone(),
        Part::Pattern if !step.about.is_empty() => step.about.clone(),
        Part::Question => format!("asked for {}", step.about),
        Part::OldObject => "the object as it was".to_owned(),
        Part::PodSecurity => format!("pod security {}", step.about),
        part if step.about.is_empty() => part.as_str().to_owned(),
        part => format!("{} {}", part.as_str(), step.about),
    }
}

impl Form for Trees {
    fn explanations(
        &mut self,
        about: &About,
        explanations: &[PolicyExplanation],
        stdout: &mut Stream<'_>,
    ) -> io::Result<()> {
        for explanation in explanations {
            let text = self.policy(about, explanation);
            stdout.write_all(text.as_bytes())?;
        }
        Ok(())
    }

    fn end(&mut self, _: &mut Stream<'_>) -> io::Result<()> {
        Ok(())
    }
}
