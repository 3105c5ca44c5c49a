//! A small cluster for tests, and policies read from YAML.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{APIResource, APIResourceList};
use portcullis_cluster::discovery::Discovery;
use portcullis_controllers::webhooks::{Reach, Settings};
use portcullis_kyverno::webhooks::WebhookNeeds;
use portcullis_value::Arena;

/// Group version, then `name/Kind` of its resources; a `!` marks those outside of namespaces.
const SERVED: &[(&str, &[(&str, &str)])] = &[
    (
        "v1",
        &[
            ("pods", "Pod"),
            ("pods/ephemeralcontainers", "Pod"),
            ("pods/exec", "PodExecOptions"),
            ("pods/status", "Pod"),
            ("events", "Event"),
            ("secrets", "Secret"),
            ("serviceaccounts", "ServiceAccount"),
            ("serviceaccounts/token", "TokenRequest"),
            ("!namespaces", "Namespace"),
            ("!nodes", "Node"),
        ],
    ),
    (
        "apps/v1",
        &[("deployments", "Deployment"), ("deployments/scale", "Scale"), ("replicasets", "ReplicaSet")],
    ),
    ("autoscaling/v1", &[("horizontalpodautoscalers", "HorizontalPodAutoscaler")]),
    ("autoscaling/v2", &[("horizontalpodautoscalers", "HorizontalPodAutoscaler")]),
    ("batch/v1", &[("cronjobs", "CronJob"), ("jobs", "Job"), ("jobs/status", "Job")]),
    ("events.k8s.io/v1", &[("events", "Event")]),
    ("storage.k8s.io/v1", &[("!storageclasses", "StorageClass")]),
];

pub(crate) fn discovery() -> Discovery {
    let resource = |(name, kind): &(&str, &str)| APIResource {
        name: name.trim_start_matches('!').to_owned(),
        kind: (*kind).to_owned(),
        namespaced: !name.starts_with('!'),
        ..APIResource::default()
    };
    let list = |(group_version, resources): &(&str, &[(&str, &str)])| APIResourceList {
        group_version: (*group_version).to_owned(),
        resources: resources.iter().map(resource).collect(),
    };
    Discovery::new(&SERVED.iter().map(list).collect::<Vec<_>>())
}

pub(crate) fn settings() -> Settings {
    let (namespace, name) = ("portcullis".to_owned(), "portcullis".to_owned());
    Settings::new(Reach::Service { namespace, name, port: 443 }, Vec::new())
}

pub(crate) fn needs(yaml: &str) -> WebhookNeeds {
    let arena = Arena::new();
    WebhookNeeds::of(portcullis_yaml::read(&arena, yaml).unwrap())
}
