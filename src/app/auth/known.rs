//! Keys that were read lately, remembered as long as nothing about any key changed anywhere.
//!
//! A replica asks a few times a second for one number, which rises with every change of a key (`store::key_epoch`). While that
//! answer is fresh and the same, what was read holds; where no answer comes, what was read is believed for less than a second. So
//! most requests read nothing, and a key that was revoked on one replica is refused on all of them within a second.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use time::OffsetDateTime;
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

use super::failures::Failures;
use crate::domain::api_key::KeyKind;
use crate::domain::network::Networks;
use crate::store::api_keys::ApiKey;
use crate::store::operator_keys::OperatorKey;
use crate::store::{self, Db, StoreError};

/// How long what was read is believed after it was known to hold. Under a second by more than a poll may be late.
const BELIEVED: Duration = Duration::from_millis(750);

/// From one look at the number to the next.
const LOOKED_EVERY: Duration = Duration::from_millis(200);

/// How often the number is looked at without anybody calling, before the looks stop until somebody does.
const IDLE_LOOKS: u32 = 50;

/// How many keys are remembered.
const MOST_KEYS: usize = 20_000;

/// How many texts that are no keys are remembered.
const MOST_STRANGERS: usize = 1_000;

/// How many texts that were no good keys here before are looked up at once.
const STRANGERS_AT_ONCE: usize = 4;

/// How many uses are written in one statement.
const WRITTEN_AT_ONCE: usize = 500;

/// After how many looks uses are written.
const WRITTEN_EVERY_LOOKS: u32 = 5;

/// Whom a key stands for, as it was read.
#[derive(Debug)]
pub(super) enum Whom {
    Merchant { key: ApiKey, is_disabled: bool },
    Operator(OperatorKey),
}

impl Whom {
    pub(super) fn is_good(&self, now: OffsetDateTime) -> bool {
        match self {
            Self::Merchant { key, .. } => key.is_good(now),
            Self::Operator(key) => key.revoked_at.is_none() && key.expires_at.is_none_or(|at| at > now),
        }
    }

    pub(super) const fn networks(&self) -> &Networks {
        match self {
            Self::Merchant { key, .. } => &key.networks,
            Self::Operator(key) => &key.networks,
        }
    }

    const fn row(&self) -> (KeyKind, Uuid, Option<OffsetDateTime>) {
        match self {
            Self::Merchant { key, .. } => (KeyKind::of_mode(key.live), key.id.uuid(), key.last_used_at),
            Self::Operator(key) => (KeyKind::Operator, key.id.uuid(), key.last_used_at),
        }
    }
}

/// A key as it was read.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) whom: Whom,
    /// The number that was known before it was read.
    epoch: i64,
    read_at: Instant,
    /// The minute in which it was last noted that it was used, since 1970.
    noted_min: AtomicI64,
}

/// What is remembered of a text.
pub(super) enum Recalled {
    /// It stands for this, and that holds.
    Known(Arc<Known>),
    /// It is no key.
    Stranger,
    /// It stood for a key when it was last read.
    Before,
    /// It was not read lately.
    Unread,
}

#[derive(Debug)]
struct Memory {
    keys: HashMap<[u8; 32], Arc<Known>>,
    strangers: HashMap<[u8; 32], Instant>,
    /// As the database has it; below zero where a key was changed here and the database was not asked since.
    epoch: i64,
    /// When the question began that was answered with this number.
    confirmed_at: Option<Instant>,
    forgotten: i64,
    forgotten_at: Instant,
}

#[derive(Debug)]
struct Inner {
    memory: RwLock<Memory>,
    used: Mutex<HashMap<Uuid, (KeyKind, OffsetDateTime)>>,
    asked: AtomicBool,
    waiting: Notify,
}

