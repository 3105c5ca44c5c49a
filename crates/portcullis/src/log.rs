//! The log of a server, on standard error.

mod backlog;
mod json;

use std::io;
use std::panic::{self, PanicHookInfo};
use std::time::Duration;

use portcullis_cli::{LogFormat, hinted};
use prometheus_client::metrics::counter::Counter;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;

use self::backlog::Backlog;
use self::json::Lines;

/// The target of the records of decisions, each of which is a message in JSON.
pub(crate) const DECISIONS: &str = "portcullis::decision";

/// How long the end of the process waits for somebody to read its last words.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The log of this process. What was logged is written when it is dropped.
#[derive(Debug)]
pub(crate) struct Log(Backlog);

impl Log {
    /// How many lines were lost, since nobody read them in time.
    pub(crate) fn lost(&self) -> Counter {
        self.0.lost()
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.0.flush(LAST_WORDS);
    }
}

/// Starts logging what `filter` lets through. Panics are logged too.
///
/// # Errors
/// The filter cannot be read, or there is no thread left to write.
pub(crate) fn start(format: LogFormat, filter: &str, colour: bool) -> anyhow::Result<Log> {
    let parsed = directives(filter).and_then(|directives| EnvFilter::try_new(directives).ok());
    let filter = parsed.ok_or_else(|| {
        let hint = "write error, warn, info, debug or trace, or `target=level` with commas between";
        hinted(format!("`--log {filter}` is no filter of a log"), Some(hint))
    })?;
    let backlog = Backlog::default();
    backlog.write_to(io::stderr())?;
    let lines = backlog.clone();
    let writer = move || lines.clone();
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer).with_ansi(colour);
    // A second start, as in a test, changes nothing.
    let _ = match format {
        LogFormat::Text => log.try_init(),
        LogFormat::Json => log.json().event_format(Lines::new()).try_init(),
    };
    panic::set_hook(Box::new(panicked));
    Ok(Log(backlog))
}

/// Says in the log what the usual hook would write to standard error itself, and wait for.
fn panicked(info: &PanicHookInfo<'_>) {
    let place = info.location().map(ToString::to_string).unwrap_or_default();
    tracing::error!(place, "panicked: {}", info.payload_as_str().unwrap_or("no message"));
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
