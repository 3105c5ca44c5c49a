//! Jobs from the API server, page by page.

use std::collections::BTreeSet;

use anyhow::Result;
use portcullis_cluster::{Answer, ApiError, Asked, Connection, Extent, ListQuery, encoded};
use portcullis_model::Resource;
use portcullis_retention::{Backlog, Interest, JobFacts, owning_jobs};
use portcullis_value::{Arena, Value};

use super::listing::Listing;
use super::missed::TtlPolicies;
use super::progress::Progress;
use super::selection::Selection;
use super::stream::{self, StreamError};
use crate::cluster::Reach;
use crate::diagnostics;
use crate::exit::{cannot, hinted};
use crate::surroundings::{Stream, Surroundings};

/// How often a list is begun anew because the API server has forgotten its beginning.
const ATTEMPTS: u32 = 5;

/// The Jobs of the cluster that `selection` is about.
pub(super) fn from_cluster(
    reach: Reach,
    selection: &Selection,
    interest: &Interest,
    surroundings: &mut Surroundings<'_>,
) -> Result<Listing> {
    let Reach { runtime, connection } = &reach;
    let namespaces = selection.scope(connection);
    let local = surroundings.now.div_euclid(1_000_000_000);
    let missed = match selection.missed {
        true => Some(runtime.block_on(TtlPolicies::in_force(connection, local))?),
        false => None,
    };
    if let Some(policies) = &missed {
        policies.tell_if_none(surroundings);
    }
    let mut fetched =
        Fetched { backlog: Backlog::default(), listed: 0, owners: Vec::new(), date: None, missed };
    let labels = &selection.selector.text;
    let stderr = &mut surroundings.stderr;
    let terminating = runtime.block_on(async {
        fetched.jobs(connection, &namespaces, labels, interest, &mut Progress::on(stderr)).await?;
        terminating_namespaces(connection, stderr).await
    })?;
    let Fetched { backlog, listed, owners, date, .. } = fetched;
    Ok(Listing {
        backlog,
        listed,
        owners: labels.is_empty().then_some(owners),
        continues: None,
        others: 0,
        repeated: 0,
        floor: selection.floor(),
        now: date.unwrap_or(local),
        terminating,
        reach: Some(reach),
    })
}

struct Fetched {
    backlog: Backlog,
    /// How many Jobs there were in all.
    listed: u64,
    /// The uids of the Jobs that own others.
    owners: Vec<Box<str>>,
    /// The API server's clock, at the last answer.
    date: Option<i64>,
    /// The policies whose absence matters, where only Jobs that they missed are meant.
    missed: Option<TtlPolicies>,
}

impl Fetched {
    /// Lists the Jobs of each of `namespaces`, of all where one is `None`.
    async fn jobs(
        &mut self,
        connection: &Connection,
        namespaces: &[Option<&str>],
        selector: &str,
        interest: &Interest,
        progress: &mut Progress<'_, '_>,
    ) -> Result<()> {
        for attempt in 1.. {
            (self.backlog, self.listed, self.owners) = (Backlog::default(), 0, Vec::new());
            let mut outcome = Ok(());
            for namespace in namespaces {
                outcome = self.pages(connection, *namespace, selector, interest, progress).await;
                if outcome.is_err() {
                    break;
                }
            }
            match outcome {
                Ok(()) => break,
                // A part is never taken for the whole.
                Err(Failure::Api(ApiError::Expired { .. })) if attempt < ATTEMPTS => {}
                Err(failure) => return Err(failure.told()),
            }
        }
        Ok(())
    }

    async fn pages(
        &mut self,
        connection: &Connection,
        namespace: Option<&str>,
        selector: &str,
        interest: &Interest,
        progress: &mut Progress<'_, '_>,
    ) -> Result<(), Failure> {
        let Fetched { backlog, listed, owners, date, missed } = self;
        let mut each = |facts: &JobFacts<'_>, text: &str| -> Result<(), StreamError> {
            owners.extend(owning_jobs(facts.owners));
            *listed += 1;
            if missed.as_ref().is_none_or(|policies| policies.missed(facts, text)) {
                backlog.push(facts)?;
            }
            Ok(())
        };
        let last = pages(connection, namespace, selector, interest, &mut each, progress).await?;
        *date = last.or(*date);
        Ok(())
    }
}

