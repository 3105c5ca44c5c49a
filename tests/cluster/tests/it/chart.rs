//! The Helm chart, by the real helm: it is the one source of what is installed.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use portcullis_cluster_tests::{Programs, offline};
use portcullis_value::Arena;
use serde_json::{Value, json};

const CHART: &str = "charts/portcullis";

/// Runs a test of the chart on a machine that has helm.
fn with_helm(test: impl AsyncFnOnce(&Programs) -> Result<()>) -> Result<()> {
    let Some(programs) = Programs::find()? else { return Ok(()) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(test(&programs))
}

/// What helm makes of the chart with these values.
pub(crate) async fn rendered(
    programs: &Programs,
    namespace: &str,
    values: &str,
) -> Result<BTreeMap<String, Value>> {
    let values = format!("--set={values}");
    let arguments = ["template", "portcullis", CHART, "--namespace", namespace, &values];
    objects(&offline(programs, "helm", &arguments).await?.succeeded()?)
}

/// The objects in `documents`, by kind and name.
fn objects(documents: &str) -> Result<BTreeMap<String, Value>> {
    let mut objects = BTreeMap::new();
    for source in portcullis_yaml::documents(documents) {
        let arena = Arena::new();
        let object: Value = serde_json::from_str(&source?.read(&arena)?.value.to_string())?;
        if object.is_null() {
            continue;
        }
        let text = |pointer| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let title = format!("{} {}", text("/kind"), text("/metadata/name"));
        ensure!(objects.insert(title.clone(), object).is_none(), "{title} is there twice");
    }
    Ok(objects)
}

#[test]
fn the_chart_and_the_command_give_the_same_objects() -> Result<()> {
    with_helm(async |programs| {
        let same = [
            ("portcullis", "namespace.create=true", vec![]),
            (
                "guard",
                "namespace.create=true,replicas=1,forceFailurePolicyIgnore=true",
                vec!["--namespace=guard", "--replicas=1", "--force-failure-policy-ignore"],
            ),
            (
                "portcullis",
                "namespace.create=true,besideKyverno=true,image.repository=localhost:5000/p,image.tag=dev,replicas=3",
                vec!["--beside-kyverno", "--image=localhost:5000/p:dev", "--replicas=3"],
            ),
            (
                "portcullis",
                "namespace.create=true,retention.enabled=true,exceptionNamespace=exceptions",
                vec!["--retention", "--exception-namespace=exceptions"],
            ),
            // Only a cluster knows whether there is a Kyverno.
            ("portcullis", "namespace.create=true,takeOver=true", vec![]),
        ];
        for (namespace, values, arguments) in same {
            let by_chart = rendered(programs, namespace, values).await?;
            let arguments = [&["install", "--print"], &arguments[..]].concat();
            let by_command = objects(&offline(programs, "portcullis", &arguments).await?.succeeded()?)?;
            let titles = |objects: &BTreeMap<String, Value>| objects.keys().cloned().collect::<Vec<_>>();
            let stale = "`cargo xtask chart` writes what the command carries";
            ensure!(titles(&by_chart) == titles(&by_command), "{:?}; {stale}", titles(&by_command));
            for (title, object) in by_chart {
                ensure!(by_command.get(&title) == Some(&object), "{title} differs: {object}; {stale}");
            }
        }
        Ok(())
    })
}

/// The one container of the Deployment.
fn container(objects: &BTreeMap<String, Value>) -> Result<&Value> {
    let deployment = objects.get("Deployment portcullis").context("no Deployment")?;
    deployment.pointer("/spec/template/spec/containers/0").context("no container")
}

#[test]
fn what_people_choose_ends_up_in_the_objects() -> Result<()> {
    with_helm(async |programs| {
        let values = "hostNetwork=true,webhookPort=10443,namespace.create=true,priorityClass.create=false,\
            priorityClass.name=mine,tolerations[0].operator=Exists,labels.team=a,annotations.note=b,podLabels.role=c,\
            networkPolicy.webhookCIDRs[0]=10.0.0.0/8,config.excludeUsernames=system:kube-scheduler,\
            networkPolicy.egress[0].ports[0].port=8443,\
            certificates.source=secret,certificates.secretName=given,exceptionNamespace=exceptions";
        let objects = rendered(programs, "portcullis", values).await?;
        let at = |title: &str, pointer: &str| {
            let object = objects.get(title).with_context(|| format!("no {title}"))?;
            Ok::<_, anyhow::Error>(object.pointer(pointer).cloned().unwrap_or_default())
        };
        let pod = |pointer: &str| at("Deployment portcullis", &format!("/spec/template{pointer}"));
        ensure!(pod("/spec/hostNetwork")? == true && pod("/spec/dnsPolicy")? == "ClusterFirstWithHostNet");
        // Nothing else admits a Pod that is on the network of its node.
        let level = "/metadata/labels/pod-security.kubernetes.io~1enforce";
        ensure!(at("Namespace portcullis", level)? == "privileged");
        ensure!(pod("/spec/priorityClassName")? == "mine" && !objects.contains_key("PriorityClass mine"));
        ensure!(pod("/spec/tolerations/0/operator")? == "Exists");
        ensure!(pod("/metadata/labels/role")? == "c" && pod("/metadata/labels/team")? == "a");
        ensure!(at("ClusterRole portcullis", "/metadata/annotations/note")? == "b");
        ensure!(at("NetworkPolicy portcullis", "/spec/ingress/0/from/0/ipBlock/cidr")? == "10.0.0.0/8");
        ensure!(at("NetworkPolicy portcullis", "/spec/egress/2/ports/0/port")? == 8443);
        ensure!(at("ConfigMap portcullis", "/data/excludeUsernames")? == "system:kube-scheduler");
        ensure!(pod("/spec/volumes/0/secret/secretName")? == "given");
        // Who gives the certificate keeps it: no Secret is read.
        ensure!(!at("Role portcullis", "/rules")?.to_string().contains("secrets"));
        let arguments = container(&objects)?.pointer("/args").cloned().unwrap_or_default().to_string();
        for argument in
            ["--listen=[::]:10443", "--exception-namespace=exceptions", "--tls-cert=/certificate/tls.crt"]
        {
            ensure!(arguments.contains(argument), "{argument} is not among {arguments}");
        }
        Ok(())
    })
}

#[test]
fn a_value_that_is_misspelt_is_refused() -> Result<()> {
    with_helm(async |programs| {
        let cases = [
            ("replica=3", "'replica' not allowed"),
            ("webhookPort=443", "minimum"),
            ("webhookPort=8000", "the same port"),
        ];
        for (value, told) in cases {
            let value = format!("--set={value}");
            let refused = offline(programs, "helm", &["template", CHART, &value]).await?;
            ensure!(refused.code != 0 && refused.stderr.contains(told), "{refused:?}");
        }
        Ok(())
    })
}

#[test]
fn jobs_are_written_to_only_where_retention_is_on_and_then_by_one_rule() -> Result<()> {
    with_helm(async |programs| {
        let writing = async |values: &str| -> Result<Vec<String>> {
            let objects = rendered(programs, "portcullis", values).await?;
            let roles = objects.iter().filter(|(title, _)| title.contains("Role "));
            let rules = roles.flat_map(|(title, role)| {
                let rules = role.pointer("/rules").and_then(Value::as_array).into_iter().flatten();
                rules.map(move |rule| format!("{title}: {rule}"))
            });
            let of_jobs = |rule: &String| rule.contains("\"jobs") && !rule.contains("\"list\"");
            Ok(rules.filter(of_jobs).collect())
        };
        ensure!(writing("replicas=2").await?.is_empty());
        let rules = writing("retention.enabled=true").await?;
        let rule = r#"{"apiGroups":["batch"],"resources":["jobs"],"verbs":["patch"]}"#;
        ensure!(rules == [format!("ClusterRole portcullis-retention: {rule}")], "{rules:?}");
        let objects = rendered(programs, "portcullis", "retention.enabled=true").await?;
        let arguments = container(&objects)?.pointer("/args").cloned().unwrap_or_default().to_string();
        ensure!(arguments.contains("\"--retention\""), "{arguments}");
        Ok(())
    })
}

#[test]
fn roles_grant_no_secret_outside_of_the_own_namespace_and_no_configuration_that_is_not_named() -> Result<()> {
    with_helm(async |programs| {
        let objects = rendered(programs, "portcullis", "replicas=2").await?;
        for (title, object) in &objects {
            let rules = object.pointer("/rules").and_then(Value::as_array).into_iter().flatten();
            for rule in rules {
                let has = |pointer: &str, value: &str| {
                    let values = rule.pointer(pointer).and_then(Value::as_array).into_iter().flatten();
                    values.into_iter().any(|found| found == value || found == "*")
                };
                let is_named = rule.pointer("/resourceNames").is_some();
                let changes = has("/verbs", "update") || has("/verbs", "patch") || has("/verbs", "delete");
                ensure!(!has("/resources", "secrets") || title.starts_with("Role "), "{title}: {rule}");
                ensure!(!has("/resources", "jobs") || !changes, "{title}: {rule}");
                let of_webhooks = has("/apiGroups", "admissionregistration.k8s.io");
                ensure!(!of_webhooks || !changes || is_named, "{title}: {rule}");
            }
            let labels = object.pointer("/metadata/labels").map(ToString::to_string).unwrap_or_default();
            let aggregated = labels.contains("aggregate-to-edit") || labels.contains("aggregate-to-admin");
            ensure!(!aggregated, "{title} is granted to who edits a namespace");
        }
        Ok(())
    })
}

#[test]
fn config_maps_are_read_in_every_namespace_unless_that_is_not_wanted() -> Result<()> {
    with_helm(async |programs| {
        for (value, is_bound) in [("rbac.configMaps=true", true), ("rbac.configMaps=false", false)] {
            let objects = rendered(programs, "portcullis", value).await?;
            ensure!(objects.contains_key("ClusterRoleBinding portcullis-config-maps") == is_bound, "{value}");
            ensure!(objects.contains_key("ClusterRole portcullis-config-maps"), "{value}: nothing to bind");
            // No other role that is bound in the whole cluster lets it.
            for (title, role) in objects.iter().filter(|(title, _)| title.starts_with("ClusterRole ")) {
                let rules = role.pointer("/rules").map(Value::to_string).unwrap_or_default();
                ensure!(!rules.contains("configmaps") || title.ends_with("-config-maps"), "{title}: {rules}");
            }
        }
        Ok(())
    })
}

/// What a field of an object of cert-manager's API holds.
enum Shape {
    Text,
    Number,
    Texts,
    OneOf(&'static [&'static str]),
    /// The fields that there are, and those that there must be.
    Fields(&'static [(&'static str, Shape)], &'static [&'static str]),
    Anything,
}

