//! What happened in an evaluation, step by step.
//!
//! The evaluator itself reports its steps to a [`Recorder`], if there is one: the tree is its own record, not what a
//! second evaluator makes of a policy. Without a recorder a report costs a look at whether there is one.
//!
//! A tree is read by people: values are shortened, values of Secrets are masked, and what goes beyond the limits is
//! counted and not kept.

mod recorder;
mod step;

pub use recorder::{RecordLimits, Recorder, within};
pub use step::{Ended, Explanation, Finding, Part, PolicyExplanation, Step};

use std::fmt::Write as _;

use portcullis_value::Value;

/// How many characters of a value are shown.
pub(crate) const LONGEST: usize = 160;

/// What stands behind a text that was cut.
pub(crate) const CUT: &str = " ...";

/// A text that is read, not processed: what is over 160 characters is cut.
pub fn shortened(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => text.get(..end).unwrap_or_default().to_owned() + CUT,
        None => text.to_owned(),
    }
}

/// `value` as JSON, shortened. Of a large one no more is written than is shown.
pub fn shown(value: Value<'_>) -> String {
    let mut text = Shortened { text: String::new(), left: LONGEST, is_cut: false };
    // It ends early where the text is full.
    let _ = write!(text, "{value}");
    if text.is_cut {
        text.text.push_str(CUT);
    }
    text.text
}

/// A text that takes so many characters and no more.
struct Shortened {
    text: String,
    left: usize,
    is_cut: bool,
}

impl std::fmt::Write for Shortened {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        for character in text.chars() {
            self.left = self.left.checked_sub(1).ok_or_else(|| {
                self.is_cut = true;
                std::fmt::Error
            })?;
            self.text.push(character);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
