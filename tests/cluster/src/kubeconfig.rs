//! The file that tells a client where the API server is and who it is itself.

use std::path::Path;

use anyhow::Result;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::files;
use crate::keys::Identity;

/// What a client proves itself with.
#[derive(Debug)]
pub(crate) enum Credentials<'a> {
    Certificate(&'a Identity),
    Token(&'a str),
}

/// Writes a kubeconfig with one context. It is JSON, which every reader of YAML reads.
pub(crate) fn write(path: &Path, server: &str, authority: &str, credentials: &Credentials<'_>) -> Result<()> {
    let encoded = |pem: &str| BASE64_STANDARD.encode(pem);
    let user = match credentials {
        Credentials::Certificate(identity) => json!({
            "client-certificate-data": encoded(&identity.certificate),
            "client-key-data": encoded(&identity.key),
        }),
        Credentials::Token(token) => json!({ "token": token }),
    };
    let config: Value = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{
            "name": "cluster",
            "cluster": { "server": server, "certificate-authority-data": encoded(authority) },
        }],
        "users": [{ "name": "user", "user": user }],
        "contexts": [{ "name": "context", "context": { "cluster": "cluster", "user": "user" } }],
        "current-context": "context",
    });
    files::write(path, &serde_json::to_string_pretty(&config)?)
}
