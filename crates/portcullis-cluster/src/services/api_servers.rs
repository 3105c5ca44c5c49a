//! Where the API servers of the cluster listen, which have a gate of their own.

use std::net::SocketAddr;

use k8s_openapi::api::discovery::v1::EndpointSlice;
use portcullis_model::{ServiceHost, ServiceUrl};

use super::address::canonical;
use crate::connection::Connection;
use crate::error::{ApiError, Asked};
use crate::reader::{Query, Reader};

/// The addresses behind the Service `kubernetes`, as API servers write them down themselves.
const ENDPOINTS: &str = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/kubernetes";
/// The most bytes of them.
const LONGEST: usize = 1 << 20;

/// Who knows where they listen.
#[derive(Debug)]
pub(super) struct ApiServers {
    connection: Connection,
    /// Addresses that are known from elsewhere.
    known: Vec<SocketAddr>,
}

impl ApiServers {
    /// The API servers of the cluster that `connection` leads to, at the addresses of `known` too.
    pub(super) fn of(connection: &Connection, known: Vec<SocketAddr>) -> Self {
        Self { connection: connection.clone(), known }
    }

    /// All addresses at this moment: API servers come and go, and so does what a name means.
    ///
    /// # Errors
    /// They cannot be found out. Some of them would not be all.
    pub(super) async fn addresses(&self) -> Result<Vec<SocketAddr>, String> {
        let mut addresses = self.known.clone();
        let unknown = |error: &dyn std::fmt::Display| {
            tracing::warn!(
                %error,
                hint = "no service is called until they are; its role lets Portcullis get the EndpointSlice `kubernetes`",
                "the addresses of the API servers are not known"
            );
            "the addresses of the API server are not known".to_owned()
        };
        let url = ServiceUrl::parse(self.connection.server()).map_err(|error| unknown(&error))?;
        match &url.host {
            ServiceHost::Address(address) => addresses.push((*address, url.port).into()),
            ServiceHost::Name(name) => {
                let found = tokio::net::lookup_host((name.as_str(), url.port)).await;
                addresses.extend(found.map_err(|error| unknown(&error))?);
            }
        }
        addresses.extend(self.endpoints().await.map_err(|error| unknown(&error))?);
        Ok(addresses)
    }

    /// Those that API servers write down; none where they are told not to.
    async fn endpoints(&self) -> Result<Vec<SocketAddr>, String> {
        let asked = Asked { verb: "get", resource: "endpointslices.discovery.k8s.io".to_owned() };
        let path = ENDPOINTS.to_owned();
        let query = Query { asked, path, accept: "application/json", limit: LONGEST };
        let body = match Reader::admission(&self.connection).read(&query).await {
            Ok(body) => body,
            Err(ApiError::NotFound { .. }) => return Ok(Vec::new()),
            Err(error) => return Err(error.to_string()),
        };
        let slice: EndpointSlice = serde_json::from_slice(&body).map_err(|error| error.to_string())?;
        let ports = slice.ports.unwrap_or_default().into_iter().filter_map(|port| port.port);
        let ports: Vec<u16> = ports.filter_map(|port| u16::try_from(port).ok()).collect();
        let addresses = slice.endpoints.into_iter().flat_map(|endpoint| endpoint.addresses);
        let addresses = addresses.filter_map(|address| address.parse().ok());
        let at_ports = |address| ports.iter().map(move |port| SocketAddr::new(address, *port));
        Ok(addresses.flat_map(at_ports).collect())
    }
}

/// Whether both are the same place, in whatever form.
pub(super) fn is_same(one: &SocketAddr, other: &SocketAddr) -> bool {
    one.port() == other.port() && canonical(one.ip()) == canonical(other.ip())
}
