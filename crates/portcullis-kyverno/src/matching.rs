//! `match` and `exclude`: which resources a rule is about.

mod told;

use std::cell::Cell;

use portcullis_gocompat::wildcard;
use portcullis_model::explain::Recorder;
use portcullis_model::{Input, Operation, Resource, User};
use portcullis_value::{Budget, Limits, Object, Value};

use crate::kind::KindSelector;
use crate::selector::Selection;

use told::Told;
pub(crate) use told::{Reason, block_step};

/// A match or exclude block.
#[derive(Debug)]
pub(crate) enum Matching {
    /// One filter must hold.
    Any(Box<[Filter]>),
    /// Every filter must hold.
    All(Box<[Filter]>),
    /// The old form without a list.
    Direct(Box<Filter>),
}

/// One filter. Everything it sets must hold; lists hold when one item does.
#[derive(Debug)]
pub(crate) struct Filter {
    kinds: Box<[KindSelector]>,
    /// What it sets beside kinds, as most filters do not.
    further: Option<Box<Further>>,
}

/// What few filters set.
#[derive(Debug, Default)]
struct Further {
    name: Option<Box<str>>,
    names: Box<[Box<str>]>,
    namespaces: Box<[Box<str>]>,
    annotations: Box<[(Box<str>, Box<str>)]>,
    selector: Option<Box<Selection>>,
    namespace_selector: Option<Box<Selection>>,
    operations: Box<[Operation]>,
    roles: Box<[Box<str>]>,
    cluster_roles: Box<[Box<str>]>,
    subjects: Box<[Subject]>,
}

#[derive(Debug)]
enum Subject {
    User(Box<str>),
    Group(Box<str>),
    ServiceAccount {
        namespace: Box<str>,
        name: Box<str>,
    },
    /// A kind that nobody is.
    Unknown,
}

/// The object that is matched, and as what.
#[derive(Debug)]
pub(crate) struct Candidate<'a> {
    resource: Resource<'a>,
    /// All of it but the object.
    input: &'a Input<'a>,
    /// What its wildcards have taken. Short patterns on short texts are most of them, and take next to nothing.
    steps: Cell<u64>,
}

/// What the wildcards of a rule may take: as much as all of its evaluation.
const MOST_STEPS: u64 = Limits::STANDING.steps;
/// A pattern on a text of no more characters, multiplied, is not counted character by character.
const SHORT: usize = 1024;

impl<'a> Candidate<'a> {
    /// The candidate of `input` with `object` in the place of its object.
    pub(crate) fn new(input: &'a Input<'a>, object: Option<Value<'a>>) -> Self {
        let resource = Resource(object.or(input.old_object).unwrap_or_default());
        Self { resource, input, steps: Cell::new(0) }
    }

    /// The steps that matching it has taken. Who matched it spends them: beyond [`MOST_STEPS`] nothing fits any more, and what
    /// was found out means nothing.
    pub(crate) fn steps(&self) -> u64 {
        self.steps.get()
    }

    fn spend(&self, steps: u64) {
        self.steps.set(self.steps.get().saturating_add(steps));
    }

    /// Whether `text` fits the wildcard `pattern`.
    fn fits(&self, pattern: &str, text: &str) -> bool {
        let most = pattern.len().saturating_mul(text.len());
        if most <= SHORT {
            self.spend(most as u64 / 16);
            return wildcard::matches(pattern, text);
        }
        let left = Limits { steps: MOST_STEPS.saturating_sub(self.steps.get()), ..Limits::default() };
        let mut budget = Budget::new(left, &|| false);
        match wildcard::matches_within(pattern, text, &mut budget) {
            Ok(fits) => {
                self.spend(left.steps - budget.left().steps);
                fits
            }
            Err(_) => {
                self.steps.set(u64::MAX);
                false
            }
        }
    }

    fn has_annotation(&self, key: &str, value: &str) -> bool {
        self.resource.annotations().iter().any(|(actual_key, actual)| {
            self.fits(key, actual_key) && actual.as_str().is_some_and(|actual| self.fits(value, actual))
        })
    }

    /// Whether `selector` selects `labels`.
    fn selects(&self, selector: &Selection, labels: Object<'_>) -> bool {
        self.spend(selector.steps(labels));
        self.steps() <= MOST_STEPS && selector.selects(labels)
    }
}

/// A fact that may not be known.
const NAMESPACE_LABELS: &str = "the labels of its namespace";

