//! What customers were invoiced before the month, and what they must owe after it.

use std::collections::BTreeMap;

use quittance::domain::money::{Currency, Money};
use quittance_sandbox::month::{Happening, Month, Payment};
use serde_json::{Value, json};

use super::super::support::{first, minor};
use super::world::World;
use crate::odoo::rpc::Door;

/// Invoices of a customer, all of which one payment settles.
struct Sale {
    partner: i64,
    currency: Currency,
    /// Of each its id, what it is over and what the payment settles of it.
    invoices: Vec<(i64, i64, i64)>,
}

/// The sales of a month, by the number of their payment.
pub(super) struct Sales(Vec<Sale>);

/// What became of a payment, by the plan.
#[derive(Clone, Copy, Debug, Default)]
struct Fate {
    /// What the customer got back for good.
    refunded: i64,
    /// What a dispute took for good.
    lost: i64,
}

/// What a payment's customer is invoiced, and what the payment settles of each: some pay less than they owe, some several at once.
fn invoiced(payment: &Payment) -> Vec<(i64, i64)> {
    let whole = payment.amount;
    match payment.number % 10 {
        3 => vec![(whole + 700, whole)],
        6 | 8 => vec![(whole / 2, whole / 2), (whole - whole / 2, whole - whole / 2)],
        _ => vec![(whole, whole)],
    }
}

fn currency(payment: &Payment) -> Currency {
    payment.currency.to_uppercase().parse().unwrap()
}

impl Sales {
    /// Posts the invoices of all payments.
    pub(super) async fn invoice(door: &Door, payments: &[Payment]) -> Self {
        let known = door
            .search("res.currency", json!([["active", "=", true]]), &["name"])
            .await;
        let id_of = |code: &str| known.iter().find(|one| one["name"] == code).unwrap()["id"].clone();
        let names = payments
            .iter()
            .map(|payment| json!({ "name": payment.reference }));
        let partners = door.create("res.partner", names.collect()).await;
        let mut wanted = Vec::new();
        let mut sales: Vec<Sale> = Vec::new();
        for (payment, partner) in payments.iter().zip(partners) {
            let currency = currency(payment);
            for (total, _) in invoiced(payment) {
                let price: Value = serde_json::from_str(&Money::new(total, currency).to_decimal()).unwrap();
                wanted.push(json!({
                    "move_type": "out_invoice",
                    "partner_id": partner,
                    "invoice_date": "2026-09-28",
                    "currency_id": id_of(currency.code()),
                    "invoice_line_ids": [[0, 0, {
                        "name": "Chair", "quantity": 1, "price_unit": price, "tax_ids": [[6, 0, []]],
                    }]],
                }));
            }
            sales.push(Sale {
                partner,
                currency,
                invoices: Vec::new(),
            });
        }
        let mut ids = door.create("account.move", wanted).await;
        door.call("account.move/action_post", json!({ "ids": ids })).await;
        for (payment, sale) in payments.iter().zip(&mut sales) {
            let amounts = invoiced(payment);
            let own: Vec<i64> = ids.drain(..amounts.len()).collect();
            let invoices = own.into_iter().zip(amounts);
            sale.invoices = invoices.map(|(id, (total, paid))| (id, total, paid)).collect();
        }
        Self(sales)
    }

    /// The customers.
    pub(super) fn partners(&self) -> Vec<i64> {
        self.0.iter().map(|sale| sale.partner).collect()
    }

    /// What a payment says that it settles.
    pub(super) fn settled_by(&self, payment: usize) -> Value {
        let invoices = self.0[payment].invoices.iter();
        invoices
            .map(|(id, _, paid)| json!({ "model": "account.move", "id": id, "amount_minor": paid }))
            .collect()
    }

