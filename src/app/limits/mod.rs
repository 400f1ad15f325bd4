//! How many requests an API key and its merchant may send, and how many at once.
//!
//! Budgets are those of the whole service, and no request asks the database for its token. Every replica has the whole bucket and takes
//! out of it, for each request, as many tokens as there are replicas ([`replicas`]): together they let through what is allowed,
//! where a balancer spreads a caller's requests evenly. Only who proved a key draws on a budget, so that made-up keys leave nothing.
//!
//! A repeat is no second request. Where the budget of writes is spent, one whose `Idempotency-Key` is known goes on at the cost of
//! the reads, so that whoever lost an answer learns it: to look for the key is the one round trip, and it is made only then.

mod budget;
mod replicas;

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::App;
use super::auth::Caller;
use super::idempotency;
use crate::domain::idempotency::IdempotencyKey;
use crate::domain::ids::{ApiKeyId, MerchantId};

use budget::Budget;
pub use budget::Standing;
pub use replicas::Replica;

/// How many requests are allowed in a second, over all replicas, and how many of a merchant's at once.
#[derive(Clone, Copy, Debug)]
pub struct Rates {
    /// That read, of one key.
    pub reads: NonZeroU32,
    /// That change something, of one key.
    pub writes: NonZeroU32,
    /// That read, of one merchant.
    pub merchant_reads: NonZeroU32,
    /// That change something, of one merchant.
    pub merchant_writes: NonZeroU32,
    /// Served at once by this process, of one merchant.
    pub at_once: NonZeroU32,
}

/// Which budget a request draws on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Draws {
    /// It only looks.
    Reads,
    /// It may change something.
    Writes,
}

/// Why a request must wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TooMany {
    /// A budget is spent: until then.
    Rate(Duration),
    /// The merchant has as many requests being served as it may have.
    AtOnce,
}

/// What came of asking for a token.
#[derive(Debug)]
pub struct Taken {
    /// How the key's and the merchant's budgets stand, as far as they were asked.
    pub standings: Vec<Standing>,
    /// The merchant's place among those that are served, until it is dropped.
    pub place: Result<Place, TooMany>,
}

/// The budgets of all keys and merchants.
#[derive(Debug)]
pub struct Limits {
    reads: Pair,
    writes: Pair,
    places: Places,
    replicas: AtomicU32,
}

/// What a key has, and what its merchant has.
#[derive(Debug)]
struct Pair {
    key: Budget<ApiKeyId>,
    merchant: Budget<MerchantId>,
}

impl Pair {
    /// A token of each, the key's first: a key that has spent its own takes nothing of its merchant's.
    fn take(&self, caller: &Caller, cost: NonZeroU32, standings: &mut Vec<Standing>) -> Result<(), TooMany> {
        standings.clear();
        for taken in [
            self.key.take(&caller.key_id, cost),
            self.merchant.take(&caller.merchant_id, cost),
        ] {
            match taken {
                Ok(standing) => standings.push(standing),
                Err((standing, wait)) => {
                    standings.push(standing);
                    return Err(TooMany::Rate(wait));
                }
            }
        }
        Ok(())
    }
}

impl Limits {
    /// Full budgets, for this process alone until it has heard of others.
    #[must_use]
    pub fn new(rates: Rates) -> Self {
        Self {
            reads: Pair {
                key: Budget::new("key-reads", rates.reads),
                merchant: Budget::new("merchant-reads", rates.merchant_reads),
            },
            writes: Pair {
                key: Budget::new("key-writes", rates.writes),
                merchant: Budget::new("merchant-writes", rates.merchant_writes),
            },
            places: Places::new(rates.at_once),
            replicas: AtomicU32::new(1),
        }
    }

    /// How many replicas share the budgets.
    #[must_use]
    pub fn replicas(&self) -> u32 {
        self.replicas.load(Ordering::Relaxed)
    }

    fn share(&self, replicas: u32) {
        let before = self.replicas.swap(replicas, Ordering::Relaxed);
        if before != replicas {
            tracing::info!(replicas, "the rate budgets are shared anew");
        }
    }

    fn cost(&self) -> NonZeroU32 {
        NonZeroU32::new(self.replicas()).unwrap_or(NonZeroU32::MIN)
    }
}

/// Takes a token for a request of a caller's, who has proved who they are. Nothing is written, whatever comes of it.
///
/// `key` is the request's `Idempotency-Key`, where it has one.
pub async fn take(app: &App, caller: &Caller, draws: Draws, key: Option<&IdempotencyKey>) -> Taken {
    let limits = &app.limits;
    let cost = limits.cost();
    let mut standings = Vec::with_capacity(2);
    let taken = match draws {
        Draws::Reads => limits.reads.take(caller, cost, &mut standings),
        Draws::Writes => limits.writes.take(caller, cost, &mut standings),
    };
    let taken = match (taken, draws, key) {
        (Err(spent), Draws::Writes, Some(key)) => {
            let mut of_reads = Vec::with_capacity(2);
            let looks = limits.reads.take(caller, cost, &mut of_reads);
            if looks.is_ok() && idempotency::is_known(app, caller, key).await {
                standings = of_reads;
                Ok(())
            } else {
                Err(spent)
            }
        }
        (taken, _, _) => taken,
    };
    let place = taken.and_then(|()| limits.places.take(caller.merchant_id).ok_or(TooMany::AtOnce));
    Taken { standings, place }
}

type Counts = HashMap<MerchantId, u32>;

/// How many requests of each merchant are being served. One that has none is not in it.
#[derive(Debug)]
struct Places {
    most: u32,
    taken: Arc<Mutex<Counts>>,
}

/// A merchant's place among the requests that are being served, until it is dropped.
#[derive(Debug)]
pub struct Place {
    merchant: MerchantId,
    taken: Arc<Mutex<Counts>>,
}

impl Places {
    fn new(most: NonZeroU32) -> Self {
        Self {
            most: most.get(),
            taken: Arc::default(),
        }
    }

    fn take(&self, merchant: MerchantId) -> Option<Place> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.entry(merchant).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        drop(taken);
        Some(Place {
            merchant,
            taken: Arc::clone(&self.taken),
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&self.merchant) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.merchant);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use super::*;

    #[test]
    fn a_merchant_has_so_many_places_and_who_has_none_is_forgotten() {
        let places = Places::new(NonZeroU32::new(2).unwrap());
        let (one, other) = (MerchantId::generate(), MerchantId::generate());
        let first = places.take(one).unwrap();
        let second = places.take(one).unwrap();
        assert!(places.take(one).is_none());
        let third = places.take(other).unwrap();
        drop(first);
        assert!(places.take(one).is_some());
        drop((second, third));
        assert!(places.taken.lock().unwrap().is_empty());
    }
}
