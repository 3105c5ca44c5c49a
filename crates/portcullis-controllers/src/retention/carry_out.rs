//! The writes of a round, one after the other, and what comes of them.

use std::time::Duration;

use portcullis_cluster::{Backoff, Keeper as _, Notice, Regarding};
use portcullis_retention::retention::Action;
use tokio::time::{Instant, sleep_until};

use super::count;
use super::kept_job::KeptJob;
use super::round::Granted;
use super::term::Term;
use super::write::{SetTtl, Written, write};

/// Between two writes.
const WRITE_PACE: Duration = Duration::from_millis(20);
/// How often a write is put off by the API server before the rest of the round is left to the next one.
const MOST_BUSY: u32 = 5;
/// A longer `Retry-After` is taken for this.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// A round in which more than so many writes are not answered, and more than a part of them, goes no further.
const FEW_LOST: usize = 3;
const LOST_PART: usize = 10;

impl Term<'_> {
    /// Sets the TTLs, which count as set already. What was not written does not.
    pub(super) async fn carry_out(&mut self, granted: Vec<Granted>) {
        let (mut lost, mut has_tried_in_vain) = (0, false);
        let mut granted = granted.into_iter().enumerate();
        for (done, one) in granted.by_ref() {
            let (set, by) = (&one.set, one.by);
            let was_doubtful = self.held.doubt(&set.namespace).is_some();
            // Each that is tried in vain may take half a minute, in which others wait.
            if self.held.is_silent(&set.namespace, self.now()) || was_doubtful && has_tried_in_vain {
                self.give_back(by);
                continue;
            }
            // Somebody may have stopped or changed them.
            let Some(written) = self.write(set).await else {
                self.give_back(by);
                break;
            };
            if matches!(written, Written::Done(_) | Written::Skipped(_) | Written::Refused(_)) {
                self.was_answered(&set.namespace);
            }
            let is_undone = matches!(written, Written::Unadmitted(_));
            match written {
                Written::Done(job) => self.wrote(&one, &job),
                Written::Skipped(message) => {
                    count(&self.retention.counts.skipped);
                    self.hold_back(set, &message);
                    self.give_back(by);
                }
                Written::Refused(message) => {
                    self.failed(set, &message);
                    self.hold_back(set, &message);
                    self.give_back(by);
                }
                Written::Unadmitted(message) | Written::Lost(message) => {
                    self.lost(set, &message);
                    if is_undone {
                        self.give_back(by);
                    }
                    has_tried_in_vain |= was_doubtful;
                    lost += usize::from(!was_doubtful);
                    if lost > FEW_LOST.max((done + 1) / LOST_PART) {
                        self.stand_in_the_way(&message);
                        break;
                    }
                }
                Written::Busy(_) => {
                    let message = "the API server is too busy";
                    self.failed(set, message);
                    self.stand_in_the_way(message);
                    self.give_back(by);
                    break;
                }
                Written::Forbidden(message) => {
                    self.failed(set, &message);
                    self.stand_in_the_way(&message);
                    self.give_back(by);
                    break;
                }
            }
            sleep_until(Instant::now() + WRITE_PACE).await;
        }
        granted.for_each(|(_, one)| self.give_back(one.by));
        if self.trouble.is_some() {
            self.backoff.wait().await;
        }
    }

    /// The API server answers, and so do the webhooks of a namespace.
    fn was_answered(&mut self, namespace: &str) {
        self.held.was_answered(namespace);
        self.has_news |= self.trouble.take().is_some();
        self.backoff.reset();
    }

    /// A write that was granted was not made.
    fn give_back(&mut self, by: usize) {
        if let Some(progress) = self.objects.progress.get_mut(by) {
            progress.give_back(1);
        }
    }

    /// Writes one TTL, and comes back when the API server says so; `None` where the objects say something else by now.
    async fn write(&mut self, set: &SetTtl) -> Option<Written> {
        let mut pause = Backoff::new(Duration::from_secs(1), Duration::from_secs(30));
        for _ in 1..MOST_BUSY {
            if !self.is_current() {
                return None;
            }
            let (outcome, date) = write(self.retention.cluster.connection(), set).await;
            if let Some(date) = date {
                self.ahead = date.saturating_sub(self.local());
            }
            match outcome {
                Written::Busy(after) => {
                    let asked = after.map_or_else(|| pause.next_delay(), |after| after.min(LONGEST_PAUSE));
                    sleep_until(Instant::now() + asked).await;
                }
                outcome => return Some(outcome),
            }
        }
        if !self.is_current() {
            return None;
        }
        Some(write(self.retention.cluster.connection(), set).await.0)
    }

    fn wrote(&mut self, granted: &Granted, job: &str) {
        let Granted { set, by, reason } = granted;
        count(&self.retention.counts.written);
        self.has_news = true;
        self.held.wrote(&set.uid, set.ttl);
        if let Some(followed) = &self.followed {
            // What cannot be read is told of by the watch.
            let is_older = |kept: &KeptJob| kept.resource_version() == &*set.resource_version;
            let _ = self.keeper().read(job).map(|read| followed.kept.replace(read, is_older));
        }
        tracing::info!(namespace = %set.namespace, name = %set.name, ttl = set.ttl, reason, "TTL of a Job set");
        let action = Action::wrote(self.now(), &set.namespace, &set.name, set.ttl);
        if let Some(actions) = self.actions.get_mut(*by) {
            actions.push(action);
        }
        self.notify(set, false, "TTLSet", &format!("ttlSecondsAfterFinished: {}, since {reason}", set.ttl));
        if self.held.is_contested(&set.uid, set.ttl) {
            let note = "somebody takes its TTL back again and again: it was set for the last time";
            self.notify(set, true, "TTLContested", note);
        }
    }

    fn lost(&mut self, set: &SetTtl, message: &str) {
        self.failed(set, message);
        let now = self.now();
        self.held.was_lost(&set.namespace, &set.uid, &set.resource_version, message, now);
    }

    fn failed(&self, set: &SetTtl, message: &str) {
        count(&self.retention.counts.failed);
        tracing::warn!(namespace = %set.namespace, name = %set.name, error = message, "cannot set the TTL of a Job");
    }

    /// Something is in the way that has nothing to do with one Job.
    fn stand_in_the_way(&mut self, message: &str) {
        (self.trouble, self.has_news) = (Some(format!("cannot write to Jobs: {message}")), true);
    }

    fn hold_back(&mut self, set: &SetTtl, message: &str) {
        let now = self.now();
        self.held.was_refused(&set.uid, &set.resource_version, message, now);
    }

    fn notify(&self, set: &SetTtl, warning: bool, reason: &str, note: &str) {
        self.retention.events.send(Notice {
            regarding: Regarding {
                api_version: "batch/v1".to_owned(),
                kind: "Job".to_owned(),
                namespace: set.namespace.to_string(),
                name: set.name.to_string(),
                uid: set.uid.to_string(),
            },
            related: None,
            warning,
            reason: reason.to_owned(),
            action: "TTL Set".to_owned(),
            note: note.to_owned(),
        });
    }
}

#[cfg(test)]
mod tests;
