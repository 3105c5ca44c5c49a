//! The other example policies, through the API server: what they admit, how they change it, what they refuse.

use anyhow::{Context as _, Result, bail, ensure};
use http::Request;
use k8s_openapi::api::core::v1::Pod;
use portcullis_cluster_tests::{ClusterTest, wait};
use portcullis_value::Arena;
use serde_json::Value;

use crate::story::{OTHER_EXAMPLES, example, serving, until_event, until_shown};

/// The namespaces of their resources.
const NAMESPACES: [&str; 4] = ["shop", "databases", "ingress-public", "messaging-eu"];

#[test]
fn each_example_policy_admits_what_is_good_and_refuses_what_is_not() -> Result<()> {
    serving(async |test, portcullis| {
        for namespace in NAMESPACES {
            test.make_namespace(namespace).await?;
        }
        let policies = OTHER_EXAMPLES.map(|folder| example(&format!("{folder}/policy.yaml")));
        let policies = policies.into_iter().collect::<Result<Vec<_>>>()?.join("---\n");
        portcullis.put_in_force(&policies).await?.succeeded()?;
        for folder in OTHER_EXAMPLES {
            if folder == "pre-stop-hooks" {
                leaves_the_hasty(test).await?;
                enforce_the_grace(test).await?;
            }
            refuses_the_bad(test, folder)
                .await
                .with_context(|| format!("examples/{folder}/resources/bad.yaml"))?;
            admits_the_good(test, folder)
                .await
                .with_context(|| format!("examples/{folder}/resources/good.yaml"))?;
        }
        Ok(())
    })
}

/// A Pod that ends too soon for the hook is created without it, since the example only audits: whoever creates it is warned,
/// and an Event says so.
async fn leaves_the_hasty(test: &ClusterTest) -> Result<()> {
    let hasty = example("pre-stop-hooks/resources/bad.yaml")?;
    let warning = "Warning: policy pre-stop-hooks.grace-outlasts-the-hook: ";
    until_shown(test, &hasty, warning).await?;
    let created = test.apply(&hasty).await?;
    ensure!(created.code == 0 && created.stderr.contains(warning), "{created:?}");
    let pod = test.api::<Pod>().get("hasty").await?;
    let containers = pod.spec.map(|spec| spec.containers).unwrap_or_default();
    ensure!(containers.iter().all(|container| container.lifecycle.is_none()), "{containers:?}");
    let audited = until_event(test, "pre-stop-hooks", "PolicyViolation").await?;
    let said = format!("Pod {}/hasty: [grace-outlasts-the-hook] fail: ", test.namespace);
    ensure!(audited.contains(&said), "{audited}");
    test.kubectl(&["delete", "pod", "hasty", "--now"]).await?.succeeded().map(drop)
}

/// Has the example refuse what it only tells of, as who has seen no Event for a while would.
async fn enforce_the_grace(test: &ClusterTest) -> Result<()> {
    let enforce = r#"[
        {"op": "test", "path": "/spec/rules/1/name", "value": "grace-outlasts-the-hook"},
        {"op": "replace", "path": "/spec/rules/1/validate/failureAction", "value": "Enforce"}
    ]"#;
    let patch = ["patch", "clusterpolicy", "pre-stop-hooks", "--type=json", "--patch", enforce];
    test.kubectl(&patch).await?.succeeded().map(drop)
}

async fn refuses_the_bad(test: &ClusterTest, folder: &str) -> Result<()> {
    let words = "admission webhook \"validate.portcullis.svc-fail\" denied the request: ";
    for resource in documents(&example(&format!("{folder}/resources/bad.yaml"))?)? {
        let refusal = wait::until("a refusal", async || match create(test, &resource, "?dryRun=All").await {
            Ok(created) => bail!("it is admitted: {created}"),
            Err(kube::Error::Api(status)) => Ok(Some(status.message)),
            Err(error) => Err(error.into()),
        })
        .await?;
        ensure!(refusal.contains(words) && refusal.contains(folder), "{refusal}");
        let Err(kube::Error::Api(again)) = create(test, &resource, "").await else { bail!("admitted") };
        ensure!(again.message == refusal, "{} is not {refusal}", again.message);
    }
    Ok(())
}

async fn admits_the_good(test: &ClusterTest, folder: &str) -> Result<()> {
    // An example that changes nothing expects nothing else than what is there.
    let expected = example(&format!("{folder}/expected/good.yaml")).unwrap_or_default();
    let expected = documents(&expected)?;
    for resource in documents(&example(&format!("{folder}/resources/good.yaml"))?)? {
        let created = create(test, &resource, "").await?;
        let name = resource.pointer("/metadata/name");
        let wanted = expected.iter().find(|one| one.pointer("/metadata/name") == name).unwrap_or(&resource);
        ensure!(covers(&created, wanted), "want {wanted}, got {created}");
        // Another example has an object of the same name.
        delete(test, &created).await?;
    }
    Ok(())
}

/// Creates an object, in its namespace or in that of the test.
async fn create(test: &ClusterTest, resource: &Value, parameters: &str) -> Result<Value, kube::Error> {
    let request = Request::post(format!("{}{parameters}", collection(test, resource)))
        .header("content-type", "application/json")
        .body(resource.to_string().into_bytes());
    test.client.request(request.map_err(kube::Error::HttpError)?).await
}

async fn delete(test: &ClusterTest, resource: &Value) -> Result<()> {
    let name = resource.pointer("/metadata/name").and_then(Value::as_str).context("no name")?;
    let path = format!("{}/{name}", collection(test, resource));
    match test.client.request::<Value>(Request::delete(path).body(Vec::new())?).await {
        // The garbage collector is as quick: the owners that an example names are not there.
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        deleted => Ok(deleted.map(drop)?),
    }
}

/// The path of the objects of this kind in this namespace.
fn collection(test: &ClusterTest, resource: &Value) -> String {
    let text = |pointer: &str| resource.pointer(pointer).and_then(Value::as_str);
    let (api, plural) = match text("/kind") {
        Some("Ingress") => ("apis/networking.k8s.io/v1", "ingresses"),
        Some("Service") => ("api/v1", "services"),
        _ => ("api/v1", "pods"),
    };
    let namespace = text("/metadata/namespace").unwrap_or(&test.namespace);
    format!("/{api}/namespaces/{namespace}/{plural}")
}

/// Whether an object says all that is wanted; the API server adds to maps and lists, and leaves out what is false.
fn covers(object: &Value, wanted: &Value) -> bool {
    match (object, wanted) {
        (Value::Object(object), Value::Object(wanted)) => {
            wanted.iter().all(|(key, wanted)| match object.get(key) {
                Some(value) => covers(value, wanted),
                None => *wanted == Value::Bool(false),
            })
        }
        (Value::Array(object), Value::Array(wanted)) => {
            wanted.iter().all(|wanted| object.iter().any(|element| covers(element, wanted)))
        }
        _ => object == wanted,
    }
}

/// The documents of a file.
fn documents(text: &str) -> Result<Vec<Value>> {
    let arena = Arena::new();
    let of = |part: &str| -> Result<Value> {
        let document = portcullis_yaml::read(&arena, part)?.to_string();
        serde_json::from_str(&document).with_context(|| format!("`{document}` is no JSON"))
    };
    text.split("\n---\n").filter(|part| !part.trim().is_empty()).map(of).collect()
}
