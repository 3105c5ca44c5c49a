//! Policies, loaded and checked.

use std::convert::Infallible;
use std::mem;
use std::sync::Arc;

use portcullis_kyverno::{Findings, Policy, PolicyException};
use portcullis_model::{Diagnostic, Gvk, Resource, Severity};
use portcullis_value::{Arena, Pointer, Value};
use portcullis_yaml::{Marks, Source};

use super::documents;
use super::inputs::{Input, Inputs};
use super::sort::{Sort, is_built_in};
use crate::diagnostics::{self, Reporter};
use crate::files;
use crate::surroundings::{Stream, Surroundings};

/// The policies of a run.
#[derive(Debug, Default)]
pub(crate) struct Policies {
    pub(crate) policies: Vec<Policy>,
    /// Policies with a mistake: they take no part.
    pub(crate) left_out: Vec<LeftOut>,
    /// The rules of all of them, generated ones and those of policies left out included.
    pub(crate) rules: usize,
    /// Whether a policy may ask for other resources.
    pub(crate) ask_for_resources: bool,
    /// Documents and files that could not be used at all.
    pub(crate) errors: usize,
    /// The kind of the first object of the file at hand that is no policy.
    stranger: Option<String>,
    /// Whether something was said of an object of the file at hand that is no policy.
    is_told: bool,
    /// Exceptions in the same files, where they are looked for.
    exceptions: Option<Vec<Arc<PolicyException>>>,
    /// Whether an object of Kubernetes that is no policy is a mistake.
    are_alone: bool,
}

/// A policy that is not used.
#[derive(Debug)]
pub(crate) struct LeftOut {
    pub(crate) name: String,
    pub(crate) fault: Fault,
    /// What is wrong with it, as the reference says it.
    pub(crate) reason: String,
}

/// What is wrong with a policy that is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It has a field that its kind has not.
    UnknownField,
    /// It is not of the form that its kind has otherwise: a wrong type, an unknown version.
    Form,
    /// It has the form, and says what cannot be.
    Refused,
    /// Policies of its kind are not run yet.
    NotYet,
}

impl Policies {
    /// Loads what `paths` name, where nothing but policies is to be: the list of a test. Mistakes are told.
    pub(crate) fn load_alone(paths: &[String], surroundings: &mut Surroundings<'_>) -> Self {
        Self { are_alone: true, ..Self::default() }.with_paths(paths, surroundings)
    }

    /// Loads what `paths` name. Mistakes are told.
    pub(crate) fn load(paths: &[String], surroundings: &mut Surroundings<'_>) -> Self {
        Self::default().with_paths(paths, surroundings)
    }

    /// COMPAT(kyverno): a path is passed over whose last part begins with a dot, `.` and `..` themselves too.
    fn with_paths(self, paths: &[String], surroundings: &mut Surroundings<'_>) -> Self {
        let (hidden, seen): (Vec<_>, Vec<_>) = paths.iter().cloned().partition(|path| files::is_dotted(path));
        for path in hidden {
            let message = format!("`{path}` is passed over: its name begins with a dot");
            diagnostics::warning(&mut surroundings.stderr, &message);
        }
        self.with_files(&seen, surroundings)
    }

    /// Loads what `paths` name, and makes the exceptions that stand in the same files.
    pub(crate) fn load_with_exceptions(paths: &[String], surroundings: &mut Surroundings<'_>) -> Self {
        let empty = Self { exceptions: Some(Vec::new()), ..Self::default() };
        let mut policies = empty.with_files(paths, surroundings);
        let exceptions = policies.exceptions.take().unwrap_or_default();
        policies.except(&exceptions);
        policies
    }

    fn with_files(mut self, paths: &[String], surroundings: &mut Surroundings<'_>) -> Self {
        let mut found = Inputs::find(paths, true, surroundings);
        self.errors += found.errors;
        self.files(&mut found.inputs, &mut surroundings.stderr);
        self
    }

    fn files(&mut self, inputs: &mut [Input], stderr: &mut Stream<'_>) {
        inputs.iter_mut().for_each(|input| self.file(input, stderr));
    }

