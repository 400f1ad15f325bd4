//! A second payment company, as unlike Stripe as is honest, and our way of speaking to it.
//!
//! It moves money between bank accounts. Nothing is decided while anybody waits: what it is asked to collect is with the
//! customer's bank until a notice or a look says otherwise. It writes amounts as decimal text and times in words, takes
//! what is held whole or not at all, and has no page, no saved methods and no status codes. It knows an instruction by its
//! id for an hour, answers a repeat with how things stand now, and never stores a failure.

mod company;
mod notices;
mod provider;
mod read;

pub(crate) use company::Company;
pub(crate) use notices::seal;
pub(crate) use provider::Giro;
