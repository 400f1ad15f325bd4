//! What was used lately, by key.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How many entries are kept before any is looked at.
const FEW: usize = 64;

/// Values that are made when they are first asked for, and forgotten when nobody has asked for a while.
#[derive(Debug)]
pub(super) struct Recent<K, V> {
    remembered: Duration,
    entries: Mutex<Entries<K, V>>,
}

#[derive(Debug)]
struct Entries<K, V> {
    by_key: HashMap<K, Entry<V>>,
    /// How many there must be before the idle ones are looked for: twice what was left, so that looking stays cheap.
    sweep_at: usize,
}

#[derive(Debug)]
struct Entry<V> {
    value: Arc<V>,
    asked_at: Instant,
}

impl<K: Hash + Eq, V> Recent<K, V> {
    /// Nothing yet.
    pub(super) fn new(remembered: Duration) -> Self {
        let entries = Entries {
            by_key: HashMap::new(),
            sweep_at: FEW,
        };
        Self {
            remembered,
            entries: Mutex::new(entries),
        }
    }

    /// The value of a key, made where there is none.
    pub(super) fn get(&self, key: K, make: impl FnOnce() -> V) -> Arc<V> {
        let now = Instant::now();
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.by_key.len() >= entries.sweep_at {
            entries
                .by_key
                .retain(|_, entry| now.duration_since(entry.asked_at) < self.remembered);
            entries.sweep_at = FEW.max(entries.by_key.len() * 2);
        }
        let entry = entries.by_key.entry(key).or_insert_with(|| Entry {
            value: Arc::new(make()),
            asked_at: now,
        });
        entry.asked_at = now;
        Arc::clone(&entry.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn len(recent: &Recent<usize, usize>) -> usize {
        recent
            .entries
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .by_key
            .len()
    }

    #[test]
    fn however_many_keys_come_by_only_the_recent_ones_are_kept() {
        let recent = Recent::new(Duration::ZERO);
        for key in 0..10_000 {
            recent.get(key, || key);
        }
        assert!(len(&recent) <= FEW, "{}", len(&recent));

        let recent = Recent::new(Duration::from_mins(1));
        for key in 0..10_000 {
            recent.get(key, || key);
        }
        assert_eq!(len(&recent), 10_000);
        assert_eq!(*recent.get(7, || 0), 7, "what is kept is not made again");
    }
}
