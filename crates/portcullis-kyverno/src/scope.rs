//! The variable context of one policy on one input: what `{{ }}` reads.
//!
//! The context document is an arena value, so that the state before a rule is one word to keep and to go back to.
//! Context entries are loaded when an expression first mentions their name, as in the reference.

mod element;
mod target;

use portcullis_jmespath as jmespath;
use portcullis_model::explain::{Part, Recorder, Step, within};
use portcullis_model::{Answer, Answers, Input, Mask, Operation, Question, Resource, ResourceQuery, Run};
use portcullis_value::{Arena, Budget, Exhausted, Object, OwnedValue, Value};

use crate::context::ContextEntry;
use crate::images;
use crate::variable::{Compiled, Query, TemplatePath, VariableError, mentions};

/// How many variables one evaluation may substitute.
const MAX_SUBSTITUTIONS: usize = 10_000;

/// How many elements the loops of one rule may go through, at all levels together.
const MAX_ELEMENTS: usize = 10_000;

/// How many context entries may be in the middle of being loaded: each may ask for the one before it.
const MAX_LOADING: usize = 64;

/// What an evaluation reads variables from.
pub(crate) struct Scope<'a, 'b, 't> {
    arena: &'a Arena,
    answers: &'b Answers,
    /// The answers that were given, each with its copy in the arena: an answer may be large, and asked for again and again.
    copies: Vec<(&'b OwnedValue, Value<'a>)>,
    budget: &'b mut Budget<'t>,
    /// Whether outcomes say why.
    pub(crate) explain: bool,
    /// Whether the object is a Secret, or one was looked up.
    is_secret: bool,
    /// What functions made of Secrets. Their values themselves are masked by who knows all of them.
    made_of_secrets: Mask,
    /// Takes down the steps of the evaluation.
    pub(crate) recorder: Option<&'b Recorder>,
    /// Whether rules about other objects are evaluated.
    pub(crate) side_effects: bool,
    /// Whether outcomes say what reports do.
    pub(crate) reports: bool,
    /// Whether the policy's own match conditions have still to be checked, which only an API server does.
    pub(crate) awaits_match_conditions: bool,
    is_delete: bool,
    /// Whether there is an object to take `images` from.
    has_object: bool,
    now: i64,
    random: u64,
    root: Object<'a>,
    rule_variables: &'a [(&'a str, Object<'a>)],
    /// Those of the rule in hand.
    given: Object<'a>,
    /// Whether what is given for the rule stays, whatever its context entries find outside.
    keeps_given: bool,
    offline: bool,
    /// Entries of the rule in hand and of the loops around. Those before `level` may be loaded.
    entries: Vec<&'a ContextEntry>,
    loaded: Vec<bool>,
    level: usize,
    /// How many entries are being loaded.
    loading: usize,
    substitutions: usize,
    /// How many loops are around.
    loops: usize,
    /// The variables of the last element.
    frame: Option<element::Frame<'a>>,
    /// How many elements the rule in hand may still go through.
    elements: usize,
    /// What has to be known before the evaluation can go on.
    pub(crate) questions: Vec<Question>,
}

impl<'a, 'b, 't> Scope<'a, 'b, 't> {
    pub(crate) fn new<'r: 'b>(input: &Input<'a>, run: &'b mut Run<'a, 'r, 't>) -> Self {
        if let Some(recorder) = run.recorder {
            [input.object, input.old_object].into_iter().flatten().for_each(|object| recorder.hide(object));
        }
        Self {
            arena: run.arena,
            answers: run.answers,
            copies: Vec::new(),
            budget: run.budget,
            explain: run.explain || run.recorder.is_some(),
            is_secret: input.gvk.group.is_empty() && input.gvk.kind == "Secret",
            made_of_secrets: Mask::default(),
            recorder: run.recorder,
            side_effects: run.side_effects,
            reports: run.reports,
            awaits_match_conditions: false,
            is_delete: input.operation == Operation::Delete,
            has_object: input.object.is_some(),
            now: input.now,
            random: input.seed,
            root: input.variables,
            rule_variables: input.rule_variables,
            given: Object::default(),
            keeps_given: false,
            offline: input.offline,
            entries: Vec::new(),
            loaded: Vec::new(),
            level: 0,
            loading: 0,
            substitutions: 0,
            loops: 0,
            frame: None,
            elements: MAX_ELEMENTS,
            questions: Vec::new(),
        }
    }

