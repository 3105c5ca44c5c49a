//! Writes the status of policies, where it says something else than it should.

use http::header::CONTENT_TYPE;
use portcullis_cluster::Connection;
use portcullis_kyverno::status::{PolicyStatus, autogen};
use portcullis_value::{Arena, Value, json};
use serde::de::IgnoredAny;

use crate::arming::FIELD_MANAGER;
use crate::in_force::PolicyInForce;

/// Writes the status of `policy`, if it is not `wanted`. Says whether it wrote. `now` is the time in RFC 3339.
///
/// # Errors
/// The API server refuses it. A policy that is gone or was created anew is no error: it has another status to come.
pub async fn write(
    connection: &Connection,
    policy: &PolicyInForce,
    wanted: &PolicyStatus,
    now: &str,
) -> Result<bool, kube::Error> {
    let Some(status) = changed(policy, wanted, now) else { return Ok(false) };
    let metadata = &policy.document.metadata;
    // Names and namespaces are made of letters that a path takes as they are: the API server saw to it.
    let resource = match &*metadata.namespace {
        "" => format!("clusterpolicies/{}", metadata.name),
        namespace => format!("namespaces/{namespace}/policies/{}", metadata.name),
    };
    let uri = format!("/apis/kyverno.io/v1/{resource}/status?fieldManager={FIELD_MANAGER}");
    // Replaced whole: a merge would keep generated rules that are not generated any more.
    let patch = format!(
        r#"[{{"op":"test","path":"/metadata/uid","value":{}}},{{"op":"add","path":"/status","value":{status}}}]"#,
        json::quote(&metadata.uid)
    );
    let request = http::Request::patch(uri)
        .header(CONTENT_TYPE, "application/json-patch+json")
        .body(patch.into_bytes())
        .map_err(kube::Error::HttpError)?;
    match connection.background().request::<IgnoredAny>(request).await {
        Ok(_) => Ok(true),
        // 422 is the answer where the uid is another one.
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409 | 422) => Ok(false),
        Err(error) => Err(error),
    }
}

/// The status as JSON, if the policy has another one.
fn changed(policy: &PolicyInForce, wanted: &PolicyStatus, now: &str) -> Option<String> {
    let arena = Arena::new();
    let current = match &*policy.document.status {
        "" => Value::Null,
        text => json::read(&arena, text).unwrap_or_default(),
    };
    let wanted = wanted.to_value(&arena, current, now);
    if current == wanted {
        return None;
    }
    let document = json::read(&arena, &policy.document.text).unwrap_or_default();
    let whole = wanted.with(&arena, &["autogen"], autogen(&arena, document));
    Some(json::Writer::compact().to_string(whole))
}
