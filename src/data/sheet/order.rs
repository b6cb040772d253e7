//! Orders of rows: stable, missing values last in both directions.

use std::cmp::Ordering;

use super::SheetColumn;
use crate::data::Values;

/// `rows` in the order of a column; rows of equal value keep their order, those without a value come last.
/// An array counts by its first value.
pub fn order_rows(column: &SheetColumn, rows: &[u32], descending: bool) -> Vec<u32> {
    let first = |row: u32| {
        let cell = column.data.cell(row as usize);
        (!cell.is_empty() && !column.is_missing(cell.start)).then_some(cell.start)
    };
    if let Values::Text(values) = &column.data.values {
        let mut keyed: Vec<(Option<&str>, u32)> =
            rows.iter().map(|&row| (first(row).map(|at| values[at].as_str()), row)).collect();
        keyed.sort_by(|(a, _), (b, _)| match (a, b) {
            (Some(a), Some(b)) => directed(a.cmp(b), descending),
            (a, b) => b.is_some().cmp(&a.is_some()),
        });
        return keyed.into_iter().map(|(_, row)| row).collect();
    }
    // Numbers as integers of the same order: one pass makes the keys, the sort compares nothing else.
    let mut keyed: Vec<(bool, u64, u32)> = rows
        .iter()
        .map(|&row| {
            let Some(at) = first(row) else { return (true, 0, row) };
            let key = match &column.data.values {
                Values::Logical(values) => u64::from(values[at]),
                Values::Integer(values) => values[at].cast_unsigned() ^ (1 << 63),
                Values::Unsigned(values) => values[at],
                _ => float_key(column.number(at)),
            };
            (false, if descending { !key } else { key }, row)
        })
        .collect();
    keyed.sort_by_key(|(missing, key, _)| (*missing, *key));
    keyed.into_iter().map(|(_, _, row)| row).collect()
}

fn directed(order: Ordering, descending: bool) -> Ordering {
    if descending { order.reverse() } else { order }
}

/// An integer that orders as the float does (0 and -0 are one).
fn float_key(x: f64) -> u64 {
    let bits = (x + 0.0).to_bits();
    if bits >> 63 == 1 { !bits } else { bits | (1 << 63) }
}

/// Where each of `total` rows stands in an order; `u32::MAX` for rows that are not in it.
pub fn places_of(order: &[u32], total: usize) -> Vec<u32> {
    let mut places = vec![u32::MAX; total];
    for (place, &row) in (0..).zip(order) {
        if let Some(slot) = places.get_mut(row as usize) {
            *slot = place;
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use super::super::Sheet;
    use super::*;
    use crate::data::{Table, TableColumn};

    #[test]
    fn orders_are_stable_and_missing_values_come_last() {
        let table = Table::new(vec![
            TableColumn::new("x", "", vec![2.0, f64::NAN, -1.0, 2.0, f64::INFINITY, -0.0, 0.0]),
            TableColumn::new("n", "", vec![3_i64, -5, i64::MIN, i64::MAX, 3, 0, 0]),
            TableColumn::new("t", "", ["b", "", "a", "b", "C", "a", ""].map(str::to_owned).to_vec()),
        ]);
        let sheet = Sheet::from_table("t", table);
        let all: Vec<u32> = (0..7).collect();
        let order = |column: usize, descending| order_rows(&sheet.columns[column], &all, descending);
        assert_eq!(order(0, false), [2, 5, 6, 0, 3, 4, 1]);
        assert_eq!(order(0, true), [4, 0, 3, 5, 6, 2, 1]);
        assert_eq!(order(1, false), [2, 1, 5, 6, 0, 4, 3]);
        assert_eq!(order(2, false), [4, 2, 5, 0, 3, 1, 6]);
        assert_eq!(order(2, true), [0, 3, 2, 5, 4, 1, 6]);
        assert_eq!(order_rows(&sheet.columns[0], &[4, 1, 0], false), [0, 4, 1]);
        assert_eq!(places_of(&[4, 1, 0], 6), [2, 1, u32::MAX, u32::MAX, 0, u32::MAX]);
    }
}
