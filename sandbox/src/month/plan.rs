//! How a month is planned: what must not be missing on its day, and chance for the rest.

use std::collections::{BTreeMap, BTreeSet};

use super::books::Books;
use super::dice::Dice;
use super::{Happening, Month, Payment};
use crate::stripe::{Extra, PayoutKind, Rate};

/// Noon of 30 September 2026: day 1 is a day later.
const EVE: i64 = 1_790_769_600;
const DAY_SECS: i64 = 24 * 60 * 60;

/// The days of the plan. Day 31 is the month's last; what comes after it ends what the month began.
const LAST_DAY_OF_MONTH: i64 = 31;
const LAST_DAY: i64 = 36;
/// Nothing comes in, and a large payment is disputed: the payout is negative.
const NEGATIVE_DAY: i64 = 12;
/// Its payout lands on the month's last day and comes back in the next month.
const FAILING_DAY: i64 = 30;
const FAILS_ON: i64 = 33;
/// Its payout is called off the day after.
const CANCELED_DAY: i64 = 19;
const MANUAL_DAY: i64 = 20;

const LEAST: usize = 40;

/// What is paid on day 1, for what must happen to it later: the first of each currency, and some to dispute and refund.
const FIRST: [(i64, &str); 8] = [
    (12_100, "eur"),
    (25_000, "usd"),
    (5_000, "jpy"),
    (12_340, "kwd"),
    (48_000, "eur"),
    (9_900, "usd"),
    (60_000, "eur"),
    (3_300, "eur"),
];
/// What is paid at the very end, and stays in the balance.
const LAST: [(i64, &str); 2] = [(7_700, "eur"), (1_250, "jpy")];

/// What the payouts that come back are made of at least.
const CANCELED: (i64, &str) = (1_900, "eur");
const FAILING: (i64, &str) = (8_800, "eur");

/// What is disputed: the day, the payment of day 1, the day of the decision, and what comes back.
const DISPUTES: [(i64, usize, i64, i64); 4] = [
    (5, 0, 15, 12_100),
    (8, 1, 18, 0),
    (10, 4, 21, 18_000),
    (NEGATIVE_DAY, 6, 26, 0),
];

/// What is refunded for certain: the day, the payment of day 1, the amount, and the day on which it fails.
const REFUNDS: [(i64, usize, i64, Option<i64>); 3] =
    [(4, 5, 4_450, None), (6, 7, 3_300, Some(9)), (13, 2, 1_000, None)];

const FOREIGN: [(i64, i64, &str); 3] = [(3, 4_200, "eur"), (11, 6_100, "usd"), (23, 2_900, "eur")];

const EXTRAS: [(i64, Extra, i64); 10] = [
    (2, Extra::Topup, 10_000),
    (7, Extra::Transfer, -2_000),
    (14, Extra::ReserveHold, -5_000),
    (16, Extra::Contribution, -25),
    (17, Extra::Advance, 7_500),
    (22, Extra::SolarFlare, -77),
    (24, Extra::ReserveRelease, 5_000),
    (LAST_DAY_OF_MONTH, Extra::StripeFee, -1_500),
    (LAST_DAY_OF_MONTH, Extra::NetworkCost, -321),
    (LAST_DAY_OF_MONTH, Extra::TaxFee, -285),
];

pub(super) fn plan(seed: u64, size: usize) -> Month {
    let size = size.max(LEAST);
    let mut planner = Planner {
        dice: Dice::new(seed),
        happenings: Vec::new(),
        payments: Vec::new(),
        books: Books::default(),
        refundable: Vec::new(),
        later: BTreeMap::new(),
        landing: BTreeSet::new(),
    };
    let fixed = FIRST.len() + LAST.len() + 2;
    let spread = size - fixed;
    let mut done = 0;
    for day in 1..=LAST_DAY {
        // The share of the days so far, less what they had: a day without leaves its own to the next.
        let until = usize::try_from(day.min(LAST_DAY_OF_MONTH)).unwrap_or_default();
        let share = spread * until / 31 - done;
        done += planner.day(day, share);
    }
    Month {
        happenings: planner.happenings,
        payments: planner.payments,
        books: planner.books,
    }
}

struct Planner {
    dice: Dice,
    happenings: Vec<Happening>,
    payments: Vec<Payment>,
    books: Books,
    /// Payments that are settled and were neither refunded nor disputed.
    refundable: Vec<usize>,
    /// What happens on later days.
    later: BTreeMap<i64, Vec<Happening>>,
    /// Payouts on their way.
    landing: BTreeSet<usize>,
}

impl Planner {
    fn add(&mut self, happening: Happening) {
        self.books.enter(&happening);
        self.happenings.push(happening);
    }

    fn later(&mut self, day: i64, happening: Happening) {
        let day = if day == NEGATIVE_DAY { day + 1 } else { day };
        self.later.entry(day).or_default().push(happening);
    }

