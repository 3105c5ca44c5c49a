//! HTTP without TLS, one request a connection: what probes, metrics and etcd are asked by.

use std::net::SocketAddr;

use anyhow::Result;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// What a path answers, head and body.
pub(crate) async fn get(address: SocketAddr, path: &str) -> Result<String> {
    ask(address, &format!("GET {path}"), "").await
}

/// What a path answers to this JSON, head and body.
pub(crate) async fn post(address: SocketAddr, path: &str, json: &str) -> Result<String> {
    ask(address, &format!("POST {path}"), json).await
}

async fn ask(address: SocketAddr, what: &str, body: &str) -> Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!(
        "{what} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}
