//! Rows: what was expected, beside what came.

use std::collections::BTreeMap;

use portcullis_engine::Response;
use portcullis_kyverno::Policy;
use portcullis_model::{CompiledPolicy as _, Resource, RuleKind, RuleOutcome, Status};
use portcullis_value::{Arena, OwnedValue};

use super::compare;
use super::evaluated::{Evaluated, Loaded};
use super::file::{Expectation, ResourceSpec};
use crate::offline::inputs::Inputs;
use crate::offline::policies::Policies;
use crate::offline::resources;
use crate::offline::verdict::is_scored;
use crate::surroundings::Surroundings;

/// The order in which a policy answers, a time for each kind of rules that it has, whether they apply or not. Those
/// that generate answer only where they apply.
const ORDER: [RuleKind; 4] =
    [RuleKind::Mutate, RuleKind::VerifyImages, RuleKind::Validate, RuleKind::Generate];

/// A row as it is printed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) policy: String,
    pub(crate) rule: String,
    /// `apiVersion/Kind/namespace/name`.
    pub(crate) resource: String,
    pub(crate) result: RowResult,
    pub(crate) reason: String,
    /// What the rule said; empty where none did.
    pub(crate) message: String,
}

/// How a row ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RowResult {
    Pass,
    Fail,
    Skip,
}

impl RowResult {
    pub(crate) fn title(self) -> &'static str {
        match self {
            RowResult::Pass => "Pass",
            RowResult::Fail => "Fail",
            RowResult::Skip => "Skip",
        }
    }
}

/// Compares what was expected with what came.
pub(crate) struct Rows<'r, 'a> {
    pub(crate) loaded: &'r Loaded,
    pub(crate) evaluated: &'r [Evaluated<'a>],
    /// Whether rows fail that can never fail otherwise.
    pub(crate) strict: bool,
    /// Objects of the files of expected ones, by path.
    pub(crate) files: BTreeMap<String, Vec<OwnedValue>>,
}

/// Why an object is not the expected one.
enum Mismatch {
    /// The file does not hold it.
    NotThere,
    Different,
}

impl<'r, 'a> Rows<'r, 'a> {
    /// The rows that `expectation` comes to. `chosen` takes the place of the resources it names.
    pub(crate) fn of(
        &mut self,
        expectation: &Expectation,
        chosen: Option<&str>,
        surroundings: &mut Surroundings<'_>,
    ) -> Vec<Row> {
        let mut rows = Vec::new();
        let (picked, unknown) = self.pick(expectation, chosen);
        if self.strict {
            rows.extend(unknown.into_iter().map(|name| Row {
                policy: expectation.policy.clone(),
                rule: expectation.rule.clone(),
                resource: name.to_owned(),
                result: RowResult::Fail,
                reason: "No such resource".to_owned(),
                message: String::new(),
            }));
        }
        for evaluated in picked {
            self.of_resource(expectation, evaluated, &mut rows, surroundings);
        }
        rows
    }

