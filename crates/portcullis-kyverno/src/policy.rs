//! A policy: its rules, and what holds for all of them.

use std::sync::Arc;

use portcullis_model::explain::Recorder;
use portcullis_model::{
    ChangeGuard, CompiledPolicy, Enforcement, Evaluated, Evaluation, Input, Obstacle, Phase, Profile,
    Refusal, Resource, RuleKind, RuleOutcome, Run, Status,
};
use portcullis_value::{Arena, Object, Value};

use crate::autogen::{self, CRON_JOB, Controllers};
use crate::context::Lookups;
use crate::ending::Ending;
use crate::exception::{self, PolicyException};
use crate::explanation::{self, PassedOver};
use crate::kind::KindSelector;
use crate::profile::profile;
use crate::rule::{Action, Applied, Rule};
use crate::scope::Scope;
use crate::shared::Parts;
use crate::validation::{ActionOverride, FailureAction, Validation};
use crate::variable::VariableError;

/// The annotations that are kept of a policy: what reports of its results say.
pub const ANNOTATIONS: [&str; 3] =
    ["policies.kyverno.io/category", "policies.kyverno.io/scored", "policies.kyverno.io/severity"];

/// A ClusterPolicy or Policy, compiled.
#[derive(Debug)]
pub struct Policy {
    name: Box<str>,
    /// `None` for a ClusterPolicy.
    namespace: Option<Box<str>>,
    annotations: Box<[(&'static str, Box<str>)]>,
    rules: Box<[Rule]>,
    /// Those for all controllers but CronJobs.
    generated: Box<[Rule]>,
    generated_for_cron_jobs: Box<[Rule]>,
    /// For which kinds rules were generated.
    controllers: Controllers,
    apply_one: bool,
    background: bool,
    failure_action: FailureAction,
    overrides: Box<[ActionOverride]>,
    profile: Profile,
}

impl Policy {
    /// Compiles a document, which [`Findings::of`](crate::Findings::of) found no error in.
    ///
    /// What is of a wrong type is left out: it cannot fail.
    pub fn compile(document: Value<'_>) -> Self {
        let arena = Arena::new();
        let resource = Resource(document);
        let spec = document.get("spec").unwrap_or_default();
        let is_namespaced = resource.kind() == "Policy";
        // COMPAT(kyverno): in a file, which may name no namespace, the reference's engine reads it as `default` and its command line
        // is said to apply the policy everywhere. It is the narrower one here.
        let namespace = is_namespaced.then(|| match resource.namespace() {
            "" => "default",
            namespace => namespace,
        });
        let text = |path: &[&str]| spec.path(path).and_then(Value::as_str);
        let failure_action = FailureAction::of(text(&["validationFailureAction"]).unwrap_or_default());
        let parts = Parts::new(resource.name(), namespace.unwrap_or_default(), &arena);
        let compile = |rule| {
            let mut rule = Rule::compile(rule, &parts);
            if let Action::Validate(validation) = &mut rule.action {
                validation.policy_enforces = failure_action == FailureAction::Enforce;
            }
            rule
        };
        let rules = spec.get("rules").and_then(Value::as_array).unwrap_or_default();
        let controllers = Controllers::of(document);
        let all_generated: Vec<_> =
            rules.iter().map(|rule| autogen::generate(&arena, *rule, &controllers)).collect();
        let generated: Box<[Rule]> =
            all_generated.iter().filter_map(|of| of.for_controllers).map(compile).collect();
        let generated_for_cron_jobs: Box<[Rule]> =
            all_generated.iter().filter_map(|of| of.for_cron_jobs).map(compile).collect();
        let rules: Box<[Rule]> = rules.iter().copied().map(compile).collect();
        let policy = Self {
            profile: profile(document, rules.iter().chain(&generated).chain(&generated_for_cron_jobs)),
            name: resource.name().into(),
            namespace: namespace.map(Box::from),
            annotations: ANNOTATIONS
                .into_iter()
                .filter_map(|key| Some((key, resource.annotations().get(key)?.as_str()?.into())))
                .collect(),
            generated,
            generated_for_cron_jobs,
            rules,
            controllers,
            apply_one: text(&["applyRules"]) == Some("One"),
            background: spec.get("background").and_then(Value::as_bool).unwrap_or(true),
            failure_action,
            overrides: ActionOverride::compile(spec.get("validationFailureActionOverrides")),
        };
        policy.with_enforcement()
    }

    /// The policy whose rules know what their failures mean, where that is the same everywhere.
    fn with_enforcement(mut self) -> Self {
        let of = |rule: &Rule| (!self.has_overrides(rule)).then(|| self.enforcement_in(rule, "", None));
        let all: Vec<_> = self.all_rules().map(of).collect();
        for (rule, enforcement) in self.all_rules_mut().zip(all) {
            rule.enforcement = enforcement;
        }
        self
    }

    /// The policy with the exceptions of `all` that name rules of it.
    #[must_use]
    pub fn excepting(mut self, all: &[Arc<PolicyException>]) -> Self {
        let key = match &self.namespace {
            Some(namespace) => format!("{namespace}/{}", self.name),
            None => self.name.to_string(),
        };
        let (mut needs, mut is_excepted) = (self.profile.needs, false);
        for rule in self.all_rules_mut() {
            rule.exceptions =
                all.iter().filter(|exception| exception.names(&key, &rule.name)).cloned().collect();
            needs = needs.or(exception::needs(&rule.exceptions));
            is_excepted |= !rule.exceptions.is_empty();
        }
        self.profile.needs = needs;
        self.profile.likeness = self.profile.likeness.filter(|_| !is_excepted);
        self
    }

    /// The annotation `key` of the policy, which is one of [`ANNOTATIONS`].
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.annotations.iter().find(|(name, _)| *name == key).map(|(_, value)| &**value)
    }

    /// The number of its rules, generated ones included.
    pub fn rule_count(&self) -> usize {
        self.all_rules().count()
    }

    /// The rules that are not executed in a cluster that offers `lookups`, each with the part that stands in the way.
    pub fn rules_not_executed(&self, lookups: Lookups) -> impl Iterator<Item = (&str, &'static str)> {
        self.rules.iter().filter_map(move |rule| Some((&*rule.name, rule.not_executed(lookups)?)))
    }

    /// The names of its rules, generated ones included, with what each does.
    pub fn rule_kinds(&self) -> impl Iterator<Item = (&str, RuleKind)> {
        self.all_rules().filter_map(|rule| Some((&*rule.name, rule.action.kind()?)))
    }

    /// Whether it is used in background scans.
    pub fn is_background(&self) -> bool {
        self.background
    }

    /// Whether it is a namespaced Policy.
    pub fn is_namespaced(&self) -> bool {
        self.namespace.is_some()
    }

    /// Whether a rule of it is of `kind`.
    pub fn has_rule(&self, kind: RuleKind) -> bool {
        self.all_rules().any(|rule| rule.action.kind() == Some(kind))
    }

    /// The kinds that its rules are about.
    pub fn kinds(&self) -> impl Iterator<Item = &KindSelector> {
        self.all_rules().flat_map(|rule| rule.matching().filters()).flat_map(|filter| filter.kinds())
    }

    /// Its rules as they are written: the name of each, whether it changes the object of a request, and the kinds that it is
    /// about.
    pub fn written_rules(&self) -> impl Iterator<Item = (&str, bool, impl Iterator<Item = &KindSelector>)> {
        self.rules.iter().map(|rule| {
            let kinds = rule.matching().filters().iter().flat_map(|filter| filter.kinds());
            (&*rule.name, matches!(rule.action, Action::Mutate(_)), kinds)
        })
    }

    /// What is done about a violation of `rule` by an object in `namespace`.
    ///
    /// The rule's overrides come before its action, that before the policy's overrides, those before its action.
    pub fn failure_action(&self, rule: &str, namespace: &str, labels: Object<'_>) -> FailureAction {
        let validation = self.all_rules().find_map(|candidate| match &candidate.action {
            Action::Validate(validation) if &*candidate.name == rule => Some(&**validation),
            _ => None,
        });
        self.action_of(validation, namespace, Some(labels))
    }

    fn action_of(
        &self,
        validation: Option<&Validation>,
        namespace: &str,
        labels: Option<Object<'_>>,
    ) -> FailureAction {
        let covering = |overrides: &[ActionOverride]| {
            overrides.iter().find(|candidate| candidate.covers(namespace, labels)).map(|found| found.action)
        };
        validation
            .and_then(|validation| covering(&validation.overrides).or(validation.failure_action))
            .or_else(|| covering(&self.overrides))
            .unwrap_or(self.failure_action)
    }

    /// The action by which the reference chooses the rules that it evaluates before it answers.
    ///
    /// COMPAT(kyverno): one override is enough whose namespaces or whose selector hold, overrides of the policy come
    /// before the action of a rule, and both in namespaces alone.
    fn selected_by(
        &self,
        validation: &Validation,
        namespace: &str,
        labels: Option<Object<'_>>,
    ) -> FailureAction {
        let overrides = match &*validation.overrides {
            [] => &*self.overrides,
            own => own,
        };
        let covering = overrides.iter().find(|candidate| candidate.selects(namespace, labels));
        covering.map(|found| found.action).or(validation.failure_action).unwrap_or(self.failure_action)
    }

    /// What a failure of `rule` means for the object of `input`.
    fn enforcement(&self, rule: &Rule, input: &Input<'_>) -> Enforcement {
        rule.enforcement.unwrap_or_else(|| {
            self.enforcement_in(rule, input.resource().namespace(), input.namespace_labels)
        })
    }

    /// What a failure of `rule` means for objects in `namespace`.
    fn enforcement_in(&self, rule: &Rule, namespace: &str, labels: Option<Object<'_>>) -> Enforcement {
        let Action::Validate(validation) = &rule.action else {
            let is_mutation = rule.action.kind() == Some(RuleKind::Mutate);
            return if is_mutation { Enforcement::Enforce } else { Enforcement::Audit };
        };
        let selected = self.selected_by(validation, namespace, labels);
        match (selected, self.action_of(Some(validation), namespace, labels)) {
            (FailureAction::Audit, _) => Enforcement::Audit,
            (FailureAction::Enforce, FailureAction::Audit) => Enforcement::Told,
            (FailureAction::Enforce, FailureAction::Enforce) => Enforcement::Enforce,
        }
    }

    /// Whether what a failure of `rule` means depends on the namespace.
    fn has_overrides(&self, rule: &Rule) -> bool {
        match &rule.action {
            Action::Validate(validation) => !(self.overrides.is_empty() && validation.overrides.is_empty()),
            _ => false,
        }
    }

    fn all_rules(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter().chain(&self.generated).chain(&self.generated_for_cron_jobs)
    }

    fn all_rules_mut(&mut self) -> impl Iterator<Item = &mut Rule> {
        self.rules.iter_mut().chain(&mut self.generated).chain(&mut self.generated_for_cron_jobs)
    }

    /// The rules that are generated for objects of `kind`.
    fn generated_for(&self, kind: &str) -> &[Rule] {
        match self.controllers.contain(kind) {
            false => &[],
            true if kind == CRON_JOB => &self.generated_for_cron_jobs,
            true => &self.generated,
        }
    }

    /// The rules that objects of `kind` meet, in order.
    ///
    /// COMPAT(kyverno): where rules are generated for the kind, written ones that are named like them are left out.
    fn rules_for(&self, kind: &str) -> impl Iterator<Item = &Rule> {
        let generated = self.generated_for(kind);
        let takes = move |rule: &&Rule| generated.is_empty() || !autogen::is_named_as_generated(&rule.name);
        self.rules.iter().filter(takes).chain(generated)
    }

    /// Tells of the rules that objects of `kind` do not meet for their names.
    fn tell_left_out<'a>(
        &'a self,
        phase: Phase,
        kind: &str,
        evaluation: &mut Evaluation<'a>,
        recorder: Option<&Recorder>,
    ) {
        let written = if self.generated_for(kind).is_empty() { &[] } else { &*self.rules };
        let is_in_phase = |rule: &&Rule| rule.action.kind().is_some_and(|kind| phase.includes(kind));
        for rule in written.iter().filter(is_in_phase) {
            if !autogen::is_named_as_generated(&rule.name) {
                continue;
            }
            let reason = format!("its name is that of a generated rule, and rules are generated for {kind}");
            if let Some(recorder) = recorder {
                recorder.end_rule(explanation::of(rule, None, &[], Some(&reason)));
            }
            evaluation.not_applied.push((&rule.name, reason));
        }
    }

