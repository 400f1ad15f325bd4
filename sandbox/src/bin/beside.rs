//! Runs a command beside the real service with a pretend Stripe behind it, and ends as the command does.
//!
//! `beside -- COMMAND [ARGUMENTS]`: the command finds `QUITTANCE_URL` and `QUITTANCE_API_KEY` in its environment.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use quittance_sandbox::merchant::{Merchant, StripeAccess};
use quittance_sandbox::postgres::{Cluster, Durability};
use quittance_sandbox::service::Quittance;
use quittance_sandbox::stripe::{Options, PretendStripe, WebhookEndpoint};
use tokio::process::Command;

const WEBHOOK_SECRET: &str = "whsec_beside";

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let mut words = std::env::args_os().skip(1);
    let program = words
        .next()
        .context("say what to run: beside -- COMMAND [ARGUMENTS]")?;
    let cluster = Cluster::start(Durability::Fast).await?;
    let stripe = PretendStripe::start(Options::default()).await?;
    let database = cluster
        .create_database(&format!("beside_{}", std::process::id()))
        .await?;
    let log = Path::new("target/beside/quittance.log");
    let quittance = Quittance::new(&Quittance::find_program()?, &database, log)?;
    quittance.run(&["migrate"], &[]).await?;
    let access = StripeAccess::of(&stripe, WEBHOOK_SECRET);
    let merchant = Merchant::add(&quittance, &access, None).await?;
    let service = quittance.serve(&["--with-worker"]).await?;
    let webhooks = format!("{}{}", quittance.url(), merchant.webhook_path());
    stripe.add_endpoint(WebhookEndpoint::new(webhooks, WEBHOOK_SECRET));

    let status = Command::new(program)
        .args(words)
        .env("QUITTANCE_URL", quittance.url())
        .env("QUITTANCE_API_KEY", &merchant.api_key)
        .status()
        .await?;
    service.stop().await?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}