/// The keys that were read lately, and what those who have none are kept from.
#[derive(Debug)]
pub struct Keys {
    inner: Arc<Inner>,
    pub(super) failures: Failures,
    failed: AtomicU64,
    /// Where those who were not known here are looked up.
    pub(super) strangers: Semaphore,
    /// The same for addresses that failed too often: one after the other.
    pub(super) suspects: Semaphore,
    _ends_the_work: DropGuard,
}

impl Keys {
    /// No key yet, and the work that must be spawned to hear of changes and to note uses; it ends when this is dropped.
    pub fn following(db: Db) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let inner = Arc::new(Inner {
            memory: RwLock::new(Memory {
                keys: HashMap::new(),
                strangers: HashMap::new(),
                epoch: 0,
                confirmed_at: None,
                forgotten: 0,
                forgotten_at: Instant::now(),
            }),
            used: Mutex::default(),
            asked: AtomicBool::new(false),
            waiting: Notify::new(),
        });
        let gone = CancellationToken::new();
        let work = follow(db, Arc::clone(&inner), gone.clone());
        let keys = Self {
            inner,
            failures: Failures::default(),
            failed: AtomicU64::new(0),
            strangers: Semaphore::new(STRANGERS_AT_ONCE),
            suspects: Semaphore::new(1),
            _ends_the_work: gone.drop_guard(),
        };
        (keys, work)
    }

    /// How many requests failed to prove who sent them, since the process started.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }

    pub(super) fn count_failure(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    /// What is remembered of a text.
    pub(super) fn recall(&self, hash: &[u8; 32]) -> Recalled {
        self.inner.asked.store(true, Ordering::Relaxed);
        let memory = self.inner.memory.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = memory.keys.get(hash) {
            let held_at = memory
                .confirmed_at
                .map_or(known.read_at, |at| at.max(known.read_at));
            if known.epoch == memory.epoch && held_at.elapsed() < BELIEVED {
                return Recalled::Known(Arc::clone(known));
            }
            return Recalled::Before;
        }
        match memory.strangers.get(hash) {
            Some(read_at) if read_at.elapsed() < BELIEVED => Recalled::Stranger,
            Some(_) | None => Recalled::Unread,
        }
    }

    /// The number to remember a key with that is read from now on.
    pub(super) fn epoch(&self) -> i64 {
        // Whoever reads will call again: the looks may go on.
        self.inner.waiting.notify_one();
        let memory = self.inner.memory.read().unwrap_or_else(PoisonError::into_inner);
        memory.epoch
    }

    /// Remembers what a text stands for, as it was read since `read_at`, when the number was `epoch`.
    pub(super) fn remember(&self, hash: [u8; 32], whom: Whom, epoch: i64, read_at: Instant) -> Arc<Known> {
        let (_, _, last_used_at) = whom.row();
        let known = Arc::new(Known {
            whom,
            epoch,
            read_at,
            noted_min: AtomicI64::new(last_used_at.map_or(0, minute)),
        });
        let mut memory = self.inner.memory.write().unwrap_or_else(PoisonError::into_inner);
        if memory.keys.len() >= MOST_KEYS && !memory.keys.contains_key(&hash) {
            memory.keys.clear();
        }
        memory.strangers.remove(&hash);
        memory.keys.insert(hash, Arc::clone(&known));
        known
    }

    /// Remembers that a text is no key.
    pub(super) fn remember_stranger(&self, hash: [u8; 32], read_at: Instant) {
        let mut memory = self.inner.memory.write().unwrap_or_else(PoisonError::into_inner);
        if memory.strangers.len() >= MOST_STRANGERS {
            memory.strangers.clear();
        }
        memory.keys.remove(&hash);
        memory.strangers.insert(hash, read_at);
    }

    /// Reads every key anew the next time: one was changed here.
    pub(in crate::app) fn forget_all(&self) {
        self.inner.forget_all();
    }

    /// Notes that a key is used, to be written later, at most once a minute.
    pub(super) fn note_used(&self, known: &Known, now: OffsetDateTime) {
        let now_min = minute(now);
        if known.noted_min.swap(now_min, Ordering::Relaxed) == now_min {
            return;
        }
        let (kind, id, _) = known.whom.row();
        let mut used = self.inner.used.lock().unwrap_or_else(PoisonError::into_inner);
        if used.len() < MOST_KEYS || used.contains_key(&id) {
            used.insert(id, (kind, now));
        }
    }
}

