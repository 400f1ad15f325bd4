//! What workers do with what is on disk.

mod outbox;
mod reads;
mod sweep;