    /// Plans a day. Returns how many of `share` payments it has.
    fn day(&mut self, day: i64, share: usize) -> usize {
        self.add(Happening::Day(EVE + day * DAY_SECS));
        let rate = Rate {
            currency: "eur".to_owned(),
            millionths: 880_000 + self.dice.below(60_000),
        };
        self.add(Happening::Rate("usd", rate));
        for payout in std::mem::take(&mut self.landing) {
            self.add(Happening::PayoutLands { payout });
        }
        let paid = if day == NEGATIVE_DAY { 0 } else { share };
        self.payments_of(day, paid);
        for happening in self.later.remove(&day).unwrap_or_default() {
            if let Happening::FeeArrives { payment } = &happening {
                self.refundable.push(*payment);
            }
            self.add(happening);
        }
        self.troubles_of(day);
        if day != NEGATIVE_DAY {
            for (_, amount, currency) in FOREIGN.into_iter().filter(|(on, ..)| *on == day) {
                self.add(Happening::PayForeign { amount, currency });
            }
            for (_, extra, amount) in EXTRAS.into_iter().filter(|(on, ..)| *on == day) {
                let currency = "eur";
                self.add(Happening::Write {
                    extra,
                    amount,
                    currency,
                });
            }
        }
        if day < LAST_DAY {
            self.payouts_of(day);
        }
        paid
    }

    fn payments_of(&mut self, day: i64, share: usize) {
        let fixed: &[_] = match day {
            1 => &FIRST,
            CANCELED_DAY => &[CANCELED],
            FAILING_DAY => &[FAILING],
            LAST_DAY => &LAST,
            _ => &[],
        };
        for (amount, currency) in fixed {
            self.pay(day, *amount, currency, false);
        }
        for _ in 0..share {
            let (amount, currency) = match self.dice.below(20) {
                0..10 => (500 + self.dice.below(30_000), "eur"),
                10..15 => (500 + self.dice.below(30_000), "usd"),
                15..18 => (300 + self.dice.below(20_000), "jpy"),
                _ => (10 * (100 + self.dice.below(3_000)), "kwd"),
            };
            let late = day < LAST_DAY_OF_MONTH && self.dice.once_in(12);
            self.pay(day, amount, currency, late);
        }
    }

    fn pay(&mut self, day: i64, amount: i64, currency: &'static str, late: bool) {
        let number = self.payments.len();
        let payment = Payment {
            number,
            reference: format!("S{day:02}{number:06}"),
            amount,
            currency,
            late,
        };
        if late {
            let arrives = day + 2 + self.dice.below(3);
            self.later(arrives, Happening::FeeArrives { payment: number });
        } else if number >= FIRST.len() {
            self.refundable.push(number);
        }
        self.payments.push(payment.clone());
        self.add(Happening::Pay(payment));
    }

    /// Refunds and disputes.
    fn troubles_of(&mut self, day: i64) {
        for (_, payment, amount, fails) in REFUNDS.into_iter().filter(|(on, ..)| *on == day) {
            self.refund(payment, amount, fails);
        }
        for (_, payment, decided, returned) in DISPUTES.into_iter().filter(|(on, ..)| *on == day) {
            let dispute = self.books.disputes();
            self.add(Happening::Dispute { payment });
            self.later(decided, Happening::DisputeEnds { dispute, returned });
        }
        let tries = 1 + self.payments.len() / 150;
        for _ in 0..tries {
            if (2..LAST_DAY_OF_MONTH).contains(&day) && !self.refundable.is_empty() && self.dice.once_in(2) {
                let place = self.dice.below(i64::try_from(self.refundable.len()).unwrap_or(1));
                let payment = self.refundable.remove(usize::try_from(place).unwrap_or_default());
                let Some(whole) = self.payments.get(payment).map(|payment| payment.amount) else {
                    continue;
                };
                let amount = if self.dice.once_in(3) {
                    whole
                } else {
                    (whole / 30).max(1) * 10
                };
                let fails = self.dice.once_in(4).then_some(day + 3);
                self.refund(payment, amount.min(whole), fails);
            }
        }
    }

    fn refund(&mut self, payment: usize, amount: i64, fails: Option<i64>) {
        let refund = self.books.refunds();
        self.add(Happening::Refund { payment, amount });
        if let Some(fails) = fails {
            self.later(fails, Happening::RefundFails { refund });
        }
    }

    /// Euros are paid out every day, the others now and then.
    fn payouts_of(&mut self, day: i64) {
        let ends = day == LAST_DAY - 1;
        self.pay_out(day, "eur", PayoutKind::Automatic);
        if ends || day % 7 == 0 {
            self.pay_out(day, "jpy", PayoutKind::Automatic);
        }
        if day == MANUAL_DAY {
            self.pay_out(day, "kwd", PayoutKind::Manual);
        } else if ends {
            self.pay_out(day, "kwd", PayoutKind::Automatic);
        }
    }

    fn pay_out(&mut self, day: i64, currency: &'static str, kind: PayoutKind) {
        if self.books.unpaid(currency) == 0 {
            return;
        }
        let payout = self.books.payouts().len();
        self.add(Happening::PayOut { currency, kind });
        match (day, currency) {
            (CANCELED_DAY, "eur") => self.later(day + 1, Happening::PayoutCanceled { payout }),
            (FAILING_DAY, "eur") => {
                self.landing.insert(payout);
                self.later(FAILS_ON, Happening::PayoutFails { payout });
            }
            _ => drop(self.landing.insert(payout)),
        }
    }
}
