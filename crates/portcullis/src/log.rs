//! The log of a server, on standard error.

use std::io;

use anyhow::Context as _;
use portcullis_cli::LogFormat;
use tracing_subscriber::EnvFilter;

/// Starts logging what `filter` lets through.
///
/// # Errors
/// The filter cannot be read.
pub(crate) fn start(format: LogFormat, filter: &str, colour: bool) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(filter).with_context(|| format!("`--log {filter}` cannot be read"))?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_ansi(colour);
    // A second start, as in a test, changes nothing.
    let _ = match format {
        LogFormat::Text => log.try_init(),
        LogFormat::Json => log.json().flatten_event(true).try_init(),
    };
    Ok(())
}
