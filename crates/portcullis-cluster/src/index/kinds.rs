//! That the definitions of kinds have changed: of a CustomResourceDefinition nothing more is kept.

use tokio::sync::watch;

use crate::index::{Identified, Index, fields};

/// Tells whoever waits that kinds may have come or gone.
#[derive(Debug)]
pub(crate) struct KindIndex {
    changes: watch::Sender<()>,
    changed: bool,
}

impl KindIndex {
    pub(crate) fn new(changes: watch::Sender<()>) -> Self {
        Self { changes, changed: false }
    }
}

impl Index for KindIndex {
    type Object = Identified;

    fn read(&self, text: &str) -> Result<Identified, String> {
        fields(text)
    }

    fn apply(&mut self, _: Identified) {
        self.changed = true;
    }

    fn delete(&mut self, _: &Identified) {
        self.changed = true;
    }

    fn reset(&mut self, _: Vec<Identified>) {
        self.changed = true;
    }

    fn publish(&mut self) {
        if std::mem::take(&mut self.changed) {
            self.changes.send_replace(());
        }
    }
}
