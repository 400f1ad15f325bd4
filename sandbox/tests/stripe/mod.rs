//! The pretend Stripe.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod captures;
mod disputes;
mod faults;
mod idempotency;
mod money;
mod official;
mod payments;
mod shapes;
mod support;
mod webhooks;
