//! Going from one certificate of files to the next without a moment in which the API server trusts neither: it is told to
//! trust the next one, then that is served, and then the one before is not trusted any more.

use std::time::{Duration, SystemTime};

use portcullis_webhook::Identity;

use super::trust::{Settling, Trust};

/// How long the replica that writes may take until it has read the same files. The kubelet changes those of a mounted
/// Secret within two minutes.
const READ_BY_OTHERS: Duration = Duration::from_secs(180);
/// How long the certificate before is trusted: as long as other replicas may serve with it.
const KEPT: Duration = Duration::from_secs(600);

/// The way from one certificate to the next.
pub(super) struct Exchange {
    identity: Identity,
    /// What that is trusted by.
    current: Vec<u8>,
    next: Option<Next>,
    /// What the one before was trusted by, and until when it is.
    before: Option<(Vec<u8>, SystemTime)>,
    settling: Settling,
}

struct Next {
    identity: Identity,
    bundle: Vec<u8>,
    announced: SystemTime,
}

impl Exchange {
    /// Begins with `identity`, which is trusted by `bundle`.
    pub(super) fn new(identity: Identity, bundle: Vec<u8>) -> Self {
        Self { identity, current: bundle, next: None, before: None, settling: Settling::default() }
    }

    /// Goes to `identity`, which is trusted by `bundle`.
    pub(super) fn begin(&mut self, identity: Identity, bundle: Vec<u8>, now: SystemTime) {
        self.next = Some(Next { identity, bundle, announced: now });
    }

    /// Whether the next certificate is not yet served.
    pub(super) fn is_under_way(&self) -> bool {
        self.next.is_some()
    }

    /// The certificate to serve with.
    pub(super) fn identity(&self) -> &Identity {
        &self.identity
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

    /// Goes on, as far as it can at `now`.
    pub(super) fn step(&mut self, now: SystemTime, trust: &Trust) {
        self.before.take_if(|(_, until)| *until <= now);
        let bundle = self.bundle();
        let is_trusted = self.settling.is_trusted(&bundle, trust, now);
        let (by_other, current) = (*trust == Trust::ByOther, &self.current);
        let Some(next) = self.next.take_if(|next| {
            next.bundle == *current || is_trusted || (by_other && now >= next.announced + READ_BY_OTHERS)
        }) else {
            return;
        };
        if next.bundle != self.current {
            let before = std::mem::replace(&mut self.current, next.bundle);
            self.before = Some((before, now + KEPT));
        }
        self.identity = next.identity;
    }
}
