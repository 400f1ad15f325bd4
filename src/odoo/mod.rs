//! Stock Odoo 19 and later through its external API (JSON-2), without an addon.
//!
//! Odoo has no idempotency key. What holds instead is its import: a record loaded under an external id that is
//! never updated exists once, however often and by however many at once it is sent. `docs/odoo-posting.md` says
//! what was measured. Every posting is a few such steps, each safe to repeat, and ends by reading back.

mod books;
mod client;
mod error;
mod items;
mod load;
mod payment;
mod sink;
mod statement;
mod wire;

pub use sink::OdooSink;
