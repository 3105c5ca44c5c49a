//! Going from one certificate to the next without a moment in which the API server trusts neither: it is told to trust
//! the next one, then that is served, and then the one before is not trusted any more.

use std::time::{Duration, SystemTime};

use portcullis_webhook::Identity;

/// How long an API server may take until it goes by a webhook configuration that was written.
const SETTLED: Duration = Duration::from_secs(5);
/// How long the replica that writes may take until it has read the same files. The kubelet changes those of a mounted
/// Secret within two minutes.
const READ_BY_OTHERS: Duration = Duration::from_secs(180);
/// How long the certificate before is trusted: as long as other replicas may serve with it.
const KEPT: Duration = Duration::from_secs(600);

/// What is known of whom clients trust.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Trust {
    /// There is nobody to tell.
    Unmanaged,
    /// The webhook configurations have this bundle.
    Written(Vec<u8>),
    /// Another replica writes.
    ByOther,
}

/// The way from one certificate to the next.
pub(super) struct Exchange {
    /// What the certificate in use is trusted by.
    current: Vec<u8>,
    next: Option<Next>,
    /// What the one before was trusted by, and until when it is.
    before: Option<(Vec<u8>, SystemTime)>,
}

struct Next {
    identity: Identity,
    bundle: Vec<u8>,
    announced: SystemTime,
    /// Since when the API server has been told.
    written: Option<SystemTime>,
}

impl Exchange {
    /// Begins with a certificate that is trusted by `bundle`.
    pub(super) fn new(bundle: Vec<u8>) -> Self {
        Self { current: bundle, next: None, before: None }
    }

    /// Goes to `identity`, which is trusted by `bundle`.
    pub(super) fn begin(&mut self, identity: Identity, bundle: Vec<u8>, now: SystemTime) {
        self.next = Some(Next { identity, bundle, announced: now, written: None });
    }

    /// Whether the next certificate is not yet served.
    pub(super) fn is_under_way(&self) -> bool {
        self.next.is_some()
    }

    /// What the API server is to trust.
    pub(super) fn bundle(&self) -> Vec<u8> {
        let before = self.before.as_ref().map(|(bundle, _)| bundle);
        let next = self.next.as_ref().map(|next| &next.bundle);
        let mut parts: Vec<&Vec<u8>> = Vec::new();
        for part in before.into_iter().chain([&self.current]).chain(next) {
            if !parts.contains(&part) {
                parts.push(part);
            }
        }
        parts.into_iter().flatten().copied().collect()
    }

    /// The certificate to serve with from `now` on, when it is time for another one.
    pub(super) fn step(&mut self, now: SystemTime, trust: &Trust) -> Option<Identity> {
        self.before.take_if(|(_, until)| *until <= now);
        let bundle = self.bundle();
        let next = self.next.as_mut()?;
        let is_trusted = next.bundle == self.current
            || match trust {
                Trust::Unmanaged => true,
                Trust::Written(written) if *written == bundle => {
                    now >= *next.written.get_or_insert(now) + SETTLED
                }
                Trust::Written(_) => false,
                Trust::ByOther => now >= next.announced + READ_BY_OTHERS,
            };
        let next = self.next.take_if(|_| is_trusted)?;
        if next.bundle != self.current {
            let before = std::mem::replace(&mut self.current, next.bundle);
            self.before = Some((before, now + KEPT));
        }
        Some(next.identity)
    }
}