/// Why a block does not hold.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Mismatch<'m> {
    /// The filter says nothing, and so matches nothing.
    Empty,
    Operation(&'m Filter),
    Kind(&'m Filter),
    Name(&'m Filter),
    Namespace(&'m Filter),
    Annotations,
    Selector,
    NamespaceSelector,
    User,
    /// An exclude block holds; of an `any`, the filter that does.
    Excluded(Option<usize>),
    /// It cannot be told, for want of a fact: what is not known.
    Unknown(&'static str),
}

impl Matching {
    /// Compiles a block; what is of a wrong type is left out (the schema has complained).
    pub(crate) fn compile(block: Value<'_>) -> Self {
        let filters = |key: &str| -> Box<[Filter]> {
            let list = block.get(key).and_then(Value::as_array).unwrap_or_default();
            list.iter().map(|filter| Filter::compile(*filter)).collect()
        };
        match (filters("any"), filters("all")) {
            (any, _) if !any.is_empty() => Matching::Any(any),
            (_, all) if !all.is_empty() => Matching::All(all),
            _ => Matching::Direct(Box::new(Filter::compile(block))),
        }
    }

    /// Whether the block, as a match block, holds for `candidate`; the first reason where it does not.
    pub(crate) fn matches(
        &self,
        candidate: &Candidate<'_>,
        recorder: Option<&Recorder>,
    ) -> Result<(), Mismatch<'_>> {
        let told = Told { candidate, use_as: Use::Match, recorder };
        match self {
            Matching::Any(filters) => {
                let mut first = None;
                for (index, filter) in filters.iter().enumerate() {
                    match told.check("any", index, filter) {
                        Ok(()) => return Ok(()),
                        Err(unknown @ Mismatch::Unknown(_)) => first = Some(unknown),
                        Err(_) if matches!(first, Some(Mismatch::Unknown(_))) => {}
                        // The kind says least: a reason beyond it is of more use.
                        Err(reason) if !matches!(first, Some(ref first) if !matches!(first, Mismatch::Kind(_))) =>
                        {
                            first = first.filter(|_| matches!(reason, Mismatch::Kind(_))).or(Some(reason));
                        }
                        Err(_) => {}
                    }
                }
                Err(first.unwrap_or(Mismatch::Empty))
            }
            Matching::All(filters) => all(filters, &told),
            Matching::Direct(filter) => told.check_alone(filter),
        }
    }

    /// Whether the block, as a match block, holds for the object of `input` by its kind alone. One that does not may hold
    /// all the same.
    pub(crate) fn holds_by_kind(&self, input: &Input<'_>) -> bool {
        let holds = |filter: &Filter| filter.further.is_none() && filter.names_kind(input);
        match self {
            Matching::Any(filters) => filters.iter().any(holds),
            Matching::All(filters) => filters.iter().all(holds),
            Matching::Direct(filter) => holds(filter),
        }
    }

    /// Whether `candidate` passes the block, as an exclude block: it does not hold.
    pub(crate) fn lets_pass(
        &self,
        candidate: &Candidate<'_>,
        recorder: Option<&Recorder>,
    ) -> Result<(), Mismatch<'_>> {
        let told = Told { candidate, use_as: Use::Exclude, recorder };
        let mut unknown = None;
        let mut holds = |result: Result<(), _>| match result {
            Ok(()) => true,
            Err(mismatch) => {
                unknown = matches!(mismatch, Mismatch::Unknown(_)).then_some(mismatch).or(unknown);
                false
            }
        };
        let excluded = match self {
            Matching::Any(filters) => {
                let mut filters = filters.iter().enumerate();
                filters
                    .find(|(index, filter)| holds(told.check("any", *index, filter)))
                    .map(|found| Some(found.0))
            }
            Matching::All(filters) => holds(all(filters, &told)).then_some(None),
            Matching::Direct(filter) => holds(told.check_alone(filter)).then_some(None),
        };
        if let Some(filter) = excluded {
            return Err(Mismatch::Excluded(filter));
        }
        unknown.map_or(Ok(()), Err)
    }

    /// Whether the block, as that of an exception, holds for `candidate`. There is no form of it without a list.
    pub(crate) fn excepts(&self, candidate: &Candidate<'_>, recorder: Option<&Recorder>) -> bool {
        let told = Told { candidate, use_as: Use::Exception, recorder };
        match self {
            Matching::Any(filters) => {
                filters.iter().enumerate().any(|(index, filter)| told.check("any", index, filter).is_ok())
            }
            Matching::All(filters) => all(filters, &told).is_ok(),
            Matching::Direct(_) => false,
        }
    }

    pub(crate) fn filters(&self) -> &[Filter] {
        match self {
            Matching::Any(filters) | Matching::All(filters) => filters,
            Matching::Direct(filter) => std::slice::from_ref(filter),
        }
    }
}

/// Whether all of `filters` hold. What is not known of one matters only where the others do.
fn all<'m>(filters: &'m [Filter], told: &Told<'_, '_>) -> Result<(), Mismatch<'m>> {
    let mut unknown = Ok(());
    for (index, filter) in filters.iter().enumerate() {
        match told.check("all", index, filter) {
            Err(mismatch @ Mismatch::Unknown(_)) => unknown = Err(mismatch),
            result => result?,
        }
    }
    unknown
}

