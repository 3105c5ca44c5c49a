//! What is in the cluster, judged by a server that nobody sends it to: beside Kyverno.
//!
//! A pass lists the kinds that policies judge, page by page and with pauses, and judges each object as it is. Nothing is kept of
//! objects: what remains of a pass is how often each rule came to each result.

mod tally;

use std::sync::Arc;
use std::time::Duration;

use portcullis_cluster::discovery::ServedResource;
use portcullis_cluster::{
    Answer, ApiError, Asked, Cluster, Connection, Extent, Leadership, ListQuery, continues,
};
use portcullis_controllers::in_force::InForce;
use portcullis_controllers::writer::Wanted;
use portcullis_engine::{Options, ReviewContext, Route, Selection, review};
use portcullis_kyverno::Policy;
use portcullis_model::{CompiledPolicy as _, Phase, Resource, Review, RuleKind};
use portcullis_value::{Arena, Value, json};
use portcullis_webhook::{Cause, Deadline, Metrics};
use tokio::sync::watch;
use tokio::task::block_in_place;
use tokio::time::{Instant, timeout};

pub(super) use self::tally::LastPass;
use self::tally::Tally;
use super::clock::unix_nanoseconds;
use super::judge::MOST_ROUNDS;
use super::policies::Policies;
use super::source::Source;

/// Objects in one page: of Pods half a megabyte.
const PAGE: u32 = 100;
/// How long the API server is left alone between two pages. A list is forgotten after five minutes, in which a quarter of a
/// million objects are read this way.
const PAUSE: Duration = Duration::from_millis(100);
/// How often the list of a kind is begun anew because the API server has forgotten its beginning.
const ATTEMPTS: u32 = 3;
/// How long one object may take.
const OBJECT_TIME: Duration = Duration::from_secs(9);

/// All policies that judge, whatever happens where they cannot.
const ROUTE: Route<'_> = Route { phase: Phase::Validate, policies: Selection::All };

/// Judges what is in the cluster, over and over.
pub(super) struct Scanner {
    pub(super) connection: Connection,
    pub(super) cluster: Arc<Cluster>,
    pub(super) metrics: Arc<Metrics>,
    /// The policies in force.
    pub(super) wanted: watch::Receiver<Option<Arc<Wanted>>>,
    pub(super) leadership: Leadership,
    /// From the end of a pass to the next, unless policies change.
    pub(super) interval: Duration,
    pub(super) last_pass: LastPass,
}

impl Scanner {
    /// Scans for as long as this replica leads: of several, one is enough.
    pub(super) async fn run(mut self) {
        let mut leadership = self.leadership.clone();
        while leadership.gained().await {
            let mut lost = leadership.clone();
            tokio::select! {
                () = self.passes() => return,
                () = lost.lost() => {}
            }
            // Another replica tells from now on what there is.
            self.last_pass.forget();
        }
    }

    /// Passes, until the process ends.
    async fn passes(&mut self) {
        loop {
            let wanted = self.wanted.wait_for(Option::is_some).await.ok();
            let in_force = wanted.and_then(|wanted| Some(wanted.as_ref()?.in_force.clone()));
            // Whoever follows policies is gone: the process ends.
            let Some(in_force) = in_force else { return };
            self.pass(&in_force).await;
            // Whether policies have changed or the time is over, another pass is due.
            let _ = timeout(self.interval, until_changed(&mut self.wanted, &in_force)).await;
        }
    }

    /// Judges all that there is once. A kind that cannot be listed is left out, and said so.
    async fn pass(&self, in_force: &InForce) {
        let judges = |policy: &&Arc<Policy>| {
            let kinds = [RuleKind::Validate, RuleKind::VerifyImages];
            policy.is_background() && kinds.into_iter().any(|kind| policy.has_rule(kind))
        };
        let judging: Vec<_> = in_force.compiled().filter(judges).cloned().collect();
        let policies = Policies::of_scan(&judging);
        let targets: Vec<_> = judging.iter().flat_map(|policy| &*policy.profile().validates).collect();
        let discovery = self.cluster.discovery.load();
        let (mut tally, mut unseen) = (Tally::default(), 0);
        for served in
            discovery.preferred(|gvk| targets.iter().any(|target| target.kind.matches(gvk, "", false)))
        {
            match self.kind(served, &policies).await {
                Ok(of_kind) => tally.add(of_kind),
                Err(error) => {
                    unseen += 1;
                    tracing::warn!(
                        kind = served.name(),
                        error = error.to_string(),
                        hint = error.hint(),
                        "a kind is not judged beside Kyverno"
                    );
                }
            }
        }
        tracing::info!(
            objects = tally.objects,
            results = tally.total(),
            unseen,
            "judged what is in the cluster"
        );
        self.last_pass.publish(tally, unseen);
    }

