//! `disarm`: nothing calls Portcullis any more.

use std::io::Write as _;

use anyhow::Context as _;
use portcullis_cli::{DisarmArguments, Surroundings};
use portcullis_cluster::Connection;
use portcullis_controllers::arming;

use crate::serve::{access, install_crypto_provider};

/// Removes the webhook configurations of Portcullis, and names them.
pub(crate) fn disarm(arguments: &DisarmArguments, surroundings: &mut Surroundings<'_>) -> anyhow::Result<()> {
    install_crypto_provider();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let removed = runtime.block_on(async {
        let connection = Connection::open(&access(&arguments.cluster)).await?;
        let asked = arming::disarm(&connection).await;
        asked
            .with_context(|| format!("cannot remove the webhook configurations at `{}`", connection.server()))
    })?;
    if removed.is_empty() {
        writeln!(surroundings.stdout, "no webhook configuration of portcullis was there")?;
    }
    for name in removed {
        writeln!(surroundings.stdout, "{name} removed")?;
    }
    Ok(())
}
