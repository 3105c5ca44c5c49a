//! Another API server on the same data, as a control plane has that is to outlive one of them.

use std::net::SocketAddr;

use anyhow::Result;
use kube::{Client, Config};

use crate::{ControlPlane, Process, free_port, wait};

/// The API server. It ends when it is dropped.
#[derive(Debug)]
pub struct SecondApiServer {
    config: Config,
    _process: Process,
}

impl ControlPlane {
    /// Starts another API server, which finds etcd at this address, and waits until it is ready.
    ///
    /// # Errors
    /// It cannot be started, or does not become ready.
    pub async fn start_second_api_server(&self, etcd: SocketAddr) -> Result<SecondApiServer> {
        let port = free_port()?;
        let process = self.site().start_another_api_server(etcd, port)?;
        let mut config = self.config().await?;
        config.cluster_url = format!("https://127.0.0.1:{port}").parse()?;
        let second = SecondApiServer { config, _process: process };
        let client = second.client()?;
        wait::until("a second API server that is ready", async || {
            client.request_text(http::Request::get("/readyz").body(Vec::new())?).await?;
            Ok(Some(()))
        })
        .await?;
        Ok(second)
    }

    /// Where etcd takes requests.
    pub fn etcd(&self) -> SocketAddr {
        self.site().etcd_address()
    }
}

impl SecondApiServer {
    /// A client that is administrator.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn client(&self) -> Result<Client> {
        Ok(Client::try_from(self.config.clone())?)
    }
}