    /// How many mistakes there are in the policies and exceptions that `inputs` hold. They are told.
    pub(crate) fn mistakes(inputs: &mut [Input], stderr: &mut Stream<'_>) -> usize {
        let mut policies = Self { exceptions: Some(Vec::new()), ..Self::default() };
        policies.files(inputs, stderr);
        policies.errors + policies.left_out.len()
    }

    /// Makes exceptions to them.
    pub(crate) fn except(&mut self, exceptions: &[Arc<PolicyException>]) {
        let policies = mem::take(&mut self.policies);
        self.policies = policies.into_iter().map(|policy| policy.excepting(exceptions)).collect();
    }

    fn file(&mut self, input: &mut Input, stderr: &mut Stream<'_>) {
        let before = self.found();
        (self.stranger, self.is_told) = (None, false);
        let (name, is_named) = (input.name.clone(), input.is_named);
        let mut arena = Arena::new();
        let told = documents::each(input, stderr, |source, stderr| {
            arena.reset();
            self.document(&arena, source, &mut Reporter::new(&name, stderr));
            Ok::<_, Infallible>(0)
        });
        self.errors += told.unwrap_or_default();
        if is_named && before == self.found() && !self.is_told {
            let hint = match self.stranger.take() {
                Some(kind) if kind.ends_with("/PolicyException") => {
                    "it holds a PolicyException: those are given with `--exception`".to_owned()
                }
                Some(kind) => {
                    format!("it holds the resource `{kind}`: did that take the place of the policy?")
                }
                None => "a policy has `apiVersion: kyverno.io/v1` and `kind: ClusterPolicy`".to_owned(),
            };
            let mut reporter = Reporter::new(&name, stderr);
            reporter.whole(Severity::Warning, "there is no policy in this file", Some(&hint));
        }
    }

    /// How much was found so far, mistakes included.
    fn found(&self) -> usize {
        let exceptions = self.exceptions.as_ref().map_or(0, Vec::len);
        self.policies.len() + self.left_out.len() + exceptions + self.errors
    }

    fn document(&mut self, arena: &Arena, source: Source<'_>, reporter: &mut Reporter<'_, '_>) {
        let document = match source.read_marked(arena) {
            Ok(document) => document,
            Err(error) => {
                self.errors += 1;
                return reporter.syntax(source, &error);
            }
        };
        let is_policy =
            |value| !matches!(Sort::of(Gvk::of(value)), Sort::Exception | Sort::Foreign(_) | Sort::Other);
        let mut are_duplicates_told = false;
        let told = documents::objects(arena, document.value, &mut |object, place| {
            if is_policy(object) && !mem::replace(&mut are_duplicates_told, true) {
                document.duplicates.iter().for_each(|duplicate| reporter.duplicate(source, duplicate));
            }
            let marks = documents::marks_at(document.marks, place);
            let gvk = Gvk::of(object);
            // COMPAT(kyverno): what stands in a `List` is passed over, and so is what nobody knows.
            let is_other = matches!(Sort::of(gvk), Sort::MisspeltKind(_) | Sort::Other);
            if self.are_alone && place.is_empty() && is_other && is_built_in(gvk) {
                self.errors += 1;
                let error = Diagnostic::error(at("kind"), format!("`{gvk}` is no policy"));
                let hint = "resources of a test stand under its `resources`";
                reporter.diagnostic(source, &marks, &error.with_hint(hint));
                return Ok::<_, Infallible>(());
            }
            self.policy(object, source, marks, reporter);
            Ok::<_, Infallible>(())
        });
        told.unwrap_or_else(|never| match never {});
    }

