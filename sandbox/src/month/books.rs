//! What a plan comes to: the same money, counted without asking anybody.

use std::collections::BTreeMap;

use super::{Happening, Payment};
use crate::stripe::{PayoutKind, Rate, charge_fee, dispute_fee};

/// A payout, and what it must come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedPayout {
    /// In which currency.
    pub currency: String,
    /// Who decided on it.
    pub kind: PayoutKind,
    /// The sum of `net` of its lines without its own; negative where the bank is asked to pay.
    pub amount: i64,
    /// How many lines it takes beside its own.
    pub lines: usize,
    /// Whether its money came back.
    pub returned: bool,
}

/// What was not paid out yet.
#[derive(Clone, Copy, Debug, Default)]
struct Open {
    sum: i64,
    lines: usize,
}

/// The account's money by the plan.
#[derive(Clone, Debug, Default)]
pub(super) struct Books {
    rates: BTreeMap<&'static str, Rate>,
    open: BTreeMap<String, Open>,
    lines: usize,
    payments: Vec<Payment>,
    refunds: Vec<(usize, i64)>,
    disputes: Vec<usize>,
    payouts: Vec<PlannedPayout>,
}

impl Books {
    /// Counts one thing that happens.
    pub(super) fn enter(&mut self, happening: &Happening) {
        match happening {
            Happening::Day(_) | Happening::PayoutLands { .. } => {}
            Happening::Rate(currency, rate) => drop(self.rates.insert(currency, rate.clone())),
            Happening::Pay(payment) => {
                if !payment.late {
                    self.charge(payment.amount, payment.currency);
                }
                self.payments.push(payment.clone());
            }
            Happening::FeeArrives { payment } => {
                if let Some(payment) = self.payments.get(*payment).cloned() {
                    self.charge(payment.amount, payment.currency);
                }
            }
            Happening::Refund { payment, amount } => {
                self.refunds.push((*payment, *amount));
                self.presented(*payment, -amount, false);
            }
            Happening::RefundFails { refund } => {
                if let Some((payment, amount)) = self.refunds.get(*refund).copied() {
                    self.presented(payment, amount, false);
                }
            }
            Happening::Dispute { payment } => {
                self.disputes.push(*payment);
                if let Some(amount) = self.payments.get(*payment).map(|payment| payment.amount) {
                    self.presented(*payment, -amount, true);
                }
            }
            Happening::DisputeEnds { dispute, returned } => {
                if let Some(payment) = self.disputes.get(*dispute).copied().filter(|_| *returned > 0) {
                    self.presented(payment, *returned, false);
                }
            }
            Happening::PayForeign { amount, currency } => self.charge(*amount, currency),
            Happening::Write { amount, currency, .. } => self.line(currency, *amount),
            Happening::PayOut { currency, kind } => self.pay_out(currency, *kind),
            Happening::PayoutFails { payout } | Happening::PayoutCanceled { payout } => {
                self.return_payout(*payout);
            }
        }
    }

    /// What is left in each currency.
    pub(super) fn held(&self) -> BTreeMap<String, i64> {
        self.open
            .iter()
            .map(|(currency, open)| (currency.clone(), open.sum))
            .collect()
    }

    /// What could be paid out of a currency.
    pub(super) fn unpaid(&self, currency: &str) -> i64 {
        self.open.get(currency).map_or(0, |open| open.sum)
    }

    pub(super) fn payouts(&self) -> &[PlannedPayout] {
        &self.payouts
    }

    pub(super) fn refunds(&self) -> usize {
        self.refunds.len()
    }

    pub(super) fn disputes(&self) -> usize {
        self.disputes.len()
    }

    pub(super) const fn lines(&self) -> usize {
        self.lines
    }

    fn charge(&mut self, amount: i64, currency: &str) {
        let (amount, currency) = self.settled(amount, currency);
        self.line(&currency, amount - charge_fee(amount, &currency));
    }

    /// A line in the currency of a payment, at the rate of today.
    fn presented(&mut self, payment: usize, amount: i64, disputed: bool) {
        let Some(currency) = self.payments.get(payment).map(|payment| payment.currency) else {
            return;
        };
        let (amount, currency) = self.settled(amount, currency);
        let fee = if disputed { dispute_fee(&currency) } else { 0 };
        self.line(&currency, amount - fee);
    }

    fn settled(&self, amount: i64, currency: &str) -> (i64, String) {
        match self.rates.get(currency) {
            Some(rate) => (rate.convert(amount), rate.currency.clone()),
            None => (amount, currency.to_owned()),
        }
    }

    fn line(&mut self, currency: &str, net: i64) {
        let open = self.open.entry(currency.to_owned()).or_default();
        open.sum += net;
        open.lines += 1;
        self.lines += 1;
    }

    fn pay_out(&mut self, currency: &str, kind: PayoutKind) {
        let open = self
            .open
            .insert(currency.to_owned(), Open::default())
            .unwrap_or_default();
        self.lines += 1;
        self.payouts.push(PlannedPayout {
            currency: currency.to_owned(),
            kind,
            amount: open.sum,
            lines: open.lines,
            returned: false,
        });
    }

    fn return_payout(&mut self, payout: usize) {
        if let Some(payout) = self.payouts.get_mut(payout) {
            payout.returned = true;
            let (currency, amount) = (payout.currency.clone(), payout.amount);
            self.line(&currency, amount);
        }
    }
}
