//! Postgres, one file per table: plain functions over a connection. Transactions begin and commit in `app`.
//!
//! `get` gives the row or [`StoreError::NotFound`], `find` an option, `list` a page, `lock` holds the row until the
//! transaction ends. The merchant always comes first.

pub mod account_sweeps;
pub mod account_standings;
pub mod api_keys;
pub mod audit_log;
pub mod balance_transactions;
pub mod book_keepers;
pub mod checkout_sessions;
pub mod customers;
pub mod data_keys;
mod db;
pub mod disputes;
pub mod event_cursors;
pub mod exceptions;
pub mod expectations;
pub mod foreign_payments;
pub mod gauges;
pub mod health;
pub mod idempotency_records;
pub mod key_epoch;
pub mod key_rounds;
pub mod ledger;
pub mod ledger_checkpoints;
pub mod line_cursors;
pub mod line_links;
pub mod merchants;
pub mod odoo_instances;
pub mod odoo_journals;
pub mod openings;
pub mod operations;
pub mod operator_keys;
pub mod outbox;
pub mod payment_methods;
pub mod payments;
pub mod payout_lines;
pub mod payout_readings;
pub mod payouts;
pub mod personal;
pub mod provider_accounts;
pub mod refunds;
pub mod replicas;
pub mod restores;
pub mod sealed;
pub mod setups;
pub mod signing_secrets;
pub mod webhook_endpoints;
pub mod webhook_events;

use sqlx::error::DatabaseError;

use crate::crypto::CryptoError;
use crate::domain::ids::PaymentId;

pub use db::{Db, Tx, Unfit};

/// The migrations of this version, embedded.
pub static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!();

/// Why the store could not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No such row, or another merchant's; or one that would have to be there first is not.
    #[error("no such row")]
    NotFound,
    /// A row like it exists.
    #[error("a row like it exists: {constraint}")]
    Conflict {
        /// The constraint that says so.
        constraint: String,
    },
    /// The database cannot be reached or refused.
    #[error("the database failed")]
    Database(#[source] sqlx::Error),
    /// A sealed value does not open.
    #[error("a sealed value does not open")]
    Crypto(#[from] CryptoError),
    /// A row holds what this version cannot read.
    #[error("a row of {table} cannot be read: {what}")]
    Corrupt {
        /// The table.
        table: &'static str,
        /// What is wrong with it.
        what: String,
    },
}

impl StoreError {
    /// A row of `table` that cannot be read.
    pub(crate) fn corrupt(table: &'static str, what: &impl ToString) -> Self {
        Self::Corrupt {
            table,
            what: what.to_string(),
        }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        let database = error.as_database_error();
        let names_nothing = database.is_some_and(DatabaseError::is_foreign_key_violation);
        if names_nothing || matches!(error, sqlx::Error::RowNotFound) {
            return Self::NotFound;
        }
        match database.filter(|database| database.is_unique_violation()) {
            Some(database) => Self::Conflict {
                constraint: database.constraint().unwrap_or_default().to_owned(),
            },
            None => Self::Database(error),
        }
    }
}

/// Ids as Postgres takes many of them.
fn uuids(ids: &[PaymentId]) -> Vec<uuid::Uuid> {
    ids.iter().map(|id| id.uuid()).collect()
}
