//! What an evaluation reports its steps to.

use std::borrow::Cow;
use std::cell::RefCell;

use portcullis_value::Value;

use super::step::{Explanation, Finding, Step};
use super::{shortened, shown};
use crate::Mask;

/// Of the steps beside each other that hold, so many are kept; those that fail are kept beyond.
const MOST_BESIDE: usize = 50;

/// How much is kept of one evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordLimits {
    pub steps: usize,
    /// Of all texts and steps together.
    pub bytes: usize,
}

impl Default for RecordLimits {
    /// What a person at a terminal can be shown.
    fn default() -> Self {
        Self { steps: 5_000, bytes: 2 << 20 }
    }
}

/// Takes down the steps of the evaluation of one policy, rule by rule.
///
/// It is shared by all parts of an evaluation, which is on one thread.
#[derive(Debug)]
pub struct Recorder {
    limits: RecordLimits,
    record: RefCell<Record>,
}

#[derive(Debug, Default)]
struct Record {
    /// What is never shown.
    mask: Mask,
    rules: Vec<Explanation>,
    /// The steps under way, outermost first, and what they consist of so far.
    open: Vec<Inner>,
    /// What the rule in hand consists of.
    rule: Inner,
    steps: usize,
    bytes: usize,
}

#[derive(Debug, Default)]
struct Inner {
    steps: Vec<Step>,
    more: usize,
}

/// Runs `run`, which is one step of the evaluation: what it reports belongs into that of `step`, if there is a recorder.
pub fn within<T>(
    recorder: Option<&Recorder>,
    run: impl FnOnce() -> T,
    step: impl FnOnce(&T, &Recorder) -> Step,
) -> T {
    let Some(recorder) = recorder else { return run() };
    recorder.record.borrow_mut().open.push(Inner::default());
    let result = run();
    let step = step(&result, recorder);
    let inner = recorder.record.borrow_mut().open.pop().unwrap_or_default();
    recorder.add(Step { steps: inner.steps, more: inner.more, ..step });
    result
}

impl Recorder {
    pub fn new(limits: RecordLimits) -> Self {
        Self { limits, record: RefCell::default() }
    }

    /// Forgets everything: the evaluation starts again.
    pub fn clear(&self) {
        *self.record.borrow_mut() = Record::default();
    }

    /// Takes down that a step was made. Its texts are masked.
    pub fn add(&self, mut step: Step) {
        let mut record = self.record.borrow_mut();
        step.texts().for_each(|text| record.mask(text));
        let Record { open, rule, steps, bytes, .. } = &mut *record;
        let inner = open.last_mut().unwrap_or(rule);
        let is_failure = step.finding == Finding::Fails;
        // Half of what there is room for is left to steps that fail, which are what is looked for.
        let share = if is_failure { 1 } else { 2 };
        let size = step.size();
        let is_kept = *steps < self.limits.steps / share
            && *bytes + size <= self.limits.bytes / share
            && (is_failure || !step.steps.is_empty() || inner.steps.len() < MOST_BESIDE);
        if is_kept {
            *steps += 1;
            *bytes += size;
            inner.steps.push(step);
        } else {
            inner.more += 1;
        }
    }

    /// Ends the rule in hand: what was reported since the one before belongs to it.
    pub fn end_rule(&self, mut explanation: Explanation) {
        let mut record = self.record.borrow_mut();
        record.mask(&mut explanation.summary);
        record.mask(&mut explanation.message);
        record.open.clear();
        let Inner { steps, more } = std::mem::take(&mut record.rule);
        record.rules.push(Explanation { steps, more, ..explanation });
    }

    /// From now on the values of Secrets in `document` are not shown.
    pub fn hide(&self, document: Value<'_>) {
        self.record.borrow_mut().mask.hide(document);
    }

    /// From now on no text in `value` is shown.
    pub fn hide_all(&self, value: Value<'_>) {
        self.record.borrow_mut().mask.hide_all(value);
    }

    /// From now on no text in `value` is shown, where Secrets play a part: it was made from something.
    pub fn hide_derived(&self, value: Value<'_>) {
        let mask = &mut self.record.borrow_mut().mask;
        if !mask.is_empty() {
            mask.hide_all(value);
        }
    }

    /// How `value` is shown: as JSON, shortened and masked.
    pub fn show(&self, value: Value<'_>) -> String {
        let record = self.record.borrow();
        match () {
            // It would not be kept.
            () if record.steps >= self.limits.steps => String::new(),
            () if record.mask.is_empty() => shown(value),
            () => shortened(&record.mask.json(value)),
        }
    }

    /// How the value is shown that the expressions in `written` brought. What a function made of a Secret is no value of
    /// it any more, and is not shown either.
    pub fn show_made_by(&self, written: &str, value: Value<'_>) -> String {
        let is_made = written.contains('(') && !self.record.borrow().mask.is_empty();
        if is_made { Mask::TEXT.to_owned() } else { self.show(value) }
    }

    /// The rules that were taken down.
    pub fn into_explanations(self) -> Vec<Explanation> {
        self.record.into_inner().rules
    }
}

impl Record {
    fn mask(&self, text: &mut String) {
        if let Cow::Owned(masked) = self.mask.apply(text) {
            *text = masked;
        }
    }
}
