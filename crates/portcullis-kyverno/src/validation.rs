//! `validate`: pattern, anyPattern, deny, foreach, podSecurity and manifests.

mod action;
mod foreach;

use std::borrow::Cow;
use std::sync::Arc;

use portcullis_model::explain::{Finding, Part, Step, within};
use portcullis_model::{Input, Numbers, Operation, Resource, Run, Status, User};
use portcullis_value::{Arena, Exhausted, OwnedValue, Value};

use crate::condition::Conditions;
use crate::context::ContextEntry;
use crate::ending::Ending;
use crate::exception::PolicyException;
use crate::foreach::ForEach;
use crate::manifests::Manifests;
use crate::matching::Candidate;
use crate::pattern::{Pattern, Verdict};
use crate::pod_security::PodSecurity;
use crate::rule::Rule;
use crate::scope::Scope;
use crate::shared::Parts;
use crate::variable::{Template, VariableError};

pub(crate) use action::ActionOverride;
pub use action::FailureAction;
use foreach::ElementCheck;

/// A validate block, compiled.
#[derive(Debug)]
pub(crate) struct Validation {
    message: Option<Arc<Message>>,
    check: Check,
    pub(crate) failure_action: Option<FailureAction>,
    pub(crate) overrides: Box<[ActionOverride]>,
    allow_existing_violations: bool,
    /// Whether the policy enforces where the rule does not say; set by the policy.
    pub(crate) policy_enforces: bool,
}

/// What is said of an object that fails.
#[derive(Debug)]
pub(crate) struct Message {
    written: Box<str>,
    /// `None` where it is said as it is written.
    template: Option<Template>,
}

impl Message {
    pub(crate) fn compile(written: &str) -> Self {
        let template = Template::compile(Value::String(written));
        let is_literal = template.literal().and_then(OwnedValue::as_str) == Some(written);
        Self { written: written.into(), template: (!is_literal).then_some(template) }
    }
}

/// What is checked.
#[derive(Debug)]
enum Check {
    Deny(Arc<Conditions>),
    Pattern(PatternSource),
    AnyPattern(PatternSource),
    ForEach(Box<[ForEach<ElementCheck>]>),
    PodSecurity(PodSecurity),
    Manifests(Manifests),
}

impl Check {
    /// The check that `holder`, a validate block or an entry of `foreach`, asks for, if it is one that is executed here.
    fn compile<'d>(holder: Value<'d>, parts: &Parts<'d>) -> Option<Self> {
        let present = |key: &str| holder.get(key).filter(|value| !value.is_null());
        if let Some(deny) = present("deny") {
            Some(Check::Deny(parts.conditions(deny.get("conditions").unwrap_or_default())))
        } else if let Some(pattern) = present("pattern") {
            Some(Check::Pattern(PatternSource::compile(pattern, false, parts)))
        } else if let Some(patterns) = present("anyPattern") {
            Some(Check::AnyPattern(PatternSource::compile(patterns, true, parts)))
        } else {
            let entries = present("foreach")?.as_array().unwrap_or_default();
            let compile = |entry| ElementCheck::compile(entry, parts);
            Some(Check::ForEach(ForEach::compile(entries, parts.namespace, compile)))
        }
    }
}

/// What patterns are held against: an object or an element of it; none where the object is gone.
#[derive(Clone, Copy, Debug)]
struct Subject<'a> {
    value: Option<Value<'a>>,
    numbers: Numbers,
}

/// A pattern, or for anyPattern the list of them: compiled when the policy is loaded, unless variables stand in it.
#[derive(Debug)]
enum PatternSource {
    Compiled(Box<[Pattern]>),
    Template(Template),
}

/// Patterns with the values of their variables, or why they have none.
type Ready<'a> = Result<Cow<'a, [Pattern]>, VariableError>;

