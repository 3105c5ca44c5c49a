//! More than one Portcullis on a cluster: the second one says so and ends, unless it is to take the place of the first.

use anyhow::{Context as _, Result, ensure};
use portcullis_cluster_tests::{ClusterTest, Portcullis, Process, cluster_test, free_port, wait};

use crate::crds::define;
use crate::story::{founded, job, until_shown};

/// A second server, which API servers call at a port of its own.
struct Second {
    url: String,
    process: Process,
}

impl Second {
    fn start(test: &ClusterTest, name: &str, further: &[&str]) -> Result<Self> {
        let port = free_port()?;
        let url = format!("https://127.0.0.1:{port}");
        let [listen, external] = [format!("--listen=127.0.0.1:{port}"), format!("--external-url={url}")];
        let arguments = [&[&*listen, &*external, "--metrics-listen=127.0.0.1:0"], further].concat();
        let process = Portcullis::start_beside(test.control_plane, name, &arguments)?;
        Ok(Self { url, process })
    }

    /// Waits until it has ended by itself, and returns its log.
    async fn refused(mut self) -> Result<String> {
        let status = wait::until("the end of a second server", async || self.process.ended()).await?;
        let log = self.process.log()?;
        ensure!(status.code() == Some(1), "{status}: {log}");
        Ok(log)
    }

    async fn until_logged(&self, text: &str) -> Result<()> {
        wait::until(&format!("`{text}` in the log of a second server"), async || {
            let log = self.process.log()?;
            ensure!(log.contains(text), "{log}");
            Ok(Some(()))
        })
        .await
    }

    async fn stop(mut self) -> Result<()> {
        self.process.signal("SIGTERM")?;
        let status = wait::until("the end of a second server", async || self.process.ended()).await?;
        ensure!(status.success(), "{status}: {}", self.process.log()?);
        Ok(())
    }
}

/// Waits until the API server is to call this address.
async fn until_called(test: &ClusterTest, url: &str) -> Result<()> {
    wait::until(&format!("webhooks that call {url}"), async || {
        let called = ["get", "mutatingwebhookconfiguration", "portcullis-resource-mutating", "-o"];
        let called = [&called[..], &["jsonpath={.webhooks[*].clientConfig.url}"]].concat();
        let called = test.kubectl(&called).await?.succeeded()?;
        ensure!(called.starts_with(url), "{called}");
        Ok(Some(()))
    })
    .await
}

#[test]
fn a_second_server_from_outside_is_refused_and_takes_over_only_where_that_is_wanted() -> Result<()> {
    founded(async |test, portcullis| {
        let first = format!("https://{}", portcullis.address());
        let told = Second::start(test, "second", &[])?.refused().await?;
        let words = format!("error: this cluster is served by another portcullis, `{first}`\nhint: ");
        ensure!(told.contains(&words) && told.contains("--take-over"), "{told}");
        until_called(test, &first).await?;
        until_shown(test, &job("probe", ""), "ttlSecondsAfterFinished: 900").await?;

        let second = Second::start(test, "third", &["--take-over"])?;
        until_called(test, &second.url).await?;
        portcullis.serve.until_logged("somebody else has taken the lease").await?;
        until_shown(test, &job("probe", ""), "ttlSecondsAfterFinished: 900").await?;
        // When it leaves, the first one is back.
        second.stop().await?;
        until_called(test, &first).await?;
        until_shown(test, &job("probe", ""), "ttlSecondsAfterFinished: 900").await?;

        // What was killed without a word is found to be gone.
        portcullis.serve.kill();
        let third = Second::start(test, "fourth", &[])?;
        third.until_logged("removed a webhook configuration that an earlier run left").await?;
        until_called(test, &third.url).await?;
        third.stop().await
    })
}

#[test]
fn servers_from_outside_find_each_other_where_portcullis_has_no_namespace() -> Result<()> {
    cluster_test(async |test| {
        define(&test.control_plane.kubectl("default")).await?;
        let nowhere = ["--namespace=nowhere"];
        let first = Second::start(test, "first-of-nowhere", &nowhere)?;
        first.until_logged("portcullis has no namespace in this cluster").await?;
        first.until_logged("webhook configurations follow the policies in force").await?;
        let told = Second::start(test, "second-of-nowhere", &nowhere)?.refused().await?;
        ensure!(told.contains(&format!("served by another portcullis, `{}`", first.url)), "{told}");
        first.stop().await
    })
}

#[test]
fn a_replica_without_its_namespace_says_so_and_serves_once_it_is_there() -> Result<()> {
    cluster_test(async |test| {
        let kubectl = test.control_plane.kubectl("default");
        define(&kubectl).await?;
        let arguments = ["--listen=127.0.0.1:0", "--metrics-listen=127.0.0.1:0", "--namespace=late"];
        let mut replica = Portcullis::start_beside(test.control_plane, "replica", &arguments)?;
        wait::until("a line about the namespace", async || {
            let log = replica.log()?;
            let line = log.lines().find(|line| line.contains("cannot renew or take the lease"));
            let line = line.context("nothing is said of the lease")?;
            ensure!(line.contains(r#"namespaces \"late\" not found"#), "{line}");
            ensure!(line.contains("`kubectl create namespace late` makes the namespace"), "{line}");
            ensure!(log.contains("cannot renew the certificate, trying again"), "{log}");
            Ok(Some(()))
        })
        .await?;
        // The namespace comes, and so do the lease and the certificate.
        kubectl.run(&["create", "namespace", "late"]).await?.succeeded()?;
        for words in ["holds the lease", "serving with a certificate", "policies are in force"] {
            wait::until(words, async || Ok(replica.log()?.contains(words).then_some(()))).await?;
        }
        replica.signal("SIGTERM")?;
        wait::until("its end", async || replica.ended()).await?;
        // In a cluster the webhooks stay: another replica answers.
        let kinds = "mutatingwebhookconfigurations,validatingwebhookconfigurations";
        kubectl
            .run(&["delete", kinds, "-l", "app.kubernetes.io/managed-by=portcullis"])
            .await?
            .succeeded()?;
        kubectl.run(&["delete", "namespace", "late"]).await?.succeeded().map(drop)
    })
}
