//! The UserInfo file: who makes the request.

use portcullis_model::{Diagnostic, Roles, User};
use portcullis_value::{Arena, Object, OwnedValue, Pointer, Value};

use super::values::read_strictly;
use crate::diagnostics;
use crate::surroundings::Surroundings;

/// What is wrong with a file of old.
const DEPRECATED: &str = "uses a deprecated schema: it has no `apiVersion` and `kind`";

/// The user of a run.
#[derive(Debug, Default)]
pub(crate) struct UserInfo {
    username: String,
    groups: Vec<String>,
    roles: Vec<String>,
    cluster_roles: Vec<String>,
    /// `userInfo` as variables read it.
    info: OwnedValue,
}

impl UserInfo {
    /// Reads the UserInfo file at `path`. One that says neither its version nor its kind is warned of.
    ///
    /// # Errors
    /// It cannot be used; the mistakes in it are told.
    pub(crate) fn read(path: &str, surroundings: &mut Surroundings<'_>) -> anyhow::Result<Self> {
        let (user, is_deprecated) = Self::read_file(path, false, surroundings)?;
        if is_deprecated {
            let message = format!("`{path}` {DEPRECATED}");
            diagnostics::warning(&mut surroundings.stderr, &message);
        }
        Ok(user)
    }

    /// Reads the UserInfo file of a test at `path`.
    ///
    /// # Errors
    /// It cannot be used, or says neither its version nor its kind; the mistakes in it are told.
    pub(crate) fn read_of_test(path: &str, surroundings: &mut Surroundings<'_>) -> anyhow::Result<Self> {
        Ok(Self::read_file(path, true, surroundings)?.0)
    }

    /// The user, and whether the file says neither its version nor its kind, which `is_current` files do.
    fn read_file(
        path: &str,
        is_current: bool,
        surroundings: &mut Surroundings<'_>,
    ) -> anyhow::Result<(Self, bool)> {
        let mut user = Self::default();
        let mut is_deprecated = false;
        read_strictly(path, surroundings, |document, problems| {
            is_deprecated = document.get("apiVersion").is_none() || document.get("kind").is_none();
            if is_deprecated && is_current {
                let hint = "begin it with `apiVersion: cli.kyverno.io/v1alpha1` and `kind: UserInfo`";
                let error = Diagnostic::error(Pointer::root(), format!("the file {DEPRECATED}"));
                problems.0.push(error.with_hint(hint));
            }
            let known = ["apiVersion", "kind", "metadata", "roles", "clusterRoles", "userInfo"];
            let file = problems.fields(document, Pointer::root(), &known);
            let owned = |texts: Vec<&str>| texts.into_iter().map(str::to_owned).collect();
            user.roles = owned(file.texts("roles", problems));
            user.cluster_roles = owned(file.texts("clusterRoles", problems));
            let info = file.get("userInfo").unwrap_or(Value::Object(Object::default()));
            let fields =
                problems.fields(info, file.path("userInfo"), &["username", "uid", "groups", "extra"]);
            user.username = fields.text("username", problems).to_owned();
            user.groups = owned(fields.texts("groups", problems));
            user.info = info.into();
        })?;
        Ok((user, is_deprecated))
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
