//! The JobRetentions of the cluster, read from the API server itself, and their statuses, written to it.
//!
//! A watch may lag behind; who begins to write must see what the one before has written down.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::header::CONTENT_TYPE;
use portcullis_cluster::{ApiError, Asked, Connection, Document, Extent, encoded};
use portcullis_retention::retention::{JobRetention, Progress, Retentions, invalid};
use portcullis_value::{Arena, Value, json};

use crate::arming::FIELD_MANAGER;

const PATH: &str = "/apis/portcullis.dev/v1alpha1/jobretentions";
const RESOURCE: &str = "jobretentions.portcullis.dev";

/// All objects, at the version in which they were read or written last.
#[derive(Debug, Default)]
pub(super) struct Objects {
    pub(super) retentions: Arc<Retentions>,
    /// Of those that can be read, in their order.
    pub(super) documents: Vec<Document>,
    /// What is remembered of each of them.
    pub(super) progress: Vec<Progress>,
    /// Those that cannot, with the status that says so.
    invalid: Vec<(Document, String)>,
    /// The API server's clock, in seconds since 1970-01-01 UTC.
    pub(super) date: Option<i64>,
}

impl Objects {
    /// Lists them. Where the kind is not there, there are none. `local` is the time by our own clock.
    ///
    /// # Errors
    /// The API server does not list them.
    pub(super) async fn list(
        connection: &Connection,
        own_namespace: &str,
        local: i64,
    ) -> Result<Self, ApiError> {
        let asked = Asked { verb: "list", resource: RESOURCE.to_owned() };
        let answer = match connection.get(asked.clone(), PATH, Extent::Whole).await {
            Err(ApiError::NotFound { .. }) => return Ok(Self::default()),
            answer => answer?,
        };
        let arena = Arena::new();
        let list = answer.document(&arena, asked.clone())?;
        let unreadable = |reason: String| ApiError::Unreadable { asked: asked.clone(), reason };
        let (mut valid, mut objects) = (Vec::new(), Self { date: answer.date, ..Self::default() });
        let now = answer.date.unwrap_or(local);
        for item in list.get("items").and_then(Value::as_array).unwrap_or_default() {
            let document: Document = serde_json::from_str(&json::Writer::compact().to_string(*item))
                .map_err(|error| unreadable(error.to_string()))?;
            match JobRetention::read(*item) {
                Ok(retention) => valid.push((retention, document)),
                Err(errors) => {
                    let status = invalid(&arena, *item, &errors, now);
                    objects.invalid.push((document, json::Writer::compact().to_string(status)));
                }
            }
        }
        valid.sort_by(|(one, _), (other, _)| one.name.cmp(&other.name));
        let status = |document: &Document| {
            Progress::read(json::read(&arena, &document.status).unwrap_or_default(), now)
        };
        objects.progress = valid.iter().map(|(_, document)| status(document)).collect();
        let (retentions, documents) = valid.into_iter().unzip();
        let unreadable = objects.invalid.iter().map(|(document, _)| document.metadata.name.clone());
        objects.retentions =
            Arc::new(Retentions::new(retentions, own_namespace).beside_unreadable(unreadable));
        objects.documents = documents;
        Ok(objects)
    }

    /// Takes over what `before` knows of those whose status is the one that was written last: since then writes may have been
    /// given back.
    pub(super) fn remember(&mut self, before: Objects) {
        let known = before.documents.into_iter().zip(before.progress);
        let mut known: BTreeMap<_, _> =
            known.map(|(document, progress)| ((document.metadata.uid, document.status), progress)).collect();
        for (document, progress) in self.documents.iter().zip(&mut self.progress) {
            let key = (document.metadata.uid.clone(), document.status.clone());
            *progress = known.remove(&key).unwrap_or_else(|| std::mem::take(progress));
        }
    }

    /// Says of those that cannot be read what is wrong with them.
    ///
    /// # Errors
    /// The API server does not take a status.
    pub(super) async fn tell_mistakes(&mut self, connection: &Connection) -> Result<(), ApiError> {
        for (document, status) in &mut self.invalid {
            // One that has changed meanwhile is read again in a moment.
            write_status(connection, document, std::mem::take(status)).await?;
        }
        self.invalid.clear();
        Ok(())
    }
}

/// What came of writing a status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum StatusWritten {
    /// It says what it is to say.
    Same,
    /// The object is another one, or somebody else wrote to it: in the words of the API server.
    Conflict(String),
}

/// Writes `status` to the object as it was read, unless it says that already.
///
/// # Errors
/// The API server cannot be asked, or refuses.
pub(super) async fn write_status(
    connection: &Connection,
    document: &mut Document,
    status: String,
) -> Result<StatusWritten, ApiError> {
    if *document.status == *status {
        return Ok(StatusWritten::Same);
    }
    let asked = Asked { verb: "patch", resource: format!("{RESOURCE}/status") };
    let failed = |error: &kube::Error| ApiError::from_client(asked.clone(), connection.server(), error);
    let metadata = &document.metadata;
    let uri = format!("{PATH}/{}/status?fieldManager={FIELD_MANAGER}", encoded(&metadata.name));
    // Two may believe for a moment that they lead: the one that has not seen what the other wrote is refused.
    let test = |path: &str, value: &str| {
        format!(r#"{{"op":"test","path":"{path}","value":{}}}"#, json::quote(value))
    };
    let patch = format!(
        r#"[{},{},{{"op":"add","path":"/status","value":{status}}}]"#,
        test("/metadata/uid", &metadata.uid),
        test("/metadata/resourceVersion", &metadata.resource_version),
    );
    let request = http::Request::patch(uri)
        .header(CONTENT_TYPE, "application/json-patch+json")
        .body(patch.into_bytes())
        .map_err(|error| failed(&kube::Error::HttpError(error)))?;
    match connection.background().request::<Document>(request).await {
        Ok(written) => {
            document.metadata = written.metadata;
            document.status = status.into();
            Ok(StatusWritten::Same)
        }
        // 422 is the answer where a test fails.
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409 | 422) => {
            Ok(StatusWritten::Conflict(status.message.clone()))
        }
        Err(error) => Err(failed(&error)),
    }
}
