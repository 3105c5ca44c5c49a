//! Rows for programs: JSON, YAML and CSV, written as they come.

use std::io::{self, Write as _};

use clap::ValueEnum;
use portcullis_value::{Arena, Value, json};

use crate::surroundings::Stream;

/// The form of the output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    #[default]
    Table,
    Json,
    Yaml,
    Csv,
}

/// A row: its fields in the order of the columns of CSV.
pub(super) type Row<'a> = Vec<(&'a str, Value<'a>)>;

/// Writes a document `{NAME: [row, ..], ..tail}`, or the rows alone as CSV.
#[derive(Debug)]
pub(super) struct Rows {
    format: Format,
    written: usize,
}

impl Rows {
    /// Begins the list `name` of rows that have these columns.
    pub(super) fn begin(
        format: Format,
        name: &str,
        columns: &[&str],
        stdout: &mut Stream<'_>,
    ) -> io::Result<Self> {
        match format {
            Format::Json => write!(stdout, "{{\n  {}: [", json::quote(name))?,
            Format::Yaml => write!(stdout, "{name}:")?,
            Format::Csv | Format::Table => writeln!(stdout, "{}", columns.join(","))?,
        }
        Ok(Self { format, written: 0 })
    }

    /// Adds a row.
    pub(super) fn row<'a>(
        &mut self,
        arena: &'a Arena,
        row: Row<'a>,
        stdout: &mut Stream<'_>,
    ) -> io::Result<()> {
        self.written += 1;
        let is_first = self.written == 1;
        match self.format {
            Format::Json => {
                let text = json::Writer::indented(2).to_string(object(arena, row)).replace('\n', "\n    ");
                write!(stdout, "{}\n    {text}", if is_first { "" } else { "," })
            }
            Format::Yaml => {
                let text = portcullis_yaml::to_string(arena.array(&[object(arena, row)]));
                write!(stdout, "{}{text}", if is_first { "\n" } else { "" })
            }
            Format::Csv | Format::Table => {
                let cells: Vec<String> = row.iter().map(|(_, value)| cell(*value)).collect();
                writeln!(stdout, "{}", cells.join(","))
            }
        }
    }

    /// Ends the document; `tail` is what it says beside the rows.
    pub(super) fn end<'a>(self, arena: &'a Arena, tail: Row<'a>, stdout: &mut Stream<'_>) -> io::Result<()> {
        let tail = object(arena, tail);
        match self.format {
            Format::Json => {
                let text = json::Writer::indented(2).to_string(tail);
                let close = if self.written > 0 { "\n  ]" } else { "]" };
                writeln!(stdout, "{close},{}", text.trim_start_matches('{'))
            }
            Format::Yaml => {
                let none = if self.written > 0 { "" } else { " []\n" };
                write!(stdout, "{none}{}", portcullis_yaml::to_string(tail))
            }
            Format::Csv | Format::Table => Ok(()),
        }
    }
}

/// Without fields that say nothing.
pub(super) fn object<'a>(arena: &'a Arena, mut row: Row<'a>) -> Value<'a> {
    row.retain(|(_, value)| !value.is_null());
    arena.object(&mut row)
}

/// A field of CSV (RFC 4180). Text that a spreadsheet would take for a formula is marked as text: who creates a Job chooses it.
fn cell(value: Value<'_>) -> String {
    let mut text = plain(value);
    let is_text = matches!(value, Value::String(_) | Value::Array(_));
    if is_text && text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        text.insert(0, '\'');
    }
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

fn plain(value: Value<'_>) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.to_owned(),
        Value::Array(items) => items.iter().map(|item| plain(*item)).collect::<Vec<_>>().join("; "),
        value => value.to_string(),
    }
}

/// A count as a number.
pub(super) fn number<'a>(count: u64) -> Value<'a> {
    Value::from(i64::try_from(count).unwrap_or(i64::MAX))
}

/// A time in seconds since 1970-01-01 UTC, as Kubernetes writes it; `null` where there is none.
pub(super) fn time(arena: &Arena, seconds: Option<i64>) -> Value<'_> {
    let time = seconds.and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    time.map_or(Value::Null, |time| arena.string(&time.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_quoted_where_it_must_be_and_is_no_formula() {
        let list = [Value::String("=a"), Value::String("b, \"c\"")];
        let cells = [
            (Value::String("report-1"), "report-1"),
            (Value::String("=HYPERLINK(\"x\")"), "\"'=HYPERLINK(\"\"x\"\")\""),
            (Value::String("+1"), "'+1"),
            (Value::String("-1"), "'-1"),
            (Value::String("@x"), "'@x"),
            (Value::String("\tx"), "'\tx"),
            (Value::String("\rx"), "\"'\rx\""),
            (Value::Array(&list), "\"'=a; b, \"\"c\"\"\""),
            (Value::from(-1), "-1"),
            (Value::Null, ""),
        ];
        for (value, expected) in cells {
            assert_eq!(cell(value), expected);
        }
    }
}
