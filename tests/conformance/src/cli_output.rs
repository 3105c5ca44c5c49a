//! The corpus `cli-output`: what `apply` and `test` print for the folders of `kyverno-cli`, as text, table, report and
//! JUnit's XML.
//!
//! Compared are the exit code, the counts, each result line with its messages, objects and reports as data (times
//! aside), and the cells of tables row by row. How it is laid out is our own.

use std::path::Path;

use anyhow::Result;
use portcullis_value::{Arena, Value};
use serde::Deserialize;

use crate::command_line;
use crate::corpus::{Case, Corpus, Finding, read_json_lines};
use crate::kyverno_cli;

pub(crate) const CORPUS: Corpus = Corpus { name: "cli-output", cases };

/// What a case of JUnit's XML says of a row.
const KEYS: &[&str] = &["Reason", "Policy", "Rule", "Resource", "Result"];

#[derive(Deserialize)]
struct Row {
    folder: String,
    class: String,
    args: Vec<String>,
    exit: u8,
    stdout: String,
}

fn cases(root: &Path) -> Result<Vec<Case>> {
    let rows: Vec<Row> = read_json_lines(&root.join("cli-output/cases.jsonl"))?;
    let case = |row: Row| {
        let form = Form::of(&row.args);
        let class = format!("{} {}", row.class, form.name());
        let folder = root.join("kyverno-cli").join(&row.folder);
        Case::new(format!("{}:{}", row.folder, form.name()), class, move || check(&row, form, &folder))
    };
    Ok(rows.into_iter().filter(|row| kyverno_cli::is_run(&row.class)).map(case).collect())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Text,
    Table,
    Report,
    /// The rows of `test`.
    Rows,
    Junit,
}

impl Form {
    fn of(args: &[String]) -> Self {
        let has = |flag: &str| args.iter().any(|argument| argument == flag);
        match () {
            () if has("junit") => Form::Junit,
            () if has("test") => Form::Rows,
            () if has("--policy-report") => Form::Report,
            () if has("-t") => Form::Table,
            () => Form::Text,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Form::Text => "text",
            Form::Table => "table",
            Form::Report => "report",
            Form::Rows => "test",
            Form::Junit => "test junit",
        }
    }
}

fn check(row: &Row, form: Form, folder: &Path) -> Finding {
    let left = command_line::run(&row.args, folder);
    compare(row, form, left.exit, &left.stdout)
        .map_err(|difference| format!("{difference}\n{}{}", left.stdout, left.stderr))
}

fn compare(row: &Row, form: Form, exit: u8, stdout: &str) -> Finding {
    let arena = Arena::new();
    let (want, got) = (Output::parse(&arena, &row.stdout, form)?, Output::parse(&arena, stdout, form)?);
    let in_turn = |what: &str, want: &[String], got: &[String]| {
        let differs = |index: &usize| want.get(*index) != got.get(*index);
        match (0..want.len().max(got.len())).find(differs) {
            None => Ok(()),
            Some(index) => {
                let show = |lines: &[String]| lines.get(index).map_or("nothing", String::as_str).to_owned();
                Err(format!("{what} {}: want {} | got {}", index + 1, show(want), show(got)))
            }
        }
    };
    in_turn("result", &want.lines, &got.lines)?;
    in_turn("row", &want.rows, &got.rows)?;
    in_turn("report entry", &want.entries, &got.entries)?;
    in_turn("object", &want.objects, &got.objects)?;
    in_turn("heading", &want.heading, &got.heading)?;
    in_turn("counts", &want.counts, &got.counts)?;
    if exit != row.exit {
        return Err(format!("exit code: want {}, got {exit}", row.exit));
    }
    Ok(())
}

/// What is compared of an output.
#[derive(Debug, Default)]
struct Output {
    heading: Vec<String>,
    /// `HEADING JSON` of each mutated, patched or generated resource.
    objects: Vec<String>,
    /// Each result line with the messages under it.
    lines: Vec<String>,
    counts: Vec<String>,
    rows: Vec<String>,
    /// The suite that the rows being read belong to.
    suite: String,
    /// Each result of each report, sorted: the reference has no order.
    entries: Vec<String>,
}

