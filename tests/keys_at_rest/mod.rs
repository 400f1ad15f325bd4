//! Secrets at rest: each merchant's sealed with keys of its own, which are wrapped, replaced and counted while the service runs.

mod places;
mod programs;
mod rotations;
mod support;
#[cfg(feature = "vault")]
mod vault;