    /// The results of all objects of a kind: of a part of them none.
    async fn kind(&self, served: &ServedResource, policies: &Policies) -> Result<Tally, ApiError> {
        let (name, path) = (served.name(), served.path(None));
        let listed = ListQuery { limit: PAGE, pause: PAUSE, ..ListQuery::all(&name, &path, Extent::Whole) };
        let mut attempt = 1;
        loop {
            let mut tally = Tally::default();
            // Judging takes the processor: other work goes on meanwhile on another thread.
            let page = |answer| block_in_place(|| self.page(&answer, served, policies, &mut tally));
            match self.connection.pages(&listed, page).await {
                Ok(()) => return Ok(tally),
                Err(ApiError::Expired { .. }) if attempt < ATTEMPTS => attempt += 1,
                // What is asked of the API server and never stored, as reviews are.
                Err(ApiError::NotFound { .. } | ApiError::Refused { code: 405, .. }) => {
                    return Ok(Tally::default());
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn page(
        &self,
        answer: &Answer,
        served: &ServedResource,
        policies: &Policies,
        tally: &mut Tally,
    ) -> Result<Option<String>, ApiError> {
        let mut arena = Arena::new();
        let page = Arena::new();
        let list = answer.document(&page, Asked { verb: "list", resource: served.name() })?;
        for item in list.get("items").and_then(Value::as_array).unwrap_or_default() {
            arena.reset();
            let body = as_review(&arena, served, *item);
            self.judge(&body, policies, tally);
        }
        Ok(continues(list))
    }

    /// Judges an object in the form in which an API server would send it.
    fn judge(&self, body: &str, policies: &Policies, tally: &mut Tally) {
        // It is our own text.
        let Ok(asked) = Review::parse(body) else { return };
        let begun = Instant::now();
        let deadline = Deadline::new(begun, begun + OBJECT_TIME);
        let (source, now) = (Source::Cluster(self.cluster.clone()), unix_nanoseconds());
        let clock = || nanoseconds(begun.elapsed());
        let mut facts = source.facts();
        tally.objects += 1;
        for _ in 0..MOST_ROUNDS {
            let arena = Arena::new();
            let context = ReviewContext {
                policies: &policies.set,
                settings: &policies.settings,
                options: Options::default(),
                facts: facts.as_facts(),
                arena: &arena,
                now,
                seed: now.unsigned_abs(),
                clock: &clock,
                deadline: nanoseconds(OBJECT_TIME),
                records: None,
            };
            let needs = match review(&asked, &ROUTE, &context) {
                Ok(verdict) => {
                    let target = self.metrics.target(&asked, Cause::BackgroundScan);
                    policies.count_results(&verdict, &target, &self.metrics);
                    policies.outcomes(&verdict).for_each(|(policy, outcome)| tally.count(policy, outcome));
                    return;
                }
                Err(needs) => needs,
            };
            source.find_out(&mut facts, &needs, &deadline);
        }
    }
}

/// Returns when other policies are in force.
async fn until_changed(wanted: &mut watch::Receiver<Option<Arc<Wanted>>>, in_force: &InForce) {
    let is_other = |wanted: &Option<Arc<Wanted>>| {
        wanted.as_ref().is_some_and(|wanted| !wanted.in_force.is_same_as(in_force))
    };
    if wanted.wait_for(is_other).await.is_err() {
        // Nobody follows policies any more.
        std::future::pending().await
    }
}

/// The review of an object of a list.
///
/// COMPAT(kyverno): what is there already is judged as if it were created, by nobody.
fn as_review<'a>(arena: &'a Arena, served: &ServedResource, item: Value<'a>) -> String {
    let text = |text: &str| arena.string(text);
    let kind = [("group", &*served.group), ("version", &*served.version), ("kind", &*served.kind)];
    let resource =
        [("group", &*served.group), ("version", &*served.version), ("resource", &*served.resource)];
    let named = |names: [(&'static str, &str); 3]| {
        arena.object(&mut names.map(|(key, name)| (key, text(name))).to_vec())
    };
    let object = served.item(arena, item);
    let of_object = Resource(object);
    let request = arena.object(&mut vec![
        ("uid", text(of_object.uid())),
        ("kind", named(kind)),
        ("resource", named(resource)),
        ("operation", text("CREATE")),
        ("name", text(of_object.name())),
        ("namespace", text(of_object.namespace())),
        ("userInfo", arena.object(&mut Vec::new())),
        ("object", object),
    ]);
    let review = arena.object(&mut vec![
        ("apiVersion", text("admission.k8s.io/v1")),
        ("kind", text("AdmissionReview")),
        ("request", request),
    ]);
    json::Writer::compact().to_string(review)
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