/// What a block is used for: the part about the user counts differently where nobody asks.
#[derive(Clone, Copy, PartialEq)]
enum Use {
    Match,
    Exclude,
    Exception,
}

impl Filter {
    fn compile(filter: Value<'_>) -> Self {
        let resources = filter.get("resources").unwrap_or_default();
        let texts = |from: Value<'_>, key: &str| -> Box<[Box<str>]> {
            let list = from.get(key).and_then(Value::as_array).unwrap_or_default();
            list.iter().filter_map(|item| item.as_str()).map(Box::from).collect()
        };
        let selector = |key: &str| {
            let selector = resources.get(key).filter(|selector| !selector.is_null());
            selector.map(|selector| Box::new(Selection::compile(selector)))
        };
        let annotations = resources.get("annotations").and_then(Value::as_object).unwrap_or_default();
        let further = Further {
            name: resources
                .get("name")
                .and_then(Value::as_str)
                .filter(|name| !name.is_empty())
                .map(Box::from),
            names: texts(resources, "names"),
            namespaces: texts(resources, "namespaces"),
            annotations: annotations
                .iter()
                .filter_map(|(key, value)| Some((key.into(), value.as_str()?.into())))
                .collect(),
            selector: selector("selector"),
            namespace_selector: selector("namespaceSelector"),
            operations: texts(resources, "operations").iter().filter_map(|text| text.parse().ok()).collect(),
            roles: texts(filter, "roles"),
            cluster_roles: texts(filter, "clusterRoles"),
            subjects: filter
                .get("subjects")
                .and_then(Value::as_array)
                .unwrap_or_default()
                .iter()
                .map(|subject| Subject::compile(*subject))
                .collect(),
        };
        Self {
            kinds: texts(resources, "kinds").iter().map(|kind| KindSelector::parse(kind)).collect(),
            further: (further.has_resources() || further.has_user()).then(|| Box::new(further)),
        }
    }

    pub(crate) fn kinds(&self) -> &[KindSelector] {
        &self.kinds
    }

    pub(crate) fn operations(&self) -> &[Operation] {
        self.further.as_ref().map_or(&[], |further| &further.operations)
    }

    pub(crate) fn namespaces(&self) -> &[Box<str>] {
        self.further.as_ref().map_or(&[], |further| &further.namespaces)
    }

    /// Whether the labels of the namespace play a part.
    pub(crate) fn reads_namespace_labels(&self) -> bool {
        self.further.as_ref().is_some_and(|further| further.namespace_selector.is_some())
    }

    /// Whether the user plays a part.
    pub(crate) fn has_user(&self) -> bool {
        self.further.as_ref().is_some_and(|further| further.has_user())
    }

    fn check(&self, candidate: &Candidate<'_>, use_as: Use) -> Result<(), Mismatch<'_>> {
        if let Some(further) = &self.further {
            return self.check_with(further, candidate, use_as);
        }
        match &*self.kinds {
            [] => Err(Mismatch::Empty),
            _ => self.check_kind(candidate),
        }
    }

    fn check_kind(&self, candidate: &Candidate<'_>) -> Result<(), Mismatch<'_>> {
        if self.names_kind(candidate.input) { Ok(()) } else { Err(Mismatch::Kind(self)) }
    }

    fn names_kind(&self, input: &Input<'_>) -> bool {
        self.kinds.iter().any(|kind| kind.matches(input.gvk, input.subresource, true))
    }

    /// Checks what `further`, which is not empty, asks for as well.
    fn check_with(
        &self,
        further: &Further,
        candidate: &Candidate<'_>,
        use_as: Use,
    ) -> Result<(), Mismatch<'_>> {
        // Where nobody asks, a match block forgets about the user; an exclude block then never excludes, and an exception
        // never holds.
        let with_user = further.has_user() && (use_as != Use::Match || candidate.input.user.is_some());
        if self.kinds.is_empty() && !further.has_resources() && !with_user {
            return Err(Mismatch::Empty);
        }
        // What no part of the filter asks for is not looked up.
        let resource = candidate.resource;
        let is_namespace = || resource.kind() == "Namespace";
        let any =
            |patterns: &[Box<str>], text: &str| patterns.iter().any(|pattern| candidate.fits(pattern, text));
        // COMPAT(kyverno): an exception is for all operations, whatever it says.
        if use_as != Use::Exception
            && !further.operations.is_empty()
            && !further.operations.contains(&candidate.input.operation)
        {
            return Err(Mismatch::Operation(self));
        }
        if !self.kinds.is_empty() {
            self.check_kind(candidate)?;
        }
        let name = || match resource.name() {
            "" => resource.generate_name(),
            name => name,
        };
        if further.name.as_ref().is_some_and(|pattern| !candidate.fits(pattern, name()))
            || (!further.names.is_empty() && !any(&further.names, name()))
        {
            return Err(Mismatch::Name(self));
        }
        let namespace = || if is_namespace() { resource.name() } else { resource.namespace() };
        if !further.namespaces.is_empty() && !any(&further.namespaces, namespace()) {
            return Err(Mismatch::Namespace(self));
        }
        if !further.annotations.iter().all(|(key, value)| candidate.has_annotation(key, value)) {
            return Err(Mismatch::Annotations);
        }
        if further.selector.as_ref().is_some_and(|selector| !candidate.selects(selector, resource.labels())) {
            return Err(Mismatch::Selector);
        }
        let mut unknown = Ok(());
        if let Some(selector) = &further.namespace_selector {
            match candidate.input.namespace_labels {
                // COMPAT(kyverno): for an exception the selector plays no part there.
                _ if is_namespace() && use_as == Use::Exception => {}
                _ if is_namespace() => return Err(Mismatch::NamespaceSelector),
                Some(labels) if candidate.selects(selector, labels) => {}
                Some(_) => return Err(Mismatch::NamespaceSelector),
                None => unknown = Err(Mismatch::Unknown(NAMESPACE_LABELS)),
            }
        }
        if with_user {
            let user = candidate.input.user.ok_or(Mismatch::User)?;
            match further.names_user(candidate, &user) {
                Some(true) => {}
                Some(false) => return Err(Mismatch::User),
                None => unknown = Err(Mismatch::Unknown("the roles of the user")),
            }
        }
        unknown
    }
}

