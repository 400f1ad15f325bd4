//! What the sentences need of a provider under test.

use std::sync::Arc;

use quittance::domain::operation::Ask;
use quittance::provider::{Provider, ProviderAccount, Registry};
use time::Duration;

/// Which calls something goes wrong with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Calls {
    /// Those that change something.
    Changes,
    /// Those that look.
    Reads,
}

impl Calls {
    pub(crate) fn includes(self, is_read: bool) -> bool {
        is_read == (self == Self::Reads)
    }
}

/// What goes wrong with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// It is carried out, and the connection breaks before the answer.
    LostAfter,
    /// The connection breaks before it is carried out.
    LostBefore,
    /// It is carried out, and the company says that it failed.
    FailedAfter,
    /// It is carried out, and the answer is garbage.
    Garbage,
    /// Too many calls; nothing is carried out, and the company says to come back in a minute.
    RateLimited,
    /// Something else is at work on the object; nothing is carried out.
    Busy,
}

/// What a customer's bank says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bank {
    Agrees,
    Declines,
}

/// What happened at the company, counted there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Effects {
    /// Payments that it has.
    pub(crate) payments: usize,
    /// How often money of a customer was taken or is held.
    pub(crate) takings: usize,
    /// How often money was given back.
    pub(crate) returns: usize,
}

/// A provider with a pretend company behind it, one for each test.
pub(crate) trait Subject {
    /// The name that accounts at it carry.
    const NAME: &'static str;
    /// How long the company keeps keys.
    const KEYS_KEPT_FOR: Duration;

    /// A company of its own that nothing happened at.
    async fn start() -> Self;

    /// The provider, reaching the company with little patience.
    fn provider(&self) -> Arc<dyn Provider>;

    /// What the service must know beside what it is built with, to reach the company.
    fn beside_built_in(&self) -> Registry;

    /// A test account at the company, whose keys work.
    fn account(&self) -> ProviderAccount;

    /// The same account, reached where nobody is.
    fn unreachable(&self) -> ProviderAccount;

    /// The same account, with keys of the right form that the company never gave.
    fn with_wrong_key(&self) -> ProviderAccount;

    /// The same account, with the form of keys of the live mode.
    fn with_live_keys(&self) -> ProviderAccount;

    /// The customer decides to pay, and their bank decides whether they do.
    async fn customer_pays(&self, reference: &str, bank: Bank);

    /// What to ask for so that the very next payment is declined while it is asked for.
    fn declined_at_once(&self) -> Ask;

    /// What to ask for to try a saved method that works. Only asked of who can.
    fn saved_method(&self) -> Ask;

    /// All calls of a kind go wrong, until [`heal`](Self::heal).
    fn befall(&self, calls: Calls, trouble: Trouble);

    /// Nothing goes wrong any more.
    fn heal(&self);

    /// The company forgets its keys, as it may after a while.
    fn forget_keys(&self);

    /// What is on its way arrives: money that is given back, fees that are booked.
    fn settle(&self);

    fn effects(&self) -> Effects;

    /// How many requests reached the company.
    fn requests(&self) -> usize;

    /// The signature header of a body, as the holder of a secret makes it at a time in seconds since 1970.
    fn sign(&self, secret: &str, at: i64, body: &[u8]) -> String;

    /// The events about a payment so far, oldest first, as they are sent.
    fn events_about(&self, reference: &str) -> Vec<Vec<u8>>;

    /// An event about a payment whose state is a word that nobody knows yet.
    fn event_in_word(&self, reference: &str, word: &str) -> Vec<u8>;

    /// An event of a kind that nobody knows yet.
    fn event_of_tomorrow(&self) -> Vec<u8>;

    /// Somebody at the company turns an endpoint off and leaves it one type of event. Only asked of who has endpoints.
    fn spoil_endpoint(&self, reference: &str, left: &str);

    /// The company sends its events there from now on.
    fn send_events(&self, url: String, secret: &str);
}
