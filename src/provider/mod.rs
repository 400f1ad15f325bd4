//! The port to payment companies: what we ask of one, and what it may answer.

mod affairs;
mod capability;
mod disputes;
mod endpoints;
mod error;
mod history;
mod interpretation;
mod memory;
mod registry;
mod rights;
mod settlement;
mod wallet;
mod webhook;

use async_trait::async_trait;
use secrecy::SecretString;
use time::{Duration, OffsetDateTime};
use url::Url;

use crate::domain::ids::{MerchantId, ProviderAccountId};
use crate::domain::operation::Operation;
use crate::domain::payment::{Decline, Payment};
use crate::domain::snapshot::Snapshot;

pub use affairs::Affairs;
pub use capability::Capability;
pub use disputes::Disputes;
pub use endpoints::{CreatedEndpoint, Endpoint, Endpoints, NewEndpoint};
pub use error::{Ambiguity, ProviderError};
pub use history::{History, HistoryPage};
pub use interpretation::{Interpretation, PartRef};
pub use memory::{Memory, MemoryPage};
pub use registry::Registry;
pub use rights::{Permission, Rights};
pub use settlement::{DisputePage, LinePage, Lines, PayoutPage, Settlement};
pub use wallet::{NewSetup, Wallet};
pub use webhook::{Delivery, Envelope, Proof, Source, VerifiedWebhook, VerifyError, verify_hmac_sha256};

/// A merchant's account at a provider, its secret opened for use.
#[derive(Clone, Debug)]
pub struct ProviderAccount {
    /// Whose it is.
    pub merchant_id: MerchantId,
    /// Its id with us.
    pub id: ProviderAccountId,
    /// Which provider it is at, as the registry names it.
    pub provider: String,
    /// Whether real money moves.
    pub live: bool,
    /// The connected account that calls are made for, where the secret is a platform's.
    pub external_account: Option<String>,
    /// Where the provider answers.
    pub api_base: Url,
    /// The key we call it with.
    pub secret_key: SecretString,
    /// The key that the customer's browser uses; no secret.
    pub publishable_key: Option<String>,
}

/// One operation on one payment, as it is about to be carried out.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// The payment, as we hold it.
    pub payment: &'a Payment,
    /// The operation; its id is the idempotency key.
    pub operation: &'a Operation,
}

/// What a provider says of an operation it has decided.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// Done, and how the object stands after it.
    Done(Snapshot),
    /// The customer's bank or the provider's rules said no.
    Declined {
        /// Why.
        decline: Decline,
        /// How the object stands after it, where the provider says.
        snapshot: Option<Snapshot>,
    },
}

/// An object at a provider, by the provider's id.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ObjectRef {
    /// A payment, with its charge, ledger lines and refunds.
    Payment(String),
    /// A page on which a payment is paid.
    Checkout(String),
}

/// A payment company, reached through one merchant's account there.
///
/// Every request is safe to repeat: the operation's id doubles as the key the company deduplicates on, and is written where
/// [`find`](Self::find) can read it back. A decline is an [`Outcome`], not an error. Amounts are whole minor units of
/// ISO 4217 on our side, whatever the company counts in; one that cannot be said exactly in its units is refused as
/// [`ProviderError::Invalid`], never rounded.
///
/// An implementation holds no state about payments and writes none: all that it learns goes back as a [`Snapshot`], and the
/// core decides what that changes. It may repeat a request within one call, under the same key and in the same bytes, for
/// as long as it was set up to. `docs/adding-a-provider.md` says how to add one; the suite in `tests/support/conformance`
/// proves what is asked of it here.
#[async_trait]
pub trait Provider: Send + Sync {
    /// Checks a new account's keys as far as can be seen without asking: a test account must never move real money.
    ///
    /// The error says what is wrong, without the key.
    fn check_keys(&self, account: &ProviderAccount) -> Result<(), String>;

    /// Where the company answers, where an account does not say otherwise: a URL without a path.
    fn home(&self) -> &'static str;

