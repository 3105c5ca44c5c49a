//! Why a request to the API server failed, said for people.

use std::borrow::Cow;
use std::time::Duration;

use kube::core::Status;

/// What was asked of the API server, as RBAC names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// `list`, `watch`, `get`, `create`, `update`, `patch`, `delete`.
    pub verb: &'static str,
    /// The plural name with its group: `policies.kyverno.io`.
    pub resource: String,
}

/// Why the API server could not be asked, or what it said instead of an answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApiError {
    #[error("cannot reach the API server at `{server}`: {reason}")]
    Unreachable { server: String, reason: String },
    #[error("the API server at `{server}` did not answer within {} s", .after.as_secs())]
    TimedOut { server: String, after: Duration },
    #[error("no credentials that the API server accepts: {message}")]
    Unauthorized { message: String },
    #[error("not allowed to {} `{}`: {message}", .asked.verb, .asked.resource)]
    Forbidden { asked: Asked, message: String },
    /// The object, or the whole kind, is not there.
    #[error("no `{}` there to {}: {message}", .asked.resource, .asked.verb)]
    NotFound { asked: Asked, message: String },
    /// The resource version is older than what the API server remembers, or a page of a list came too late.
    #[error("the API server has forgotten this version of `{}`: {message}", .asked.resource)]
    Expired { asked: Asked, message: String },
    /// It asked us to come back later, more often than we are willing to.
    #[error("the API server is too busy to {} `{}`: {message}", .asked.verb, .asked.resource)]
    Busy { asked: Asked, message: String },
    #[error("the API server refused to {} `{}` ({code}): {message}", .asked.verb, .asked.resource)]
    Refused { asked: Asked, code: u16, message: String },
    #[error("the answer to {} `{}` is longer than {limit} bytes", .asked.verb, .asked.resource)]
    TooLong { asked: Asked, limit: usize },
    #[error("the answer to {} `{}` cannot be read: {reason}", .asked.verb, .asked.resource)]
    Unreadable { asked: Asked, reason: String },
}

impl ApiError {
    /// What to do about it, where there is something to do.
    pub fn hint(&self) -> Option<String> {
        match self {
            ApiError::Unreachable { server, .. } => Some(format!(
                "check that `{server}` is the API server and listens; `kubectl cluster-info` asks the same"
            )),
            ApiError::Unauthorized { .. } => Some(
                "renew the token or the client certificate of the kubeconfig or service account".to_owned(),
            ),
            ApiError::Forbidden { message, .. } if message.contains(ESCALATION) => Some(
                "who grants rights has them, or may `escalate` and `bind` roles: ask a holder of the ClusterRole `cluster-admin`"
                    .to_owned(),
            ),
            ApiError::Forbidden { asked, message } => {
                let read = matches!(asked.verb, "get" | "list" | "watch");
                // A quota, Pod Security or the end of a namespace forbids writes that no right would allow.
                let (verb, resource) = missing_right(message)
                    .or_else(|| read.then(|| (asked.verb, asked.resource.clone())))?;
                Some(format!(
                    "grant it to whoever runs this: `kubectl create clusterrole NAME --verb={verb} --resource={resource}`, and bind it"
                ))
            }
            ApiError::Refused { code: 500.., .. } => {
                Some("`kubectl get --raw='/readyz?verbose'` says what the API server waits for; try again then".to_owned())
            }
            ApiError::Unreadable { .. } => Some(
                "something else may answer there, as a proxy does: `kubectl get --raw=/version` shows what".to_owned(),
            ),
            _ => None,
        }
    }