    /// The resources that a row is about, and the names in it that name none.
    ///
    /// COMPAT(kyverno): where no name names a resource, the row is about all of them.
    fn pick<'e>(
        &self,
        expectation: &'e Expectation,
        chosen: Option<&'e str>,
    ) -> (Vec<&'r Evaluated<'a>>, Vec<&'e str>) {
        let evaluated: &'r [Evaluated<'a>] = self.evaluated;
        let of_run = evaluated.iter().filter(|one| one.operation == expectation.operation);
        let names: Vec<&str> = match chosen {
            Some(name) => vec![name],
            None => expectation.resources.iter().map(String::as_str).collect(),
        };
        let (mut picked, mut unknown) = (Vec::new(), Vec::new());
        for name in &names {
            let before = picked.len();
            picked.extend(of_run.clone().filter(|one| is_named(one.resource, name)));
            if picked.len() == before {
                unknown.push(*name);
            }
        }
        if !names.is_empty() {
            for spec in &expectation.specs {
                picked.extend(of_run.clone().filter(|one| is_specified(one.resource, spec)));
            }
        }
        if picked.is_empty() {
            picked.extend(of_run);
        }
        (picked, unknown)
    }

    fn of_resource(
        &mut self,
        expectation: &Expectation,
        evaluated: &Evaluated<'a>,
        rows: &mut Vec<Row>,
        surroundings: &mut Surroundings<'_>,
    ) {
        let before = rows.len();
        let (mut has_answered, mut has_vanished) = (false, false);
        for response in &evaluated.responses {
            let Some(policy) = self.loaded.policies.policies.get(response.policy) else { continue };
            if policy.name() != expectation.policy_name() {
                continue;
            }
            for kind in ORDER.into_iter().filter(|kind| response.phase.includes(*kind)) {
                let of_kind =
                    || response.evaluation.outcomes.iter().filter(move |outcome| outcome.kind == kind);
                let is_answer = if kind == RuleKind::Generate {
                    of_kind().next().is_some()
                } else {
                    policy.has_rule(kind)
                };
                has_answered |= is_answer;
                for outcome in of_kind().filter(|outcome| is_of(outcome.rule, &expectation.rule)) {
                    match self.judge(expectation, policy, response, outcome, surroundings) {
                        Some((result, reason)) => {
                            let message = outcome.message.to_string();
                            rows.push(row(
                                expectation,
                                outcome.rule,
                                evaluated.resource,
                                result,
                                reason,
                                message,
                            ));
                        }
                        None => has_vanished = true,
                    }
                }
                // COMPAT(kyverno): an answer that is not about the rule leaves such a row even where a later one is.
                if is_answer && !self.strict && !has_vanished && rows.len() == before {
                    let rule = &expectation.rule;
                    let (result, reason) = self.excluded(expectation);
                    rows.push(row(
                        expectation,
                        rule,
                        evaluated.resource,
                        result,
                        reason.to_owned(),
                        String::new(),
                    ));
                }
            }
        }
        if rows.len() > before || has_vanished {
            return;
        }
        let (result, reason) = match () {
            () if has_answered => self.excluded(expectation),
            () if is_refused(&self.loaded.policies, expectation.policy_name()) => {
                (if self.strict { RowResult::Fail } else { RowResult::Skip }, "Invalid Policy")
            }
            () => (RowResult::Fail, "Not found"),
        };
        let rule = &expectation.rule;
        rows.push(row(expectation, rule, evaluated.resource, result, reason.to_owned(), String::new()));
    }

    /// A row about a resource that the rule has nothing to say of.
    ///
    /// COMPAT(kyverno): it passes, whatever was expected, also where the policy has no such rule. Where it is strict, it
    /// passes as what it is: a rule that skips the resource.
    fn excluded(&self, expectation: &Expectation) -> (RowResult, &'static str) {
        let mut rules =
            self.loaded.policies.policies.iter().filter(|policy| policy.name() == expectation.policy_name());
        let is_there =
            rules.any(|policy| policy.rule_kinds().any(|(rule, _)| is_of(rule, &expectation.rule)));
        match (self.strict, is_there) {
            (false, _) => (RowResult::Pass, "Excluded"),
            (true, true) if expectation.result == "skip" => (RowResult::Pass, "Excluded"),
            (true, true) => (RowResult::Fail, "Excluded"),
            (true, false) => (RowResult::Fail, "No such rule"),
        }
    }

    /// How a row about `outcome` ends; `None` where it vanishes.
    ///
    /// COMPAT(kyverno): a row vanishes where the file with the expected objects does not hold this one, unless the row
    /// says `failOnMissingResources`.
    fn judge(
        &mut self,
        expectation: &Expectation,
        policy: &Policy,
        response: &Response<'a>,
        outcome: &RuleOutcome<'a>,
        surroundings: &mut Surroundings<'_>,
    ) -> Option<(RowResult, String)> {
        if let Some(path) = &expectation.patched {
            match self.compare(path, response, surroundings) {
                Err(Mismatch::NotThere) if self.strict || expectation.fail_on_missing => {
                    return Some((RowResult::Fail, "Resource error".to_owned()));
                }
                Err(Mismatch::NotThere) => return None,
                Err(Mismatch::Different) => return Some((RowResult::Fail, "Resource diff".to_owned())),
                Ok(()) => {}
            }
        }
        let status = match outcome.status {
            Status::Fail if !is_scored(policy) => "warn",
            status => status.as_str(),
        };
        Some(match expectation.result == status {
            true => (RowResult::Pass, "Ok".to_owned()),
            false => (RowResult::Fail, format!("Want {}, got {status}", expectation.result)),
        })
    }

    /// Compares the object as the policy left it with the one that the file at `path` holds of its name.
    fn compare(
        &mut self,
        path: &str,
        response: &Response<'a>,
        surroundings: &mut Surroundings<'_>,
    ) -> Result<(), Mismatch> {
        let scopes = &self.loaded.scopes;
        let expected = self.files.entry(path.to_owned()).or_insert_with(|| {
            let mut inputs = Inputs::find(&[path.to_owned()], false, surroundings);
            resources::read_all(&mut inputs.inputs, scopes, &mut surroundings.stderr).0
        });
        let actual = Resource(response.object.unwrap_or_default());
        let scratch = Arena::new();
        let mut expected = expected.iter().map(|expected| Resource(expected.borrow(&scratch)));
        let expected =
            expected.find(|expected| identity(*expected) == identity(actual)).ok_or(Mismatch::NotThere)?;
        match compare::is_expected(&scratch, actual.0, expected.0) {
            true => Ok(()),
            false => Err(Mismatch::Different),
        }
    }
}

fn row(
    expectation: &Expectation,
    rule: &str,
    resource: Resource<'_>,
    result: RowResult,
    reason: String,
    message: String,
) -> Row {
    let (kind, namespace, name) = (resource.kind(), resource.namespace(), resource.name());
    Row {
        policy: expectation.policy.clone(),
        rule: rule.to_owned(),
        resource: format!("{}/{kind}/{namespace}/{name}", resource.gvk().api_version()),
        result,
        reason,
        message,
    }
}

/// Whether `rule` is the one that a row names, or was generated from it.
fn is_of(rule: &str, named: &str) -> bool {
    let original = rule.strip_prefix("autogen-");
    let original = original.map(|rule| rule.strip_prefix("cronjob-").unwrap_or(rule));
    named.is_empty()
        || rule == named
        || original == Some(named)
        || rule.strip_prefix("autogen-") == Some(named)
}

fn is_refused(policies: &Policies, name: &str) -> bool {
    policies.left_out.iter().any(|policy| policy.name == name)
}

fn is_named(resource: Resource<'_>, name: &str) -> bool {
    match name.split_once('/') {
        None => resource.name() == name,
        // A name holds no slash: one with two of them names nothing.
        Some((namespace, name)) => resource.namespace() == namespace && resource.name() == name,
    }
}

fn is_specified(resource: Resource<'_>, spec: &ResourceSpec) -> bool {
    resource.gvk().api_version().to_string() == spec.api_version
        && resource.namespace() == spec.namespace
        && resource.name() == spec.name
}

fn identity<'a>(resource: Resource<'a>) -> (&'a str, &'a str, &'a str, &'a str, &'a str) {
    let gvk = resource.gvk();
    (gvk.group, gvk.version, gvk.kind, resource.namespace(), resource.name())
}
