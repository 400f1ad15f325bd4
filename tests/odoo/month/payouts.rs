//! Payouts: what left the journal is what reached the bank.

use std::collections::BTreeMap;

use quittance::domain::ledger::LedgerAccount;
use quittance_sandbox::month::Happening;
use serde_json::{Value, json};

use super::super::support::minor;
use super::world::{Past, World};

/// What became of a payout, by the plan.
#[derive(Clone, Copy, Debug, Default)]
struct Fate {
    landed: bool,
    /// Whether its money came back, from the bank or on the way there.
    returned: bool,
}

/// What stands in Odoo about a payout, in minor units, each in order of its amount.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Found {
    /// Lines of the journal that stands for the provider's balance.
    journal: Vec<i64>,
    /// Lines of the bank's journal.
    bank: Vec<i64>,
    /// What is left on the way.
    in_transit: i64,
    /// Items on the way that wait for another.
    open: usize,
}

impl World {
    /// Every payout left the journal with its amount and reached the bank with it, or came back.
    pub(super) async fn judge_payouts(&self, past: &Past) {
        let fates = fates(past);
        let planned = past.month.payouts().iter();
        let mut expected = BTreeMap::new();
        for ((payout, fate), id) in planned.zip(&fates).zip(&past.happened.payouts) {
            let written = self.books[&payout.currency.to_uppercase()].bank.is_some();
            let (amount, came_back) = (payout.amount, fate.returned.then_some(payout.amount));
            let reached = Some(amount).filter(|_| fate.landed);
            let mut found = Found {
                journal: [-amount].into_iter().chain(came_back).collect(),
                ..Found::default()
            };
            if written {
                let left_again = came_back.map(|amount| -amount);
                found.bank = reached
                    .into_iter()
                    .chain(left_again.filter(|_| fate.landed))
                    .collect();
                // What was called off never met anything.
                found.open = if fate.landed { 0 } else { 2 };
            } else {
                found.in_transit = amount - came_back.unwrap_or_default();
                found.open = if fate.returned { 2 } else { 1 };
            }
            found.journal.sort_unstable();
            found.bank.sort_unstable();
            expected.insert(id.clone(), found);
        }
        assert!(
            past.month.payouts().iter().any(|payout| payout.amount < 0),
            "none is negative"
        );
        assert!(
            fates.iter().any(|fate| fate.landed && fate.returned),
            "none failed"
        );
        assert!(
            fates.iter().any(|fate| !fate.landed && fate.returned),
            "none was called off"
        );
        assert_eq!(self.find_payouts(&past.happened.payouts).await, expected);
    }

    async fn find_payouts(&self, ids: &[String]) -> BTreeMap<String, Found> {
        let mut found: BTreeMap<String, Found> =
            ids.iter().map(|id| (id.clone(), Found::default())).collect();
        for (code, books) in &self.books {
            let currency = code.parse().unwrap();
            let bank = books.bank.as_ref().map(|bank| bank.journal_id);
            let journals: Vec<i64> = [books.journal_id].into_iter().chain(bank).collect();
            let domain = json!([["journal_id", "in", journals], ["payment_ref", "in", ids]]);
            let fields = ["payment_ref", "amount", "journal_id"];
            for line in self
                .door
                .search("account.bank.statement.line", domain, &fields)
                .await
            {
                let payout = found.get_mut(line["payment_ref"].as_str().unwrap()).unwrap();
                let lines = if line["journal_id"][0] == books.journal_id {
                    &mut payout.journal
                } else {
                    &mut payout.bank
                };
                lines.push(minor(&line["amount"], currency));
                lines.sort_unstable();
            }
            let on_the_way = books.accounts[&LedgerAccount::InTransit];
            let domain = json!([
                ["account_id", "=", on_the_way],
                ["name", "in", ids],
                ["currency_id.name", "=", code],
                ["parent_state", "=", "posted"],
            ]);
            let fields = ["name", "amount_currency", "reconciled"];
            for item in self.door.search("account.move.line", domain, &fields).await {
                let payout = found.get_mut(item["name"].as_str().unwrap()).unwrap();
                payout.in_transit += minor(&item["amount_currency"], currency);
                payout.open += usize::from(item["reconciled"] == Value::Bool(false));
            }
        }
        found
    }
}

fn fates(past: &Past) -> Vec<Fate> {
    let mut fates = vec![Fate::default(); past.month.payouts().len()];
    for happening in past.month.happenings() {
        match happening {
            Happening::PayoutLands { payout } => fates[*payout].landed = true,
            Happening::PayoutFails { payout } | Happening::PayoutCanceled { payout } => {
                fates[*payout].returned = true;
            }
            Happening::Day(_)
            | Happening::Rate(..)
            | Happening::Pay(_)
            | Happening::FeeArrives { .. }
            | Happening::Refund { .. }
            | Happening::RefundFails { .. }
            | Happening::Dispute { .. }
            | Happening::DisputeEnds { .. }
            | Happening::PayForeign { .. }
            | Happening::Write { .. }
            | Happening::PayOut { .. } => {}
        }
    }
    fates
}
