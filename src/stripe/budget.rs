//! How many requests an account may send: what Stripe would refuse is not sent.
//!
//! Stripe counts an account's requests, and those to each endpoint. So a request stands in two lines, one behind the
//! other: its endpoint's, then its account's. Only the foremost of an endpoint goes on to the account's, and stays the
//! foremost meanwhile, so that tokens of a busy endpoint are not hoarded. In the account's line, what moves money
//! goes before what only reads, and reads have a bucket of half the rate: precedence holds within this process only,
//! and the other half is there at once for the payments of every other.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use tokio::sync::{Mutex, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use super::recent::Recent;
use super::request::Request;
use crate::domain::ids::ProviderAccountId;
use crate::provider::ProviderAccount;

/// The longest that an account rests at Stripe's word.
const LONGEST_REST: Duration = Duration::from_mins(1);

/// Longer than any request waits, is under way, and makes its account rest: what is older has no memory to lose.
const REMEMBERED: Duration = Duration::from_mins(5);

/// A bucket holds what comes in during this part of a second: little, so that a burst stays near the limit within any
/// second; enough, so that the few calls of one payment do not wait for each other.
const BURST_DIVISOR: u32 = 5;

/// How many requests this process may send to Stripe in a second.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// For an account in which real money moves.
    pub live: NonZeroU32,
    /// For any other account.
    pub test: NonZeroU32,
    /// To one endpoint, for one account.
    pub endpoint: NonZeroU32,
}

/// No token comes in time.
#[derive(Debug)]
pub(super) struct Exhausted {
    /// When to come back, where that is known.
    pub(super) after: Option<Duration>,
}

/// The tokens of all accounts.
#[derive(Debug)]
pub(super) struct Budget {
    limits: Limits,
    accounts: Recent<ProviderAccountId, Purse>,
}

impl Budget {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            accounts: Recent::new(REMEMBERED),
        }
    }

    /// Waits until a request may be sent. One that cannot be sent by `deadline` may not be sent.
    pub(super) async fn take(
        &self,
        account: &ProviderAccount,
        request: &Request,
        deadline: Instant,
    ) -> Result<(), Exhausted> {
        let errand = Errand {
            endpoint: request.endpoint(),
            moves_money: request.key().is_some(),
            deadline,
        };
        self.purse(account).take(errand).await
    }

    /// Lets an account rest, as Stripe asked: it would refuse the next request too.
    pub(super) fn rest(&self, account: &ProviderAccount, time: Duration) {
        let time = time.min(LONGEST_REST);
        tracing::warn!(
            provider_account = %account.id,
            rest_ms = time.as_millis(),
            "stripe.account.rest"
        );
        self.purse(account).rest_until(Instant::now() + time);
    }

    fn purse(&self, account: &ProviderAccount) -> Arc<Purse> {
        let rate = if account.live {
            self.limits.live
        } else {
            self.limits.test
        };
        self.accounts
            .get(account.id, || Purse::new(rate, self.limits.endpoint))
    }
}

/// Why a token is wanted, and until when.
struct Errand {
    endpoint: String,
    moves_money: bool,
    deadline: Instant,
}

/// The tokens of one account.
#[derive(Debug)]
struct Purse {
    bucket: Bucket,
    endpoint_rate: NonZeroU32,
    endpoints: Recent<String, Line>,
    /// Where the foremost of the endpoints that move money stand.
    money: Mutex<()>,
    /// Where the foremost of the endpoints that read stand.
    reads: Line,
    /// How many stand in the first of these, or at its head.
    money_waiting: watch::Sender<usize>,
    rests_until: watch::Sender<Instant>,
}

impl Purse {
    fn new(rate: NonZeroU32, endpoint_rate: NonZeroU32) -> Self {
        Self {
            bucket: Bucket::new(rate),
            endpoint_rate,
            endpoints: Recent::new(REMEMBERED),
            money: Mutex::new(()),
            reads: Line::new(part(rate, 2)),
            money_waiting: watch::Sender::new(0),
            rests_until: watch::Sender::new(Instant::now()),
        }
    }

