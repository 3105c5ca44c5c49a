//! What is kept of a review once it is answered: counts, a decision record, Events.

use std::sync::Arc;
use std::time::Duration;

use portcullis_engine::Verdict;
use portcullis_model::{CompiledPolicy, Obstacle, Review, RuleOutcome, Status};
use portcullis_webhook::{Cause, Metrics};
use prometheus_client::metrics::counter::Counter;
use serde_json::value::to_raw_value;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::announcer::Announcer;
use super::clock::timestamp;
use super::decisions::{DecidedBy, Decision, Decisions};
use super::denial::{Denial, Waiting};
use super::masked::mask;
use super::policies::Policies;
use crate::log::DECISIONS;

/// How many records wait to be kept.
const QUEUE: usize = 8192;
/// How often records are taken from the queue. To be woken for each would cost as much as a small review; more than come in
/// this time would keep answers waiting while they are written.
const PACE: Duration = Duration::from_millis(5);
/// Of the records that are taken at once, this much time is spent on explaining denials.
const EXPLAINING: Duration = Duration::from_millis(10);
/// How many rules a record names.
const RULES: usize = 20;

/// Takes down what became of reviews. Never waits, so that no answer does.
#[derive(Debug)]
pub(crate) struct Ledger {
    metrics: Arc<Metrics>,
    immutable_skipped: Counter,
    errors_ignored: Counter,
    decisions: mpsc::Sender<Entry>,
    dropped: Counter,
    /// The room for denials that wait to be explained.
    waiting: Waiting,
    announcer: Option<Announcer>,
}

/// What is entered: the record of a decision, and of a denial what is needed to explain it.
#[derive(Debug)]
struct Entry {
    decision: Decision,
    denial: Option<Box<Denial>>,
}

impl Ledger {
    /// A ledger, and the task that keeps its records: in `kept`, and in the log.
    pub(crate) fn new(
        metrics: &Arc<Metrics>,
        announcer: Option<Announcer>,
        kept: Decisions,
    ) -> (Self, impl Future<Output = ()> + Send + use<>) {
        let (decisions, queue) = mpsc::channel(QUEUE);
        let ledger = Self {
            metrics: metrics.clone(),
            immutable_skipped: Counter::default(),
            errors_ignored: Counter::default(),
            decisions,
            dropped: Counter::default(),
            waiting: Waiting::default(),
            announcer,
        };
        metrics.register(|registry| {
            registry.register(
                "portcullis_mutations_skipped_immutable",
                "Mutations left out because the field cannot be changed any more",
                ledger.immutable_skipped.clone(),
            );
            registry.register(
                "portcullis_rule_errors_ignored",
                "Rules in error whose request was admitted by the failure policy",
                ledger.errors_ignored.clone(),
            );
            registry.register(
                "portcullis_decisions_dropped",
                "Decision records that were neither logged nor kept, since too many came at once",
                ledger.dropped.clone(),
            );
        });
        let unexplained = Counter::default();
        metrics.register(|registry| {
            registry.register(
                "portcullis_denials_unexplained",
                "Refused requests whose decision record does not explain them, since too many came at once",
                unexplained.clone(),
            );
        });
        (ledger, keep(queue, kept, unexplained))
    }

    /// The room for denials that wait to be explained.
    pub(crate) fn waiting(&self) -> &Waiting {
        &self.waiting
    }

    /// Takes down what became of `review`, after `took`; of a denial how it came about is found out later.
    pub(crate) fn enter(
        &self,
        review: &Review<'_>,
        verdict: &Verdict<'_>,
        policies: &Policies,
        took: Duration,
        denial: Option<Denial>,
    ) {
        if !verdict.policies.is_empty() {
            let target = self.metrics.target(review, Cause::AdmissionRequest);
            policies.count_results(verdict, &target, &self.metrics);
            // Nothing comes of a dry run: it is work that is counted, and no more.
            if !verdict.dry_run {
                self.count_effects(verdict);
                if let Some(announcer) = self.announcer.as_ref().filter(|_| verdict.allowed) {
                    announcer.announce(review, verdict);
                }
            }
        }
        self.keep(decision(review, verdict, took), denial);
    }

