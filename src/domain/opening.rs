//! The opening of an account that has a past: what was under way when its books begin here.

use time::{Duration, OffsetDateTime};

use super::ledger::{Entries, LedgerAccount, Unbalanced};
use super::money::{Currency, Money};
use super::payout::{PayoutSnapshot, PayoutState};
use super::snapshot::Said;

/// How long before the opening a payout may have left and still be on its way: banks take days, and send back for weeks.
pub const PAYOUTS_BACK: Duration = Duration::days(60);

/// How long before the opening a dispute may have been opened and still be undecided.
pub const DISPUTES_BACK: Duration = Duration::days(400);

/// A payout as its provider lists it.
#[derive(Clone, Debug)]
pub struct ListedPayout {
    /// How it stands now.
    pub told: PayoutSnapshot,
    /// When a ledger line took its money out of the balance; none where none did.
    pub left_at: Option<OffsetDateTime>,
    /// When a ledger line brought it back.
    pub returned_at: Option<OffsetDateTime>,
}

impl ListedPayout {
    /// Whether its money was out of the balance at a moment and not at the bank for good, so that a later line or its arrival ends it.
    /// One that arrived and came back after the moment counts: the line that brings it back is booked.
    #[must_use]
    pub fn was_in_transit(&self, at: OffsetDateTime) -> bool {
        let had_left = self.left_at.is_some_and(|left| left < at);
        let ends_later = match &self.told.state {
            Said::Known(PayoutState::Pending | PayoutState::InTransit) | Said::Unrecognized(_) => true,
            Said::Known(PayoutState::Paid) => self.told.arrives_on.is_none_or(|day| day >= at.date()),
            Said::Known(PayoutState::Failed | PayoutState::Canceled) => {
                self.returned_at.is_some_and(|returned| returned >= at)
            }
        };
        had_left && ends_later
    }

    /// Whether its money left the balance at a moment or later.
    #[must_use]
    pub fn left_since(&self, at: OffsetDateTime) -> bool {
        self.left_at.is_some_and(|left| left >= at)
    }
}

/// What a dispute moved, as its provider lists it.
#[derive(Clone, Debug)]
pub struct ListedDispute {
    /// The provider's id of it (`dp_…`).
    pub provider_reference: String,
    /// Whether nothing more can come of it.
    pub is_closed: bool,
    /// The gross of each of its ledger lines, and when it was written: what was taken is negative.
    pub moved: Vec<(OffsetDateTime, Money)>,
}

impl ListedDispute {
    /// What it had taken at a moment, where it was not decided then. One that is closed and moved nothing since counts as decided: lost,
    /// nothing of it comes back.
    #[must_use]
    pub fn taken_at(&self, at: OffsetDateTime) -> Option<Money> {
        type Moved<'a> = Vec<&'a (OffsetDateTime, Money)>;
        let (before, since): (Moved<'_>, Moved<'_>) =
            self.moved.iter().partition(|(moved_at, _)| *moved_at < at);
        let currency = before.first()?.1.currency;
        let minor = before
            .iter()
            .filter(|(_, money)| money.currency == currency)
            .map(|(_, money)| -money.minor)
            .sum();
        let is_open = minor != 0 && (!self.is_closed || !since.is_empty());
        is_open.then(|| Money::new(minor, currency))
    }
}

/// What kind of thing was under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum UnderWayKind {
    /// A payout on its way.
    Payout,
    /// A dispute that was not decided.
    Dispute,
}

/// Money that was out of the balance at the opening, and is not gone.
#[derive(Clone, Debug)]
pub struct UnderWay {
    /// What it was.
    pub kind: UnderWayKind,
    /// The provider's id of it.
    pub reference: String,
    /// How much.
    pub amount: Money,
}

/// What an account opens with in one currency, in minor units.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpeningBalance {
    /// The currency.
    pub currency: Currency,
    /// What the provider held.
    pub amount_minor: i64,
    /// What was on its way to the bank.
    pub in_transit_minor: i64,
    /// What disputes had taken that were not decided.
    pub disputed_minor: i64,
}

