//! The Secret that replicas share their certificate in: who finds none makes one, who leads renews it, all go by it.

use std::sync::Arc;
use std::time::SystemTime;

use portcullis_cluster::{ApiError, Connection, KnownSecret};
use portcullis_controllers::certificate_secret::{CertificateSecret, Entries};

use super::key_material::{KeyMaterial, Usable};
use super::trust::{Settling, Trust};

/// The name of the Secret.
pub(crate) const SECRET: &str = "portcullis-tls";

/// What is known of the Secret, and what was in it.
pub(super) struct SharedKeys {
    /// Those of the server.
    names: Vec<String>,
    /// What could be used last. It is served with whatever becomes of the Secret.
    good: Option<Usable>,
    /// What the watch said when something was written. Until it says something else, nobody knows what came of that.
    overwritten: Option<Arc<KnownSecret>>,
    settling: Settling,
    /// What was wrong with the Secret: said once.
    complaint: Option<String>,
}

/// What is to be written.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Write {
    Create(KeyMaterial),
    /// In the place of what has this resource version.
    Update(KeyMaterial, String),
}

impl SharedKeys {
    pub(super) fn new(names: Vec<String>) -> Self {
        Self { names, good: None, overwritten: None, settling: Settling::default(), complaint: None }
    }

    /// What is to be served with, once that is known.
    pub(super) fn good(&self) -> Option<&Usable> {
        self.good.as_ref()
    }

    /// Takes what the Secret holds, and says what is to be written at `now`. All may make the Secret; only who leads, whose
    /// `trust` is what it has written, changes it.
    ///
    /// # Errors
    /// No certificate can be made.
    pub(super) fn follow(
        &mut self,
        known: &Arc<KnownSecret>,
        trust: &Trust,
        now: SystemTime,
    ) -> anyhow::Result<Option<Write>> {
        if self.overwritten.as_ref().is_some_and(|overwritten| Arc::ptr_eq(overwritten, known)) {
            return Ok(None);
        }
        self.overwritten = None;
        let leads = matches!(trust, Trust::Written(_));
        let write = match &**known {
            KnownSecret::Unknown => None,
            KnownSecret::Absent => Some(Write::Create(self.good_or_new(now)?)),
            KnownSecret::Present(secret) => {
                let next = self.take(&secret.data, leads.then_some(trust), now)?;
                let version = secret.metadata.resource_version.to_string();
                next.map(|next| Write::Update(next, version))
            }
        };
        if write.is_some() {
            self.overwritten = Some(known.clone());
        }
        Ok(write)
    }

    /// What is to take the place of these entries, where this replica leads and has a `trust` of its own. They are served
    /// with from now on, if they can be.
    fn take(
        &mut self,
        entries: &Entries,
        trust: Option<&Trust>,
        now: SystemTime,
    ) -> anyhow::Result<Option<KeyMaterial>> {
        let read = KeyMaterial::from_entries(entries).and_then(|material| match self.good.take() {
            Some(good) if good.material == material => Ok(good),
            before => Usable::new(material)
                .and_then(|next| next.unless_expired(before.as_ref(), now))
                .inspect_err(|_| self.good = before),
        });
        let usable = match read {
            Ok(usable) => usable,
            Err(reason) => {
                self.complain(&format!("{reason:#}"));
                return trust.map(|_| self.good_or_new(now)).transpose();
            }
        };
        self.complaint = None;
        let due = trust.map(|trust| {
            let is_trusted = self.settling.is_trusted(usable.bundle(), trust, now);
            usable.due(&self.names, now, is_trusted)
        });
        self.good = Some(usable);
        Ok(due.transpose()?.flatten())
    }

    /// What could be used last, or something new where there is nothing.
    fn good_or_new(&self, now: SystemTime) -> anyhow::Result<KeyMaterial> {
        match &self.good {
            Some(good) => Ok(good.material.clone()),
            None => Ok(KeyMaterial::new(&self.names, now)?),
        }
    }

    fn complain(&mut self, reason: &str) {
        if self.complaint.as_deref() != Some(reason) {
            let used =
                if self.good.is_some() { "the certificate in use stays" } else { "nothing to serve with" };
            tracing::error!(
                secret = SECRET,
                reason,
                "the Secret with the certificate cannot be used, {used}"
            );
            self.complaint = Some(reason.to_owned());
        }
    }

    /// Forgets what was to be written: it was not, and is tried again.
    pub(super) fn not_written(&mut self) {
        self.overwritten = None;
    }
}

impl Write {
    /// Writes it. Where another replica was quicker, the watch tells what it wrote.
    ///
    /// # Errors
    /// The API server cannot be asked, or refuses.
    pub(super) async fn carry_out(self, connection: &Connection, namespace: &str) -> Result<(), ApiError> {
        let secret = CertificateSecret::new(connection, namespace, SECRET);
        let written = match self {
            Write::Create(material) => secret.create(material.entries()).await?,
            Write::Update(material, version) => secret.update(&version, &material.entries()).await?,
        };
        if written {
            tracing::info!(secret = SECRET, "the Secret with the certificate is written");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
