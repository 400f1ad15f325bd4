//! The port to Odoo: where postings go.

use async_trait::async_trait;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::domain::ids::{MerchantId, OdooInstanceId};
use crate::domain::posting::Posting;

/// One Odoo database and company, opened for use.
#[derive(Clone, Debug)]
pub struct OdooInstance {
    /// Whose it is.
    pub merchant_id: MerchantId,
    /// Its id.
    pub id: OdooInstanceId,
    /// Where it answers, without a path.
    pub url: Url,
    /// The database's name there.
    pub database: String,
    /// The key we call it with.
    pub api_key: SecretString,
    /// Which journal and accounts we write to.
    pub books: Books,
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
}

/// One record of Odoo.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OdooRecord {
    /// Its model.
    pub model: String,
    /// Its id in that database.
    pub id: i64,
}

/// Why Odoo does not have it, sorted by what to do next. Never holds a key, a body or Odoo's traceback.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// Odoo looked at it and said no: it will again until something there changes.
    #[error("odoo refused: {message}")]
    Refused {
        /// Odoo's own short message.
        message: String,
    },
    /// What was read back is not what was sent: a person must look.
    #[error("odoo recorded something else: {message}")]
    Differs {
        /// What differs, in words.
        message: String,
    },
    /// The key is wrong, expired or lacks a right: the instance waits, no attempt is spent.
    #[error("odoo does not accept our key: {message}")]
    Unauthorized {
        /// Odoo's own short message.
        message: String,
    },
    /// It did not answer or was busy, and may or may not have acted: sending again is safe and is what to do.
    #[error("odoo is unreachable: {message}")]
    Unreachable {
        /// What the connection said.
        message: String,
    },
}

/// A place where postings are recorded.
///
/// Every method is safe to repeat and to run twice at once: a posting leaves one trace, whatever happened to the
/// answers before.
#[async_trait]
pub trait Sink: Send + Sync {
    /// Finds the journal and accounts to write to, and refuses ones that could not balance.
    ///
    /// # Errors
    /// [`SinkError::Refused`] says what to set in Odoo; the others as everywhere.
    async fn set_up(
        &self,
        url: &Url,
        database: &str,
        api_key: &SecretString,
        request: &BooksRequest,
    ) -> Result<Books, SinkError>;

    /// Records one posting and reads it back.
    ///
    /// # Errors
    /// As [`SinkError`] says; after any of them the same posting may be sent again.
    async fn send(&self, instance: &OdooInstance, posting: &Posting) -> Result<Posted, SinkError>;
}
