//! `quittance restore …`

use clap::Subcommand;
use quittance::app::App;
use quittance::app::restore;
use quittance::domain::reason::Reason;
use quittance::store::restores::{Restore, Standing};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::whose::moment;

#[derive(Subcommand)]
pub(crate) enum RestoreCommand {
    /// Say that the database was put back. It is noticed by itself after a point-in-time restore, a promotion, and a dump put back; of a
    /// data directory or a volume that was put back, nobody but you knows: say so before anything else is started.
    Begin {
        /// The restore point, or earlier: a time of RFC 3339. What providers did since then is asked for.
        #[arg(long, value_parser = moment)]
        since: OffsetDateTime,
    },
    /// Say how far it has come, for each account. Fails while anybody is fenced.
    Status,
    /// Lift every fence, whatever is not taken in. What the database does not know may then be done twice.
    Finish {
        /// Why, for whoever looks later.
        #[arg(long, value_parser = Reason::parse)]
        reason: Reason,
    },
}

pub(super) async fn run(app: &App, command: RestoreCommand) -> anyhow::Result<Value> {
    Ok(match command {
        RestoreCommand::Begin { since } => json!({ "restore": restore::begin(app, since).await? }),
        RestoreCommand::Status => match restore::status(app).await? {
            Some((restore, standings)) => shown(&restore, &standings)?,
            None => json!({ "ok": true, "restore": null }),
        },
        RestoreCommand::Finish { reason } => {
            restore::finish(app, &reason).await?;
            json!({ "finished": true })
        }
    })
}

fn text(time: Option<OffsetDateTime>) -> anyhow::Result<Option<String>> {
    Ok(time.map(|time| time.format(&Rfc3339)).transpose()?)
}

fn shown(restore: &Restore, standings: &[Standing]) -> anyhow::Result<Value> {
    let accounts = standings.iter().map(|account| {
        Ok(json!({
            "merchant": account.merchant_id,
            "provider_account": account.provider_account_id,
            "rewritten": account.rewritten,
            "taken_in_at": text(account.taken_in_at)?,
            "lifted_at": text(account.lifted_at)?,
            "exceptions_open": account.questions,
            "last_error": account.last_error,
        }))
    });
    Ok(json!({
        "ok": restore.finished_at.is_some(),
        "restore": restore.id,
        "cause": restore.cause,
        "point": text(Some(restore.point))?,
        "began_at": text(Some(restore.began_at))?,
        "finished_at": text(restore.finished_at)?,
        "finished_because": restore.finished_because,
        "accounts": accounts.collect::<anyhow::Result<Vec<_>>>()?,
    }))
}
