//! How the harness runs a server in the cluster's stead: as its service account, watched for what is refused to it.
//! A shell that asks kubectl plays the server.

use std::io::Write as _;

use anyhow::{Context as _, Result, ensure};
use portcullis_cluster_tests::{ClusterTest, Serve, ServeOptions, cluster_test, wait};
use tempfile::NamedTempFile;

/// May list Jobs, nothing else.
const ROLES: &str = "\
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: lists-jobs
rules:
  - apiGroups: [batch]
    resources: [jobs]
    verbs: [list]
";

#[test]
fn a_server_is_its_service_account_and_ends_in_order() -> Result<()> {
    cluster_test(async |test| {
        // Jobs are not printed: their namespaces bear the names of other tests, and so any word.
        let asking = "kubectl auth whoami && kubectl get jobs --all-namespaces >/dev/null && echo asked";
        run(test, asking, async |serve| {
            serve.until_logged("asked\n").await?;
            ensure!(serve.log()?.contains("system:serviceaccount:portcullis:portcullis"), "{}", serve.log()?);
            serve.kill();
            serve.start()?;
            wait::until("a second server has asked", async || {
                Ok((serve.log()?.lines().filter(|line| *line == "asked").count() == 2).then_some(()))
            })
            .await
        })
        .await
    })
}

#[test]
fn a_request_that_is_refused_to_a_server_fails_the_test() -> Result<()> {
    cluster_test(async |test| {
        let asking = "kubectl get secrets --all-namespaces >/dev/null 2>&1; echo asked";
        let outcome = run(test, asking, async |serve| serve.until_logged("asked").await).await;
        let error = format!("{:#}", outcome.err().context("the refusal went unseen")?);
        ensure!(error.contains("lacks permissions: list /api/v1/secrets"), "{error}");
        Ok(())
    })
}

#[test]
fn only_what_a_test_expects_to_be_refused_is_forgiven_and_only_if_it_was() -> Result<()> {
    cluster_test(async |test| {
        let asking =
            "kubectl get secrets --all-namespaces; kubectl get podtemplates --all-namespaces; echo asked";
        let asks = async |expected: &[&str]| {
            let outcome = run(test, asking, async |serve| {
                for resource in expected {
                    serve.expect_refused("list", resource);
                }
                serve.until_logged("asked").await
            });
            Ok::<_, anyhow::Error>(outcome.await.err().map(|error| format!("{error:#}")))
        };
        ensure!(asks(&["secrets", "podtemplates"]).await?.is_none());
        let error = asks(&["secrets"]).await?.context("the other refusal went unseen")?;
        ensure!(error.contains("list /api/v1/podtemplates") && !error.contains("secrets"), "{error}");
        let error =
            asks(&["secrets", "podtemplates", "endpoints"]).await?.context("nobody refused the third")?;
        ensure!(error.contains("nobody refused what was to be refused: list endpoints"), "{error}");
        Ok(())
    })
}

#[test]
fn a_refusal_before_the_api_server_starts_anew_is_not_forgiven_and_one_while_it_does_is() -> Result<()> {
    cluster_test(async |test| {
        let restart = async || {
            test.control_plane.stop_api_server();
            test.control_plane.start_api_server().await
        };
        let asking = "kubectl get secrets --all-namespaces >/dev/null 2>&1; echo asked";
        let outcome = run(test, asking, async |serve| {
            serve.until_logged("asked").await?;
            restart().await
        });
        let error = format!("{:#}", outcome.await.err().context("the refusal before went unseen")?);
        ensure!(error.contains("lacks permissions: list /api/v1/secrets"), "{error}");

        // It may list Jobs, as soon as the API server knows that.
        let asking = "while :; do kubectl get jobs --all-namespaces >/dev/null 2>&1 && echo asked; done";
        run(test, asking, async |serve| {
            serve.until_logged("asked").await?;
            restart().await?;
            let before = serve.log()?.len();
            wait::until("an answer of the new one", async || {
                Ok(serve.log()?.get(before..).unwrap_or_default().contains("asked").then_some(()))
            })
            .await
        })
        .await
    })
}

/// Runs a shell that asks once and then stays until SIGTERM.
async fn run(
    test: &ClusterTest,
    asking: &str,
    body: impl AsyncFnOnce(&mut Serve<'_>) -> Result<()>,
) -> Result<()> {
    let mut roles = NamedTempFile::with_suffix(".yaml")?;
    roles.write_all(ROLES.as_bytes())?;
    let programs = test.control_plane.programs().display();
    let cache = test.control_plane.folder().join("kubectl-cache");
    let script = format!(
        "trap 'exit 0' TERM; export PATH={programs}:$PATH KUBECACHEDIR={}; {asking}; tail -f /dev/null & wait",
        cache.display()
    );
    let options = ServeOptions {
        program: "/bin/sh".into(),
        arguments: vec!["-c".to_owned(), script],
        roles: roles.path().to_owned(),
        definitions: None,
    };
    Serve::during(test.control_plane, options, body).await?;
    // Else no later test would notice that Portcullis lacks this right.
    let delete = ["delete", "clusterrole,clusterrolebinding", "lists-jobs", "--ignore-not-found"];
    test.kubectl(&delete).await?.succeeded().map(drop)
}
