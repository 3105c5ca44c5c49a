//! Job retention: what to keep, what to expire, what never to touch. Pure planning.
//!
//! [`read_job`] takes from a Job the few facts that matter, [`Backlog`] keeps those of many, [`judge`] says by a
//! [`KeepPolicy`] what becomes of each, and a [`Plan`] is what somebody else carries out: at once, tomorrow, or never.
//!
//! [`Sweep`] carries a plan out as far as that can be done by deciding: it says what is to be recorded and asked next.
//!
//! [`retention`] is about the objects that say in a cluster how long its Jobs stay: what becomes of each Job by them, and
//! which TTLs are to be written.
//!
//! What is deliberately absent: files, the API server, the clock (now is an argument), and doing anything.
//!
//! Invariants:
//! - a Job that a [`Protection`] holds for is never planned, nor given a TTL;
//! - what is not known for certain (a finish time that is missing, or lies in the future) protects;
//! - a Job takes at most 150 bytes beside words that it shares with others, as its namespace, whatever its manifest holds.

mod age;
mod backlog;
mod dependents;
mod group;
mod intern;
mod job;
mod judge;
mod outcome;
mod plan;
mod protection;
mod read;
pub mod retention;
mod safeguards;
mod sweep;
mod tombstone;
mod ttl_owner;
mod write;

pub use age::{format_age, parse_age};
pub use backlog::{Backlog, Full};
pub use dependents::{jobs_among, owning_jobs, protects_owner};
pub use group::Group;
pub use intern::Interner;
pub use job::{Job, JobFacts};
pub use judge::{KeepPolicy, Verdict, judge};
pub use outcome::{ByOutcome, Outcome};
pub use plan::{Caps, Cluster, Dependents, Digest, Item, Looked, Made, Mode, Plan, PlanError, ttl_of};
pub use protection::{Protection, Protections};
pub use read::{Alike, Interest, NotAJob, read_job, scan_job};
pub use safeguards::Safeguards;
pub use sweep::{
    Answer, Canaries, Entry, FIELD_MANAGER, Fate, Header, Journal, JournalError, Now, Number, Preconditions,
    Request, Seen, Settings, Step, Stop, Sweep, Tally, Verb,
};
pub use tombstone::{NoManifest, RESTORED_FROM, Restored, restored};
pub use ttl_owner::{TtlOwner, sets_ttl};
pub use write::PlanWriter;
