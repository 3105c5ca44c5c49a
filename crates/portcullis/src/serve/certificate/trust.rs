//! Whom clients trust: what the webhook configurations say, and since when.

use std::time::{Duration, SystemTime};

/// How long an API server may take until it goes by a webhook configuration that was written.
const SETTLED: Duration = Duration::from_secs(5);

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

/// The bundle that was written last, and when that was first seen.
#[derive(Debug, Default)]
pub(super) struct Settling(Option<(Vec<u8>, SystemTime)>);

impl Settling {
    /// Whether all clients trust `bundle` by `now`, as far as this replica can tell.
    pub(super) fn is_trusted(&mut self, bundle: &[u8], trust: &Trust, now: SystemTime) -> bool {
        let Trust::Written(written) = trust else {
            self.0 = None;
            return *trust == Trust::Unmanaged;
        };
        let since = match self.0.take() {
            Some((before, since)) if before == *written => since,
            _ => now,
        };
        self.0 = Some((written.clone(), since));
        written == bundle && now >= since + SETTLED
    }
}
