//! What an operator sets up and looks at: one file per thing, each command one use case and one JSON object.

mod audit_log;
mod events;
mod exceptions;
mod keys;
mod odoo;
mod odoo_instances;
mod outbox;
mod payouts;
mod provider_accounts;
mod reconciliation;
mod whose;

use audit_log::AuditLogCommand;
use clap::Subcommand;
use events::EventsCommand;
use exceptions::ExceptionsCommand;
use keys::KeysCommand;
use odoo::OdooCommand;
use odoo_instances::OdooInstanceCommand;
use outbox::OutboxCommand;
use payouts::PayoutsCommand;
use provider_accounts::ProviderAccountCommand;
use quittance::app::{App, personal, setup};
use quittance::domain::audit_log::Actor;
use quittance::domain::ids::{CustomerId, MerchantId};
use quittance::domain::scope::Scope;
use reconciliation::{Audited, Reconcile};
use secrecy::ExposeSecret;
use serde_json::json;

/// What an operator sets up and looks at.
#[derive(Subcommand)]
pub(crate) enum Administer {
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
    /// Differences that a person must see.
    #[command(subcommand)]
    Exceptions(ExceptionsCommand),
}

#[derive(Subcommand)]
pub(crate) enum MerchantCommand {
    /// Add a merchant.
    Add {
        /// What people call it.
        #[arg(long)]
        name: String,
    },
    /// Print all that is kept of a customer.
    Export {
        /// Whose customer (`mer_…`).
        #[arg(long)]
        merchant: MerchantId,
        /// The customer (`cus_…`).
        #[arg(long)]
        customer: CustomerId,
    },
    /// Erase what is personal of a customer; the books stay. What the provider keeps is to be erased there.
    Erase {
        /// Whose customer (`mer_…`).
        #[arg(long)]
        merchant: MerchantId,
        /// The customer (`cus_…`).
        #[arg(long)]
        customer: CustomerId,
    },
}

#[derive(Subcommand)]
pub(crate) enum ApiKeyCommand {
    /// Make a key. Its text is printed once and kept nowhere.
    Create {
        /// Whose key it is (`mer_…`).
        #[arg(long)]
        merchant: MerchantId,
        /// What people call it.
        #[arg(long)]
        name: String,
        /// It moves real money.
        #[arg(long)]
        live: bool,
        /// What it may do beside what every key may, once for each: `events:read`, `events:payload`, `events:write`, `outbox:read`,
        /// `outbox:write`, `exceptions:read`, `exceptions:write`. Where none is said, the three lists.
        #[arg(long)]
        scope: Vec<Scope>,
    },
}

pub(crate) async fn run(app: &App, command: Administer) -> anyhow::Result<serde_json::Value> {
    Ok(match command {
        Administer::Merchant(MerchantCommand::Add { name }) => {
            json!({ "id": setup::add_merchant(app, &name).await? })
        }
        Administer::Merchant(MerchantCommand::Export { merchant, customer }) => {
            personal::export(app, merchant, customer, &Actor::at_the_command_line()).await?
        }
        Administer::Merchant(MerchantCommand::Erase { merchant, customer }) => {
            let erased = personal::erase(app, merchant, customer, &Actor::at_the_command_line()).await?;
            json!({
                "payments": erased.payments,
                "events": erased.events,
                "at_the_provider": erased.provider_reference,
            })
        }
        Administer::ProviderAccount(command) => provider_accounts::run(app, command).await?,
        Administer::OdooInstance(command) => odoo_instances::run(app, command).await?,
        Administer::Odoo(command) => odoo::run(app, command).await?,
        Administer::ApiKey(ApiKeyCommand::Create {
            merchant,
            name,
            live,
            scope,
        }) => {
            let scopes = if scope.is_empty() {
                Scope::USUAL.to_vec()
            } else {
                scope
            };
            let (id, key) = setup::create_api_key_with(app, merchant, &name, live, &scopes).await?;
            json!({ "id": id, "key": key.text.expose_secret() })
        }
        Administer::Events(command) => events::run(app, command).await?,
        Administer::Outbox(command) => outbox::run(app, command).await?,
        Administer::Reconcile(command) => command.run(app).await?,
        Administer::Audit(command) => command.run(app).await?,
        Administer::AuditLog(command) => audit_log::run(app, command).await?,
        Administer::Payouts(command) => payouts::run(app, command).await?,
        Administer::Keys(command) => keys::run(app, command).await?,
        Administer::Exceptions(command) => exceptions::run(app, command).await?,
    })
}