impl PatternSource {
    fn compile<'d>(document: Value<'d>, is_list: bool, parts: &Parts<'d>) -> Self {
        let compile = |document: Value<'d>| {
            patterns(&document, is_list).iter().map(|pattern| parts.pattern(*pattern)).collect()
        };
        if Template::is_plain(document)
            && let Ok(compiled) = compile(document)
        {
            return PatternSource::Compiled(compiled);
        }
        let template = Template::compile(document);
        match template.literal().map(|literal| compile(literal.copy_to(parts.arena))) {
            Some(Ok(compiled)) => PatternSource::Compiled(compiled),
            // One that is too large is tried again, and fails, when it is used.
            _ => PatternSource::Template(template),
        }
    }

    /// The patterns with the values of their variables, ready for use.
    ///
    /// # Errors
    /// A variable has no value, or the patterns are too large.
    fn ready<'a>(&'a self, is_list: bool, scope: &mut Scope<'a, '_, '_>) -> Ready<'a> {
        match self {
            PatternSource::Compiled(compiled) => Ok(Cow::Borrowed(compiled)),
            PatternSource::Template(template) => {
                let document = template.render_as(scope, Numbers::Floats)?;
                let compile = |pattern: &Value<'_>| Pattern::compile(*pattern, scope.budget());
                let compiled: Result<_, Exhausted> =
                    patterns(&document, is_list).iter().map(compile).collect();
                Ok(Cow::Owned(compiled?))
            }
        }
    }
}

/// The pattern that `document` is, or those that it lists.
fn patterns<'p, 'd>(document: &'p Value<'d>, is_list: bool) -> &'p [Value<'d>] {
    match document {
        Value::Array(patterns) if is_list => patterns,
        pattern => std::slice::from_ref(pattern),
    }
}

