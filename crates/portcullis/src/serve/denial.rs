//! A request that was refused, explained once its answer is out.
//!
//! It is judged once more, by the same policies and what was known, and what happens in the policies that refused it is
//! taken down. No answer waits for that.

use std::sync::Arc;
use std::time::Duration;

use portcullis_engine::{Options, Records, ReviewContext, Route, Selection, Verdict, review};
use portcullis_model::explain::{PolicyExplanation, RecordLimits};
use portcullis_model::{FailurePolicy, Phase, Review};
use portcullis_value::Arena;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::policies::Policies;
use super::source::Known;

/// How much of requests waits to be explained, in KiB; what comes beyond is not explained.
const WAITING: usize = 4 << 10;
/// How many policies are explained of one request, and how much is kept of all of them.
const POLICIES: usize = 20;
const STEPS: usize = 400;
const BYTES: usize = 64 << 10;
/// How long one request may take.
const TIME: Duration = Duration::from_secs(1);

/// The room for requests that wait.
#[derive(Clone, Debug)]
pub(crate) struct Waiting(Arc<Semaphore>);

impl Default for Waiting {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(WAITING)))
    }
}

/// A refused request, with all that it was judged by.
#[derive(Debug)]
pub(crate) struct Denial {
    body: Box<str>,
    route: OwnedRoute,
    policies: Arc<Policies>,
    options: Options,
    facts: Known,
    now: i64,
    /// The places of the policies that refused it.
    refused_by: Vec<usize>,
    /// Its share of the room.
    _share: OwnedSemaphorePermit,
}

/// A route that outlives the request.
#[derive(Debug)]
struct OwnedRoute {
    phase: Phase,
    policies: OwnedSelection,
}

#[derive(Debug)]
enum OwnedSelection {
    All,
    Failing(FailurePolicy),
    One { failing: FailurePolicy, namespace: Box<str>, name: Box<str> },
}

impl OwnedRoute {
    fn of(route: &Route<'_>) -> Self {
        let policies = match route.policies {
            Selection::All => OwnedSelection::All,
            Selection::Failing(failing) => OwnedSelection::Failing(failing),
            Selection::One { failing, namespace, name } => {
                OwnedSelection::One { failing, namespace: namespace.into(), name: name.into() }
            }
        };
        Self { phase: route.phase, policies }
    }

    fn borrow(&self) -> Route<'_> {
        let policies = match &self.policies {
            OwnedSelection::All => Selection::All,
            OwnedSelection::Failing(failing) => Selection::Failing(*failing),
            OwnedSelection::One { failing, namespace, name } => {
                Selection::One { failing: *failing, namespace, name }
            }
        };
        Route { phase: self.phase, policies }
    }
}

impl Denial {
    /// The request of `asked`, if policies refuse it by `verdict` and there is room for it in `waiting`.
    pub(crate) fn of(
        asked: &Review<'_>,
        route: &Route<'_>,
        verdict: &Verdict<'_>,
        waiting: &Waiting,
        judged_by: (&Arc<Policies>, Options, &Known, i64),
    ) -> Option<Self> {
        let mut refused_by = verdict.refused_by();
        refused_by.truncate(POLICIES);
        if refused_by.is_empty() {
            return None;
        }
        let share = u32::try_from(asked.body.len() / 1024 + 1).ok()?;
        let share = waiting.0.clone().try_acquire_many_owned(share).ok()?;
        let (policies, options, facts, now) = judged_by;
        Some(Self {
            body: asked.body.into(),
            route: OwnedRoute::of(route),
            policies: policies.clone(),
            options,
            facts: facts.clone(),
            now,
            refused_by,
            _share: share,
        })
    }

    /// What happened in the rules that refused it.
    pub(crate) fn explain(self) -> Vec<PolicyExplanation> {
        let Ok(asked) = Review::parse(&self.body) else { return Vec::new() };
        let number = self.refused_by.len().max(1);
        let limits = RecordLimits { steps: STEPS / number, bytes: BYTES / number };
        let records = Records::new(self.refused_by, limits);
        let nanoseconds = |duration: Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let (arena, begun) = (Arena::new(), Instant::now());
        let clock = || nanoseconds(begun.elapsed());
        let context = ReviewContext {
            policies: &self.policies.set,
            settings: &self.policies.settings,
            options: self.options,
            facts: self.facts.as_facts(),
            arena: &arena,
            now: self.now,
            seed: self.now.unsigned_abs(),
            clock: &clock,
            deadline: nanoseconds(TIME),
            records: Some(&records),
        };
        // The answer is out already: what is of use is what was taken down on the way.
        drop(review(&asked, &self.route.borrow(), &context));
        records.into_explanations()
    }
}