    pub(crate) fn arena(&self) -> &'a Arena {
        self.arena
    }

    /// What functions made of Secrets.
    pub(crate) fn made_of_secrets(&self) -> &Mask {
        &self.made_of_secrets
    }

    /// Nanoseconds since 1970-01-01 UTC.
    pub(crate) fn now(&self) -> i64 {
        self.now
    }

    pub(crate) fn budget(&mut self) -> &mut Budget<'t> {
        self.budget
    }

    /// Sets `request.object`.
    pub(crate) fn set_object(&mut self, object: Value<'a>) {
        self.set_request_field("object", object);
    }

    /// Fills in the namespace of the object of the request, where it names none.
    ///
    /// COMPAT(kyverno): the first rule of a policy that matches reads the object as it was sent, those after it as it was decoded.
    pub(crate) fn fill_in_namespace(&mut self, namespace: &'a str) {
        let object = self.root.get("request").and_then(|request| request.get("object"));
        let Some(object) = object.filter(|object| Resource(*object).namespace().is_empty()) else { return };
        if !namespace.is_empty() {
            self.set_object(object.with(self.arena, &["metadata", "namespace"], Value::String(namespace)));
        }
    }

    fn set_request_field(&mut self, key: &'a str, value: Value<'a>) {
        let request = self.root.get("request").and_then(Value::as_object).unwrap_or_default();
        self.set("request", Value::Object(request.with(self.arena, key, value)));
    }

    /// Sets a variable, taking the place of one of that name.
    pub(crate) fn set(&mut self, name: &'a str, value: Value<'a>) {
        self.root = self.root.with(self.arena, name, value);
    }

    /// The value of the variable `name`, if it is there already.
    pub(crate) fn get(&self, name: &str) -> Option<Value<'a>> {
        self.root.get(name)
    }

    /// The operation of the request as variables have it, where it is one that there is and no context entry of the rule has
    /// a say in it.
    pub(crate) fn plain_operation(&self) -> Option<Operation> {
        let operation = self.root.get("request")?.get("operation")?.as_str()?;
        if self.entries.is_empty() { operation.parse().ok() } else { None }
    }

    /// Runs `inner` as the rule `name`: with `entries` as its context and the variables given for it. What it sets is
    /// forgotten afterwards.
    pub(crate) fn for_rule<T>(
        &mut self,
        name: &str,
        entries: &'a [ContextEntry],
        inner: impl FnOnce(&mut Self) -> T,
    ) -> T {
        let root = self.root;
        self.elements = MAX_ELEMENTS;
        self.level = entries.len();
        if !entries.is_empty() {
            self.entries.extend(entries);
            self.loaded.resize(entries.len(), false);
        }
        let given = self.rule_variables.iter().find(|(rule, _)| *rule == name);
        self.given = given.map_or_else(Object::default, |(_, given)| *given);
        if given.is_some() {
            self.root = root.merged(self.arena, self.given);
        }
        let result = inner(self);
        if let Some(recorder) = self.recorder {
            let not_loaded = self.entries.iter().zip(&self.loaded).filter(|(_, loaded)| !**loaded);
            for (entry, _) in not_loaded {
                recorder.add(Step::new(Part::Variable, &*entry.name).note("nothing asked for it"));
            }
        }
        // A loop of the next rule takes what is left for what was loaded around it.
        self.entries.clear();
        self.loaded.clear();
        self.root = root;
        result
    }

    /// Runs `inner`, which judges the preconditions of the rule.
    ///
    /// COMPAT(kyverno): a context entry that finds its value outside is asked there, and may fail; but where the values file gives
    /// the rule a variable of its name, preconditions go by that. What comes after them goes by what was found.
    pub(crate) fn for_preconditions<T>(&mut self, inner: impl FnOnce(&mut Self) -> T) -> T {
        self.keeps_given = true;
        let result = inner(self);
        self.keeps_given = false;
        result
    }

    /// Runs `inner` as if `object` were just being created.
    pub(crate) fn as_created<T>(&mut self, object: Value<'a>, inner: impl FnOnce(&mut Self) -> T) -> T {
        let root = self.root;
        let request = root.get("request").unwrap_or_default().without(self.arena, &["oldObject"]);
        self.set("request", request);
        self.set_request_field("operation", Value::String(Operation::Create.as_str()));
        self.set_object(object);
        let result = inner(self);
        self.root = root;
        result
    }

    /// Runs `inner` one level deeper.
    pub(crate) fn nested<T>(
        &mut self,
        inner: impl FnOnce(&mut Self) -> Result<T, VariableError>,
    ) -> Result<T, VariableError> {
        self.budget.enter()?;
        let result = inner(self);
        self.budget.leave();
        result
    }

    pub(crate) fn spend_bytes(&mut self, count: usize) -> Result<(), VariableError> {
        Ok(self.budget.bytes(count)?)
    }

    /// The value of a variable that stands at `path`, with the reference's words for a failure.
    pub(crate) fn resolve(
        &mut self,
        query: &'a Query,
        path: &TemplatePath,
    ) -> Result<Value<'a>, VariableError> {
        let compiled = query.compiled(self.is_delete, || self.has_target());
        self.query_compiled(compiled).map_err(|error| {
            error.map_text(|text| format!("failed to resolve {} at path {path}: {text}", compiled.source))
        })
    }

    /// The value of an expression that was put together while evaluating.
    pub(crate) fn resolve_text(
        &mut self,
        expression: &str,
        path: &TemplatePath,
    ) -> Result<Value<'a>, VariableError> {
        let query = Query::variable(expression, None);
        let compiled = query.compiled(self.is_delete, || self.has_target());
        self.query_transient(compiled).map_err(|error| {
            error.map_text(|text| format!("failed to resolve {} at path {path}: {text}", compiled.source))
        })
    }

    /// The value of an expression that does not outlive the call; a failure has no frame around it.
    pub(crate) fn query_transient(&mut self, compiled: &Compiled) -> Result<Value<'a>, VariableError> {
        self.prepare(compiled)?;
        self.search_transient(compiled, Value::Object(self.root))
    }

    /// Evaluates `compiled`, which does not outlive the call, on `document`.
    pub(crate) fn search_transient(
        &mut self,
        compiled: &Compiled,
        document: Value<'a>,
    ) -> Result<Value<'a>, VariableError> {
        let arena = self.arena;
        let found = self.search(compiled, document)?;
        self.weigh(found)?;
        Ok(found.copy_to(arena))
    }

    /// Spends the bytes that a copy of `value` takes, and a step for each element of it. What is made of variables that are
    /// made of variables may share its parts, and be far larger and deeper than the memory that it takes.
    pub(crate) fn weigh(&mut self, value: Value<'_>) -> Result<(), VariableError> {
        let bytes = weight(value, self.budget)?;
        self.spend_bytes(bytes)
    }

    fn query_compiled(&mut self, compiled: &'a Compiled) -> Result<Value<'a>, VariableError> {
        self.prepare(compiled)?;
        self.search(compiled, Value::Object(self.root))
    }

    /// Evaluates `compiled` on `document`.
    pub(crate) fn search<'x>(
        &mut self,
        compiled: &'x Compiled,
        document: Value<'x>,
    ) -> Result<Value<'x>, VariableError>
    where
        'a: 'x,
    {
        let expression =
            compiled.expression.as_ref().map_err(|text| VariableError::unresolved(text.as_str()))?;
        let random = &mut self.random;
        let mut context = jmespath::Context {
            arena: self.arena,
            budget: self.budget,
            now: self.now,
            random: &mut || jmespath::splitmix(random),
        };
        let found = expression.search(document, &mut context);
        if self.is_secret && compiled.source.contains('(') {
            self.hide_made(expression, &found);
        }
        found.map_err(|error| match error {
            jmespath::Error::Exhausted(exhausted) => VariableError::Exhausted(exhausted),
            error => VariableError::Unresolved {
                missing_key: matches!(error, jmespath::Error::MissingKey(_)),
                text: format!("JMESPath query failed: {error}"),
            },
        })
    }

    /// Masks what the functions of `expression` made of a Secret, which is no value of it any more and as secret, and what an
    /// error tells of it.
    fn hide_made(&mut self, expression: &jmespath::Expression, found: &Result<Value<'_>, jmespath::Error>) {
        if expression.sources().iter().all(|path| is_open(path)) {
            return;
        }
        let made = match found {
            Ok(value) => *value,
            Err(jmespath::Error::Runtime(text)) if expression.problems().is_empty() => Value::String(text),
            Err(_) => return,
        };
        self.made_of_secrets.hide_all(made);
        if let Some(recorder) = self.recorder {
            recorder.hide_derived(made);
        }
    }

    /// Loads what an expression mentions, once per rule.
    fn prepare(&mut self, compiled: &Compiled) -> Result<(), VariableError> {
        self.substitutions += 1;
        if self.substitutions > MAX_SUBSTITUTIONS {
            return Err(VariableError::Exhausted(Exhausted::Steps));
        }
        for index in 0..self.level {
            let Some(entry) = self.entries.get(index).copied() else { break };
            let loaded = self.loaded.get(index).copied().unwrap_or(true);
            if loaded || !mentions(&compiled.source, &entry.name) {
                continue;
            }
            // An entry that failed is not tried again: a second query finds no such key.
            if let Some(loaded) = self.loaded.get_mut(index) {
                *loaded = true;
            }
            if let Some(value) = self.load(index, entry)?
                && !self.keeps_given_for(index, entry)
            {
                self.set(&entry.name, value);
            }
        }
        if self.has_object
            && compiled.mentions_images
            && self.root.get("images").is_none()
            && let Some(object) = self.root.get("request").and_then(|request| request.get("object"))
            && let Some(images) = images::of(self.arena, object).map_err(VariableError::unresolved)?
        {
            self.set("images", images);
        }
        Ok(())
    }

    /// Whether the value stays that is given for `entry`, the one at `index`. Then it is loaded again where it no longer does.
    fn keeps_given_for(&mut self, index: usize, entry: &ContextEntry) -> bool {
        let keeps = self.keeps_given && entry.is_outside() && self.given.contains_key(&entry.name);
        if keeps && let Some(loaded) = self.loaded.get_mut(index) {
            *loaded = false;
        }
        if keeps && let Some(recorder) = self.recorder {
            let step = Step::new(Part::Variable, &*entry.name);
            recorder.add(step.note("the value that is given for the rule stays in its preconditions"));
        }
        keeps
    }

    /// Loads `entry`, the one at `index`, which sees those before it.
    fn load(&mut self, index: usize, entry: &'a ContextEntry) -> Result<Option<Value<'a>>, VariableError> {
        within(
            self.recorder,
            || {
                let level = std::mem::replace(&mut self.level, index);
                self.loading += 1;
                let loading = match self.loading > MAX_LOADING {
                    true => Err(VariableError::Exhausted(Exhausted::Depth)),
                    false => entry.load(self),
                };
                self.loading -= 1;
                self.level = level;
                loading
            },
            |loading, recorder| entry.step(loading, recorder),
        )
    }

    /// Whether nobody is there to ask: what is looked up outside is passed over.
    pub(crate) fn is_offline(&self) -> bool {
        self.offline
    }

    /// The resources that `query` asks for; none where nobody can be asked.
    ///
    /// # Errors
    /// As [`Scope::ask`].
    pub(crate) fn resources(&mut self, query: ResourceQuery) -> Result<&'a [Value<'a>], VariableError> {
        let answer = self.ask(Question::Resources(query))?;
        Ok(answer.and_then(Value::as_array).unwrap_or_default())
    }

    /// The answer to `question`: `None` where nobody can be asked.
    ///
    /// # Errors
    /// It has not been asked yet (it is noted, and the evaluation is to be ended), or asking failed.
    pub(crate) fn ask(&mut self, question: Question) -> Result<Option<Value<'a>>, VariableError> {
        let answer = self.answers.get(&question);
        if let (Some(recorder), Some(answer)) = (self.recorder, answer) {
            recorder.add(asked(&question, answer, recorder));
        }
        match answer {
            Some(Answer::Value(value) | Answer::OfSecrets(value)) => {
                let known = self.copies.iter().find(|(of, _)| std::ptr::eq(*of, &**value));
                let copy = match known {
                    Some((_, copy)) => *copy,
                    None => value.copy_to(self.arena),
                };
                if known.is_none() {
                    self.is_secret |= Mask::is_needed_for(value);
                    self.copies.push((value, copy));
                    if matches!(answer, Some(Answer::OfSecrets(_))) {
                        self.is_secret = true;
                        self.made_of_secrets.hide_all(copy);
                    }
                }
                Ok(Some(copy))
            }
            Some(Answer::Failed(text)) => Err(VariableError::unresolved(text.as_str())),
            Some(Answer::Unavailable) => Ok(None),
            None => {
                self.questions.push(question);
                Err(VariableError::Need)
            }
        }
    }
}

