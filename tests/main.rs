//! The one test binary: each module proves sentences about a part of the service.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "in a test, a failed unwrap is a failed sentence"
)]

mod api;
mod architecture;
mod crash;
mod customers;
mod disputes;
mod faults;
mod healing;
mod limits;
mod events;
mod exceptions;
mod endpoints;
mod followed;
mod localstripe;
mod matrix;
mod odoo;
mod outgoing;
mod providers;
mod races;
mod reconciliation;
mod startup;
mod stripe;
mod support;
mod webhooks;
mod workers;
