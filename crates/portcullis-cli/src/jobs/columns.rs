//! Columns for people, as kubectl prints them.

use std::io::{self, Write as _};

use crate::paint::Paint;
use crate::printable;
use crate::surroundings::Stream;

/// Where the text of a column stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Align {
    Left,
    Right,
}

/// A column: its heading, and where its text stands.
pub(super) type Column = (&'static str, Align);

/// A cell and how it is painted.
#[derive(Clone, Debug)]
pub(super) struct Cell {
    text: String,
    tone: Tone,
}

/// What a cell means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    Plain,
    Good,
    Bad,
    Quiet,
}

impl Cell {
    /// A cell with text of a document: it is escaped here.
    pub(super) fn new(tone: Tone, text: &str) -> Self {
        Self { text: printable::line(text).into_owned(), tone }
    }
}

impl<T: AsRef<str>> From<T> for Cell {
    fn from(text: T) -> Self {
        Cell::new(Tone::Plain, text.as_ref())
    }
}

/// Prints `rows` under their headings, each line behind `indent`; nothing where there are none.
///
/// They are made twice, to be measured and to be printed, and none is kept: there may be a hundred thousand.
pub(super) fn print(
    columns: &[Column],
    rows: impl Iterator<Item = Vec<Cell>> + Clone,
    indent: &str,
    stdout: &mut Stream<'_>,
) -> io::Result<()> {
    let paint = Paint::on(stdout);
    let headings: Vec<Cell> = columns.iter().map(|(heading, _)| Cell::from(heading)).collect();
    let width = |cell: &Cell| cell.text.chars().count();
    let mut widths: Vec<usize> = headings.iter().map(width).collect();
    let mut is_empty = true;
    for row in rows.clone() {
        is_empty = false;
        for (widest, cell) in widths.iter_mut().zip(&row) {
            *widest = width(cell).max(*widest);
        }
    }
    if is_empty {
        return Ok(());
    }
    for (number, row) in std::iter::once(headings).chain(rows).enumerate() {
        write!(stdout, "{indent}")?;
        for (index, (cell, ((_, align), width))) in row.iter().zip(columns.iter().zip(&widths)).enumerate() {
            let gap = if index == 0 { "" } else { "  " };
            let blanks = " ".repeat(width.saturating_sub(cell.text.chars().count()));
            let is_last = index + 1 == columns.len();
            let (before, after) = match align {
                Align::Right => (&*blanks, ""),
                Align::Left if is_last => ("", ""),
                Align::Left => ("", &*blanks),
            };
            write!(stdout, "{gap}{before}")?;
            match (number, cell.tone) {
                (0, _) => write!(stdout, "{}", paint.strong(&cell.text))?,
                (_, Tone::Plain) => write!(stdout, "{}", cell.text)?,
                (_, Tone::Good) => write!(stdout, "{}", paint.good(&cell.text))?,
                (_, Tone::Bad) => write!(stdout, "{}", paint.bad(&cell.text))?,
                (_, Tone::Quiet) => write!(stdout, "{}", paint.quiet(&cell.text))?,
            }
            write!(stdout, "{after}")?;
        }
        writeln!(stdout)?;
    }
    Ok(())
}
