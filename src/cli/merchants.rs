//! `quittance merchant …`

use clap::Subcommand;
use quittance::app::App;
use quittance::app::auth::{Administered, Administrator};
use quittance::app::personal;
use quittance::app::setup::merchants;
use quittance::domain::ids::{CustomerId, MerchantId};
use quittance::domain::name::Name;
use quittance::http::{MerchantList, MerchantView};
use serde_json::{Value, json, to_value};

use super::whose::Page;

#[derive(Subcommand)]
pub(crate) enum MerchantCommand {
    /// Add a merchant.
    Add {
        /// What people call it.
        #[arg(long)]
        name: Name,
    },
    /// Merchants, newest first.
    List {
        #[command(flatten)]
        page: Page,
    },
    /// One merchant.
    Show {
        /// Which one (`mer_…`).
        merchant: MerchantId,
    },
    /// Give it another name.
    Rename {
        /// Which one (`mer_…`).
        merchant: MerchantId,
        /// What people call it.
        #[arg(long)]
        name: Name,
    },
    /// Refuse its keys from now on. What is under way goes on, and what providers tell is taken in and booked.
    Disable {
        /// Which one (`mer_…`).
        merchant: MerchantId,
    },
    /// Take its keys again.
    Enable {
        /// Which one (`mer_…`).
        merchant: MerchantId,
    },
    /// Print all that is kept of a customer.
    Export {
        /// Whose customer (`mer_…`).
        merchant: MerchantId,
        /// The customer (`cus_…`).
        #[arg(long)]
        customer: CustomerId,
    },
    /// Erase what is personal of a customer; the books stay. What the provider keeps is to be erased there.
    Erase {
        /// Whose customer (`mer_…`).
        merchant: MerchantId,
        /// The customer (`cus_…`).
        #[arg(long)]
        customer: CustomerId,
    },
}

pub(super) async fn run(app: &App, command: MerchantCommand) -> anyhow::Result<Value> {
    let by = Administrator::at_the_command_line();
    let merchant = match command {
        MerchantCommand::Export { merchant, customer } => {
            let by = Administered::at_the_command_line(merchant);
            return Ok(personal::export(app, &by, customer).await?);
        }
        MerchantCommand::Erase { merchant, customer } => {
            let by = Administered::at_the_command_line(merchant);
            let erased = personal::erase(app, &by, customer).await?;
            return Ok(json!({
                "payments": erased.payments,
                "events": erased.events,
                "at_the_provider": erased.provider_reference,
            }));
        }
        MerchantCommand::List { page } => {
            let found = merchants::list(app, &by, page.after()?, page.limit).await?;
            return Ok(to_value(MerchantList::from(&found))?);
        }
        MerchantCommand::Add { name } => merchants::create(app, &by, &name).await?,
        MerchantCommand::Show { merchant } => {
            merchants::get(app, &Administered::at_the_command_line(merchant)).await?
        }
        MerchantCommand::Rename { merchant, name } => {
            merchants::rename(app, &Administered::at_the_command_line(merchant), &name).await?
        }
        MerchantCommand::Disable { merchant } => merchants::disable(app, &by, merchant).await?,
        MerchantCommand::Enable { merchant } => merchants::enable(app, &by, merchant).await?,
    };
    Ok(to_value(MerchantView::from(&merchant))?)
}
