//! Records that exist once: Odoo's import under external ids that are never updated.
//!
//! The external id is unique in Odoo's own database and written in the record's transaction. Under the context used
//! here, an import that finds it changes nothing and answers with the record that is there.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::sink::{SinkError, Words};

use super::client::Database;
use super::error::{refused, shorten, unreachable};

/// The first part of our external ids. It is no addon's name: Odoo removes those of an addon with it.
const NAMESPACE: &str = "quittance";

/// How often one import is sent while others write the same rows.
const ATTEMPTS: u32 = 5;

/// The pause after the first attempt; it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// What Postgres says to the one of two that must start again.
const CONTENTION: [&str; 3] = [
    "could not serialize",
    "deadlock detected",
    "could not obtain lock",
];

/// The answer of an import. It comes with status 200 whether or not anything was kept.
#[derive(Debug, Deserialize)]
struct Loaded {
    ids: Ids,
    messages: Vec<Message>,
}

/// The records in the order of the rows, or `false`.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
enum Ids {
    Kept(Vec<i64>),
    Nothing(bool),
}

#[derive(Debug, Deserialize)]
struct Message {
    message: String,
}

/// The external id of what a posting becomes: `quittance.<kind>_<key>`.
///
/// A key that is not made of letters, digits, `_` and `-` could be read by Odoo as something else.
pub(super) fn external_id(kind: &str, key: &str) -> Result<String, SinkError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if key.is_empty() || !key.bytes().all(plain) {
        return Err(refused(
            "the provider's id holds characters that an external id cannot",
        ));
    }
    Ok(format!("{NAMESPACE}.{kind}_{key}"))
}

/// Creates records, or finds the ones that an earlier call created; all or none. Never changes one.
///
/// `rows` follow `fields`; a row whose first columns are empty adds a line to the record above it.
pub(super) async fn load(
    odoo: &Database<'_>,
    model: &str,
    fields: &[&str],
    rows: &[Vec<String>],
) -> Result<Vec<i64>, SinkError> {
    let arguments = json!({ "fields": fields, "data": rows, "context": context() });
    let mut pause = FIRST_PAUSE;
    for attempt in 1..=ATTEMPTS {
        let answer: Loaded = odoo.call(model, "load", arguments.clone()).await?;
        match answer.ids {
            Ids::Kept(ids) => return Ok(ids),
            Ids::Nothing(_) if attempt > 1 && !is_contention(&answer.messages) => {
                return Err(refused(first(&answer.messages)));
            }
            // The database may speak another language than ours: any refusal is heard twice.
            Ids::Nothing(_) => tokio::time::sleep(pause).await,
        }
        pause *= 2;
    }
    Err(unreachable("others kept writing the same rows"))
}

/// `noupdate` marks an external id when it is made, `mode` makes later imports pass over marked ones.
fn context() -> Value {
    json!({ "mode": "update", "noupdate": true })
}

fn is_contention(messages: &[Message]) -> bool {
    messages
        .iter()
        .any(|found| CONTENTION.iter().any(|known| found.message.contains(known)))
}

fn first(messages: &[Message]) -> Words {
    messages
        .first()
        .map_or_else(|| "nothing was kept".into(), |found| shorten(&found.message))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use super::*;

    #[test]
    fn an_external_id_holds_nothing_that_odoo_reads() {
        assert_eq!(
            external_id("charge_line", "txn_1").unwrap(),
            "quittance.charge_line_txn_1"
        );
        for key in ["", "txn 1", "txn.1", "txn/1", "tïn"] {
            assert!(external_id("charge_line", key).is_err(), "{key}");
        }
    }
}
