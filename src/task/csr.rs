//! Lists of numbers, one behind the other in one piece of memory.

/// For each of `n` rows a list of numbers.
#[derive(Clone, Debug, Default)]
pub(super) struct Rows {
    /// Where each row ends.
    ends: Vec<u32>,
    items: Vec<u32>,
}

impl Rows {
    /// Adds a row.
    pub fn push(&mut self, row: impl IntoIterator<Item = u32>) {
        self.items.extend(row);
        self.ends.push(self.items.len() as u32);
    }

    /// A row; empty if there is none.
    pub fn row(&self, at: u32) -> &[u32] {
        let Some(end) = self.ends.get(at as usize) else { return &[] };
        let start = if at == 0 { 0 } else { self.ends[at as usize - 1] };
        &self.items[start as usize..*end as usize]
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// For each number the rows it occurs in, in order.
    pub fn reversed(&self) -> Rows {
        let mut ends = vec![0u32; self.len()];
        for item in &self.items {
            ends[*item as usize] += 1;
        }
        let mut sum = 0;
        for end in &mut ends {
            let count = *end;
            // Where the row starts, for now: filling it moves that to its end.
            *end = sum;
            sum += count;
        }
        let mut items = vec![0; self.items.len()];
        for row in 0..self.len() as u32 {
            for item in self.row(row) {
                let place = &mut ends[*item as usize];
                items[*place as usize] = row;
                *place += 1;
            }
        }
        Rows { ends, items }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reversing_twice_gives_the_same() {
        let mut rows = Rows::default();
        for row in [vec![1, 2], vec![], vec![0, 1, 3], vec![3]] {
            rows.push(row);
        }
        let reversed = rows.reversed();
        assert_eq!(reversed.row(1), [0, 2]);
        assert_eq!(reversed.row(3), [2, 3]);
        let again = reversed.reversed();
        assert_eq!((again.ends, again.items), (rows.ends.clone(), rows.items.clone()));
        assert_eq!(rows.row(9), [0u32; 0]);
    }
}
