//! One rule of a policy: whom it is about, when it applies, what it does.

use std::borrow::Cow;
use std::sync::Arc;

use portcullis_model::explain::{Part, Recorder, within};
use portcullis_model::{Enforcement, Input, Numbers, Obstacle, Resource, RuleKind, Run, Status};
use portcullis_value::{Object, Value};

use crate::condition::{Conditions, Verdict};
use crate::context::{ContextEntry, Lookups};
use crate::ending::Ending;
use crate::exception::{self, PolicyException};
use crate::generation::Generation;
use crate::matching::{Candidate, Filter, Matching, Mismatch, Reason, block_step};
use crate::mutation::{ExistingMutation, Mutation};
use crate::report_properties::ReportProperties;
use crate::scope::Scope;
use crate::shared::Parts;
use crate::validation::Validation;
use crate::variable::VariableError;

/// A rule, compiled.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) name: Box<str>,
    /// What is said of an object that passes validation.
    pub(crate) passed: Box<str>,
    matching: Matching,
    exclude: Option<Matching>,
    context: Arc<[ContextEntry]>,
    preconditions: Option<Arc<Conditions>>,
    report_properties: Option<Box<ReportProperties>>,
    pub(crate) action: Action,
    /// What a failure means, where that is the same for all objects; set by the policy.
    pub(crate) enforcement: Option<Enforcement>,
    /// Those that name the rule.
    pub(crate) exceptions: Box<[Arc<PolicyException>]>,
}

/// What a rule does.
#[derive(Debug)]
pub(crate) enum Action {
    Mutate(Box<Mutation>),
    MutateExisting(Box<ExistingMutation>),
    Generate(Box<Generation>),
    Validate(Box<Validation>),
    /// Kinds of rules that this version knows and does not execute: the kind of rule, and its name.
    NotExecuted(RuleKind, &'static str),
    /// Nothing that could be done.
    None,
}

impl Action {
    pub(crate) fn kind(&self) -> Option<RuleKind> {
        match self {
            Action::Mutate(_) | Action::MutateExisting(_) => Some(RuleKind::Mutate),
            Action::Generate(_) => Some(RuleKind::Generate),
            Action::Validate(_) => Some(RuleKind::Validate),
            Action::NotExecuted(kind, _) => Some(*kind),
            Action::None => None,
        }
    }

    /// What it is, where it is about other objects than the one in hand.
    fn side_effect(&self) -> Option<&'static str> {
        match self {
            Action::MutateExisting(_) => Some("mutate.targets"),
            Action::Generate(_) => Some("generate"),
            _ => None,
        }
    }
}

