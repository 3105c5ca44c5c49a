//! `PolicyException`: what rules do not apply to (`kyverno.io/v2`, `v2beta1`).
//!
//! Exceptions are attached to the rules that they name when policies are put together ([`Policy::excepting`]); whether one
//! holds is asked once a rule matches and its preconditions are met.
//!
//! [`Policy::excepting`]: crate::Policy::excepting

pub(crate) mod expiry;

use std::sync::Arc;

use portcullis_gocompat::wildcard::Wildcard;
use portcullis_model::explain::{Part, Step, within};
use portcullis_model::{Input, Needs, Numbers, Resource, Status};
use portcullis_value::Value;

use crate::condition::Conditions;
use crate::ending::Ending;
use crate::matching::{Candidate, Filter, Matching};
use crate::pod_security::{Exclusion, exclusions};
use crate::rule::Action;
use crate::scope::Scope;
use crate::variable::VariableError;

/// A PolicyException, compiled.
#[derive(Debug)]
pub struct PolicyException {
    namespace: Box<str>,
    name: Box<str>,
    rules: Box<[Rules]>,
    matching: Matching,
    conditions: Option<Conditions>,
    /// What is left out of rules about pod security, which apply but for that; `None` where they do not apply at all.
    pod_security: Option<Box<[Exclusion]>>,
    /// From when on it holds for nothing, in nanoseconds since 1970.
    ends: Option<i128>,
}

/// Rules that there is an exception from.
#[derive(Debug)]
struct Rules {
    /// The key of their policy: `name`, or `namespace/name` of a Policy.
    policy: Box<str>,
    names: Box<[Wildcard]>,
}

fn list<'a>(value: Value<'a>, key: &str) -> &'a [Value<'a>] {
    value.get(key).and_then(Value::as_array).unwrap_or_default()
}

impl PolicyException {
    /// Compiles a document, which [`Findings::of_exception`](crate::Findings::of_exception) found no error in.
    pub fn compile(document: Value<'_>) -> Self {
        let resource = Resource(document);
        let spec = document.get("spec").unwrap_or_default();
        let present = |key: &str| spec.get(key).filter(|value| !value.is_null());
        let rules = |entry: &Value<'_>| Rules {
            policy: entry.get("policyName").and_then(Value::as_str).unwrap_or_default().into(),
            names: list(*entry, "ruleNames")
                .iter()
                .filter_map(|rule| rule.as_str())
                .map(Wildcard::new)
                .collect(),
        };
        let pod_security = present("podSecurity").map(exclusions).filter(|exclusions| !exclusions.is_empty());
        Self {
            namespace: resource.namespace().into(),
            name: resource.name().into(),
            rules: list(spec, "exceptions").iter().map(rules).collect(),
            matching: Matching::compile(spec.get("match").unwrap_or_default()),
            conditions: present("conditions").map(Conditions::compile),
            pod_security,
            ends: expiry::of(document),
        }
    }

    /// `namespace/name`, or the name alone of one in a file that says no namespace.
    fn key(&self) -> String {
        match &*self.namespace {
            "" => self.name.to_string(),
            namespace => format!("{namespace}/{}", self.name),
        }
    }

    /// The keys of the policies that it names rules of: `name`, or `namespace/name` of a Policy. Each comes once.
    pub fn policies(&self) -> impl Iterator<Item = &str> {
        let named = self.rules.iter().map(|rules| &*rules.policy);
        named.enumerate().filter_map(|(place, policy)| {
            let before = self.rules.iter().take(place);
            (!before.into_iter().any(|rules| *rules.policy == *policy)).then_some(policy)
        })
    }

    /// Whether it names a rule; `policy` is the key of its policy.
    pub(crate) fn names(&self, policy: &str, rule: &str) -> bool {
        let of_policy = self.rules.iter().filter(|rules| *rules.policy == *policy);
        of_policy.flat_map(|rules| &rules.names).any(|pattern| pattern.matches(rule))
    }

    /// What it leaves out of a rule about pod security.
    pub(crate) fn pod_security(&self) -> &[Exclusion] {
        self.pod_security.as_deref().unwrap_or_default()
    }

    fn has_ended(&self, now: i64) -> bool {
        self.ends.is_some_and(|end| end <= i128::from(now))
    }

    /// Whether it holds for the object. What cannot be told does not except.
    fn holds<'a>(
        &'a self,
        candidate: &Candidate<'_>,
        scope: &mut Scope<'a, '_, '_>,
    ) -> Result<bool, VariableError> {
        if self.has_ended(scope.now()) {
            return Ok(false);
        }
        let excepts = self.matching.excepts(candidate, scope.recorder);
        if scope.budget().steps(candidate.steps()).is_err() || !excepts {
            return Ok(false);
        }
        match &self.conditions {
            None => Ok(true),
            Some(conditions) => match conditions.evaluate(scope, Numbers::Floats) {
                Ok(verdict) => Ok(verdict.holds),
                Err(VariableError::Need) => Err(VariableError::Need),
                Err(_) => Ok(false),
            },
        }
    }
}

