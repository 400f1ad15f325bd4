//! What became of the money of one line that waits in Suspense.

use std::collections::BTreeMap;

use super::book::customers;
use super::{Entries, LedgerAccount, Unbalanced};
use crate::domain::money::{Currency, Money};

/// Why money in Suspense cannot be moved as it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SuspenseRuleBroken {
    /// Nothing of the line waits there.
    #[error("no money waits in suspense for it: it is resolved without an account")]
    NothingWaits,
    /// Only a customer's money pays a document.
    #[error("only a charge or refund that did not start here can be linked to what it pays")]
    NotLinkable,
    /// A person has decided otherwise.
    #[error("it is resolved already; reopen it first")]
    Resolved,
    /// A link is what Odoo was told.
    #[error("it is linked to {reference}, and stays so: what is wrong with that is corrected in Odoo")]
    Linked {
        /// What Odoo calls what it pays.
        reference: String,
    },
}

impl SuspenseRuleBroken {
    /// A stable code to act on.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NothingWaits => "nothing_in_suspense",
            Self::NotLinkable => "exception_not_linkable",
            Self::Resolved => "exception_resolved",
            Self::Linked { .. } => "exception_linked",
        }
    }
}

/// What moved money of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    /// The line itself, or its match.
    Itself,
    /// A person who resolved or reopened its exception.
    Hand,
}

/// All that was booked about one line.
#[derive(Clone, Debug, Default)]
pub struct LineBookings {
    sums: BTreeMap<(LedgerAccount, &'static str), (Currency, i64, i64)>,
    by_hand: std::collections::BTreeSet<String>,
}

impl LineBookings {
    /// Takes in an entry of the transaction with this source.
    pub fn add(&mut self, source: &str, account: LedgerAccount, amount: Money) {
        let by = if source.starts_with("resolved:") || source.starts_with("reopened:") {
            self.by_hand.insert(source.to_owned());
            By::Hand
        } else {
            By::Itself
        };
        let place = (account, amount.currency.code());
        let (_, all, hand) = self.sums.entry(place).or_insert((amount.currency, 0, 0));
        *all += amount.minor;
        if by == By::Hand {
            *hand += amount.minor;
        }
    }

    /// How often a person has moved its money.
    #[must_use]
    pub fn times_by_hand(&self) -> usize {
        self.by_hand.len()
    }

    /// What waits in Suspense, by currency; debits are positive.
    #[must_use]
    pub fn waiting(&self) -> Vec<Money> {
        let waiting = self
            .sums
            .iter()
            .filter(|((account, _), (_, all, _))| *account == LedgerAccount::Suspense && *all != 0);
        waiting
            .map(|(_, (currency, all, _))| Money::new(*all, *currency))
            .collect()
    }

    /// Whether a person has moved some of it to an account, where it still is.
    #[must_use]
    pub fn is_moved_to(&self, account: LedgerAccount) -> bool {
        let moved = self.sums.iter();
        moved
            .filter(|((to, _), _)| *to == account)
            .any(|(_, (_, _, hand))| *hand != 0)
    }

    /// Books all that waits as what a person says that it is.
    ///
    /// # Errors
    /// [`SuspenseRuleBroken::NothingWaits`].
    pub fn settle(&self, account: LedgerAccount) -> Result<Entries, SuspenseRuleBroken> {
        let waiting = self.waiting();
        if waiting.is_empty() {
            return Err(SuspenseRuleBroken::NothingWaits);
        }
        let sides = waiting
            .into_iter()
            .flat_map(|waits| [(LedgerAccount::Suspense, -waits), (account, waits)]);
        Entries::balanced(sides).map_err(|_| SuspenseRuleBroken::NothingWaits)
    }

    /// Books back what persons have moved; none where they have moved nothing.
    ///
    /// # Errors
    /// Never: what is taken back was balanced.
    pub fn take_back(&self) -> Result<Option<Entries>, Unbalanced> {
        let sides = self.sums.iter();
        let sides = sides.map(|((account, _), (currency, _, hand))| (*account, Money::new(-hand, *currency)));
        let entries = Entries::balanced(sides)?;
        let is_any = entries.iter().next().is_some();
        Ok(is_any.then_some(entries))
    }

