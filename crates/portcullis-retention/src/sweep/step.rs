//! What a sweep says is to be done, and what it is told.

use super::Seen;

/// The time, by two clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Now {
    /// Of a clock that only runs forward, in milliseconds.
    pub millis: u64,
    /// The API server's, in seconds since 1970-01-01 UTC. It may be a little ahead of that clock and is
    /// never behind it, so that a TTL which is counted from it leaves the notice.
    pub date: i64,
}

/// What is to be done next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step<'p> {
    /// Text goes to the end of the journal; where it is `durable`, it is on the disk before anything else is done.
    Record { text: String, durable: bool },
    /// A request is sent; its answer is told when it comes.
    Ask(Request<'p>),
    /// Nothing, until an answer comes or it is so late, in milliseconds.
    Wait { until: Option<u64> },
    /// All is done that will be.
    Finished,
}

/// A request to the API server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request<'p> {
    /// Which answer is to it.
    pub number: Number,
    pub namespace: &'p str,
    pub name: &'p str,
    pub verb: Verb<'p>,
}

/// The number of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Number {
    pub(super) item: usize,
    pub(super) look: Option<Look>,
}

/// Why a Job is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Look {
    /// The API server reported a conflict.
    Conflict,
    /// An answer was lost.
    Lost,
    /// It is a canary.
    Canary,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb<'p> {
    Get,
    /// With propagation `Background`.
    Delete(Preconditions<'p>),
    /// By server-side apply as [`FIELD_MANAGER`](super::FIELD_MANAGER), never forced; the preconditions go into the metadata.
    SetTtl {
        ttl: i32,
        preconditions: Preconditions<'p>,
    },
}

/// What a Job has to be for a request to be carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preconditions<'p> {
    pub uid: &'p str,
    pub resource_version: &'p str,
}

/// What the API server said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It was done.
    Done,
    /// The Job, to [`Verb::Get`].
    Found(Seen),
    /// No such Job is there (404).
    Gone,
    /// A precondition does not hold, or a field is somebody else's (409).
    Conflict(String),
    /// It was not looked at (429); after so many milliseconds, where it was said, it may be.
    Busy { retry_after: Option<u64> },
    /// It was refused, and not done.
    Refused(String),
    /// No answer came, or one that leaves open whether it was done: a server error, a timeout.
    Lost(String),
}
