//! `quittance audit-log …`

use clap::Subcommand;
use quittance::app::App;
use quittance::app::audit_log;
use quittance::domain::audit_log::{AuditEntry, hex};
use quittance::domain::ids::MerchantId;
use serde_json::{Value, json};

#[derive(Subcommand)]
pub(crate) enum AuditLogCommand {
    /// List what was done to a merchant's things, newest first.
    List {
        /// Whose (`mer_…`).
        #[arg(long)]
        merchant: MerchantId,
        /// How many at most: 1 to 1000.
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1_000))]
        limit: u16,
        /// Only those before this one, by its sequence.
        #[arg(long)]
        before: Option<i64>,
    },
    /// Walk the chain from its start, and fail where an entry was changed, removed or put elsewhere. The answer's `head` is what to keep
    /// outside of the database, and to give to a later walk.
    Verify {
        /// Whose (`mer_…`).
        #[arg(long)]
        merchant: MerchantId,
        /// The `head` of an earlier walk, which must still be part of the chain.
        #[arg(long, value_parser = known)]
        head: Option<audit_log::Known>,
    },
}

pub(crate) async fn run(app: &App, command: AuditLogCommand) -> anyhow::Result<Value> {
    Ok(match command {
        AuditLogCommand::List {
            merchant,
            limit,
            before,
        } => {
            let page = audit_log::list(app, merchant, before, limit).await?;
            let next = page.end().map(|entry| entry.sequence);
            json!({ "data": page.data.iter().map(view).collect::<Vec<_>>(), "next_before": next })
        }
        AuditLogCommand::Verify { merchant, head } => {
            let verified = audit_log::verify(app, merchant, head.as_ref()).await?;
            let chain = &verified.chain;
            json!({
                "ok": verified.broken.is_none(),
                "entries": chain.entries,
                "head": format!("{}:{}", chain.entries, hex(&chain.hash)),
                "broken": verified.broken.map(|broken| broken.to_string()),
            })
        }
    })
}

fn view(entry: &AuditEntry) -> Value {
    json!({
        "sequence": entry.sequence,
        "at": entry.at.unix_timestamp(),
        "actor": entry.actor,
        "action": entry.action,
        "subject": entry.subject,
        "detail": serde_json::from_str::<Value>(&entry.detail).unwrap_or_default(),
        "request_id": entry.request_id,
        "address": entry.origin.as_ref().map(|(address, _)| address),
        "hash": hex(&entry.hash),
    })
}

/// `17:9f86d0…`: the sequence and the hash of an entry.
fn known(text: &str) -> Result<audit_log::Known, String> {
    let form = || "must be the head that an earlier walk answered, such as 17:9f86d0…".to_owned();
    let (sequence, hash) = text.split_once(':').ok_or_else(form)?;
    let bytes: Option<Vec<u8>> = (0..hash.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(hash.get(at..at + 2)?, 16).ok())
        .collect();
    let bytes = bytes.filter(|bytes| bytes.len() == 32).ok_or_else(form)?;
    Ok((sequence.parse().map_err(|_| form())?, bytes))
}
