//! Answers admission reviews from the policies in force.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use portcullis_controllers::{ExceptionScope, PolicyAdmission, exception_admission, policy_admission};
use portcullis_engine::{Need, Options, ReviewContext, review};
use portcullis_kyverno::Lookups;
use portcullis_model::Review;
use portcullis_value::Value;
use portcullis_webhook::{Deadline, Reviewer, Route, Verdict};
use tokio::time::Instant;

use super::answer::answer;
use super::arenas::Arenas;
use super::clock::unix_nanoseconds;
use super::denial::Denial;
use super::ledger::Ledger;
use super::policies::Policies;
use super::source::Source;

/// How often a review is begun anew with more facts: a chain of facts where each is needed to ask for the next.
pub(super) const MOST_ROUNDS: usize = 64;

/// The reviewer of the webhook.
#[derive(Debug)]
pub(crate) struct Judge {
    /// One set for the whole of a review; nothing until the policies are known.
    pub(crate) policies: Arc<ArcSwapOption<Policies>>,
    pub(crate) source: Source,
    pub(crate) options: Options,
    pub(crate) ledger: Ledger,
    pub(crate) arenas: Arenas,
    /// Whether all failures are ignored, whatever policies say.
    pub(crate) ignore_failures: bool,
    /// Whose exceptions count.
    pub(crate) exceptions: ExceptionScope,
    /// What is looked up for rules.
    pub(crate) lookups: Lookups,
    /// Where the clock of reviews starts.
    pub(crate) started: Instant,
}

impl Reviewer for Judge {
    fn review(&self, route: &Route<'_>, review: &Review<'_>, deadline: &Deadline<'_>) -> Verdict {
        match route {
            Route::Resource(resource) => self.resource(resource, route, review, deadline),
            Route::PolicyValidate => self.written(review, |document| self.policy(document)),
            Route::ExceptionValidate => {
                self.written(review, |document| exception_admission(document, &self.exceptions))
            }
            Route::PolicyMutate => Verdict::allowed(),
        }
    }
}

impl Judge {
    /// A request for a resource, judged by the policies of the route.
    fn resource(
        &self,
        asked_by: &portcullis_engine::Route<'_>,
        route: &Route<'_>,
        asked: &Review<'_>,
        deadline: &Deadline<'_>,
    ) -> Verdict {
        let Some(policies) = self.policies.load_full() else {
            return Verdict::by_failure_policy(route, "the policies are not known yet");
        };
        let begun = Instant::now();
        let now = unix_nanoseconds();
        let clock = || nanoseconds(deadline.now().saturating_duration_since(self.started));
        let mut facts = self.source.facts();
        for _ in 0..MOST_ROUNDS {
            let reviewed = self.arenas.with(|arena| -> Result<_, Vec<Need>> {
                let context = ReviewContext {
                    policies: &policies.set,
                    settings: &policies.settings,
                    options: self.options,
                    facts: facts.as_facts(),
                    arena,
                    now,
                    seed: now.unsigned_abs(),
                    clock: &clock,
                    deadline: nanoseconds(deadline.instant().saturating_duration_since(self.started)),
                    records: None,
                };
                let verdict = review(asked, asked_by, &context)?;
                let judged_by = (&policies, self.options, &facts, now);
                let denial = match verdict.allowed {
                    true => None,
                    false => Denial::of(asked, asked_by, &verdict, self.ledger.waiting(), judged_by),
                };
                self.ledger.enter(asked, &verdict, &policies, begun.elapsed(), denial);
                Ok(answer(arena, verdict))
            });
            match reviewed {
                Ok(verdict) => return verdict,
                Err(needs) => self.source.find_out(&mut facts, &needs, deadline),
            }
        }
        Verdict::by_failure_policy(route, "policies ask for more facts than allowed")
    }

    /// A policy as it is written.
    fn policy(&self, document: Value<'_>) -> PolicyAdmission {
        let discovery = self.source.discovery();
        policy_admission(
            document,
            discovery.as_deref(),
            self.ignore_failures,
            self.source.dangling_jobs(),
            self.lookups,
        )
    }

    /// What is said of the document in `asked`, which is about to be stored.
    fn written(&self, asked: &Review<'_>, admission: impl FnOnce(Value<'_>) -> PolicyAdmission) -> Verdict {
        self.arenas.with(|arena| {
            let document = match asked.request.object(arena) {
                Ok(Some(document)) => document,
                // Deleted, or nothing that an API server sends: not for us to refuse.
                Ok(None) => return Verdict::allowed(),
                Err(error) => return Verdict::denied(error.to_string()),
            };
            let PolicyAdmission { refusal, warnings } = admission(document);
            let verdict = refusal.map_or_else(Verdict::allowed, Verdict::denied);
            Verdict { warnings, ..verdict }
        })
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
