//! `quittance odoo-instance …`

use clap::{Args, Subcommand};
use quittance::app::App;
use quittance::app::auth::Administered;
use quittance::app::setup::odoo_instances::{self, InstanceWish, ShownInstance};
use quittance::config;
use quittance::domain::ids::{MerchantId, OdooInstanceId};
use quittance::http::{NewOdooInstanceView, OdooInstanceList, OdooInstanceView};
use quittance::sink::BooksRequest;
use serde_json::{Value, to_value};
use url::Url;

use super::whose::Page;

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
    /// A merchant's instances, newest first.
    List {
        /// Whose Odoo they are (`mer_…`).
        #[arg(long)]
        merchant: MerchantId,
        #[command(flatten)]
        page: Page,
    },
    /// One instance; no secret is shown.
    Show(Which),
    /// Take another API key of a stock Odoo, from `ODOO_API_KEY`. It is tried first.
    RotateKey {
        #[command(flatten)]
        which: Which,
        /// The login of the user whose API key it is; it stays where it is left out.
        #[arg(long)]
        login: Option<String>,
    },
    /// Send nothing to an instance until it is enabled. Its messages wait.
    Disable(Which),
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

#[derive(Args)]
pub(crate) struct Which {
    /// Whose Odoo it is (`mer_…`).
    #[arg(long)]
    merchant: MerchantId,
    /// The instance (`odo_…`).
    #[arg(long)]
    odoo_instance: OdooInstanceId,
}

impl Which {
    fn by(&self) -> Administered {
        Administered::at_the_command_line(self.merchant)
    }
}

fn shown(instance: &ShownInstance) -> serde_json::Result<Value> {
    to_value(OdooInstanceView::from(instance))
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
            let wish = InstanceWish::Rpc {
                url,
                database,
                login,
                api_key,
                books: request,
            };
            let by = Administered::at_the_command_line(merchant);
            to_value(NewOdooInstanceView::from(
                &odoo_instances::create(app, &by, &wish).await?,
            ))?
        }
        OdooInstanceCommand::AddAddon { merchant, url } => {
            let by = Administered::at_the_command_line(merchant);
            let made = odoo_instances::create(app, &by, &InstanceWish::Addon { url }).await?;
            to_value(NewOdooInstanceView::from(&made))?
        }
        OdooInstanceCommand::List { merchant, page } => {
            let by = Administered::at_the_command_line(merchant);
            let found = odoo_instances::list(app, &by, page.after()?, page.limit).await?;
            to_value(OdooInstanceList::from(&found))?
        }
        OdooInstanceCommand::Show(which) => {
            shown(&odoo_instances::get(app, &which.by(), which.odoo_instance).await?)?
        }
        OdooInstanceCommand::RotateKey { which, login } => {
            let (id, key) = (which.odoo_instance, config::secret("ODOO_API_KEY")?);
            shown(&odoo_instances::rotate_key(app, &which.by(), id, key, login).await?)?
        }
        OdooInstanceCommand::Disable(which) => {
            shown(&odoo_instances::disable(app, &which.by(), which.odoo_instance).await?)?
        }
        OdooInstanceCommand::RotateSigningSecret {
            merchant,
            odoo_instance,
            overlap_hours,
        } => {
            let overlap = time::Duration::hours(overlap_hours.into());
            let by = Administered::at_the_command_line(merchant);
            let made = odoo_instances::rotate_signing_secret(app, &by, odoo_instance, overlap).await?;
            to_value(NewOdooInstanceView::from(&made))?
        }
        OdooInstanceCommand::Enable {
            merchant,
            odoo_instance,
        } => {
            let by = Administered::at_the_command_line(merchant);
            shown(&odoo_instances::enable(app, &by, odoo_instance).await?)?
        }
    })
}
