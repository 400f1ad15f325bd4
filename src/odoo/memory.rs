//! What instances told about themselves, kept for a while so that it is not asked before every call.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use reqwest::Url;

use super::version::Version;

/// How long an answer counts. An upgrade is seen earlier: the calls that it breaks make us forget.
const LIFE: Duration = Duration::from_hours(1);

/// Answers of this process, for all instances.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// By address.
    pub(super) versions: Shelf<Url, Version>,
    /// The ids of users, which never change for one login of one database.
    pub(super) users: Shelf<UserKey, i64>,
}

/// Address, database and login.
pub(super) type UserKey = (Url, String, String);

/// Answers of one kind.
///
/// Several that find none ask at once: a few requests more, and none waits for another's timeout.
#[derive(Debug)]
pub(super) struct Shelf<K, V>(Mutex<HashMap<K, (V, Instant)>>);

impl<K, V> Default for Shelf<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash, V: Copy> Shelf<K, V> {
    pub(super) fn get(&self, key: &K) -> Option<V> {
        self.get_at(key, Instant::now())
    }

    pub(super) fn put(&self, key: K, value: V) {
        self.put_at(key, value, Instant::now());
    }

    pub(super) fn forget(&self, key: &K) {
        self.lock().remove(key);
    }

    fn get_at(&self, key: &K, now: Instant) -> Option<V> {
        let kept = self.lock().get(key).copied();
        kept.filter(|(_, since)| is_fresh(*since, now))
            .map(|(value, _)| value)
    }

    /// Keeps an answer, and drops those that are too old: it never holds more than is asked for within their life.
    fn put_at(&self, key: K, value: V, now: Instant) {
        let mut kept = self.lock();
        kept.retain(|_, (_, since)| is_fresh(*since, now));
        kept.insert(key, (value, now));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<K, (V, Instant)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_fresh(since: Instant, now: Instant) -> bool {
    now.saturating_duration_since(since) < LIFE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_counts_for_its_life_and_is_then_dropped() {
        let shelf = Shelf::default();
        let start = Instant::now();
        shelf.put_at("a", 1, start);

        assert_eq!(shelf.get_at(&"a", start + LIFE / 2), Some(1));
        assert_eq!(shelf.get_at(&"a", start + LIFE), None);
        shelf.put_at("b", 2, start + LIFE);

        assert_eq!(shelf.lock().len(), 1);
    }

    #[test]
    fn what_is_forgotten_is_asked_again() {
        let shelf = Shelf::default();
        shelf.put("a", 1);
        shelf.put("b", 2);

        shelf.forget(&"a");

        assert_eq!((shelf.get(&"a"), shelf.get(&"b")), (None, Some(2)));
    }
}