fn minute(time: OffsetDateTime) -> i64 {
    time.unix_timestamp() / 60
}

impl Inner {
    fn forget_all(&self) {
        let mut memory = self.memory.write().unwrap_or_else(PoisonError::into_inner);
        // Keys are kept as those that were good before; their number fits no more.
        memory.forgotten -= 1;
        memory.epoch = memory.forgotten;
        memory.confirmed_at = None;
        memory.forgotten_at = Instant::now();
        memory.strangers.clear();
    }

    fn confirm(&self, epoch: i64, asked_at: Instant) {
        let mut memory = self.memory.write().unwrap_or_else(PoisonError::into_inner);
        if asked_at >= memory.forgotten_at {
            memory.epoch = epoch;
            memory.confirmed_at = Some(asked_at);
        }
    }

    fn take_used(&self) -> Vec<(Uuid, (KeyKind, OffsetDateTime))> {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.drain().collect()
    }
}

/// Looks at the number and writes down uses until nobody authenticates any more.
async fn follow(db: Db, inner: Arc<Inner>, gone: CancellationToken) {
    let (mut idle, mut looks) = (0, 0_u32);
    loop {
        let pause = async {
            if idle >= IDLE_LOOKS {
                inner.waiting.notified().await;
                idle = 0;
            } else {
                tokio::time::sleep(LOOKED_EVERY).await;
            }
        };
        let goes_on = gone.run_until_cancelled(pause).await.is_some();
        looks = looks.wrapping_add(1);
        if !goes_on || looks.is_multiple_of(WRITTEN_EVERY_LOOKS) {
            write_used(&db, &inner).await;
        }
        if !goes_on {
            return;
        }
        idle = if inner.asked.swap(false, Ordering::Relaxed) {
            0
        } else {
            idle + 1
        };
        let asked_at = Instant::now();
        match look(&db).await {
            Ok(epoch) => inner.confirm(epoch, asked_at),
            Err(error) => tracing::debug!(
                error = &error as &dyn std::error::Error,
                "changes of keys are not heard of"
            ),
        }
    }
}

async fn look(db: &Db) -> Result<i64, StoreError> {
    let mut conn = db.read_for([]).await?;
    store::key_epoch::get(&mut conn).await
}

/// Writes down which keys were used. What cannot be written is let go: the next use is a minute away.
async fn write_used(db: &Db, inner: &Inner) {
    let used = inner.take_used();
    for some in used.chunks(WRITTEN_AT_ONCE) {
        if let Err(error) = write_some(db, some).await {
            tracing::debug!(
                error = &error as &dyn std::error::Error,
                "the use of keys was not noted"
            );
        }
    }
}

async fn write_some(db: &Db, some: &[(Uuid, (KeyKind, OffsetDateTime))]) -> Result<(), StoreError> {
    let of = |operators: bool| -> Vec<(Uuid, OffsetDateTime)> {
        some.iter()
            .filter(|(_, (kind, _))| (*kind == KeyKind::Operator) == operators)
            .map(|(id, (_, at))| (*id, *at))
            .collect()
    };
    let (merchants, operators) = (of(false), of(true));
    if !merchants.is_empty() {
        let mut tx = db.dispatch().await?;
        store::api_keys::note_used(&mut tx, &merchants).await?;
        tx.commit().await?;
    }
    if !operators.is_empty() {
        let mut tx = db.begin_for([]).await?;
        store::operator_keys::note_used(&mut tx, &operators).await?;
        tx.commit().await?;
    }
    Ok(())
}
