//! What rules ask for while a request is judged: ConfigMaps, whatever the API server answers to a GET, and services that are
//! allowed.

use std::sync::atomic::{AtomicUsize, Ordering};

use http::Method;
use portcullis_model::{Answer, ApiPath, Question};
use portcullis_value::{Arena, OwnedValue, json};

use crate::cluster::Cluster;
use crate::config_maps;
use crate::error::{ApiError, Asked};
use crate::reader::{Query, Reader};
use crate::services::ServiceRequest;
use crate::watch::encoded;

/// The most bytes of one answer.
const LONGEST_ANSWER: usize = 10 << 20;
/// The most bytes of what one review is told.
const MOST_TOLD: usize = 16 << 20;
/// How many facts one review may ask for.
pub(crate) const MOST_ASKED: usize = 64;

/// How much one review may still be told, in bytes.
#[derive(Debug)]
pub(crate) struct Allowance(AtomicUsize);

impl Allowance {
    /// What is left after `told` bytes.
    pub(crate) fn after(told: usize) -> Self {
        Self(AtomicUsize::new(MOST_TOLD.saturating_sub(told)))
    }

    /// Takes so many bytes, unless that is more than is left.
    fn take(&self, bytes: usize) -> Result<(), String> {
        self.0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes))
            .map(drop)
            .map_err(|_| format!("all that one request asks for is longer than {MOST_TOLD} bytes"))
    }

    /// What was told in the end.
    pub(crate) fn told(self) -> usize {
        MOST_TOLD.saturating_sub(self.0.into_inner())
    }
}

impl Cluster {
    /// The answer to `question`, which the engine has let through.
    pub(crate) async fn look_up_answer(&self, question: &Question, allowance: &Allowance) -> Answer {
        let found = match question {
            Question::ConfigMap { namespace, name, .. } => {
                return self.look_up_config_map(namespace, name, allowance).await;
            }
            Question::ApiCall { method, url_path, data, .. } => {
                self.call(method, url_path, data, allowance).await
            }
            Question::ServiceCall { entry, method, url, data, headers, ca_bundle } => {
                let failed = |reason| format!("failed to execute HTTP request for APICall {entry}: {reason}");
                let body = match method.as_str() {
                    "POST" => body_of(data),
                    _ => Ok(Vec::new()),
                };
                match body {
                    Ok(body) => {
                        let request = ServiceRequest { method, url, headers, ca_bundle, body: &body };
                        self.call_service(&request, allowance).await.map_err(failed)
                    }
                    Err(reason) => Err(failed(reason)),
                }
            }
            _ => Err(format!("`{}`: facts of this sort are not looked up in a cluster", question.entry())),
        };
        found.map_or_else(Answer::Failed, Answer::value)
    }

    /// Asks for it this once, and follows it from then on.
    async fn look_up_config_map(&self, namespace: &str, name: &str, allowance: &Allowance) -> Answer {
        let path = format!("/api/v1/namespaces/{}/configmaps/{}", encoded(namespace), encoded(name));
        let asked = Asked { verb: "get", resource: "configmaps".to_owned() };
        let answer = match self.read(asked, Method::GET, path, Vec::new()).await {
            Ok(body) => match allowance.take(body.len()) {
                Ok(()) => config_maps::answer(&body),
                Err(error) => Answer::Failed(error),
            },
            Err(ApiError::NotFound { .. }) => config_maps::missing(namespace, name),
            Err(error) => return config_maps::failed(namespace, name, &error.said()),
        };
        self.follow_config_map(namespace, name);
        answer
    }

    async fn call(
        &self,
        method: &str,
        url_path: &str,
        data: &str,
        allowance: &Allowance,
    ) -> Result<OwnedValue, String> {
        let path = ApiPath::parse(url_path)?.to_string();
        let failed = |reason: &str| format!("failed to {method} resource with raw url: {url_path}: {reason}");
        let asked = |verb| Asked { verb, resource: url_path.to_owned() };
        let read = match method {
            "POST" => self.read(asked("create"), Method::POST, path, body_of(data)?).await,
            _ => self.read(asked("get"), Method::GET, path, Vec::new()).await,
        };
        let body = read.map_err(|error| match &error {
            ApiError::Forbidden { .. } | ApiError::Unauthorized { .. } => {
                failed(&format!("permission denied: {}", error.said()))
            }
            error => failed(&error.said()),
        })?;
        allowance.take(body.len()).map_err(|reason| failed(&reason))?;
        let arena = Arena::new();
        let text = std::str::from_utf8(&body).map_err(|_| failed("the answer is no text"))?;
        json::read(&arena, text).map(OwnedValue::from).map_err(|error| failed(&error.to_string()))
    }

    async fn call_service(
        &self,
        request: &ServiceRequest<'_>,
        allowance: &Allowance,
    ) -> Result<OwnedValue, String> {
        let body = self.services.call(request).await?;
        allowance.take(body.len())?;
        let arena = Arena::new();
        let text = std::str::from_utf8(&body).map_err(|_| "its answer is no text")?;
        json::read(&arena, text).map(OwnedValue::from).map_err(|_| "its answer is no JSON".to_owned())
    }

    async fn read(
        &self,
        asked: Asked,
        method: Method,
        path: String,
        body: Vec<u8>,
    ) -> Result<Vec<u8>, ApiError> {
        let _permit = self.lookup_permit().await;
        let query = Query { asked, path, accept: "application/json", limit: LONGEST_ANSWER };
        Reader::admission(self.connection()).exchange(&query, method, body).await
    }
}

/// What is posted: `data` is a list of keys and values, as JSON, and becomes a map of them.
fn body_of(data: &str) -> Result<Vec<u8>, String> {
    let arena = Arena::new();
    let list = match data {
        "" => Default::default(),
        data => json::read(&arena, data).map_err(|error| error.to_string())?,
    };
    let entries = list.as_array().unwrap_or_default().iter();
    let mut entries: Vec<_> = entries
        .filter_map(|entry| Some((entry.get("key")?.as_str()?, entry.get("value").unwrap_or_default())))
        .collect();
    Ok(json::Writer::compact().to_string(arena.object(&mut entries)).into_bytes())
}

#[cfg(test)]
mod tests;
