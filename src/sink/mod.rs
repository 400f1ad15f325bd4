//! The port to Odoo: where messages go.

mod error;
mod set_up;

use std::collections::BTreeMap;

use async_trait::async_trait;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use url::Url;

use crate::domain::ids::{MerchantId, OdooInstanceId, ProviderAccountId};
use crate::domain::ledger::LedgerAccount;
use crate::domain::money::{Currency, Money};
use crate::domain::outbox::OutboxMessage;
use crate::domain::signing_secret::SigningSecret;

pub use error::{SinkError, Words};
pub use set_up::{Role, SetUpReport, SetUpRequest, Step, StepState, TaxChoice};

/// One Odoo database and company, opened for use.
#[derive(Clone, Debug)]
pub struct OdooInstance {
    /// Whose it is.
    pub merchant_id: MerchantId,
    /// Its id.
    pub id: OdooInstanceId,
    /// Where it answers: without a path over RPC, the whole address of the addon's controller.
    pub url: Url,
    /// How it is reached.
    pub access: Access,
}

/// The one way in which an instance is told and its books are written.
#[derive(Clone, Debug)]
pub enum Access {
    /// Stock Odoo, through its external API.
    Rpc(RpcAccess),
    /// Our addon there, through its controller.
    Addon(AddonAccess),
}

/// What a batch to our addon needs.
#[derive(Clone, Debug, Default)]
pub struct AddonAccess {
    /// Whom it is for: Odoo's `database.uuid`, once it has connected.
    pub database: Option<String>,
    /// And the id of its company.
    pub company: Option<String>,
    /// What batches are signed with; several while one is rolled.
    pub secrets: Vec<LiveSecret>,
}

/// What a call of Odoo's external API needs.
#[derive(Clone, Debug)]
pub struct RpcAccess {
    /// The database's name there.
    pub database: String,
    /// The login of the user whose key it is, which an Odoo before 19 asks for.
    pub login: Option<String>,
    /// The key we call it with.
    pub api_key: SecretString,
    /// Which journals and accounts we write to.
    pub journals: Journals,
}

/// The journals that stand for what providers hold, one for each account and settlement currency.
#[derive(Clone, Debug, Default)]
pub struct Journals {
    mapped: BTreeMap<(ProviderAccountId, String), Books>,
    /// The one that the instance was added with, for accounts and currencies that none is mapped for.
    whole: Option<Box<Books>>,
}

impl Journals {
    /// The journals of an instance: those that set-up mapped, and the one it was added with.
    #[must_use]
    pub fn new(
        mapped: impl IntoIterator<Item = ((ProviderAccountId, String), Books)>,
        whole: Option<Books>,
    ) -> Self {
        Self {
            mapped: mapped.into_iter().collect(),
            whole: whole.map(Box::new),
        }
    }

    /// The journal of what an account holds in a currency.
    ///
    /// # Errors
    /// [`SinkError::Refused`] where none is mapped.
    pub fn of(&self, account: ProviderAccountId, currency: Currency) -> Result<&Books, SinkError> {
        self.mapped
            .get(&(account, currency.code().to_owned()))
            .or_else(|| {
                self.whole
                    .as_deref()
                    .filter(|books| books.currency == currency.code())
            })
            .ok_or_else(|| SinkError::Refused {
                message: format!(
                    "no journal holds {currency} of {account}: `quittance odoo setup` finds or makes one"
                )
                .into(),
            })
    }

    /// The journal in which an account's payments of a currency are registered: that currency's own, or else the first.
    ///
    /// # Errors
    /// [`SinkError::Refused`] where the account has none.
    pub fn for_payments(&self, account: ProviderAccountId, currency: Currency) -> Result<&Books, SinkError> {
        self.of(account, currency).or_else(|none| {
            self.mapped
                .iter()
                .find(|((of, _), _)| *of == account)
                .map(|(_, books)| books)
                .or(self.whole.as_deref())
                .ok_or(none)
        })
    }

    /// Every journal that set-up mapped, with what it stands for.
    pub fn mapped(&self) -> impl Iterator<Item = (ProviderAccountId, &str, &Books)> {
        self.mapped
            .iter()
            .map(|((account, currency), books)| (*account, currency.as_str(), books))
    }

