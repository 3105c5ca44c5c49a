//! How a rule ended, in a sentence.

use portcullis_model::explain::{Ended, Explanation, Recorder};
use portcullis_model::{Obstacle, RuleKind, RuleOutcome, SideEffect, Status};

use crate::rule::Rule;

/// How `rule` ended: with `outcomes`, or with none of them for `reason`. `origin` is the rule that it was generated from.
pub(crate) fn of(
    rule: &Rule,
    origin: Option<&str>,
    outcomes: &[RuleOutcome<'_>],
    reason: Option<&str>,
) -> Explanation {
    let (ended, ending) = match (outcomes, reason) {
        ([], Some(reason)) => (Ended::NotApplied, format!("did not fire: {reason}")),
        ([], None) => (Ended::NotApplied, "has nothing to say of this object".to_owned()),
        ([outcome], _) => (ended(outcome.status), ending(outcome)),
        (outcomes, _) => of_targets(outcomes),
    };
    Explanation {
        rule: rule.name.to_string(),
        autogen_of: origin.map(str::to_owned),
        kind: rule.action.kind(),
        ended,
        summary: format!("rule `{}` {ending}", rule.name),
        message: match outcomes {
            [outcome] => outcome.message.clone().into_owned(),
            _ => String::new(),
        },
        steps: Vec::new(),
        more: 0,
    }
}

/// The explanation of a policy of which no rule is looked at.
pub(crate) fn of_policy(reason: &str) -> Explanation {
    Explanation {
        rule: String::new(),
        autogen_of: None,
        kind: None,
        ended: Ended::NotApplied,
        summary: format!("the policy did not fire: {reason}"),
        message: String::new(),
        steps: Vec::new(),
        more: 0,
    }
}

/// Why a rule is not looked at, of which one before it is the reason.
pub(crate) enum PassedOver<'r> {
    /// One rule is enough, and this one has decided.
    Decided(&'r str),
    /// This one failed to change the object.
    NothingLeft(&'r str),
}

/// Explains that `rule` is not looked at.
pub(crate) fn passed_over(rule: &Rule, why: &PassedOver<'_>, recorder: Option<&Recorder>) {
    let Some(recorder) = recorder else { return };
    let reason = match why {
        PassedOver::Decided(by) => format!("`applyRules` is `One`, and rule `{by}` has decided"),
        PassedOver::NothingLeft(by) => format!("rule `{by}` has failed, and left no object to go on with"),
    };
    recorder.end_rule(of(rule, None, &[], Some(&reason)));
}

fn ended(status: Status) -> Ended {
    match status {
        Status::Pass => Ended::Pass,
        Status::Fail => Ended::Fail,
        Status::Skip => Ended::Skip,
        Status::Error => Ended::Error,
    }
}

/// What is said of a rule that ended so, behind its name.
fn ending(outcome: &RuleOutcome<'_>) -> String {
    let first_line = |text: &str| text.lines().next().unwrap_or_default().to_owned();
    let message = first_line(&outcome.message);
    let explanation = outcome.explanation.as_deref().map(first_line);
    match outcome.status {
        Status::Skip => match explanation {
            Some(reason) if reason.starts_with("precondition ") => format!("did not fire: {reason}"),
            Some(reason) => format!("was skipped: {message}: {reason}"),
            None => format!("was skipped: {message}"),
        },
        Status::Fail => format!("fails: {}", explanation.unwrap_or(message)),
        Status::Error if outcome.obstacle == Some(Obstacle::NotExecuted) => {
            format!("was not carried through: {message}")
        }
        Status::Error => format!("could not be judged: {message}"),
        Status::Pass => match (outcome.side_effect.as_deref(), outcome.kind) {
            (Some(SideEffect::Generated { failure: Some(failure), .. }), _) => {
                format!("fired, and could not generate all: {failure}")
            }
            (Some(SideEffect::Generated { objects, .. }), _) => match objects.len() {
                0 => "fired, and has nothing to generate".to_owned(),
                1 => "fired: it generates 1 object".to_owned(),
                number => format!("fired: it generates {number} objects"),
            },
            (_, RuleKind::Mutate) => format!("fired: {message}"),
            _ => "passes".to_owned(),
        },
    }
}

/// How a rule about several existing resources ended.
fn of_targets(outcomes: &[RuleOutcome<'_>]) -> (Ended, String) {
    let count = |status| outcomes.iter().filter(|outcome| outcome.status == status).count();
    let (changed, errors, all) = (count(Status::Pass), count(Status::Error), outcomes.len());
    let ended = match (errors, changed) {
        (0, 0) => Ended::Skip,
        (0, _) => Ended::Pass,
        _ => Ended::Error,
    };
    let failed = if errors == 0 { String::new() } else { format!(", and could not change {errors}") };
    (ended, format!("fired: it changes {changed} of {all} existing resources{failed}"))
}
