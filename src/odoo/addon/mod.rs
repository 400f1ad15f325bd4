//! Our addon in Odoo: signed batches to its controller. `docs/odoo-contract.md` is the contract.

mod item;

use std::collections::HashMap;

use reqwest::header::CONTENT_TYPE;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use url::Url;

use crate::domain::ids::OutboxMessageId;
use crate::domain::outbox::OutboxMessage;
use crate::sink::{AddonAccess, LiveSecret, OdooRecord, Posted, SinkError, Taken};

use super::error;
use super::http::{Answer, Http};
use item::Item;

/// The most bytes that a batch has, unless one message alone has more.
const MOST_BYTES: usize = 1024 * 1024;

/// What is sent.
#[derive(Debug, Serialize)]
struct Batch<'a> {
    r#type: &'static str,
    database: Option<&'a str>,
    company: Option<&'a str>,
    messages: Vec<Item<'a>>,
}

/// What comes back: one result for each message.
#[derive(Debug, Deserialize)]
struct Results {
    results: Vec<ItemResult>,
}

#[derive(Debug, Deserialize)]
struct ItemResult {
    id: String,
    result: Word,
    #[serde(default)]
    reason: Option<String>,
    #[serde(default)]
    records: Option<Vec<OdooRecord>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Word {
    Applied,
    Duplicate,
    Stale,
    Rejected,
    Later,
}

type Answers = HashMap<OutboxMessageId, Result<Posted, SinkError>>;

/// Hands messages over, signed now, and says what became of each, in their order. What is too much for one request, or is turned
/// away as one, goes in halves, so that a message that is wrong holds up no other.
pub(super) async fn send(
    http: &Http,
    url: &Url,
    access: &AddonAccess,
    messages: &[OutboxMessage],
    now: OffsetDateTime,
) -> Vec<Result<Posted, SinkError>> {
    let mut answers = Answers::with_capacity(messages.len());
    let mut parts = vec![messages];
    while let Some(part) = parts.pop() {
        let answer = send_part(http, url, access, part, now).await;
        match answer {
            Ok(said) => answers.extend(said),
            Err(SinkError::Rejected { .. }) if part.len() > 1 => {
                let (first, second) = part.split_at(part.len() / 2);
                parts.extend([second, first]);
            }
            Err(error @ SinkError::Rejected { .. }) => {
                answers.extend(part.iter().map(|message| (message.id, Err(error.clone()))));
            }
            // Nobody is there for the others either.
            Err(error) => {
                let others = parts.drain(..).chain([part]).flatten();
                answers.extend(others.map(|message| (message.id, Err(error.clone()))));
            }
        }
    }
    let became = messages
        .iter()
        .map(|message| answers.remove(&message.id).unwrap_or_else(|| Err(unclear())));
    became.collect()
}

/// Sends one request. An error says what became of all of its messages: that they were rejected, as it is too much or wrong, or that
/// the instance was not reached.
async fn send_part(
    http: &Http,
    url: &Url,
    access: &AddonAccess,
    messages: &[OutboxMessage],
    now: OffsetDateTime,
) -> Result<Answers, SinkError> {
    let batch = Batch {
        r#type: "batch",
        database: access.database.as_deref(),
        company: access.company.as_deref(),
        messages: messages.iter().map(Item::of).collect::<Result<_, _>>()?,
    };
    let body = serde_json::to_vec(&batch).map_err(|_| rejected("the message cannot be written"))?;
    if messages.len() > 1 && body.len() > MOST_BYTES {
        return Err(rejected("more than one request holds"));
    }
    let id = name(messages);
    let answer = post(http, url, &access.secrets, &id, body, now).await?;
    judge(messages, &answer)
}

/// Hands over a batch of nothing, signed now, which changes nothing there.
pub(super) async fn ping(
    http: &Http,
    url: &Url,
    access: &AddonAccess,
    now: OffsetDateTime,
) -> Result<(), SinkError> {
    let batch = Batch {
        r#type: "batch",
        database: access.database.as_deref(),
        company: access.company.as_deref(),
        messages: Vec::new(),
    };
    let body = serde_json::to_vec(&batch).map_err(|_| rejected("the batch cannot be written"))?;
    let id = OutboxMessageId::generate().to_string();
    let answer = post(http, url, &access.secrets, &id, body, now).await?;
    if answer.status == 200 {
        Ok(())
    } else {
        Err(from_status(&answer))
    }
}

async fn post(
    http: &Http,
    url: &Url,
    secrets: &[LiveSecret],
    id: &str,
    body: Vec<u8>,
    now: OffsetDateTime,
) -> Result<Answer, SinkError> {
    let timestamp = now.unix_timestamp();
    let signature = signatures(secrets, id, timestamp, &body, now)?;
    http.post(url.clone(), |request| {
        request
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", timestamp)
            .header("webhook-signature", signature)
            .body(body)
    })
    .await
}

/// What an answer says of each message, or of all.
fn judge(messages: &[OutboxMessage], answer: &Answer) -> Result<Answers, SinkError> {
    if answer.status == 200 {
        read(messages, &answer.body)
    } else {
        Err(from_status(answer))
    }
}

/// The id of a request: that of its one message, or one that the same messages always have.
fn name(messages: &[OutboxMessage]) -> String {
    if let [message] = messages {
        return message.id.to_string();
    }
    let mut hash = Sha256::new();
    for message in messages {
        hash.update(message.id.to_string());
    }
    let mut half = [0; 16];
    half.copy_from_slice(&hash.finalize()[..16]);
    format!("batch_{:032x}", u128::from_be_bytes(half))
}

/// One signature with each secret that signs now, newest first.
fn signatures(
    secrets: &[LiveSecret],
    id: &str,
    timestamp: i64,
    body: &[u8],
    now: OffsetDateTime,
) -> Result<String, SinkError> {
    let live = secrets
        .iter()
        .filter(|secret| secret.until.is_none_or(|until| until > now));
    let made: Vec<String> = live.map(|live| live.secret.sign(id, timestamp, body)).collect();
    if made.is_empty() {
        return Err(SinkError::Unauthorized {
            message: "there is no secret to sign with".into(),
        });
    }
    Ok(made.join(" "))
}

/// What the addon says of each message. What it says of others is passed over.
fn read(messages: &[OutboxMessage], body: &[u8]) -> Result<Answers, SinkError> {
    let results: Results = serde_json::from_slice(body).map_err(|_| unclear())?;
    let mut said: HashMap<String, ItemResult> = results
        .results
        .into_iter()
        .map(|said| (said.id.clone(), said))
        .collect();
    let each = messages.iter().map(|message| {
        let became = said
            .remove(&message.id.to_string())
            .map_or_else(|| Err(unclear()), ItemResult::became);
        (message.id, became)
    });
    Ok(each.collect())
}

impl ItemResult {
    fn became(self) -> Result<Posted, SinkError> {
        let taken = match self.result {
            Word::Applied => Taken::Applied,
            Word::Duplicate => Taken::Duplicate,
            Word::Stale => Taken::Stale,
            Word::Later => return Err(SinkError::Later),
            Word::Rejected => {
                let reason = self.reason.as_deref().unwrap_or("no reason given");
                return Err(SinkError::Rejected {
                    message: error::shorten(reason),
                });
            }
        };
        Ok(Posted {
            records: self.records.unwrap_or_default(),
            taken: Some(taken),
        })
    }
}

/// Sorts an answer that says nothing of the messages. Only what is wrong with this very request spends its attempts; where
/// no controller of ours answers, all messages wait.
fn from_status(answer: &Answer) -> SinkError {
    let message = match answer.status {
        404 | 405 => "nothing takes messages there: is the addon installed?".into(),
        403 => "another database or company answers there".into(),
        300..=399 => "it redirects, which is not followed".into(),
        status => format!("status {status}").into(),
    };
    match answer.status {
        401 | 403 => SinkError::Unauthorized { message },
        410 => SinkError::Gone,
        400 | 413 | 415 | 422 => SinkError::Rejected { message },
        _ => SinkError::Unreachable {
            message,
            retry_after: answer.retry_after,
        },
    }
}

fn unclear() -> SinkError {
    error::unreachable("its answer says nothing of the message")
}

fn rejected(message: &'static str) -> SinkError {
    SinkError::Rejected {
        message: message.into(),
    }
}

#[cfg(test)]
mod tests;
