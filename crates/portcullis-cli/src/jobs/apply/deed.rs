//! One request of a sweep, sent; and what its answer means.

use http::Method;
use portcullis_cluster::{ApiError, Connection, RawRequest, Reply, encoded};
use portcullis_retention::{
    Answer, FIELD_MANAGER, Interest, Number, Preconditions, Protection, Request, Seen, Verb, read_job,
    sets_ttl,
};
use portcullis_value::{Arena, json};
use serde_json::json;
use tokio::time::Instant;

/// What came of a request.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) number: Number,
    pub(super) answer: Answer,
    /// The API server's clock, in seconds since 1970-01-01 UTC.
    pub(super) date: Option<i64>,
    /// When the request was sent.
    pub(super) sent: Instant,
}

/// The path of a Job.
pub(in crate::jobs) fn path(namespace: &str, name: &str) -> String {
    format!("/apis/batch/v1/namespaces/{}/jobs/{}", encoded(namespace), encoded(name))
}

/// Sends `request`.
pub(super) async fn perform(connection: &Connection, request: Request<'_>) -> Told {
    let sent = Instant::now();
    let reply = connection.send_once(raw(request.verb, request.namespace, request.name)).await;
    let date = reply.as_ref().ok().and_then(|reply| reply.date);
    Told { number: request.number, answer: answer(request.verb, reply), date, sent }
}

fn raw(verb: Verb<'_>, namespace: &str, name: &str) -> RawRequest {
    let path = path(namespace, name);
    match verb {
        Verb::Get => RawRequest { method: Method::GET, path, content_type: "", body: Vec::new() },
        Verb::Delete(Preconditions { uid, resource_version }) => {
            let options = json!({
                "apiVersion": "v1", "kind": "DeleteOptions",
                // Written out: what the API server takes by itself has changed between versions, and orphans Pods in some.
                "propagationPolicy": "Background",
                "preconditions": {"uid": uid, "resourceVersion": resource_version}
            });
            RawRequest {
                method: Method::DELETE,
                path,
                content_type: "application/json",
                body: options.to_string().into_bytes(),
            }
        }
        Verb::SetTtl { ttl, preconditions: Preconditions { uid, resource_version } } => {
            let job = json!({
                "apiVersion": "batch/v1", "kind": "Job",
                "metadata": {
                    "namespace": namespace, "name": name,
                    "uid": uid, "resourceVersion": resource_version
                },
                "spec": {"ttlSecondsAfterFinished": ttl}
            });
            apply(&path, job.to_string())
        }
    }
}

/// A server-side apply as the field manager of sweeps, which is never forced.
pub(in crate::jobs) fn apply(path: &str, job: String) -> RawRequest {
    RawRequest {
        method: Method::PATCH,
        path: format!("{path}?fieldManager={FIELD_MANAGER}&force=false"),
        content_type: "application/apply-patch+yaml",
        body: job.into_bytes(),
    }
}

fn answer(verb: Verb<'_>, reply: Result<Reply, ApiError>) -> Answer {
    let reply = match reply {
        Ok(reply) => reply,
        Err(error) => return Answer::Lost(error.to_string()),
    };
    match (reply.code, verb) {
        (200..=299, Verb::Get) => seen(&reply.body),
        (200..=299, _) => Answer::Done,
        (404, _) => Answer::Gone,
        (409, _) => Answer::Conflict(reply.message()),
        (429, _) => Answer::Busy {
            retry_after: reply.retry_after.map(|after| after.as_millis().try_into().unwrap_or(u64::MAX)),
        },
        // Of a server error nobody knows how far the request came.
        (408 | 500..=599, _) => Answer::Lost(reply.message()),
        _ => Answer::Refused(reply.message()),
    }
}

fn seen(body: &[u8]) -> Answer {
    let arena = Arena::new();
    let text = std::str::from_utf8(body).unwrap_or_default();
    match read_job(&arena, text, &Interest::default()) {
        Ok(facts) => {
            let has_our_ttl = facts.protections.contains(Protection::Ttl) && has_our_ttl(text);
            Answer::Found(Seen::of(&facts, has_our_ttl))
        }
        Err(error) => Answer::Lost(error.to_string()),
    }
}

/// Whether the TTL in `manifest` is one that a sweep wrote.
pub(super) fn has_our_ttl(manifest: &str) -> bool {
    let arena = Arena::new();
    json::read(&arena, manifest).is_ok_and(|job| sets_ttl(job, FIELD_MANAGER))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(verb: Verb<'_>, code: u16, body: &str) -> Answer {
        answer(verb, Ok(Reply { code, body: body.as_bytes().to_vec(), ..Reply::default() }))
    }

    #[test]
    fn a_deletion_takes_the_pods_along_and_says_what_the_job_has_to_be() {
        let preconditions = Preconditions { uid: "u", resource_version: "1" };
        let body = |verb| raw(verb, "team", "job").body;
        let options: serde_json::Value =
            serde_json::from_slice(&body(Verb::Delete(preconditions))).expect("JSON");
        assert_eq!(options["propagationPolicy"], "Background");
        assert_eq!(options["preconditions"], json!({"uid": "u", "resourceVersion": "1"}));
        let RawRequest { path, body, .. } = raw(Verb::SetTtl { ttl: 900, preconditions }, "team", "job");
        let applied: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
        assert!(path.ends_with("?fieldManager=portcullis-jobs&force=false"), "{path}");
        assert_eq!(
            applied["metadata"],
            json!({"namespace": "team", "name": "job", "uid": "u", "resourceVersion": "1"})
        );
    }

    #[test]
    fn an_answer_that_leaves_open_what_was_done_is_a_lost_one() {
        let preconditions = Preconditions { uid: "u", resource_version: "1" };
        let delete = Verb::Delete(preconditions);
        assert_eq!(told(delete, 200, "{}"), Answer::Done);
        assert_eq!(told(delete, 404, "{}"), Answer::Gone);
        assert_eq!(told(delete, 403, r#"{"message": "no"}"#), Answer::Refused("no".to_owned()));
        for code in [500, 503, 504] {
            assert_eq!(told(delete, code, ""), Answer::Lost(format!("status {code}")));
        }
        assert!(matches!(told(Verb::Get, 200, "{"), Answer::Lost(_)));
    }
}
