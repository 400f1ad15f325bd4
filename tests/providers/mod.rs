//! What any provider must keep, kept by each that we have and by one that is nothing like it.

mod giro;
mod stripe;
