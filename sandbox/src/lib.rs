//! Pretend Stripe, pretend Odoo and a private Postgres, for tests and the demo.
pub mod postgres;
pub mod service;