impl Further {
    /// Whether the object plays a part beyond its kind.
    fn has_resources(&self) -> bool {
        self.name.is_some()
            || !self.names.is_empty()
            || !self.namespaces.is_empty()
            || !self.annotations.is_empty()
            || self.selector.is_some()
            || self.namespace_selector.is_some()
            || !self.operations.is_empty()
    }

    /// Whether the user plays a part.
    fn has_user(&self) -> bool {
        !(self.roles.is_empty() && self.cluster_roles.is_empty() && self.subjects.is_empty())
    }

    /// `None` where the user's roles would have to be known.
    fn names_user(&self, candidate: &Candidate<'_>, user: &User<'_>) -> Option<bool> {
        let any_of = |wanted: &[Box<str>], held: &[&str]| wanted.iter().any(|role| held.contains(&&**role));
        if !self.subjects.is_empty() && !self.subjects.iter().any(|subject| subject.is(candidate, user)) {
            return Some(false);
        }
        if self.roles.is_empty() && self.cluster_roles.is_empty() {
            return Some(true);
        }
        let held = user.roles?;
        Some(
            (self.roles.is_empty() || any_of(&self.roles, held.roles))
                && (self.cluster_roles.is_empty() || any_of(&self.cluster_roles, held.cluster_roles)),
        )
    }
}

impl Subject {
    fn compile(subject: Value<'_>) -> Self {
        let text = |key: &str| Box::from(subject.get(key).and_then(Value::as_str).unwrap_or_default());
        match subject.get("kind").and_then(Value::as_str) {
            Some("User") => Subject::User(text("name")),
            Some("Group") => Subject::Group(text("name")),
            Some("ServiceAccount") => {
                Subject::ServiceAccount { namespace: text("namespace"), name: text("name") }
            }
            _ => Subject::Unknown,
        }
    }

    fn is(&self, candidate: &Candidate<'_>, user: &User<'_>) -> bool {
        match self {
            Subject::User(pattern) => candidate.fits(pattern, user.username),
            Subject::Group(pattern) => user.groups.iter().any(|group| candidate.fits(pattern, group)),
            Subject::ServiceAccount { namespace, name } => {
                candidate.fits(&format!("system:serviceaccount:{namespace}:{name}"), user.username)
            }
            Subject::Unknown => false,
        }
    }
}
