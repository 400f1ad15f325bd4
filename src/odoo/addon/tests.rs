#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use super::*;
use crate::domain::ids::{OdooInstanceId, ProviderAccountId};
use crate::domain::ledger::LedgerAccount;
use crate::domain::money::{Currency, Money};
use crate::domain::posting::{Part, Posting};

fn message() -> OutboxMessage {
    let currency: Currency = "EUR".parse().unwrap();
    let part = |account, minor| Part {
        account,
        amount: Money::new(minor, currency),
        value_minor: minor,
    };
    OutboxMessage {
        id: OutboxMessageId::generate(),
        odoo_instance_id: OdooInstanceId::generate(),
        provider_account_id: ProviderAccountId::generate(),
        payment_id: None,
        sequence: None,
        posting: Posting::Booking {
            source: "txn_1".to_owned(),
            date: time::macros::date!(2026 - 11 - 30),
            label: "label".to_owned(),
            parts: vec![
                part(LedgerAccount::ProviderBalance, 100),
                part(LedgerAccount::Fees, -100),
            ],
            meets: None,
        }
        .into(),
        attempts: 0,
        fence: 1,
        trace_context: None,
    }
}

#[test]
fn an_answer_that_cannot_be_read_is_none() {
    for body in [
        "",
        "{",
        "[]",
        "{\"results\": 1}",
        r#"{"results": [{"id": "msg_1", "result": "done"}]}"#,
    ] {
        let said = read(&[message()], body.as_bytes());
        assert!(
            matches!(said, Err(SinkError::Unreachable { .. })),
            "{body}: {said:?}"
        );
    }
}

#[test]
fn a_message_that_an_answer_says_nothing_of_was_not_reached_and_the_others_were() {
    let both = [message(), message()];
    let body = format!(
        r#"{{"results": [{{"id": "{}", "result": "applied", "more": 1}}, {{"id": "msg_2", "result": "applied"}}], "more": 2}}"#,
        both[0].id
    );
    let said = read(&both, body.as_bytes()).unwrap();
    assert_eq!(said[&both[0].id].as_ref().unwrap().taken, Some(Taken::Applied));
    assert!(matches!(said[&both[1].id], Err(SinkError::Unreachable { .. })));
}

#[test]
fn the_same_messages_always_have_the_same_name_and_others_another() {
    let (one, other) = (message(), message());
    assert_eq!(name(std::slice::from_ref(&one)), one.id.to_string());
    let both = [one.clone(), other.clone()];
    assert_eq!(name(&both), name(&both));
    assert!(name(&both).starts_with("batch_"));
    assert_ne!(name(&both), name(&[other, one]));
}

/// A recorded answer: what was asked, what came back, and what became of each message.
#[derive(Deserialize)]
struct Recorded {
    what: String,
    status: u16,
    headers: HashMap<String, String>,
    body: String,
    messages: Vec<OutboxMessageId>,
    becomes: Vec<String>,
}

/// What became of a message, in a word or two.
fn word(became: &Result<Posted, SinkError>) -> String {
    match became {
        Ok(posted) => match posted.taken {
            Some(Taken::Applied) => "applied",
            Some(Taken::Duplicate) => "duplicate",
            Some(Taken::Stale) => "stale",
            None => "posted",
        },
        Err(SinkError::Rejected { .. }) => "rejected",
        Err(SinkError::Later) => "later",
        Err(SinkError::Unauthorized { .. }) => "unauthorized",
        Err(SinkError::Gone) => "gone",
        Err(SinkError::Unreachable {
            retry_after: Some(after),
            ..
        }) => {
            return format!("unreachable after {} s", after.as_secs());
        }
        Err(SinkError::Unreachable { .. }) => "unreachable",
        Err(SinkError::Refused { .. } | SinkError::Differs { .. } | SinkError::NotAllowed { .. }) => {
            "of stock odoo"
        }
    }
    .to_owned()
}

#[test]
fn every_recorded_answer_is_read_as_the_contract_says() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/contract/answers");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        let recorded: Recorded = serde_json::from_str(&text).unwrap();
        let messages: Vec<OutboxMessage> = recorded
            .messages
            .iter()
            .map(|id| OutboxMessage { id: *id, ..message() })
            .collect();
        let retry_after = recorded
            .headers
            .get("retry-after")
            .map(|text| text.parse().unwrap());
        let answer = Answer {
            status: recorded.status,
            body: recorded.body.into_bytes(),
            retry_after: retry_after.map(std::time::Duration::from_secs),
        };
        let became: Vec<String> = match judge(&messages, &answer) {
            Ok(said) => messages.iter().map(|message| word(&said[&message.id])).collect(),
            Err(error) => messages.iter().map(|_| word(&Err(error.clone()))).collect(),
        };
        assert_eq!(became, recorded.becomes, "{}", recorded.what);
        count += 1;
    }
    assert!(count > 15, "{count} are there");
}
