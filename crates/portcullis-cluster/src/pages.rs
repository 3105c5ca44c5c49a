//! Lists, page by page.

use std::collections::BTreeMap;
use std::time::Duration;

use portcullis_model::Resource;
use portcullis_value::{Arena, OwnedValue, Value};
use tokio::time::{Instant, sleep_until};

use crate::answer::Answer;
use crate::ask::Extent;
use crate::connection::Connection;
use crate::error::{ApiError, Asked};
use crate::watch::encoded;

/// How often a list is begun whose pages come too late.
const ATTEMPTS: u32 = 5;
/// Objects in one page.
const PAGE: u32 = 500;

/// A list to be read.
#[derive(Clone, Copy, Debug)]
pub struct ListQuery<'l> {
    /// The plural name with its group: `jobs.batch`.
    pub resource: &'l str,
    /// Where it lies, without a query.
    pub path: &'l str,
    /// A label selector, as the API server reads it; empty for all.
    pub selector: &'l str,
    pub extent: Extent,
    /// Objects in one page.
    pub limit: u32,
    /// How long to wait before the next page: for what nobody waits for.
    pub pause: Duration,
}

impl<'l> ListQuery<'l> {
    /// All of what lies at `path`, 500 at a time.
    pub fn all(resource: &'l str, path: &'l str, extent: Extent) -> Self {
        Self { resource, path, selector: "", extent, limit: PAGE, pause: Duration::ZERO }
    }

    fn asked(&self) -> Asked {
        Asked { verb: "list", resource: self.resource.to_owned() }
    }
}

impl Connection {
    /// Gives `page` the answers one after the other, each of which says the token of the next. Asks for less at a time
    /// where an answer would be too long.
    ///
    /// # Errors
    /// The API server does not give a page, has forgotten the beginning of the list ([`ApiError::Expired`]: what was told
    /// is a part), or `page` fails.
    pub async fn pages<E: From<ApiError>>(
        &self,
        listed: &ListQuery<'_>,
        mut page: impl FnMut(Answer) -> Result<Option<String>, E>,
    ) -> Result<(), E> {
        let labels = match listed.selector {
            "" => String::new(),
            selector => format!("&labelSelector={}", encoded(selector)),
        };
        let (mut limit, mut token) = (listed.limit, String::new());
        loop {
            let path = format!("{}?limit={limit}{labels}&continue={}", listed.path, encoded(&token));
            let answer = match self.get(listed.asked(), &path, listed.extent).await {
                // Objects may have a megabyte each.
                Err(ApiError::TooLong { .. }) if limit > 1 => {
                    limit /= 2;
                    continue;
                }
                answer => answer?,
            };
            match page(answer)? {
                // It would go on for ever.
                Some(next) if next == token => {
                    let reason = "the list goes on where the page began".to_owned();
                    return Err(ApiError::Unreadable { asked: listed.asked(), reason }.into());
                }
                Some(next) => token = next,
                None => return Ok(()),
            }
            if !listed.pause.is_zero() {
                sleep_until(Instant::now() + listed.pause).await;
            }
        }
    }

    /// Tells `each` of the objects of a list.
    ///
    /// # Errors
    /// As [`Connection::pages`], or a page is no JSON.
    pub async fn each_object(
        &self,
        listed: &ListQuery<'_>,
        mut each: impl FnMut(Value<'_>),
    ) -> Result<(), ApiError> {
        self.pages(listed, |answer| {
            let arena = Arena::new();
            let list = answer.document(&arena, listed.asked())?;
            list.get("items")
                .and_then(Value::as_array)
                .unwrap_or_default()
                .iter()
                .for_each(|item| each(*item));
            Ok(continues(list))
        })
        .await
    }

    /// What `each` gathers of the objects of a list, which is begun anew where a page comes too late.
    ///
    /// # Errors
    /// As [`Connection::each_object`], and pages come too late again and again.
    pub async fn gathered<T: Default>(
        &self,
        listed: &ListQuery<'_>,
        mut each: impl FnMut(&mut T, Value<'_>),
    ) -> Result<T, ApiError> {
        let mut attempt = 1;
        loop {
            let mut gathered = T::default();
            match self.each_object(listed, |object| each(&mut gathered, object)).await {
                Ok(()) => return Ok(gathered),
                Err(ApiError::Expired { .. }) if attempt < ATTEMPTS => attempt += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// The labels of all namespaces.
    ///
    /// # Errors
    /// The API server does not list them.
    pub async fn namespace_labels(&self) -> Result<BTreeMap<String, OwnedValue>, ApiError> {
        let namespaces = ListQuery::all("namespaces", "/api/v1/namespaces", Extent::Metadata);
        self.gathered(&namespaces, |labels: &mut BTreeMap<_, _>, namespace| {
            let of_namespace = namespace.path(&["metadata", "labels"]).unwrap_or_default();
            labels.insert(Resource(namespace).name().to_owned(), OwnedValue::from(of_namespace));
        })
        .await
    }
}

/// The token of the page after `list`.
pub fn continues(list: Value<'_>) -> Option<String> {
    let token = list.path(&["metadata", "continue"]).and_then(Value::as_str)?;
    (!token.is_empty()).then(|| token.to_owned())
}