/// The facts that `exceptions` may ask for.
pub(crate) fn needs(exceptions: &[Arc<PolicyException>]) -> Needs {
    let any_filter = |has: fn(&Filter) -> bool| {
        exceptions.iter().flat_map(|exception| exception.matching.filters()).any(has)
    };
    let variables = exceptions.iter().any(|exception| exception.conditions.is_some());
    Needs {
        namespace_labels: any_filter(Filter::reads_namespace_labels),
        user: variables || any_filter(Filter::has_user),
        roles: variables || any_filter(Filter::has_user),
        variables,
    }
}

/// Those of `exceptions` that hold for `object` of `input`.
///
/// # Errors
/// The evaluation has to wait for an answer.
pub(crate) fn holding<'a>(
    exceptions: &'a [Arc<PolicyException>],
    input: &Input<'a>,
    object: Option<Value<'a>>,
    scope: &mut Scope<'a, '_, '_>,
) -> Result<Vec<&'a PolicyException>, VariableError> {
    let mut holding = Vec::new();
    for exception in exceptions {
        let has_ended = exception.has_ended(scope.now());
        let holds = within(
            scope.recorder,
            || exception.holds(&Candidate::new(input, object), scope),
            |holds, _| {
                let step = Step::new(Part::Exception, exception.key()).found(matches!(holds, Ok(true)));
                if has_ended { step.note("it has ended, by its label") } else { step }
            },
        );
        if holds? {
            holding.push(&**exception);
        }
    }
    Ok(holding)
}

/// How a rule ends to which `exceptions` hold. Of several that overlap each lets off what it names, so that one for the whole rule
/// leaves nothing to those for parts of it. `None` where there are none, or where the rule applies but for parts of it.
pub(crate) fn skip<'a>(exceptions: &[&PolicyException], action: &Action) -> Option<Ending<'a>> {
    let rest = match action {
        Action::Validate(validation) if validation.is_pod_security() => {
            let whole = exceptions.iter().find(|exception| exception.pod_security.is_none())?;
            return Some(skipped(&[whole], &format!(" {}", whole.key())));
        }
        _ if exceptions.is_empty() => return None,
        // What is done in the background says it otherwise.
        Action::MutateExisting(_) | Action::Generate(_) => format!(" {}", keys(exceptions)),
        // COMPAT(kyverno): there is no space before the first key.
        _ => format!("s{}", keys(exceptions)),
    };
    Some(skipped(exceptions, &rest))
}

/// How a rule about pod security ends of which `exceptions` leave nothing that an object fails.
pub(crate) fn skip_in_parts<'a>(exceptions: &[&PolicyException]) -> Ending<'a> {
    skipped(exceptions, &format!("s {}", keys(exceptions)))
}

fn skipped<'a>(exceptions: &[&PolicyException], rest: &str) -> Ending<'a> {
    let names: Vec<&str> = exceptions.iter().map(|exception| &*exception.name).collect();
    let ending = Ending::new(Status::Skip, format!("rule is skipped due to policy exception{rest}"));
    ending.with_properties(vec![("exceptions", names.join(","))])
}

fn keys(exceptions: &[&PolicyException]) -> String {
    let keys: Vec<String> = exceptions.iter().map(|exception| exception.key()).collect();
    keys.join(", ")
}