/// `spec` of a Certificate of cert-manager.io/v1, as far as webhooks have a use for it.
const CERTIFICATE: Shape = Shape::Fields(
    &[
        ("secretName", Shape::Text),
        ("commonName", Shape::Text),
        ("dnsNames", Shape::Texts),
        ("duration", Shape::Text),
        ("renewBefore", Shape::Text),
        ("isCA", Shape::Anything),
        ("usages", Shape::Texts),
        (
            "privateKey",
            Shape::Fields(
                &[
                    ("algorithm", Shape::OneOf(&["RSA", "ECDSA", "Ed25519"])),
                    ("encoding", Shape::OneOf(&["PKCS1", "PKCS8"])),
                    ("size", Shape::Number),
                    ("rotationPolicy", Shape::OneOf(&["Never", "Always"])),
                ],
                &[],
            ),
        ),
        (
            "issuerRef",
            Shape::Fields(&[("name", Shape::Text), ("kind", Shape::Text), ("group", Shape::Text)], &["name"]),
        ),
    ],
    &["secretName", "issuerRef"],
);

/// `spec` of an Issuer of it.
const ISSUER: Shape = Shape::Fields(
    &[
        ("selfSigned", Shape::Fields(&[("crlDistributionPoints", Shape::Texts)], &[])),
        ("ca", Shape::Fields(&[("secretName", Shape::Text)], &["secretName"])),
    ],
    &[],
);

