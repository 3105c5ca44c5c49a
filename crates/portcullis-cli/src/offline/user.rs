//! The UserInfo file: who makes the request.

use portcullis_model::{Roles, User};
use portcullis_value::{Arena, OwnedValue, Pointer, Value};

use super::fields::{OF_OLD, Problems, is_of_old};
use super::values::read_strictly;
use crate::diagnostics;
use crate::surroundings::Surroundings;

/// The user of a run.
#[derive(Debug, Default)]
pub(crate) struct UserInfo {
    username: String,
    groups: Vec<String>,
    roles: Vec<String>,
    cluster_roles: Vec<String>,
    /// `userInfo` as variables read it: nothing in it is empty.
    info: OwnedValue,
}

impl UserInfo {
    /// Reads the UserInfo file at `path`. One that says neither its version nor its kind is warned of.
    ///
    /// # Errors
    /// It cannot be used; the mistakes in it are told.
    pub(crate) fn read(path: &str, surroundings: &mut Surroundings<'_>) -> anyhow::Result<Self> {
        let mut is_deprecated = false;
        let user = Self::read_file(path, surroundings, |document, _| is_deprecated = is_of_old(document))?;
        if is_deprecated {
            diagnostics::warning(&mut surroundings.stderr, &format!("`{path}` {OF_OLD}"));
        }
        Ok(user)
    }

    /// Reads the UserInfo file of a test at `path`.
    ///
    /// # Errors
    /// It cannot be used, or says neither its version nor its kind; the mistakes in it are told.
    pub(crate) fn read_of_test(path: &str, surroundings: &mut Surroundings<'_>) -> anyhow::Result<Self> {
        Self::read_file(path, surroundings, |document, problems| {
            problems.refuse_of_old(document, "UserInfo");
        })
    }

    /// Reads the file at `path`, which `look` has looked at.
    fn read_file(
        path: &str,
        surroundings: &mut Surroundings<'_>,
        look: impl FnOnce(Value<'_>, &mut Problems),
    ) -> anyhow::Result<Self> {
        let mut user = Self::default();
        read_strictly(path, surroundings, |document, problems| {
            look(document, problems);
            let known = ["apiVersion", "kind", "metadata", "roles", "clusterRoles", "userInfo"];
            let file = problems.fields(document, Pointer::root(), &known);
            let owned = |texts: Vec<&str>| texts.into_iter().map(str::to_owned).collect();
            user.roles = owned(file.texts("roles", problems));
            user.cluster_roles = owned(file.texts("clusterRoles", problems));
            let info = file.get("userInfo").unwrap_or_default();
            let known = ["username", "uid", "groups", "extra"];
            let fields = problems.fields(info, file.path("userInfo"), &known);
            user.username = fields.text("username", problems).to_owned();
            user.groups = owned(fields.texts("groups", problems));
            let said = known.into_iter().filter_map(|field| Some((field, fields.get(field)?)));
            let mut said: Vec<_> = said.filter(|(_, value)| !is_empty(*value)).collect();
            user.info = Arena::new().object(&mut said).into();
        })?;
        Ok(user)
    }

    /// The user, unless the file says nothing of one: then nobody asks.
    pub(crate) fn known(self) -> Option<Self> {
        let says_who = matches!(&self.info, OwnedValue::Object(fields) if !fields.is_empty());
        (says_who || !self.roles.is_empty() || !self.cluster_roles.is_empty()).then_some(self)
    }

    /// The roles and the cluster roles of the user.
    pub(crate) fn into_roles(self) -> (Vec<String>, Vec<String>) {
        (self.roles, self.cluster_roles)
    }

    /// The user as policies match it.
    pub(crate) fn user<'a>(&'a self, arena: &'a Arena) -> User<'a> {
        let list = |texts: &'a [String]| {
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            arena.slice(&texts)
        };
        User {
            username: &self.username,
            groups: list(&self.groups),
            roles: Some(Roles { roles: list(&self.roles), cluster_roles: list(&self.cluster_roles) }),
        }
    }

    /// What `request` has of the user: nothing that is empty.
    pub(crate) fn request_fields<'a>(&'a self, arena: &'a Arena) -> Vec<(&'a str, Value<'a>)> {
        let list = |texts: &'a [String]| {
            let texts: Vec<_> = texts.iter().map(|text| Value::String(text)).collect();
            arena.array(&texts)
        };
        let mut fields = vec![("userInfo", self.info.borrow(arena))];
        if !self.roles.is_empty() {
            fields.push(("roles", list(&self.roles)));
        }
        if !self.cluster_roles.is_empty() {
            fields.push(("clusterRoles", list(&self.cluster_roles)));
        }
        fields
    }
}

fn is_empty(value: Value<'_>) -> bool {
    match value {
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(object) => object.is_empty(),
        _ => false,
    }
}
