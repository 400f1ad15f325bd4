//! Replicas on machines whose clocks differ by eight minutes, far longer than any lease.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures::future::join_all;
use quittance_sandbox::faults::{Fault, Matcher};
use quittance_sandbox::stripe::WebhookEndpoint;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::world::{Plan, World};
use crate::support::{Reply, WEBHOOK_SECRET, database, eventually_within, payment};

const PAYMENTS: usize = 24;

const PATIENCE: Duration = Duration::from_mins(1);

/// The library that shows a process another time, where the system has it.
fn faketime() -> Option<PathBuf> {
    let triples = std::fs::read_dir("/usr/lib").ok()?.filter_map(Result::ok);
    let mut places = triples.map(|triple| triple.path().join("faketime/libfaketime.so.1"));
    places.find(|library| library.is_file())
}

/// What makes a process see the time so many seconds off. Its timers go by the monotonic clock, which stays as it is.
fn off_by(library: &Path, seconds: i32) -> Vec<(&'static str, String)> {
    vec![
        ("LD_PRELOAD", library.display().to_string()),
        ("FAKETIME", format!("{seconds:+}")),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
    ]
}

async fn set_up() -> Option<World> {
    let Some(library) = faketime() else {
        let _ = writeln!(
            std::io::stderr(),
            "skipped: replicas whose clocks differ, since libfaketime is not at hand"
        );
        return None;
    };
    // Slow enough that something is always under way, on either side.
    let plan = Plan {
        stripe_latency: Duration::from_millis(100),
        odoo_latency: Duration::from_millis(20),
        environments: [off_by(&library, 240), off_by(&library, -240)],
        ..Plan::new("skew", database().await)
    };
    let world = World::set_up(plan).await;
    for url in world.webhook_urls() {
        world
            .stripe
            .add_endpoint(WebhookEndpoint::new(url, WEBHOOK_SECRET));
    }
    Some(world)
}

impl World {
    /// Asks both replicas for the same under the same key, at once and until both say so.
    async fn ask_both(&self, path: &str, key: &str, body: &Value) -> Value {
        let ask = async |replica| {
            eventually_within(PATIENCE, async || {
                match self.post(replica, path, key, body).await {
                    reply if reply.status == StatusCode::CREATED => Ok(reply),
                    reply => Err(format!("{reply:?}")),
                }
            })
            .await
        };
        let (first, second): (Reply, Reply) = tokio::join!(ask(0), ask(1));
        assert_eq!(first.bytes, second.bytes, "{key}");
        first.json()
    }

    /// Pays, and gives a part back.
    async fn pay_and_refund(&self, reference: &str) {
        let wish = payment(reference, json!({ "payment_method": "pm_card_visa" }));
        let paid = self.ask_both("/v1/payments", reference, &wish).await;
        assert_eq!(paid["state"], "captured");
        let path = format!("/v1/payments/{}/refunds", paid["id"].as_str().unwrap());
        let key = format!("{reference}-refund");
        self.ask_both(&path, &key, &json!({ "amount_minor": 2_100 }))
            .await;
        let shown = self
            .http
            .get(format!(
                "{}/v1/payments/{}",
                self.replicas[0].url(),
                paid["id"].as_str().unwrap()
            ))
            .bearer_auth(&self.merchant.api_key);
        let shown = Reply::of(shown).await.expect(StatusCode::OK);
        let kinds: Vec<_> = shown["operations"]
            .as_array()
            .unwrap()
            .iter()
            .map(|operation| &operation["kind"])
            .collect();
        assert_eq!(kinds, ["authorize", "refund"], "oldest first, whoever made them");
    }

    /// Has all that happened told, and both replicas take it.
    async fn deliver(&self) {
        self.stripe.settle();
        self.stripe.wait_until_delivered(PATIENCE).await.unwrap();
        assert_eq!(
            self.stripe.acknowledged(),
            self.stripe.deliveries(),
            "neither replica turned an event away"
        );
    }

    /// As if what is due had been for ten minutes: the replica whose clock is behind would see it too, if it went by that.
    async fn let_wait(&self) {
        for table in ["webhook_event", "outbox_message"] {
            let sql = format!("update {table} set due_at = due_at - interval '10 minutes'");
            let waiting = sqlx::query(sqlx::AssertSqlSafe(sql))
                .execute(&self.db)
                .await
                .unwrap();
            assert!(
                waiting.rows_affected() >= u64::try_from(PAYMENTS).unwrap(),
                "{table}"
            );
        }
    }

    /// What the provider was asked to do: each request once, by its key.
    fn asked(&self, path: &str) -> (usize, usize) {
        let requests = self.stripe.requests().into_iter();
        let keys: Vec<_> = requests
            .filter(|request| request.method == Method::POST && request.path == path)
            .map(|request| request.idempotency_key)
            .collect();
        let distinct: std::collections::HashSet<_> = keys.iter().collect();
        (keys.len(), distinct.len())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_whose_clocks_differ_by_eight_minutes_double_nothing_and_lose_nothing() {
    let Some(world) = set_up().await else { return };
    let mut running = world.start_serving().await;
    let waiting: Vec<String> = (0..PAYMENTS).map(|number| format!("W{number}")).collect();
    join_all(waiting.iter().map(|reference| world.pay_and_refund(reference))).await;
    world.deliver().await;
    world.let_wait().await;
    // The one whose clock is behind begins, and has something in hand when the one that is ahead comes.
    let [ahead, behind] = [0, 1];
    world.start_working(&mut running, behind);
    eventually_within(PATIENCE, async || {
        match world.count("outbox_message where state = 'sent'").await {
            0 => Err("nothing is sent".to_owned()),
            _ => Ok(()),
        }
    })
    .await;
    world.start_working(&mut running, ahead);
    world.quiet(PATIENCE).await;

    let references: Vec<String> = (0..PAYMENTS).map(|number| format!("S{number}")).collect();
    join_all(references.iter().map(|reference| world.pay_and_refund(reference))).await;
    for path in ["/v1/payment_intents", "/v1/refunds"] {
        assert_eq!(world.asked(path), (2 * PAYMENTS, 2 * PAYMENTS), "{path}");
    }
    assert_eq!(
        world.count("operation where fence <> 1").await,
        0,
        "none was taken from who had it"
    );

    // Answers that are lost: what one replica left for later, either takes up.
    let lost: Vec<String> = (0..4).map(|number| format!("L{number}")).collect();
    let creation = Matcher::method_path("POST", "/v1/payment_intents");
    world.stripe.faults().times(4, creation, Fault::TimeoutAfter);
    join_all(lost.iter().map(|reference| world.pay_and_refund(reference))).await;
    assert_eq!(world.stripe.charges_made(), 2 * PAYMENTS + lost.len());

    world.deliver().await;
    world.quiet(PATIENCE).await;
    assert_eq!(
        world.count("outbox_message where fence <> 1").await,
        0,
        "no message was taken from who had it"
    );
    world.judge(&world.stripe.events()).await;
    for replica in &world.replicas {
        let log = std::fs::read_to_string(replica.log()).unwrap();
        let said = |words: &str| log.lines().filter(|line| line.contains(words)).count();
        assert_eq!(said("a lease was lost"), 0, "no event was taken from who had it");
        assert_eq!(
            said("this machine's clock is not the database's"),
            2,
            "one of serve and one of worker: {}",
            replica.log().display()
        );
    }
    drop(running);
}
