//! `quittance keys`: the keys that secrets are sealed with.

use clap::Subcommand;
use quittance::app::App;
use quittance::app::keys::{self, KeyStatus};
use quittance::domain::ids::MerchantId;
use serde_json::{Value, json};

#[derive(Subcommand)]
pub(crate) enum KeysCommand {
    /// Wrap every data key with the key that the settings name first. With `--data-keys`, make new data keys instead, and seal with them
    /// all that older ones sealed; a rotation that did not end is taken up where it stopped. The service goes on meanwhile.
    Rotate {
        /// Make new data keys, and seal everything with them.
        #[arg(long)]
        data_keys: bool,
        /// Only this merchant's (`mer_…`).
        #[arg(long, requires = "data_keys")]
        merchant: Option<MerchantId>,
    },
    /// Unwrap a data key and open what it sealed, and say how long each took.
    Check,
    /// Count what is sealed with which key, and say which may be taken out of the settings.
    Status,
}

pub(super) async fn run(app: &App, command: KeysCommand) -> anyhow::Result<Value> {
    Ok(match command {
        KeysCommand::Rotate { data_keys: false, .. } => {
            let done = keys::rewrap(app).await?;
            json!({ "key_encryption_key": done.kek, "rewrapped": done.rewrapped })
        }
        KeysCommand::Rotate {
            data_keys: true,
            merchant,
        } => {
            let done = keys::rotate_data_keys(app, merchant).await?;
            json!({
                "ok": done.not_opened == 0 && done.held == 0,
                "resumed": done.resumed,
                "new_data_keys": done.new_data_keys,
                "merchants": done.merchants,
                "resealed": done.resealed,
                "not_opened": done.not_opened,
                "held": done.held,
            })
        }
        KeysCommand::Check => match keys::measure(app).await? {
            Some(measured) => json!({
                "key_encryption_key": measured.kek,
                "unwrap_us": u64::try_from(measured.unwrap.as_micros())?,
                "open_cached_ns": u64::try_from(measured.open.as_nanos())?,
            }),
            None => json!({ "key_encryption_key": null }),
        },
        KeysCommand::Status => status(&keys::status(app).await?),
    })
}

fn status(status: &KeyStatus) -> Value {
    let keks: Vec<Value> = status
        .keks
        .iter()
        .map(|kek| {
            json!({
                "id": kek.id,
                "current": kek.is_current,
                "in_settings": kek.is_in_settings,
                "data_keys": kek.data_keys,
                "may_be_removed": kek.may_be_removed,
            })
        })
        .collect();
    let columns: Vec<Value> = status
        .columns
        .iter()
        .map(|column| {
            json!({
                "table": column.table,
                "column": column.column,
                "single_key": column.counts.single_key,
                "current": column.counts.current,
                "retired": column.counts.retired,
                "by_version": column.counts.by_version,
                "by_key_encryption_key": column.counts.by_kek,
            })
        })
        .collect();
    json!({
        "key_encryption_keys": keks,
        "data_keys": {
            "current": status.current_data_keys,
            "retired": status.retired_data_keys,
            "merchants_in_rotation": status.unswept_merchants,
        },
        "sealed": columns,
    })
}
