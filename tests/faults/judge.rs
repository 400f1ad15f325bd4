//! What must be true once all is quiet, counted one by one.

use std::collections::{BTreeMap, BTreeSet};
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
    sequence: Option<i64>,
    state: String,
    attempts: i32,
    sent_at: Option<OffsetDateTime>,
}

/// The type of an event that nobody follows: it is kept, and that is all.
pub(super) const NOT_FOLLOWED: &str = "product.updated";

/// A posting's kind and key, and what a line of the ledger nets.
type Posting = (String, String, i64);

/// What must be in the books, by what we hold.
const HAPPENED: &str = "select 'customer_payment' as kind, charge_reference as key, 0::bigint
    from payment where odoo_instance_id is not null and captured_minor > 0
    union all
    select 'customer_refund', r.provider_reference, 0
    from refund r join payment p on p.merchant_id = r.merchant_id and p.id = r.payment_id
    where p.odoo_instance_id is not null
    union all
    select 'booking', b.id, b.net_minor
    from balance_transaction b join payment p on p.merchant_id = b.merchant_id and p.id = b.payment_id
    where p.odoo_instance_id is not null
    order by 1, 2";

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

    /// Every event is there once and applied, but for those that nobody follows; every payment is as the provider has it, every posting is in the books once.
    pub(super) async fn judge(&self, events: &[Value]) {
        self.judge_events(events).await;
        self.judge_payments().await;
        self.judge_messages().await;
        self.judge_books().await;
        assert_eq!(self.count("exception").await, 0);
    }

    async fn judge_events(&self, events: &[Value]) {
        let mut kept: Vec<(String, String)> = sqlx::query_as("select event_id, state from webhook_event")
            .fetch_all(&self.db)
            .await
            .unwrap();
        kept.sort();
        let wanted = events.iter().map(|event| {
            let followed = event["type"] != NOT_FOLLOWED;
            let state = if followed { "applied" } else { "ignored" };
            (event["id"].as_str().unwrap().to_owned(), state.to_owned())
        });
        let wanted: BTreeSet<_> = wanted.collect();
        let ended: BTreeSet<_> = kept.iter().cloned().collect();
        let differences: Vec<_> = ended.symmetric_difference(&wanted).take(4).collect();
        assert!(differences.is_empty(), "each ended as it must: {differences:#?}");
        assert_eq!(kept.len(), wanted.len(), "none is there twice");
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

    /// All are sent, at no cost in attempts, each payment's one after the other, and its bookings behind them.
    async fn judge_messages(&self) {
        let messages: Vec<Message> = sqlx::query_as(
            "select payment_id, sequence, state, attempts, sent_at from outbox_message order by payment_id, sequence nulls last",
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
                let next = earlier.sequence.map(|sequence| sequence + 1);
                assert!(later.sequence.is_none() || later.sequence == next, "{pair:?}");
                let after = later.sequence.is_none() || earlier.sent_at < later.sent_at;
                assert!(after, "{pair:?}");
            } else {
                assert_eq!(later.sequence, Some(1), "{pair:?}");
            }
        }
    }

    /// Each charge and each refund that is for Odoo is there once, with its lines, and nothing is left in between.
    async fn judge_books(&self) {
        let happened = self.postings(HAPPENED).await;
        let queued = self
            .postings("select posting ->> 'kind', posting_key, 0::bigint from outbox_message order by 1, 2");
        let named = |postings: &[Posting]| -> Vec<(String, String)> {
            postings
                .iter()
                .map(|(kind, key, _)| (kind.clone(), key.clone()))
                .collect()
        };
        assert_eq!(
            named(&queued.await),
            named(&happened),
            "what happened was queued, once"
        );

        let of = |part: &str| -> Vec<&Posting> {
            let of_part = happened.iter().filter(|(kind, ..)| kind.ends_with(part));
            of_part.collect()
        };
        let payments = self.odoo.payments();
        let mut booked: Vec<&str> = payments
            .iter()
            .map(|payment| payment.reference.as_str())
            .collect();
        booked.sort_unstable();
        let mut wanted: Vec<&str> = [of("_payment"), of("_refund")]
            .concat()
            .iter()
            .map(|(_, key, _)| key.as_str())
            .collect();
        wanted.sort_unstable();
        assert_eq!(booked, wanted, "each is in the books, once");
        assert!(payments.iter().all(|payment| payment.is_matched));

        let lines = self.odoo.statement_lines();
        let distinct: BTreeSet<_> = lines
            .iter()
            .map(|line| (&line.reference, &line.label, line.amount_minor))
            .collect();
        assert_eq!(distinct.len(), lines.len(), "no line is there twice");
        let nets = lines.iter().fold(BTreeMap::new(), |mut nets, line| {
            *nets.entry(line.reference.as_str()).or_insert(0) += line.amount_minor;
            nets
        });
        let wanted: BTreeMap<&str, i64> = of("booking")
            .iter()
            .map(|(_, key, net_minor)| (key.as_str(), *net_minor))
            .collect();
        assert_eq!(nets, wanted, "each line is there, to the cent");
        assert_eq!(
            self.odoo.account_balance("101403"),
            0,
            "all payments met their lines"
        );
        assert_eq!(self.odoo.journal_balance("STRP"), wanted.values().sum::<i64>());
    }

    async fn postings(&self, sql: &'static str) -> Vec<Posting> {
        sqlx::query_as(sql).fetch_all(&self.db).await.unwrap()
    }
}
