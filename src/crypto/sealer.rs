//! The data keys that this process has in hand: unwrapped once, and found without asking anybody.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use secrecy::SecretString;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{CryptoError, DataKey, KeyRing, LocalKek, Place, Sealed};

/// How long a merchant's newest data key is taken to be the newest. Opening does not depend on it.
const FRESH: Duration = Duration::from_secs(1);

/// Within which time every process seals with a merchant's new data key: `FRESH`, the two seconds for which an account is remembered
/// with its data key, and one for what is under way.
pub const LEARNED_WITHIN: Duration = Duration::from_secs(4);

/// How many data keys are in hand at most, at about 1 kB each.
const MOST: usize = 16_384;

/// Seals and opens secrets. Clones share the keys in hand.
#[derive(Clone)]
pub struct Sealer {
    ring: KeyRing,
    known: Arc<RwLock<Known>>,
    turn: Arc<AtomicU64>,
    most: usize,
}

#[derive(Default)]
struct Known {
    keys: HashMap<(Uuid, u32), InHand>,
    /// With which version a merchant's things are sealed, and when that was asked.
    current: HashMap<Uuid, (u32, Instant)>,
}

struct InHand {
    key: Arc<DataKey>,
    /// The higher, the more recently it was used.
    used: AtomicU64,
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sealer")
    }
}

impl Sealer {
    /// A sealer whose data keys the ring wraps and unwraps.
    #[must_use]
    pub fn new(ring: KeyRing) -> Self {
        Self {
            ring,
            known: Arc::default(),
            turn: Arc::default(),
            most: MOST,
        }
    }

    /// The same over one key: 32 bytes in base64.
    ///
    /// # Errors
    /// [`CryptoError::Key`].
    pub fn parse(key: &SecretString) -> Result<Self, CryptoError> {
        let kek = Arc::new(LocalKek::parse(key)?);
        Ok(Self::new(KeyRing::new(kek, Vec::new())))
    }

    /// What wraps and unwraps data keys.
    #[must_use]
    pub const fn ring(&self) -> &KeyRing {
        &self.ring
    }

    /// A data key that is in hand.
    pub(crate) fn recall(&self, merchant: Uuid, version: u32) -> Option<Arc<DataKey>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let found = known.keys.get(&(merchant, version))?;
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        found.used.store(turn, Ordering::Relaxed);
        Some(Arc::clone(&found.key))
    }

    /// The data key that seals a merchant's things, where that was asked lately.
    pub(crate) fn recall_current(&self, merchant: Uuid) -> Option<Arc<DataKey>> {
        let version = {
            let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
            let (version, asked) = known.current.get(&merchant)?;
            (asked.elapsed() < FRESH).then_some(*version)?
        };
        self.recall(merchant, version)
    }

    /// Takes a data key in hand. Only one whose row is committed: what is not on disk may never be.
    pub(crate) fn learn(&self, merchant: Uuid, key: &Arc<DataKey>) {
        let used = AtomicU64::new(self.turn.fetch_add(1, Ordering::Relaxed));
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.keys.len() >= self.most {
            known.make_room();
        }
        let key = Arc::clone(key);
        known.keys.insert((merchant, key.version()), InHand { key, used });
    }

    /// Notes with which version a merchant's things are sealed, as the database said just now.
    pub(crate) fn learn_current(&self, merchant: Uuid, version: u32) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.keys.contains_key(&(merchant, version)) {
            known.current.insert(merchant, (version, Instant::now()));
        }
    }

    /// Opens what was sealed for that place, where no data key must be read for it.
    pub(crate) fn open_known(
        &self,
        place: Place,
        sealed: &[u8],
    ) -> Option<Result<Zeroizing<Vec<u8>>, CryptoError>> {
        let sealed = match Sealed::parse(sealed) {
            Ok(sealed) => sealed,
            Err(error) => return Some(Err(error)),
        };
        let Some(version) = sealed.version else {
            return Some(self.ring.open_single(place, sealed));
        };
        self.recall(place.merchant, version)
            .map(|key| key.open(place, sealed))
    }

    #[cfg(test)]
    pub(super) fn with_room_for(mut self, most: usize) -> Self {
        self.most = most;
        self
    }

    #[cfg(test)]
    pub(super) fn in_hand(&self) -> usize {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.keys.len().max(known.current.len())
    }
}

impl Known {
    /// Lets go of the quarter that was not used for longest.
    fn make_room(&mut self) {
        let mut turns: Vec<u64> = self
            .keys
            .values()
            .map(|each| each.used.load(Ordering::Relaxed))
            .collect();
        let quarter = turns.len() / 4;
        let (_, last, _) = turns.select_nth_unstable(quarter);
        let last = *last;
        self.keys
            .retain(|_, each| each.used.load(Ordering::Relaxed) > last);
        let keys = &self.keys;
        self.current
            .retain(|merchant, (version, _)| keys.contains_key(&(*merchant, *version)));
    }
}
