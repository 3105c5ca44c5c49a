//! Answers admission reviews from the policies in force.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
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

/// What the record says of a review that did not come to its end.
const PANICKED: &str = "the review ended in a panic";

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
        let begun = Instant::now();
        self.recording_a_panic(route, review, begun, || match route {
            Route::Resource(resource) => self.resource(resource, route, review, deadline, begun),
            Route::PolicyValidate => self.written(review, begun, |document| self.policy(document)),
            Route::ExceptionValidate => {
                self.written(review, begun, |document| exception_admission(document, &self.exceptions))
            }
            Route::PolicyMutate => self.entered(review, begun, Verdict::allowed()),
        })
    }
}

impl Judge {
    /// What `judge` says of `review`. Of a panic, which the server answers by the failure policy, there is a record, too.
    fn recording_a_panic(
        &self,
        route: &Route<'_>,
        review: &Review<'_>,
        begun: Instant,
        judge: impl FnOnce() -> Verdict,
    ) -> Verdict {
        // As in the server: what is judged and by what is held by value, or behind a snapshot.
        catch_unwind(AssertUnwindSafe(judge)).unwrap_or_else(|panic| {
            self.ledger.enter_answer(review, !route.fails_closed(), PANICKED, begun.elapsed());
            resume_unwind(panic)
        })
    }

    /// The `answer`, which no rule has a part in, once it is in the record.
    fn entered(&self, review: &Review<'_>, begun: Instant, answer: Verdict) -> Verdict {
        let message = answer.message.as_deref().unwrap_or_default();
        self.ledger.enter_answer(review, answer.allowed, message, begun.elapsed());
        answer
    }

    /// What the failure policy of `route` says of a review that has no result, for this `reason`.
    fn unjudged(&self, route: &Route<'_>, review: &Review<'_>, begun: Instant, reason: &str) -> Verdict {
        let verdict = Verdict::by_failure_policy(route, reason);
        self.ledger.enter_answer(review, verdict.allowed, reason, begun.elapsed());
        verdict
    }

    /// A request for a resource, judged by the policies of the route.
    fn resource(
        &self,
        asked_by: &portcullis_engine::Route<'_>,
        route: &Route<'_>,
        asked: &Review<'_>,
        deadline: &Deadline<'_>,
        begun: Instant,
    ) -> Verdict {
        let Some(policies) = self.policies.load_full() else {
            return self.unjudged(route, asked, begun, "the policies are not known yet");
        };
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
        self.unjudged(route, asked, begun, "policies ask for more facts than allowed")
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
    fn written(
        &self,
        asked: &Review<'_>,
        begun: Instant,
        admission: impl FnOnce(Value<'_>) -> PolicyAdmission,
    ) -> Verdict {
        let verdict = self.arenas.with(|arena| match asked.request.object(arena) {
            Ok(Some(document)) => {
                let PolicyAdmission { refusal, warnings } = admission(document);
                Verdict { warnings, ..refusal.map_or_else(Verdict::allowed, Verdict::denied) }
            }
            // Deleted, or nothing that an API server sends: not for us to refuse.
            Ok(None) => Verdict::allowed(),
            Err(error) => Verdict::denied(error.to_string()),
        });
        self.entered(asked, begun, verdict)
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use portcullis_cli::GivenFacts;
    use portcullis_webhook::Metrics;

    use super::*;
    use crate::serve::decisions::Decisions;

    #[tokio::test]
    async fn of_a_review_that_panics_there_is_a_record() {
        let decisions = Decisions::default();
        let (ledger, keep) = Ledger::new(&Metrics::new("0"), None, decisions.clone());
        let judge = Judge {
            policies: Arc::default(),
            source: Source::Files(Arc::new(GivenFacts::default())),
            options: Options::default(),
            ledger,
            arenas: Arenas::new(1),
            ignore_failures: false,
            exceptions: ExceptionScope::Nowhere,
            lookups: Lookups::default(),
            started: Instant::now(),
        };
        let body = r#"{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {"uid": "a",
            "kind": {"group": "", "version": "v1", "kind": "Pod"}, "operation": "CREATE", "userInfo": {}, "object": {}}}"#;
        let (review, route) = (Review::parse(body).unwrap(), Route::parse("/validate/fail").unwrap());
        let judged = catch_unwind(AssertUnwindSafe(|| {
            judge.recording_a_panic(&route, &review, Instant::now(), || resume_unwind(Box::new("a fault")))
        }));
        assert_eq!(judged.unwrap_err().downcast_ref(), Some(&"a fault"));
        drop(judge);
        keep.await;
        let record: serde_json::Value = serde_json::from_str(&decisions.text("").unwrap()).unwrap();
        assert_eq!((&record["uid"], &record["allowed"]), (&"a".into(), &false.into()));
        assert_eq!(record["message"], PANICKED);
    }
}
