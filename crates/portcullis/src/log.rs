//! The log of a server, on standard error.

use std::io;

use portcullis_cli::{LogFormat, hinted};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;

/// Starts logging what `filter` lets through.
///
/// # Errors
/// The filter cannot be read.
pub(crate) fn start(format: LogFormat, filter: &str, colour: bool) -> anyhow::Result<()> {
    let parsed = directives(filter).and_then(|directives| EnvFilter::try_new(directives).ok());
    let filter = parsed.ok_or_else(|| {
        let hint = "write error, warn, info, debug or trace, or `target=level` with commas between";
        hinted(format!("`--log {filter}` is no filter of a log"), Some(hint))
    })?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_ansi(colour);
    // A second start, as in a test, changes nothing.
    let _ = match format {
        LogFormat::Text => log.try_init(),
        LogFormat::Json => log.json().flatten_event(true).try_init(),
    };
    Ok(())
}

/// `filter` as the library reads it: a level alone is for what Portcullis itself has to say. Of others it lets warnings
/// through, but for those of the client: whoever asked says what became of it. `None` for a word that is no level.
fn directives(filter: &str) -> Option<String> {
    let mut others = LevelFilter::WARN;
    let given = filter.split(',').map(str::trim).map(|directive| match directive.parse::<LevelFilter>() {
        Ok(level) => {
            others = others.min(level);
            Some(format!("portcullis={level}"))
        }
        // The library takes a word alone for a target, of which everything is logged: most often a misspelt level.
        Err(_) => directive.contains('=').then(|| directive.to_owned()),
    });
    let given = given.collect::<Option<Vec<_>>>()?.join(",");
    Some(format!("{others},kube_client::client::builder=off,{given}"))
}

#[cfg(test)]
mod tests {
    use super::directives;

    #[test]
    fn a_level_is_for_what_portcullis_says_and_never_makes_others_louder() {
        let check = |filter: &str, want: &str| assert_eq!(directives(filter).as_deref(), Some(want));
        check("debug", "warn,kube_client::client::builder=off,portcullis=debug");
        check("error", "error,kube_client::client::builder=off,portcullis=error");
        check("info, hyper=debug", "warn,kube_client::client::builder=off,portcullis=info,hyper=debug");
        assert_eq!(directives("loud"), None);
    }
}
