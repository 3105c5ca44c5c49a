//! The time for which a replica leads: it lists the objects, follows the Jobs, and makes one round after the other.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::Duration;

use portcullis_cluster::{ApiError, Backoff, Followed};
use portcullis_retention::retention::{Action, Mode, Retentions, unlisted};
use portcullis_value::{Arena, json};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::Retention;
use super::dependents::Dependents;
use super::held_back::HeldBack;
use super::kept_job::{JobKeeper, KeptJob};
use super::objects::{Objects, StatusWritten, write_status};
use super::round::{Around, Round, round};

/// Between two rounds, at least; and so many times as long as one takes the processor.
const PACE: Duration = Duration::from_secs(1);
const REST: u32 = 10;
/// A round is made after this time, or before, though nothing has changed: an hour of writes may be over.
const LOOK_AFTER: Duration = Duration::from_secs(30);
/// Counts that have changed are written so often.
const STATUS_PACE: Duration = Duration::from_secs(5);
/// How long rounds wait for the first list of Jobs before the objects say so.
const PATIENCE: Duration = Duration::from_secs(30);
/// The objects are listed after this time though nothing has changed.
const LIST_AFTER: Duration = Duration::from_secs(600);

/// From when this replica leads until it does not.
pub(super) struct Term<'r> {
    pub(super) retention: &'r Retention,
    pub(super) objects: Objects,
    /// What was done by each object since its last status.
    pub(super) actions: Vec<Vec<Action>>,
    /// What stands in the way of all writes.
    pub(super) trouble: Option<String>,
    pub(super) followed: Option<Followed<KeptJob>>,
    dependents: Dependents,
    pub(super) held: HeldBack,
    /// The API server's clock less ours, in seconds.
    pub(super) ahead: i64,
    status_due: Instant,
    /// What the objects were when they were listed.
    pub(super) revision: u64,
    /// Whether a status is not what it should be by now.
    pub(super) has_news: bool,
    /// Before the next write, after one that failed for a reason that others would fail for.
    pub(super) backoff: Backoff,
}

/// When another round is to be made.
struct After {
    rest: Duration,
    /// Though nothing changes: at once, or after this time.
    has_more: bool,
    look_after: Duration,
}

impl Default for After {
    fn default() -> Self {
        After { rest: PACE, has_more: false, look_after: LOOK_AFTER }
    }
}

/// Why a round went no further.
enum Stopped {
    /// Somebody else writes to the objects, too.
    Conflict(String),
    Failed(ApiError),
}

impl Stopped {
    fn tell(&self) {
        match self {
            // The next look at the objects sees what the other one wrote.
            Stopped::Conflict(message) => {
                tracing::info!(message, "the status of a JobRetention is another one by now, looking again");
            }
            Stopped::Failed(error) => tracing::warn!(%error, hint = error.hint(), "retention waits"),
        }
    }
}

impl From<ApiError> for Stopped {
    fn from(error: ApiError) -> Self {
        Stopped::Failed(error)
    }
}

impl<'r> Term<'r> {
    pub(super) fn new(retention: &'r Retention) -> Self {
        Self {
            retention,
            objects: Objects::default(),
            actions: Vec::new(),
            trouble: None,
            followed: None,
            dependents: Dependents::default(),
            held: HeldBack::default(),
            ahead: 0,
            status_due: Instant::now(),
            revision: retention.cluster.job_retentions.load().revision(),
            has_news: false,
            backoff: Backoff::new(Duration::from_secs(1), Duration::from_secs(60)),
        }
    }

