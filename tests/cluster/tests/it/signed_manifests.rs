//! Signed manifests, as an API server fills them in.

use std::io::Write as _;

use anyhow::{Context as _, Result, ensure};
use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use portcullis_cluster_tests::wait;
use serde_json::{Value, json};

use crate::story::{create, serving};

/// What is signed, of every kind that an API server fills in much of.
const MANIFESTS: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata: {name: d}
spec: {selector: {matchLabels: {a: d}}, template: {metadata: {labels: {a: d}}, spec: {
  volumes: [{name: v, emptyDir: {}}, {name: s, secret: {secretName: s}}],
  containers: [{name: c, image: 'nginx:1.27', ports: [{containerPort: 80}], volumeMounts: [{name: v, mountPath: /v}],
    resources: {limits: {cpu: 1000m, memory: 1024Mi}}, livenessProbe: {httpGet: {port: 80}},
    env: [{name: NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]}]}}}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: s}
spec: {serviceName: s, selector: {matchLabels: {a: s}}, template: {metadata: {labels: {a: s}}, spec: {
  containers: [{name: c, image: nginx}]}}, volumeClaimTemplates: [{metadata: {name: v}, spec: {
  accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}]}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: d}
spec: {selector: {matchLabels: {a: e}}, template: {metadata: {labels: {a: e}}, spec: {containers: [{name: c, image: nginx}]}}}
---
apiVersion: batch/v1
kind: Job
metadata: {name: j}
spec: {template: {spec: {restartPolicy: Never, containers: [{name: c, image: nginx}]}}}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: c}
spec: {schedule: '0 0 1 1 *', jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: c, image: nginx}]}}}}}
---
apiVersion: v1
kind: Pod
metadata: {name: p}
spec: {containers: [{name: c, image: nginx}]}
---
apiVersion: v1
kind: Service
metadata: {name: s}
spec: {selector: {a: d}, ports: [{port: 80}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: m}
data: {a: b}
---
apiVersion: v1
kind: Secret
metadata: {name: s}
data: {a: Yg==}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: v}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: net}
spec: {podSelector: {}, ingress: [{ports: [{port: 80}]}]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: r}
roleRef: {kind: Role, name: r, apiGroup: rbac.authorization.k8s.io}
subjects: [{kind: User, name: u}]
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: h}
spec: {maxReplicas: 3, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: d}}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: a}
";

fn policy(namespace: &str, key: &EcdsaKeyPair) -> Result<String> {
    let der: PublicKeyX509Der<'_> = key.public_key().as_der()?;
    let pem = format!(
        "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----",
        BASE64_STANDARD.encode(der.as_ref())
    );
    let kinds = [
        "Deployment",
        "StatefulSet",
        "DaemonSet",
        "Job",
        "CronJob",
        "Pod",
        "Service",
        "ConfigMap",
        "Secret",
        "PersistentVolumeClaim",
        "NetworkPolicy",
        "RoleBinding",
        "HorizontalPodAutoscaler",
        "ServiceAccount",
    ];
    Ok(json!({
        "apiVersion": "kyverno.io/v1", "kind": "ClusterPolicy", "metadata": { "name": "signed" },
        "spec": { "background": false, "rules": [{
            "name": "is-signed",
            "match": { "any": [{ "resources": { "kinds": kinds, "namespaces": [namespace] } }] },
            // What controllers make is nobody's to sign.
            "exclude": { "any": [{ "subjects": [{ "kind": "Group", "name": "system:serviceaccounts" }] },
                { "subjects": [{ "kind": "User", "name": "system:kube-controller-manager" }] }] },
            "validate": {
                "failureAction": "Enforce",
                "manifests": { "attestors": [{ "entries": [{ "keys": { "publicKeys": pem } }] }] },
            },
        }] },
    })
    .to_string())
}

/// The manifest with its signature.
fn signed(manifest: &str, key: &EcdsaKeyPair) -> Result<Value> {
    let arena = portcullis_value::Arena::new();
    let mut document: Value = serde_json::from_str(&portcullis_yaml::read(&arena, manifest)?.to_string())?;
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(manifest.as_bytes())?;
    let signature = key.sign(&SystemRandom::new(), manifest.as_bytes())?;
    let annotations = json!({
        "cosign.sigstore.dev/message": BASE64_STANDARD.encode(encoder.finish()?),
        "cosign.sigstore.dev/signature": BASE64_STANDARD.encode(signature.as_ref()),
    });
    let metadata = document.pointer_mut("/metadata").and_then(Value::as_object_mut);
    metadata.context("a manifest without metadata")?.insert("annotations".to_owned(), annotations);
    Ok(document)
}

#[test]
fn what_was_signed_is_let_in_as_the_api_server_fills_it_in_and_what_was_changed_is_not() -> Result<()> {
    serving(async |test, portcullis| {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING)?;
        portcullis.put_in_force(&policy(&test.namespace, &key)?).await?.succeeded()?;
        let unsigned =
            |number| format!("{{apiVersion: v1, kind: ConfigMap, metadata: {{name: x-{number}}}}}");
        let mut number = 0;
        // An API server hears of new webhooks a moment after they are written.
        wait::until("a refusal", async || {
            number += 1;
            let refused = create(test, &unsigned(number), &[]).await?;
            let told = "YAML manifest not found for this resource: message not found";
            ensure!(refused.stderr.contains(told), "{refused:?}");
            Ok(Some(()))
        })
        .await?;
        create(test, &unsigned(number), &["--dry-run=server"]).await?.succeeded()?;
        for manifest in MANIFESTS.split("---\n") {
            let document = signed(manifest, &key)?;
            // As `kubectl` makes it, and applies it once more with nothing changed.
            test.apply(&document.to_string()).await?.succeeded()?;
            test.apply(&document.to_string()).await?.succeeded()?;
            let mut changed = document.clone();
            changed["metadata"]["name"] = json!("other");
            let refused = create(test, &changed.to_string(), &[]).await?;
            ensure!(refused.stderr.contains("the message holds no manifest of it"), "{refused:?}");
            let mut changed = document;
            changed["metadata"]["labels"] = json!({ "sneaked": "in" });
            let refused = test.apply(&changed.to_string()).await?;
            ensure!(refused.stderr.contains("\"key\":\"metadata.labels.sneaked\""), "{refused:?}");
        }
        // A Deployment that was let in cannot be made another.
        let scaled = test
            .kubectl(&["patch", "deployment", "d", "--type=merge", "-p", r#"{"spec":{"replicas":9}}"#])
            .await?;
        ensure!(
            scaled.stderr.contains(r#""key":"spec.replicas","values":{"after":9,"before":null}"#),
            "{scaled:?}"
        );
        Ok(())
    })
}
