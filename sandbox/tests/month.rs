//! The generated month: what was planned is what Stripe then says.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, ensure};
use quittance_sandbox::month::{Asked, Happened, Happening, Month, Notice, PlantedKind};
use quittance_sandbox::stripe::{Options, PayoutKind, PretendStripe, Settlement};
use serde_json::Value;

/// Stripe, and a merchant that asks it without a service between.
struct Shop {
    stripe: PretendStripe,
    client: reqwest::Client,
}

impl Shop {
    async fn open(settlement: Settlement) -> Self {
        let options = Options {
            settlement,
            ..Options::default()
        };
        let stripe = PretendStripe::start(options).await.unwrap();
        let client = reqwest::Client::builder().build().unwrap();
        Self { stripe, client }
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<Value> {
        let response = request.bearer_auth(self.stripe.secret_key()).send().await?;
        let (status, body) = (response.status(), response.json::<Value>().await?);
        ensure!(status.is_success(), "{body}");
        Ok(body)
    }

    async fn ask(&self, asked: Asked) -> Result<String> {
        let (path, form) = match asked {
            Asked::Pay(payment) => (
                "payment_intents",
                format!(
                    "amount={}&currency={}&payment_method=pm_card_visa&payment_method_types[]=card&confirm=true\
                     &description={}&metadata[reference]={}",
                    payment.amount, payment.currency, payment.reference, payment.reference
                ),
            ),
            Asked::Refund { payment, amount, .. } => {
                let intents = self.stripe.payment_intents();
                let paid = intents
                    .iter()
                    .find(|intent| intent["metadata"]["reference"] == payment.reference);
                let id = paid.unwrap()["id"].as_str().unwrap().to_owned();
                ("refunds", format!("payment_intent={id}&amount={amount}"))
            }
        };
        let request = self.client.post(format!("{}/v1/{path}", self.stripe.url()));
        let header = ("Content-Type", "application/x-www-form-urlencoded");
        let made = self.send(request.header(header.0, header.1).body(form)).await?;
        Ok(made["id"].as_str().unwrap().to_owned())
    }

    async fn get(&self, path: &str) -> Value {
        let request = self.client.get(format!("{}/v1/{path}", self.stripe.url()));
        self.send(request).await.unwrap()
    }

    async fn live(&self, month: &Month) -> Happened {
        month
            .happen(&self.stripe, async |asked| self.ask(asked).await)
            .await
            .unwrap()
    }

    /// All pages of a list.
    async fn walk(&self, query: &str) -> Vec<Value> {
        let mut rows: Vec<Value> = Vec::new();
        loop {
            let after = rows
                .last()
                .map(|row| format!("&starting_after={}", row["id"].as_str().unwrap()));
            let page = self.get(&format!("{query}{}", after.unwrap_or_default())).await;
            rows.extend(page["data"].as_array().unwrap().clone());
            if page["has_more"] == false {
                return rows;
            }
        }
    }
}

fn net(lines: &[Value]) -> i64 {
    lines.iter().map(|line| line["net"].as_i64().unwrap()).sum()
}

#[tokio::test]
async fn a_month_comes_to_what_was_planned() {
    let month = Month::plan(5, 160);
    let shop = Shop::open(Settlement::OnDemand).await;
    shop.live(&month).await;
    let lines = shop.walk("balance_transactions?limit=100").await;
    assert_eq!(lines.len(), month.lines());
    let mut totals: BTreeMap<String, i64> = BTreeMap::new();
    for line in &lines {
        *totals
            .entry(line["currency"].as_str().unwrap().to_owned())
            .or_default() += line["net"].as_i64().unwrap();
    }
    assert_eq!(totals, month.totals());
    let balance = shop.get("balance").await;
    for (currency, total) in &totals {
        let parts = ["available", "pending"].map(|part| balance[part].as_array().unwrap().clone());
        let held = parts
            .iter()
            .flatten()
            .filter(|held| held["currency"] == *currency);
        assert_eq!(
            held.map(|held| held["amount"].as_i64().unwrap()).sum::<i64>(),
            *total,
            "{currency}"
        );
    }
    let times: Vec<_> = lines
        .iter()
        .map(|line| line["created"].as_i64().unwrap())
        .collect();
    assert!(times.is_sorted_by(|newer, older| newer >= older));
}

#[tokio::test]
async fn each_payouts_lines_come_to_what_was_planned() {
    let month = Month::plan(6, 80);
    let shop = Shop::open(Settlement::OnDemand).await;
    let happened = shop.live(&month).await;
    assert_eq!(happened.payouts.len(), month.payouts().len());
    for (id, planned) in happened.payouts.iter().zip(month.payouts()) {
        let shown = shop.get(&format!("payouts/{id}")).await;
        assert_eq!(shown["amount"], planned.amount, "{planned:?}");
        let mut lines = match planned.kind {
            PayoutKind::Automatic => {
                shop.walk(&format!("balance_transactions?limit=100&payout={id}"))
                    .await
            }
            PayoutKind::Manual => shop.stripe.lines_of(id),
        };
        lines.retain(|line| line["id"] != shown["balance_transaction"]);
        assert_eq!(
            (net(&lines), lines.len()),
            (planned.amount, planned.lines),
            "{planned:?}"
        );
        let status = shown["status"].as_str().unwrap();
        assert!(["paid", "failed", "canceled"].contains(&status), "{status}");
        assert_eq!(status != "paid", planned.returned);
    }
}

#[tokio::test]
async fn what_was_planted_is_there_and_has_nothing_of_ours() {
    let month = Month::plan(7, 40);
    let shop = Shop::open(Settlement::OnDemand).await;
    let happened = shop.live(&month).await;
    let planted = happened.planted;
    assert_eq!(planted.len(), 4);
    for difference in &planted {
        let shown = match difference.kind {
            PlantedKind::ForeignPayment => {
                let charge = shop.get(&format!("charges/{}", difference.id)).await;
                assert_eq!(charge["metadata"], serde_json::json!({}));
                charge
            }
            PlantedKind::UnknownType => {
                let line = shop.get(&format!("balance_transactions/{}", difference.id)).await;
                assert_eq!(line["type"], "solar_flare");
                line
            }
        };
        assert_eq!(shown["amount"], difference.found);
        assert_eq!(shown["currency"], difference.currency);
    }
}

#[tokio::test]
async fn whoever_should_hear_of_something_is_told_by_an_event() {
    let month = Month::plan(8, 40);
    let shop = Shop::open(Settlement::OnDemand).await;
    let happened = shop.live(&month).await;
    let mut noticed: Vec<_> = happened.notices;
    let mut told: Vec<_> = shop
        .stripe
        .events()
        .iter()
        .filter_map(|event| {
            let notice = match event["type"].as_str().unwrap() {
                "charge.dispute.created" => Notice::DisputeOpened,
                "refund.failed" => Notice::RefundFailed,
                "payout.failed" => Notice::PayoutFailed,
                _ => return None,
            };
            Some((notice, event["data"]["object"]["id"].as_str().unwrap().to_owned()))
        })
        .collect();
    noticed.sort();
    told.sort();
    assert!(noticed.len() > 5);
    assert_eq!(noticed, told);
}

#[tokio::test]
async fn a_month_does_not_begin_where_fees_come_by_themselves() {
    let shop = Shop::open(Settlement::After(std::time::Duration::ZERO)).await;
    let refused = Month::plan(1, 40)
        .happen(&shop.stripe, async |asked| shop.ask(asked).await)
        .await;
    assert!(refused.is_err());
    assert!(shop.stripe.payment_intents().is_empty());
}

#[test]
fn every_month_has_all_that_an_audit_must_cope_with() {
    for seed in 0..200 {
        let month = Month::plan(seed, 40 + usize::try_from(seed).unwrap());
        assert_eq!(
            month.happenings(),
            Month::plan(seed, 40 + usize::try_from(seed).unwrap()).happenings()
        );
        let paid: BTreeSet<_> = month.payments().iter().map(|payment| payment.currency).collect();
        assert_eq!(paid, BTreeSet::from(["eur", "jpy", "kwd", "usd"]));
        assert_eq!(month.payments().len(), 40 + usize::try_from(seed).unwrap());
        let payouts = month.payouts();
        let count = |wanted: &dyn Fn(&Happening) -> bool| {
            month
                .happenings()
                .iter()
                .filter(|happening| wanted(happening))
                .count()
        };
        assert_eq!(
            payouts
                .iter()
                .filter(|payout| payout.kind == PayoutKind::Manual)
                .count(),
            1
        );
        assert!(payouts.iter().any(|payout| payout.amount < 0), "{seed}");
        assert_eq!(payouts.iter().filter(|payout| payout.returned).count(), 2);
        assert!(count(&|happening| matches!(happening, Happening::RefundFails { .. })) > 0);
        assert_eq!(
            count(&|happening| matches!(happening, Happening::DisputeEnds { .. })),
            4
        );
        let late = month.payments().iter().filter(|payment| payment.late).count();
        assert_eq!(
            count(&|happening| matches!(happening, Happening::FeeArrives { .. })),
            late
        );
    }
}

#[test]
fn months_of_other_seeds_are_other_months() {
    assert_ne!(Month::plan(1, 40).payouts(), Month::plan(2, 40).payouts());
}
