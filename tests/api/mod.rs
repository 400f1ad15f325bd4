//! The REST API, over real HTTP.

mod bad_input;
mod contract;
mod idempotency;
mod walk;
