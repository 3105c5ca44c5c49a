//! What a policy is evaluated against.

use std::fmt;
use std::str::FromStr;

use portcullis_value::{Arena, Object, Value};

use crate::{Gvk, Resource};

/// What is being done to the object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    #[default]
    Create,
    Update,
    Delete,
    Connect,
}

impl Operation {
    pub const ALL: [Operation; 4] =
        [Operation::Create, Operation::Update, Operation::Delete, Operation::Connect];

    /// `CREATE`, as an AdmissionRequest spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Operation::Create => "CREATE",
            Operation::Update => "UPDATE",
            Operation::Delete => "DELETE",
            Operation::Connect => "CONNECT",
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Operation {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Operation::ALL.into_iter().find(|operation| operation.as_str() == text).ok_or(())
    }
}

/// Who asks: name and groups as authenticated, roles as bound in the cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct User<'a> {
    pub username: &'a str,
    pub groups: &'a [&'a str],
    /// `None` where they are not known, which is an error to a rule that asks for them.
    pub roles: Option<Roles<'a>>,
}

impl User<'static> {
    /// Nobody: no name, no group, no role.
    pub const NOBODY: Self =
        Self { username: "", groups: &[], roles: Some(Roles { roles: &[], cluster_roles: &[] }) };
}

impl<'a> User<'a> {
    /// The variables that the name of a service account is read from, sorted; empty texts for everybody else.
    pub fn service_account(&self) -> [(&'static str, Value<'a>); 2] {
        let account = self.username.strip_prefix("system:serviceaccount:");
        let (namespace, name) = account.and_then(|account| account.split_once(':')).unwrap_or_default();
        [("serviceAccountName", Value::String(name)), ("serviceAccountNamespace", Value::String(namespace))]
    }
}

/// The roles bound to a user.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Roles<'a> {
    /// `namespace:name` of each Role.
    pub roles: &'a [&'a str],
    pub cluster_roles: &'a [&'a str],
}

/// How integers of the object look to a policy.
///
/// Kyverno's admission keeps them integers in patterns; its command line turns them all into floats first. The
/// difference shows: `80*` matches the integer 80 and not the float 80.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Numbers {
    #[default]
    AsWritten,
    Floats,
}

/// One thing to judge. Borrows the request and what was read for it.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    pub operation: Operation,
    /// The top-level kind of the request: that of the object, or of its parent for a subresource.
    pub gvk: Gvk<'a>,
    /// Empty unless a subresource is asked for.
    pub subresource: &'a str,
    /// `None` on DELETE and where the API server sends `null`.
    pub object: Option<Value<'a>>,
    /// `None` on CREATE and where the API server sends `null`.
    pub old_object: Option<Value<'a>>,
    /// `None` where nobody asks: command line without user info, background.
    pub user: Option<User<'a>>,
    /// The labels of the object's namespace, empty where it has none; `None` where they are not known, which is an
    /// error to a rule that asks for them.
    pub namespace_labels: Option<Object<'a>>,
    /// Whether an API server asks: the rules that may refuse and those that only report are then evaluated apart, so that
    /// none of the one sort keeps a rule of the other from being applied.
    pub is_review: bool,
    /// Whether an API server has found the policy's own match conditions to hold.
    pub match_conditions_hold: bool,
    /// What variables are read from: `request`, and whatever else is given. See [`variables`].
    pub variables: Object<'a>,
    /// Variables given from outside for one rule only: rule name and what is merged over all else in that rule.
    pub rule_variables: &'a [(&'a str, Object<'a>)],
    /// Whether context entries that are looked up outside are passed over: their variables are what is given.
    pub offline: bool,
    pub numbers: Numbers,
    /// Nanoseconds since 1970-01-01 UTC.
    pub now: i64,
    /// Where pseudo-random functions start.
    pub seed: u64,
}

impl<'a> Input<'a> {
    /// The creation of `object`, by nobody in particular.
    pub fn create(arena: &'a Arena, object: Value<'a>) -> Self {
        let resource = Resource(object);
        Self {
            operation: Operation::Create,
            gvk: resource.gvk(),
            subresource: "",
            object: Some(object),
            old_object: None,
            user: None,
            namespace_labels: Some(Object::default()),
            is_review: false,
            match_conditions_hold: false,
            variables: variables(arena, Self::creation(arena, object), Some(object), None, Object::default()),
            rule_variables: &[],
            offline: false,
            numbers: Numbers::AsWritten,
            now: 0,
            seed: 0,
        }
    }

    /// What `request` holds of the creation of `object`, but for the object itself.
    pub fn creation(arena: &'a Arena, object: Value<'a>) -> Object<'a> {
        let mut request = vec![("operation", Value::String(Operation::Create.as_str()))];
        match Resource(object).namespace() {
            "" => {}
            namespace => request.push(("namespace", Value::String(namespace))),
        }
        Object::from_unsorted(arena, &mut request)
    }

    /// The object that is judged: the new one, on DELETE the old one.
    pub fn resource(&self) -> Resource<'a> {
        Resource(self.object.or(self.old_object).unwrap_or_default())
    }
}

/// What variables are read from: `given`, with `request` and the objects laid under and over it.
///
/// `request` holds what an AdmissionRequest holds beside its objects; a `request` that is given comes before it.
pub fn variables<'a>(
    arena: &'a Arena,
    request: Object<'a>,
    object: Option<Value<'a>>,
    old_object: Option<Value<'a>>,
    given: Object<'a>,
) -> Object<'a> {
    let mut request = match given.get("request") {
        Some(Value::Object(given)) => request.merged(arena, given),
        _ => request,
    };
    for (key, value) in [("object", object), ("oldObject", old_object)] {
        if let Some(value) = value {
            request = request.with(arena, key, value);
        }
    }
    if request.is_empty() { given } else { given.with(arena, "request", Value::Object(request)) }
}