    /// Every invoice is paid as far as the plan says, and every customer owes what it says.
    pub(super) async fn judge(&self, world: &World, month: &Month) {
        let (door, fates) = (&world.door, fates(month));
        let corrected = corrected(world).await;
        let mut expected = BTreeMap::new();
        let mut owed = BTreeMap::new();
        for ((sale, fate), payment) in self.0.iter().zip(&fates).zip(month.payments()) {
            let reopened = fate.lost == payment.amount || corrected.contains(&payment.reference);
            for (id, total, paid) in &sale.invoices {
                // A refund stands beside the invoice until the bookkeeper's credit note meets it, and so does what a dispute took of
                // a payment in part.
                let state = match total - paid {
                    _ if reopened => "not_paid",
                    0 => "paid",
                    _ => "partial",
                };
                expected.insert(*id, state.to_owned());
            }
            let invoiced: i64 = sale.invoices.iter().map(|(_, total, _)| total).sum();
            let left = invoiced - payment.amount + fate.refunded + fate.lost;
            owed.insert((sale.partner, sale.currency.code().to_owned()), left);
        }
        for state in ["not_paid", "partial", "paid"] {
            assert!(
                expected.values().any(|one| one == state),
                "the plan has none that is {state}"
            );
        }
        assert_eq!(self.states(door).await, expected);
        owed.retain(|_, minor| *minor != 0);
        assert_eq!(self.owed(door).await, owed);
    }

    async fn states(&self, door: &Door) -> BTreeMap<i64, String> {
        let ids: Vec<i64> = self
            .0
            .iter()
            .flat_map(|sale| sale.invoices.iter().map(|(id, ..)| *id))
            .collect();
        let found = door
            .search("account.move", json!([["id", "in", ids]]), &["payment_state"])
            .await;
        let state = |invoice: &Value| {
            let state = invoice["payment_state"].as_str().unwrap().to_owned();
            (invoice["id"].as_i64().unwrap(), state)
        };
        found.iter().map(state).collect()
    }

    /// What customers owe, by customer and currency, where that is anything.
    async fn owed(&self, door: &Door) -> BTreeMap<(i64, String), i64> {
        let domain = json!([
            ["partner_id", "in", self.partners()],
            ["account_type", "=", "asset_receivable"],
            ["parent_state", "=", "posted"],
        ]);
        let fields = ["partner_id", "currency_id", "amount_currency"];
        let mut owed = BTreeMap::new();
        for item in door.search("account.move.line", domain, &fields).await {
            let code = item["currency_id"][1].as_str().unwrap();
            let amount = minor(&item["amount_currency"], code.parse().unwrap());
            *owed
                .entry((first(&item["partner_id"]), code.to_owned()))
                .or_default() += amount;
        }
        owed.retain(|_, minor| *minor != 0);
        owed
    }
}

/// The payments of disputes that were heard of as lost before the line that brought a part back: they were booked as lost whole, which opens
/// the invoice, and the part that came back is the customer's.
async fn corrected(world: &World) -> Vec<String> {
    sqlx::query_scalar(
        "select p.reference from ledger_transaction t
         join payment p on p.merchant_id = t.merchant_id and p.id = t.payment_id where t.source like 'lost:%:2'",
    )
    .fetch_all(&world.test.db)
    .await
    .unwrap()
}

/// What became of each payment.
fn fates(month: &Month) -> Vec<Fate> {
    let mut fates = vec![Fate::default(); month.payments().len()];
    let (mut refunds, mut disputes) = (Vec::new(), Vec::new());
    for happening in month.happenings() {
        match happening {
            Happening::Refund { payment, amount } => {
                fates[*payment].refunded += amount;
                refunds.push((*payment, *amount));
            }
            Happening::RefundFails { refund } => {
                let (payment, amount) = refunds[*refund];
                fates[payment].refunded -= amount;
            }
            Happening::Dispute { payment } => disputes.push(*payment),
            Happening::DisputeEnds { dispute, returned } => {
                let payment = disputes[*dispute];
                fates[payment].lost = month.payments()[payment].amount - returned;
            }
            Happening::Day(_)
            | Happening::Rate(..)
            | Happening::Pay(_)
            | Happening::FeeArrives { .. }
            | Happening::PayForeign { .. }
            | Happening::Write { .. }
            | Happening::PayOut { .. }
            | Happening::PayoutLands { .. }
            | Happening::PayoutFails { .. }
            | Happening::PayoutCanceled { .. } => {}
        }
    }
    fates
}
