//! Asking the API server for something once, for a tool that a person waits for.

use http::Method;

use crate::answer::Answer;
use crate::connection::Connection;
use crate::error::{ApiError, Asked};
use crate::reader::{Query, Reader};
use crate::served::AGGREGATED;

/// The longest answer that is read; who lists asks for smaller pages then.
const LONGEST_ANSWER: usize = 64 << 20;

/// Only the metadata of the objects of a list. API servers refuse this form of a single object.
const METADATA: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";

/// What is wanted of what lies at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// Whole objects.
    Whole,
    /// The metadata of each object of a list.
    Metadata,
    /// What is served, of `/api` and `/apis`: all groups in one answer.
    Discovery,
}

impl Connection {
    /// Reads what lies at `path`, query string included.
    ///
    /// # Errors
    /// The API server cannot be reached, or gives something else.
    pub async fn get(&self, asked: Asked, path: &str, extent: Extent) -> Result<Answer, ApiError> {
        let accept = match extent {
            Extent::Whole => "application/json",
            Extent::Metadata => METADATA,
            Extent::Discovery => AGGREGATED,
        };
        let query = Query { asked, path: path.to_owned(), accept, limit: LONGEST_ANSWER };
        let (asked, reader) = (query.asked.clone(), Reader::background(self));
        // In a task of its own, since a tool waits in `block_on`: a list that is not packed comes in pieces of 4 KiB, and between
        // tasks they are handed on without a look for further events each time, which would be a fifth of what reading it costs.
        let task = tokio::spawn(async move { reader.answer(&query, Method::GET, Vec::new()).await });
        task.await.unwrap_or_else(|error| Err(ApiError::Unreadable { asked, reason: error.to_string() }))
    }

    /// Posts `body`, which is JSON, to `path`.
    ///
    /// # Errors
    /// The API server cannot be reached, or refuses.
    pub async fn post(&self, asked: Asked, path: &str, body: Vec<u8>) -> Result<Answer, ApiError> {
        let query = Query { asked, path: path.to_owned(), accept: "application/json", limit: LONGEST_ANSWER };
        Reader::background(self).answer(&query, Method::POST, body).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scripted::connection;

    #[tokio::test]
    async fn an_answer_carries_the_time_of_the_api_server() {
        let (connection, mut server) = connection();
        let asked = Asked { verb: "get", resource: "namespaces".to_owned() };
        let asking = connection.get(asked, "/api/v1/namespaces/kube-system", Extent::Whole);
        let answering = async {
            let request = server.expect("/kube-system").await;
            let date = [("date", "Thu, 01 Oct 2026 00:00:00 GMT")];
            request.reply_with(200, &date, &serde_json::json!({"metadata": {"uid": "u"}}));
        };
        let (answer, ()) = tokio::join!(asking, answering);
        assert_eq!(answer.unwrap().date, Some(1_790_812_800));
    }
}
