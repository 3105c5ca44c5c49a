//! Rows: what was expected, beside what came.

use portcullis_engine::Response;
use portcullis_kyverno::Policy;
use portcullis_model::{CompiledPolicy as _, Resource, RuleKind, RuleOutcome, SideEffect, Status};
use portcullis_value::Value;

use super::evaluated::{Evaluated, Loaded};
use super::expected::{ExpectedObjects, Mismatch, identity};
use super::file::{Expectation, ResourceSpec};
use crate::offline::policies::{Fault, Policies};
use crate::offline::verdict::is_scored;
use crate::surroundings::Surroundings;

/// The order in which a policy answers, a time for each kind of rules that it has, whether they apply or not. Those
/// that generate answer only where they apply.
const ORDER: [RuleKind; 4] =
    [RuleKind::Mutate, RuleKind::VerifyImages, RuleKind::Validate, RuleKind::Generate];

/// The reason of a row about an object that no file of expected ones holds.
const RESOURCE_ERROR: &str = "Resource error";

/// A row as it is printed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) policy: String,
    pub(crate) rule: String,
    /// `apiVersion/Kind/namespace/name`; `/name` of a generated object.
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
    pub(crate) expected: ExpectedObjects,
}

/// What is known of the rows about one resource so far.
#[derive(Default)]
struct Found {
    rows: Vec<Row>,
    has_answered: bool,
    has_vanished: bool,
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
            let reason = "No such resource";
            rows.extend(unknown.into_iter().map(|name| row(expectation, name, RowResult::Fail, reason)));
        }
        for resource in picked {
            rows.extend(self.of_resource(expectation, resource, surroundings));
        }
        rows
    }

    /// What was evaluated for the operation of the row.
    fn run(
        &self,
        expectation: &Expectation,
    ) -> impl Iterator<Item = &'r Evaluated<'a>> + Clone + use<'r, 'a> {
        let (evaluated, operation): (&'r [Evaluated<'a>], _) = (self.evaluated, expectation.operation);
        evaluated.iter().filter(move |one| one.operation == operation)
    }

    /// The resources that a row is about, and the names in it that name none. Existing resources that a rule changed
    /// come before those that triggered rules.
    ///
    /// COMPAT(kyverno): where no name names a resource, the row is about all of them.
    fn pick<'e>(
        &self,
        expectation: &'e Expectation,
        chosen: Option<&'e str>,
    ) -> (Vec<Resource<'a>>, Vec<&'e str>) {
        let mut all: Vec<Resource<'a>> = Vec::new();
        for (_, target) in self.run(expectation).flat_map(|one| &one.responses).flat_map(targets) {
            if !all.iter().any(|known| identity(*known) == identity(target)) {
                all.push(target);
            }
        }
        all.extend(self.run(expectation).map(|one| one.resource));
        let names: Vec<&str> = match chosen {
            Some(name) => vec![name],
            None => expectation.resources.iter().map(String::as_str).collect(),
        };
        let (mut picked, mut unknown) = (Vec::new(), Vec::new());
        for name in &names {
            let before = picked.len();
            picked.extend(all.iter().filter(|resource| is_named(**resource, name)));
            if picked.len() == before {
                unknown.push(*name);
            }
        }
        if !names.is_empty() {
            for spec in &expectation.specs {
                picked.extend(all.iter().filter(|resource| is_specified(**resource, spec)));
            }
        }
        if picked.is_empty() {
            picked = all;
        }
        (picked, unknown)
    }

    fn of_resource(
        &mut self,
        expectation: &Expectation,
        resource: Resource<'a>,
        surroundings: &mut Surroundings<'_>,
    ) -> Vec<Row> {
        let mut found = Found::default();
        let run = self.run(expectation);
        let is_trigger = |one: &&Evaluated<'a>| identity(one.resource) == identity(resource);
        for response in run.clone().filter(is_trigger).flat_map(|one| &one.responses) {
            self.of_trigger(expectation, resource, response, &mut found, surroundings);
        }
        for response in run.flat_map(|one| &one.responses) {
            self.of_target(expectation, resource, response, &mut found, surroundings);
        }
        if found.rows.is_empty() && !found.has_vanished {
            let (result, reason) = match () {
                () if found.has_answered => self.excluded(expectation),
                () if is_refused(&self.loaded.policies, expectation.policy_name()) => {
                    (if self.strict { RowResult::Fail } else { RowResult::Skip }, "Invalid Policy")
                }
                () => (RowResult::Fail, "Not found"),
            };
            found.rows.push(row(expectation, &key(resource), result, reason));
        }
        found.rows
    }

    /// Adds the rows about what a policy said of a resource that triggered its rules.
    fn of_trigger(
        &mut self,
        expectation: &Expectation,
        resource: Resource<'a>,
        response: &Response<'a>,
        found: &mut Found,
        surroundings: &mut Surroundings<'_>,
    ) {
        let loaded = self.loaded;
        let Some(policy) = loaded.policies.policies.get(response.policy) else { return };
        if policy.name() != expectation.policy_name() {
            return;
        }
        for kind in ORDER.into_iter().filter(|kind| response.phase.includes(*kind)) {
            let of_kind = || response.evaluation.outcomes.iter().filter(move |outcome| outcome.kind == kind);
            let is_answer = match kind {
                RuleKind::Generate => of_kind().next().is_some(),
                kind => policy.has_rule(kind),
            };
            found.has_answered |= is_answer;
            for outcome in of_kind().filter(|outcome| is_of(outcome.rule, &expectation.rule)) {
                let generated = generated(outcome);
                for object in generated {
                    let ended = self.judge(expectation, policy, Some(*object), outcome, surroundings);
                    // COMPAT(kyverno): a row about a generated object does not vanish.
                    let ended = ended.unwrap_or((RowResult::Fail, RESOURCE_ERROR.to_owned()));
                    let name = format!("/{}", Resource(*object).name());
                    found.rows.push(row_of(expectation, outcome, &name, ended));
                }
                if generated.is_empty() {
                    let object = (kind != RuleKind::Generate).then(|| response.object.unwrap_or_default());
                    match self.judge(expectation, policy, object, outcome, surroundings) {
                        Some(ended) => found.rows.push(row_of(expectation, outcome, &key(resource), ended)),
                        None => found.has_vanished = true,
                    }
                }
            }
            // COMPAT(kyverno): an answer that is not about the rule leaves such a row even where a later one is.
            if is_answer && !self.strict && !found.has_vanished && found.rows.is_empty() {
                let (result, reason) = self.excluded(expectation);
                found.rows.push(row(expectation, &key(resource), result, reason));
            }
        }
    }

    /// Adds a row about `resource` where a policy changed it as an existing one.
    ///
    /// COMPAT(kyverno): whichever policy and rule changed it first, unless rows are strict.
    fn of_target(
        &mut self,
        expectation: &Expectation,
        resource: Resource<'a>,
        response: &Response<'a>,
        found: &mut Found,
        surroundings: &mut Surroundings<'_>,
    ) {
        let loaded = self.loaded;
        let Some(policy) = loaded.policies.policies.get(response.policy) else { return };
        let is_meant = |outcome: &RuleOutcome<'_>| {
            !self.strict
                || (policy.name() == expectation.policy_name() && is_of(outcome.rule, &expectation.rule))
        };
        let changed = targets(response)
            .find(|(outcome, target)| identity(*target) == identity(resource) && is_meant(outcome));
        let Some((outcome, target)) = changed else { return };
        match self.judge(expectation, policy, Some(target.0), outcome, surroundings) {
            Some(ended) => found.rows.push(row_of(expectation, outcome, &key(resource), ended)),
            None => found.has_vanished = true,
        }
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

    /// How a row about `outcome`, which left `object`, ends; `None` where it vanishes. Where no object was generated, there
    /// is none to compare.
    ///
    /// COMPAT(kyverno): a row vanishes where the file with the expected objects does not hold this one, unless the row
    /// says `failOnMissingResources`; and where nothing was generated, the rule alone is judged.
    fn judge(
        &mut self,
        expectation: &Expectation,
        policy: &Policy,
        object: Option<Value<'a>>,
        outcome: &RuleOutcome<'a>,
        surroundings: &mut Surroundings<'_>,
    ) -> Option<(RowResult, String)> {
        let scopes = &self.loaded.scopes;
        let (patched, generated) = (expectation.patched.as_slice(), &*expectation.generated);
        for paths in [patched, generated] {
            let compared = match object {
                Some(object) => self.expected.compare(paths, Resource(object), scopes, surroundings),
                None if self.strict && outcome.status == Status::Pass && !paths.is_empty() => {
                    Err(Mismatch::NotThere)
                }
                None => Ok(()),
            };
            match compared {
                Err(Mismatch::Unreadable) => return Some((RowResult::Fail, RESOURCE_ERROR.to_owned())),
                Err(Mismatch::NotThere) if self.strict || expectation.fail_on_missing => {
                    return Some((RowResult::Fail, RESOURCE_ERROR.to_owned()));
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
}

/// A row about `resource` that no rule said anything for.
fn row(expectation: &Expectation, resource: &str, result: RowResult, reason: &str) -> Row {
    Row {
        policy: expectation.policy.clone(),
        rule: expectation.rule.clone(),
        resource: resource.to_owned(),
        result,
        reason: reason.to_owned(),
        message: String::new(),
    }
}

/// A row about `resource` and what a rule said.
fn row_of(
    expectation: &Expectation,
    outcome: &RuleOutcome<'_>,
    resource: &str,
    (result, reason): (RowResult, String),
) -> Row {
    let (rule, message) = (outcome.rule.to_owned(), outcome.message.to_string());
    Row { rule, message, ..row(expectation, resource, result, &reason) }
}

fn key(resource: Resource<'_>) -> String {
    let (kind, namespace, name) = (resource.kind(), resource.namespace(), resource.name());
    format!("{}/{kind}/{namespace}/{name}", resource.gvk().api_version())
}

/// The objects that a rule generated.
fn generated<'o, 'a>(outcome: &'o RuleOutcome<'a>) -> &'o [Value<'a>] {
    match outcome.side_effect.as_deref() {
        Some(SideEffect::Generated { objects, .. }) => objects,
        _ => &[],
    }
}

/// The existing resources that rules of a policy changed, as they left them.
fn targets<'o, 'a>(
    response: &'o Response<'a>,
) -> impl Iterator<Item = (&'o RuleOutcome<'a>, Resource<'a>)> + use<'o, 'a> {
    response.evaluation.outcomes.iter().filter_map(|outcome| match outcome.side_effect.as_deref() {
        Some(SideEffect::Target { patched: Some(patched), .. }) => Some((outcome, Resource(*patched))),
        _ => None,
    })
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
    policies.left_out.iter().any(|policy| policy.name == name && policy.fault == Fault::Refused)
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
