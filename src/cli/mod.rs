//! What an operator sets up and looks at: one file per thing, each command one use case and one JSON object.

mod events;
mod outbox;
mod provider_accounts;
mod whose;

use clap::Subcommand;
use events::EventsCommand;
use outbox::OutboxCommand;
use provider_accounts::ProviderAccountCommand;
use quittance::app::{App, setup};
use quittance::config;
use quittance::domain::ids::MerchantId;
use quittance::domain::scope::Scope;
use quittance::sink::BooksRequest;
use secrecy::ExposeSecret;
use serde_json::json;
use url::Url;

/// What an operator sets up and looks at.
#[derive(Subcommand)]
pub(crate) enum Administer {
    /// Merchants.
    #[command(subcommand)]
    Merchant(MerchantCommand),
    /// Merchants' accounts at Stripe.
    #[command(subcommand)]
    ProviderAccount(ProviderAccountCommand),
    /// Odoo databases to post to.
    #[command(subcommand)]
    OdooInstance(OdooInstanceCommand),
    /// Keys that a merchant's programs call with.
    #[command(subcommand)]
    ApiKey(ApiKeyCommand),
    /// What providers told us.
    #[command(subcommand)]
    Events(EventsCommand),
    /// News for Odoo.
    #[command(subcommand)]
    Outbox(OutboxCommand),
}

#[derive(Subcommand)]
pub(crate) enum MerchantCommand {
    /// Add a merchant.
    Add {
        /// What people call it.
        #[arg(long)]
        name: String,
    },
}

#[derive(Subcommand)]
pub(crate) enum OdooInstanceCommand {
    /// Add an instance. Its API key comes in `ODOO_API_KEY`. The journal and accounts are looked up and checked first.
    Add {
        /// Whose books they are (`mer_…`).
        #[arg(long)]
        merchant: MerchantId,
        /// Where Odoo answers.
        #[arg(long)]
        url: Url,
        /// The database's name.
        #[arg(long)]
        database: String,
        /// The short code of the bank journal that stands for the Stripe balance.
        #[arg(long)]
        journal: String,
        /// The code of the expense account for Stripe's fees.
        #[arg(long)]
        fee_account: String,
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
        /// `outbox:write`. Where none is said, both lists.
        #[arg(long)]
        scope: Vec<Scope>,
    },
}

pub(crate) async fn run(app: &App, command: Administer) -> anyhow::Result<serde_json::Value> {
    Ok(match command {
        Administer::Merchant(MerchantCommand::Add { name }) => {
            json!({ "id": setup::add_merchant(app, &name).await? })
        }
        Administer::ProviderAccount(command) => provider_accounts::run(app, command).await?,
        Administer::OdooInstance(OdooInstanceCommand::Add {
            merchant,
            url,
            database,
            journal,
            fee_account,
        }) => {
            let api_key = config::secret("ODOO_API_KEY")?;
            let request = BooksRequest {
                journal_code: journal,
                fee_account_code: fee_account,
            };
            json!({ "id": setup::add_odoo_instance(app, merchant, url, database, api_key, &request).await? })
        }
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
    })
}
