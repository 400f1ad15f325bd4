//! The one test binary: each module proves sentences about a part of the service.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "in a test, a failed unwrap is a failed sentence"
)]

mod admin;
mod api;
mod architecture;
mod audit_log;
mod connection;
mod crash;
mod customers;
mod disputes;
mod doctor;
mod faults;
mod keys;
mod healing;
mod leaks;
mod limits;
mod events;
mod exceptions;
mod endpoints;
mod followed;
mod keys_at_rest;
mod localstripe;
mod matrix;
mod metrics;
mod odoo;
mod outgoing;
mod personal;
mod providers;
mod races;
mod reconciliation;
mod restore;
mod startup;
mod stripe;
mod support;
mod tenancy;
mod traces;
mod webhooks;
mod workers;
