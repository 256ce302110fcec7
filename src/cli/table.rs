//! Plain tables.

use super::output::printable;

/// Lines of columns, each as wide as its widest cell; the first line is the header. Cells are made printable.
pub fn table(rows: &[Vec<String>]) -> String {
    let shown = |row: &Vec<String>| row.iter().map(|cell| printable(cell).into_owned()).collect();
    let rows: Vec<Vec<String>> = rows.iter().map(shown).collect();
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in &rows {
        let cells = row
            .iter()
            .zip(&widths)
            .map(|(cell, &width)| format!("{cell:<width$}"));
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text.trim_end().to_string()
}

/// The same with a header in words.
pub fn titled(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let header = header.iter().map(ToString::to_string).collect();
    table(&[header].into_iter().chain(rows).collect::<Vec<_>>())
}

/// Bytes for people.
pub fn bytes(count: u64) -> String {
    match count {
        0..0x400 => format!("{count} B"),
        0x400..0x10_0000 => format!("{} KiB", count >> 10),
        0x10_0000..0x4000_0000 => format!("{} MiB", count >> 20),
        _ => format!("{:.1} GiB", count as f64 / f64::from(1 << 30)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let row = vec!["long".to_string(), "ä".into()];
        assert_eq!(titled(&["a", "b"], [row]), "a     b\nlong  ä");
        assert_eq!(
            (bytes(1023), bytes(1 << 27)),
            ("1023 B".to_string(), "128 MiB".to_string())
        );
    }
}
