//! Who judges a review, and what it says.

use portcullis_model::Review;

use crate::{Deadline, Route};

/// Judges admission reviews.
pub trait Reviewer: Send + Sync + 'static {
    /// The verdict on `review`, asked for by `route`.
    ///
    /// Called on a worker of the runtime. It computes, asks `deadline` every thousand steps, and ends when it has expired,
    /// where the failure policy answers; that may be so from the start. What it has to know from elsewhere it waits for by
    /// [`Deadline::wait`]. A panic is caught, counted and answered by the failure policy of the route.
    fn review(&self, route: &Route<'_>, review: &Review<'_>, deadline: &Deadline<'_>) -> Verdict;
}

/// What is answered to the API server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Whether the request is admitted.
    pub allowed: bool,
    /// Why, for who made the request. Control characters other than line breaks and tabs are left out, and what is
    /// over 8 KiB is cut.
    pub message: Option<String>,
    /// Warnings for who made the request, one line each: 4 KiB in all, or 256 bytes of each.
    pub warnings: Vec<String>,
    /// A JSON Patch (RFC 6902), as its text.
    pub patch: Option<Vec<u8>>,
    /// Entries for the audit log; the API server puts the name of the webhook before each key.
    pub audit_annotations: Vec<(String, String)>,
}

impl Verdict {
    /// Admitted, with nothing to say.
    pub fn allowed() -> Self {
        Self { allowed: true, ..Self::default() }
    }

    /// Refused with a reason.
    pub fn denied(message: impl Into<String>) -> Self {
        Self { message: Some(message.into()), ..Self::default() }
    }

    /// What the failure policy of `route` says when a review has no result: refused with `reason`, or admitted with
    /// `reason` as a warning.
    pub fn by_failure_policy(route: &Route<'_>, reason: impl Into<String>) -> Self {
        if route.fails_closed() {
            Self::denied(reason)
        } else {
            Self { warnings: vec![reason.into()], ..Self::allowed() }
        }
    }
}