    pub(super) async fn run(mut self) -> Infallible {
        let cluster = &self.retention.cluster;
        let mut backoff = Backoff::standard();
        let mut changes = [cluster.job_retentions.subscribe(), cluster.namespaces.subscribe()];
        loop {
            cluster.readiness().ready().await;
            self.revision = cluster.job_retentions.load().revision();
            let listed = Instant::now();
            let mut stopped = self.list().await;
            while stopped.is_ok() && self.is_current() && listed.elapsed() < LIST_AFTER {
                changes.iter_mut().for_each(watch::Receiver::mark_unchanged);
                stopped = self.round_when_known(&mut changes).await;
                if stopped.is_ok() {
                    self.retention.reconciles.count(true);
                }
            }
            match stopped {
                Ok(()) => backoff.reset(),
                Err(stopped) => {
                    self.retention.reconciles.count(false);
                    stopped.tell();
                    backoff.wait().await;
                }
            }
        }
    }

    /// Whether the objects still say what they said when they were listed.
    pub(super) fn is_current(&self) -> bool {
        self.retention.cluster.job_retentions.load().revision() == self.revision
    }

    /// Reads the objects, and follows the Jobs that they select.
    async fn list(&mut self) -> Result<(), Stopped> {
        let Retention { cluster, own_namespace, .. } = self.retention;
        let local = self.local();
        let objects = Objects::list(cluster.connection(), own_namespace, local).await?;
        self.ahead = objects.date.map_or(self.ahead, |date| date.saturating_sub(local));
        if !see_the_same(&self.objects.retentions, &objects.retentions) {
            // One after the other: both would take twice the memory.
            self.followed = None;
        }
        let mut untold: BTreeMap<_, _> = self
            .objects
            .retentions
            .all()
            .iter()
            .map(|one| one.name.clone())
            .zip(self.actions.drain(..))
            .collect();
        let names = objects.retentions.all().iter().map(|one| &one.name);
        self.actions = names.map(|name| untold.remove(name).unwrap_or_default()).collect();
        let before = std::mem::replace(&mut self.objects, objects);
        self.objects.remember(before);
        self.objects.tell_mistakes(cluster.connection()).await?;
        if self.objects.retentions.all().is_empty() {
            self.followed = None;
        } else if self.followed.is_none() {
            self.followed = Some(cluster.follow_jobs(self.keeper()));
        }
        Ok(())
    }

    pub(super) fn keeper(&self) -> JobKeeper {
        JobKeeper(self.objects.retentions.clone())
    }

    /// Makes a round once the Jobs are known, and waits until another one may bring something new.
    async fn round_when_known(&mut self, changes: &mut [watch::Receiver<()>; 2]) -> Result<(), Stopped> {
        let [retentions, namespaces] = changes;
        let all = self.objects.retentions.all();
        self.dependents.follow(&self.retention.cluster, all.iter().any(|one| !one.with_dependents));
        let mut jobs = match &self.followed {
            None => {
                // There is nothing to do until there is an object.
                let _ = tokio::time::timeout(LIST_AFTER, retentions.changed()).await;
                return Ok(());
            }
            Some(followed) => {
                let jobs = followed.kept.subscribe();
                let listed = async {
                    followed.listed.ready().await;
                    self.dependents.listed().await;
                };
                tokio::select! {
                    () = listed => jobs,
                    _ = retentions.changed() => return Ok(()),
                    () = sleep_until(Instant::now() + PATIENCE) => return self.tell_unlisted().await,
                }
            }
        };
        let began = Instant::now();
        let after = self.round().await?;
        sleep_until(began + after.rest).await;
        if !after.has_more {
            tokio::select! {
                _ = retentions.changed() => {}
                _ = namespaces.changed() => {}
                _ = jobs.changed() => {}
                () = sleep_until(began + after.look_after) => {}
                () = sleep_until(self.status_due), if self.has_news => {}
            }
        }
        Ok(())
    }

    /// Says in the objects that are enforced that nothing is done, as the Jobs are not known yet.
    async fn tell_unlisted(&mut self) -> Result<(), Stopped> {
        let why = self.followed.as_ref().and_then(Followed::gap).unwrap_or_default();
        let now = self.now();
        let retentions = self.objects.retentions.clone();
        for (number, retention) in retentions.all().iter().enumerate() {
            let document = self.objects.documents.get_mut(number);
            let Some(document) = document.filter(|_| retention.mode == Mode::Enforce) else { continue };
            let status = {
                let arena = Arena::new();
                let previous = json::read(&arena, &document.status).unwrap_or_default();
                json::Writer::compact().to_string(unlisted(&arena, previous, retention, &why, now))
            };
            let connection = self.retention.cluster.connection();
            if let StatusWritten::Conflict(message) = write_status(connection, document, status).await? {
                return Err(Stopped::Conflict(message));
            }
        }
        Ok(())
    }