/// Whether what lies at `path` of the variable context is no secret, even of a Secret: who asks, and what the object is called.
fn is_open(path: &[&str]) -> bool {
    match path {
        ["request", "object" | "oldObject", rest @ ..] => match rest {
            // One annotation may hold the whole object.
            ["metadata", field, ..] => *field != "annotations",
            [field, ..] => !matches!(*field, "data" | "stringData" | "metadata"),
            [] => false,
        },
        ["request", _, ..] | ["serviceAccountName"] | ["serviceAccountNamespace"] => true,
        _ => false,
    }
}

/// The step of a question and its answer.
fn asked(question: &Question, answer: &Answer, recorder: &Recorder) -> Step {
    let step = Step::new(Part::Question, question.to_string());
    match answer {
        Answer::Value(value) => {
            let arena = Arena::new();
            let value = value.copy_to(&arena);
            recorder.hide(value);
            step.found(true).seen(recorder.show(value))
        }
        Answer::OfSecrets(value) => {
            recorder.hide_all(value.copy_to(&Arena::new()));
            step.found(true).seen(Mask::TEXT)
        }
        Answer::Failed(text) => step.found(false).note(text.as_str()),
        Answer::Unavailable => step.note("nobody can be asked"),
    }
}

/// About how many bytes `value` takes.
fn weight(value: Value<'_>, budget: &mut Budget<'_>) -> Result<usize, Exhausted> {
    let inner = match value {
        Value::String(text) => text.len(),
        Value::Array(items) => budget.nested(|budget| {
            budget.steps(items.len() as u64)?;
            items.iter().try_fold(0, |sum: usize, item| Ok(sum.saturating_add(weight(*item, budget)?)))
        })?,
        Value::Object(object) => budget.nested(|budget| {
            budget.steps(object.len() as u64)?;
            object.iter().try_fold(0, |sum: usize, (key, item)| {
                let entry = (size_of::<&str>() + key.len()).saturating_add(weight(item, budget)?);
                Ok(sum.saturating_add(entry))
            })
        })?,
        _ => 0,
    };
    Ok(size_of::<Value<'_>>().saturating_add(inner))
}
