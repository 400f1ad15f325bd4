//! The rules of money, and nothing else: no clock, no database, no network.

pub mod api_key;
pub mod balance_transaction;
pub mod card_number;
pub mod checkout;
pub mod customer;
pub mod dispute;
pub mod exception;
pub mod foreign_payment;
pub mod idempotency;
pub mod ids;
pub mod money;
pub mod news;
pub mod operation;
pub mod outbox;
pub mod payment;
pub mod payment_method;
pub mod payout;
pub mod posting;
pub mod reason;
pub mod refund;
pub mod scope;
pub mod setup;
pub mod signing_secret;
pub mod snapshot;
pub mod webhook_event;
pub mod standing;
