//! Errors as people are told of them: what, why, and what to do.

use std::io;
use std::net::SocketAddr;

use portcullis_cli::hinted;
use portcullis_cluster::{Access, Connection, system_reason};

/// The way to the API server.
pub(crate) async fn connect(access: &Access) -> anyhow::Result<Connection> {
    Connection::open(access).await.map_err(|error| hinted(error.to_string(), Some(error.hint())))
}

/// `address`, which `flag` gives, cannot be listened on.
pub(crate) fn not_listening(address: SocketAddr, flag: &str, error: &io::Error) -> anyhow::Error {
    let hint = match error.kind() {
        io::ErrorKind::AddrInUse => Some(format!(
            "another process listens there; `{flag}` takes another port, 0 for one that is free"
        )),
        io::ErrorKind::AddrNotAvailable => Some(format!(
            "the address is none of this machine's; `{flag} 0.0.0.0:{}` listens on all it has",
            address.port()
        )),
        io::ErrorKind::PermissionDenied => {
            Some(format!("ports below 1024 are for privileged users; `{flag}` takes another one"))
        }
        _ => None,
    };
    hinted(format!("cannot listen on `{address}`: {}", system_reason(error)), hint)
}
