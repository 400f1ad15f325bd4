//! The whole thing on one machine, with no account anywhere: `make demo`.
//!
//! The real service stands between a pretend Odoo and a pretend Stripe. A story is told in which much goes wrong;
//! then Stripe's ledger and Odoo's books are laid side by side. Then a month of another merchant's happens, with all that
//! Stripe does to money, and is audited. It ends well only if all agree to the cent.

mod audit;
mod month;
mod odoo;
mod shop;
mod stage;
mod story;
mod stripe;
mod table;

use std::process::ExitCode;

use anyhow::Result;

use audit::{Asked, Audit};
use odoo::Odoo;
use shop::Shop;
use stage::Stage;
use story::{Story, say};
use stripe::Stripe;

#[tokio::main]
async fn main() -> ExitCode {
    let keep = std::env::args().any(|argument| argument == "--keep");
    let ended = run(keep)
        .await
        .unwrap_or_else(|error| format!("demo failed: {error:#}"));
    match say(&ended) {
        Ok(()) if ended.starts_with("demo ok") => ExitCode::SUCCESS,
        Ok(()) | Err(_) => ExitCode::FAILURE,
    }
}

/// Runs the demo and returns its last line.
async fn run(keep: bool) -> Result<String> {
    let mut stage = Stage::set().await?;
    let shop = Shop::new(stage.url(), stage.merchant.api_key.clone())?;
    let odoo = Odoo::connect(stage.odoo_access()).await?;
    let stripe = Stripe::new(stage.stripe_access())?;
    say(&format!(
        "Five invoices of EUR 121.00; every webhook comes twice and out of order. Log: {}\n",
        stage.log().display()
    ))?;
    let asked = Story::new(&mut stage, &shop, &odoo).tell().await?;
    let audit = Audit::read(&asked, &stripe, &odoo).await?;
    say(&format!("\n{}", audit.tables()))?;
    let mut differences = audit.differences();
    differences.extend(asked.iter().filter_map(exceptions));
    for difference in &differences {
        say(&format!("  difference: {difference}"))?;
    }
    say("")?;
    let lived = stage.let_a_month_happen().await?;
    let of_month = month::tell(&lived)?;
    for difference in &of_month {
        say(&format!("  difference: {difference}"))?;
    }
    differences.extend(of_month);
    say("")?;
    let webhooks = stage.stripe.acknowledged();
    if keep {
        say(&how_to_try(&stage, &lived.api_key))?;
        tokio::signal::ctrl_c().await?;
    }
    stage.stop_service().await?;
    if !differences.is_empty() {
        return Ok(format!("demo failed: {} differences", differences.len()));
    }
    let postings: usize = asked.iter().map(|asked| asked.payment.posted()).sum();
    Ok(format!(
        "demo ok: {} payments, {webhooks} webhooks, {postings} postings, 0 differences; a month of {} lines to the cent",
        asked.len(),
        lived.month.lines()
    ))
}

/// What Quittance itself wants a person to see.
fn exceptions(asked: &Asked) -> Option<String> {
    let exceptions = &asked.payment.exceptions;
    (!exceptions.is_empty()).then(|| format!("{}: {exceptions:?}", asked.invoice.name))
}

fn how_to_try(stage: &Stage, key_of_month: &str) -> String {
    let (url, key) = (stage.url(), &stage.merchant.api_key);
    format!(
        "\nIt keeps running until Ctrl-C.\n\n  \
         Quittance  {url}/docs\n  \
         Stripe     {}\n  \
         Odoo       {}\n\n\
         Take a payment with a saved card:\n\n  \
         curl -s {url}/v1/payments -H 'Authorization: Bearer {key}' -H 'Idempotency-Key: try-1' \\\n    \
         -H 'Content-Type: application/json' \\\n    \
         -d '{{\"reference\":\"TRY/1\",\"amount_minor\":1999,\"currency\":\"EUR\",\"payment_method\":\"pm_card_visa\"}}'\n\n\
         Read how the month's last payout is explained:\n\n  \
         id=$(curl -s '{url}/v1/payouts?limit=1' -H 'Authorization: Bearer {key_of_month}' | grep -o 'pyt_[0-9a-z]*' | head -1)\n  \
         curl -s \"{url}/v1/payouts/$id/reconciliation?format=html\" -H 'Authorization: Bearer {key_of_month}' > payout.html\n",
        stage.stripe.url(),
        stage.odoo.url(),
    )
}
