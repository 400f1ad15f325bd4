//! What an operator sets up and looks at: one file per thing, each command one use case and one JSON object.

mod admin;
mod api_keys;
mod audit_log;
mod doctor;
mod events;
mod exceptions;
mod keys;
mod merchants;
mod odoo;
mod odoo_instances;
mod outbox;
mod payouts;
mod provider_accounts;
mod reconciliation;
mod restore;
mod whose;

use admin::AdminCommand;
use api_keys::ApiKeyCommand;
use audit_log::AuditLogCommand;
use clap::Subcommand;
pub(crate) use doctor::Doctor;
use events::EventsCommand;
use exceptions::ExceptionsCommand;
use keys::KeysCommand;
use merchants::MerchantCommand;
use odoo::OdooCommand;
use odoo_instances::OdooInstanceCommand;
use outbox::OutboxCommand;
use payouts::PayoutsCommand;
use provider_accounts::ProviderAccountCommand;
use quittance::app::App;
use reconciliation::{Audited, Reconcile};
use restore::RestoreCommand;

/// What an operator sets up and looks at.
#[derive(Subcommand)]
pub(crate) enum Administer {
    /// Keys of operators, who set up any merchant over the API.
    #[command(subcommand)]
    Admin(AdminCommand),
    /// Merchants.
    #[command(subcommand)]
    Merchant(MerchantCommand),
    /// Merchants' accounts at Stripe.
    #[command(subcommand)]
    ProviderAccount(ProviderAccountCommand),
    /// Odoo databases to tell.
    #[command(subcommand)]
    OdooInstance(OdooInstanceCommand),
    /// The journals and accounts of a stock Odoo.
    #[command(subcommand)]
    Odoo(OdooCommand),
    /// Keys that a merchant's programs call with.
    #[command(subcommand)]
    ApiKey(ApiKeyCommand),
    /// What providers told us.
    #[command(subcommand)]
    Events(EventsCommand),
    /// News for Odoo.
    #[command(subcommand)]
    Outbox(OutboxCommand),
    /// Read an account's ledger lines at the provider again, match them with payments, and book them.
    Reconcile(Reconcile),
    /// Hold what the provider holds against the ledger. Fails where not all is explained.
    Audit(Audited),
    /// Who did what to a merchant's things.
    #[command(subcommand)]
    AuditLog(AuditLogCommand),
    /// Payouts, line by line.
    #[command(subcommand)]
    Payouts(PayoutsCommand),
    /// The keys that secrets are sealed with.
    #[command(subcommand)]
    Keys(KeysCommand),
    /// What became of the database being put back: nothing moves money until providers told again what it lost.
    #[command(subcommand)]
    Restore(RestoreCommand),
    /// Differences that a person must see.
    #[command(subcommand)]
    Exceptions(ExceptionsCommand),
}

pub(crate) async fn run(app: &App, command: Administer) -> anyhow::Result<serde_json::Value> {
    Ok(match command {
        Administer::Admin(command) => admin::run(app, command).await?,
        Administer::Merchant(command) => merchants::run(app, command).await?,
        Administer::ProviderAccount(command) => provider_accounts::run(app, command).await?,
        Administer::OdooInstance(command) => odoo_instances::run(app, command).await?,
        Administer::Odoo(command) => odoo::run(app, command).await?,
        Administer::ApiKey(command) => api_keys::run(app, command).await?,
        Administer::Events(command) => events::run(app, command).await?,
        Administer::Outbox(command) => outbox::run(app, command).await?,
        Administer::Reconcile(command) => command.run(app).await?,
        Administer::Audit(command) => command.run(app).await?,
        Administer::AuditLog(command) => audit_log::run(app, command).await?,
        Administer::Payouts(command) => payouts::run(app, command).await?,
        Administer::Keys(command) => keys::run(app, command).await?,
        Administer::Restore(command) => restore::run(app, command).await?,
        Administer::Exceptions(command) => exceptions::run(app, command).await?,
    })
}
