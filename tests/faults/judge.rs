//! What must be true once all is quiet, counted one by one.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::Duration;

use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;

use super::world::World;
use crate::support::eventually_within;

/// A message to Odoo, as it lies in its queue.
#[derive(Debug, sqlx::FromRow)]
struct Message {
    payment_id: Uuid,
    sequence: i64,
    state: String,
    attempts: i32,
    sent_at: Option<OffsetDateTime>,
}

impl World {
    /// Waits until no event and no message is to be worked on.
    pub(super) async fn quiet(&self, within: Duration) {
        eventually_within(within, async || {
            let events = self.find_count("webhook_event where due_at is not null").await;
            let messages = self.find_count("outbox_message where due_at is not null").await;
            match (events, messages) {
                (Some(0), Some(0)) => Ok(()),
                left => Err(format!("{left:?} events and messages are left")),
            }
        })
        .await;
    }

    /// Every event is there once and applied, every payment is as the provider has it, every posting is in the books once.
    pub(super) async fn judge(&self, events: &[Value]) {
        self.judge_events(events).await;
        self.judge_payments().await;
        self.judge_messages().await;
        self.judge_books().await;
        assert_eq!(self.count("exception").await, 0);
    }

    async fn judge_events(&self, events: &[Value]) {
        let rows: Vec<(String, String)> = sqlx::query_as("select event_id, state from webhook_event")
            .fetch_all(&self.db)
            .await
            .unwrap();
        let odd: Vec<_> = rows
            .iter()
            .filter(|(_, state)| state != "applied" && state != "ignored")
            .collect();
        assert!(odd.is_empty(), "{odd:?}");
        let kept: HashSet<&str> = rows.iter().map(|(id, _)| id.as_str()).collect();
        let sent: HashSet<&str> = events.iter().map(|event| event["id"].as_str().unwrap()).collect();
        assert_eq!(rows.len(), kept.len(), "none is there twice");
        assert_eq!(kept, sent, "all are there, and no others");
    }

    async fn judge_payments(&self) {
        let rows: Vec<(String, String, i64, i64, String)> = sqlx::query_as(
            "select provider_reference, state, captured_minor, refunded_minor, coalesce(charge_reference, '')
             from payment where provider_reference is not null and reference <> 'template'",
        )
        .fetch_all(&self.db)
        .await
        .unwrap();
        let held: BTreeSet<_> = rows.into_iter().collect();
        let intents = self.stripe.payment_intents();
        let truth: BTreeSet<_> = intents
            .iter()
            .filter(|intent| intent["status"] == "succeeded")
            .map(|intent| {
                let text = |name: &str| intent[name].as_str().unwrap().to_owned();
                let received = intent["amount_received"].as_i64().unwrap();
                let state = "captured".to_owned();
                (
                    text("id"),
                    state,
                    received,
                    self.refunded(intent),
                    text("latest_charge"),
                )
            })
            .collect();
        let differences: Vec<_> = held.symmetric_difference(&truth).take(4).collect();
        assert!(differences.is_empty(), "{differences:#?}");
        assert_eq!(
            self.stripe.charges_made(),
            truth.len(),
            "nothing was charged twice"
        );

        let lines: Vec<(String, i64, i64)> =
            sqlx::query_as("select id, amount_minor, fee_minor from balance_transaction order by id")
                .fetch_all(&self.db)
                .await
                .unwrap();
        let held: BTreeSet<_> = lines.into_iter().collect();
        let lines = self.stripe.balance_transactions();
        let minor = |line: &Value, name: &str| line[name].as_i64().unwrap();
        let truth: BTreeSet<_> = lines
            .iter()
            .map(|line| {
                let id = line["id"].as_str().unwrap().to_owned();
                (id, minor(line, "amount"), minor(line, "fee"))
            })
            .collect();
        let differences: Vec<_> = held.symmetric_difference(&truth).take(4).collect();
        assert!(differences.is_empty(), "{differences:#?}");
    }

    fn refunded(&self, intent: &Value) -> i64 {
        let refunds = self.stripe.refunds();
        let of_intent = refunds
            .iter()
            .filter(|refund| refund["payment_intent"] == intent["id"]);
        of_intent.map(|refund| refund["amount"].as_i64().unwrap()).sum()
    }

    /// All are sent, at no cost in attempts, each payment's one after the other.
    async fn judge_messages(&self) {
        let messages: Vec<Message> = sqlx::query_as(
            "select payment_id, sequence, state, attempts, sent_at from outbox_message order by payment_id, sequence",
        )
        .fetch_all(&self.db)
        .await
        .unwrap();
        for message in &messages {
            assert_eq!(
                (message.state.as_str(), message.attempts),
                ("sent", 0),
                "{message:?}"
            );
        }
        for pair in messages.windows(2) {
            let [earlier, later] = pair else { continue };
            if earlier.payment_id == later.payment_id {
                assert_eq!(earlier.sequence + 1, later.sequence, "{pair:?}");
                assert!(earlier.sent_at < later.sent_at, "{pair:?}");
            } else {
                assert_eq!(later.sequence, 1, "{pair:?}");
            }
        }
    }

    /// Each charge and each refund that is for Odoo is there once, with its lines, and nothing is left in between.
    async fn judge_books(&self) {
        let postings: Vec<(String, String)> =
            sqlx::query_as("select posting_key, posting ->> 'kind' from outbox_message")
                .fetch_all(&self.db)
                .await
                .unwrap_or_default();
        let payments = self.odoo.payments();
        let by_reference: BTreeMap<&str, usize> =
            payments.iter().fold(BTreeMap::new(), |mut counts, payment| {
                *counts.entry(payment.reference.as_str()).or_default() += 1;
                counts
            });
        assert!(by_reference.values().all(|count| *count == 1), "{by_reference:?}");
        assert_eq!(payments.len() * 2, postings.len(), "each has its line");
        assert!(payments.iter().all(|payment| payment.is_matched));
        let lines = self.odoo.statement_lines();
        let distinct: BTreeSet<_> = lines
            .iter()
            .map(|line| (&line.reference, &line.label, line.amount_minor))
            .collect();
        assert_eq!(distinct.len(), lines.len(), "no line is there twice");
        assert_eq!(
            self.odoo.account_balance("101403"),
            0,
            "all payments met their lines"
        );
        let net: i64 = sqlx::query_scalar(
            "select coalesce(sum(net_minor), 0)::bigint from balance_transaction b
             join payment p on p.merchant_id = b.merchant_id and p.id = b.payment_id
             where p.odoo_instance_id is not null",
        )
        .fetch_one(&self.db)
        .await
        .unwrap();
        assert_eq!(self.odoo.journal_balance("STRP"), net);
    }
}
