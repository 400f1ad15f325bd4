//! `quittance merchant …`

use clap::Subcommand;
use quittance::app::App;
use quittance::app::auth::{Administered, Administrator};
use quittance::app::setup::merchants;
use quittance::domain::ids::MerchantId;
use quittance::domain::name::Name;
use quittance::http::{MerchantList, MerchantView};
use serde_json::{Value, to_value};

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
}

pub(super) async fn run(app: &App, command: MerchantCommand) -> anyhow::Result<Value> {
    let by = Administrator::at_the_command_line();
    let merchant = match command {
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
