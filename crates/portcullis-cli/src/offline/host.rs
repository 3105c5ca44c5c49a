//! What surrounds an evaluation on the command line.

use portcullis_engine::Host;
use portcullis_model::explain::RecordLimits;
use portcullis_model::{
    Answer, CompiledPolicy, Gvk, Input, Numbers, Operation, Question, Resource, variables,
};
use portcullis_value::{Arena, Object, Value};

use super::facts::Facts;
use super::user::UserInfo;
use super::values::Values;

/// What is known beside policies and resources.
#[derive(Debug, Default)]
pub(crate) struct Circumstances {
    pub(crate) values: Values,
    pub(crate) user: Option<UserInfo>,
    pub(crate) facts: Facts,
    /// Nanoseconds since 1970-01-01 UTC.
    pub(crate) now: i64,
    pub(crate) seed: u64,
    pub(crate) explain: bool,
    /// Whether outcomes say what reports do.
    pub(crate) reports: bool,
    /// How much is taken down of what happens.
    pub(crate) records: Option<RecordLimits>,
}

/// The host of the evaluations of one resource.
#[derive(Debug)]
pub(crate) struct ResourceHost<'a> {
    arena: &'a Arena,
    circumstances: &'a Circumstances,
    /// The resource as it was given.
    resource: Resource<'a>,
    /// What holds for every policy.
    common: Input<'a>,
    /// What variables read as `request`, but for the objects.
    request: Object<'a>,
    /// What variables read beside it of who asks, where that is known.
    asker: Object<'a>,
    /// The operation, where it is not left to the values.
    operation: Option<Operation>,
}

impl<'a> ResourceHost<'a> {
    /// The host of `object`. `operation` comes before what the values say.
    pub(crate) fn new(
        circumstances: &'a Circumstances,
        arena: &'a Arena,
        object: Value<'a>,
        operation: Option<Operation>,
    ) -> Self {
        let resource = Resource(object);
        let Circumstances { values, user, now, seed, .. } = circumstances;
        let mut common = Input::create(arena, object);
        common.numbers = Numbers::Floats;
        common.now = *now;
        common.seed = *seed;
        common.offline = circumstances.facts.know_nothing();
        common.namespace_labels = Some(values.namespace_labels(arena, resource.namespace()));
        let mut request = Input::creation(arena, object);
        let mut asker = Object::default();
        if let Some(user) = user {
            let who = user.user(arena);
            asker = Object::from_sorted(arena.slice(&who.service_account()));
            common.user = Some(who);
            let mut fields: Vec<_> = request.iter().chain(user.request_fields(arena)).collect();
            request = Object::from_unsorted(arena, &mut fields);
        }
        if let Some(subresource) = values.subresource(resource.kind()) {
            common.subresource = &subresource.name;
            common.gvk = Gvk {
                group: &subresource.parent_group,
                version: &subresource.parent_version,
                kind: &subresource.parent_kind,
            };
        }
        Self { arena, circumstances, resource, common, request, asker, operation }
    }

    /// The labels of the resource's namespace.
    pub(crate) fn namespace_labels(&self) -> Object<'a> {
        self.common.namespace_labels.unwrap_or_default()
    }

    fn variables(&self, policy: &dyn CompiledPolicy) -> Object<'a> {
        let given = self.circumstances.values.variables(self.arena, policy.name(), self.resource.name());
        let given = self.asker.merged(self.arena, given);
        let Some(operation) = self.operation else { return given };
        let path = ["request", "operation"];
        let given = Value::Object(given).with(self.arena, &path, Value::String(operation.as_str()));
        given.as_object().unwrap_or_default()
    }
}

impl<'a> Host<'a> for ResourceHost<'a> {
    fn input(&self, policy: &'a dyn CompiledPolicy, object: Option<Value<'a>>) -> Input<'a> {
        let arena = self.arena;
        let mut input = self.common;
        input.object = object;
        input.rule_variables = self.circumstances.values.rule_variables(arena, policy.name());
        let given = self.variables(policy);
        let Some(request) = given.get("request") else {
            input.variables = variables(arena, self.request, object, None, given);
            return input;
        };

        // Values below `request.object` change what is matched and judged, not only what variables read.
        let laid_over = |object: Option<Value<'a>>, key: &str| match (object, request.get(key)) {
            (Some(Value::Object(object)), Some(Value::Object(values))) => {
                Some(Value::Object(object.merged(arena, values)))
            }
            (object, _) => object,
        };
        input.object = laid_over(object, "object");
        let operation = request.get("operation").and_then(Value::as_str).and_then(|text| text.parse().ok());
        input.operation = operation.unwrap_or_default();
        match input.operation {
            Operation::Create | Operation::Connect => {}
            Operation::Update => input.old_object = laid_over(input.object, "oldObject"),
            Operation::Delete => input.old_object = laid_over(input.object.take(), "oldObject"),
        }
        input.variables = variables(arena, self.request, input.object, input.old_object, given);
        input
    }

    fn answer(&self, policy: &'a dyn CompiledPolicy, question: &Question) -> Answer {
        let rules = self.circumstances.values.rule_variables(self.arena, policy.name());
        let variables = self.variables(policy);
        let is_given = |name: &str| {
            variables.contains_key(name) || rules.iter().any(|(_, given)| given.contains_key(name))
        };
        self.circumstances.facts.answer(question, self.resource.0, is_given)
    }

    fn explain(&self) -> bool {
        self.circumstances.explain
    }

    fn records(&self) -> Option<RecordLimits> {
        self.circumstances.records
    }

    fn side_effects(&self) -> bool {
        true
    }

    fn reports(&self) -> bool {
        self.circumstances.reports
    }
}