    /// The books that are known of an instance: the account's own first.
    #[must_use]
    pub fn known_to(&self, account: ProviderAccountId) -> Vec<Books> {
        let (own, others): (Vec<_>, Vec<_>) = self.mapped().partition(|(of, ..)| *of == account);
        own.into_iter()
            .chain(others)
            .map(|(.., books)| books)
            .chain(self.whole.as_deref())
            .cloned()
            .collect()
    }

    /// The journals that stand for an account's currencies already: those that were mapped, and that which the instance was added
    /// with unless it is mapped to another account. Their ids, by currency.
    #[must_use]
    pub fn standing_for(&self, account: ProviderAccountId) -> BTreeMap<String, i64> {
        let whole = self.whole.as_ref().filter(|whole| {
            let mut mapped = self.mapped();
            !mapped.any(|(_, _, books)| books.journal_id == whole.journal_id)
        });
        let whole = whole.map(|books| (books.currency.clone(), books.journal_id));
        let mapped = self.mapped().filter(|(of, ..)| *of == account);
        let mapped = mapped.map(|(_, currency, books)| (currency.to_owned(), books.journal_id));
        whole.into_iter().chain(mapped).collect()
    }

    /// The journal that the instance was added with.
    #[must_use]
    pub fn whole(&self) -> Option<&Books> {
        self.whole.as_deref()
    }
}

/// A secret and how long it signs.
#[derive(Clone, Debug)]
pub struct LiveSecret {
    /// What signs.
    pub secret: SigningSecret,
    /// Until when, where another one follows it.
    pub until: Option<OffsetDateTime>,
}

/// Which of the ways it is: never changed once an instance is added, so that its books have one writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum Via {
    /// [`Access::Rpc`].
    Rpc,
    /// [`Access::Addon`].
    Addon,
}

/// The journal and accounts that postings use, found once when the instance is added.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Books {
    /// The bank journal that stands for the provider's balance.
    pub journal_id: i64,
    /// That journal's own account.
    pub journal_account_id: i64,
    /// Where inbound payments wait for their charge's line.
    pub outstanding_receipts_id: i64,
    /// Where outbound payments wait for their refund's line; often the same account.
    pub outstanding_payments_id: i64,
    /// The method line that inbound payments are registered with.
    pub inbound_method_line_id: i64,
    /// The method line that outbound payments are registered with.
    pub outbound_method_line_id: i64,
    /// Where the provider's fees go.
    pub fee_account_id: i64,
    /// The company the journal belongs to.
    pub company_id: i64,
    /// The journal's own currency, ISO 4217.
    pub currency: String,
    /// The company's currency, ISO 4217; the journal's own where it is not said.
    #[serde(default)]
    pub company_currency: Option<String>,
    /// Where each other account of the ledger is kept in Odoo.
    #[serde(default)]
    pub accounts: BTreeMap<LedgerAccount, i64>,
    /// The journal of entries that move nothing at the provider, such as a dispute's loss.
    #[serde(default)]
    pub general_journal_id: Option<i64>,
    /// The bank's own journal, where we write the bank's side of payouts: none where the bank's feed does.
    #[serde(default)]
    pub bank: Option<BankJournal>,
    /// What becomes of the invoice of a lost dispute.
    #[serde(default)]
    pub lost_disputes: LostDisputes,
    /// The purchase tax that the provider's fees bear; none where their tax is on its account only.
    #[serde(default)]
    pub fee_tax: Option<FeeTax>,
    /// Whether a refund takes back the sale too, by a credit note.
    #[serde(default)]
    pub credit_notes: bool,
}

/// A purchase tax, as journal items name it. Its account is that of [`LedgerAccount::FeeTax`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeeTax {
    /// The tax (`account.tax`).
    pub tax_id: i64,
    /// How it is written where it is charged.
    pub charged: Distribution,
    /// How it is written where it is given back.
    pub returned: Distribution,
}

/// What makes a tax report count an amount.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Distribution {
    /// The tax's share of its amount (`account.tax.repartition.line`): all of it.
    pub line_id: i64,
    /// What marks the tax.
    pub tag_ids: Vec<i64>,
    /// What marks the amount that the tax is on.
    pub base_tag_ids: Vec<i64>,
}

/// The journal of the merchant's bank.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BankJournal {
    /// The journal.
    pub journal_id: i64,
    /// That journal's own account.
    pub account_id: i64,
}