impl Output {
    fn parse(arena: &Arena, text: &str, form: Form) -> Result<Self, String> {
        let mut output = Self::default();
        let mut lines = text.lines();
        let mut report = String::new();
        // Whether the line before was one that only we have, and so the lines that hang on it.
        let mut is_ours = false;
        while let Some(line) = lines.next() {
            // The reference ends its last line about a mutation or a generation without a line break.
            let line = line.strip_prefix("Mutation has been applied successfully.").unwrap_or(line);
            let line = line.strip_prefix("Generation completed successfully.").unwrap_or(line);
            is_ours = line.starts_with("  ") && (is_ours || !line.starts_with("   "));
            if line.starts_with("policy ") && line.contains(" applied to ") {
                let yaml: Vec<&str> = lines.by_ref().take_while(|line| *line != "---").collect();
                output.objects.push(format!("{line} {}", read(arena, &yaml.join("\n"))?));
            } else if line.starts_with("patched targets: ") {
                let targets: Vec<&str> = lines.by_ref().take_while(|line| *line != "Mutation:").collect();
                for target in targets.split(|line| *line == "---").map(|lines| lines.join("\n")) {
                    if !target.trim().is_empty() {
                        output.objects.push(format!("{line} {}", read(arena, &target)?));
                    }
                }
            } else if line.starts_with("Applying ") {
                output.heading.push(line.to_owned());
            } else if form == Form::Report && (!report.is_empty() || line.starts_with("apiVersion: ")) {
                report.push_str(line);
                report.push('\n');
            } else if line.starts_with("Test Summary: ") {
                output.counts.push(line.to_owned());
            } else if form == Form::Junit {
                output.xml(line);
            } else if matches!(form, Form::Table | Form::Rows) {
                output.row(line);
            } else if !is_ours {
                output.line(line);
            }
        }
        output.report(arena, &report)?;
        if form == Form::Junit {
            output.rows.sort();
        }
        Ok(output)
    }

    fn line(&mut self, line: &str) {
        let line = line.trim();
        let is_number = |text: &str| text.parse::<usize>().is_ok();
        let begins = (line.starts_with("policy ") && line.contains(" -> resource "))
            || line.starts_with("skipped mutate policy ")
            || line.starts_with("error while applying mutate policy ");
        let continues = line.starts_with("error: ")
            || line.split_once(" - ").is_some_and(|(number, _)| is_number(number));
        if line.starts_with("pass: ") {
            self.counts.push(line.to_owned());
        } else if begins {
            self.lines.push(line.to_owned());
        } else if line.is_empty() || line.starts_with("Mutation") || line.starts_with("Generat") {
        } else if let Some(last) = self.lines.last_mut() {
            // A message may have several lines.
            last.push_str(if continues { "\n" } else { " " });
            last.push_str(line);
        }
    }

    fn row(&mut self, line: &str) {
        let Some(line) = line.strip_prefix('│') else { return };
        let cells: Vec<&str> = line.trim_end_matches('│').split('│').map(str::trim).collect();
        match cells.as_slice() {
            [id, ..] if id.parse::<usize>().is_ok() => self.rows.push(cells.join(" | ")),
            ["", .., message] => {
                if let Some(last) = self.rows.last_mut() {
                    last.push(' ');
                    last.push_str(message);
                }
            }
            _ => {}
        }
    }

    /// A line of XML: a tag, or what is said of a row. Each row becomes one text, its suite before it.
    ///
    /// The reference writes a document for each test, its suites in no order, and leaves failures open.
    fn xml(&mut self, line: &str) {
        let line = line.trim().trim_end_matches("</testcase>").trim_end();
        if line.starts_with("<testsuite ") {
            self.suite = line.to_owned();
        } else if line.starts_with("<testcase ") {
            self.rows.push(format!("{} {line}", self.suite));
        } else if (line.starts_with("<failure ")
            || line.split_once(": ").is_some_and(|(key, _)| KEYS.contains(&key)))
            && let Some(last) = self.rows.last_mut()
        {
            last.push(' ');
            last.push_str(line);
        }
    }

    fn report(&mut self, arena: &Arena, text: &str) -> Result<(), String> {
        for source in portcullis_yaml::documents(text) {
            let source = source.map_err(|error| error.to_string())?;
            let document = source.read(arena).map_err(|error| error.to_string())?.value;
            for entry in document.get("results").and_then(Value::as_array).unwrap_or_default() {
                let entry = entry.without(arena, &["timestamp"]);
                self.entries.push(format!("{} {entry}", document.get("metadata").unwrap_or_default()));
            }
            self.entries.push(format!("{}", document.without(arena, &["results"])));
        }
        self.entries.sort();
        Ok(())
    }
}

fn read(arena: &Arena, yaml: &str) -> Result<String, String> {
    let text = arena.str(yaml);
    portcullis_yaml::read(arena, text).map(|value| value.to_string()).map_err(|error| error.to_string())
}
