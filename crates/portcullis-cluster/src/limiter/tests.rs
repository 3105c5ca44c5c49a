//! Who waits for whom.

use serde_json::json;

use super::*;
use crate::connection::Connection;
use crate::error::{ApiError, Asked};
use crate::scripted;

async fn get(client: kube::Client, path: &str) -> Result<StatusCode, kube::Error> {
    let request = Request::get(path).body(Body::empty()).map_err(kube::Error::HttpError)?;
    client.send(request).await.map(|response| response.status())
}

fn ask(connection: &Connection, class: Class, path: &'static str) -> tokio::task::JoinHandle<StatusCode> {
    let client = match class {
        Class::Admission => connection.admission().clone(),
        Class::Background => connection.background().clone(),
    };
    tokio::spawn(async move { get(client, path).await.unwrap() })
}

#[tokio::test(start_paused = true)]
async fn background_work_is_paced_and_admission_overtakes_it() {
    let (connection, mut server) = scripted::connection();
    for _ in 0..300 {
        ask(&connection, Class::Background, "/background");
    }
    for _ in 0..200 {
        server.expect("/background").await.reply(200, &json!({}));
    }
    assert!(server.elapsed() < Duration::from_millis(20), "{:?}", server.elapsed());
    ask(&connection, Class::Admission, "/admission");
    server.expect("/admission").await.reply(200, &json!({}));
    assert!(server.elapsed() < Duration::from_millis(20), "{:?}", server.elapsed());
    for _ in 0..100 {
        server.expect("/background").await.reply(200, &json!({}));
    }
    let elapsed = server.elapsed();
    assert!(elapsed >= Duration::from_millis(900) && elapsed <= Duration::from_millis(1100), "{elapsed:?}");
}

#[tokio::test(start_paused = true)]
async fn all_background_requests_obey_one_refusal_and_admission_does_not_wait() {
    let (connection, mut server) = scripted::connection();
    let refused = ask(&connection, Class::Background, "/refused");
    server.expect("/refused").await.reply_with(429, &[("Retry-After", "10")], &json!({}));
    let second = ask(&connection, Class::Background, "/second");
    assert!(server.quiet_for(Duration::from_secs(9)).await);
    ask(&connection, Class::Admission, "/admission");
    server.expect("/admission").await.reply(200, &json!({}));
    for _ in 0..2 {
        server.next().await.reply(200, &json!({}));
        assert!(server.elapsed() >= Duration::from_secs(10), "{:?}", server.elapsed());
    }
    assert_eq!(refused.await.unwrap(), StatusCode::OK, "a request that was put off is sent again");
    assert_eq!(second.await.unwrap(), StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn an_api_server_that_stays_busy_is_given_up_with_growing_delays() {
    let (connection, mut server) = scripted::connection();
    let busy = ask(&connection, Class::Background, "/busy");
    let mut delays = Vec::new();
    for _ in 0..ATTEMPTS {
        let before = server.elapsed();
        server.expect("/busy").await.reply(429, &json!({}));
        delays.push(server.elapsed() - before);
    }
    assert_eq!(busy.await.unwrap(), StatusCode::TOO_MANY_REQUESTS);
    // Each step is twice the one before, and chance takes at most half of it away.
    for (delay, step) in delays[1..].iter().zip([1, 2, 4, 8]) {
        assert!(*delay >= Duration::from_secs(step) / 2, "{delays:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_api_server_is_a_time_out_that_says_where() {
    let (connection, mut server) = scripted::connection();
    let client = connection.admission().clone();
    let (answer, silent) = tokio::join!(get(client, "/silent"), server.expect("/silent"));
    drop(silent);
    let asked = Asked { verb: "get", resource: "things".to_owned() };
    let error = ApiError::from_client(asked, connection.server(), &answer.unwrap_err());
    assert_eq!(error.to_string(), "the API server at `https://scripted:6443` did not answer within 30 s");
}
