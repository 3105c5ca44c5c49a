//! Why a block holds or not, in words and step by step.

use std::fmt::{self, Display};

use portcullis_model::Input;
use portcullis_model::explain::{Finding, Part, Recorder, Step};
use portcullis_value::Value;

use super::{Candidate, Filter, Mismatch, Subject, Use};

/// What filters are held against, and who takes down what came of it.
pub(super) struct Told<'c, 'a> {
    pub(super) candidate: &'c Candidate<'a>,
    pub(super) use_as: Use,
    pub(super) recorder: Option<&'c Recorder>,
}

impl Told<'_, '_> {
    /// Checks the filter at `index` of the list `block`.
    pub(super) fn check<'m>(
        &self,
        block: &str,
        index: usize,
        filter: &'m Filter,
    ) -> Result<(), Mismatch<'m>> {
        let result = filter.check(self.candidate, self.use_as);
        if let Some(recorder) = self.recorder {
            let step = Step::new(Part::Filter, format!("{block}[{index}]")).found(result.is_ok());
            recorder.add(Step { steps: self.clauses(filter, &result, recorder), ..step });
        }
        result
    }

    /// Checks the only filter of a block.
    pub(super) fn check_alone<'m>(&self, filter: &'m Filter) -> Result<(), Mismatch<'m>> {
        let result = filter.check(self.candidate, self.use_as);
        if let Some(recorder) = self.recorder {
            self.clauses(filter, &result, recorder).into_iter().for_each(|clause| recorder.add(clause));
        }
        result
    }

    /// What the filter asks for, clause by clause: those before the first that does not hold do, and those after it were
    /// not looked at.
    fn clauses(&self, filter: &Filter, result: &Result<(), Mismatch<'_>>, recorder: &Recorder) -> Vec<Step> {
        let Candidate { resource, input, .. } = *self.candidate;
        let Input { gvk, subresource, operation, user, namespace_labels, .. } = *input;
        let mut clauses = Clauses { first_unmet: result.err().and_then(Mismatch::clause), steps: Vec::new() };
        let is_given = |texts: &[Box<str>]| !texts.is_empty();
        if !filter.operations().is_empty() && self.use_as != Use::Exception {
            let wanted = listed(filter.operations());
            clauses.add(Clause::Operations, "operations", operation.to_string(), &wanted);
        }
        if !filter.kinds.is_empty() {
            let slash = if subresource.is_empty() { "" } else { "/" };
            let wanted = listed(filter.kinds.iter().map(|kind| &kind.written));
            clauses.add(Clause::Kinds, "kinds", format!("{gvk}{slash}{subresource}"), &wanted);
        }
        let Some(filter) = &filter.further else { return clauses.steps };
        if filter.name.is_some() || is_given(&filter.names) {
            let name = if resource.name().is_empty() { resource.generate_name() } else { resource.name() };
            let wanted = listed(filter.name.iter().chain(&filter.names));
            clauses.add(Clause::Names, "names", name.to_owned(), &wanted);
        }
        if is_given(&filter.namespaces) {
            let is_namespace = resource.kind() == "Namespace";
            let namespace = if is_namespace { resource.name() } else { resource.namespace() };
            let wanted = listed(&filter.namespaces);
            clauses.add(Clause::Namespaces, "namespaces", namespace.to_owned(), &wanted);
        }
        if !filter.annotations.is_empty() {
            let seen = recorder.show(Value::Object(resource.annotations()));
            let wanted = listed(filter.annotations.iter().map(|(key, value)| format!("{key}={value}")));
            clauses.add(Clause::Annotations, "annotations", seen, &wanted);
        }
        if let Some(selector) = &filter.selector {
            let seen = recorder.show(Value::Object(resource.labels()));
            clauses.add(Clause::Selector, "selector", seen, &selector.to_string());
        }
        if let Some(selector) = &filter.namespace_selector {
            let seen = namespace_labels.map(|labels| recorder.show(Value::Object(labels)));
            let seen = seen.unwrap_or_else(|| "not known".to_owned());
            clauses.add(Clause::NamespaceSelector, "namespaceSelector", seen, &selector.to_string());
        }
        if filter.has_user() {
            let seen = user.map_or_else(|| "nobody asks".to_owned(), |user| user.username.to_owned());
            let wanted = listed(
                filter
                    .subjects
                    .iter()
                    .map(ToString::to_string)
                    .chain(filter.roles.iter().map(|role| format!("Role {role}")))
                    .chain(filter.cluster_roles.iter().map(|role| format!("ClusterRole {role}"))),
            );
            clauses.add(Clause::User, "user", seen, &wanted);
        }
        clauses.steps
    }
}

