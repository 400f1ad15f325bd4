//! Postings into an Odoo: what its books hold afterwards, however often and by however many they are sent.
//!
//! Every test runs once for each version that is spoken to in another way.

#![expect(clippy::print_stdout, reason = "says which Odoo is posted into")]
#![expect(clippy::duplicate_mod, reason = "the same tests run against each version")]

mod later;
mod mapped;
mod probe;
pub(crate) mod rpc;

/// JSON-2.
#[path = "."]
mod odoo_19 {
    const VERSION: quittance_sandbox::odoo::Version = quittance_sandbox::odoo::Version::V19;

    mod bookings;
    mod credit_notes;
    mod fee_taxes;
    mod journals;
    mod month;
    mod once;
    mod refusals;
    mod set_up;
    mod support;
}

/// JSON-RPC.
#[path = "."]
mod odoo_18 {
    const VERSION: quittance_sandbox::odoo::Version = quittance_sandbox::odoo::Version::V18;

    mod bookings;
    mod credit_notes;
    mod fee_taxes;
    mod journals;
    mod month;
    mod once;
    mod refusals;
    mod set_up;
    mod support;
}

/// JSON-RPC, and names that changed in 18.
#[path = "."]
mod odoo_17 {
    const VERSION: quittance_sandbox::odoo::Version = quittance_sandbox::odoo::Version::V17;

    mod bookings;
    mod credit_notes;
    mod fee_taxes;
    mod journals;
    mod once;
    mod refusals;
    mod set_up;
    mod support;
}
