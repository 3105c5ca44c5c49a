//! The audit log of an API server: what was asked of it, and what it refused.

use anyhow::Result;
use k8s_openapi::jiff::Timestamp;
use serde_json::Value;

use crate::{ControlPlane, files};

impl ControlPlane {
    /// Where the audit log ends at the moment, to look at what comes after.
    ///
    /// # Errors
    /// When the audit log cannot be read.
    pub(crate) fn audited(&self) -> Result<u64> {
        files::length(&self.site().audit_log())
    }

    /// The requests of a user since then that the authorizer refused.
    ///
    /// # Errors
    /// When the audit log cannot be read.
    pub(crate) fn refused(&self, user: &str, since: u64) -> Result<Vec<Refusal>> {
        // Its name holds a slash, which a pointer writes as `~1`.
        let decision = "/annotations/authorization.k8s.io~1decision";
        let is_refused = |event: &Value| event.pointer(decision).is_some_and(|decision| decision == "forbid");
        let requests = self.requests(user, since)?;
        let refused = requests.iter().filter(|(_, event)| is_refused(event));
        refused.map(|(place, event)| Refusal::of(*place, event)).collect()
    }

    /// The requests of a user that write: `create /apis/batch/v1/namespaces/n/jobs`, ...
    ///
    /// # Errors
    /// When the audit log cannot be read.
    pub fn writes(&self, user: &str) -> Result<Vec<String>> {
        let requests = self.requests(user, 0)?;
        Ok(requests.iter().filter(|(_, event)| writes(event)).map(|(_, event)| told(event)).collect())
    }

    /// The requests that write the webhook configuration of this name, in their order: who made each, and when the API server
    /// was done with it, by its clock.
    ///
    /// # Errors
    /// When the audit log cannot be read.
    pub fn writes_of_webhooks(&self, name: &str) -> Result<Vec<(String, Timestamp)>> {
        let at = |event: &Value, pointer: &str| {
            event.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let of_webhooks = |event: &Value| {
            at(event, "/objectRef/name") == name
                && at(event, "/objectRef/resource").ends_with("webhookconfigurations")
        };
        let events = self.events(name, 0)?;
        let changing = events.iter().filter(|(_, event)| of_webhooks(event) && writes(event));
        changing
            .map(|(_, event)| Ok((at(event, "/user/username"), text(event, "stageTimestamp").parse()?)))
            .collect()
    }

    /// What webhooks have added to the audit log about the Jobs of a namespace: `WEBHOOK/KEY: TEXT`, ...
    ///
    /// # Errors
    /// When the audit log cannot be read.
    pub fn audit_annotations(&self, namespace: &str) -> Result<Vec<String>> {
        let events = self.events(namespace, 0)?;
        let of_namespace = events.iter().map(|(_, event)| event).filter(|event| {
            event.pointer("/objectRef/resource").is_some_and(|resource| resource == "jobs")
                && event.pointer("/objectRef/namespace").is_some_and(|name| name == namespace)
        });
        let annotations = of_namespace.filter_map(|event| event.get("annotations")?.as_object()).flatten();
        let of_webhooks = annotations.filter(|(key, _)| key.contains(".svc-"));
        Ok(of_webhooks.map(|(key, text)| format!("{key}: {}", text.as_str().unwrap_or_default())).collect())
    }

    fn requests(&self, user: &str, since: u64) -> Result<Vec<(u64, Value)>> {
        let mut events = self.events(user, since)?;
        events.retain(|(_, event)| event.pointer("/user/username").is_some_and(|name| name == user));
        Ok(events)
    }

    /// The events since then that hold a text, each with its place in the log.
    fn events(&self, holding: &str, since: u64) -> Result<Vec<(u64, Value)>> {
        let log = files::read_from(&self.site().audit_log(), since)?;
        let (mut events, mut place) = (Vec::new(), since);
        for line in log.split_inclusive('\n') {
            // The last line may be half written.
            if line.ends_with('\n') && line.contains(holding) {
                events.push((place, serde_json::from_str(line)?));
            }
            place += line.len() as u64;
        }
        Ok(events)
    }
}

/// A request that the authorizer refused.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) verb: String,
    /// `jobs`, `clusterpolicies/status`.
    pub(crate) resource: String,
    /// `list /apis/batch/v1/jobs`.
    pub(crate) request: String,
    /// When the API server was given it, by its clock.
    pub(crate) received: Timestamp,
    /// Where in the audit log it is.
    pub(crate) place: u64,
}

impl Refusal {
    fn of(place: u64, event: &Value) -> Result<Self> {
        let object = |key: &str| {
            event.get("objectRef").and_then(|object| object.get(key)?.as_str()).unwrap_or_default()
        };
        let resource = match object("subresource") {
            "" => object("resource").to_owned(),
            subresource => format!("{}/{subresource}", object("resource")),
        };
        let received = text(event, "requestReceivedTimestamp").parse()?;
        Ok(Self { verb: text(event, "verb").to_owned(), resource, request: told(event), received, place })
    }

    /// Whether a line of a log gives it as the API server's reason.
    pub(crate) fn is_told_by(&self, line: &str) -> bool {
        let Self { verb, resource, .. } = self;
        // Quotes stand behind backslashes where a text is quoted itself.
        line.replace('\\', "").contains(&format!("cannot {verb} resource \"{resource}\""))
    }
}

/// Whether a request changes something.
/// Whether it writes. What is tried again since somebody else has written in between is none.
fn writes(event: &Value) -> bool {
    let is_conflict = event.pointer("/responseStatus/code") == Some(&409.into());
    !is_conflict && !["get", "list", "watch"].contains(&text(event, "verb"))
}

fn text<'e>(event: &'e Value, key: &str) -> &'e str {
    event.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn told(event: &Value) -> String {
    format!("{} {}", text(event, "verb"), text(event, "requestURI"))
}
