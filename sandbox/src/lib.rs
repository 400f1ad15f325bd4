//! Pretend Stripe, pretend Odoo and a private Postgres, for tests and the demo.
pub mod faults;
pub mod merchant;
pub mod odoo;
pub mod postgres;
pub mod server;
pub mod service;