    /// Books what waits as a customer's money after all. `presented` is what the customer paid for it, or got back as a negative
    /// amount.
    ///
    /// # Errors
    /// [`SuspenseRuleBroken::NothingWaits`] where not one amount waits.
    pub fn clear(&self, presented: Money) -> Result<Entries, SuspenseRuleBroken> {
        let waiting = self.waiting();
        let [waits] = waiting.as_slice() else {
            return Err(SuspenseRuleBroken::NothingWaits);
        };
        let mut sides = vec![(LedgerAccount::Suspense, -*waits)];
        sides.extend(customers(*waits, presented));
        Entries::balanced(sides).map_err(|_| SuspenseRuleBroken::NothingWaits)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use super::*;

    fn money(minor: i64, code: &str) -> Money {
        Money::new(minor, code.parse().unwrap())
    }

    fn foreign() -> LineBookings {
        let mut booked = LineBookings::default();
        for (account, minor) in [
            (LedgerAccount::ProviderBalance, 4_800),
            (LedgerAccount::Fees, 200),
            (LedgerAccount::Suspense, -5_000),
        ] {
            booked.add("txn_1", account, money(minor, "EUR"));
        }
        booked
    }

    fn sides(entries: &Entries) -> Vec<(LedgerAccount, i64, &'static str)> {
        let sides = entries.iter();
        sides
            .map(|entry| (entry.account, entry.amount.minor, entry.amount.currency.code()))
            .collect()
    }

    fn add(booked: &mut LineBookings, source: &str, entries: &Entries) {
        for entry in entries {
            booked.add(source, entry.account, entry.amount);
        }
    }

    #[test]
    fn what_is_resolved_and_reopened_waits_again_and_can_be_resolved_as_something_else() {
        let mut booked = foreign();
        let fees = booked.settle(LedgerAccount::Fees).unwrap();
        assert_eq!(
            sides(&fees),
            [
                (LedgerAccount::Suspense, 5_000, "EUR"),
                (LedgerAccount::Fees, -5_000, "EUR")
            ]
        );
        add(&mut booked, "resolved:txn_1:1", &fees);
        assert_eq!(booked.waiting(), []);
        assert!(booked.is_moved_to(LedgerAccount::Fees) && !booked.is_moved_to(LedgerAccount::Bank));
        assert_eq!(
            booked.settle(LedgerAccount::Bank),
            Err(SuspenseRuleBroken::NothingWaits)
        );
        let back = booked.take_back().unwrap().unwrap();
        add(&mut booked, "reopened:txn_1:2", &back);
        assert_eq!(booked.waiting(), [money(-5_000, "EUR")]);
        assert_eq!(booked.take_back().unwrap(), None);
        assert!(!booked.is_moved_to(LedgerAccount::Fees));
        let again = booked.settle(LedgerAccount::Bank).unwrap();
        add(&mut booked, "resolved:txn_1:3", &again);
        assert_eq!((booked.waiting(), booked.times_by_hand()), (vec![], 3));
    }

    #[test]
    fn what_turns_out_to_be_a_customers_is_booked_as_if_it_had_been_known_at_once() {
        let same = foreign().clear(money(5_000, "EUR")).unwrap();
        assert_eq!(
            sides(&same),
            [
                (LedgerAccount::Suspense, 5_000, "EUR"),
                (LedgerAccount::ReceivableClearing, -5_000, "EUR")
            ]
        );
        let other = foreign().clear(money(6_000, "USD")).unwrap();
        assert_eq!(
            sides(&other),
            [
                (LedgerAccount::Suspense, 5_000, "EUR"),
                (LedgerAccount::Fx, -5_000, "EUR"),
                (LedgerAccount::Fx, 6_000, "USD"),
                (LedgerAccount::ReceivableClearing, -6_000, "USD"),
            ]
        );
    }
}
