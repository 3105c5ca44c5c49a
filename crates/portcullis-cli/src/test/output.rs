//! What `test` prints.

mod junit;

use std::io::{self, Write as _};

use portcullis_value::{Arena, Value, json};

use super::arguments::{Arguments, OutputFormat};
use super::rows::{Row, RowResult};
use super::{Ran, failures};
use crate::exit::{Ended, standard_output};
use crate::grid;
use crate::paint::Paint;
use crate::printable;
use crate::surroundings::Surroundings;

const COLUMNS: [&str; 7] = ["ID", "POLICY", "RULE", "RESOURCE", "RESULT", "REASON", "MESSAGE"];

/// Prints the rows and the summary; `are_found` says whether there are tests, run or not.
pub(crate) fn print(
    ran: &[Ran],
    are_found: bool,
    arguments: &Arguments,
    surroundings: &mut Surroundings<'_>,
) -> Result<(), Ended> {
    let printer = Printer { arguments, are_found, passed: passed(ran), failed: failures(ran) };
    printer.print(ran, surroundings).map_err(|error| standard_output(error).into())
}

struct Printer<'p> {
    arguments: &'p Arguments,
    are_found: bool,
    passed: usize,
    failed: usize,
}

/// Rows that did not fail; those that were skipped are among them.
fn passed(ran: &[Ran]) -> usize {
    ran.iter().flat_map(|test| &test.rows).filter(|row| row.result != RowResult::Fail).count()
}

impl Printer<'_> {
    fn print(&self, ran: &[Ran], surroundings: &mut Surroundings<'_>) -> io::Result<()> {
        let summary = self.summary();
        let stdout = &mut surroundings.stdout;
        match self.arguments.output_format {
            None => self.text(ran, &summary, surroundings),
            Some(OutputFormat::Junit) => {
                write!(stdout, "{}", junit::report(&self.wanted(ran), self.arguments.detailed_results))?;
                // Within a comment the document stays one, and whoever looks for the line finds it.
                writeln!(stdout, "<!--\n{summary}\n-->")
            }
            Some(OutputFormat::Json) => {
                let arena = Arena::new();
                writeln!(stdout, "{}", json::Writer::indented(2).to_string(self.list(&arena, ran)))
            }
            Some(OutputFormat::Yaml) => {
                let arena = Arena::new();
                writeln!(stdout, "{}# {summary}", portcullis_yaml::to_string(self.list(&arena, ran)))
            }
            Some(OutputFormat::Markdown) => {
                for (test, rows) in self.wanted(ran) {
                    writeln!(stdout, "### {}\n\n{}", markdown(&test.path), self.markdown_table(&rows))?;
                }
                writeln!(stdout, "{summary}")
            }
        }
    }

    fn summary(&self) -> String {
        let Self { passed, failed, .. } = self;
        match self.arguments.fail_only {
            true => format!("Test Summary: {failed} out of {} tests failed", passed + failed),
            false => format!("Test Summary: {passed} tests passed and {failed} tests failed"),
        }
    }

    /// The rows that are printed, by test.
    fn wanted<'r>(&self, ran: &'r [Ran]) -> Vec<(&'r Ran, Vec<&'r Row>)> {
        let is_wanted = |row: &&Row| !self.arguments.fail_only || row.result == RowResult::Fail;
        let rows = |test: &'r Ran| test.rows.iter().filter(is_wanted).collect::<Vec<_>>();
        ran.iter().map(|test| (test, rows(test))).filter(|(_, rows)| !rows.is_empty()).collect()
    }

    fn columns(&self) -> &'static [&'static str] {
        COLUMNS.get(..if self.arguments.detailed_results { 7 } else { 6 }).unwrap_or_default()
    }

    fn cells(&self, id: usize, row: &Row) -> Vec<String> {
        let mut cells = vec![id.to_string(), row.policy.clone(), row.rule.clone(), row.resource.clone()];
        cells.extend([row.result.title().to_owned(), row.reason.clone()]);
        if self.arguments.detailed_results {
            cells.push(row.message.clone());
        }
        cells
    }

    fn text(&self, ran: &[Ran], summary: &str, surroundings: &mut Surroundings<'_>) -> io::Result<()> {
        let stdout = &mut surroundings.stdout;
        if !self.are_found {
            return writeln!(stdout, "No test yamls available");
        }
        let paint = Paint::on(stdout);
        if self.arguments.fail_only {
            writeln!(stdout, "{}", paint.strong(summary))?;
            if self.failed > 0 {
                writeln!(stdout, "\nAggregated Failed Test Cases : ")?;
            }
        }
        for (test, rows) in self.wanted(ran) {
            let counts = format!(
                "{}, {}",
                counted(test.policies, "policy", "policies"),
                counted(test.resources, "resource", "resources")
            );
            writeln!(stdout, "\n{}: {}", paint.strong(printable::line(&test.path)), paint.quiet(counts))?;
            let cells = rows.iter().enumerate().map(|(index, row)| self.cells(index + 1, row)).collect();
            writeln!(stdout, "{}", grid::grid(self.columns(), cells, stdout.width))?;
        }
        if self.arguments.fail_only {
            return Ok(());
        }
        match self.failed {
            0 => writeln!(stdout, "\n{}", paint.good(summary)),
            _ => writeln!(stdout, "\n{}", paint.bad(summary)),
        }
    }

    fn list<'a>(&self, arena: &'a Arena, ran: &'a [Ran]) -> Value<'a> {
        let mut list = Vec::new();
        for (test, rows) in self.wanted(ran) {
            for (index, row) in rows.into_iter().enumerate() {
                let mut entries = vec![
                    ("ID", Value::from(i64::try_from(index + 1).unwrap_or(i64::MAX))),
                    ("TEST", Value::String(&test.path)),
                    ("POLICY", Value::String(&row.policy)),
                    ("RULE", Value::String(&row.rule)),
                    ("RESOURCE", Value::String(&row.resource)),
                    ("RESULT", Value::String(row.result.title())),
                    ("REASON", Value::String(&row.reason)),
                ];
                if self.arguments.detailed_results {
                    entries.push(("Message", Value::String(&row.message)));
                }
                list.push(arena.object(&mut entries));
            }
        }
        arena.array(&list)
    }

    fn markdown_table(&self, rows: &[&Row]) -> String {
        let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        let columns: Vec<_> = self.columns().iter().map(|column| (*column).to_owned()).collect();
        let mut table = line(&columns) + &line(&vec!["---".to_owned(); columns.len()]);
        for (index, row) in rows.iter().enumerate() {
            let cells: Vec<_> = self.cells(index + 1, row).iter().map(|cell| markdown(cell)).collect();
            table.push_str(&line(&cells));
        }
        table
    }
}

fn counted(count: usize, one: &str, several: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { several })
}

/// `text` as a cell of a table: on one line, and with nothing in it that means something.
fn markdown(text: &str) -> String {
    let mut cell = String::new();
    for character in printable::line(text).chars() {
        if matches!(character, '\\' | '|' | '*' | '_' | '`' | '<' | '[') {
            cell.push('\\');
        }
        cell.push(character);
    }
    cell
}
