//! What is asked of the API server, counted by what it is about. Rules may ask for anything, so that there is a limit.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use http::{Method, Uri};

/// So many different queries are told apart; those that come over it are counted together.
const MOST: usize = 1000;
/// The longest name that is kept, in bytes: the API server takes none that is longer.
const LONGEST: usize = 253;
/// What stands for everything that is not told apart.
const OTHER: &str = "other";

/// What queries of one kind have in common.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct QueryKind {
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete` or `delete_collection`.
    pub operation: &'static str,
    /// Empty for the core group.
    pub group: Box<str>,
    /// The plural name: `jobs`.
    pub resource: Box<str>,
    /// Empty where it is about all namespaces, or about objects outside of any.
    pub namespace: Box<str>,
}

/// How often each was sent.
#[derive(Debug, Default)]
pub struct QueryCounts(Mutex<BTreeMap<QueryKind, u64>>);

impl QueryCounts {
    /// The counts of this moment.
    pub fn all(&self) -> BTreeMap<QueryKind, u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Counts a request that is about to be sent. Those that are about no objects are not counted.
    pub(crate) fn count(&self, method: &Method, uri: &Uri) {
        let Some(kind) = QueryKind::of(method, uri) else { return };
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_over = counts.len() >= MOST && !counts.contains_key(&kind);
        *counts.entry(if is_over { kind.other() } else { kind }).or_default() += 1;
    }
}

impl QueryKind {
    fn of(method: &Method, uri: &Uri) -> Option<Self> {
        let mut segments = uri.path().split('/').filter(|segment| !segment.is_empty());
        let group = match segments.next()? {
            "api" => "",
            "apis" => segments.next()?,
            _ => return None,
        };
        // The version.
        segments.next()?;
        let (mut namespace, mut resource, mut name) = ("", segments.next()?, segments.next());
        if resource == "namespaces"
            && let Some(inner) = segments.next().filter(|inner| !["status", "finalize"].contains(inner))
        {
            (namespace, resource, name) = (name.unwrap_or_default(), inner, segments.next());
        }
        let operation = match (method, name) {
            (&Method::GET, Some(_)) => "get",
            (&Method::GET, None) if is_watch(uri) => "watch",
            (&Method::GET, None) => "list",
            (&Method::POST, _) => "create",
            (&Method::PUT, _) => "update",
            (&Method::PATCH, _) => "patch",
            (&Method::DELETE, Some(_)) => "delete",
            (&Method::DELETE, None) => "delete_collection",
            _ => return None,
        };
        let kept = |text: &str| if text.len() > LONGEST { OTHER } else { text }.into();
        Some(Self { operation, group: kept(group), resource: kept(resource), namespace: kept(namespace) })
    }

    fn other(&self) -> Self {
        Self {
            operation: self.operation,
            group: Box::default(),
            resource: OTHER.into(),
            namespace: OTHER.into(),
        }
    }
}

fn is_watch(uri: &Uri) -> bool {
    uri.query().unwrap_or_default().split('&').any(|pair| ["watch=true", "watch=1"].contains(&pair))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `OPERATION GROUP/RESOURCE NAMESPACE` of a request.
    fn kind(method: &Method, path: &str) -> Option<String> {
        let QueryKind { operation, group, resource, namespace } =
            QueryKind::of(method, &path.parse().unwrap())?;
        Some(format!("{operation} {group}/{resource} {namespace}"))
    }

    #[test]
    fn a_query_is_known_by_its_path_and_its_method() {
        let patch = &Method::PATCH;
        for (method, path, wanted) in [
            (&Method::GET, "/api/v1/namespaces", "list /namespaces "),
            (&Method::GET, "/api/v1/namespaces?watch=true&limit=1", "watch /namespaces "),
            (&Method::GET, "/api/v1/namespaces/a", "get /namespaces "),
            (&Method::PUT, "/api/v1/namespaces/a/finalize", "update /namespaces "),
            (&Method::GET, "/api/v1/namespaces/a/configmaps?limit=500", "list /configmaps a"),
            (&Method::GET, "/api/v1/namespaces/a/configmaps/b", "get /configmaps a"),
            (&Method::POST, "/apis/events.k8s.io/v1/namespaces/a/events", "create events.k8s.io/events a"),
            (patch, "/apis/kyverno.io/v1/clusterpolicies/p/status?x=y", "patch kyverno.io/clusterpolicies "),
            (&Method::DELETE, "/apis/batch/v1/namespaces/a/jobs/j", "delete batch/jobs a"),
            (&Method::DELETE, "/apis/batch/v1/namespaces/a/jobs", "delete_collection batch/jobs a"),
        ] {
            assert_eq!(kind(method, path).as_deref(), Some(wanted), "{method} {path}");
        }
        for path in ["/version", "/apis", "/apis/batch/v1", "/api/v1", "/"] {
            assert_eq!(kind(&Method::GET, path), None, "{path}");
        }
    }

    #[test]
    fn queries_over_the_limit_are_counted_together_and_none_is_lost() {
        let counts = QueryCounts::default();
        let ask = |namespace: usize| {
            let path = format!("/api/v1/namespaces/n{namespace}/pods");
            counts.count(&Method::GET, &path.parse().unwrap());
        };
        (0..MOST + 7).for_each(ask);
        (0..MOST + 7).for_each(ask);
        let all = counts.all();
        assert_eq!(all.len(), MOST + 1);
        let other: Vec<_> = all.iter().filter(|(kind, _)| &*kind.namespace == OTHER).collect();
        assert_eq!(other.iter().map(|(_, count)| **count).collect::<Vec<_>>(), [14]);
        assert_eq!(all.values().sum::<u64>(), 2 * (MOST as u64 + 7));
    }
}
