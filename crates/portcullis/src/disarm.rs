//! `disarm`: nothing calls Portcullis any more.

use std::io::Write as _;

use portcullis_cli::{DisarmArguments, Surroundings, cannot};
use portcullis_controllers::arming;

use crate::serve::{access, install_crypto_provider};
use crate::told::connect;

/// Removes the webhook configurations of Portcullis, and names them.
pub(crate) fn disarm(arguments: &DisarmArguments, surroundings: &mut Surroundings<'_>) -> anyhow::Result<()> {
    install_crypto_provider();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let removed = runtime.block_on(async {
        let connection = connect(&access(&arguments.cluster)).await?;
        arming::disarm(&connection).await.map_err(|error| cannot("remove webhook configurations", &error))
    })?;
    if removed.is_empty() {
        writeln!(surroundings.stdout, "nothing to remove: no webhook configuration is of portcullis")?;
    }
    for name in removed {
        writeln!(surroundings.stdout, "{name} removed")?;
    }
    Ok(())
}
