//! The one ConfigMap that configures the engine.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;

use crate::index::{Index, Published, fields};

/// What the ConfigMap says; `None` when it is not there.
pub type Configuration = Option<BTreeMap<String, String>>;

/// A ConfigMap as it is sent.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct ConfigMap {
    #[serde(default)]
    data: Option<BTreeMap<String, String>>,
}

/// Follows one ConfigMap, which the watch selects by name.
#[derive(Debug)]
pub(crate) struct ConfigurationIndex {
    configuration: Configuration,
    published: Arc<Published<Configuration>>,
}

impl ConfigurationIndex {
    pub(crate) fn new(published: Arc<Published<Configuration>>) -> Self {
        Self { configuration: None, published }
    }
}

impl Index for ConfigurationIndex {
    type Object = ConfigMap;

    fn read(&self, text: &str) -> Result<ConfigMap, String> {
        fields(text)
    }

    fn apply(&mut self, map: ConfigMap) {
        self.configuration = Some(map.data.unwrap_or_default());
    }

    fn delete(&mut self, _: &ConfigMap) {
        self.configuration = None;
    }

    fn reset(&mut self, maps: Vec<ConfigMap>) {
        self.configuration = maps.into_iter().next().map(|map| map.data.unwrap_or_default());
    }

    fn publish(&mut self) {
        if *self.published.load() != self.configuration {
            self.published.store(self.configuration.clone());
        }
    }
}
