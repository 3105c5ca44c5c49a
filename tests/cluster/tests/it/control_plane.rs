//! The control plane itself, without Portcullis: what the other tests rest on.

use anyhow::{Result, ensure};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Pod, ServiceAccount};
use kube::Api;
use kube::api::ListParams;
use portcullis_cluster_tests::{ControlPlane, Programs, cluster_test, make_room, wait};

use crate::processes;

#[test]
fn the_api_server_is_ready_and_the_default_service_account_is_there() -> Result<()> {
    cluster_test(async |test| {
        let ready = test.kubectl(&["get", "--raw", "/readyz"]).await?.succeeded()?;
        ensure!(ready == "ok", "{ready}");
        let accounts: Api<ServiceAccount> = Api::namespaced(test.client.clone(), "default");
        accounts.get("default").await?;
        let version = test.kubectl(&["version"]).await?.succeeded()?;
        ensure!(version.contains("Server Version: v1.36."), "{version}");
        Ok(())
    })
}

#[test]
fn a_job_with_a_ttl_runs_and_is_deleted_with_its_pod_by_kubernetes() -> Result<()> {
    cluster_test(async |test| {
        test.apply(
            "\
apiVersion: batch/v1
kind: Job
metadata:
  name: pi
spec:
  backoffLimit: 4
  template:
    spec:
      restartPolicy: Never
      containers:
        - name: pi
          image: perl:5.34.0
          command: [perl, -Mbignum=bpi, -wle, print bpi(2000)]
",
        )
        .await?
        .succeeded()?;
        let jobs = test.api::<Job>();
        let succeeded = |job: Option<&Job>| {
            let status = job.and_then(|job| job.status.as_ref());
            status.is_some_and(|status| status.succeeded == Some(1) && status.completion_time.is_some())
        };
        wait::until_object(&jobs, "pi", "the Job succeeds", succeeded).await?;
        // Only now: it could be gone before it was seen to succeed.
        let ttl = r#"{"spec": {"ttlSecondsAfterFinished": 1}}"#;
        test.kubectl(&["patch", "job", "pi", "--patch", ttl]).await?.succeeded()?;
        wait::until_object(&jobs, "pi", "the TTL controller deletes the Job", |job: Option<&Job>| {
            job.is_none()
        })
        .await?;
        let pods = test.api::<Pod>();
        wait::until("the garbage collector deletes the Pod", async || {
            let pods = pods.list(&ListParams::default()).await?;
            Ok(pods.items.is_empty().then_some(()))
        })
        .await
    })
}

#[test]
fn kubectl_tells_its_exit_code_and_what_it_printed() -> Result<()> {
    cluster_test(async |test| {
        let missing = test.kubectl(&["get", "job", "nowhere"]).await?;
        ensure!(missing.code == 1 && missing.stdout.is_empty(), "{missing:?}");
        ensure!(missing.stderr.contains("jobs.batch \"nowhere\" not found"), "{missing:?}");
        Ok(())
    })
}

/// On a control plane of its own, since those that tests take turns with stay until the end.
#[test]
fn the_api_server_keeps_its_data_over_a_crash_and_nothing_is_left_at_the_end() -> Result<()> {
    let Some(programs) = Programs::find()? else { return Ok(()) };
    make_room();
    let runtime = tokio::runtime::Runtime::new()?;
    let (folder, parts) = runtime.block_on(async {
        let control_plane = ControlPlane::start(&programs).await?;
        let kubectl = control_plane.kubectl("default");
        kubectl.run(&["create", "configmap", "kept"]).await?.succeeded()?;

        control_plane.stop_api_server();
        let refused = kubectl.run(&["get", "configmap", "kept"]).await?;
        ensure!(
            refused.code != 0 && refused.stderr.contains("refused"),
            "the API server answers: {refused:?}"
        );
        control_plane.start_api_server().await?;
        kubectl.run(&["get", "configmap", "kept"]).await?.succeeded()?;

        let folder = control_plane.folder().to_owned();
        let parts = processes::naming(&folder)?;
        anyhow::Ok((folder, parts))
    })?;
    // Each part and its lifeline: etcd, the API server, the controller manager, the scheduler, KWOK; and the lifeline that
    // removes the folder.
    ensure!(parts.len() == 11, "{parts:?}");
    let left = processes::naming(&folder)?;
    ensure!(left.is_empty(), "still running: {left:?}");
    ensure!(!folder.exists(), "`{}` is still there", folder.display());
    Ok(())
}
