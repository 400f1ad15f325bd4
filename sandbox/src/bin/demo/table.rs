//! Plain text tables: columns as wide as their widest cell, amounts to the right.

use std::fmt;

/// How a column's cells stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Right,
}

/// Rows of cells under a line of headings.
#[derive(Debug)]
pub(crate) struct Table<const COLUMNS: usize> {
    headings: [(&'static str, Align); COLUMNS],
    rows: Vec<[String; COLUMNS]>,
}

impl<const COLUMNS: usize> Table<COLUMNS> {
    pub(crate) fn new(headings: [(&'static str, Align); COLUMNS]) -> Self {
        Self {
            headings,
            rows: Vec::new(),
        }
    }

    pub(crate) fn row(&mut self, cells: [String; COLUMNS]) {
        self.rows.push(cells);
    }

    fn width(&self, column: usize) -> usize {
        let cells = self.rows.iter().map(|row| row[column].chars().count());
        cells
            .max()
            .unwrap_or(0)
            .max(self.headings[column].0.chars().count())
    }

    fn line(&self, f: &mut fmt::Formatter<'_>, cells: &[&str; COLUMNS]) -> fmt::Result {
        let padded = cells.iter().enumerate().map(|(column, cell)| {
            let width = self.width(column);
            match self.headings[column].1 {
                Align::Left => format!("{cell:<width$}"),
                Align::Right => format!("{cell:>width$}"),
            }
        });
        writeln!(f, "  {}", padded.collect::<Vec<_>>().join("  ").trim_end())
    }
}

impl<const COLUMNS: usize> fmt::Display for Table<COLUMNS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.line(f, &self.headings.map(|(heading, _)| heading))?;
        for row in &self.rows {
            self.line(f, &row.each_ref().map(String::as_str))?;
        }
        Ok(())
    }
}

/// Minor units as a person writes them, for currencies of two decimals.
pub(crate) fn amount(minor: i64) -> String {
    let sign = if minor < 0 { "-" } else { "" };
    format!(
        "{sign}{}.{:02}",
        minor.unsigned_abs() / 100,
        minor.unsigned_abs() % 100
    )
}

#[cfg(test)]
mod tests {
    use super::{Align, Table, amount};

    #[test]
    fn columns_line_up() {
        let mut table = Table::new([("invoice", Align::Left), ("gross", Align::Right)]);
        table.row(["INV/1".to_owned(), amount(12_100)]);
        table.row(["INV/10".to_owned(), amount(-5)]);

        assert_eq!(
            table.to_string(),
            "  invoice   gross\n  INV/1    121.00\n  INV/10    -0.05\n"
        );
    }
}
