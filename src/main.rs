//! The `quittance` command.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use quittance::app::{App, outbox, setup};
use quittance::config::{self, Settings};
use quittance::domain::ids::{MerchantId, ProviderAccountId};
use quittance::provider::ProviderAccount;
use quittance::sink::BooksRequest;
use quittance::startup::{self, Application, Role};
use quittance::{http, telemetry};
use secrecy::ExposeSecret;
use serde_json::json;
use url::Url;

/// A self-hosted payment service between Odoo and Stripe.
///
/// Settings come from the environment (`QUITTANCE_…`) and a file; `quittance config-table` lists them. Secrets are never
/// arguments: they come from the environment, as each command says. Commands answer with one JSON object.
#[derive(Parser)]
#[command(version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve requests and webhooks.
    Serve {
        /// Work through events and messages in the same process.
        #[arg(long)]
        with_worker: bool,
    },
    /// Work through events, messages to Odoo, and operations without an outcome.
    Worker,
    /// Bring the database's schema up to this version.
    Migrate,
    /// Print the API's contract, `OpenAPI` 3.1 in JSON.
    Openapi,
    /// Print the table of settings, in Markdown.
    ConfigTable,
    #[command(flatten)]
    Administer(Administer),
}

/// What an operator sets up and looks at.
#[derive(Subcommand)]
enum Administer {
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
    /// News for Odoo.
    #[command(subcommand)]
    Outbox(OutboxCommand),
}

#[derive(Subcommand)]
enum MerchantCommand {
    /// Add a merchant.
    Add {
        /// What people call it.
        #[arg(long)]
        name: String,
    },
}

#[derive(Subcommand)]
enum ProviderAccountCommand {
    /// Add an account. Its secret key comes in `STRIPE_SECRET_KEY`, its webhook secret in `STRIPE_WEBHOOK_SECRET`.
    Add {
        /// Whose account it is (`mer_…`).
        #[arg(long)]
        merchant: MerchantId,
        /// The key that browsers use (`pk_…`).
        #[arg(long)]
        publishable_key: Option<String>,
        /// Real money moves.
        #[arg(long)]
        live: bool,
        /// The connected account that calls are made for (`acct_…`), where the secret key is a platform's.
        #[arg(long)]
        external_account: Option<String>,
        /// Where Stripe answers.
        #[arg(long, default_value = "https://api.stripe.com")]
        api_base: Url,
    },
    /// Add a webhook secret, from `STRIPE_WEBHOOK_SECRET`, beside those the account has.
    AddWebhookSecret {
        /// Whose account it is (`mer_…`).
        #[arg(long)]
        merchant: MerchantId,
        /// The account (`acc_…`).
        #[arg(long)]
        provider_account: ProviderAccountId,
    },
}

#[derive(Subcommand)]
enum OdooInstanceCommand {
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
enum ApiKeyCommand {
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
    },
}

#[derive(Subcommand)]
enum OutboxCommand {
    /// List what Odoo does not have yet, oldest first.
    List {
        /// Whose news it is (`mer_…`).
        #[arg(long)]
        merchant: MerchantId,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Cli::parse().command).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Openapi => say(&serde_json::to_string_pretty(&http::openapi_document())?),
        Command::ConfigTable => say(config::table().trim_end()),
        Command::Serve { with_worker } => run_as(if with_worker { Role::Both } else { Role::Serve }).await?,
        Command::Worker => run_as(Role::Work).await?,
        Command::Migrate => {
            startup::migrate(&prepare()?).await?;
            say(&json!({ "status": "migrated" }).to_string());
        }
        Command::Administer(command) => {
            let app = startup::app(&prepare()?).await?;
            say(&administer(&app, command).await?.to_string());
        }
    }
    Ok(())
}

/// Reads the settings and starts logging as they say.
fn prepare() -> anyhow::Result<Settings> {
    let settings = config::load()?;
    telemetry::init(&settings.log, settings.log_format)
        .map_err(|error| anyhow::anyhow!("QUITTANCE_LOG {error}"))?;
    Ok(settings)
}

async fn run_as(role: Role) -> anyhow::Result<()> {
    Application::start(&prepare()?, role).await?.run().await;
    Ok(())
}

async fn administer(app: &App, command: Administer) -> anyhow::Result<serde_json::Value> {
    Ok(match command {
        Administer::Merchant(MerchantCommand::Add { name }) => {
            json!({ "id": setup::add_merchant(app, &name).await? })
        }
        Administer::ProviderAccount(command) => provider_account(app, command).await?,
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
        Administer::ApiKey(ApiKeyCommand::Create { merchant, name, live }) => {
            let (id, key) = setup::create_api_key(app, merchant, &name, live).await?;
            json!({ "id": id, "key": key.text.expose_secret() })
        }
        Administer::Outbox(OutboxCommand::List { merchant }) => {
            let unsent = outbox::list_unsent(app, merchant).await?;
            let shown = unsent.iter().map(|message| {
                json!({ "id": message.id, "payment": message.payment_id, "kind": message.posting.kind(),
                    "key": message.posting.key(), "state": message.state, "attempts": message.attempts,
                    "last_error": message.last_error })
            });
            json!({ "data": shown.collect::<Vec<_>>() })
        }
    })
}

async fn provider_account(app: &App, command: ProviderAccountCommand) -> anyhow::Result<serde_json::Value> {
    match command {
        ProviderAccountCommand::Add {
            merchant,
            publishable_key,
            live,
            external_account,
            api_base,
        } => {
            let secret_key = config::secret("STRIPE_SECRET_KEY")?;
            let webhook_secret = config::find_secret("STRIPE_WEBHOOK_SECRET");
            let account = ProviderAccount {
                merchant_id: merchant,
                id: ProviderAccountId::generate(),
                provider: "stripe".to_owned(),
                live,
                external_account,
                api_base,
                secret_key,
                publishable_key,
            };
            setup::add_provider_account(app, &account, webhook_secret.as_ref()).await?;
            Ok(json!({ "id": account.id, "webhook_path": format!("/webhooks/stripe/{}", account.id) }))
        }
        ProviderAccountCommand::AddWebhookSecret {
            merchant,
            provider_account,
        } => {
            let webhook_secret = config::secret("STRIPE_WEBHOOK_SECRET")?;
            let id = setup::add_webhook_secret(app, merchant, provider_account, &webhook_secret).await?;
            Ok(json!({ "id": id }))
        }
    }
}

#[expect(clippy::print_stdout, reason = "the one place where commands answer")]
fn say(answer: &str) {
    println!("{answer}");
}

/// One line: what went wrong, and what beneath it.
#[expect(clippy::print_stderr, reason = "the one place where commands complain")]
fn complain(error: &anyhow::Error) {
    eprintln!("quittance: {error:#}");
}
