//! Objects that the harness makes and removes, by the API itself: kubectl would take longer to start than most tests need for
//! what they are about.

use anyhow::{Context as _, Result, ensure};
use http::Request;
use kube::Client;
use portcullis_value::Arena;
use serde_json::{Value, json};

use crate::wait;

/// Who makes them, in `metadata.managedFields`.
const FIELD_MANAGER: &str = "harness";

/// The documents of a file, as JSON.
pub(crate) fn documents(text: &str) -> Result<Vec<Value>> {
    let mut all = Vec::new();
    for document in portcullis_yaml::documents(text) {
        let arena = Arena::new();
        let value: Value = serde_json::from_str(&document?.read(&arena)?.value.to_string())?;
        if !value.is_null() {
            all.push(value);
        }
    }
    Ok(all)
}

/// Makes objects what they are to be, whoever made them before. What has to be in a namespace is in this one.
pub(crate) async fn apply(client: &Client, namespace: &str, objects: &[Value]) -> Result<Vec<Value>> {
    let mut applied = Vec::new();
    for object in objects {
        let name = name(object)?;
        let path = format!("{}/{name}", collection(object, namespace)?);
        let request = Request::patch(format!("{path}?fieldManager={FIELD_MANAGER}&force=true"))
            .header("content-type", "application/apply-patch+yaml")
            .body(object.to_string().into_bytes())?;
        let answer = client.request(request).await;
        applied.push(answer.with_context(|| format!("cannot apply `{path}`"))?);
    }
    Ok(applied)
}

/// What is at a path, if anything.
pub(crate) async fn get(client: &Client, path: &str) -> Result<Option<Value>> {
    get_as(client, path, "application/json").await
}

/// The metadata alone of what is at a path, if anything.
pub(crate) async fn metadata(client: &Client, path: &str) -> Result<Option<Value>> {
    get_as(client, path, "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1").await
}

async fn get_as(client: &Client, path: &str, form: &str) -> Result<Option<Value>> {
    match client.request(Request::get(path).header("accept", form).body(Vec::new())?).await {
        Ok(object) => Ok(Some(object)),
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot get `{path}`")),
    }
}

/// Removes an object or all of a collection, if there is any.
pub(crate) async fn remove(client: &Client, path: &str) -> Result<()> {
    match client.request::<Value>(Request::delete(path).body(Vec::new())?).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        Err(error) => Err(error).with_context(|| format!("cannot delete `{path}`")),
    }
}

/// Waits until a service account may do the first thing that each of these roles grants.
pub(crate) async fn until_granted(
    client: &Client,
    namespace: &str,
    account: &str,
    roles: &[Value],
) -> Result<()> {
    for role in roles {
        let rules = role.pointer("/rules").and_then(Value::as_array).into_iter().flatten();
        let mut whole = rules.filter(|rule| rule.get("resourceNames").is_none());
        let Some(rule) = whole.find(|rule| rule.pointer("/resources/0").is_some()) else { continue };
        let resource = rule.pointer("/resources/0").and_then(Value::as_str).unwrap_or_default();
        let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
        let is_namespaced = role.pointer("/kind") == Some(&"Role".into());
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {
                "user": format!("system:serviceaccount:{namespace}:{account}"),
                "resourceAttributes": {
                    "group": rule.pointer("/apiGroups/0"), "resource": resource, "subresource": subresource,
                    "verb": rule.pointer("/verbs/0"), "namespace": if is_namespaced { namespace } else { "" },
                },
            },
        })
        .to_string();
        wait::until("the rights of a role", async || {
            let ask = Request::post("/apis/authorization.k8s.io/v1/subjectaccessreviews")
                .header("content-type", "application/json")
                .body(review.clone().into_bytes())?;
            let answer: Value = client.request(ask).await?;
            ensure!(answer.pointer("/status/allowed") == Some(&true.into()), "{answer}");
            Ok(Some(()))
        })
        .await?;
    }
    Ok(())
}

pub(crate) fn name(object: &Value) -> Result<&str> {
    object.pointer("/metadata/name").and_then(Value::as_str).with_context(|| format!("no name in {object}"))
}

/// The path of the objects of this kind.
fn collection(object: &Value, namespace: &str) -> Result<String> {
    let text = |key: &str| object.get(key).and_then(Value::as_str).with_context(|| format!("no {key}"));
    let (version, kind) = (text("apiVersion")?, text("kind")?);
    let group = if version.contains('/') { "apis" } else { "api" };
    let plural = format!("{}s", kind.to_lowercase());
    let is_wide = kind.starts_with("Cluster") || ["Namespace", "CustomResourceDefinition"].contains(&kind);
    Ok(match is_wide {
        true => format!("/{group}/{version}/{plural}"),
        false => format!("/{group}/{version}/namespaces/{namespace}/{plural}"),
    })
}
