//! What a person says that a payment which did not start here pays.

use time::OffsetDateTime;

use super::ids::{ExceptionId, MerchantId, OdooInstanceId, ProviderAccountId};
use super::money::Money;
use super::payment::Reference;
use super::posting::Settles;

/// A ledger line of a payment that did not start here, linked to what it pays in Odoo: all that a posting of it needs beside the
/// line itself. Written once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineLink {
    /// Whose it is.
    pub merchant_id: MerchantId,
    /// The account whose ledger has the line.
    pub provider_account_id: ProviderAccountId,
    /// The line (`txn_…`).
    pub balance_transaction: String,
    /// The exception that asked for it.
    pub exception_id: ExceptionId,
    /// Whose books it goes into, where it goes into any.
    pub odoo_instance_id: Option<OdooInstanceId>,
    /// What Odoo calls what it pays.
    pub reference: Reference,
    /// The documents that it settles.
    pub settles: Vec<Settles>,
    /// What the customer paid for it, or got back as a negative amount.
    pub amount: Money,
    /// Why, in words.
    pub reason: String,
    /// Who: an API key (`key_…`), or `cli`.
    pub by: String,
    /// When.
    pub at: OffsetDateTime,
}
