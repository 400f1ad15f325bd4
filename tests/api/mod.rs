//! The REST API, over real HTTP.

mod bad_input;
mod checkout;
mod contract;
mod documents;
mod idempotency;
mod lists;
mod parts;
mod payer;
mod walk;