    /// The name of the rule that `rule` was generated from. The name of a generated rule may be cut.
    fn origin(&self, rule: &Rule) -> Option<&str> {
        let own = autogen::PREFIXES.iter().find_map(|prefix| rule.name.strip_prefix(prefix))?;
        self.rules.iter().map(|candidate| &*candidate.name).find(|name| name.starts_with(own))
    }

    /// Whether the policy is about objects where `input` is: a namespaced one only in its own namespace.
    fn is_in_scope(&self, input: &Input<'_>) -> bool {
        let Some(home) = &self.namespace else { return true };
        let lives_there = |object: Value<'_>| Resource(object).namespace() == &**home;
        [input.object, input.old_object].into_iter().flatten().all(lives_there)
    }

    /// The rules of `phase` that objects of `kind` meet, in order, each with what it does.
    fn rules_in(&self, phase: Phase, kind: &str) -> impl Iterator<Item = (&Rule, RuleKind)> {
        self.rules_for(kind).filter_map(move |rule| {
            let kind = rule.action.kind().filter(|kind| phase.includes(*kind))?;
            Some((rule, kind))
        })
    }

    fn add_outcome<'a>(&self, evaluation: &mut Evaluation<'a>, outcome: RuleOutcome<'a>) {
        // Room for an outcome of each rule, and no more.
        if evaluation.outcomes.is_empty() {
            evaluation.outcomes.reserve_exact(self.rules.len());
        }
        evaluation.outcomes.push(outcome);
    }

    /// Adds an outcome for each of the rules that come first and plainly pass, as most rules of most policies do: nothing is
    /// made ready for them. Whether the evaluation ends with that.
    fn pass_plainly<'a>(
        &'a self,
        phase: Phase,
        input: &Input<'a>,
        run: &mut Run<'a, '_, '_>,
        evaluation: &mut Evaluation<'a>,
    ) -> bool {
        if self.apply_one
            || run.explain
            || run.recorder.is_some()
            || run.reports && self.all_rules().any(Rule::has_report_properties)
            || self.awaits_match_conditions(input)
            || !self.is_in_scope(input)
        {
            return false;
        }
        for (rule, kind) in self.rules_in(phase, input.gvk.kind) {
            let Some(message) = rule.plain_pass(input, run) else { return false };
            let ending = Ending::new(Status::Pass, message);
            self.add_outcome(evaluation, ending.outcome(&rule.name, kind, self.enforcement(rule, input)));
        }
        true
    }

    /// Whether the policy's own match conditions have still to be checked.
    fn awaits_match_conditions(&self, input: &Input<'_>) -> bool {
        self.profile.has_match_conditions && !input.match_conditions_hold
    }

    /// Evaluates the rules that have no outcome in `evaluation` yet.
    fn run<'a>(
        &'a self,
        phase: Phase,
        input: &Input<'a>,
        guard: Option<&dyn ChangeGuard>,
        scope: &mut Scope<'a, '_, '_>,
        mut evaluation: Evaluation<'a>,
    ) -> Result<Evaluation<'a>, VariableError> {
        scope.awaits_match_conditions = self.awaits_match_conditions(input);
        if !self.is_in_scope(input) {
            if scope.explain {
                let reason = format!("the policy is limited to namespace `{}`", self.namespace());
                if let Some(recorder) = scope.recorder {
                    recorder.end_rule(explanation::of_policy(&reason));
                }
                evaluation.not_applied.push(("", reason));
            }
            return Ok(evaluation);
        }
        let kind = input.gvk.kind;
        if scope.explain {
            self.tell_left_out(phase, kind, &mut evaluation, scope.recorder);
        }
        let mut object = input.object;
        let mut has_matched = !evaluation.outcomes.is_empty();
        let mut is_filled_in = !input.is_review;
        // Where one rule is enough: the one of those that may refuse, and of those that only report.
        let mut decisive: [Option<&str>; 2] = [None; 2];
        let mut failed = None;
        for (rule, kind) in self.rules_in(phase, kind).skip(evaluation.outcomes.len()) {
            let is_audited =
                self.apply_one && input.is_review && self.enforcement(rule, input) == Enforcement::Audit;
            let [enforced, audited] = &mut decisive;
            let decisive = if is_audited { audited } else { enforced };
            let why = decisive.map(PassedOver::Decided).or(failed.map(PassedOver::NothingLeft));
            if let Some(why) = why {
                explanation::passed_over(rule, &why, scope.recorder);
                continue;
            }
            if has_matched && !is_filled_in {
                is_filled_in = true;
                scope.fill_in_namespace(Resource(object.unwrap_or_default()).namespace());
            }
            let before = evaluation.outcomes.len();
            let (mut is_decisive, mut not_matched) = (false, None);
            let applied = rule.apply(input, object, scope)?;
            has_matched |= !matches!(applied, Applied::NotMatched(_));
            match applied {
                Applied::Nothing => {}
                Applied::NotMatched(reason) => not_matched = reason,
                Applied::Ended(mut ending) => {
                    if let (Some(guard), Some(before)) = (guard, object) {
                        ending = guarded(guard, before, ending);
                    }
                    if let Some(patched) = ending.patched() {
                        object = Some(patched);
                        scope.set_object(patched);
                    }
                    is_decisive = decides(&ending);
                    // COMPAT(kyverno): nothing is left for the rules after it but the object of before, if there is one.
                    if ending.is_failed_change() && input.old_object.is_none() {
                        failed = Some(&*rule.name);
                    }
                    let enforcement = self.enforcement(rule, input);
                    self.add_outcome(&mut evaluation, ending.outcome(&rule.name, kind, enforcement));
                }
                Applied::EndedForEach(endings) => {
                    is_decisive = endings.iter().any(decides);
                    let enforcement = self.enforcement(rule, input);
                    let outcomes =
                        endings.into_iter().map(|ending| ending.outcome(&rule.name, kind, enforcement));
                    evaluation.outcomes.extend(outcomes);
                }
            }
            if let Some(recorder) = scope.recorder {
                let outcomes = evaluation.outcomes.get(before..).unwrap_or_default();
                let reason = not_matched.as_deref();
                recorder.end_rule(explanation::of(rule, self.origin(rule), outcomes, reason));
            }
            evaluation.not_applied.extend(not_matched.map(|reason| (&*rule.name, reason)));
            if self.apply_one && is_decisive {
                *decisive = Some(&rule.name);
            }
        }
        Ok(evaluation)
    }
}

