//! Faults at volume: two of everything over one Postgres, as real processes, while something around them breaks.
//!
//! What is counted is exact: events that were acknowledged against rows, payments against the provider's own truth,
//! postings against the books. What is random comes from a seed.

mod dice;
mod door;
mod judge;
mod kills;
mod outage;
mod restarts;
mod senders;
mod skew;
mod world;
