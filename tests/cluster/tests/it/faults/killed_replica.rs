//! Replicas are killed under load, one after the other (threat 67).
//!
//! The API server does not send a review a second time, so that those that a replica has when it dies are lost. Nor does it
//! connect a second time where nobody listens: of a real Service, an endpoint that is dead is called until the kubelet has
//! seen that the container ended, within a second or so, and told it. The balancer stands for one that was told at once.

use std::net::Ipv4Addr;

use anyhow::{Context as _, Result, ensure};
use portcullis_cluster_tests::wait::PATIENCE;
use portcullis_cluster_tests::{ClusterTest, Replicas, cluster_test};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use super::paced::{Outcome, Pace, Request, Requests, ensure_around, policy};
use super::replicated::{put_in_force, until_bad_names_are_refused};
use super::site::{Asked, try_create};

/// Reviews that a replica is known to have when it is killed.
const HELD: usize = 8;

/// A policy that asks a service about ConfigMaps of some names.
fn asking(namespace: &str, url: &str) -> String {
    format!(
        "\
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata:
  name: asks
spec:
  failurePolicy: Fail
  rules:
  - name: r
    match: {{any: [{{resources: {{kinds: [ConfigMap], namespaces: [{namespace}], names: [held-*]}}}}]}}
    context: [{{name: answer, apiCall: {{service: {{url: '{url}'}}}}}}]
    validate:
      failureAction: Enforce
      message: never
      deny: {{conditions: {{any: [{{key: '{{{{ answer }}}}', operator: Equals, value: bad}}]}}}}
"
    )
}

/// A service that answers when it is told to.
struct Service {
    url: String,
    /// How many have asked.
    asked: watch::Sender<usize>,
    answers: watch::Sender<bool>,
    _serving: JoinSet<()>,
}

impl Service {
    async fn start() -> Result<Service> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let url = format!("http://{}/check", listener.local_addr()?);
        let (asked, answers) = (watch::Sender::new(0), watch::Sender::new(false));
        let (counter, signal) = (asked.clone(), answers.clone());
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut calls = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let answers = signal.subscribe();
                calls.spawn(answer(stream, answers, counter.clone()));
            }
        });
        Ok(Service { url, asked, answers, _serving: serving })
    }

    async fn until_asked(&self, count: usize) -> Result<()> {
        let mut asked = self.asked.subscribe();
        timeout(PATIENCE, asked.wait_for(|asked| *asked == count))
            .await
            .context("nobody asks the service")??;
        Ok(())
    }
}

/// Answers one question. Who is gone meanwhile needs no answer.
async fn answer(mut stream: TcpStream, mut answers: watch::Receiver<bool>, asked: watch::Sender<usize>) {
    let mut question = Vec::new();
    while !question.windows(4).any(|bytes| bytes == b"\r\n\r\n") {
        if stream.read_buf(&mut question).await.unwrap_or(0) == 0 {
            return;
        }
    }
    asked.send_modify(|asked| *asked += 1);
    let _ = answers.wait_for(|answers| *answers).await;
    let _ =
        stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 6\r\n\r\n\"good\"").await;
}

/// A kill of a replica: when it began, and when all connections to the replica were closed.
struct Kill {
    begun: Instant,
    closed: Instant,
}

impl Kill {
    fn concerns(&self, request: &Request) -> bool {
        request.is_under_way(self.begun, self.closed)
    }
}

/// Kills one of two replicas, which has reviews: those are lost, each of them and no other.
async fn kill(test: &ClusterTest, replicas: &mut Replicas<'_>, service: &Service) -> Result<Kill> {
    service.asked.send_replace(0);
    service.answers.send_replace(false);
    let other = replicas.start_aside().await?;
    ensure!(replicas.running.len() == 1, "which replica has the reviews is not known");
    let mut held = JoinSet::new();
    for number in 0..HELD {
        let maps = test.api();
        held.spawn(async move { try_create(&maps, &format!("held-{number}")).await });
    }
    service.until_asked(HELD).await?;
    let other_address = other.address;
    replicas.let_in(other);
    replicas.balancer.until_ready_is(other_address, true).await?;
    let begun = Instant::now();
    replicas.kill(0).await?;
    let closed = Instant::now();
    // Nobody is left to hear it.
    service.answers.send_replace(true);
    for asked in held.join_all().await {
        let asked = asked?;
        let is_lost = matches!(&asked, Asked::Refused(message) if message.contains("failed calling webhook"));
        ensure!(is_lost, "a review outlived its replica: {asked:?}");
    }
    Ok(Kill { begun, closed })
}

#[test]
fn a_replica_that_is_killed_loses_the_requests_that_it_has_and_none_that_comes_later() -> Result<()> {
    cluster_test(async |test| {
        let service = Service::start().await?;
        let body = async |replicas: &mut Replicas<'_>| {
            replicas.start(1).await?;
            let closed = policy("closed", &test.namespace, "Fail");
            put_in_force(test, &[closed, asking(&test.namespace, &service.url)].join("---\n")).await?;
            until_bad_names_are_refused(test).await?;
            let mut requests = Requests::start(test.api(), Pace::LOAD);
            requests.more(200).await?;
            let mut kills = Vec::new();
            for _ in 0..2 {
                let kill = kill(test, replicas, &service).await?;
                requests.until(kill.closed, 200).await?;
                kills.push(kill);
            }
            let all = requests.stop().await?;
            let lost: Vec<_> = all.iter().filter(|request| request.outcome != Outcome::Judged).collect();
            println!("{} of {} requests were lost by {} kills", lost.len(), all.len(), kills.len());
            for kill in &kills {
                ensure_around(&all, kill.begun, kill.closed)?;
            }
            for request in lost {
                let is_of_a_kill = kills.iter().any(|kill| kill.concerns(request));
                ensure!(request.has_failed() && is_of_a_kill, "lost by no kill: {request:?}");
            }
            Ok(())
        };
        Replicas::during(test.control_plane, &["--allow-service", "127.0.0.1"], body).await
    })
}
