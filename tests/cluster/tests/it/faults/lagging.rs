//! One of several API servers goes by older webhook configurations than the others while authority and certificate give way
//! to the next (threat 64).

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::GetParams;
use kube::{Api, Client};
use portcullis_cluster_tests::wait;
use portcullis_webhook::{BACKDATED, Identity};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::load::Load;
use super::replicated::replicated;
use super::secret::{CONFIGURATION, Entries, Shared, bundle_of};
use super::site::{Asked, try_create};

/// From the write of a bundle on, an API server may take so long until it goes by it: before, no certificate of another
/// authority is served. Times in certificates are whole seconds.
const PROMISED: Duration = Duration::from_secs(5 - 1);

/// What stands between etcd and an API server, and holds back what etcd says when a test wants it.
struct Lag {
    address: SocketAddr,
    holds: watch::Sender<bool>,
    _carrying: JoinSet<()>,
}

impl Lag {
    async fn before(etcd: SocketAddr) -> Result<Lag> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let (holds, held) = watch::channel(false);
        let mut carrying = JoinSet::new();
        carrying.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let held = held.clone();
                // A connection that breaks is at its end.
                connections.spawn(async move { carry(client, etcd, held).await.ok() });
            }
        });
        Ok(Lag { address, holds, _carrying: carrying })
    }
}

async fn carry(client: TcpStream, etcd: SocketAddr, mut held: watch::Receiver<bool>) -> Result<()> {
    let etcd = TcpStream::connect(etcd).await?;
    let ((mut from_client, mut to_client), (mut from_etcd, mut to_etcd)) =
        (client.into_split(), etcd.into_split());
    let news = async {
        let mut bytes = vec![0; 64 << 10];
        loop {
            let count = from_etcd.read(&mut bytes).await?;
            held.wait_for(|holds| !holds).await?;
            if count == 0 {
                return anyhow::Ok(());
            }
            to_client.write_all(&bytes[..count]).await?;
        }
    };
    tokio::select! {
        asked = tokio::io::copy(&mut from_client, &mut to_etcd) => asked.map(drop).map_err(Into::into),
        told = news => told,
    }
}

/// What an API server has heard last of whom to trust, from its own memory.
async fn heard(client: &Client) -> Result<Vec<u8>> {
    bundle_of(client, &GetParams::any()).await
}

#[test]
fn no_review_of_an_api_server_fails_that_hears_of_the_next_authority_later_than_the_others() -> Result<()> {
    replicated(async |test, replicas| {
        let shared = Shared::of(test);
        let (old, first) = shared.start_two(replicas).await?;

        let lag = Lag::before(test.control_plane.etcd()).await?;
        let second = test.control_plane.start_second_api_server(lag.address).await?;
        let late = second.client()?;
        let mut load = Load::new();
        for client in [&test.client, &late, &late] {
            let maps: Api<ConfigMap> = Api::namespaced(client.clone(), &test.namespace);
            load.client(async move |turns| {
                while turns.one_more() {
                    // These are refused before anything of etcd is needed.
                    match try_create(&maps, "bad-name").await? {
                        Asked::Refused(message) if message.contains("a bad name") => turns.answered(),
                        asked => bail!("{asked:?}"),
                    }
                }
                Ok(())
            });
        }
        load.until_answered(100).await?;
        let before = heard(&late).await?;
        ensure!(before == old.bundle_pem().as_bytes(), "the old authority is not alone");

        // The next authority: one API server hears of it, and the other does not.
        lag.holds.send_replace(true);
        let began = Timestamp::now();
        let both = shared.announce_next(&old).await?;
        // That no certificate of the next authority comes too early is seen below, by when it was issued.
        load.until_answered(20).await?;
        ensure!(heard(&late).await? == before, "the second API server does not lag");
        lag.holds.send_replace(false);
        until_heard(&late, &both).await?;
        let next = shared.until("the next certificate", |e| e.certificate != first.certificate).await?;
        shared.until_served(replicas, &next.certificate).await?;
        load.until_answered(100).await?;
        let writes = test.control_plane.writes_of_webhooks(CONFIGURATION)?;
        let (_, written) = writes
            .iter()
            .find(|(_, at)| at.as_nanosecond() > began.as_nanosecond())
            .context("no write of the bundle")?;
        let issued_at = Identity::from_pem(&next.certificate, &next.key)?.not_before() + BACKDATED;
        let waited = Timestamp::try_from(issued_at)?
            .duration_since(Timestamp::from_nanosecond(written.as_nanosecond())?);
        ensure!(waited.unsigned_abs() >= PROMISED && waited.is_positive(), "it waited for {waited:?}");

        // The old authority goes, of which only one API server hears.
        lag.holds.send_replace(true);
        let (_, same, alone) = shared.take_away(&old, &next).await?;
        shared.until_served(replicas, &same.certificate).await?;
        load.until_answered(100).await?;
        ensure!(heard(&late).await? == both.authorities.as_bytes(), "the second API server does not lag");
        lag.holds.send_replace(false);
        until_heard(&late, &alone).await?;
        load.until_answered(100).await?;
        load.stop().await.map(drop)
    })
}

async fn until_heard(client: &Client, entries: &Entries) -> Result<()> {
    wait::until("the second API server to have heard of the bundle", async || {
        Ok((heard(client).await? == entries.authorities.as_bytes()).then_some(()))
    })
    .await
}
