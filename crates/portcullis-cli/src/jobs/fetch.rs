//! Jobs from the API server, page by page.

use std::collections::BTreeSet;
use std::io::Write as _;

use anyhow::Result;
use portcullis_cluster::{ApiError, Asked, Connection, Extent, encoded};
use portcullis_retention::{Backlog, Interest, JobFacts};
use portcullis_value::{Arena, Value, json};

use super::listing::Listing;
use super::selection::Selection;
use super::stream::{self, Continues, StreamError};
use crate::cluster::Reach;
use crate::exit::{cannot, hinted};
use crate::paint::Paint;
use crate::surroundings::Surroundings;

/// Jobs in one page.
const PAGE: u32 = 500;
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
    let namespaces: Vec<Option<&str>> = match (&*selection.namespace, selection.all_namespaces) {
        (_, true) => vec![None],
        ([], false) => vec![Some(connection.namespace())],
        (named, false) => named.iter().map(|name| Some(&**name)).collect(),
    };
    let mut fetched = Fetched { backlog: Backlog::default(), date: None };
    let terminating = runtime.block_on(async {
        fetched.jobs(connection, &namespaces, &selection.selector.text, interest).await?;
        Ok::<_, anyhow::Error>(terminating_namespaces(connection).await)
    })?;
    let terminating = terminating.unwrap_or_else(|error| {
        let paint = Paint::on(&surroundings.stderr);
        let warning = paint.warning("warning:");
        // When standard error cannot be written there is nobody left to tell.
        let _ =
            writeln!(surroundings.stderr, "{warning} which namespaces are terminating is not known: {error}");
        BTreeSet::new()
    });
    let local = surroundings.now.div_euclid(1_000_000_000);
    let Fetched { backlog, date } = fetched;
    Ok(Listing {
        backlog,
        continues: None,
        others: 0,
        now: date.unwrap_or(local),
        terminating,
        reach: Some(reach),
    })
}

struct Fetched {
    backlog: Backlog,
    /// The API server's clock, at the last answer.
    date: Option<i64>,
}

impl Fetched {
    /// Lists the Jobs of each of `namespaces`, of all where one is `None`.
    async fn jobs(
        &mut self,
        connection: &Connection,
        namespaces: &[Option<&str>],
        selector: &str,
        interest: &Interest,
    ) -> Result<()> {
        for attempt in 1.. {
            self.backlog = Backlog::default();
            let mut outcome = Ok(());
            for namespace in namespaces {
                outcome = self.pages(connection, *namespace, selector, interest).await;
                if outcome.is_err() {
                    break;
                }
            }
            match outcome {
                Ok(()) => break,
                // A part is never taken for the whole.
                Err(Failure::Api(ApiError::Expired { .. })) if attempt < ATTEMPTS => {}
                Err(Failure::Api(error)) => return Err(cannot("list Jobs", &error)),
                Err(Failure::Stream(error)) => {
                    return Err(hinted(
                        format!("cannot read what the API server lists: {error}"),
                        None::<String>,
                    ));
                }
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
    ) -> Result<(), Failure> {
        let scope = namespace.map(|name| format!("namespaces/{}/", encoded(name))).unwrap_or_default();
        let labels = match selector {
            "" => String::new(),
            selector => format!("&labelSelector={}", encoded(selector)),
        };
        let (mut limit, mut token) = (PAGE, String::new());
        loop {
            let path =
                format!("/apis/batch/v1/{scope}jobs?limit={limit}{labels}&continue={}", encoded(&token));
            let asked = Asked { verb: "list", resource: "jobs.batch".to_owned() };
            let answer = match connection.get(asked, &path, Extent::Whole).await {
                // Jobs may have a megabyte each.
                Err(ApiError::TooLong { .. }) if limit > 1 => {
                    limit /= 2;
                    continue;
                }
                answer => answer?,
            };
            self.date = answer.date.or(self.date);
            let mut each = |facts: &JobFacts<'_>, _: &str| -> Result<(), StreamError> {
                self.backlog.push(facts).map_err(StreamError::from)
            };
            match stream::read(&mut &*answer.body, interest, &mut each)?.continues {
                Some(Continues { token: next, .. }) => token = next,
                None => return Ok(()),
            }
        }
    }
}

/// Why a page did not come.
enum Failure {
    Api(ApiError),
    Stream(StreamError),
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

/// The namespaces that are being deleted.
async fn terminating_namespaces(connection: &Connection) -> Result<BTreeSet<Box<str>>, ApiError> {
    let mut terminating = BTreeSet::new();
    each_metadata(connection, "namespaces", "/api/v1/namespaces", |metadata| {
        if let (Some(name), Some(_)) = (
            metadata.get("name").and_then(Value::as_str),
            metadata.get("deletionTimestamp").and_then(Value::as_str),
        ) {
            terminating.insert(name.into());
        }
    })
    .await?;
    Ok(terminating)
}

/// Lists the metadata of the objects below `path`, and tells `each` of it.
pub(super) async fn each_metadata(
    connection: &Connection,
    resource: &str,
    path: &str,
    mut each: impl FnMut(Value<'_>),
) -> Result<(), ApiError> {
    let mut token = String::new();
    loop {
        let asked = Asked { verb: "list", resource: resource.to_owned() };
        let page = format!("{path}?limit={PAGE}&continue={}", encoded(&token));
        let answer = connection.get(asked.clone(), &page, Extent::Metadata).await?;
        let arena = Arena::new();
        let unreadable = |reason: String| ApiError::Unreadable { asked: asked.clone(), reason };
        let text = std::str::from_utf8(&answer.body).map_err(|error| unreadable(error.to_string()))?;
        let list = json::read(&arena, text).map_err(|error| unreadable(error.to_string()))?;
        for item in list.get("items").and_then(Value::as_array).unwrap_or_default() {
            each(item.get("metadata").unwrap_or_default());
        }
        match list.path(&["metadata", "continue"]).and_then(Value::as_str) {
            Some(next) if !next.is_empty() => token = next.to_owned(),
            _ => return Ok(()),
        }
    }
}