    /// Takes down an answer to `review` that no rule has a part in, after `took`: whether it is admitted, and what is said.
    pub(crate) fn enter_answer(&self, review: &Review<'_>, allowed: bool, message: &str, took: Duration) {
        let dry_run = review.request.is_dry_run();
        self.keep(Decision { allowed, dry_run, message: message.into(), ..asked(review, took) }, None);
    }

    fn keep(&self, decision: Decision, denial: Option<Denial>) {
        let entry = Entry { decision, denial: denial.map(Box::new) };
        if self.decisions.try_send(entry).is_err() {
            self.dropped.inc();
        }
    }

    fn count_effects(&self, verdict: &Verdict<'_>) {
        let skipped = verdict.count(Obstacle::Immutable);
        self.immutable_skipped.inc_by(u64::try_from(skipped).unwrap_or(u64::MAX));
        if verdict.allowed {
            let errors = verdict.outcomes().filter(|(_, outcome)| outcome.status == Status::Error).count();
            self.errors_ignored.inc_by(u64::try_from(errors).unwrap_or(u64::MAX));
        }
    }
}

/// The record of a review that took so long, before it is said what was answered.
fn asked(review: &Review<'_>, took: Duration) -> Decision {
    let request = &review.request;
    Decision {
        uid: (&*request.uid).into(),
        operation: review.operation.as_str(),
        kind: request.gvk().to_string().into(),
        namespace: (&*request.namespace).into(),
        name: (&*request.name).into(),
        micros: u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
        ..Decision::default()
    }
}

fn decision(review: &Review<'_>, verdict: &Verdict<'_>, took: Duration) -> Decision {
    let rules = verdict.outcomes().filter(|(_, outcome)| outcome.patched.is_some() || is_told(outcome));
    let mask = mask(review);
    let decided_by = |(policy, outcome): (&dyn CompiledPolicy, &RuleOutcome<'_>)| DecidedBy {
        policy: policy.name().into(),
        rule: outcome.rule.into(),
        status: outcome.status.as_str(),
        message: match is_told(outcome) {
            true => (&*mask.apply(&outcome.message)).into(),
            false => Box::default(),
        },
    };
    let message = match verdict.policies.is_empty() {
        // What cannot be read is refused with a message, or admitted with a warning.
        true => verdict.message.as_ref().or(verdict.warnings.first()).map(String::as_str),
        false => None,
    };
    Decision {
        allowed: verdict.allowed,
        mutated: !verdict.patch.is_empty(),
        dry_run: verdict.dry_run,
        unseen: verdict.unseen.map(|why| format!("{why:?}")),
        rules: rules.take(RULES).map(decided_by).collect(),
        message: message.unwrap_or_default().into(),
        ..asked(review, took)
    }
}

/// Whether a record tells how the rule ended: it did not do what it is there for.
fn is_told(outcome: &RuleOutcome<'_>) -> bool {
    match outcome.status {
        Status::Pass => false,
        Status::Skip => outcome.obstacle == Some(Obstacle::Immutable),
        Status::Fail | Status::Error => true,
    }
}

/// Writes records to the log, and keeps the last of them, until all who send are gone. Denials are explained here, as long
/// as there is time.
async fn keep(mut queue: mpsc::Receiver<Entry>, kept: Decisions, unexplained: Counter) {
    let mut pace = interval(PACE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut entries = Vec::new();
    while queue.recv_many(&mut entries, QUEUE).await > 0 {
        let time = timestamp();
        let begun = Instant::now();
        for Entry { decision, denial } in entries.drain(..) {
            let mut explained = Vec::new();
            if let Some(denial) = denial.filter(|_| begun.elapsed() < EXPLAINING) {
                // A panic leaves it unexplained.
                explained = spawn_blocking(|| denial.explain()).await.unwrap_or_default();
            }
            if decision.is_refused_by_rules() && explained.is_empty() {
                unexplained.inc();
            }
            let explained = (!explained.is_empty()).then(|| to_raw_value(&explained).ok()).flatten();
            let decision = Decision { time, explained, ..decision };
            if decision.is_worth_a_line() {
                tracing::info!(target: DECISIONS, "{}", decision.line());
            } else {
                tracing::debug!(target: DECISIONS, "{}", decision.line());
            }
            kept.keep(Arc::new(decision));
        }
        pace.tick().await;
    }
}