    /// What the API server said, in its own words, where it said something.
    pub fn said(&self) -> Cow<'_, str> {
        match self {
            ApiError::Unauthorized { message }
            | ApiError::Forbidden { message, .. }
            | ApiError::NotFound { message, .. }
            | ApiError::Expired { message, .. }
            | ApiError::Busy { message, .. }
            | ApiError::Refused { message, .. } => Cow::Borrowed(message),
            error => Cow::Owned(error.to_string()),
        }
    }

    /// What a status other than success means.
    pub(crate) fn from_status(asked: Asked, http_code: u16, status: &Status) -> Self {
        let code = if status.code == 0 { http_code } else { status.code };
        let message = if status.message.is_empty() { status.reason.clone() } else { status.message.clone() };
        match code {
            401 => ApiError::Unauthorized { message },
            403 => ApiError::Forbidden { asked, message },
            404 => ApiError::NotFound { asked, message },
            410 => ApiError::Expired { asked, message },
            429 => ApiError::Busy { asked, message },
            _ => ApiError::Refused { asked, code, message },
        }
    }

    /// What an error of the client means; `server` is where it was sent.
    pub fn from_client(asked: Asked, server: &str, error: &kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => Self::from_status(asked, status.code, status),
            kube::Error::SerdeError(error) => ApiError::Unreadable { asked, reason: error.to_string() },
            kube::Error::Auth(error) => ApiError::Unauthorized { message: error.to_string() },
            kube::Error::Service(source) if source.is::<kube::client::AuthError>() => {
                ApiError::Unauthorized { message: source.to_string() }
            }
            kube::Error::Service(source) if source.is::<TimedOut>() => {
                let after = source.downcast_ref::<TimedOut>().map_or(Duration::ZERO, |timed_out| timed_out.0);
                ApiError::TimedOut { server: server.to_owned(), after }
            }
            _ => ApiError::Unreachable { server: server.to_owned(), reason: root_cause(error) },
        }
    }
}

/// What an API server says to somebody who writes a role with more rights than he has.
const ESCALATION: &str = "is attempting to grant RBAC permissions not currently held";

/// Verb and resource of what an API server says is forbidden, as kubectl writes them: `get` and `deployments.apps/scale`.
///
/// It says so: `... cannot get resource "deployments/scale" in API group "apps" ...`.
fn missing_right(message: &str) -> Option<(&str, String)> {
    let (_, right) = message.split_once(" cannot ")?;
    let (verb, rest) = right.split_once(" resource \"")?;
    let (resource, rest) = rest.split_once("\" in API group \"")?;
    let (group, _) = rest.split_once('"')?;
    let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
    let dot = if group.is_empty() { "" } else { "." };
    let slash = if subresource.is_empty() { "" } else { "/" };
    Some((verb, format!("{resource}{dot}{group}{slash}{subresource}")))
}

/// The innermost reason: `connection refused` rather than the four layers around it.
fn root_cause(error: &kube::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    // A chain of causes is a handful; the bound is against one that refers to itself.
    for _ in 0..16 {
        match cause.source() {
            Some(source) => cause = source,
            None => break,
        }
    }
    if let Some(error) = cause.downcast_ref::<std::io::Error>() {
        return system_reason(error);
    }
    match error {
        kube::Error::Service(source) if source.source().is_none() => source.to_string(),
        _ => cause.to_string(),
    }
}

/// What the system says, in the words of our messages: lower case, no error number.
pub fn system_reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| first.to_lowercase().chain(characters).collect())
}

/// No answer began within this time.
#[derive(Debug, thiserror::Error)]
#[error("no answer within {} s", .0.as_secs())]
pub(crate) struct TimedOut(pub(crate) Duration);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_right_that_is_missing_is_read_from_what_the_api_server_says() {
        let check = |message: &str, want: Option<(&str, &str)>| {
            let found = missing_right(message);
            assert_eq!(found.as_ref().map(|(verb, resource)| (*verb, resource.as_str())), want);
        };
        check(
            "jobs.batch is forbidden: User \"a\" cannot list resource \"jobs\" in API group \"batch\" at the cluster scope",
            Some(("list", "jobs.batch")),
        );
        check(
            "secrets \"a\" is forbidden: User \"a\" cannot get resource \"secrets\" in API group \"\" in the namespace \"b\"",
            Some(("get", "secrets")),
        );
        check(
            "User \"a\" cannot patch resource \"deployments/scale\" in API group \"apps\" in the namespace \"b\"",
            Some(("patch", "deployments.apps/scale")),
        );
        check("exceeded quota", None);
    }

    #[test]
    fn who_may_not_read_is_told_what_is_to_be_granted_whatever_the_api_server_says() {
        let hint = |verb, message: &str| {
            let asked = Asked { verb, resource: "jobs.batch".to_owned() };
            ApiError::Forbidden { asked, message: message.to_owned() }.hint()
        };
        assert!(hint("list", "no").unwrap().contains("--verb=list --resource=jobs.batch"));
        assert_eq!(hint("create", "exceeded quota"), None);
    }
}
