//! Everything the pretend Stripe remembers, behind one lock.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use tokio::sync::Notify;
use tokio::time::Instant;
use uuid::Uuid;

use super::account::Account;
use super::balance::{BalanceTransaction, Terms};
use super::charges::Charge;
use super::checkout::Session;
use super::confirmation_tokens::ConfirmationToken;
use super::customers::Customer;
use super::disputes::{Dispute, Verdict};
use super::errors::ApiError;
use super::events::Event;
use super::idempotency::Keys;
use super::mandates::Mandate;
use super::movements::Movement;
use super::payment_intents::PaymentIntent;
use super::payment_methods::PaymentMethod;
use super::payouts::Payout;
use super::refunds::Refund;
use super::setup_intents::SetupIntent;
use super::webhooks::{Courier, Endpoint};

/// What does not change while the service runs.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) account_id: String,
    /// Whether the account is a connected one, and the keys are its platform's.
    pub(crate) connected: bool,
    pub(crate) secret_key: String,
    /// What that key is restricted to.
    pub(crate) permissions: Mutex<Option<Vec<String>>>,
    pub(crate) publishable_key: String,
    pub(crate) api_version: String,
    pub(crate) latency: Duration,
    pub(crate) search_lag: Duration,
    /// How long a balance transaction takes; on demand where absent.
    pub(crate) settle_after: Option<Duration>,
    /// Known once the port is bound.
    pub(crate) base_url: OnceLock<String>,
}

impl Settings {
    /// What the secret key is restricted to, where it is.
    pub(crate) fn permissions(&self) -> MutexGuard<'_, Option<Vec<String>>> {
        self.permissions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The service's own address, for pages that it sends customers to.
    pub(crate) fn base_url(&self) -> &str {
        self.base_url.get().map_or("", String::as_str)
    }
}

/// The request that an event is attributed to; empty for what happens by itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct Origin {
    pub(crate) request: Option<String>,
    pub(crate) idempotency_key: Option<String>,
}

/// Work that Stripe does after having answered.
#[derive(Clone, Debug)]
pub(crate) enum Later {
    /// Books a charge that was captured asynchronously.
    SettleCharge(String),
    /// Brings the bank's answer to a debit.
    EndDebit(String),
    /// Brings a refund to its end.
    FinishRefund(String),
    /// Tells of the complaint that a card stands for.
    OpenDispute(String),
    /// Brings the bank's decision on a dispute.
    DecideDispute(String, Verdict),
}

/// The account and all its objects.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) settings: Arc<Settings>,
    pub(crate) origin: Origin,
    pub(crate) keys: Keys,
    pub(crate) account: Account,
    pub(crate) terms: Terms,
    pub(crate) payment_intents: Table<PaymentIntent>,
    pub(crate) charges: Table<Charge>,
    pub(crate) refunds: Table<Refund>,
    pub(crate) disputes: Table<Dispute>,
    pub(crate) payouts: Table<Payout>,
    pub(crate) movements: Table<Movement>,
    pub(crate) balance_transactions: Table<BalanceTransaction>,
    pub(crate) confirmation_tokens: Table<ConfirmationToken>,
    pub(crate) customers: Table<Customer>,
    pub(crate) payment_methods: Table<PaymentMethod>,
    pub(crate) setup_intents: Table<SetupIntent>,
    pub(crate) mandates: Table<Mandate>,
    pub(crate) sessions: Table<Session>,
    pub(crate) events: Table<Arc<Event>>,
    pub(crate) endpoints: Vec<Arc<Endpoint>>,
    /// Who serves them.
    pub(crate) courier: Arc<Courier>,
    pub(crate) waiting: VecDeque<(Instant, Later)>,
    /// Rung when something starts to wait.
    pub(crate) alarm: Arc<Notify>,
}

impl State {
    pub(crate) fn new(settings: Arc<Settings>, courier: Arc<Courier>) -> Self {
        Self {
            settings,
            origin: Origin::default(),
            keys: Keys::default(),
            account: Account::default(),
            terms: Terms::default(),
            payment_intents: Table::default(),
            charges: Table::default(),
            refunds: Table::default(),
            disputes: Table::default(),
            payouts: Table::default(),
            movements: Table::default(),
            balance_transactions: Table::default(),
            confirmation_tokens: Table::default(),
            customers: Table::default(),
            payment_methods: Table::default(),
            setup_intents: Table::default(),
            mandates: Table::default(),
            sessions: Table::default(),
            events: Table::default(),
            endpoints: Vec::new(),
            courier,
            waiting: VecDeque::new(),
            alarm: Arc::default(),
        }
    }

    /// Leaves work for after the answer.
    pub(crate) fn later(&mut self, work: Later) {
        let delay = self.settings.settle_after.unwrap_or_default();
        self.waiting.push_back((Instant::now() + delay, work));
        self.alarm.notify_one();
    }

