//! The pretend Odoo behaves as the real one was measured to.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed sentence")]

mod api;
mod books;
mod client;
mod json_rpc;