impl Validation {
    /// Compiles the block of a rule; `None` if it holds nothing that is executed here.
    pub(crate) fn compile<'d>(validate: Value<'d>, parts: &Parts<'d>) -> Option<Self> {
        let present = |key: &str| validate.get(key).filter(|value| !value.is_null());
        let check = match present("podSecurity") {
            Some(standard) => Check::PodSecurity(PodSecurity::compile(standard)),
            None => Check::compile(validate, parts)?,
        };
        Some(Self::with_check(validate, check, parts))
    }

    /// Compiles the block of a rule about signed manifests.
    ///
    /// # Errors
    /// It asks for something that is not executed: the name of that.
    pub(crate) fn of_manifests<'d>(validate: Value<'d>, parts: &Parts<'d>) -> Result<Self, &'static str> {
        let manifests = Manifests::compile(validate.get("manifests").unwrap_or_default())?;
        Ok(Self::with_check(validate, Check::Manifests(manifests), parts))
    }

    fn with_check<'d>(validate: Value<'d>, check: Check, parts: &Parts<'d>) -> Self {
        let present = |key: &str| validate.get(key).filter(|value| !value.is_null());
        let message = present("message").and_then(Value::as_str).filter(|message| !message.is_empty());
        Self {
            message: message.map(|message| parts.message(message)),
            check,
            failure_action: present("failureAction").and_then(Value::as_str).map(FailureAction::of),
            overrides: ActionOverride::compile(validate.get("failureActionOverrides")),
            allow_existing_violations: present("allowExistingViolations")
                .and_then(Value::as_bool)
                .unwrap_or(true),
            policy_enforces: false,
        }
    }

    /// Whether it holds Pods against the Pod Security Standards.
    pub(crate) fn is_pod_security(&self) -> bool {
        matches!(self.check, Check::PodSecurity(_))
    }

    /// The context entries of its loops.
    pub(crate) fn loop_context(&self) -> Vec<&ContextEntry> {
        match &self.check {
            Check::ForEach(loops) => foreach::context(loops),
            _ => Vec::new(),
        }
    }

    /// Why nothing was said, where that is more than that the object is gone.
    pub(crate) fn why_nothing(&self) -> Option<String> {
        let Check::ForEach(loops) = &self.check else { return None };
        let lists: Vec<_> = loops.iter().map(|entry| format!("`{}`", entry.list.source)).collect();
        Some(format!("there is no element to check in {}", lists.join(", ")))
    }

    /// Judges `object`. `None` where there is nothing to say: an object that is gone has no pattern to fit.
    ///
    /// # Errors
    /// The evaluation has to wait for an answer.
    pub(crate) fn apply<'a>(
        &'a self,
        rule: &'a Rule,
        exceptions: &[&PolicyException],
        input: &Input<'a>,
        object: Option<Value<'a>>,
        scope: &mut Scope<'a, '_, '_>,
    ) -> Result<Option<Ending<'a>>, VariableError> {
        let subject = Subject { value: object, numbers: input.numbers };
        let ending = match (&self.check, object) {
            (Check::PodSecurity(standard), Some(object)) => {
                Some(standard.judge(rule, exceptions, object, scope))
            }
            (check, _) => self.judge(check, rule, subject, scope)?,
        };
        match (&ending, input.old_object) {
            (Some(Ending { status: Status::Fail, .. }), Some(old_object))
                if object.is_some() && self.tolerates_existing(rule) =>
            {
                if self.violated_before(rule, input, old_object, scope)? {
                    let message = "skipping the rule evaluation as pre-existing violations are allowed";
                    return Ok(Some(Ending::new(Status::Skip, message)));
                }
                Ok(ending)
            }
            _ => Ok(ending),
        }
    }

    /// Whether an object that violated the rule before may go on doing so: not one that must be signed. Overrides play no
    /// part.
    ///
    /// COMPAT(kyverno): it may not where the rule has preconditions, which are never found to hold for the object as it was.
    fn tolerates_existing(&self, rule: &Rule) -> bool {
        self.allow_existing_violations
            && !matches!(self.check, Check::Manifests(_))
            && !rule.has_preconditions()
            && self.failure_action.map_or(self.policy_enforces, |action| action == FailureAction::Enforce)
    }

    /// Whether the object as it was fails the rule too. It is judged as if it were just created, by nobody.
    fn violated_before<'a>(
        &'a self,
        rule: &'a Rule,
        input: &Input<'a>,
        old_object: Value<'a>,
        scope: &mut Scope<'a, '_, '_>,
    ) -> Result<bool, VariableError> {
        let created = Input {
            operation: Operation::Create,
            gvk: Resource(old_object).gvk(),
            subresource: "",
            object: Some(old_object),
            old_object: None,
            user: Some(User::NOBODY),
            ..*input
        };
        let candidate = Candidate::new(&created, created.object);
        let is_about = rule.is_about(&candidate);
        scope.budget().steps(candidate.steps())?;
        if !is_about {
            return Ok(false);
        }
        let numbers = created.numbers;
        let subject = Subject { value: created.object, numbers };
        // COMPAT(kyverno): the patterns keep the values that they were filled with for the object as it is now.
        let filled = self.filled_patterns(scope);
        let before = within(
            scope.recorder,
            || {
                scope.as_created(old_object, |scope| match (&self.check, filled) {
                    (Check::AnyPattern(_), Some(patterns)) => {
                        self.any_pattern(patterns, rule, numbers, old_object, scope).map(Some)
                    }
                    (_, Some(patterns)) => self.pattern(patterns, rule, numbers, old_object, scope).map(Some),
                    (check, None) => self.judge(check, rule, subject, scope),
                })
            },
            |before, _| {
                let finding = before.as_ref().ok().and_then(Option::as_ref).map(Ending::finding);
                Step::new(Part::OldObject, "").found(finding.unwrap_or_default())
            },
        )?;
        Ok(before.is_some_and(|before| before.status == Status::Fail))
    }

    /// The patterns that the rule itself has, ready for use.
    fn filled_patterns<'a>(&'a self, scope: &mut Scope<'a, '_, '_>) -> Option<Ready<'a>> {
        match &self.check {
            Check::Pattern(source) => Some(source.ready(false, scope)),
            Check::AnyPattern(source) => Some(source.ready(true, scope)),
            _ => None,
        }
    }

    fn judge<'a>(
        &'a self,
        check: &'a Check,
        rule: &'a Rule,
        subject: Subject<'a>,
        scope: &mut Scope<'a, '_, '_>,
    ) -> Result<Option<Ending<'a>>, VariableError> {
        let Subject { value, numbers } = subject;
        match (check, value) {
            (Check::ForEach(loops), _) => self.for_each(loops, rule, subject, scope),
            (Check::Deny(conditions), _) => self.deny(conditions, rule, scope).map(Some),
            (Check::PodSecurity(_) | Check::Manifests(_), None) => Ok(None),
            (Check::PodSecurity(standard), Some(value)) => Ok(Some(standard.judge(rule, &[], value, scope))),
            (Check::Manifests(manifests), Some(value)) => manifests.judge(value, scope).map(Some),
            (Check::Pattern(source), None) => gone(source, false, scope),
            (Check::AnyPattern(source), None) => gone(source, true, scope),
            (Check::Pattern(source), Some(value)) => {
                self.pattern(source.ready(false, scope), rule, numbers, value, scope).map(Some)
            }
            (Check::AnyPattern(source), Some(value)) => {
                self.any_pattern(source.ready(true, scope), rule, numbers, value, scope).map(Some)
            }
        }
    }

    /// What is said of `object` where it plainly fits the pattern, or one of the patterns.
    pub(crate) fn plain_pass<'a>(
        &'a self,
        rule: &'a Rule,
        object: Value<'a>,
        numbers: Numbers,
        run: &mut Run<'a, '_, '_>,
    ) -> Option<&'a str> {
        match &self.check {
            Check::Pattern(PatternSource::Compiled(patterns)) => {
                let fits = patterns.first()?.plainly_fits(object, numbers, run.budget)?;
                fits.then_some(&*rule.passed)
            }
            Check::AnyPattern(PatternSource::Compiled(patterns)) => {
                for (index, pattern) in patterns.iter().enumerate() {
                    if pattern.plainly_fits(object, numbers, run.budget)? {
                        return Some(passed_any(rule, index, run.arena));
                    }
                }
                None
            }
            _ => None,
        }
    }

    fn deny<'a>(
        &'a self,
        conditions: &'a Conditions,
        rule: &'a Rule,
        scope: &mut Scope<'a, '_, '_>,
    ) -> Result<Ending<'a>, VariableError> {
        let verdict = match conditions.evaluate_as(Part::Deny, scope, Numbers::Floats) {
            Ok(verdict) => verdict,
            Err(error) => return Ending::failed("failed to check deny conditions: ", error),
        };
        if !verdict.holds {
            return Ok(Ending::new(Status::Pass, &*rule.passed));
        }
        let own = self.written_message();
        let parts: Vec<&str> = [own, &verdict.message].into_iter().filter(|part| !part.is_empty()).collect();
        let message = if parts.is_empty() {
            format!("validation error: rule {} failed", rule.name)
        } else {
            match Template::render_text(parts.join("; "), scope) {
                Ok(Value::String(text)) => text.to_owned(),
                Ok(_) => "the produced message didn't resolve to a string, check your policy definition."
                    .to_owned(),
                Err(VariableError::Need) => return Err(VariableError::Need),
                Err(_) => verdict.message,
            }
        };
        Ok(Ending::new(Status::Fail, message).with_explanation(verdict.seen))
    }

    fn pattern<'a>(
        &'a self,
        patterns: Ready<'a>,
        rule: &'a Rule,
        numbers: Numbers,
        object: Value<'a>,
        scope: &mut Scope<'a, '_, '_>,
    ) -> Result<Ending<'a>, VariableError> {
        let patterns = match patterns {
            Ok(patterns) => patterns,
            Err(error) => return Ending::failed("variable substitution failed: ", error),
        };
        let Some(pattern) = patterns.first() else { return Ok(Ending::new(Status::Pass, "")) };
        let recorder = scope.recorder;
        let judged = within(
            recorder,
            || match recorder {
                None => pattern.check(object, numbers, scope.budget()),
                Some(_) => pattern.tell(object, numbers, recorder, scope.budget()),
            },
            |verdict, _| pattern_step("", verdict),
        );
        let (status, end, inner) = match judged {
            Ok(Verdict::Pass) => {
                return Ok(Ending::new(Status::Pass, &*rule.passed));
            }
            Ok(Verdict::Skip { message }) => return Ok(Ending::new(Status::Skip, message)),
            Ok(Verdict::Fail { path, message }) => (Status::Fail, format!("failed at path {path}"), message),
            Ok(Verdict::Error { message }) => (Status::Error, format!("execution error: {message}"), message),
            Err(exhausted) => (Status::Error, format!("execution error: {exhausted}"), exhausted.to_string()),
        };
        let name = &rule.name;
        let message = match self.rendered_message(scope)? {
            None => format!("validation error: rule {name} {end}"),
            Some(Ok(message)) => format!("validation error: {} rule {name} {end}", sentence(message)),
            Some(Err(())) => {
                format!(
                    "validation error: variables substitution error in rule {name} execution error: {inner}"
                )
            }
        };
        let explanation = scope.explain.then_some(inner);
        Ok(Ending::new(status, message).with_explanation(explanation))
    }

    /// The rule's message as it is written, empty if it has none.
    fn written_message(&self) -> &str {
        self.message.as_ref().map_or("", |message| &message.written)
    }

    /// The rule's message with its variables replaced; `Err` where one has no value or it is no text.
    fn rendered_message<'a>(
        &'a self,
        scope: &mut Scope<'a, '_, '_>,
    ) -> Result<Option<Result<&'a str, ()>>, VariableError> {
        let Some(message) = &self.message else { return Ok(None) };
        let Some(template) = &message.template else { return Ok(Some(Ok(&message.written))) };
        match template.render(scope) {
            Ok(value) => Ok(Some(value.as_str().ok_or(()))),
            Err(VariableError::Need) => Err(VariableError::Need),
            Err(_) => Ok(Some(Err(()))),
        }
    }

    fn any_pattern<'a>(
        &'a self,
        patterns: Ready<'a>,
        rule: &'a Rule,
        numbers: Numbers,
        object: Value<'a>,
        scope: &mut Scope<'a, '_, '_>,
    ) -> Result<Ending<'a>, VariableError> {
        let patterns = match patterns {
            Ok(patterns) => patterns,
            Err(error) => return Ending::failed("variable substitution failed: ", error),
        };
        let name = &rule.name;
        let arena = scope.arena();
        let passed = |index: usize| Ok(Ending::new(Status::Pass, passed_any(rule, index, arena)));
        let recorder = scope.recorder;
        // What is taken down is the walk that tells texts.
        for (index, pattern) in patterns.iter().enumerate().filter(|_| recorder.is_none()) {
            match pattern.is_satisfied_by(object, numbers, scope.budget()) {
                Ok(true) => return passed(index),
                Ok(false) => {}
                Err(exhausted) => return Ending::failed("", exhausted.into()),
            }
        }
        let (mut failed, mut skipped) = (Vec::new(), Vec::new());
        for (index, pattern) in patterns.iter().enumerate() {
            let judged = within(
                recorder,
                || match recorder {
                    None => pattern.check(object, numbers, scope.budget()),
                    Some(_) => pattern.tell(object, numbers, recorder, scope.budget()),
                },
                |verdict, _| pattern_step(&format!("anyPattern[{index}]"), verdict),
            );
            match judged {
                Ok(Verdict::Pass) => return passed(index),
                Ok(Verdict::Skip { message }) => {
                    skipped.push(format!("rule {name}[{index}] skipped: {message}"))
                }
                Ok(Verdict::Fail { path, .. }) => {
                    failed.push(format!("rule {name}[{index}] failed at path {path}"))
                }
                Ok(Verdict::Error { message }) => {
                    failed.push(format!("rule {name}[{index}] failed: {message}"))
                }
                Err(exhausted) => return Ending::failed("", exhausted.into()),
            }
        }
        if !failed.is_empty() {
            let list = failed.join(" ");
            let message = match self.rendered_message(scope)? {
                None => format!("validation error: {list}"),
                Some(Ok(message)) => format!("validation error: {} {list}", sentence(message)),
                Some(Err(())) => {
                    format!(
                        "validation error: variables substitution error in rule {name} execution error: {list}"
                    )
                }
            };
            return Ok(Ending::new(Status::Fail, message));
        }
        if !skipped.is_empty() {
            return Ok(Ending::new(Status::Skip, skipped.join(" ")));
        }
        // COMPAT(kyverno): an empty list passes with the raw message.
        Ok(Ending::new(Status::Pass, self.written_message()))
    }
}

