//! What the pretend services are believed for, shown one sentence at a time.

mod month;
mod odoo;
mod server;
mod stripe;