/// What becomes of the invoice of a lost dispute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LostDisputes {
    /// The customer owes it again.
    #[default]
    Reopen,
    /// It stays paid: the loss is an expense.
    WriteOff,
}

/// What an operator names when adding an instance; [`Sink::set_up`] turns it into [`Books`].
#[derive(Clone, Debug)]
pub struct BooksRequest {
    /// The short code of the bank journal that stands for the provider's balance.
    pub journal_code: String,
    /// The code of the expense account for the provider's fees.
    pub fee_account_code: String,
}

/// Odoo has it now. What it became there, for people who look it up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Posted {
    /// Odoo's records, such as `account.payment` 12.
    pub records: Vec<OdooRecord>,
    /// What our addon did with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken: Option<Taken>,
}

/// What our addon did with a message that it has now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Taken {
    /// Took it in.
    Applied,
    /// Had it before.
    Duplicate,
    /// Knew something newer.
    Stale,
}

/// One record of Odoo.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OdooRecord {
    /// Its model.
    pub model: String,
    /// Its id in that database.
    pub id: i64,
}

/// A place where messages are taken in.
///
/// Every method is safe to repeat and to run twice at once: a message leaves one trace, whatever happened to the
/// answers before.
#[async_trait]
pub trait Sink: Send + Sync {
    /// Looks whether configuration allows messages to go to an address, as it resolves now.
    ///
    /// # Errors
    /// [`SinkError::NotAllowed`]; [`SinkError::Unreachable`] where it does not resolve.
    async fn check_address(&self, url: &Url) -> Result<(), SinkError>;

    /// Finds the journal and accounts to write to, and refuses ones that could not balance. An Odoo before 19 asks for the
    /// key's login too.
    ///
    /// # Errors
    /// [`SinkError::Refused`] says what to set in Odoo, or that the login is missing; the others as everywhere.
    async fn set_up(
        &self,
        url: &Url,
        database: &str,
        login: Option<&str>,
        api_key: &SecretString,
        request: &BooksRequest,
    ) -> Result<Books, SinkError>;

    /// Says nothing to our addon, signed: whether it answers, and takes what is signed so.
    ///
    /// # Errors
    /// As [`send`](Self::send); [`SinkError::Refused`] where the instance has no addon.
    async fn ping(&self, instance: &OdooInstance, now: OffsetDateTime) -> Result<(), SinkError>;

    /// Looks whether the key is good and its user may do what postings need, whichever journals they go to.
    ///
    /// # Errors
    /// [`SinkError::Unauthorized`] says which group to add.
    async fn check_key(&self, url: &Url, access: &RpcAccess) -> Result<(), SinkError>;

    /// Finds the journals and accounts of an account at a provider and, where `apply` says so, makes what is missing and
    /// reads it back. Nothing changes in Odoo otherwise, nor while anything stands in the way.
    ///
    /// # Errors
    /// [`SinkError::Refused`] where Odoo refuses what is to be made; the others as everywhere.
    async fn set_up_journals(
        &self,
        url: &Url,
        access: &RpcAccess,
        request: &SetUpRequest,
        apply: bool,
    ) -> Result<SetUpReport, SinkError>;

    /// Looks whether a journal and its accounts are still as postings need them. What is not, in words with what to do.
    ///
    /// # Errors
    /// As [`SinkError`] says.
    async fn check_journal(
        &self,
        url: &Url,
        access: &RpcAccess,
        books: &Books,
    ) -> Result<Vec<String>, SinkError>;

    /// Hands over messages that were taken up together, in their order, and learns what became of each. One that is refused holds
    /// up none of the others; after any [`SinkError`] the same message may be sent again. `now` is what a signature counts from.
    async fn send(
        &self,
        instance: &OdooInstance,
        messages: &[OutboxMessage],
        now: OffsetDateTime,
    ) -> Vec<Result<Posted, SinkError>>;

    /// Reads what the journal holds that stands for an account's balance in a currency.
    ///
    /// # Errors
    /// [`SinkError::Refused`] where none is mapped; the others as everywhere.
    async fn fetch_held(
        &self,
        instance: &OdooInstance,
        account: ProviderAccountId,
        currency: Currency,
    ) -> Result<Money, SinkError>;
}
