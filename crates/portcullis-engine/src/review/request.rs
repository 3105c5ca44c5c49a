//! Reading the request: what it is about, who asks, and what policies are evaluated against.

use portcullis_model::{Gvk, Input, Needs, Numbers, Review, Roles, User};
use portcullis_value::{Arena, Object, Value, json};

use super::ReviewContext;
use crate::facts::{Missing, Need};
use crate::fold;
use crate::route::Route;
use crate::set::Subject;
use crate::verdict::Verdict;

/// Why a request cannot be judged, or not yet.
pub(super) enum Problem {
    /// A fact has to be found out first.
    Need(Box<Need>),
    /// The request holds what cannot be read.
    Unreadable(String),
}

impl Problem {
    fn need(need: Need) -> Self {
        Problem::Need(Box::new(need))
    }

    /// What is answered: a request that cannot be read is refused or admitted by the failure policy of its webhook.
    pub(super) fn verdict<'a>(self, route: &Route<'_>) -> Result<Verdict<'a>, Vec<Need>> {
        match self {
            Problem::Need(need) => Err(vec![*need]),
            Problem::Unreadable(text) => Ok(fold::unreadable(route, &text)),
        }
    }
}

impl From<json::Error> for Problem {
    fn from(error: json::Error) -> Self {
        Problem::Unreadable(error.to_string())
    }
}

/// What the request is about.
///
/// For a subresource that is the kind of its parent, which only discovery knows.
pub(super) fn subject<'a>(
    review: &'a Review<'a>,
    context: &ReviewContext<'a>,
) -> Result<Subject<'a>, Problem> {
    let request = &review.request;
    let mut gvk = request.gvk();
    if !request.sub_resource.is_empty() {
        let resource = request.resource(context.arena)?;
        gvk = match context.facts.kind(context.arena, resource) {
            Ok(kind) => kind,
            Err(Missing::NotYet) => {
                return Err(Problem::need(Need::Kind {
                    group: resource.group.to_owned(),
                    version: resource.version.to_owned(),
                    resource: resource.resource.to_owned(),
                }));
            }
            // No rule can name a kind that nobody knows.
            Err(Missing::Unknown) => Gvk { kind: "", ..gvk },
        };
    }
    Ok(Subject {
        gvk,
        subresource: &request.sub_resource,
        operation: review.operation,
        namespace: &request.namespace,
        name: &request.name,
    })
}

/// Who asks, as policies match it and as variables read it.
#[derive(Clone, Copy)]
pub(super) struct Asker<'a> {
    pub(super) user: User<'a>,
    info: Value<'a>,
}

/// Who asks. What neither the policies nor the settings ask for is not looked at.
pub(super) fn user<'a>(
    review: &'a Review<'a>,
    context: &ReviewContext<'a>,
    needs: Needs,
) -> Result<Asker<'a>, Problem> {
    let ReviewContext { arena, settings, facts, .. } = *context;
    if !needs.user && !needs.roles && !settings.ask_for_user() {
        return Ok(Asker { user: User::NOBODY, info: Value::Null });
    }
    let info = review.request.user_info(arena)?;
    let groups: Vec<&str> = info
        .get("groups")
        .and_then(Value::as_array)
        .unwrap_or_default()
        .iter()
        .filter_map(|group| group.as_str())
        .collect();
    let username = info.get("username").and_then(Value::as_str).unwrap_or_default();
    let user = User { username, groups: arena.slice(&groups), roles: Some(Roles::default()) };
    if !needs.roles && !settings.ask_for_roles() {
        return Ok(Asker { user, info });
    }
    let roles = match facts.roles(arena, &user, &review.request.namespace) {
        Ok(roles) => Some(roles),
        Err(Missing::NotYet) => return Err(Problem::need(Need::Roles)),
        Err(Missing::Unknown) => None,
    };
    Ok(Asker { user: User { roles, ..user }, info })
}

/// What all policies are evaluated against.
pub(super) fn input<'a>(
    review: &'a Review<'a>,
    context: &ReviewContext<'a>,
    subject: &Subject<'a>,
    asker: Asker<'a>,
    needs: Needs,
) -> Result<Input<'a>, Problem> {
    let ReviewContext { arena, facts, .. } = *context;
    let request = &review.request;
    let (object, old_object) = (request.object(arena)?, request.old_object(arena)?);
    let namespace_labels = match subject.namespace {
        namespace if needs.namespace_labels && !namespace.is_empty() => {
            match facts.namespace_labels(arena, namespace) {
                Ok(labels) => Some(labels),
                Err(Missing::NotYet) => {
                    return Err(Problem::need(Need::NamespaceLabels { namespace: namespace.to_owned() }));
                }
                Err(Missing::Unknown) => None,
            }
        }
        _ => Some(Object::default()),
    };
    let variables = if needs.variables {
        variables(review, arena, object, old_object, &asker)?
    } else {
        Object::default()
    };
    Ok(Input {
        operation: review.operation,
        gvk: subject.gvk,
        subresource: subject.subresource,
        object: object.map(|object| with_namespace(arena, object, subject)),
        old_object: old_object.map(|object| with_namespace(arena, object, subject)),
        user: Some(asker.user),
        namespace_labels,
        is_review: true,
        match_conditions_hold: false,
        variables,
        rule_variables: &[],
        offline: false,
        numbers: Numbers::AsWritten,
        now: context.now,
        seed: context.seed,
    })
}

/// The object in the namespace of the request, which decides: an object need not name the one that it is created in.
fn with_namespace<'a>(arena: &'a Arena, object: Value<'a>, subject: &Subject<'a>) -> Value<'a> {
    let is_there = object.path(&["metadata", "namespace"]) == Some(Value::String(subject.namespace));
    if subject.namespace.is_empty() || subject.gvk.kind == "Namespace" || is_there {
        return object;
    }
    object.with(arena, &["metadata", "namespace"], Value::String(subject.namespace))
}

/// What variables are read from: the request as it came, the roles of its user, the parts of a service account's name.
fn variables<'a>(
    review: &'a Review<'a>,
    arena: &'a Arena,
    object: Option<Value<'a>>,
    old_object: Option<Value<'a>>,
    asker: &Asker<'a>,
) -> Result<Object<'a>, json::Error> {
    let Asker { user, info } = *asker;
    let mut request = review.request.fields(arena)?;
    request.push(("userInfo", info));
    request.push(("object", object.unwrap_or_default()));
    request.push(("oldObject", old_object.unwrap_or_default()));
    let roles = user.roles.unwrap_or_default();
    for (key, names) in [("roles", roles.roles), ("clusterRoles", roles.cluster_roles)] {
        if !names.is_empty() {
            let names = arena.slice_of(names.iter().map(|name| Value::String(name)));
            request.push((key, Value::Array(names)));
        }
    }
    let [name, namespace] = user.service_account();
    let root = [("request", arena.object(&mut request)), name, namespace];
    Ok(Object::from_sorted(arena.slice(&root)))
}
