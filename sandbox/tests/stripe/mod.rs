//! The pretend Stripe.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod browser;
mod captures;
mod checkout;
mod confirmations;
mod customers;
mod disputes;
mod events;
mod endpoints;
mod faults;
mod idempotency;
mod money;
mod official;
mod payments;
mod payouts;
mod sepa;
mod settlement;
mod setups;
mod shapes;
mod support;
mod volume;
mod webhooks;
