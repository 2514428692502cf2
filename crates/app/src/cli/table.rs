//! Aligned tables for terminals and pipes.

use crate::view::text::{Line, Tone};

/// Blanks between two columns.
const GAP: usize = 2;

/// Rows of cells under titles; every row has as many cells as there are titles.
pub(crate) struct Table {
    titles: Vec<&'static str>,
    rows: Vec<Vec<(Tone, String)>>,
}

impl Table {
    pub(crate) fn new(titles: &[&'static str]) -> Table {
        Table {
            titles: titles.to_vec(),
            rows: Vec::new(),
        }
    }

    pub(crate) fn row(&mut self, cells: Vec<(Tone, String)>) {
        self.rows.push(cells);
    }

    /// The table as lines. The last column is as long as it is.
    pub(crate) fn lines(&self) -> Vec<Line> {
        let titles: Vec<(Tone, String)> = self
            .titles
            .iter()
            .map(|title| (Tone::Quiet, (*title).to_owned()))
            .collect();
        let rows: Vec<&Vec<(Tone, String)>> = std::iter::once(&titles).chain(&self.rows).collect();
        let widths: Vec<usize> = (0..self.titles.len())
            .map(|at| {
                let cells = rows.iter().filter_map(|row| row.get(at));
                cells
                    .map(|(tone, cell)| Line::new().with(*tone, cell).width())
                    .max()
                    .unwrap_or(0)
            })
            .collect();
        rows.iter()
            .map(|row| {
                let mut line = Line::new();
                let mut column = 0;
                for ((tone, cell), width) in row.iter().zip(&widths) {
                    line.pad_to(column);
                    line.push(*tone, cell);
                    column += width + GAP;
                }
                line
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::text::plain_lines;

    #[test]
    fn columns_align_by_what_is_seen() {
        let mut table = Table::new(&["NAME", "X"]);
        table.row(vec![
            (Tone::Strong, "größe".into()),
            (Tone::Plain, "1".into()),
        ]);
        table.row(vec![(Tone::Strong, "a".into()), (Tone::Plain, "2".into())]);
        assert_eq!(
            plain_lines(&table.lines()),
            ["NAME   X", "größe  1", "a      2"]
        );
    }
}
