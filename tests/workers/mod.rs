//! What workers do with what is on disk.

mod events;
mod outbox;
mod reads;
mod sweep;
