//! Writing a plan item by item, so that it is never in memory whole.

use sha2::{Digest as _, Sha256};

use crate::plan::{Digest, Item, Plan};

/// Writes a plan: each call adds text to what the caller puts away.
///
/// The digest is computed as the text is made: what is written is the form that it is defined by, and line ends between
/// the items, which are no part of it.
#[derive(Debug)]
pub struct PlanWriter {
    hasher: Sha256,
    /// What stands behind the items.
    tail: String,
    is_first: bool,
}

impl PlanWriter {
    /// Begins `plan`, of which everything but the items counts, and adds its start to `text`.
    ///
    /// # Errors
    /// A time in it is beyond what can be written.
    pub fn begin(plan: &Plan, text: &mut String) -> Result<Self, serde_json::Error> {
        let empty = Plan { items: Vec::new(), ..plan.clone() };
        let document = serde_json::to_string(&empty)?;
        // The list is the only one of that name, and no text can hold a quote that is not escaped.
        let (head, tail) = document.split_once("\"items\":[").unwrap_or_default();
        let mut writer = Self { hasher: Sha256::new(), tail: tail.to_owned(), is_first: true };
        writer.add(head, text);
        text.push('\n');
        writer.add("\"items\":[", text);
        Ok(writer)
    }

    /// Adds an item.
    ///
    /// # Errors
    /// A time in it is beyond what can be written.
    pub fn item(&mut self, item: &Item, text: &mut String) -> Result<(), serde_json::Error> {
        if !std::mem::take(&mut self.is_first) {
            self.add(",", text);
        }
        text.push('\n');
        let item = serde_json::to_string(item)?;
        self.add(&item, text);
        Ok(())
    }

    /// Adds the end, and gives the digest that is written there.
    pub fn finish(mut self, text: &mut String) -> Digest {
        text.push('\n');
        let tail = std::mem::take(&mut self.tail);
        self.add(&tail, text);
        let digest = Digest::of(self.hasher);
        // In the place of the last brace.
        text.pop();
        text.push_str(&format!(",\n\"digest\":\"{digest}\"}}\n"));
        digest
    }

    fn add(&mut self, part: &str, text: &mut String) {
        self.hasher.update(part);
        text.push_str(part);
    }
}

impl Plan {
    /// Whether a text that begins with `start` was written as a plan: whoever asks need not read it all.
    pub fn is_begun_by(start: &[u8]) -> bool {
        const NEXT: &[u8] = b"},\"cluster\":{";
        start.starts_with(b"{\"caps\":{") && start.windows(NEXT.len()).any(|part| part == NEXT)
    }

    /// The document of the plan, with its digest.
    ///
    /// # Errors
    /// A time in it is beyond what can be written.
    pub fn to_text(&self) -> Result<String, serde_json::Error> {
        let mut text = String::new();
        let mut writer = PlanWriter::begin(self, &mut text)?;
        for item in &self.items {
            writer.item(item, &mut text)?;
        }
        writer.finish(&mut text);
        Ok(text)
    }
}
