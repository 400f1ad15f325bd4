//! Rows that are found by a number, as in a database.

/// Rows of one kind, numbered upwards from a first id.
///
/// Every table starts elsewhere, so that an id of one is rarely an id of another.
#[derive(Debug)]
pub(super) struct Table<T> {
    first: i64,
    rows: Vec<T>,
}

impl<T> Table<T> {
    /// An empty table.
    pub(super) fn starting_at(first: i64) -> Self {
        Self {
            first,
            rows: Vec::new(),
        }
    }

    /// Adds a row and says its id.
    pub(super) fn add(&mut self, row: T) -> i64 {
        let id = self.next_id();
        self.rows.push(row);
        id
    }

    /// The id that the next row will have.
    pub(super) fn next_id(&self) -> i64 {
        self.first + i64::try_from(self.rows.len()).unwrap_or(i64::MAX)
    }

    /// A row by its id.
    pub(super) fn get(&self, id: i64) -> Option<&T> {
        self.rows.get(self.index(id)?)
    }

    /// A row by its id, to change it.
    pub(super) fn get_mut(&mut self, id: i64) -> Option<&mut T> {
        let index = self.index(id)?;
        self.rows.get_mut(index)
    }

    /// All ids and rows, oldest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = (i64, &T)> {
        (self.first..).zip(&self.rows)
    }

    fn index(&self, id: i64) -> Option<usize> {
        usize::try_from(id.checked_sub(self.first)?).ok()
    }
}
