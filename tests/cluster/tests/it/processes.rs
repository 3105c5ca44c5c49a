//! The processes of this machine.
#![expect(clippy::disallowed_methods, reason = "a test that asks the system what runs")]

use std::fs;
use std::path::Path;

use anyhow::Result;

/// The command lines of the processes that name a path in their arguments.
pub(crate) fn naming(path: &Path) -> Result<Vec<String>> {
    let path = path.to_string_lossy();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        // A folder that is no process has no command line, and a process may end meanwhile.
        let Ok(line) = fs::read(entry?.path().join("cmdline")) else { continue };
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        if line.contains(path.as_ref()) {
            found.push(line);
        }
    }
    Ok(found)
}
