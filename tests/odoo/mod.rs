//! Postings into an Odoo: what its books hold afterwards, however often and by however many they are sent.

#![expect(clippy::print_stdout, reason = "says which Odoo is posted into")]

mod journals;
mod mapped;
mod once;
mod refusals;
mod set_up;
mod support;
