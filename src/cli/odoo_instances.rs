//! `quittance odoo-instance …`

use clap::Subcommand;
use quittance::app::{App, setup};
use quittance::config;
use quittance::domain::ids::{MerchantId, OdooInstanceId};
use quittance::sink::BooksRequest;
use secrecy::ExposeSecret;
use serde_json::json;
use url::Url;

#[derive(Subcommand)]
pub(crate) enum OdooInstanceCommand {
    /// Add a stock Odoo. Its API key comes in `ODOO_API_KEY`, and is tried first. Where no journal is named, `quittance odoo setup`
    /// finds or makes them.
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
        /// The login of the user whose API key it is: Odoo 16 to 18 ask for it.
        #[arg(long)]
        login: Option<String>,
        /// The short code of one bank journal that stands for all of the Stripe balance.
        #[arg(long, requires = "fee_account")]
        journal: Option<String>,
        /// The code of the expense account for Stripe's fees.
        #[arg(long, requires = "journal")]
        fee_account: Option<String>,
    },
    /// Add an Odoo with our addon. The secret that messages are signed with is printed once.
    AddAddon {
        /// Whose Odoo it is (`mer_…`).
        #[arg(long)]
        merchant: MerchantId,
        /// Where the addon takes messages, such as `https://odoo.example.com/payment/quittance/news`.
        #[arg(long)]
        url: Url,
    },
    /// Make a new secret to sign messages with, and print it once. For a while the old one signs beside it.
    RotateSigningSecret {
        /// Whose Odoo it is (`mer_…`).
        #[arg(long)]
        merchant: MerchantId,
        /// The instance (`odo_…`).
        #[arg(long)]
        odoo_instance: OdooInstanceId,
        /// How many hours the old one still signs.
        #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u32).range(0..=720))]
        overlap_hours: u32,
    },
    /// Send again to an instance that said that it is gone (410), or that rests: one message first, and the others once
    /// that is taken.
    Enable {
        /// Whose Odoo it is (`mer_…`).
        #[arg(long)]
        merchant: MerchantId,
        /// The instance (`odo_…`).
        #[arg(long)]
        odoo_instance: OdooInstanceId,
    },
}

pub(super) async fn run(app: &App, command: OdooInstanceCommand) -> anyhow::Result<serde_json::Value> {
    Ok(match command {
        OdooInstanceCommand::Add {
            merchant,
            url,
            database,
            login,
            journal,
            fee_account,
        } => {
            let api_key = config::secret("ODOO_API_KEY")?;
            let request = journal
                .zip(fee_account)
                .map(|(journal_code, fee_account_code)| BooksRequest {
                    journal_code,
                    fee_account_code,
                });
            let added =
                setup::add_odoo_instance(app, merchant, url, database, login, api_key, request.as_ref())
                    .await?;
            json!({ "id": added })
        }
        OdooInstanceCommand::AddAddon { merchant, url } => {
            let (id, secret) = setup::add_addon_instance(app, merchant, url).await?;
            json!({ "id": id, "signing_secret": secret.text().expose_secret() })
        }
        OdooInstanceCommand::RotateSigningSecret {
            merchant,
            odoo_instance,
            overlap_hours,
        } => {
            let overlap = time::Duration::hours(overlap_hours.into());
            let secret = setup::rotate_signing_secret(app, merchant, odoo_instance, overlap).await?;
            json!({ "signing_secret": secret.text().expose_secret() })
        }
        OdooInstanceCommand::Enable {
            merchant,
            odoo_instance,
        } => {
            setup::enable_odoo_instance(app, merchant, odoo_instance).await?;
            json!({ "id": odoo_instance })
        }
    })
}
