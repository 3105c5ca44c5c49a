//! The plan for programs: the document that is carried out, and the same as YAML or CSV.

use std::cmp::Ordering;
use std::io::Write as _;
use std::path::Path;

use portcullis_retention::{Digest, PlanWriter};
use portcullis_value::{Arena, Value, json};

use super::Planned;
use crate::exit::{Ended, hinted, standard_output};
use crate::files::NewFile;
use crate::jobs::format::{Format, Rows, number, time};
use crate::surroundings::Surroundings;

/// How much text is made before it is put away.
const PIECE: usize = 64 << 10;

impl Planned<'_> {
    /// Writes the document to `path`, whole or not at all.
    pub(super) fn write_file(&self, path: &Path) -> Result<Digest, Ended> {
        let mut file = NewFile::create(path).map_err(|error| {
            let hint = "the folder has to be there, and you have to be allowed to write into it";
            hinted(error.to_string(), Some(hint))
        })?;
        let digest = self.document(&mut |text| Ok(file.append(text)?))?;
        file.finish()?;
        Ok(digest)
    }

    /// Prints the plan in a form for programs.
    pub(super) fn print(&self, format: Format, surroundings: &mut Surroundings<'_>) -> Result<(), Ended> {
        let stdout = &mut surroundings.stdout;
        match format {
            Format::Csv => self.csv(surroundings).map_err(|error| standard_output(error).into()),
            Format::Yaml => self.yaml(surroundings),
            Format::Json | Format::Table => {
                self.document(&mut |text| Ok(write!(stdout, "{text}").map_err(standard_output)?))?;
                Ok(())
            }
        }
    }

    /// Gives the document to `put` piece by piece.
    fn document(&self, put: &mut dyn FnMut(&str) -> Result<(), Ended>) -> Result<Digest, Ended> {
        let mut text = String::with_capacity(PIECE);
        let mut writer = PlanWriter::begin(&self.plan, &mut text)?;
        for item in self.order.iter().filter_map(|index| self.item(*index)) {
            writer.item(&item, &mut text)?;
            if text.len() >= PIECE {
                put(&text)?;
                text.clear();
            }
        }
        let digest = writer.finish(&mut text);
        put(&text)?;
        Ok(digest)
    }

    /// Prints the document as YAML, item by item.
    fn yaml(&self, surroundings: &mut Surroundings<'_>) -> Result<(), Ended> {
        const ITEMS: &str = "items";
        let stdout = &mut surroundings.stdout;
        // The digest is that of the whole, and stands before the items.
        let digest = self.document(&mut |_| Ok(()))?.to_string();
        let (mut arena, around) = (Arena::new(), Arena::new());
        let (mut before, mut after) = (Vec::new(), Vec::new());
        let document = serde_json::to_string(&self.plan)?;
        let members = json::read(&around, &document)?.as_object().unwrap_or_default();
        for (key, value) in members.with(&around, "digest", Value::String(&digest)).iter() {
            match key.cmp(ITEMS) {
                Ordering::Less => before.push((key, value)),
                Ordering::Equal => {}
                Ordering::Greater => after.push((key, value)),
            }
        }
        let none = if self.order.is_empty() { " []" } else { "" };
        let before = portcullis_yaml::to_string(around.object(&mut before));
        writeln!(stdout, "{before}{ITEMS}:{none}").map_err(standard_output)?;
        for item in self.order.iter().filter_map(|index| self.item(*index)) {
            let text = serde_json::to_string(&item)?;
            let item = portcullis_yaml::to_string(arena.array(&[json::read(&arena, &text)?]));
            write!(stdout, "{item}").map_err(standard_output)?;
            arena.reset();
        }
        let after = portcullis_yaml::to_string(around.object(&mut after));
        Ok(write!(stdout, "{after}").map_err(standard_output)?)
    }

    fn csv(&self, surroundings: &mut Surroundings<'_>) -> std::io::Result<()> {
        const COLUMNS: [&str; 9] = [
            "namespace",
            "name",
            "uid",
            "resourceVersion",
            "outcome",
            "finished",
            "manager",
            "dependents",
            "why",
        ];
        let stdout = &mut surroundings.stdout;
        let mut rows = Rows::begin(Format::Csv, "items", &COLUMNS, stdout)?;
        let mut arena = Arena::new();
        for item in self.order.iter().filter_map(|index| self.item(*index)) {
            let row = vec![
                ("namespace", arena.string(&item.namespace)),
                ("name", arena.string(&item.name)),
                ("uid", arena.string(&item.uid)),
                ("resourceVersion", arena.string(&item.resource_version)),
                ("outcome", Value::String(item.outcome.name())),
                ("finished", time(&arena, Some(item.finished))),
                ("manager", arena.string(&item.manager)),
                ("dependents", number(item.dependents.values().map(|count| u64::from(*count)).sum())),
                ("why", arena.string(&item.why)),
            ];
            rows.row(&arena, row, stdout)?;
            arena.reset();
        }
        Ok(())
    }
}
