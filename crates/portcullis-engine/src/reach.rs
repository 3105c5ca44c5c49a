//! What a policy may ask for: the one gate before every fact from outside.
//!
//! A policy that lives in a namespace is written by whoever may write there, and sees that namespace alone, by the names
//! that come out when variables are put in. What any policy asks of the API server only reads.

use portcullis_model::{ApiPath, Question, ServiceUrl};

/// Whether a policy that lives in `policy_namespace` (empty for a cluster-wide one) may ask `question`.
///
/// # Errors
/// It may not, for this reason, in the reference's words where it has some.
pub(crate) fn check(policy_namespace: &str, question: &Question) -> Result<(), String> {
    match question {
        Question::ConfigMap { entry, namespace, .. } => match policy_namespace {
            "" => Ok(()),
            home if home == namespace => Ok(()),
            home => Err(format!(
                "context entry {entry}: configMap namespace \"{namespace}\" is different from policy namespace \"{home}\""
            )),
        },
        Question::ApiCall { method, url_path, .. } => check_call(policy_namespace, method, url_path),
        Question::ServiceCall { entry, method, url, .. } => {
            is_in_namespace(policy_namespace, None, "")?;
            if !matches!(method.as_str(), "GET" | "POST") {
                return Err(format!("invalid request type {method} for APICall {entry}"));
            }
            let refused = |reason| format!("failed to execute HTTP request for APICall {entry}: {reason}");
            ServiceUrl::parse(url).map(drop).map_err(refused)
        }
        Question::Resources(query) => match (policy_namespace, query.namespace.as_deref()) {
            ("", _) => Ok(()),
            (home, Some(namespace)) if home == namespace => Ok(()),
            (home, _) => Err(format!(
                "resources of kind {} are not in the policy namespace {home}, which the policy is limited to",
                query.kind
            )),
        },
        // What all policies share.
        _ => Ok(()),
    }
}

fn check_call(policy_namespace: &str, method: &str, url_path: &str) -> Result<(), String> {
    let frame = |reason: &str| format!("failed to {method} resource with raw url: {url_path}: {reason}");
    let path = ApiPath::parse(url_path).map_err(|reason| frame(&reason))?;
    match method {
        "GET" => {}
        // We would write with our own rights.
        "POST" if !path.is_review() => {
            return Err(frame("nothing but reviews of access and of tokens is created by a call"));
        }
        "POST" => {}
        method => return Err(format!("method not supported: {method}")),
    }
    is_in_namespace(policy_namespace, path.namespace(), url_path)
}

fn is_in_namespace(policy_namespace: &str, namespace: Option<&str>, path: &str) -> Result<(), String> {
    match namespace {
        _ if policy_namespace.is_empty() => Ok(()),
        Some(namespace) if namespace == policy_namespace => Ok(()),
        Some(namespace) => Err(format!(
            "path {path} refers to namespace {namespace}, which is different from the policy namespace {policy_namespace}"
        )),
        None => Err(format!(
            "path {path} does not contain a namespace segment, which is required for namespaced policies"
        )),
    }
}

#[cfg(test)]
mod tests {
    use portcullis_model::{Purpose, ResourceQuery};

    use super::*;

    fn config_map(namespace: &str) -> Question {
        Question::ConfigMap { entry: "e".to_owned(), namespace: namespace.to_owned(), name: "m".to_owned() }
    }

    fn call(method: &str, url_path: &str) -> Question {
        let (method, url_path) = (method.to_owned(), url_path.to_owned());
        Question::ApiCall { entry: "e".to_owned(), method, url_path, data: String::new() }
    }

    fn service() -> Question {
        service_call("GET", "https://a.b.svc")
    }

    fn service_call(method: &str, url: &str) -> Question {
        Question::ServiceCall {
            entry: "e".to_owned(),
            method: method.to_owned(),
            url: url.to_owned(),
            data: String::new(),
            headers: Vec::new(),
            ca_bundle: String::new(),
        }
    }

    fn resources(namespace: Option<&str>) -> Question {
        Question::Resources(ResourceQuery {
            purpose: Purpose::Clone,
            api_version: "v1".to_owned(),
            kind: "Secret".to_owned(),
            subresource: String::new(),
            namespace: namespace.map(str::to_owned),
            name: None,
        })
    }

    /// CVE-2026-22039, CVE-2026-41068.
    #[test]
    fn a_policy_of_a_namespace_sees_that_namespace_alone() {
        let pods = "/api/v1/namespaces/other/pods";
        for (question, refusal) in [
            (
                config_map("other"),
                "context entry e: configMap namespace \"other\" is different from policy namespace \"team\"",
            ),
            (
                call("GET", pods),
                "path /api/v1/namespaces/other/pods refers to namespace other, which is different from the policy \
                 namespace team",
            ),
            (
                call("GET", "/api/v1/pods"),
                "path /api/v1/pods does not contain a namespace segment, which is required for namespaced policies",
            ),
            (
                resources(None),
                "resources of kind Secret are not in the policy namespace team, which the policy is limited to",
            ),
            (
                resources(Some("other")),
                "resources of kind Secret are not in the policy namespace team, which the policy is limited to",
            ),
            (
                service(),
                "path  does not contain a namespace segment, which is required for namespaced policies",
            ),
        ] {
            assert_eq!(check("team", &question), Err(refusal.to_owned()));
            assert_eq!(check("", &question), Ok(()), "a cluster-wide policy may: {question:?}");
        }
        assert_eq!(check("team", &config_map("team")), Ok(()));
        assert_eq!(check("team", &resources(Some("team"))), Ok(()));
        assert_eq!(check("team", &call("GET", "/api/v1/namespaces/team/pods?limit=1")), Ok(()));
        for around in ["/api/v1/namespaces/team/../other/pods", "/api/v1/namespaces/team%2f..%2fother/pods"] {
            assert!(check("team", &call("GET", around)).is_err(), "{around}");
        }
    }

    #[test]
    fn services_are_asked_plainly() {
        assert_eq!(check("", &service_call("POST", "http://a.b.svc:8080/x")), Ok(()));
        let refused = |method: &str, url: &str| check("", &service_call(method, url)).unwrap_err();
        assert_eq!(refused("DELETE", "https://a"), "invalid request type DELETE for APICall e");
        assert_eq!(
            refused("GET", "https://a@169.254.169.254/"),
            "failed to execute HTTP request for APICall e: the URL names a user"
        );
    }

    #[test]
    fn nothing_is_written_by_a_call() {
        let review = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
        assert_eq!(check("", &call("POST", review)), Ok(()));
        assert_eq!(check("", &call("DELETE", review)), Err("method not supported: DELETE".to_owned()));
        let error = check("", &call("POST", "/api/v1/namespaces/a/pods")).unwrap_err();
        assert!(
            error.starts_with("failed to POST resource with raw url: /api/v1/namespaces/a/pods: nothing but"),
            "{error}"
        );
    }
}
