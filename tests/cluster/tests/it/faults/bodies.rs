//! What clients send that is no review, or never ends, beside requests that are (threats 1 to 11, 58 and 62).
//!
//! Paced because a body that drips has to.

use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use portcullis_cluster_tests::wait::PATIENCE;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{interval, timeout};

use super::client::{Direct, post, review};
use super::conversations;
use super::load::Load;
use super::site::{Asked, Site, try_create, while_serving};

/// Connections of each slow kind. All together they are fewer than one source address may have.
const SLOW: usize = 50;

/// A policy that refuses ConfigMaps of a bad name, and those whose text is `two`.
fn policy(site: &Site<'_, '_, '_>) -> String {
    let namespace = &site.test.namespace;
    format!(
        "\
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata:
  name: bodies
spec:
  rules:
  - name: name
    match: {{any: [{{resources: {{kinds: [ConfigMap], namespaces: [{namespace}], names: [bad-*]}}}}]}}
    validate: {{failureAction: Enforce, message: a bad name, deny: {{}}}}
  - name: text
    match: {{any: [{{resources: {{kinds: [ConfigMap], namespaces: [{namespace}]}}}}]}}
    validate: {{failureAction: Enforce, message: the second text, pattern: {{=(data): {{=(text): '!two'}}}}}}
"
    )
}

/// What is sent, and the status and words of the answer.
struct Case {
    what: &'static str,
    request: Vec<u8>,
    status: u16,
    words: &'static str,
}

fn case(what: &'static str, request: impl Into<Vec<u8>>, status: u16, words: &'static str) -> Case {
    Case { what, request: request.into(), status, words }
}

/// A request with these headers before the body.
fn with_headers(headers: &str, body: &str) -> String {
    format!(
        "POST /validate/fail HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{headers}\r\n\r\n{body}"
    )
}