/// What came of a rule.
#[derive(Debug)]
pub(crate) enum Applied<'a> {
    Ended(Ending<'a>),
    /// How a rule about existing resources ended for each of them.
    EndedForEach(Vec<Ending<'a>>),
    /// It is not about this object, or about nothing in it; the reason where one was asked for.
    NotMatched(Option<String>),
    /// It is, and has nothing to say.
    Nothing,
}

impl Rule {
    /// Compiles `rule` of the policy whose `parts` are compiled so far.
    pub(crate) fn compile<'d>(rule: Value<'d>, parts: &Parts<'d>) -> Self {
        let present = |path: &[&str]| rule.path(path).filter(|value| !value.is_null());
        let name = rule.get("name").and_then(Value::as_str).unwrap_or_default();
        let action = action(rule, parts);
        // COMPAT(kyverno): rules about pod security begin what they say with a capital.
        let begins = match &action {
            Action::Validate(validation) if validation.is_pod_security() => "Validation",
            _ => "validation",
        };
        Self {
            name: name.into(),
            passed: format!("{begins} rule '{name}' passed.").into(),
            matching: Matching::compile(rule.get("match").unwrap_or_default()),
            exclude: present(&["exclude"]).map(Matching::compile),
            context: parts.context(rule.get("context").unwrap_or_default()),
            preconditions: present(&["preconditions"]).map(|block| parts.conditions(block)),
            report_properties: ReportProperties::compile(rule).map(Box::new),
            action,
            enforcement: None,
            exceptions: Box::default(),
        }
    }

    /// The part of the rule that is not executed in a cluster, if any: its action, or a fact that is not asked for.
    pub(crate) fn not_executed(&self, lookups: Lookups) -> Option<&'static str> {
        let inner = match &self.action {
            Action::NotExecuted(_, name) => return Some(*name),
            action if let Some(name) = action.side_effect() => return Some(name),
            Action::Mutate(mutation) => mutation.loop_context(),
            Action::Validate(validation) => validation.loop_context(),
            Action::MutateExisting(_) | Action::Generate(_) | Action::None => Vec::new(),
        };
        self.context.iter().chain(inner).find_map(|entry| entry.not_looked_up(lookups))
    }

    /// Whether the rule can be about objects of `gvk` and `subresource` at all, by its match block's kinds.
    pub(crate) fn matching(&self) -> &Matching {
        &self.matching
    }

    /// Whether the rule is about `candidate`.
    fn check_match(
        &self,
        candidate: &Candidate<'_>,
        recorder: Option<&Recorder>,
    ) -> Result<(), Mismatch<'_>> {
        within(
            recorder,
            || self.matching.matches(candidate, recorder),
            |result, _| block_step(Part::Match, candidate, result),
        )?;
        let Some(exclude) = &self.exclude else { return Ok(()) };
        within(
            recorder,
            || exclude.lets_pass(candidate, recorder),
            |result, _| block_step(Part::Exclude, candidate, result),
        )
    }

    /// Whether the labels of the namespace play a part in matching, or in what a failure means.
    pub(crate) fn reads_namespace_labels(&self) -> bool {
        let blocks = std::iter::once(&self.matching).chain(&self.exclude);
        let overrides = match &self.action {
            Action::Validate(validation) => &*validation.overrides,
            _ => &[],
        };
        blocks.flat_map(Matching::filters).any(Filter::reads_namespace_labels)
            || overrides.iter().any(|candidate| candidate.namespace_selector.is_some())
    }

    pub(crate) fn has_preconditions(&self) -> bool {
        self.preconditions.is_some()
    }

    pub(crate) fn has_report_properties(&self) -> bool {
        self.report_properties.is_some()
    }

    /// Whether the rule is about `candidate`, for those who judge another object than that of the input.
    pub(crate) fn is_about(&self, candidate: &Candidate<'_>) -> bool {
        self.check_match(candidate, None).is_ok()
    }

    /// What is said of the object of `input` where the rule plainly is about it and passes: by its kind and by patterns
    /// without variables, as most rules do. Whatever is not plain is for [`apply`](Self::apply) to find out.
    pub(crate) fn plain_pass<'a>(&'a self, input: &Input<'a>, run: &mut Run<'a, '_, '_>) -> Option<&'a str> {
        let Action::Validate(validation) = &self.action else { return None };
        let is_plain = self.exclude.is_none() && self.preconditions.is_none() && self.exceptions.is_empty();
        if !is_plain || !self.matching.holds_by_kind(input) {
            return None;
        }
        validation.plain_pass(self, input.object?, input.numbers, run)
    }

    /// Applies the rule to `object`, which is the input's object as the rules before left it.
    ///
    /// # Errors
    /// The evaluation has to wait for an answer.
    pub(crate) fn apply<'a>(
        &'a self,
        input: &Input<'a>,
        object: Option<Value<'a>>,
        scope: &mut Scope<'a, '_, '_>,
    ) -> Result<Applied<'a>, VariableError> {
        let candidate = Candidate::new(input, object);
        let matched = self.check_match(&candidate, scope.recorder);
        if let Err(exhausted) = scope.budget().steps(candidate.steps()) {
            let message = format!("the rule cannot be matched: {exhausted}");
            let obstacle = Obstacle::Exhausted(exhausted);
            return Ok(Applied::Ended(Ending::new(Status::Error, message).with_obstacle(obstacle)));
        }
        if let Err(mismatch) = matched {
            return Ok(not_matched(mismatch, &candidate, scope.explain));
        }
        if let Action::MutateExisting(mutation) = &self.action
            && scope.side_effects
            && !scope.awaits_match_conditions
        {
            let endings = self.act_on_targets(mutation, input, object, scope)?;
            return Ok(match endings.as_slice() {
                [] => Applied::NotMatched(scope.explain.then(|| "there is no target".to_owned())),
                _ => Applied::EndedForEach(endings),
            });
        }
        if let Some(ending) = self.act(input, object, scope)? {
            return Ok(Applied::Ended(ending));
        }
        let reason = match &self.action {
            Action::Validate(validation) if scope.explain => validation.why_nothing(),
            _ => None,
        };
        Ok(reason.map_or(Applied::Nothing, |reason| Applied::NotMatched(Some(reason))))
    }

    /// Does what the rule does, where its preconditions are met.
    fn act<'a>(
        &'a self,
        input: &Input<'a>,
        object: Option<Value<'a>>,
        scope: &mut Scope<'a, '_, '_>,
    ) -> Result<Option<Ending<'a>>, VariableError> {
        let not_executed = match &self.action {
            Action::NotExecuted(_, name) => Some(*name),
            action
                if !scope.side_effects
                    && let Some(name) = action.side_effect() =>
            {
                Some(name)
            }
            _ if scope.awaits_match_conditions => Some("webhookConfiguration.matchConditions"),
            _ => None,
        };
        let ending = scope.for_rule(&self.name, &self.context, |scope| {
            let ending = self.act_in(scope, input, object, not_executed)?;
            if scope.reports {
                return ending.map(|ending| self.reported(ending, scope)).transpose();
            }
            Ok(ending)
        })?;
        Ok(match (not_executed, ending) {
            (Some(_), Some(ending)) if ending.status == Status::Error => {
                Some(ending.with_obstacle(Obstacle::NotExecuted))
            }
            (_, ending) => ending,
        })
    }

    /// Does so in the scope of the rule. `not_executed` is the part that stands in the way, if any.
    fn act_in<'a>(
        &'a self,
        scope: &mut Scope<'a, '_, '_>,
        input: &Input<'a>,
        object: Option<Value<'a>>,
        not_executed: Option<&str>,
    ) -> Result<Option<Ending<'a>>, VariableError> {
        if let Some(ending) = self.check_preconditions(scope)? {
            return Ok(Some(ending));
        }
        let mut exceptions = Vec::new();
        if !self.exceptions.is_empty() {
            exceptions = exception::holding(&self.exceptions, input, object, scope)?;
            if let Some(ending) = exception::skip(&exceptions, &self.action) {
                return Ok(Some(ending));
            }
        }
        match &self.action {
            _ if let Some(name) = not_executed => {
                Ok(Some(Ending::new(Status::Error, format!("not executed yet: {name}"))))
            }
            Action::Mutate(mutation) => mutation.apply(object, scope).map(|ending| Some(ending.of_change())),
            Action::Generate(generation) => {
                let trigger = Resource(object.or(input.old_object).unwrap_or_default());
                generation.apply(trigger, scope).map(Some)
            }
            Action::Validate(validation) => validation.apply(self, &exceptions, input, object, scope),
            Action::MutateExisting(_) | Action::NotExecuted(..) | Action::None => Ok(None),
        }
    }

    /// `ending` with what reports say beside its message. What that asks for is asked last, so that a rule ends the same
    /// whether or not anybody reports of it.
    #[cold]
    fn reported<'a>(
        &'a self,
        ending: Ending<'a>,
        scope: &mut Scope<'a, '_, '_>,
    ) -> Result<Ending<'a>, VariableError> {
        let Some(properties) = &self.report_properties else { return Ok(ending) };
        Ok(ending.with_reported(&properties.render(scope)?))
    }

    /// Does what `mutation` does with each of its targets, where the preconditions of the rule are met. How it ended for
    /// each; none where there is no target.
    fn act_on_targets<'a>(
        &'a self,
        mutation: &'a ExistingMutation,
        input: &Input<'a>,
        object: Option<Value<'a>>,
        scope: &mut Scope<'a, '_, '_>,
    ) -> Result<Vec<Ending<'a>>, VariableError> {
        scope.for_rule(&self.name, &self.context, |scope| {
            let endings = match self.check_preconditions(scope)? {
                Some(ending) => vec![ending],
                None => {
                    let exceptions = exception::holding(&self.exceptions, input, object, scope)?;
                    match exception::skip(&exceptions, &self.action) {
                        Some(ending) => vec![ending],
                        None => mutation.apply(scope)?,
                    }
                }
            };
            if scope.reports {
                return endings.into_iter().map(|ending| self.reported(ending, scope)).collect();
            }
            Ok(endings)
        })
    }

    /// `None` where the preconditions are met, else how the rule ends.
    fn check_preconditions<'a>(
        &'a self,
        scope: &mut Scope<'a, '_, '_>,
    ) -> Result<Option<Ending<'a>>, VariableError> {
        let Some(preconditions) = &self.preconditions else { return Ok(None) };
        let judge = |scope: &mut Scope<'a, '_, '_>| {
            preconditions.evaluate_as(Part::Preconditions, scope, Numbers::Floats)
        };
        match scope.for_preconditions(judge) {
            Ok(verdict) if verdict.holds => Ok(None),
            Ok(verdict) => Ok(Some(unmet(verdict))),
            Err(error) => Ending::failed("failed to evaluate preconditions: ", error).map(Some),
        }
    }
}