impl CompiledPolicy for Policy {
    fn name(&self) -> &str {
        &self.name
    }

    fn namespace(&self) -> &str {
        self.namespace.as_deref().unwrap_or_default()
    }

    fn profile(&self) -> &Profile {
        &self.profile
    }

    fn evaluate<'a>(&'a self, phase: Phase, input: &Input<'a>, run: &mut Run<'a, '_, '_>) -> Evaluated<'a> {
        let is_explained = run.explain || run.recorder.is_some();
        let mut evaluation = Evaluation::new(run.arena);
        if self.profile.targets(phase).is_empty() && !is_explained
            || self.pass_plainly(phase, input, run, &mut evaluation)
        {
            return Evaluated::Done(evaluation);
        }
        let guard = run.guard;
        let mut scope = Scope::new(input, run);
        match self.run(phase, input, guard, &mut scope, evaluation) {
            Ok(mut evaluation) => {
                scope.made_of_secrets().apply_to(&mut evaluation);
                Evaluated::Done(evaluation)
            }
            // Nothing but the wait for an answer comes this far: all else became the outcome of a rule.
            Err(_) => Evaluated::Need(std::mem::take(&mut scope.questions)),
        }
    }
}

/// Whether no rule after the one that ended so is applied where one is enough.
fn decides(ending: &Ending<'_>) -> bool {
    matches!(ending.status, Status::Pass | Status::Fail)
}

/// `ending`, or how the rule ends instead where `guard` does not let the change of the object be.
fn guarded<'a>(guard: &dyn ChangeGuard, before: Value<'a>, ending: Ending<'a>) -> Ending<'a> {
    let Some(after) = ending.patched() else { return ending };
    match guard.check(before, after) {
        Ok(()) => ending,
        Err(Refusal::Immutable(field)) => {
            Ending::new(Status::Skip, format!("immutable: {field} cannot be changed any more"))
                .with_obstacle(Obstacle::Immutable)
        }
        Err(Refusal::Forbidden(text)) => Ending::new(Status::Error, text),
    }
}