fn cases(namespace: &str) -> Vec<Case> {
    let good = review(namespace, "good-name");
    let sent = |body: &str| post("/validate/fail", body);
    let with_data =
        |data: &str| sent(&good.replace("\"metadata\":", &format!("\"data\":{data},\"metadata\":")));
    let chunk = format!("{:x}\r\n{}\r\n", 1 << 20, "x".repeat(1 << 20));
    let brackets = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let keys: Vec<String> = (0..300_000).map(|number| format!("\"k{number}\":1")).collect();
    let uid = "705ab4f5-6393-11e8-b7cc-42010a800002";
    let mut not_text = sent(&good.replace("good-name", "good__ame")).into_bytes();
    for at in 0..not_text.len() - 1 {
        if not_text[at..].starts_with(b"__") {
            // The beginning of a character that does not go on.
            not_text[at..at + 2].copy_from_slice(&[0xC3, 0x28]);
        }
    }
    vec![
        case("1: announces too much", with_headers("Content-Length: 10485761", ""), 413, "larger"),
        case(
            "1: brings too much",
            with_headers("Transfer-Encoding: chunked", &format!("{}1\r\n", chunk.repeat(11))),
            413,
            "larger",
        ),
        case(
            "2: two lengths",
            with_headers("Content-Length: 5\r\nTransfer-Encoding: chunked", &sent(&good)),
            400,
            "",
        ),
        case(
            "2: garbage for a chunk",
            with_headers("Transfer-Encoding: chunked", "zz\r\n"),
            400,
            "does not end",
        ),
        case(
            "2: too short a length",
            with_headers("Content-Length: 2", &format!("[]{}", sent(&good))),
            400,
            "not an AdmissionReview",
        ),
        case(
            "2: a length that cuts the body",
            with_headers(&format!("Content-Length: {}", good.len() / 2), &good),
            400,
            "",
        ),
        case("3: nested deeply", with_data(&brackets), 200, "256"),
        case("3: nothing but nested deeply", sent(&brackets), 400, ""),
        case("4: many keys", with_data(&format!("{{{}}}", keys.join(","))), 200, "\"allowed\":true"),
        case(
            "4: a long text",
            with_data(&format!("{{\"t\":\"{}\"}}", "x".repeat(9 << 20))),
            200,
            "\"allowed\":true",
        ),
        case("5: no UTF-8", not_text, 400, "not UTF-8"),
        case("5: half a surrogate", with_data(r#"{"text":"\ud800"}"#), 200, "\"allowed\":false"),
        case("5: a NUL", with_data(r#"{"text":"\u0000"}"#), 200, "\"allowed\":true"),
        case(
            "6: the second of two keys",
            with_data(r#"{"text":"one","text":"two"}"#),
            200,
            "the second text",
        ),
        case(
            "6: the first of two keys",
            with_data(r#"{"text":"two","text":"one"}"#),
            200,
            "\"allowed\":true",
        ),
        case("7: a key in another case", with_data(r#"{"Text":"two"}"#), 200, "\"allowed\":true"),
        case(
            "7: an envelope in another case",
            sent(&good.replace("\"request\"", "\"Request\"")),
            400,
            "no request",
        ),
        case(
            "8: numbers",
            with_data(r#"{"a":-0,"b":1e400,"c":123456789012345678901234567890}"#),
            200,
            "\"allowed\":false",
        ),
        case("9: a mark", sent(&format!("\u{feff}{good}")), 400, "not an AdmissionReview"),
        case("9: two documents", sent(&format!("{good}{good}")), 400, "trailing"),
        case("9: nothing", sent(""), 400, "not an AdmissionReview"),
        case("10: another version", sent(&good.replace("k8s.io/v1\"", "k8s.io/v1beta1\"")), 400, "expected"),
        case("10: no operation", sent(&good.replace("CREATE", "PATCH")), 400, "unknown operation"),
        case("11: a uid with quotes", sent(&good.replace(uid, r#"a\"b"#)), 200, r#""uid":"a\"b""#),
        case("11: a long uid", sent(&good.replace(uid, &"u".repeat(1025))), 400, "uid"),
        case("62: another method", "GET /validate/fail HTTP/1.1\r\nHost: x\r\n\r\n", 405, "POST"),
        case("62: the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, ""),
        case("62: no HTTP", "\0\0\0\0\r\n\r\n", 400, ""),
    ]
}

/// Sends a case, whole or until the server has heard enough, and looks at the answer.
async fn check(direct: Direct, source: Ipv4Addr, case: Case) -> Result<()> {
    let Case { what, request, status, words } = case;
    let mut connection = direct.connect_from(source).await?;
    // The server may close before it has read everything.
    let _ = connection.send(request).await;
    // Whatever is no HTTP may be closed without a word.
    let Some(answer) = connection.answer().await? else {
        ensure!(what.starts_with("62:"), "{what}: closed");
        return Ok(());
    };
    ensure!(answer.status == status && answer.body.contains(words), "{what}: {answer:.600?}");
    // What follows what was refused is no request.
    if status != 200 {
        let further = connection.answer().await?;
        ensure!(further.is_none(), "{what}: {further:.600?}");
    }
    Ok(())
}

/// Connections that never come to an end: silent, and with a byte of headers or of a body now and then. Ends when the
/// server has closed all of them.
async fn slow(direct: Direct) -> Result<()> {
    let mut held = JoinSet::new();
    for _ in 0..SLOW {
        let address = direct.address;
        held.spawn(async move {
            let mut silent = TcpStream::connect(address).await?;
            let _ = silent.read(&mut [0]).await;
            anyhow::Ok(())
        });
        let headers = "POST /validate/fail HTTP/1.1\r\nX: ".to_owned();
        let body = post("/validate/fail?timeout=1s", &"x".repeat(99)).replace(&"x".repeat(99), "");
        for begun in [headers, body] {
            let direct = direct.clone();
            held.spawn(async move {
                let mut connection = direct.connect().await?;
                connection.send(begun).await?;
                let (mut read, mut write) = tokio::io::split(connection.stream);
                let drip = async {
                    let mut ticks = interval(Duration::from_millis(300));
                    while write.write_all(b"x").await.is_ok() {
                        ticks.tick().await;
                    }
                };
                let mut answer = Vec::new();
                tokio::select! {
                    _ = read.read_to_end(&mut answer) => {}
                    () = drip => {}
                }
                anyhow::Ok(())
            });
        }
    }
    while let Some(ended) = held.join_next().await {
        ended??;
    }
    Ok(())
}

#[test]
fn whatever_clients_send_is_refused_or_closed_and_other_requests_are_judged_meanwhile() -> Result<()> {
    while_serving(&[], async |site| {
        site.put_in_force(&[&policy(site)]).await?;
        site.until_refused("bad-probe", "a bad name").await?;
        let mut load = Load::new();
        for name in ["good-name", "bad-name"] {
            let maps = site.test.api();
            load.client(async move |turns| {
                while turns.one_more() {
                    let asked = try_create(&maps, name).await?;
                    let is_judged = match &asked {
                        Asked::Admitted(_) => name == "good-name",
                        Asked::Refused(message) => name == "bad-name" && message.contains("a bad name"),
                    };
                    ensure!(is_judged, "{name}: {asked:?}");
                    turns.answered();
                }
                Ok(())
            });
        }
        let direct = site.direct().await?;
        let mut abuse = JoinSet::new();
        abuse.spawn(slow(direct.clone()));
        // Each from an address of its own: together they hold more than one may.
        for (number, case) in (2..).zip(cases(&site.test.namespace)) {
            abuse.spawn(check(direct.clone(), Ipv4Addr::new(127, 0, 0, number), case));
        }
        conversations::begin(&mut abuse, &direct, &site.test.namespace);
        load.until_answered(20).await?;
        while let Some(ended) = timeout(PATIENCE, abuse.join_next()).await.context("the server holds on")? {
            ended??;
        }
        load.until_answered(20).await?;
        load.stop().await?;
        for reason in ["handshake_timeout", "headers_timeout"] {
            let label = format!("reason=\"{reason}\"");
            let closed =
                site.portcullis.metric("portcullis_webhook_connections_closed_total", &[&label]).await?;
            ensure!(closed >= SLOW as f64, "{closed} connections closed by {reason}");
        }
        let refused = site.portcullis.metric("portcullis_webhook_refusals_total", &["code=\"408\""]).await?;
        ensure!(refused >= SLOW as f64, "{refused} requests refused for their time");
        ensure!(site.portcullis.metric("portcullis_webhook_panics_total", &[]).await? == 0.0);
        let answer: Value = direct
            .connect()
            .await?
            .review("/validate/fail", &review(&site.test.namespace, "bad-name"))
            .await?;
        ensure!(answer["allowed"] == false, "{answer}");
        Ok(())
    })
}
