//! Clients that go another way through HTTP than an API server does (threats 2, 58 and 62).

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::client::{Answer, Connection, Direct, post, review};

const UID: &str = "705ab4f5-6393-11e8-b7cc-42010a800002";

/// Holds a conversation of each sort. Each ends by itself.
pub(crate) fn begin(conversations: &mut JoinSet<Result<()>>, direct: &Direct, namespace: &str) {
    let judged = |name: &str| review(namespace, name);
    conversations.spawn(pipelined(direct.clone(), [judged("good-name"), judged("bad-name")]));
    conversations.spawn(asking_first(direct.clone(), judged("bad-name")));
    conversations.spawn(head(direct.clone()));
    conversations.spawn(without_tls(direct.clone(), judged("bad-name")));
    conversations.spawn(half_closed(direct.clone(), judged("bad-name")));
}

/// What came of a review, which was answered so.
fn response(answer: &Answer) -> Result<Value> {
    ensure!(answer.status == 200, "{answer:?}");
    Ok(serde_json::from_str::<Value>(&answer.body)?["response"].take())
}

async fn next(connection: &mut Connection) -> Result<Answer> {
    connection.answer().await?.context("the connection was closed")
}

/// Requests that do not wait for the answer before are answered in their order.
async fn pipelined(direct: Direct, reviews: [String; 2]) -> Result<()> {
    let mut connection = direct.connect().await?;
    let numbered = |number: usize| reviews[number % 2].replace(UID, &format!("pipelined-{number}"));
    let all: String = (0..20).map(|number| post("/validate/fail", &numbered(number))).collect();
    connection.send(all).await?;
    for number in 0..20 {
        let response = response(&next(&mut connection).await?)?;
        let is_right =
            response["uid"] == *format!("pipelined-{number}") && response["allowed"] == (number % 2 == 0);
        ensure!(is_right, "pipelined: {number} is {response}");
    }
    Ok(())
}

/// A client that asks whether it may send its body is told so, unless it is too large.
async fn asking_first(direct: Direct, body: String) -> Result<()> {
    let head = |length: usize| {
        format!(
            "POST /validate/fail HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nExpect: 100-continue\r\n\
             Content-Length: {length}\r\n\r\n"
        )
    };
    let mut connection = direct.connect().await?;
    connection.send(head(body.len())).await?;
    let told = next(&mut connection).await?;
    ensure!(told.status == 100, "asking first: {told:?}");
    connection.send(&body).await?;
    let response = response(&next(&mut connection).await?)?;
    ensure!(response["allowed"] == false, "asking first: {response}");
    connection.send(head(10_485_761)).await?;
    let told = next(&mut connection).await?;
    ensure!(told.status == 413 && connection.answer().await?.is_none(), "asking first: {told:?}");
    Ok(())
}

/// HEAD is refused, and the answer has no body.
async fn head(direct: Direct) -> Result<()> {
    let mut connection = direct.connect().await?;
    connection.send("HEAD /validate/fail HTTP/1.1\r\nHost: x\r\n\r\n").await?;
    let answer = rest(&mut connection.stream).await;
    let is_right = answer.starts_with("HTTP/1.1 405 ") && answer.ends_with("\r\n\r\n");
    ensure!(is_right, "HEAD: {answer}");
    Ok(())
}

/// A client without TLS is told that it needs it.
async fn without_tls(direct: Direct, body: String) -> Result<()> {
    let mut stream = TcpStream::connect(direct.address).await?;
    stream.write_all(post("/validate/fail", &body).as_bytes()).await?;
    let answer = rest(&mut stream).await;
    let is_right = answer.starts_with("HTTP/1.0 400 ") && answer.ends_with("this port speaks HTTPS\n");
    ensure!(is_right, "without TLS: {answer}");
    Ok(())
}

/// A client that says that it will send nothing more, at any point: what has not come whole is never judged, and the
/// server closes its side too.
async fn half_closed(direct: Direct, body: String) -> Result<()> {
    let whole = post("/validate/fail", &body);
    let (headers, body_at) = (whole.len() / 20, whole.len() - body.len() / 2);
    for sent in [0, headers, body_at, whole.len()] {
        let mut connection = direct.connect().await?;
        connection.send(&whole.as_bytes()[..sent]).await?;
        connection.stream.shutdown().await?;
        let answer = rest(&mut connection.stream).await;
        let is_judged = answer.contains("\"allowed\"");
        ensure!(!is_judged || sent == whole.len(), "half closed after {sent} bytes: {answer}");
        ensure!(!answer.contains("\"allowed\":true"), "half closed after {sent} bytes: {answer}");
    }
    Ok(())
}

/// What comes until the server closes. A reset is an end too.
async fn rest(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> String {
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest).await;
    String::from_utf8_lossy(&rest).into_owned()
}