/// The clauses of a filter, in the order in which they are judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Clause {
    Operations,
    Kinds,
    Names,
    Namespaces,
    Annotations,
    Selector,
    NamespaceSelector,
    User,
}

impl Mismatch<'_> {
    /// The clause that does not hold, where it is one.
    fn clause(self) -> Option<Clause> {
        Some(match self {
            Mismatch::Empty | Mismatch::Excluded(_) => return None,
            Mismatch::Operation(_) => Clause::Operations,
            Mismatch::Kind(_) => Clause::Kinds,
            Mismatch::Name(_) => Clause::Names,
            Mismatch::Namespace(_) => Clause::Namespaces,
            Mismatch::Annotations => Clause::Annotations,
            Mismatch::Selector => Clause::Selector,
            Mismatch::NamespaceSelector | Mismatch::Unknown(super::NAMESPACE_LABELS) => {
                Clause::NamespaceSelector
            }
            Mismatch::User | Mismatch::Unknown(_) => Clause::User,
        })
    }
}

/// Clauses that are being told.
struct Clauses {
    first_unmet: Option<Clause>,
    steps: Vec<Step>,
}

impl Clauses {
    fn add(&mut self, clause: Clause, name: &str, seen: String, wanted: &str) {
        let finding = match self.first_unmet {
            Some(unmet) if unmet == clause => Finding::Fails,
            Some(unmet) if unmet < clause => Finding::Neutral,
            _ => Finding::Holds,
        };
        self.steps.push(Step::new(Part::Clause, name).found(finding).seen(seen).wanted(wanted));
    }
}

fn listed<T: Display>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    items.join(", ")
}

/// The step of a match or exclude block that came to `result`.
pub(crate) fn block_step(part: Part, candidate: &Candidate<'_>, result: &Result<(), Mismatch<'_>>) -> Step {
    let step = Step::new(part, "").found(result.is_ok());
    match result {
        Ok(()) => step,
        Err(mismatch) => step.note(Reason { mismatch: *mismatch, candidate }.to_string()),
    }
}

impl Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Subject::User(name) => write!(f, "User {name}"),
            Subject::Group(name) => write!(f, "Group {name}"),
            Subject::ServiceAccount { namespace, name } => write!(f, "ServiceAccount {namespace}/{name}"),
            Subject::Unknown => f.write_str("nobody"),
        }
    }
}

/// A mismatch in a sentence about the candidate.
pub(crate) struct Reason<'m, 'c> {
    pub(crate) mismatch: Mismatch<'m>,
    pub(crate) candidate: &'m Candidate<'c>,
}

impl Display for Reason<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |items: &mut dyn Iterator<Item = String>| {
            let items: Vec<String> = items.map(|item| format!("`{item}`")).collect();
            match items.as_slice() {
                [item] => format!("is not {item}"),
                items => format!("is none of {}", items.join(", ")),
            }
        };
        let texts = |items: &[Box<str>]| list(&mut items.iter().map(ToString::to_string));
        let Candidate { resource, input, .. } = *self.candidate;
        match self.mismatch {
            Mismatch::Empty => write!(f, "its match block names nothing"),
            Mismatch::Operation(filter) => write!(
                f,
                "operation {} {}",
                input.operation,
                list(&mut filter.operations().iter().map(ToString::to_string))
            ),
            Mismatch::Kind(filter) => write!(
                f,
                "kind {} {}",
                input.gvk.kind,
                list(&mut filter.kinds.iter().map(|kind| kind.written.to_string()))
            ),
            Mismatch::Name(filter) => {
                let further = filter.further.iter();
                let patterns: Vec<_> =
                    further.flat_map(|further| further.name.iter().chain(&further.names)).cloned().collect();
                write!(f, "name `{}` {}", resource.name(), texts(&patterns))
            }
            Mismatch::Namespace(filter) => {
                write!(f, "namespace `{}` {}", resource.namespace(), texts(filter.namespaces()))
            }
            Mismatch::Annotations => f.write_str("its annotations are not those wanted"),
            Mismatch::Selector => f.write_str("its labels do not match the selector"),
            Mismatch::NamespaceSelector => {
                f.write_str("the labels of its namespace do not match the selector")
            }
            Mismatch::User => f.write_str("the user is not among those named"),
            Mismatch::Excluded(Some(index)) => write!(f, "`exclude.any[{index}]` holds"),
            Mismatch::Excluded(None) => f.write_str("its exclude block holds"),
            Mismatch::Unknown(fact) => write!(f, "{fact} are not known"),
        }
    }
}
