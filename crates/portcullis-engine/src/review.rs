//! One admission request through the policies that it concerns.

mod finished_job;
mod mutate;
mod request;
mod validate;

use std::cell::Cell;
use std::fmt;
use std::time::Duration;

use portcullis_model::{ChangeGuard, Input, Needs, Obstacle, Operation, Phase, RecordMode, Resource, Review};
use portcullis_value::{Arena, Exhausted, Limits};

use crate::evaluate::{Terms, evaluate, failed};
use crate::facts::{Facts, Need};
use crate::immutable::ImmutableFields;
use crate::records::Records;
use crate::route::Route;
use crate::set::{Member, PolicySet};
use crate::settings::Settings;
use crate::verdict::{Judged, Unseen, Verdict};

/// Policies of no more steps together are timed together.
const TIMED_TOGETHER: u64 = 512;

/// All policies together may make as much on one request as so many of them may each.
const SHARES: usize = 4;

/// How requests are answered, whatever the policies say.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Where mutations are recorded, unless the policy says so itself.
    pub record: RecordMode,
    pub immutable_fields: ImmutableFields,
    /// Whether whoever makes a request is told of rules about it that are not executed, where no status of a policy says so.
    pub warn_of_not_executed: bool,
    /// What one policy may spend on one request.
    pub limits: Limits,
}

/// What a review works with, beside the request.
#[derive(Clone, Copy)]
pub struct ReviewContext<'a> {
    /// One set for the whole review.
    pub policies: &'a PolicySet,
    pub settings: &'a Settings,
    pub options: Options,
    pub facts: &'a dyn Facts,
    /// All that the review makes lies here.
    pub arena: &'a Arena,
    /// Nanoseconds since 1970-01-01 UTC.
    pub now: i64,
    /// Where pseudo-random functions start.
    pub seed: u64,
    /// A clock that only goes forward, in nanoseconds.
    pub clock: &'a dyn Fn() -> u64,
    /// When by `clock` the answer is due: what is not judged by then is in error.
    pub deadline: u64,
    /// What is taken down of the policies, where somebody asks.
    pub records: Option<&'a Records>,
}

/// Answers the request of `review`, which came by `route`.
///
/// # Errors
/// Facts that have to be found out first. The caller does so and starts the review again, which then comes further; it
/// gives up where that goes on for too long.
pub fn review<'a>(
    review: &'a Review<'a>,
    route: &Route<'_>,
    context: &ReviewContext<'a>,
) -> Result<Verdict<'a>, Vec<Need>> {
    let dry_run = review.request.is_dry_run();
    let verdict = answer(review, route, context)?;
    Ok(Verdict { dry_run, ..verdict })
}

/// A request that concerns policies, with all that is known of it.
struct Inquiry<'r, 'a> {
    context: &'r ReviewContext<'a>,
    /// What every policy is evaluated against, but for what other policies change.
    input: Input<'a>,
    /// When the policies were done that are timed, by the clock of the review.
    done: Cell<u64>,
    /// How many steps those have taken that are not timed yet.
    steps: Cell<u64>,
    /// How many bytes the policies may still make.
    room: Cell<usize>,
}

fn answer<'a>(
    review: &'a Review<'a>,
    route: &Route<'_>,
    context: &ReviewContext<'a>,
) -> Result<Verdict<'a>, Vec<Need>> {
    // Nothing is mutated while it is deleted.
    if route.phase == Phase::Mutate && review.operation == Operation::Delete {
        return Ok(Verdict::allow());
    }
    let subject = match request::subject(review, context) {
        Ok(subject) => subject,
        Err(problem) => return problem.verdict(route),
    };
    let members = context.policies.matching(route, &subject);
    if members.is_empty() {
        return Ok(Verdict::allow());
    }
    if context.settings.filters(subject.gvk, subject.subresource, subject.namespace, subject.name) {
        return Ok(Verdict::unseen(Unseen::Filtered));
    }
    let needs = members.iter().fold(Needs::default(), |needs, member| needs.or(member.needs));
    let asker = match request::user(review, context, needs) {
        Ok(asker) => asker,
        Err(problem) => return problem.verdict(route),
    };
    if context.settings.exclude(&asker.user) {
        return Ok(Verdict::unseen(Unseen::ExcludedUser));
    }
    let mut input = match request::input(review, context, &subject, asker, needs) {
        Ok(input) => input,
        Err(problem) => return problem.verdict(route),
    };
    let is_filtered = [input.object, input.old_object].into_iter().flatten().any(|object| {
        let object = Resource(object);
        context.settings.filters(subject.gvk, subject.subresource, object.namespace(), object.name())
    });
    if is_filtered {
        return Ok(Verdict::unseen(Unseen::Filtered));
    }
    input.match_conditions_hold = route.is_for_one();
    let room = Cell::new(context.options.limits.bytes.saturating_mul(SHARES));
    let (done, steps) = (Cell::new((context.clock)()), Cell::new(0));
    let inquiry = Inquiry { context, input, done, steps, room };
    match route.phase {
        Phase::Mutate => inquiry.mutate(&members),
        Phase::Validate => inquiry.validate(&members),
    }
}

impl<'a> Inquiry<'_, 'a> {
    /// Evaluates one policy on `input`, unless the time is over: [`time`](Self::time) says how long that took. Questions that
    /// are open become needs.
    fn evaluate(
        &self,
        member: &'a Member,
        phase: Phase,
        input: &Input<'a>,
        guard: Option<&dyn ChangeGuard>,
    ) -> Result<Judged<'a>, Vec<Need>> {
        let policy = &*member.policy;
        let ReviewContext { arena, options, facts, clock, deadline, records, .. } = *self.context;
        let evaluation = if self.done.get() >= deadline {
            let obstacle = Obstacle::Exhausted(Exhausted::Time);
            failed(policy, phase, arena, obstacle, "evaluation ran out of time")
        } else {
            let recorder = records.and_then(|records| records.recorder(member.place));
            let terms = Terms {
                arena,
                limits: options.limits,
                room: &self.room,
                steps: &self.steps,
                expired: &|| clock() >= deadline,
                answer: &|question| facts.answer(policy.namespace(), question),
                explain: false,
                recorder: recorder.as_ref(),
                guard,
                side_effects: false,
                reports: false,
            };
            let need = |question| {
                let policy_namespace = policy.namespace().to_owned();
                Need::Answer { policy_namespace, question }
            };
            let evaluation = evaluate(policy, phase, input, &terms)
                .map_err(|questions| questions.into_iter().map(need).collect::<Vec<_>>())?;
            if let (Some(records), Some(recorder)) = (records, recorder) {
                records.keep(policy, recorder);
            }
            evaluation
        };
        let took = Duration::ZERO;
        Ok(Judged { policy, place: member.place, alike: Vec::new(), evaluation, took, refuses: false })
    }

    /// Whether the policies that are not timed yet have taken so long that they should be.
    fn is_to_be_timed(&self) -> bool {
        self.steps.get() > TIMED_TOGETHER
    }

    /// Shares the time since the policies before were done among those of `judged`. Reading the clock costs as much as a small
    /// policy.
    fn time(&self, judged: &mut [Judged<'a>]) {
        let end = (self.context.clock)();
        let took = Duration::from_nanos(end.saturating_sub(self.done.replace(end)));
        self.steps.set(0);
        let share = took / u32::try_from(judged.len().max(1)).unwrap_or(u32::MAX);
        judged.iter_mut().for_each(|one| one.took = share);
    }
}

impl fmt::Debug for ReviewContext<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReviewContext")
            .field("policies", &self.policies)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}