/// Tells `each` of the Jobs of `namespace`, of one twice perhaps where the list had to be begun anew.
///
/// # Errors
/// The API server does not list them, or `each` fails.
pub(super) async fn each_job(
    connection: &Connection,
    namespace: &str,
    interest: &Interest,
    each: &mut dyn FnMut(&JobFacts<'_>, &str) -> Result<(), StreamError>,
    progress: &mut Progress<'_, '_>,
) -> Result<()> {
    for attempt in 1.. {
        match pages(connection, Some(namespace), "", interest, each, progress).await {
            Ok(_) => break,
            Err(Failure::Api(ApiError::Expired { .. })) if attempt < ATTEMPTS => {}
            Err(failure) => return Err(failure.told()),
        }
    }
    Ok(())
}

/// Lists Jobs page by page; gives the API server's clock at the last answer.
async fn pages(
    connection: &Connection,
    namespace: Option<&str>,
    selector: &str,
    interest: &Interest,
    each: &mut dyn FnMut(&JobFacts<'_>, &str) -> Result<(), StreamError>,
    progress: &mut Progress<'_, '_>,
) -> Result<Option<i64>, Failure> {
    let scope = namespace.map(|name| format!("namespaces/{}/", encoded(name))).unwrap_or_default();
    let path = format!("/apis/batch/v1/{scope}jobs");
    let listed = ListQuery { selector, ..ListQuery::all("jobs.batch", &path, Extent::Whole) };
    let (mut date, mut count) = (None, 0);
    let read = |answer: Answer| -> Result<_, Failure> {
        date = answer.date.or(date);
        let mut counted = |facts: &JobFacts<'_>, text: &str| {
            count += 1;
            each(facts, text)
        };
        let end = stream::read(&mut *answer.reader(), interest, &mut counted)?;
        progress.show_listed(count, end.continues.as_ref().and_then(|continues| continues.remaining));
        Ok(end.continues.map(|continues| continues.token))
    };
    connection.pages(&listed, read).await?;
    Ok(date)
}

/// Why a page did not come.
enum Failure {
    Api(ApiError),
    Stream(StreamError),
}

impl Failure {
    fn told(self) -> anyhow::Error {
        match self {
            Failure::Api(error) => cannot("list Jobs", &error),
            Failure::Stream(StreamError::Taker(error)) => hinted(error, None::<String>),
            Failure::Stream(error) => {
                // What is said of files is of no use here.
                let is_job = matches!(error, StreamError::NotAJob { .. });
                let hint = is_job.then_some("`-n` names the namespaces to read: leave out that of this Job");
                hinted(format!("cannot read what the API server lists: {error}"), hint)
            }
        }
    }
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        Failure::Api(error)
    }
}

impl From<StreamError> for Failure {
    fn from(error: StreamError) -> Self {
        Failure::Stream(error)
    }
}

/// The namespaces that are being deleted; none, and a warning on `stderr`, where nobody may know.
///
/// # Errors
/// The API server fails.
pub(super) async fn terminating_namespaces(
    connection: &Connection,
    stderr: &mut Stream<'_>,
) -> Result<BTreeSet<Box<str>>> {
    let namespaces = ListQuery::all("namespaces", "/api/v1/namespaces", Extent::Metadata);
    let gathered = connection.gathered(&namespaces, |terminating: &mut BTreeSet<Box<str>>, namespace| {
        if namespace.path(&["metadata", "deletionTimestamp"]).is_some_and(|time| !time.is_null()) {
            terminating.insert(Resource(namespace).name().into());
        }
    });
    match gathered.await {
        Err(error @ ApiError::Forbidden { .. }) => {
            let message = format!("which namespaces are terminating is not known: {error}");
            diagnostics::warning(stderr, &message);
            Ok(BTreeSet::new())
        }
        gathered => gathered.map_err(|error| cannot("list namespaces", &error)),
    }
}

/// Which cluster this is, and as whom it is asked.
pub(super) struct Identity {
    /// The uid of the namespace kube-system.
    pub(super) cluster: String,
    pub(super) user: Option<String>,
}

/// Asks the API server who it is, and who we are.
pub(super) async fn identity(connection: &Connection) -> Result<Identity> {
    let asked = Asked { verb: "get", resource: "namespaces".to_owned() };
    let failed = |error: ApiError| cannot("ask which cluster this is", &error);
    let answer = connection
        .get(asked.clone(), "/api/v1/namespaces/kube-system", Extent::Whole)
        .await
        .map_err(failed)?;
    let arena = Arena::new();
    let cluster = text(answer.document(&arena, asked).map_err(failed)?, &["metadata", "uid"]).to_owned();
    // Servers before 1.28 do not tell.
    let asked = Asked { verb: "create", resource: "selfsubjectreviews.authentication.k8s.io".to_owned() };
    let review = br#"{"apiVersion":"authentication.k8s.io/v1","kind":"SelfSubjectReview"}"#.to_vec();
    let path = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
    let answer = connection.post(asked.clone(), path, review).await;
    let review = answer.and_then(|answer| answer.document(&arena, asked)).unwrap_or_default();
    let user = text(review, &["status", "userInfo", "username"]);
    Ok(Identity { cluster, user: Some(user).filter(|user| !user.is_empty()).map(str::to_owned) })
}

/// The text at `path` of a document, empty where there is none.
pub(super) fn text<'a>(document: Value<'a>, path: &[&str]) -> &'a str {
    document.path(path).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests;
