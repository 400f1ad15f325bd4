//! A month of a merchant's business at Stripe, the same for the same seed: what happens, what it must come to, and the
//! differences that an audit must name, and no others.
//!
//! It is October 2026 and the first days of November, because some things end only after the month's end.

mod books;
mod dice;
mod happen;
mod plan;

use std::collections::BTreeMap;

use crate::stripe::{Extra, PayoutKind, Rate};
use books::Books;
pub use books::PlannedPayout;
pub use happen::{Asked, Happened, Notice, Planted, PlantedKind};

/// One thing that happens. Payments, refunds, disputes and payouts are named by their place among their like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happening {
    /// A day begins: lines are written at this time from now on.
    Day(i64),
    /// The money of a currency arrives at another rate from now on.
    Rate(&'static str, Rate),
    /// A customer pays through us.
    Pay(Payment),
    /// The ledger line of a payment comes late.
    FeeArrives {
        /// Which payment.
        payment: usize,
    },
    /// We give money back.
    Refund {
        /// Of which payment.
        payment: usize,
        /// How much of it.
        amount: i64,
    },
    /// The bank sends a refund back.
    RefundFails {
        /// Which refund.
        refund: usize,
    },
    /// A cardholder's bank takes a payment back.
    Dispute {
        /// Which payment.
        payment: usize,
    },
    /// The bank decides.
    DisputeEnds {
        /// On which dispute.
        dispute: usize,
        /// What comes back: all where it is won, nothing where it is lost, a part where it is lost in part.
        returned: i64,
    },
    /// Somebody takes a payment at the dashboard.
    PayForeign {
        /// How much.
        amount: i64,
        /// In which currency.
        currency: &'static str,
    },
    /// A line comes by itself.
    Write {
        /// What for.
        extra: Extra,
        /// As it changes the balance.
        amount: i64,
        /// In which currency.
        currency: &'static str,
    },
    /// All that was not paid out yet is.
    PayOut {
        /// In which currency.
        currency: &'static str,
        /// Who decided so.
        kind: PayoutKind,
    },
    /// A payout is at the bank.
    PayoutLands {
        /// Which payout.
        payout: usize,
    },
    /// The bank sends a payout back that was there.
    PayoutFails {
        /// Which payout.
        payout: usize,
    },
    /// A payout is called off before it lands.
    PayoutCanceled {
        /// Which payout.
        payout: usize,
    },
}

/// What a customer pays through us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payment {
    /// Its place among the payments.
    pub number: usize,
    /// The merchant's name for it.
    pub reference: String,
    /// How much, in minor units.
    pub amount: i64,
    /// In which currency, in lower case.
    pub currency: &'static str,
    /// Whether its ledger line comes days later.
    pub late: bool,
}

/// A month.
#[derive(Clone, Debug)]
pub struct Month {
    happenings: Vec<Happening>,
    payments: Vec<Payment>,
    books: Books,
}

impl Month {
    /// Plans a month with about `size` payments, and at least 40.
    #[must_use]
    pub fn plan(seed: u64, size: usize) -> Self {
        plan::plan(seed, size)
    }

    /// All that happens, in order.
    #[must_use]
    pub fn happenings(&self) -> &[Happening] {
        &self.happenings
    }

    /// The payments that go through us, in order.
    #[must_use]
    pub fn payments(&self) -> &[Payment] {
        &self.payments
    }

    /// What the account holds of each currency in the end: the sum of `net` of all its lines.
    #[must_use]
    pub fn totals(&self) -> BTreeMap<String, i64> {
        self.books.held()
    }

    /// What each payout comes to, in order.
    #[must_use]
    pub fn payouts(&self) -> &[PlannedPayout] {
        self.books.payouts()
    }

    /// How many lines there are in the end, payouts' own included.
    #[must_use]
    pub fn lines(&self) -> usize {
        self.books.lines()
    }
}
