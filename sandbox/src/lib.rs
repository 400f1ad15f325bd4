//! Pretend Stripe, pretend Odoo and a private Postgres, for tests and the demo.
// Stripe's objects have more fields than `json!` nests by default.
#![recursion_limit = "256"]

pub mod addon;
pub mod collector;
pub mod cpu;
pub mod faults;
pub mod localstripe;
pub mod merchant;
pub mod month;
pub mod odoo;
pub mod postgres;
pub mod server;
pub mod service;
mod strange;
pub mod stripe;
pub mod vault;
