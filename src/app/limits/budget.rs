//! A budget of requests: a bucket for each of those who have one.

use std::hash::Hash;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};

/// A bucket holds what comes in during this time: a burst is no fault, and a shop's busy minute goes through.
pub(super) const WINDOW_S: u32 = 10;

/// After so many requests, buckets that are full again are let go: they stand for nothing.
const SWEEP_EVERY: u32 = 4_096;

/// How a budget stands after a request, for the caller to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Which budget.
    pub name: &'static str,
    /// How many requests it holds.
    pub quota: u32,
    /// In how many seconds it fills.
    pub window_s: u32,
    /// How many requests this process lets through at once from here.
    pub remaining: u32,
    /// In how many seconds it is full again; where nothing is left, when to come back.
    pub resets_in_s: u32,
}

type Buckets<K> = RateLimiter<K, HashMapStateStore<K>, DefaultClock, StateInformationMiddleware>;

/// A rate, and the buckets of those who drew on it lately.
#[derive(Debug)]
pub(super) struct Budget<K: Hash + Eq + Clone> {
    name: &'static str,
    rate: NonZeroU32,
    burst: NonZeroU32,
    buckets: Buckets<K>,
    clock: DefaultClock,
    until_sweep: AtomicU32,
}

impl<K: Hash + Eq + Clone> Budget<K> {
    pub(super) fn new(name: &'static str, per_s: NonZeroU32) -> Self {
        let burst = per_s.saturating_mul(NonZeroU32::MIN.saturating_add(WINDOW_S - 1));
        let clock = DefaultClock::default();
        let quota = Quota::per_second(per_s).allow_burst(burst);
        Self {
            name,
            rate: per_s,
            burst,
            buckets: RateLimiter::hashmap_with_clock(quota, clock.clone()).with_middleware(),
            clock,
            until_sweep: AtomicU32::new(SWEEP_EVERY),
        }
    }

    /// Takes `cost` tokens, or says when they are there.
    pub(super) fn take(&self, key: &K, cost: NonZeroU32) -> Result<Standing, (Standing, Duration)> {
        self.sweep();
        let cost = cost.min(self.burst);
        match self.buckets.check_key_n(key, cost) {
            Ok(Ok(state)) => {
                let left = state.remaining_burst_capacity();
                let spent = self.burst.get().saturating_sub(left);
                Ok(self.standing(left / cost, spent.div_ceil(self.rate.get())))
            }
            Ok(Err(not_until)) => {
                let wait = not_until.wait_time_from(self.clock.now());
                Err((self.standing(0, whole_seconds(wait)), wait))
            }
            // A cost of the whole bucket fits it: this is not reached.
            Err(_too_dear) => Ok(self.standing(0, WINDOW_S)),
        }
    }

    const fn standing(&self, remaining: u32, resets_in_s: u32) -> Standing {
        Standing {
            name: self.name,
            quota: self.burst.get(),
            window_s: WINDOW_S,
            remaining,
            resets_in_s,
        }
    }

    fn sweep(&self) {
        let due = |left: u32| Some(left.checked_sub(1).unwrap_or(SWEEP_EVERY));
        if self
            .until_sweep
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, due)
            == Ok(0)
        {
            self.buckets.retain_recent();
        }
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.buckets.len()
    }
}

/// In whole seconds, rounded up: who comes back then finds it so.
pub(super) fn whole_seconds(time: Duration) -> u32 {
    let seconds = time.as_secs() + u64::from(time.subsec_nanos() > 0);
    seconds.max(1).try_into().unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use super::*;

    fn of(number: u32) -> NonZeroU32 {
        NonZeroU32::new(number).unwrap()
    }

    #[test]
    fn each_has_a_bucket_of_its_own_that_tells_how_it_stands() {
        let budget = Budget::new("test", of(1));
        for left in (0..10).rev() {
            assert_eq!(budget.take(&"a", of(1)).unwrap().remaining, left);
        }
        let (standing, wait) = budget.take(&"a", of(1)).unwrap_err();
        assert_eq!(
            (standing.quota, standing.window_s, standing.remaining),
            (10, 10, 0)
        );
        assert!(wait <= Duration::from_secs(1) && standing.resets_in_s == 1);
        assert_eq!(
            budget.take(&"b", of(1)).unwrap().remaining,
            9,
            "another's is full"
        );
    }

    #[test]
    fn of_two_replicas_each_lets_half_through_and_a_crowd_of_them_still_something() {
        let budget = Budget::new("test", of(1));
        let let_through = (0..10).filter(|_| budget.take(&"a", of(2)).is_ok()).count();
        assert_eq!(let_through, 5);
        assert!(budget.take(&"b", of(1_000)).is_ok(), "never nothing at all");
        assert!(budget.take(&"b", of(1_000)).is_err());
    }

    #[test]
    fn however_many_draw_on_it_only_buckets_that_are_not_full_are_kept() {
        let budget = Budget::new("test", of(1_000_000_000));
        for key in 0..50_000_u32 {
            budget.take(&key, of(1)).unwrap();
        }
        assert!(budget.len() <= 2 * SWEEP_EVERY as usize, "{}", budget.len());
    }
}
