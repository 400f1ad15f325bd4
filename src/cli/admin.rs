//! `quittance admin …`

use clap::Subcommand;
use quittance::app::App;
use quittance::app::setup::operator_keys::{self, OperatorKey};
use quittance::domain::ids::OperatorKeyId;
use quittance::domain::name::Name;
use quittance::domain::network::Networks;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::whose::moment;

#[derive(Subcommand)]
pub(crate) enum AdminCommand {
    /// Make the first operator's key, and print it once. It sets up any merchant over the API, and moves no money.
    Bootstrap {
        /// What people call it.
        #[arg(long, default_value = "operator")]
        name: Name,
        /// Where it may be used from, once for each network, such as `10.0.0.0/8`. Everywhere, where none is said.
        #[arg(long)]
        network: Vec<String>,
        /// From when on it is refused: a time of RFC 3339.
        #[arg(long, value_parser = moment)]
        expires_at: Option<OffsetDateTime>,
        /// Make one more, though there is one.
        #[arg(long)]
        another: bool,
    },
    /// Operators' keys, newest first, those that ended too.
    List,
    /// Revoke an operator's key for good. It is refused everywhere within a second.
    Revoke {
        /// Which one (`opk_…`).
        key: OperatorKeyId,
    },
}

pub(super) async fn run(app: &App, command: AdminCommand) -> anyhow::Result<Value> {
    Ok(match command {
        AdminCommand::Bootstrap {
            name,
            network,
            expires_at,
            another,
        } => {
            let networks = Networks::parse(&network).map_err(|error| anyhow::anyhow!("--network {error}"))?;
            let made = operator_keys::bootstrap(app, &name, &networks, expires_at, another).await?;
            let mut shown = shown(&made.key)?;
            shown["key"] = made.text.expose_secret().into();
            shown
        }
        AdminCommand::List => {
            let keys = operator_keys::list(app).await?;
            json!({ "data": keys.iter().map(shown).collect::<anyhow::Result<Vec<_>>>()? })
        }
        AdminCommand::Revoke { key } => {
            operator_keys::revoke(app, key).await?;
            json!({ "id": key })
        }
    })
}

fn shown(key: &OperatorKey) -> anyhow::Result<Value> {
    let text = |time: Option<OffsetDateTime>| time.map(|time| time.format(&Rfc3339)).transpose();
    Ok(json!({
        "id": key.id,
        "name": key.name,
        "prefix": key.prefix,
        "networks": key.networks.texts(),
        "created_at": text(Some(key.created_at))?,
        "expires_at": text(key.expires_at)?,
        "revoked_at": text(key.revoked_at)?,
        "last_used_at": text(key.last_used_at)?,
    }))
}
