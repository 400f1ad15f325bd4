//! The image in containers, run as the chart runs its pods, with a Postgres on the same private network; a pretend Stripe and a pretend
//! Odoo on this machine. The tests beside it say what holds.
//!
//! Which images, the environment says: `QUITTANCE_IMAGE` and `QUITTANCE_POSTGRES_IMAGE`. `make containers` makes and names them.

pub mod door;
pub mod image;
pub mod pod;
pub mod proxy;
pub mod shop;
pub mod replica;
pub mod stage;
pub mod wait;
