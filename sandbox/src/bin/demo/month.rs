//! A generated month of a second merchant's, and what the audit says of it: all of it holds to the cent, and what was planted is
//! named.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use quittance_sandbox::month::{Asked, Happened, Month, Planted, PlantedKind};
use quittance_sandbox::stripe::PretendStripe;
use reqwest::Client;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::story::say;
use crate::table::{Align, Table};

/// The same month each time.
const SEED: u64 = 5;
const PAYMENTS: usize = 60;
/// Before its first day.
const SINCE: &str = "2026-09-01T00:00:00Z";
/// What does not come true by then is an error.
const DEADLINE: Duration = Duration::from_mins(1);
/// What somebody should hear of though the books are right.
const NOTICES: [&str; 3] = ["dispute_opened", "refund_failed", "payout_failed"];

/// Where the month happens, and who asks.
#[derive(Debug)]
pub(crate) struct Business<'a> {
    pub(crate) stripe: &'a PretendStripe,
    /// Where the service listens.
    pub(crate) url: String,
    pub(crate) api_key: String,
    pub(crate) client: Client,
}

/// A month that is over.
#[derive(Debug)]
pub(crate) struct Lived {
    pub(crate) month: Month,
    pub(crate) happened: Happened,
    pub(crate) audit: Audit,
    /// What its merchant's programs call with.
    pub(crate) api_key: String,
}

/// What the audit said, as far as it is looked at.
#[derive(Debug, Deserialize)]
pub(crate) struct Audit {
    balances: Vec<Balance>,
    payouts: Payouts,
    open: Vec<Open>,
}

#[derive(Debug, Deserialize)]
struct Balance {
    currency: String,
    provider_minor: i64,
    ledger_minor: i64,
    unbooked_minor: i64,
    difference_minor: i64,
    suspense_minor: i64,
}

#[derive(Debug, Deserialize)]
struct Payouts {
    explained_count: i64,
    unexplained_count: i64,
    by_hand_count: i64,
    unexplained: Vec<UnexplainedPayout>,
}

#[derive(Debug, Deserialize)]
struct UnexplainedPayout {
    difference_minor: Option<i64>,
}

#[derive(Debug, Deserialize)]
struct Open {
    kind: String,
    detail: String,
}