    /// Does the waiting work that is due by `until`; all of it without a bound.
    pub(crate) fn catch_up(&mut self, until: Option<Instant>) {
        self.origin = Origin::default();
        while let Some((due, work)) = self.waiting.pop_front() {
            if until.is_some_and(|until| due > until) {
                self.waiting.push_front((due, work));
                return;
            }
            match work {
                Later::SettleCharge(id) => self.settle_charge(&id),
                Later::EndDebit(id) => self.end_debit(&id),
                Later::FinishRefund(id) => self.finish_refund(&id),
                Later::OpenDispute(id) => self.complain(&id),
                Later::DecideDispute(id, verdict) => drop(self.decide(&id, verdict)),
            }
        }
    }

    /// Any object by its id, as its resource shows it.
    pub(crate) fn view(&self, id: &str) -> Option<Value> {
        match id.split_once('_')?.0 {
            "pi" => self.payment_intents.view(id),
            "ch" => self.charges.view(id),
            "re" => self.refunds.view(id),
            "po" => self.payouts.view(id),
            "tr" | "tu" => self.movements.view(id),
            "dp" => self.disputes.view(id),
            "txn" => self.balance_transactions.view(id),
            "cus" => self.customers.view(id),
            "pm" => self.payment_methods.view(id),
            "seti" => self.setup_intents.view(id),
            "mandate" => self.mandates.view(id),
            "cs" => self.session_view(id),
            _ => None,
        }
    }
}

/// An object with an id of its own.
pub(crate) trait Row {
    /// What Stripe calls it when it is missing.
    const KIND: &'static str;
    /// The parameter that Stripe names when it is missing.
    const PARAM: &'static str;

    fn id(&self) -> &str;
    fn view(&self) -> Value;
}

/// Objects of one kind, oldest first.
#[derive(Debug)]
pub(crate) struct Table<T> {
    rows: Vec<T>,
    positions: HashMap<String, usize>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self {
            rows: Vec::new(),
            positions: HashMap::new(),
        }
    }
}

impl<T: Row> Table<T> {
    pub(crate) fn insert(&mut self, row: T) {
        self.positions.insert(row.id().to_owned(), self.rows.len());
        self.rows.push(row);
    }

    pub(crate) fn find(&self, id: &str) -> Option<&T> {
        self.rows.get(self.position(id)?)
    }

    pub(crate) fn find_mut(&mut self, id: &str) -> Option<&mut T> {
        let position = self.position(id)?;
        self.rows.get_mut(position)
    }

    /// The row that a path names.
    pub(crate) fn get(&self, id: &str) -> Result<&T, ApiError> {
        self.find(id)
            .ok_or_else(|| ApiError::missing(T::KIND, id, T::PARAM))
    }

    /// The row that a path names, to be changed.
    pub(crate) fn get_mut(&mut self, id: &str) -> Result<&mut T, ApiError> {
        self.find_mut(id)
            .ok_or_else(|| ApiError::missing(T::KIND, id, T::PARAM))
    }

    /// Fails as Stripe does for a parameter that names no row.
    pub(crate) fn check(&self, id: &str, param: &str) -> Result<(), ApiError> {
        match self.position(id) {
            Some(_) => Ok(()),
            None => Err(ApiError::missing_param(T::KIND, id, param)),
        }
    }

    pub(crate) fn view(&self, id: &str) -> Option<Value> {
        self.find(id).map(Row::view)
    }

    /// Where a row stands, counted from the oldest.
    pub(crate) fn position(&self, id: &str) -> Option<usize> {
        self.positions.get(id).copied()
    }

    /// All rows, oldest first.
    pub(crate) fn rows(&self) -> &[T] {
        &self.rows
    }

    /// All rows, oldest first, to be changed.
    pub(crate) fn rows_mut(&mut self) -> &mut [T] {
        &mut self.rows
    }

    /// All rows as Stripe shows them, oldest first.
    pub(crate) fn views(&self) -> Vec<Value> {
        self.rows.iter().map(Row::view).collect()
    }
}

/// Seconds since 1970, as in every `created`.
pub(crate) fn now() -> i64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(elapsed.as_secs()).unwrap_or(i64::MAX)
}

/// A new id that looks like Stripe's.
pub(crate) fn new_id(prefix: &str) -> String {
    format!("{prefix}_3{}", token())
}

/// 22 letters and digits that never come twice.
pub(crate) fn token() -> String {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut rest = Uuid::now_v7().as_u128();
    let mut text = [b'0'; 22];
    for place in text.iter_mut().rev() {
        *place = DIGITS[usize::try_from(rest % 62).unwrap_or_default()];
        rest /= 62;
    }
    text.iter().copied().map(char::from).collect()
}