impl Shape {
    fn check(&self, value: &Value, at: &str) -> Result<()> {
        let is_so = match self {
            Shape::Text => value.is_string(),
            Shape::Number => value.is_u64(),
            Shape::Texts => value.as_array().is_some_and(|all| all.iter().all(Value::is_string)),
            Shape::OneOf(texts) => texts.iter().any(|text| value == text),
            Shape::Anything => true,
            Shape::Fields(fields, needed) => {
                let object = value.as_object().with_context(|| format!("{at} is no object: {value}"))?;
                for (name, value) in object {
                    let field = fields.iter().find(|(field, _)| field == name);
                    let (_, shape) = field.with_context(|| format!("{at}.{name} is not known"))?;
                    shape.check(value, &format!("{at}.{name}"))?;
                }
                needed.iter().all(|name| object.contains_key(*name))
            }
        };
        ensure!(is_so, "{at} is {value}");
        Ok(())
    }
}

#[test]
fn cert_manager_is_asked_for_the_certificate_that_is_mounted_for_the_names_of_the_service() -> Result<()> {
    with_helm(async |programs| {
        let values = "certificates.source=cert-manager,certificates.secretName=issued";
        let objects = rendered(programs, "guard", values).await?;
        let get = |title: &str| objects.get(title).with_context(|| format!("no {title}"));
        let certificate = get("Certificate portcullis")?;
        let issuer = get("Issuer portcullis")?;
        for object in [certificate, issuer] {
            let text = |pointer| object.pointer(pointer).and_then(Value::as_str);
            ensure!(text("/apiVersion") == Some("cert-manager.io/v1"), "{object}");
            ensure!(text("/metadata/namespace") == Some("guard"), "{object}");
        }
        let spec = certificate.pointer("/spec").context("no spec")?;
        CERTIFICATE.check(spec, "spec")?;
        ISSUER.check(issuer.pointer("/spec").context("no spec")?, "spec")?;
        ensure!(spec["issuerRef"] == json!({ "kind": "Issuer", "name": "portcullis" }), "{spec}");
        let service = get("Service portcullis")?.pointer("/metadata").context("no metadata")?;
        let (name, namespace) = (text_of(service, "name")?, text_of(service, "namespace")?);
        let names = [name.clone(), format!("{name}.{namespace}"), format!("{name}.{namespace}.svc")];
        ensure!(spec["dnsNames"] == json!(names), "{spec}");

        let pod = get("Deployment portcullis")?.pointer("/spec/template/spec").context("no Pod")?;
        ensure!(pod["volumes"][0]["secret"]["secretName"] == spec["secretName"], "{pod}");
        ensure!(pod["volumes"][0]["name"] == pod["containers"][0]["volumeMounts"][0]["name"], "{pod}");
        let folder = text_of(&pod["containers"][0]["volumeMounts"][0], "mountPath")?;
        let arguments = pod["containers"][0]["args"].to_string();
        for (flag, entry) in [("tls-cert", "tls.crt"), ("tls-key", "tls.key"), ("tls-ca", "ca.crt")] {
            ensure!(arguments.contains(&format!("--{flag}={folder}/{entry}")), "{arguments}");
        }
        // It makes no Secret, and reads none.
        ensure!(!get("Role portcullis")?.to_string().contains("secrets"));

        let values =
            format!("{values},certificates.issuerRef.kind=ClusterIssuer,certificates.issuerRef.name=ours");
        let objects = rendered(programs, "guard", &values).await?;
        ensure!(!objects.contains_key("Issuer portcullis"));
        let spec =
            objects.get("Certificate portcullis").and_then(|it| it.get("spec")).context("no Certificate")?;
        CERTIFICATE.check(spec, "spec")?;
        ensure!(spec["issuerRef"] == json!({ "kind": "ClusterIssuer", "name": "ours" }), "{spec}");
        Ok(())
    })
}

fn text_of(object: &Value, name: &str) -> Result<String> {
    let text = object.get(name).and_then(Value::as_str);
    text.map(str::to_owned).with_context(|| format!("no `{name}` in {object}"))
}