    /// What it can do of what not every company can. What it cannot do is refused before it is asked; asked all the same,
    /// it refuses as [`ProviderError::Invalid`] and does nothing, not a part and not something similar.
    fn capabilities(&self) -> &'static [Capability];

    /// How long after an operation was first sent its key surely still holds: shorter than the company keeps keys, by what
    /// clocks may differ and a request may take. Later than that an operation is looked up, never repeated. Zero where
    /// the company knows no keys.
    fn repeatable_for(&self) -> Duration;

    /// The part that keeps customers and their payment methods, where the company does.
    fn wallet(&self) -> Option<&dyn Wallet>;

    /// Carries out one operation, once for its id however often it is called, also at the same time and from several
    /// processes.
    ///
    /// [`Outcome::Done`] says that the company has taken it on, and how the object stands: for a capture, a cancel or a
    /// refund that of a payment or refund after it; for an authorize also a payment that waits for its customer or is with
    /// their bank, and whose end comes by an event or a read. Where an answer may have been lost, it is
    /// [`ProviderError::Ambiguous`], also if a later attempt of the same call was kept out.
    async fn execute(&self, account: &ProviderAccount, call: Call<'_>) -> Result<Outcome, ProviderError>;

    /// Looks up what became of an operation, without repeating it: by its id, not by its amount or time, so that another
    /// operation is never taken for it. `None` proves nothing, and whatever the company has never heard of is `None`.
    ///
    /// # Errors
    /// Never [`ProviderError::Ambiguous`]: a read moves no money.
    async fn find(&self, account: &ProviderAccount, call: Call<'_>)
    -> Result<Option<Outcome>, ProviderError>;

    /// Reads an object as it stands now: a payment whole, with its charge, ledger lines and refunds.
    ///
    /// # Errors
    /// As [`find`](Self::find); [`ProviderError::Invalid`] where there is no such object or the text can be no id.
    async fn fetch(&self, account: &ProviderAccount, object: &ObjectRef) -> Result<Snapshot, ProviderError>;

    /// The header in which the company signs its webhooks, in lower case.
    fn signature_header(&self) -> &'static str;

    /// Proves that a delivery is the company's own. The caller supplies the time.
    ///
    /// Nothing of the body is read before its signature holds. Any of `secrets` proves it; a blank one is none. A signature
    /// from more than five minutes ago or ahead is [`VerifyError::Untimely`]. What the envelope says of mode and connected
    /// account is compared with the account by the caller.
    fn verify<'a>(
        &self,
        delivery: &Delivery<'a>,
        secrets: &[SecretString],
        now: OffsetDateTime,
    ) -> Result<VerifiedWebhook<'a>, VerifyError>;

    /// Reads what a kept event is about. A shape it does not know is something to ask about, never a failure; a word it
    /// does not know is kept as [`Said::Unrecognized`](crate::domain::snapshot::Said::Unrecognized).
    fn interpret(&self, event: &[u8]) -> Interpretation;

    /// Reads whose a part of a payment is, where an event did not say.
    ///
    /// # Errors
    /// As [`fetch`](Self::fetch).
    async fn resolve(
        &self,
        account: &ProviderAccount,
        part: &PartRef,
    ) -> Result<Interpretation, ProviderError>;

    /// Its disputes, where it has any.
    fn disputes(&self) -> Option<&dyn Disputes>;

    /// Its list of events, where it keeps one.
    fn history(&self) -> Option<&dyn History>;

    /// What it keeps of what we asked of it, where it can be listed.
    fn memory(&self) -> Option<&dyn Memory>;

    /// Its webhook endpoints, where it can be told of them.
    fn endpoints(&self) -> Option<&dyn Endpoints>;

    /// What else goes on at an account, where it tells.
    fn affairs(&self) -> Option<&dyn Affairs>;

    /// What its keys may be kept from, where they can be.
    fn rights(&self) -> Option<&dyn Rights>;

    /// Its own ledger, where it shows it.
    fn settlement(&self) -> Option<&dyn Settlement>;
}
