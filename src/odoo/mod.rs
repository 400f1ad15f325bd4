//! Odoo: through our addon's controller, or, where it has none, stock Odoo through its external API: JSON-2
//! from 19 on, JSON-RPC on 16 to 18.
//!
//! With the addon there is one signed request for each message, and the addon sees to it that it is taken in once. The rest of
//! this page is about stock Odoo.
//!
//! Odoo has no idempotency key. What holds instead is its import: a record loaded under an external id that is
//! never updated exists once, however often and by however many at once it is sent. `docs/odoo-posting.md` says
//! what was measured. Every posting is a few such steps, each safe to repeat, and ends by reading back.

mod addon;
mod address;
mod booking;
mod books;
mod client;
mod credit_note;
mod draft;
mod error;
mod http;
mod items;
mod json_2;
mod json_rpc;
mod load;
mod meeting;
mod memory;
mod payment;
mod rates;
mod sale;
mod set_up;
mod side;
mod sink;
mod version;
mod wire;

pub use address::{AllowedNetworks, NetworksError};
pub use sink::OdooSink;

#[cfg(test)]
mod tests;
