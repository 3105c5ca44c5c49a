//! One TTL written to one Job, and what the API server's answer means.

use std::time::Duration;

use http::Method;
use portcullis_cluster::{ApiError, Connection, RawRequest, Reply, encoded};
use portcullis_retention::retention::FIELD_MANAGER;
use serde_json::json;

/// The TTL that a Job is to have, and what the Job has to be for that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SetTtl {
    pub(super) namespace: Box<str>,
    pub(super) name: Box<str>,
    pub(super) uid: Box<str>,
    pub(super) resource_version: Box<str>,
    /// In seconds, counted from when it finished.
    pub(super) ttl: i32,
    /// Whether it takes the place of one that somebody else looks after.
    pub(super) force: bool,
}

/// What came of a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// The Job as it is now, as JSON.
    Done(String),
    /// The Job is gone, was changed meanwhile, or its TTL is somebody else's: the watch tells of it.
    Skipped(String),
    /// The API server did not look at it (429); when to come back, where it said so.
    Busy(Option<Duration>),
    /// Nobody may write to Jobs for us: neither this one nor another.
    Forbidden(String),
    /// This one is refused.
    Refused(String),
    /// A webhook does not answer, so that nothing was done: it may be one for some namespaces or Jobs only.
    Unadmitted(String),
    /// No answer came, or one that leaves open what was done: the watch tells of it.
    Lost(String),
}

/// Writes the TTL. The second value is the API server's clock, in seconds since 1970-01-01 UTC.
pub(super) async fn write(connection: &Connection, set: &SetTtl) -> (Written, Option<i64>) {
    let reply = connection.send_once(request(set)).await;
    let date = reply.as_ref().ok().and_then(|reply| reply.date);
    (written(reply), date)
}

fn request(set: &SetTtl) -> RawRequest {
    let path = format!(
        "/apis/batch/v1/namespaces/{}/jobs/{}?fieldManager={FIELD_MANAGER}&force={}",
        encoded(&set.namespace),
        encoded(&set.name),
        set.force
    );
    let job = json!({
        "apiVersion": "batch/v1", "kind": "Job",
        "metadata": {
            "namespace": set.namespace, "name": set.name,
            // A Job of the same name, or one that has changed, is another one.
            "uid": set.uid, "resourceVersion": set.resource_version
        },
        "spec": {"ttlSecondsAfterFinished": set.ttl}
    });
    RawRequest {
        method: Method::PATCH,
        path,
        content_type: "application/apply-patch+yaml",
        body: job.to_string().into_bytes(),
    }
}

fn written(reply: Result<Reply, ApiError>) -> Written {
    let reply = match reply {
        Ok(reply) => reply,
        Err(error) => return Written::Lost(error.to_string()),
    };
    match reply.code {
        200..=299 => match String::from_utf8(reply.body) {
            Ok(job) => Written::Done(job),
            Err(error) => Written::Lost(error.to_string()),
        },
        // Whoever denies chooses the code.
        400.. if is_denied(&reply) => Written::Refused(reply.message()),
        500 if reply.message().contains("failed calling webhook") => Written::Unadmitted(reply.message()),
        404 | 409 => Written::Skipped(reply.message()),
        429 => Written::Busy(reply.retry_after),
        401 | 403 => Written::Forbidden(reply.message()),
        408 | 500..=599 => Written::Lost(reply.message()),
        _ => Written::Refused(reply.message()),
    }
}

/// Whether a webhook or an admission policy has said no, which is about this Job, and no matter of rights.
fn is_denied(reply: &Reply) -> bool {
    let message = reply.message();
    message.starts_with("admission webhook") || message.contains("denied request:")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(code: u16, message: &str) -> Written {
        let body = json!({"kind": "Status", "code": code, "message": message}).to_string().into_bytes();
        written(Ok(Reply { code, body, retry_after: Some(Duration::from_secs(7)), ..Reply::default() }))
    }

    #[test]
    fn only_what_concerns_all_jobs_stops_the_writes() {
        let forbidden = "jobs.batch \"a\" is forbidden: User \"portcullis\" cannot patch resource \"jobs\"";
        let denied = "admission webhook \"w.example.com\" denied the request: no";
        let quota = "jobs.batch \"a\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no";
        assert_eq!(answer(403, forbidden), Written::Forbidden(forbidden.to_owned()));
        assert_eq!(answer(403, denied), Written::Refused(denied.to_owned()));
        assert_eq!(answer(403, quota), Written::Refused(quota.to_owned()));
        assert_eq!(answer(422, "no"), Written::Refused("no".to_owned()));
        assert_eq!(answer(429, "busy"), Written::Busy(Some(Duration::from_secs(7))));
        for code in [404, 409] {
            assert_eq!(answer(code, "no"), Written::Skipped("no".to_owned()));
        }
        assert_eq!(answer(504, "late"), Written::Lost("late".to_owned()));
        for code in [409, 429, 500] {
            assert_eq!(answer(code, denied), Written::Refused(denied.to_owned()));
        }
        let away = "Internal error occurred: failed calling webhook \"w.example.com\": failed to call webhook: Post: EOF";
        assert_eq!(answer(500, away), Written::Unadmitted(away.to_owned()));
    }

    #[test]
    fn a_write_names_the_one_job_that_is_meant_and_nothing_else_of_it() {
        let set = SetTtl {
            namespace: "a".into(),
            name: "b".into(),
            uid: "u".into(),
            resource_version: "7".into(),
            ttl: 900,
            force: false,
        };
        let request = request(&set);
        assert!(request.path.starts_with("/apis/batch/v1/namespaces/a/jobs/b?"), "{}", request.path);
        assert!(request.path.ends_with("&force=false"), "{}", request.path);
        let body: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
        let metadata = json!({"namespace": "a", "name": "b", "uid": "u", "resourceVersion": "7"});
        let expected = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata,
            "spec": {"ttlSecondsAfterFinished": 900}});
        assert_eq!(body, expected);
    }
}
