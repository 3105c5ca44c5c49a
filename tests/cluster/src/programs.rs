//! Where the programs of the control plane lie.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Once;

use anyhow::{Result, bail};

/// Names the folder of the programs; `cargo xtask` sets it.
const VARIABLE: &str = "PORTCULLIS_CONTROLPLANE";

/// The folder that `cargo xtask controlplane` prints.
#[derive(Clone, Debug)]
pub struct Programs {
    folder: PathBuf,
}

impl Programs {
    /// The folder that the environment names, or nothing where tests are to be skipped; that is said once.
    ///
    /// # Errors
    /// When there is none and `CI=true`: there, a skipped test is a failed one.
    #[expect(clippy::disallowed_methods, reason = "the task runner hands the folder over in the environment")]
    pub fn find() -> Result<Option<Programs>> {
        match std::env::var_os(VARIABLE) {
            Some(folder) => Ok(Some(Programs { folder: PathBuf::from(folder) })),
            None if std::env::var_os("CI").is_some_and(|value| value == "true") => {
                bail!("there is no control plane, and with CI=true no test is skipped: run `cargo xtask e2e`")
            }
            None => {
                static SAID: Once = Once::new();
                // Past the test runner, which would show it after a failure only.
                SAID.call_once(|| {
                    let _ = writeln!(
                        io::stderr(),
                        "skipped: there is no control plane; `cargo xtask` builds one where it is needed"
                    );
                });
                Ok(None)
            }
        }
    }

    /// The path of a program: `etcd`, `kubectl`, `lifeline`, ...
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The folder itself.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}
