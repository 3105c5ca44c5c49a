//! The Pod Security Standards on Pods that an API server has defaulted.

use anyhow::{Result, ensure};

use crate::story::{create, job, serving, until_ready_is, until_shown};

/// The sidecars of a mesh may administer the network.
const RESTRICTED: &str = "\
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata:
  name: restricted
spec:
  rules:
  - name: standard
    match:
      any:
      - resources:
          kinds: [Pod]
    validate:
      failureAction: Enforce
      podSecurity:
        level: restricted
        version: v1.30
        exclude:
        - controlName: Capabilities
          images: ['registry.example.com/mesh/*']
          restrictedField: spec.initContainers[*].securityContext.capabilities.add
          values: [NET_ADMIN]
";

fn pod(name: &str, main_adds: &str) -> String {
    let context = |adds: &str| {
        format!("{{allowPrivilegeEscalation: false, capabilities: {{drop: [ALL], add: [{adds}]}}}}")
    };
    format!(
        "\
apiVersion: v1
kind: Pod
metadata:
  name: {name}
spec:
  securityContext: {{runAsNonRoot: true, seccompProfile: {{type: RuntimeDefault}}}}
  initContainers:
  - name: mesh
    image: registry.example.com/mesh/init:1.0.0
    securityContext: {}
  containers:
  - name: main
    image: registry.example.com/main:1.0.0
    securityContext: {}
",
        context("NET_ADMIN"),
        context(main_adds)
    )
}

#[test]
fn what_the_standard_forbids_is_refused_in_pods_and_in_templates_and_what_is_excluded_is_not() -> Result<()> {
    serving(async |test, _| {
        let applied = test.apply(RESTRICTED).await?;
        ensure!(applied.code == 0 && applied.stderr.is_empty(), "{applied:?}");
        until_ready_is(test, "restricted", "True").await?;
        let found = "spec.containers[0].securityContext.capabilities.add is forbidden, forbidden values found: [SYS_TIME]";
        until_shown(test, &pod("bad", "SYS_TIME"), found).await?;
        create(test, &pod("good", "NET_BIND_SERVICE"), &["--dry-run=server"]).await?.succeeded()?;
        let refused = create(test, &job("old-ways", ""), &[]).await?;
        let found = "autogen-standard: 'Validation rule ''autogen-standard'' failed. It violates PodSecurity \"restricted:v1.30\": \
            (Forbidden reason: allowPrivilegeEscalation != false, \
            field error list: [spec.template.spec.containers[0].securityContext.allowPrivilegeEscalation: Required value])";
        ensure!(refused.stderr.contains(found), "{refused:?}");
        Ok(())
    })
}
