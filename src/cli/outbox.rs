//! `quittance outbox …`

use clap::Subcommand;
use quittance::app::{App, outbox};
use quittance::domain::ids::MerchantId;
use serde_json::json;

#[derive(Subcommand)]
pub(crate) enum OutboxCommand {
    /// List what Odoo does not have yet, oldest first.
    List {
        /// Whose news it is (`mer_…`).
        #[arg(long)]
        merchant: MerchantId,
    },
}

pub(super) async fn run(app: &App, command: OutboxCommand) -> anyhow::Result<serde_json::Value> {
    match command {
        OutboxCommand::List { merchant } => {
            let unsent = outbox::list_unsent(app, merchant).await?;
            let shown = unsent.iter().map(|message| {
                json!({ "id": message.id, "payment": message.payment_id, "kind": message.posting.kind(),
                    "key": message.posting.key(), "state": message.state, "attempts": message.attempts,
                    "last_error": message.last_error })
            });
            Ok(json!({ "data": shown.collect::<Vec<_>>() }))
        }
    }
}
