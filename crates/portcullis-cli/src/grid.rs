//! Tables for people.

use comfy_table::{ContentArrangement, ContentLineStyle, LineStyle, Table, TableStyle};

use crate::printable;

/// Lines between the columns, and above and below the rows.
const STYLE: TableStyle = TableStyle::new()
    .top_border(LineStyle::new('┌', '─', '┬', '┐'))
    .header_lines(ContentLineStyle::new('│', '│', '│'))
    .header_separator(LineStyle::new('├', '─', '┼', '┤'))
    .content_lines(ContentLineStyle::new('│', '│', '│'))
    .bottom_border(LineStyle::new('└', '─', '┴', '┘'));

/// The table of `rows` under `columns`; `width` is that of the terminal, where it goes to one.
///
/// Cells are text of documents: they are escaped here.
pub(crate) fn grid(columns: &[&str], rows: Vec<Vec<String>>, width: Option<usize>) -> Table {
    let mut grid = Table::new();
    grid.load_style(STYLE);
    if let Some(width) = width.and_then(|width| u16::try_from(width).ok()) {
        grid.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    }
    grid.set_header(columns);
    for row in rows {
        grid.add_row(row.iter().map(|cell| printable::message(cell, "")));
    }
    grid
}