impl OpeningBalance {
    /// What it is booked as: all of it against Opening.
    ///
    /// # Errors
    /// Where the sums are more than can be counted.
    pub fn book(&self) -> Result<Entries, Unbalanced> {
        let money = |minor| Money::new(minor, self.currency);
        let parts = [
            (LedgerAccount::ProviderBalance, self.amount_minor),
            (LedgerAccount::InTransit, self.in_transit_minor),
            (LedgerAccount::Disputes, self.disputed_minor),
        ];
        Entries::balanced(
            parts.into_iter().flat_map(|(account, minor)| {
                [(account, money(minor)), (LedgerAccount::Opening, money(-minor))]
            }),
        )
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use time::macros::{date, datetime};

    use super::*;

    const AT: OffsetDateTime = datetime!(2026-10-01 0:00 UTC);

    fn eur(minor: i64) -> Money {
        Money::new(minor, "EUR".parse().unwrap())
    }

    fn payout(state: PayoutState) -> ListedPayout {
        ListedPayout {
            told: PayoutSnapshot {
                provider_reference: "po_1".to_owned(),
                state: Said::Known(state),
                amount: eur(500),
                is_automatic: true,
                method: None,
                destination_kind: None,
                arrives_on: Some(date!(2026 - 10 - 02)),
                reconciliation: None,
                failure_code: None,
                failure_message: None,
                balance_transaction: None,
                failure_balance_transaction: None,
                opened_at: datetime!(2026-09-30 0:00 UTC),
            },
            left_at: Some(datetime!(2026-09-30 0:00 UTC)),
            returned_at: None,
        }
    }

    #[test]
    fn a_payout_is_in_transit_from_when_it_left_until_it_arrived_or_came_back() {
        assert!(payout(PayoutState::InTransit).was_in_transit(AT));
        assert!(payout(PayoutState::Paid).was_in_transit(AT));
        let mut arrived = payout(PayoutState::Paid);
        arrived.told.arrives_on = Some(date!(2026 - 09 - 30));
        assert!(!arrived.was_in_transit(AT));
        let mut later = payout(PayoutState::InTransit);
        later.left_at = Some(AT);
        assert!(!later.was_in_transit(AT), "its own line is booked");
        assert!(later.left_since(AT));
        let mut failed = payout(PayoutState::Failed);
        failed.returned_at = Some(datetime!(2026-09-30 12:00 UTC));
        assert!(!failed.was_in_transit(AT));
        failed.returned_at = Some(datetime!(2026-10-03 0:00 UTC));
        assert!(failed.was_in_transit(AT), "what brings it back is booked");
        failed.left_at = None;
        assert!(!failed.was_in_transit(AT), "it never moved anything");
    }

    #[test]
    fn what_a_dispute_had_taken_counts_while_something_of_it_may_come_back() {
        let mut dispute = ListedDispute {
            provider_reference: "dp_1".to_owned(),
            is_closed: false,
            moved: vec![(datetime!(2026-09-20 0:00 UTC), eur(-700))],
        };
        assert_eq!(dispute.taken_at(AT), Some(eur(700)));
        dispute.is_closed = true;
        assert_eq!(dispute.taken_at(AT), None, "lost");
        dispute.moved.push((datetime!(2026-10-05 0:00 UTC), eur(700)));
        assert_eq!(dispute.taken_at(AT), Some(eur(700)), "won later");
        dispute.moved[1].0 = datetime!(2026-09-25 0:00 UTC);
        assert_eq!(dispute.taken_at(AT), None, "won before");
        dispute.moved.clear();
        assert_eq!(dispute.taken_at(AT), None, "an inquiry");
        dispute.moved.push((AT, eur(-700)));
        assert_eq!(dispute.taken_at(AT), None, "its line is booked");
    }

    #[test]
    fn an_opening_is_booked_against_opening_whole() {
        let opening = OpeningBalance {
            currency: "EUR".parse().unwrap(),
            amount_minor: 1_000,
            in_transit_minor: 500,
            disputed_minor: 0,
        };
        let entries = opening.book().unwrap();
        let booked: Vec<_> = entries
            .iter()
            .map(|entry| (entry.account, entry.amount.minor))
            .collect();
        assert_eq!(
            booked,
            [
                (LedgerAccount::ProviderBalance, 1_000),
                (LedgerAccount::Opening, -1_000),
                (LedgerAccount::InTransit, 500),
                (LedgerAccount::Opening, -500),
            ]
        );
    }
}
