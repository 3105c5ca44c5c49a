//! Which webhook was called, from the path of its URL.

/// What a path asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route<'a> {
    /// The webhook.
    pub webhook: Webhook,
    /// The policies it is about, by their failure policy.
    pub failure: Failure,
    /// The one policy it is about, where a policy has a webhook of its own.
    pub policy: Option<PolicyName<'a>>,
}

/// Name and, for a namespaced policy, namespace of a policy in a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PolicyName<'a> {
    /// The namespace of a namespaced policy.
    pub namespace: Option<&'a str>,
    /// The name.
    pub name: &'a str,
}

/// The webhooks that are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Webhook {
    /// Resources, to be changed.
    Mutate,
    /// Resources, to be judged.
    Validate,
    /// Policies as they are written, to be changed.
    PolicyMutate,
    /// Policies as they are written, to be checked.
    PolicyValidate,
    /// Policy exceptions as they are written, to be checked.
    ExceptionValidate,
}

impl Webhook {
    /// Every webhook with its path.
    pub const ALL: [(Webhook, &'static str); 5] = [
        (Webhook::Mutate, "/mutate"),
        (Webhook::Validate, "/validate"),
        (Webhook::PolicyMutate, "/policymutate"),
        (Webhook::PolicyValidate, "/policyvalidate"),
        (Webhook::ExceptionValidate, "/exceptionvalidate"),
    ];

    /// Whether the API server asks for changes.
    pub fn mutates(self) -> bool {
        matches!(self, Webhook::Mutate | Webhook::PolicyMutate)
    }

    /// Whether the webhook is about resources, so that its path tells failure policies apart.
    fn has_failure_policies(self) -> bool {
        matches!(self, Webhook::Mutate | Webhook::Validate)
    }
}

/// Which failure policy the policies of a route have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Failure {
    /// Any: the path says nothing.
    All,
    /// `Fail`.
    Fail,
    /// `Ignore`.
    Ignore,
}

impl<'a> Route<'a> {
    /// Reads a path: `/validate`, `/mutate/fail`, `/validate/ignore/finegrained/NAME`,
    /// `/validate/fail/finegrained/NAMESPACE/NAME`. `None` is a path that nothing is served at.
    pub fn parse(path: &'a str) -> Option<Self> {
        let mut parts = path.strip_prefix('/')?.split('/');
        let first = parts.next()?;
        let (webhook, _) =
            Webhook::ALL.into_iter().find(|(_, path)| path.strip_prefix('/') == Some(first))?;
        let failure = match parts.next() {
            None => return Some(Self { webhook, failure: Failure::All, policy: None }),
            Some(_) if !webhook.has_failure_policies() => return None,
            Some("fail") => Failure::Fail,
            Some("ignore") => Failure::Ignore,
            Some(_) => return None,
        };
        let policy = match parts.next() {
            None => None,
            Some("finegrained") => Some(PolicyName::parse(parts.next()?, parts.next())?),
            Some(_) => return None,
        };
        parts.next().is_none().then_some(Self { webhook, failure, policy })
    }

    /// Whether the request is refused when it cannot be judged. A path without a failure policy counts as `Fail`, which is
    /// what a policy that says nothing has.
    pub fn fails_closed(&self) -> bool {
        self.failure != Failure::Ignore
    }
}

impl<'a> PolicyName<'a> {
    fn parse(first: &'a str, second: Option<&'a str>) -> Option<Self> {
        let (namespace, name) = match second {
            None => (None, first),
            Some(name) => (Some(first), name),
        };
        (!first.is_empty() && !name.is_empty()).then_some(Self { namespace, name })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(path: &str) -> Option<Route<'_>> {
        Route::parse(path)
    }

    #[test]
    fn a_path_names_webhook_failure_policy_and_policy() {
        let check = |path: &str, webhook, failure, namespace: Option<&str>, name: Option<&str>| {
            let policy = name.map(|name| PolicyName { namespace, name });
            assert_eq!(route(path), Some(Route { webhook, failure, policy }), "{path}");
        };
        check("/validate", Webhook::Validate, Failure::All, None, None);
        check("/mutate/fail", Webhook::Mutate, Failure::Fail, None, None);
        check("/validate/ignore", Webhook::Validate, Failure::Ignore, None, None);
        check("/mutate/fail/finegrained/p", Webhook::Mutate, Failure::Fail, None, Some("p"));
        check("/validate/ignore/finegrained/ns/p", Webhook::Validate, Failure::Ignore, Some("ns"), Some("p"));
        check("/policyvalidate", Webhook::PolicyValidate, Failure::All, None, None);
    }

    #[test]
    fn other_paths_are_not_served() {
        for path in [
            "",
            "/",
            "//validate",
            "/Validate",
            "/validate/",
            "/validate/all",
            "/validate/fail/",
            "/validate/fail/finegrained",
            "/validate/fail/finegrained/",
            "/validate/fail/finegrained/ns/",
            "/validate/fail/finegrained//p",
            "/validate/fail/finegrained/ns/p/q",
            "/policyvalidate/fail",
        ] {
            assert_eq!(route(path), None, "{path}");
        }
    }
}
