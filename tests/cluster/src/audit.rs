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

    /// The requests of a user since then that the authorizer refused: `list /apis/batch/v1/jobs`, ...
    ///
    /// # Errors
    /// When the audit log cannot be read.
    pub(crate) fn refused(&self, user: &str, since: u64) -> Result<Vec<String>> {
        // Its name holds a slash, which a pointer writes as `~1`.
        let decision = "/annotations/authorization.k8s.io~1decision";
        let is_refused = |event: &Value| event.pointer(decision).is_some_and(|decision| decision == "forbid");
        Ok(self.requests(user, since)?.iter().filter(|event| is_refused(event)).map(told).collect())
    }

    /// The requests of a user that write: `create /apis/batch/v1/namespaces/n/jobs`, ...
    ///
    /// # Errors
    /// When the audit log cannot be read.
    pub fn writes(&self, user: &str) -> Result<Vec<String>> {
        Ok(self.requests(user, 0)?.iter().filter(|event| writes(event)).map(told).collect())
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
        let changing = events.iter().filter(|event| of_webhooks(event) && writes(event));
        changing
            .map(|event| Ok((at(event, "/user/username"), text(event, "stageTimestamp").parse()?)))
            .collect()
    }

    /// What webhooks have added to the audit log about the Jobs of a namespace: `WEBHOOK/KEY: TEXT`, ...
    ///
    /// # Errors
    /// When the audit log cannot be read.
    pub fn audit_annotations(&self, namespace: &str) -> Result<Vec<String>> {
        let events = self.events(namespace, 0)?;
        let of_namespace = events.iter().filter(|event| {
            event.pointer("/objectRef/resource").is_some_and(|resource| resource == "jobs")
                && event.pointer("/objectRef/namespace").is_some_and(|name| name == namespace)
        });
        let annotations = of_namespace.filter_map(|event| event.get("annotations")?.as_object()).flatten();
        let of_webhooks = annotations.filter(|(key, _)| key.contains(".svc-"));
        Ok(of_webhooks.map(|(key, text)| format!("{key}: {}", text.as_str().unwrap_or_default())).collect())
    }

    fn requests(&self, user: &str, since: u64) -> Result<Vec<Value>> {
        let mut events = self.events(user, since)?;
        events.retain(|event| event.pointer("/user/username").is_some_and(|name| name == user));
        Ok(events)
    }

    /// The events since then that hold a text.
    fn events(&self, holding: &str, since: u64) -> Result<Vec<Value>> {
        let log = files::read_from(&self.site().audit_log(), since)?;
        // The last line may be half written.
        let whole_lines = log.rsplit_once('\n').map_or("", |(lines, _)| lines).lines();
        let events = whole_lines.filter(|line| line.contains(holding)).map(serde_json::from_str);
        Ok(events.collect::<Result<Vec<_>, _>>()?)
    }
}

/// Whether a request changes something.
fn writes(event: &Value) -> bool {
    !["get", "list", "watch"].contains(&text(event, "verb"))
}

fn text<'e>(event: &'e Value, key: &str) -> &'e str {
    event.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn told(event: &Value) -> String {
    format!("{} {}", text(event, "verb"), text(event, "requestURI"))
}
