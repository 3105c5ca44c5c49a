//! Control planes, each of which is one test's alone for as long as that runs.

use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::Result;

use crate::{ControlPlane, Programs, failure};

/// Those that no test has at the moment. There are as many as tests ran at once, and they end with this process.
static IDLE: Mutex<Vec<&'static ControlPlane>> = Mutex::new(Vec::new());

/// A control plane in the hands of a test. It goes on to the next test when this one has passed, and ends when it has
/// failed, by a panic too: what it leaves then is not known, and must not have others fail.
pub(crate) struct Turn {
    pub(crate) control_plane: &'static ControlPlane,
    /// What the test is called in the cluster.
    name: String,
    has_passed: bool,
}

impl Turn {
    /// Takes one that is idle, or starts another.
    pub(crate) async fn take(programs: &Programs, name: &str) -> Result<Turn> {
        let idle = idle().pop();
        let control_plane = match idle {
            Some(control_plane) => control_plane,
            None => Box::leak(Box::new(ControlPlane::start(programs).await?)),
        };
        Ok(Turn { control_plane, name: name.to_owned(), has_passed: false })
    }

    /// The test has ended so.
    pub(crate) fn end(mut self, outcome: Result<()>) -> Result<()> {
        self.has_passed = outcome.is_ok();
        outcome.map_err(|error| failure::shortened(&error, &self.name))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if !self.has_passed {
            failure::show_logs(self.control_plane.folder(), &self.name);
        }
        if self.has_passed && self.control_plane.is_whole() {
            failure::forget_logs(self.control_plane.folder());
            idle().push(self.control_plane);
        } else {
            self.control_plane.end();
        }
    }
}

/// Ends a control plane that no test has at the moment, if there is one: for a test that starts one of its own, so that no more
/// run than tests do. Each takes more than a gigabyte.
pub fn make_room() {
    let idle = idle().pop();
    if let Some(control_plane) = idle {
        control_plane.end();
    }
}

fn idle() -> MutexGuard<'static, Vec<&'static ControlPlane>> {
    IDLE.lock().unwrap_or_else(PoisonError::into_inner)
}
