//! Pages of lists.

/// A page of a list, in the order of the list.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// What is on it.
    pub data: Vec<T>,
    /// Whether the list goes on.
    pub has_more: bool,
}

impl<T> Page<T> {
    /// The page that holds `limit` at most, out of what was found when [`one_more`] was looked for.
    pub(super) fn of(mut found: Vec<T>, limit: u16) -> Self {
        let has_more = found.len() > usize::from(limit);
        found.truncate(limit.into());
        Self {
            data: found,
            has_more,
        }
    }

    /// What it ends with, where the list goes on.
    #[must_use]
    pub fn end(&self) -> Option<&T> {
        self.data.last().filter(|_| self.has_more)
    }
}

/// How many to look for, to see whether there are more than a page holds.
pub(super) fn one_more(limit: u16) -> i64 {
    i64::from(limit) + 1
}