impl Business<'_> {
    /// Lets the month happen through the service.
    pub(crate) async fn happen(&self) -> Result<(Month, Happened)> {
        let month = Month::plan(SEED, PAYMENTS);
        let happened = month
            .happen(self.stripe, async |asked| self.ask(asked).await)
            .await?;
        Ok((month, happened))
    }

    /// From when on its lines are read.
    pub(crate) const fn since() -> &'static str {
        SINCE
    }

    /// Audits until nothing is on its way any more: then what it says is what it found.
    pub(crate) async fn audit(&self) -> Result<Audit> {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let answer = self
                .send(self.client.get(format!("{}/v1/audit", self.url)))
                .await?;
            let audit: Audit = serde_json::from_value(answer).context("reading the audit")?;
            let rests = audit
                .balances
                .iter()
                .all(|balance| balance.unbooked_minor == 0 && balance.difference_minor == 0)
                && audit
                    .payouts
                    .unexplained
                    .iter()
                    .all(|payout| payout.difference_minor.is_some());
            if rests || Instant::now() > deadline {
                return Ok(audit);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn ask(&self, asked: Asked) -> Result<String> {
        match asked {
            Asked::Pay(payment) => {
                let body = json!({
                    "reference": payment.reference, "amount_minor": payment.amount,
                    "currency": payment.currency.to_uppercase(), "payment_method": "pm_card_visa",
                });
                let made = self.post("/v1/payments", &payment.reference, &body).await?;
                text(&made["provider_reference"])
            }
            Asked::Refund {
                payment,
                amount,
                number,
            } => {
                let url = format!("{}/v1/payments?reference={}", self.url, payment.reference);
                let listed = self.send(self.client.get(url)).await?;
                let paid = &listed["data"][0];
                let path = format!("/v1/payments/{}/refunds", text(&paid["id"])?);
                let body = json!({ "amount_minor": amount });
                self.post(&path, &format!("refund-{number}"), &body).await?;
                let refunds = self.stripe.refunds();
                let newest = refunds
                    .iter()
                    .rfind(|refund| refund["payment_intent"] == paid["provider_reference"]);
                text(&newest.context("nothing was refunded")?["id"])
            }
        }
    }

    async fn post(&self, path: &str, key: &str, body: &Value) -> Result<Value> {
        let request = self.client.post(format!("{}{path}", self.url));
        self.send(request.header("Idempotency-Key", key).json(body)).await
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<Value> {
        let answer = request.bearer_auth(&self.api_key).send().await?;
        let (status, body) = (answer.status(), answer.json::<Value>().await?);
        ensure!(status.is_success(), "answered {status}: {body}");
        Ok(body)
    }
}

fn text(value: &Value) -> Result<String> {
    match value.as_str() {
        Some(text) => Ok(text.to_owned()),
        None => bail!("{value} is no text"),
    }
}

/// Prints what the audit found, and gives each way in which that is not what it must find.
pub(crate) fn tell(lived: &Lived) -> Result<Vec<String>> {
    let Lived {
        month,
        happened,
        audit,
        ..
    } = lived;
    let mut said = format!(
        "A month of another merchant's: {} payments, {} refunds, {} disputes, {} payouts, {} ledger lines\n\n",
        month.payments().len(),
        happened.refunds.len(),
        happened.disputes.len(),
        happened.payouts.len(),
        month.lines()
    );
    let mut balances = Table::new([
        ("currency", Align::Left),
        ("at Stripe", Align::Right),
        ("in the ledger", Align::Right),
        ("difference", Align::Right),
        ("waits in suspense", Align::Right),
    ]);
    for balance in &audit.balances {
        let decimal = |minor| decimal(minor, &balance.currency);
        balances.row([
            balance.currency.clone(),
            decimal(balance.provider_minor),
            decimal(balance.ledger_minor),
            decimal(balance.difference_minor),
            decimal(balance.suspense_minor),
        ]);
    }
    // Writing to a string cannot fail.
    let _ = writeln!(said, "{balances}");
    let payouts = &audit.payouts;
    let done = payouts.explained_count + payouts.unexplained_count + payouts.by_hand_count;
    let called_off = i64::try_from(happened.payouts.len())? - done;
    let _ = writeln!(
        said,
        "  payouts: {} explained line by line, {} held open by what is named below, {} made by hand, {called_off} called off\n",
        payouts.explained_count, payouts.unexplained_count, payouts.by_hand_count
    );
    let mut planted = Table::new([("planted", Align::Left), ("named by the audit", Align::Left)]);
    let mut open: Vec<&Open> = audit
        .open
        .iter()
        .filter(|open| !NOTICES.contains(&open.kind.as_str()))
        .collect();
    let mut differences = unexpected(month, audit);
    for each in &happened.planted {
        let found = open.iter().position(|open| names(open, each));
        let named = found.map(|place| open.remove(place));
        planted.row([
            each.kind.word().replace('_', " "),
            named.map_or_else(|| "not named".to_owned(), |open| open.detail.clone()),
        ]);
        if named.is_none() {
            differences.push(format!("{} {} is not named", each.kind.word(), each.id));
        }
    }
    let _ = writeln!(said, "{planted}");
    say(said.trim_end())?;
    differences.extend(
        open.iter()
            .map(|open| format!("not planted: {}: {}", open.kind, open.detail)),
    );
    Ok(differences)
}

fn names(open: &Open, planted: &Planted) -> bool {
    let kind = match planted.kind {
        PlantedKind::ForeignPayment => "foreign_line",
        PlantedKind::UnknownType => "unmapped_line",
    };
    open.kind == kind && open.detail.contains(&planted.id)
}

/// Where the ledger is not what was planned, or a payout not what its lines come to.
fn unexpected(month: &Month, audit: &Audit) -> Vec<String> {
    let held: BTreeMap<String, i64> = audit
        .balances
        .iter()
        .map(|balance| (balance.currency.to_lowercase(), balance.ledger_minor))
        .collect();
    let mut differences: Vec<String> = month
        .totals()
        .into_iter()
        .filter(|(currency, planned)| held.get(currency).copied().unwrap_or_default() != *planned)
        .map(|(currency, planned)| format!("the ledger does not hold {planned} {currency}"))
        .collect();
    for balance in &audit.balances {
        if balance.difference_minor != 0 || balance.unbooked_minor != 0 {
            differences.push(format!("{balance:?}"));
        }
    }
    let odd = audit.payouts.unexplained.iter();
    for payout in odd.filter(|payout| payout.difference_minor != Some(0)) {
        differences.push(format!("{payout:?}"));
    }
    differences
}

/// Minor units as a person writes them, with the decimals of ISO 4217.
fn decimal(minor: i64, currency: &str) -> String {
    let decimals: usize = match currency {
        "JPY" => 0,
        "KWD" => 3,
        _ => 2,
    };
    let sign = if minor < 0 { "-" } else { "" };
    let digits = format!("{:0>width$}", minor.unsigned_abs(), width = decimals + 1);
    let (whole, fraction) = digits.split_at(digits.len() - decimals);
    if fraction.is_empty() {
        format!("{sign}{whole}")
    } else {
        format!("{sign}{whole}.{fraction}")
    }
}

#[cfg(test)]
mod tests {
    use super::decimal;

    #[test]
    fn decimals_are_the_currencys_own() {
        assert_eq!(decimal(-5, "EUR"), "-0.05");
        assert_eq!(decimal(1_234, "JPY"), "1234");
        assert_eq!(decimal(1_234, "KWD"), "1.234");
    }
}
