//! Our addon in Odoo: signed messages to its controller. `docs/outgoing.md` is the contract.

use reqwest::header::CONTENT_TYPE;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use url::Url;

use crate::domain::ids::OutboxMessageId;
use crate::domain::news::{News, PaymentNews};
use crate::domain::outbox::{Message, OutboxMessage};
use crate::sink::{LiveSecret, OdooRecord, Posted, SinkError, Taken};

use super::error;
use super::http::{Answer, Http};

/// What is sent: a batch, of one message for now.
#[derive(Debug, Serialize)]
struct Batch<'a> {
    r#type: &'static str,
    messages: [Item<'a>; 1],
}

#[derive(Debug, Serialize)]
struct Item<'a> {
    id: OutboxMessageId,
    r#type: &'static str,
    sequence: i64,
    payment: &'a PaymentNews,
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
    records: Vec<OdooRecord>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Word {
    Applied,
    Duplicate,
    Stale,
    Rejected,
}

/// Hands one message over, signed now.
pub(super) async fn send(
    http: &Http,
    url: &Url,
    secrets: &[LiveSecret],
    message: &OutboxMessage,
    now: OffsetDateTime,
) -> Result<Posted, SinkError> {
    let payment = match &message.posting {
        Message::News(News::PaymentUpdated { payment }) => payment,
        Message::Posting(_) => return Err(error::refused("the addon takes no postings yet")),
    };
    let batch = Batch {
        r#type: "batch",
        messages: [Item {
            id: message.id,
            r#type: "payment.updated",
            sequence: message.sequence.unwrap_or_default(),
            payment,
        }],
    };
    let body = serde_json::to_vec(&batch).map_err(|_| error::refused("the message cannot be written"))?;
    let id = message.id.to_string();
    let answer = post(http, url, secrets, &id, body, now).await?;
    if answer.status == 200 {
        read(&id, &answer.body)
    } else {
        Err(from_status(&answer))
    }
}

/// Hands over a batch of nothing, signed now, which changes nothing there.
pub(super) async fn ping(
    http: &Http,
    url: &Url,
    secrets: &[LiveSecret],
    (database, company): (&str, &str),
    now: OffsetDateTime,
) -> Result<(), SinkError> {
    let batch =
        serde_json::json!({ "type": "batch", "database": database, "company": company, "messages": [] });
    let id = OutboxMessageId::generate().to_string();
    let answer = post(http, url, secrets, &id, batch.to_string().into(), now).await?;
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

/// What the addon says of the message.
fn read(id: &str, body: &[u8]) -> Result<Posted, SinkError> {
    let unclear = || error::unreachable("its answer says nothing of the message");
    let results: Results = serde_json::from_slice(body).map_err(|_| unclear())?;
    let said = results
        .results
        .into_iter()
        .find(|said| said.id == id)
        .ok_or_else(unclear)?;
    let taken = match said.result {
        Word::Applied => Taken::Applied,
        Word::Duplicate => Taken::Duplicate,
        Word::Stale => Taken::Stale,
        Word::Rejected => {
            let reason = said.reason.as_deref().unwrap_or("no reason given");
            return Err(error::refused(error::shorten(reason)));
        }
    };
    Ok(Posted {
        records: said.records,
        taken: Some(taken),
    })
}

/// Sorts an answer that says nothing of the message. Only what is wrong with this very request spends its attempts; where
/// no controller of ours answers, all messages wait.
fn from_status(answer: &Answer) -> SinkError {
    let message = match answer.status {
        404 | 405 => "nothing takes messages there: is the addon installed?".into(),
        300..=399 => "it redirects, which is not followed".into(),
        status => format!("status {status}").into(),
    };
    match answer.status {
        401 | 403 => SinkError::Unauthorized { message },
        410 => SinkError::Gone,
        400 | 413 | 415 | 422 => SinkError::Refused { message },
        _ => SinkError::Unreachable {
            message,
            retry_after: answer.retry_after,
        },
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use super::*;

    #[test]
    fn an_answer_that_cannot_be_read_or_is_of_another_message_is_none() {
        for body in [
            "",
            "{",
            "{\"results\": []}",
            r#"{"results": [{"id": "msg_2", "result": "applied"}]}"#,
        ] {
            let read = read("msg_1", body.as_bytes());
            assert!(
                matches!(read, Err(SinkError::Unreachable { .. })),
                "{body}: {read:?}"
            );
        }
        let body = r#"{"results": [{"id": "msg_1", "result": "applied", "more": 1}], "more": 2}"#;
        assert_eq!(
            read("msg_1", body.as_bytes()).unwrap().taken,
            Some(Taken::Applied)
        );
    }
}
