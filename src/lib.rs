//! Quittance: a self-hosted payment service between Odoo and Stripe.
//!
//! The modules stand in dependency order: each uses only those above it, which `tests/architecture.rs` enforces.

pub mod telemetry;
pub mod crypto;
pub mod domain;
pub mod provider;
pub mod sink;
pub mod store;
pub mod app;
pub mod http;
pub mod worker;
pub mod stripe;
pub mod odoo;
#[cfg(feature = "vault")]
pub mod vault;
pub mod config;
pub mod startup;