/// What comes of a rule that is not about `candidate`, or of which that cannot be told.
#[cold]
fn not_matched<'a>(mismatch: Mismatch<'_>, candidate: &Candidate<'_>, explain: bool) -> Applied<'a> {
    if let Mismatch::Unknown(fact) = mismatch {
        let message = format!("the rule cannot be matched: {fact} are not known");
        return Applied::Ended(Ending::new(Status::Error, message).with_obstacle(Obstacle::UnknownFact));
    }
    Applied::NotMatched(explain.then(|| Reason { mismatch, candidate }.to_string()))
}

/// How a rule ends whose preconditions do not hold.
pub(crate) fn unmet<'a>(verdict: Verdict) -> Ending<'a> {
    let message: Cow<'a, str> = match verdict.message.as_str() {
        "" => "preconditions not met".into(),
        message => format!("preconditions not met; {message}").into(),
    };
    let explanation = verdict.seen.map(|seen| format!("pre{seen}"));
    Ending::new(Status::Skip, message).with_explanation(explanation)
}

/// What the rule does, by the first of its parts that says so.
fn action<'d>(rule: Value<'d>, parts: &Parts<'d>) -> Action {
    let present = |path: &[&str]| rule.path(path).filter(|value| !value.is_null());
    if let Some(mutate) = present(&["mutate"]) {
        let has = |key| mutate.get(key).is_some_and(|value| !is_empty(value));
        return match () {
            () if has("targets") => {
                Action::MutateExisting(Box::new(ExistingMutation::compile(rule, parts.namespace)))
            }
            () => Action::Mutate(Box::new(Mutation::compile(rule, parts.namespace))),
        };
    }
    if let Some(validate) = present(&["validate"]) {
        let has = |key| validate.get(key).is_some_and(|value| !value.is_null());
        let has_attestors =
            present(&["validate", "manifests", "attestors"]).is_some_and(|attestors| !is_empty(attestors));
        return match () {
            () if has_attestors => match Validation::of_manifests(validate, parts) {
                Ok(validation) => Action::Validate(Box::new(validation)),
                Err(part) => Action::NotExecuted(RuleKind::Validate, part),
            },
            () if has("cel") && !has("podSecurity") => {
                Action::NotExecuted(RuleKind::Validate, "validate.cel")
            }
            () => match Validation::compile(validate, parts) {
                Some(validation) => Action::Validate(Box::new(validation)),
                // COMPAT(kyverno): `assert` alone is accepted and does nothing since 1.19.
                None => Action::None,
            },
        };
    }
    if present(&["generate"]).is_some_and(|generate| !is_empty(generate)) {
        return Action::Generate(Box::new(Generation::compile(rule, parts)));
    }
    if present(&["verifyImages"]).is_some_and(|verify| !is_empty(verify)) {
        return Action::NotExecuted(RuleKind::VerifyImages, "verifyImages");
    }
    Action::None
}

fn is_empty(value: Value<'_>) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(object) => object == Object::default(),
        _ => false,
    }
}
