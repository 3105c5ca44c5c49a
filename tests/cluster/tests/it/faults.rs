//! What goes wrong around `portcullis serve`, and what it does then. Every fault is shown to have happened.
#![expect(clippy::indexing_slicing, reason = "a helper of a test fails by panicking")]

mod client;
mod load;
mod paced;
mod proxy;
mod replicated;
mod secret;
mod site;

pub(crate) use self::replicated::{
    everything, put_in_force, refuse_bad_names, replicated, until_bad_names_are_refused, until_pod_is,
};

mod api_server;
mod bodies;
mod clocks;
mod compaction;
mod confined;
mod conversations;
mod crash;
mod dry_run;
mod exhaustion;
mod killed_replica;
mod lagging;
mod leaving;
mod no_conditions;
mod nobody_answers;
mod panics;
mod rollout;
mod rotation;
mod swap;
mod two_engines;
mod watch_end;