    /// Decides, writes down what is about to be done, and does it.
    async fn round(&mut self) -> Result<After, Stopped> {
        let Some(followed) = &self.followed else { return Ok(After::default()) };
        let now = self.now();
        let namespaces = self.retention.cluster.namespaces.load();
        let of_jobs = followed.gap().map(|why| format!("Jobs cannot be followed: {why}"));
        let (owners, gap) = (self.dependents.owners(), of_jobs.or_else(|| self.dependents.gap()));
        let Self { objects, held, actions, trouble, .. } = self;
        // It takes the processor for a while: other work goes on meanwhile on another thread.
        let began = Instant::now();
        let Round { granted, statuses, is_early } = tokio::task::block_in_place(|| {
            let jobs = followed.kept.all();
            held.forget(|uid| jobs.binary_search_by(|(other, _)| (**other).cmp(uid)).is_ok(), now);
            let (trouble, gap) = (trouble.as_deref(), gap.as_deref());
            let listed = followed.kept.total();
            let around =
                Around { namespaces: &namespaces, held, owners: &owners, gap, listed, actions, trouble, now };
            round(&jobs, objects, &around)
        });
        let rest = PACE.max(began.elapsed() * REST);
        let is_due = self.status_due <= Instant::now();
        self.has_news = false;
        for (number, status) in statuses.into_iter().enumerate() {
            if is_due || granted.iter().any(|granted| granted.by == number) {
                self.write_status(number, status).await?;
            } else {
                let known = self.objects.documents.get(number);
                self.has_news |= known.is_some_and(|document| *document.status != *status);
            }
        }
        if is_due {
            self.status_due = Instant::now() + STATUS_PACE;
        }
        if granted.is_empty() {
            // Nobody knows any more whether something stands in the way.
            self.has_news |= self.trouble.take().is_some();
        }
        let has_more = is_early || !granted.is_empty();
        self.carry_out(granted).await;
        let now = self.now();
        let seconds = self.held.next_try(now).map(|next| next.saturating_sub(now).unsigned_abs());
        let look_after = seconds.map_or(LOOK_AFTER, |seconds| LOOK_AFTER.min(Duration::from_secs(seconds)));
        Ok(After { rest, has_more, look_after })
    }

    async fn write_status(&mut self, number: usize, status: String) -> Result<(), Stopped> {
        let Some(document) = self.objects.documents.get_mut(number) else { return Ok(()) };
        match write_status(self.retention.cluster.connection(), document, status).await? {
            StatusWritten::Same => {
                if let Some(actions) = self.actions.get_mut(number) {
                    actions.clear();
                }
                Ok(())
            }
            StatusWritten::Conflict(message) => Err(Stopped::Conflict(message)),
        }
    }

    /// The time by the API server's clock, in seconds since 1970-01-01 UTC.
    pub(super) fn now(&self) -> i64 {
        self.local().saturating_add(self.ahead)
    }

    /// The time by our own clock, in seconds since 1970-01-01 UTC.
    pub(super) fn local(&self) -> i64 {
        (self.retention.clock)().as_second()
    }
}

/// Whether Jobs look the same to both.
fn see_the_same(one: &Retentions, other: &Retentions) -> bool {
    let looked_at = |retentions: &Retentions| -> Vec<_> {
        let all = retentions.all().iter();
        all.map(|one| {
            (one.name.clone(), one.selector.clone(), one.group_by.clone(), one.instance_label.clone())
        })
        .collect()
    };
    looked_at(one) == looked_at(other)
}
