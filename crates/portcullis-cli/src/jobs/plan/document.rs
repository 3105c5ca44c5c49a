//! The plan for programs: the document that is carried out, and the same as YAML or CSV.

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
            Format::Yaml => {
                let mut document = String::new();
                self.document(&mut |text| {
                    document.push_str(text);
                    Ok(())
                })?;
                let arena = Arena::new();
                let document = json::read(&arena, &document)?;
                write!(stdout, "{}", portcullis_yaml::to_string(document)).map_err(standard_output)?;
                Ok(())
            }
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