/// The step of a whole pattern.
fn pattern_step(about: &str, verdict: &Result<Verdict, Exhausted>) -> Step {
    let step = Step::new(Part::Pattern, about);
    match verdict {
        Ok(Verdict::Pass) => step.found(true),
        Ok(Verdict::Skip { message }) => step.found(Finding::Neutral).note(message.as_str()),
        Ok(Verdict::Fail { message, .. } | Verdict::Error { message }) => {
            step.found(false).note(message.as_str())
        }
        Err(exhausted) => step.found(false).note(exhausted.to_string()),
    }
}

/// There is nothing to say about an object that is gone.
///
/// COMPAT(kyverno): but that the variables of the pattern have no value.
fn gone<'a>(
    source: &'a PatternSource,
    is_list: bool,
    scope: &mut Scope<'a, '_, '_>,
) -> Result<Option<Ending<'a>>, VariableError> {
    match source.ready(is_list, scope) {
        Ok(_) => Ok(None),
        Err(error) => Ending::failed("variable substitution failed: ", error).map(Some),
    }
}

/// What is said of an object that fits the pattern at `index` of several.
fn passed_any<'a>(rule: &'a Rule, index: usize, arena: &'a Arena) -> &'a str {
    let index = arena.format(format_args!("{index}"));
    arena.concat(&["validation rule '", &rule.name, "' anyPattern[", index, "] passed."])
}

/// `message` with a full stop at its end.
fn sentence(message: &str) -> Cow<'_, str> {
    if message.ends_with('.') { Cow::Borrowed(message) } else { Cow::Owned(format!("{message}.")) }
}
