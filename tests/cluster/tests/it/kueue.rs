//! The kind by which Kueue keeps account of a Job that it has taken in, served without Kueue.

use anyhow::Result;
use portcullis_cluster_tests::{ClusterTest, wait};

/// The version that is served, which is none that the program knows of.
pub(crate) const VERSION: &str = "kueue.x-k8s.io/v1beta7";

const DEFINITION: &str = "\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: workloads.kueue.x-k8s.io
spec:
  group: kueue.x-k8s.io
  scope: Namespaced
  names: {kind: Workload, listKind: WorkloadList, plural: workloads, singular: workload}
  versions:
  - name: v1beta7
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
";

/// Runs `body` while Workloads are served.
pub(crate) async fn with_workloads(test: &ClusterTest, body: impl AsyncFnOnce() -> Result<()>) -> Result<()> {
    test.apply(DEFINITION).await?.succeeded()?;
    wait::until("Workloads that are served", async || {
        Ok((test.kubectl(&["get", "workloads.kueue.x-k8s.io"]).await?.code == 0).then_some(()))
    })
    .await?;
    body().await?;
    test.kubectl(&["delete", "crd", "workloads.kueue.x-k8s.io"]).await?.succeeded().map(drop)
}