    fn policy(
        &mut self,
        value: Value<'_>,
        source: Source<'_>,
        marks: Marks<'_>,
        reporter: &mut Reporter<'_, '_>,
    ) {
        let gvk = Gvk::of(value);
        let mut refusal = None;
        let (fault, mut diagnostics) = match Sort::of(gvk) {
            Sort::Exception => return self.exception(value, source, &marks, reporter),
            Sort::Other => {
                let kind = (!gvk.kind.is_empty()).then(|| gvk.to_string());
                self.stranger = self.stranger.take().or(kind);
                return;
            }
            Sort::Foreign(engine) => {
                self.is_told = true;
                let warning = Diagnostic::warning(
                    at("apiVersion"),
                    format!("`{gvk}` is a policy of {engine}, and not run"),
                );
                let hint = "policies that are run have `apiVersion: kyverno.io/v1`";
                return reporter.diagnostic(source, &marks, &warning.with_hint(hint));
            }
            Sort::MisspeltKind(meant) => {
                self.errors += 1;
                let message = format!("there is no kind `{}` in `{}`", gvk.kind, gvk.group);
                let error =
                    Diagnostic::error(at("kind"), message).with_hint(format!("did you mean `{meant}`?"));
                return reporter.diagnostic(source, &marks, &error);
            }
            Sort::Later => (Fault::NotYet, vec![not_yet(gvk)]),
            Sort::MisspeltGroup => (Fault::Form, vec![unknown_version(gvk)]),
            Sort::Classic if !matches!(gvk.version, "v1" | "v2beta1") => {
                (Fault::Form, vec![unknown_version(gvk)])
            }
            Sort::Classic => {
                let findings = Findings::of(value, None);
                let fault = match findings.is_against_schema() {
                    true if findings.has_unknown_field() => Fault::UnknownField,
                    true => Fault::Form,
                    false => Fault::Refused,
                };
                refusal = findings.refusal();
                (fault, findings.into_diagnostics())
            }
        };
        // In the order of the text, as a person goes through it.
        diagnostics.sort_by_key(|diagnostic| marks.at(&diagnostic.path).map(|place| place.start));
        // A rule and the rules generated from it may share a mistake.
        diagnostics.dedup_by(|a, b| a.message == b.message && a.path == b.path);
        diagnostics.iter().for_each(|diagnostic| reporter.diagnostic(source, &marks, diagnostic));
        let policy = Policy::compile(value);
        if Sort::of(gvk) == Sort::Classic {
            self.rules += policy.rule_count();
            self.ask_for_resources |= asks_for_resources(value);
        }
        match diagnostics.iter().find(|diagnostic| diagnostic.is_error()) {
            None => self.policies.push(policy),
            Some(first) => self.left_out.push(LeftOut {
                name: Resource(value).name().to_owned(),
                fault,
                reason: refusal.unwrap_or_else(|| first.message.clone()),
            }),
        }
    }

    /// An exception, where they are looked for.
    fn exception(
        &mut self,
        value: Value<'_>,
        source: Source<'_>,
        marks: &Marks<'_>,
        reporter: &mut Reporter<'_, '_>,
    ) {
        let Some(exceptions) = &mut self.exceptions else {
            self.stranger = self.stranger.take().or_else(|| Some(Gvk::of(value).to_string()));
            return;
        };
        let found = Findings::of_exception(value).into_diagnostics();
        found.iter().for_each(|diagnostic| reporter.diagnostic(source, marks, diagnostic));
        if found.iter().any(Diagnostic::is_error) {
            self.errors += 1;
        } else {
            exceptions.push(Arc::new(PolicyException::compile(value)));
        }
    }
}

/// Whether a context entry somewhere in `value` is answered from other resources, or a rule changes them. Reading has
/// bounded the depth.
fn asks_for_resources(value: Value<'_>) -> bool {
    match value {
        Value::Object(object) => object.iter().any(|(key, value)| {
            matches!(key, "apiCall" | "globalReference" | "targets") || asks_for_resources(value)
        }),
        Value::Array(items) => items.iter().any(|item| asks_for_resources(*item)),
        _ => false,
    }
}

fn not_yet(gvk: Gvk<'_>) -> Diagnostic {
    let message = format!("`{}` is not run yet: it comes in a later version", gvk.kind);
    Diagnostic::error(at("kind"), message).with_hint(
        "policies that are run have `apiVersion: kyverno.io/v1` and `kind: ClusterPolicy` or `Policy`",
    )
}

fn unknown_version(gvk: Gvk<'_>) -> Diagnostic {
    let message = format!("`{}` has no version `{}`", gvk.kind, gvk.api_version());
    Diagnostic::error(at("apiVersion"), message)
        .with_hint("versions are `kyverno.io/v1` and `kyverno.io/v2beta1`")
}

fn at(key: &str) -> Pointer {
    let mut path = Pointer::root();
    path.push(key);
    path
}
