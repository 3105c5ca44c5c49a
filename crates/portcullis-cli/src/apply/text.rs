//! Results as lines for people, those of the reference where it has one.
//!
//! What the reference leaves unsaid stands in indented lines below: why a rule was skipped, why nothing applied, what
//! could not be judged.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{self, Write as _};

use portcullis_engine::Response;
use portcullis_kyverno::{FailureAction, Policy};
use portcullis_model::{CompiledPolicy as _, Phase, Resource, RuleKind, RuleOutcome, SideEffect, Status};

use super::form::{Form, Run};
use super::judged::Judged;
use super::mutations::Mutations;
use crate::paint::Paint;
use crate::printable;
use crate::surroundings::{Stream, Surroundings};

/// Between the policies left out and the results.
const RULE: &str = "----------------------------------------------------------------------";

/// Under a line of the reference.
const INDENT: &str = "  ";

/// Of several reasons why nothing applied this many are given.
const MAX_REASONS: usize = 3;

/// The text form.
#[derive(Debug)]
pub(crate) struct Text {
    mutations: Mutations,
    paint: Paint,
    /// The lines that follow when all resources are judged.
    results: String,
}

impl Text {
    pub(crate) fn new(mutations: Mutations, surroundings: &Surroundings<'_>) -> Self {
        let stream = if mutations.bare { &surroundings.stderr } else { &surroundings.stdout };
        Self { mutations, paint: Paint::on(stream), results: String::new() }
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.results, "{line}");
    }

    fn response(&mut self, judged: &Judged<'_, '_>, response: &Response<'_>, policy: &Policy) {
        let (name, key) = (policy.name().to_owned(), judged.resource.key().to_string());
        let (name, key) = (printable::line(&name), printable::line(&key));
        let outcomes = &response.evaluation.outcomes;
        for outcome in outcomes.iter().filter(|outcome| has_line(outcome)) {
            match outcome.status {
                Status::Skip => {
                    let line = format!("skipped mutate policy {name} -> resource {key}");
                    self.line(format_args!("\n{}", self.paint.doubtful(line)));
                    self.why(outcome);
                }
                Status::Error => {
                    let line = format!("error while applying mutate policy {name} -> resource {key} ");
                    let message = printable::message(&outcome.message, "    ");
                    self.line(format_args!("\n{}\nerror:  {message}", self.paint.bad(line)));
                }
                Status::Pass | Status::Fail => {}
            }
        }
        self.failures(judged, outcomes, policy, &name, &key);
        let has_failures = outcomes.iter().any(|outcome| outcome.status == Status::Fail);
        let is_told = |outcome: &RuleOutcome<'_>| {
            matches!(outcome.status, Status::Error | Status::Skip) || !has_generated(outcome)
        };
        if !has_failures && outcomes.iter().any(|outcome| !has_line(outcome) && is_told(outcome)) {
            self.line(format_args!(""));
        }
        for outcome in outcomes.iter().filter(|outcome| !has_line(outcome)) {
            let rule = printable::line(outcome.rule);
            match outcome.status {
                Status::Error => {
                    let line = format!("rule {rule} of policy {name} could not judge {key}:");
                    let message = printable::message(&outcome.message, "    ");
                    self.line(format_args!("{INDENT}{} {message}", self.paint.bad(line)));
                }
                Status::Skip => {
                    let line = format!("rule {rule} of policy {name} skipped {key}:");
                    let reason = reason(outcome);
                    self.line(format_args!("{INDENT}{} {reason}", self.paint.doubtful(line)));
                }
                Status::Pass | Status::Fail => {}
            }
            match outcome.side_effect.as_deref() {
                Some(SideEffect::Generated { failure: Some(failure), .. }) => {
                    let line = format!("rule {rule} of policy {name} could not generate for {key}:");
                    let message = printable::message(failure, "    ");
                    self.line(format_args!("{INDENT}{} {message}", self.paint.bad(line)));
                }
                Some(SideEffect::Generated { objects, failure: None }) if objects.is_empty() => {
                    let line = format!("rule {rule} of policy {name} has nothing to generate for {key}");
                    self.line(format_args!("{INDENT}{}", self.paint.quiet(line)));
                }
                _ => {}
            }
        }
    }

    /// The failed rules of a response, numbered.
    fn failures(
        &mut self,
        judged: &Judged<'_, '_>,
        outcomes: &[RuleOutcome<'_>],
        policy: &Policy,
        name: &str,
        key: &str,
    ) {
        let failed: Vec<_> = outcomes.iter().filter(|outcome| outcome.status == Status::Fail).collect();
        let Some(first) = failed.first() else { return };
        let namespace = judged.resource.namespace();
        let action = policy.failure_action(first.rule, namespace, judged.namespace_labels);
        let line = if judged.audit_warn && action == FailureAction::Audit {
            format!("policy {name} -> resource {key} failed as audit warning:")
        } else {
            format!("policy {name} -> resource {key} failed:")
        };
        self.line(format_args!("\n{}", self.paint.bad(line)));
        for (index, outcome) in failed.into_iter().enumerate() {
            let message = match &*outcome.message {
                "" => "validation failed".into(),
                message => printable::message(message, "    "),
            };
            self.line(format_args!("{} - {} {message}", index + 1, printable::line(outcome.rule)));
            if let Some(explanation) = &outcome.explanation {
                let explanation = printable::message(explanation, "    ");
                self.line(format_args!("{INDENT}{}", self.paint.quiet(explanation)));
            }
        }
    }

    /// Why a rule ended as the line above says.
    fn why(&mut self, outcome: &RuleOutcome<'_>) {
        let target = match outcome.side_effect.as_deref() {
            Some(SideEffect::Target { object: Some(target), .. }) => {
                format!(" on {}", printable::line(&Resource(*target).key().to_string()))
            }
            _ => String::new(),
        };
        let line = format!("rule {}{target}: {}", printable::line(outcome.rule), reason(outcome));
        self.line(format_args!("{INDENT}{}", self.paint.quiet(line)));
    }

    /// Why rules did not apply at all.
    fn not_applied(&mut self, judged: &Judged<'_, '_>) {
        let key = judged.resource.key().to_string();
        let key = printable::line(key.trim_start_matches('/'));
        let is_idle = |response: &&Response<'_>| response.evaluation.outcomes.is_empty();
        if !judged.responses.is_empty() && judged.responses.iter().all(|response| is_idle(&response)) {
            let reasons = self.reasons(judged, judged.responses);
            self.line(format_args!("\n{INDENT}no rule matches {key}{reasons}"));
            return;
        }
        // A policy that mutates is shown as applied above: here stands that it was not.
        for response in
            judged.responses.iter().filter(is_idle).filter(|response| response.phase == Phase::Mutate)
        {
            let Some(policy) = judged.policy(response) else { continue };
            if policy.has_rule(RuleKind::Mutate) {
                let reasons = self.reasons(judged, std::slice::from_ref(response));
                let name = printable::line(policy.name());
                self.line(format_args!("\n{INDENT}no rule of {name} changes {key}{reasons}"));
            }
        }
    }

    /// The first reasons of `responses` in a line; with the names of the policies where there are several.
    fn reasons(&self, judged: &Judged<'_, '_>, responses: &[Response<'_>]) -> String {
        let mut seen = BTreeSet::new();
        let mut first = Vec::new();
        for response in responses {
            let policy = judged.policy(response).map_or("", |policy| policy.name());
            for (rule, reason) in &response.evaluation.not_applied {
                // A policy is asked twice, to mutate and to judge.
                if seen.insert((policy, *rule, reason)) && first.len() < MAX_REASONS {
                    first.push((policy, *rule, reason));
                }
            }
        }
        let is_one_policy = seen.iter().zip(seen.iter().skip(1)).all(|(a, b)| a.0 == b.0);
        let mut text = String::new();
        for (index, (policy, rule, reason)) in first.iter().enumerate() {
            text.push_str(if index == 0 { ": " } else { "; " });
            if !is_one_policy {
                let _ = write!(text, "policy {}: ", printable::line(policy));
            }
            if !rule.is_empty() {
                let _ = write!(text, "rule {}: ", printable::line(rule));
            }
            text.push_str(&printable::line(reason));
        }
        if seen.len() > first.len() {
            let _ = write!(text, "; and {} more", seen.len() - first.len());
        }
        self.paint.quiet(text).to_string()
    }
}

/// Whether the reference has a line for outcomes like this one, when the rule does not pass.
fn has_line(outcome: &RuleOutcome<'_>) -> bool {
    match outcome.kind {
        RuleKind::Mutate => true,
        RuleKind::Generate => outcome.status == Status::Error,
        RuleKind::Validate | RuleKind::VerifyImages => false,
    }
}

/// Whether a rule that generates made all that it should, and something at all. Others have nothing to make.
fn has_generated(outcome: &RuleOutcome<'_>) -> bool {
    match outcome.side_effect.as_deref() {
        Some(SideEffect::Generated { objects, failure }) => failure.is_none() && !objects.is_empty(),
        _ => true,
    }
}

/// Why a rule was skipped, as far as known.
fn reason<'o>(outcome: &'o RuleOutcome<'_>) -> std::borrow::Cow<'o, str> {
    let message = printable::line(&outcome.message);
    let Some(explanation) = outcome.explanation.as_deref().map(printable::line) else { return message };
    // The precondition that does not hold says of itself that it is one; what the author has to say of it stays.
    let own = match explanation.starts_with("precondition ") {
        true => message.strip_prefix("preconditions not met").map(|own| own.trim_start_matches("; ")),
        false => None,
    };
    match own.unwrap_or(&message) {
        "" => explanation,
        message => format!("{message}: {explanation}").into(),
    }
}

impl Form for Text {
    fn begin(&mut self, run: &Run<'_>, stdout: &mut Stream<'_>) -> io::Result<()> {
        if self.mutations.bare { Ok(()) } else { run.write_heading(stdout) }
    }

    fn resource(&mut self, judged: &Judged<'_, '_>, stdout: &mut Stream<'_>) -> io::Result<()> {
        self.mutations.print(judged, stdout)?;
        for response in judged.responses {
            if let Some(policy) = judged.policy(response) {
                self.response(judged, response, policy);
            }
        }
        self.not_applied(judged);
        Ok(())
    }

    fn end(&mut self, run: &Run<'_>, surroundings: &mut Surroundings<'_>) -> io::Result<()> {
        let out = if self.mutations.bare { &mut surroundings.stderr } else { &mut surroundings.stdout };
        if !run.policies.left_out.is_empty() {
            let names_element = |reason: &str| reason.starts_with("variable 'element.name'");
            let is_invalid = run.policies.left_out.iter().any(|left_out| names_element(&left_out.reason));
            let heading = if is_invalid { "Invalid Policies:" } else { "Policies Skipped:" };
            writeln!(out, "{RULE}\n{heading}")?;
            for (index, left_out) in run.policies.left_out.iter().enumerate() {
                let (name, reason) = (printable::line(&left_out.name), printable::line(&left_out.reason));
                writeln!(out, "{}. {name}: {reason}", index + 1)?;
            }
            writeln!(out, "{RULE}")?;
        }
        writeln!(out, "{}\n{}", self.results, run.counts)
    }
}