    async fn take(&self, errand: Errand) -> Result<(), Exhausted> {
        let Errand {
            endpoint,
            moves_money,
            deadline,
        } = errand;
        self.rest(deadline)?;
        let wait = async {
            let endpoint = self.endpoints.get(endpoint, || Line::new(self.endpoint_rate));
            let _foremost = endpoint.turn.lock().await;
            endpoint.bucket.take().await;
            if moves_money {
                self.take_for_money(deadline).await
            } else {
                self.take_for_a_read(deadline).await
            }
        };
        timeout_at(deadline, wait)
            .await
            .unwrap_or_else(|_| self.rest(deadline).and(Err(Exhausted { after: None })))
    }

    async fn take_for_money(&self, deadline: Instant) -> Result<(), Exhausted> {
        let _waiting = Waiting::among(&self.money_waiting);
        let _foremost = self.money.lock().await;
        loop {
            if let Some(end) = self.rest(deadline)? {
                sleep_until(end).await;
            } else if let Err(time) = self.bucket.try_take() {
                sleep(time).await;
            } else {
                return Ok(());
            }
        }
    }

    async fn take_for_a_read(&self, deadline: Instant) -> Result<(), Exhausted> {
        let _foremost = self.reads.turn.lock().await;
        self.reads.bucket.take().await;
        let mut money_waiting = self.money_waiting.subscribe();
        loop {
            if let Some(end) = self.rest(deadline)? {
                sleep_until(end).await;
            } else if *money_waiting.borrow_and_update() > 0 {
                // The sender is ours: it does not go away.
                let _changed = money_waiting.changed().await;
            } else if let Err(time) = self.bucket.try_take() {
                sleep(time).await;
            } else {
                return Ok(());
            }
        }
    }

    fn rest_until(&self, end: Instant) {
        self.rests_until.send_modify(|until| *until = end.max(*until));
    }

    /// When the account's rest ends, where it rests.
    fn rest(&self, deadline: Instant) -> Result<Option<Instant>, Exhausted> {
        let (now, end) = (Instant::now(), *self.rests_until.borrow());
        if end > now && end > deadline {
            return Err(Exhausted {
                after: Some(end - now),
            });
        }
        Ok((end > now).then_some(end))
    }
}

/// One who waits for the account's tokens to move money. Whoever stops waiting, for whatever reason, holds nobody back.
struct Waiting<'a>(&'a watch::Sender<usize>);

impl<'a> Waiting<'a> {
    fn among(waiting: &'a watch::Sender<usize>) -> Self {
        waiting.send_modify(|count| *count += 1);
        Self(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

/// A bucket, and those who wait for it in the order in which they came.
#[derive(Debug)]
struct Line {
    turn: Mutex<()>,
    bucket: Bucket,
}

impl Line {
    fn new(rate: NonZeroU32) -> Self {
        Self {
            turn: Mutex::new(()),
            bucket: Bucket::new(rate),
        }
    }
}

/// Tokens that come in at a steady rate.
#[derive(Debug)]
struct Bucket {
    tokens: RateLimiter<NotKeyed, InMemoryState, Elapsed, NoOpMiddleware<Duration>>,
    clock: Elapsed,
}

impl Bucket {
    fn new(rate: NonZeroU32) -> Self {
        let clock = Elapsed {
            since: Instant::now(),
        };
        let quota = Quota::per_second(rate).allow_burst(part(rate, BURST_DIVISOR));
        Self {
            tokens: RateLimiter::direct_with_clock(quota, clock),
            clock,
        }
    }

    /// Takes a token, or says when the next one is there.
    fn try_take(&self) -> Result<(), Duration> {
        self.tokens
            .check()
            .map_err(|not_until| not_until.wait_time_from(self.clock.now()))
    }

    async fn take(&self) {
        while let Err(time) = self.try_take() {
            sleep(time).await;
        }
    }
}

/// The runtime's time, from which the waiting is too.
#[derive(Clone, Copy, Debug)]
struct Elapsed {
    since: Instant,
}

impl Clock for Elapsed {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.since.elapsed()
    }
}

/// A part of a rate, at least one.
fn part(rate: NonZeroU32, divisor: u32) -> NonZeroU32 {
    NonZeroU32::new(rate.get() / divisor).unwrap_or(NonZeroU32::MIN)
}
