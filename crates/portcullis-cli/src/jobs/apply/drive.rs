//! A sweep driven: its steps done, one after the other, by the clock.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use portcullis_cluster::Connection;
use portcullis_retention::{Now, Step, Sweep};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::Instant;

use super::bar::Bar;
use super::deed::perform;
use crate::jobs::backup::Backup;

/// The time since the start, and the API server's time of day.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    start: Instant,
    /// The API server's, in seconds since 1970-01-01 UTC, and when it was asked.
    date: (i64, Instant),
}

impl Clock {
    /// Begins with what the API server says to a request that was `sent` then.
    pub(super) fn new(date: i64, sent: Instant) -> Self {
        Self { start: Instant::now(), date: (date, sent) }
    }

    /// The API server's time is the latest that it can be: a `Date` leaves out what is less than a second, and may have been
    /// written as soon as the request was sent.
    pub(super) fn now(&self) -> Now {
        let now = Instant::now();
        let (date, sent) = self.date;
        let passed = now.duration_since(sent).as_millis().div_ceil(1_000);
        let passed = i64::try_from(passed).unwrap_or_default().saturating_add(1);
        let millis = now.duration_since(self.start).as_millis();
        Now { millis: u64::try_from(millis).unwrap_or(u64::MAX), date: date.saturating_add(passed) }
    }
}

/// Carries `sweep` to its end. Ctrl-C has it come to its end early, and what is under way is waited for, until a second one.
///
/// # Errors
/// The journal cannot be written, or nobody wants to wait; then nothing more is done.
pub(super) async fn drive(
    connection: &Connection,
    sweep: &mut Sweep<'_>,
    backup: &mut Backup,
    mut clock: Clock,
    bar: &mut Bar<'_, '_>,
) -> Result<()> {
    let mut under_way = FuturesUnordered::new();
    let mut interrupts = signal(SignalKind::interrupt()).context("cannot wait for Ctrl-C")?;
    loop {
        bar.show(sweep.tally(), clock.now().millis);
        match sweep.next(clock.now()) {
            Step::Record { text, durable } => backup.append(&text, durable)?,
            Step::Ask(request) => under_way.push(perform(connection, request)),
            Step::Wait { until } => {
                // Now and then the bar says that it is still waiting.
                let until =
                    until.map_or_else(Instant::now, |until| clock.start + Duration::from_millis(until));
                let tick = Instant::now() + Duration::from_secs(1);
                let until = if until > Instant::now() { until.min(tick) } else { tick };
                tokio::select! {
                    Some(told) = under_way.next(), if !under_way.is_empty() => {
                        if let Some(date) = told.date {
                            clock.date = (date, told.sent);
                        }
                        sweep.tell(told.number, told.answer, clock.now());
                    }
                    _ = interrupts.recv() => {
                        // The journal is true at any time, so that nobody has to wait.
                        ensure!(sweep.stopped().is_none(), "interrupted while answers were waited for");
                        sweep.stop();
                    }
                    () = tokio::time::sleep_until(until) => {}
                }
            }
            Step::Finished => break,
        }
    }
    Ok(backup.append("", true)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_clock_is_never_behind_the_api_server() {
        let sent = Instant::now();
        let date = |clock: Clock| clock.now().date;
        assert_eq!(date(Clock::new(100, sent)), 101);
        tokio::time::advance(Duration::from_millis(1)).await;
        // It was written in the last moment of its second, as soon as it was asked for.
        let clock = Clock::new(100, sent);
        assert_eq!((date(clock), clock.now().millis), (102, 0));
        tokio::time::advance(Duration::from_millis(2_000)).await;
        assert_eq!((date(clock), clock.now().millis), (104, 2_000));
    }
}
