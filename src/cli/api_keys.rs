//! `quittance api-key …`

use clap::{Args, Subcommand};
use quittance::app::App;
use quittance::app::auth::Administered;
use quittance::app::setup::api_keys::{self, KeyWish};
use quittance::domain::ids::{ApiKeyId, MerchantId};
use quittance::domain::name::Name;
use quittance::domain::network::Networks;
use quittance::domain::scope::{Preset, Scope};
use quittance::http::{ApiKeyList, ApiKeyView, NewApiKeyView};
use serde_json::{Value, to_value};
use time::{Duration, OffsetDateTime};

use super::whose::{Page, moment};

#[derive(Subcommand)]
pub(crate) enum ApiKeyCommand {
    /// Make a key. Its text is printed once and kept nowhere.
    Create(Create),
    /// A merchant's keys, newest first, those that ended too.
    List {
        /// Whose keys they are (`mer_…`).
        #[arg(long)]
        merchant: MerchantId,
        #[command(flatten)]
        page: Page,
    },
    /// One key, without its text.
    Show(Which),
    /// Revoke a key for good. It is refused everywhere within a second.
    Revoke(Which),
    /// Make a key like it, and print that once. The old one is refused once the overlap is over.
    Roll {
        #[command(flatten)]
        which: Which,
        /// How many hours the old one goes on; 0 for one that leaked.
        #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u32).range(0..=720))]
        overlap_hours: u32,
    },
}

#[derive(Args)]
pub(crate) struct Create {
    /// Whose key it is (`mer_…`).
    #[arg(long)]
    merchant: MerchantId,
    /// What people call it.
    #[arg(long)]
    name: Name,
    /// It moves real money.
    #[arg(long)]
    live: bool,
    /// What it is for: `odoo` (all about payments, and a look at the rest), `read`, `support` (replays, resolves, links), `admin`.
    #[arg(long, default_value = "odoo", conflicts_with = "scope")]
    preset: Preset,
    /// What it may do instead, once for each scope, such as `payments:read`.
    #[arg(long)]
    scope: Vec<Scope>,
    /// Where it may be used from, once for each network, such as `192.0.2.0/24`. Everywhere, where none is said.
    #[arg(long)]
    network: Vec<String>,
    /// From when on it is refused: a time of RFC 3339.
    #[arg(long, value_parser = moment)]
    expires_at: Option<OffsetDateTime>,
}

#[derive(Args)]
pub(crate) struct Which {
    /// The key (`key_…`).
    key: ApiKeyId,
    /// Whose key it is (`mer_…`).
    #[arg(long)]
    merchant: MerchantId,
}

impl Which {
    fn by(&self) -> Administered {
        Administered::at_the_command_line(self.merchant)
    }
}

pub(super) async fn run(app: &App, command: ApiKeyCommand) -> anyhow::Result<Value> {
    Ok(match command {
        ApiKeyCommand::Create(create) => {
            let scopes = if create.scope.is_empty() {
                create.preset.scopes().to_vec()
            } else {
                create.scope
            };
            let wish = KeyWish {
                name: create.name,
                live: create.live,
                scopes,
                networks: Networks::parse(&create.network)
                    .map_err(|error| anyhow::anyhow!("--network {error}"))?,
                expires_at: create.expires_at,
            };
            let by = Administered::at_the_command_line(create.merchant);
            to_value(NewApiKeyView::from(&api_keys::create(app, &by, &wish).await?))?
        }
        ApiKeyCommand::List { merchant, page } => {
            let by = Administered::at_the_command_line(merchant);
            let found = api_keys::list(app, &by, page.after()?, page.limit).await?;
            to_value(ApiKeyList::from(&found))?
        }
        ApiKeyCommand::Show(which) => to_value(ApiKeyView::from(
            &api_keys::get(app, &which.by(), which.key).await?,
        ))?,
        ApiKeyCommand::Revoke(which) => to_value(ApiKeyView::from(
            &api_keys::revoke(app, &which.by(), which.key).await?,
        ))?,
        ApiKeyCommand::Roll { which, overlap_hours } => {
            let overlap = Duration::hours(overlap_hours.into());
            let made = api_keys::roll(app, &which.by(), which.key, overlap).await?;
            to_value(NewApiKeyView::from(&made))?
        }
    })
}
