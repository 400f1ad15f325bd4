//! What Odoo's books must record, once each.

use serde::{Deserialize, Serialize};
use time::Date;

use super::balance_transaction::BalanceTransaction;
use super::money::Money;

/// A document of Odoo that a payment settles, as the caller named it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settles {
    /// Odoo's model, such as `account.move`.
    pub model: String,
    /// The record's id in that Odoo database.
    pub id: i64,
    /// The part of the payment meant for it, in minor units of the payment's currency.
    pub amount_minor: i64,
}

/// One thing that Odoo's books must show.
///
/// A posting is a fact with a key: the provider's id of what happened. However often and by however many workers
/// it is sent, the books hold it once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Posting {
    /// A customer paid: Outstanding Receipts against the receivable, reconciled with the documents it settles.
    CustomerPayment {
        /// The provider's charge (`ch_…`): the key.
        charge: String,
        /// The provider's payment (`pi_…`), for people who look it up.
        provider_reference: String,
        /// Odoo's own reference of the transaction.
        reference: String,
        /// What the customer paid, in the currency they paid in.
        amount: Money,
        /// The day on which it was captured, in UTC.
        date: Date,
        /// What it settles.
        settles: Vec<Settles>,
    },
    /// The charge arrived at the provider: gross against Outstanding, the provider's fee against Fees.
    ChargeLine {
        /// The charge whose customer payment it meets in Outstanding.
        charge: String,
        /// The provider's ledger line (`txn_…`): the key.
        balance_transaction: Box<BalanceTransaction>,
    },
    /// A customer got money back: the receivable against Outstanding.
    CustomerRefund {
        /// The provider's refund (`re_…`): the key.
        refund: String,
        /// The charge that is refunded.
        charge: String,
        /// Odoo's own reference of the transaction that is refunded.
        reference: String,
        /// What the customer gets, positive, in the currency they paid in.
        amount: Money,
        /// The day on which the provider took it on, in UTC.
        date: Date,
        /// What the refunded payment had settled.
        settles: Vec<Settles>,
    },
    /// The refund left the provider: its amount against Outstanding.
    RefundLine {
        /// The refund whose customer refund it meets in Outstanding.
        refund: String,
        /// The provider's ledger line (`txn_…`): the key.
        balance_transaction: Box<BalanceTransaction>,
    },
}

impl Posting {
    /// What makes it one and the same: at most one posting per key exists for an Odoo instance.
    #[must_use]
    pub fn key(&self) -> &str {
        match self {
            Self::CustomerPayment { charge, .. } => charge,
            Self::CustomerRefund { refund, .. } => refund,
            Self::ChargeLine {
                balance_transaction, ..
            }
            | Self::RefundLine {
                balance_transaction, ..
            } => &balance_transaction.id,
        }
    }

    /// Its kind in one word, as stored and shown.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::CustomerPayment { .. } => "customer_payment",
            Self::ChargeLine { .. } => "charge_line",
            Self::CustomerRefund { .. } => "customer_refund",
            Self::RefundLine { .. } => "refund_line",
        }
    }
}
