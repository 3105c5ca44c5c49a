//! How an action ended, before it is put in the outcome of its rule.

use std::borrow::Cow;

use portcullis_model::explain::Finding;
use portcullis_model::{Enforcement, Obstacle, RuleKind, RuleOutcome, SideEffect, Status};
use portcullis_value::{Exhausted, Value};

use crate::variable::VariableError;

/// How an action ended. It is handed up through many calls, and so is small.
#[derive(Debug)]
pub(crate) struct Ending<'a> {
    pub(crate) status: Status,
    pub(crate) message: Cow<'a, str>,
    /// What few endings have.
    details: Option<Box<Details<'a>>>,
}

/// What a report says beside the message, by name.
type Properties<'a> = Box<[(Cow<'a, str>, String)]>;

#[derive(Debug, Default)]
struct Details<'a> {
    obstacle: Option<Obstacle>,
    explanation: Option<String>,
    properties: Properties<'a>,
    patched: Option<Value<'a>>,
    side_effect: Option<Box<SideEffect<'a>>>,
    is_of_change: bool,
}

impl<'a> Ending<'a> {
    pub(crate) fn new(status: Status, message: impl Into<Cow<'a, str>>) -> Self {
        Self { status, message: message.into(), details: None }
    }

    /// The ending of an evaluation that could not be carried through; `frame` is put before the reason.
    ///
    /// # Errors
    /// The evaluation has only to wait for an answer.
    pub(crate) fn failed(frame: &str, error: VariableError) -> Result<Self, VariableError> {
        match error {
            VariableError::Need => Err(VariableError::Need),
            VariableError::Unresolved { text, .. } => Ok(Self::new(Status::Error, format!("{frame}{text}"))),
            VariableError::Exhausted(exhausted) => Ok(Self::exhausted(frame, exhausted)),
        }
    }

    /// The ending of an evaluation that ran into a limit.
    pub(crate) fn exhausted(frame: &str, exhausted: Exhausted) -> Self {
        Self::new(Status::Error, format!("{frame}{exhausted}")).with_obstacle(Obstacle::Exhausted(exhausted))
    }

    /// What the step that ended so came to.
    pub(crate) fn finding(&self) -> Finding {
        match self.status {
            Status::Pass => Finding::Holds,
            Status::Skip => Finding::Neutral,
            Status::Fail | Status::Error => Finding::Fails,
        }
    }

    /// With `frame` before its message.
    pub(crate) fn framed(self, frame: &str) -> Self {
        let message = format!("{frame}{}", self.message).into();
        Self { message, ..self }
    }

    /// The same, of a rule that was about to change the object.
    pub(crate) fn of_change(mut self) -> Self {
        if self.status == Status::Error {
            self.details().is_of_change = true;
        }
        self
    }

    /// Whether the object could not be changed as a rule wants it.
    pub(crate) fn is_failed_change(&self) -> bool {
        self.details.as_ref().is_some_and(|details| details.is_of_change)
    }

    pub(crate) fn with_obstacle(mut self, obstacle: Obstacle) -> Self {
        self.details().obstacle = Some(obstacle);
        self
    }

    /// With why it ended so; `None` where nobody asks.
    pub(crate) fn with_explanation(mut self, explanation: Option<String>) -> Self {
        if explanation.is_some() || self.details.is_some() {
            self.details().explanation = explanation;
        }
        self
    }

    /// With what a report says beside the message.
    pub(crate) fn with_properties(mut self, properties: Vec<(&'a str, String)>) -> Self {
        self.details().properties =
            properties.into_iter().map(|(name, text)| (Cow::Borrowed(name), text)).collect();
        self
    }

    /// With what the rule wants reports to say, before what they say already.
    pub(crate) fn with_reported(mut self, wanted: &[(&'a str, &str)]) -> Self {
        let wanted = wanted.iter().map(|(name, text)| (Cow::Borrowed(*name), (*text).to_owned()));
        let own = std::mem::take(&mut self.details().properties);
        self.details().properties = wanted.chain(own).collect();
        self
    }

    /// With the object as the action left it.
    pub(crate) fn with_patched(mut self, object: Value<'a>) -> Self {
        self.details().patched = Some(object);
        self
    }

    pub(crate) fn with_side_effect(mut self, side_effect: SideEffect<'a>) -> Self {
        self.details().side_effect = Some(Box::new(side_effect));
        self
    }

    pub(crate) fn obstacle(&self) -> Option<Obstacle> {
        self.details.as_ref()?.obstacle
    }

    pub(crate) fn explanation(&self) -> Option<&str> {
        self.details.as_ref()?.explanation.as_deref()
    }

    pub(crate) fn patched(&self) -> Option<Value<'a>> {
        self.details.as_ref()?.patched
    }

    /// The object as the action left it, which it is then no longer said to have changed.
    pub(crate) fn take_patched(&mut self) -> Option<Value<'a>> {
        self.details.as_mut()?.patched.take()
    }

    fn details(&mut self) -> &mut Details<'a> {
        self.details.get_or_insert_default()
    }

    /// The outcome of the rule `rule` that ended so.
    pub(crate) fn outcome(self, rule: &'a str, kind: RuleKind, enforcement: Enforcement) -> RuleOutcome<'a> {
        let Self { status, message, details } = self;
        let Details { obstacle, explanation, properties, patched, side_effect, is_of_change: _ } =
            details.map(|details| *details).unwrap_or_default();
        RuleOutcome {
            rule,
            kind,
            status,
            enforcement,
            message,
            obstacle,
            explanation,
            properties,
            patched,
            side_effect,
        }
    }
}
