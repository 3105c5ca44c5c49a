//! `generate`: objects that a rule makes, from data or as copies of others.

mod labels;
mod pattern;

use portcullis_model::explain::{Finding, Part, Step};
use portcullis_model::{Resource, SideEffect, Status};
use portcullis_value::Value;

use crate::ending::Ending;
use crate::foreach::ForEach;
use crate::scope::Scope;
use crate::shared::Parts;
use crate::variable::VariableError;

use pattern::Pattern;

/// A generate block, compiled.
#[derive(Debug)]
pub(crate) struct Generation {
    origin: Origin,
    /// Whether what was generated follows its source: what is there already is overwritten.
    synchronize: bool,
    patterns: Patterns,
}

/// Where generated objects come from, as their labels say.
#[derive(Debug)]
struct Origin {
    policy: Box<str>,
    /// Empty for a cluster-wide policy.
    namespace: Box<str>,
    rule: Box<str>,
}

/// What is generated.
#[derive(Debug)]
enum Patterns {
    One(Pattern),
    ForEach(Box<[ForEach<Pattern>]>),
}

impl Generation {
    /// Compiles `rule` of the policy whose `parts` are compiled so far.
    pub(crate) fn compile<'d>(rule: Value<'d>, parts: &Parts<'d>) -> Self {
        let generate = rule.get("generate").unwrap_or_default();
        let entries = generate.get("foreach").and_then(Value::as_array).unwrap_or_default();
        let patterns = match entries {
            [] => Patterns::One(Pattern::compile(generate)),
            entries => Patterns::ForEach(ForEach::compile(entries, parts.namespace, Pattern::compile)),
        };
        Self {
            origin: Origin {
                policy: parts.policy.into(),
                namespace: parts.namespace.into(),
                rule: rule.get("name").and_then(Value::as_str).unwrap_or_default().into(),
            },
            synchronize: generate.get("synchronize").and_then(Value::as_bool).unwrap_or_default(),
            patterns,
        }
    }

    /// The objects that the rule makes for `trigger`: those that are not there yet, and with `synchronize` the others.
    ///
    /// COMPAT(kyverno): the rule passes as soon as it applies; that an object cannot be made is no failure of it.
    ///
    /// # Errors
    /// The evaluation has to wait for an answer.
    pub(crate) fn apply<'a>(
        &'a self,
        trigger: Resource<'a>,
        scope: &mut Scope<'a, '_, '_>,
    ) -> Result<Ending<'a>, VariableError> {
        let mut making = Making { generation: self, trigger, objects: Vec::new(), failures: Vec::new() };
        let made = match &self.patterns {
            Patterns::One(pattern) => making.make(pattern, scope),
            Patterns::ForEach(loops) => making.make_each(loops, scope),
        };
        if let Err(error) = made {
            return Ending::failed("", error);
        }
        let failure = (!making.failures.is_empty()).then(|| making.failures.join("; "));
        let side_effect = SideEffect::Generated { objects: making.objects, failure };
        Ok(Ending::new(Status::Pass, "").with_side_effect(side_effect))
    }
}

/// Objects in the making.
struct Making<'a> {
    generation: &'a Generation,
    trigger: Resource<'a>,
    objects: Vec<Value<'a>>,
    failures: Vec<String>,
}

impl<'a> Making<'a> {
    /// Adds what `pattern` makes, or why it makes nothing.
    fn make(&mut self, pattern: &'a Pattern, scope: &mut Scope<'a, '_, '_>) -> Result<(), VariableError> {
        match pattern.objects(self.generation, self.trigger, scope) {
            Ok(objects) => {
                if let Some(recorder) = scope.recorder {
                    for object in &objects {
                        recorder.hide(*object);
                        let key = Resource(*object).key().to_string();
                        let step = Step::new(Part::Generated, key).found(true);
                        recorder.add(step.seen(recorder.show(*object)));
                    }
                }
                self.objects.extend(objects);
            }
            Err(error) => {
                if let Some(recorder) = scope.recorder {
                    recorder.add(Step::new(Part::Generated, "").found(false).note(error.to_string()));
                }
                self.take(Err(error))?;
            }
        }
        Ok(())
    }

    /// The others are made where one element fails.
    fn make_each(
        &mut self,
        loops: &'a [ForEach<Pattern>],
        scope: &mut Scope<'a, '_, '_>,
    ) -> Result<(), VariableError> {
        for entry in loops {
            let elements = match scope.elements(&entry.list) {
                Ok(elements) => elements,
                Err(error) => {
                    let list = &entry.list.source;
                    let error = error.map_text(|text| format!("failed to evaluate list {list}: {text}"));
                    self.take(Err(error))?;
                    continue;
                }
            };
            for (index, element) in elements.iter().enumerate().filter(|(_, element)| !element.is_null()) {
                let made = entry.for_element(
                    index,
                    *element,
                    scope,
                    |pattern, scope| match entry.unmet(scope)? {
                        None => self.make(pattern, scope),
                        Some(_) => Ok(()),
                    },
                    |()| Finding::Neutral,
                );
                self.take(made)?;
            }
        }
        Ok(())
    }

    /// Keeps the text of a failure.
    ///
    /// # Errors
    /// A limit was run into, or the evaluation has to wait for an answer.
    fn take(&mut self, made: Result<(), VariableError>) -> Result<(), VariableError> {
        match made {
            Err(VariableError::Unresolved { text, .. }) => {
                self.failures.push(text);
                Ok(())
            }
            made => made,
        }
    }
}
