//! Use cases. Transactions begin and commit here, and never stay open across a network call.

mod account_events;
mod accounts;
mod apply;
pub mod audit;
pub mod audit_log;
pub mod auth;
mod carry_out;
pub mod checkout;
mod clock;
pub mod connection;
pub mod customers;
pub mod disputes;
pub mod doctor;
pub mod endpoints;
mod error;
pub mod events;
pub mod exceptions;
pub mod foreign;
pub mod gauges;
pub mod health;
pub mod history;
mod idempotency;
mod inbox;
pub mod keys;
pub mod limits;
pub mod links;
pub mod nightly;
pub mod messages;
mod news;
pub mod odoo_setup;
pub mod outbox;
mod page;
pub mod personal;
pub mod payment_methods;
pub mod payments;
pub mod queue;
mod payouts;
pub mod postings;
pub mod reconciliation;
pub mod restore;
pub mod rights;
pub mod setup;
pub mod setups;
pub mod sweep;
mod wallet;
mod wallet_events;
pub mod webhooks;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use crate::crypto::Sealer;
use crate::domain::ids::MerchantId;
use crate::domain::network::Networks;
use crate::provider::{Provider, Registry};
use crate::sink::Sink;
use crate::store::{Db, Tx};

pub use accounts::Accounts;
pub use clock::Clock;
pub use error::AppError;
pub use idempotency::{Answer, Key, Keyed, Served};
pub use inbox::Inbox;
pub use outbox::Outgoing;
pub use page::Page;
use payments::PaymentDetail;

/// How long things may take.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// How long a caller waits for an outcome before it gets a 202; Odoo gives up after 10 seconds.
    pub answer_within: Duration,
    /// How long an operation belongs to whoever took it up; longer than a provider call may take.
    pub operation_lease: Duration,
    /// How long an event belongs to the worker that took it up.
    pub event_lease: Duration,
    /// How long a message belongs to the worker that took it up, and how long sending it may take.
    pub message_lease: Duration,
    /// From one look at a provider's list of events to the next, as long as none is missed.
    pub events_polled_every: Duration,
    /// Divides every waiting time between attempts: 1 in earnest, more for trials.
    pub retry_divisor: u32,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            answer_within: Duration::from_millis(7_500),
            operation_lease: Duration::from_secs(30),
            event_lease: Duration::from_secs(55),
            message_lease: Duration::from_mins(2),
            events_polled_every: Duration::from_mins(5),
            retry_divisor: 1,
        }
    }
}

impl Timing {
    /// A waiting time between attempts, as configured.
    fn scaled(&self, wait: time::Duration) -> time::Duration {
        let wait = wait / i32::try_from(self.retry_divisor.max(1)).unwrap_or(i32::MAX);
        // Postgres keeps whole microseconds and takes nothing finer.
        wait - time::Duration::nanoseconds((wait.subsec_nanoseconds() % 1_000).into())
    }
}

/// Everything that use cases need, put together at start-up.
pub struct App {
    /// Postgres.
    pub db: Db,
    /// Postgres, for taking webhooks in: what the rest asks of it keeps none of them waiting.
    pub intake: Db,
    /// How many requests keys and merchants may send.
    pub limits: limits::Limits,
    /// The time.
    pub clock: Clock,
    /// Seals and opens secrets.
    pub sealer: Sealer,
    /// The payment companies.
    pub providers: Registry,
    /// The way to Odoo.
    pub sink: Arc<dyn Sink>,
    /// Which messages take it, and how many at once.
    pub outgoing: Outgoing,
    /// How long things may take.
    pub timing: Timing,
    /// How long what is personal is kept.
    pub kept: personal::Kept,
    /// Writes events, many at once.
    pub inbox: Inbox,
    /// What is worked on one by one, for events.
    pub in_hand: queue::InHand,
    /// The keys that were read lately.
    pub keys: auth::Keys,
    /// Whose word is taken for where a request comes from.
    pub trusted_proxies: Networks,
    /// The provider accounts that were read lately.
    pub accounts: Accounts,
    /// What stands in queues, as it was counted last.
    pub gauges: gauges::Gauges,
    /// Where work goes on without its caller: not on the thread of a request, which may end before it.
    pub runtime: tokio::runtime::Handle,
    /// That work; shutdown waits for it.
    pub tasks: TaskTracker,
    /// Rings when there may be work, for workers in this process.
    pub bell: Arc<Notify>,
}

impl App {
    /// Begins to work for a merchant.
    async fn begin(&self, merchant: MerchantId) -> Result<Tx, AppError> {
        Ok(self.db.begin(merchant).await?)
    }

    /// Begins to read what must have stood together at one moment.
    async fn begin_to_read(&self, merchant: MerchantId) -> Result<Tx, AppError> {
        Ok(self.db.read_at_once(merchant).await?)
    }

    fn provider(&self, name: &str) -> Result<&Arc<dyn Provider>, AppError> {
        self.providers
            .find(name)
            .ok_or_else(|| AppError::UnknownProvider(name.to_owned()))
    }

    /// Lets work go on without its caller.
    fn spawn<F>(&self, work: F) -> tokio::task::JoinHandle<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        self.tasks.spawn_on(work.in_current_span(), &self.runtime)
    }
}

/// Commits, and turns a failure into ours.
async fn commit(tx: Tx) -> Result<(), AppError> {
    Ok(tx.commit().await.map_err(crate::store::StoreError::from)?)
}
