//! What the addon may say of a message, and what comes of it.

use quittance_sandbox::addon::Reply;
use quittance_sandbox::faults::{Fault, Matcher};
use serde_json::Value;

use super::World;

/// The `taken` words of a payment's messages, in order.
async fn taken(world: &World) -> Vec<Option<String>> {
    sqlx::query_scalar("select result->>'taken' from outbox_message order by sequence")
        .fetch_all(&world.test.db)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_lost_answer_after_the_effect_is_a_duplicate_and_is_applied_once() {
    let world = World::new().await;
    world.addon.faults().times(2, Matcher::any(), Fault::ResetAfter);
    world.pay("S1").await;
    world.settled().await;
    let first = world.addon.applied()[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(world.addon.told(&first), ["applied", "duplicate", "duplicate"]);
    assert_eq!(taken(&world).await[0].as_deref(), Some("duplicate"));
    let mut ids: Vec<Value> = world
        .addon
        .applied()
        .iter()
        .map(|message| message["id"].clone())
        .collect();
    let count = ids.len();
    ids.sort_by_key(Value::to_string);
    ids.dedup();
    assert_eq!(ids.len(), count);
    assert_eq!(world.test.count("outbox_message where attempts > 0").await, 0);
}

#[tokio::test]
async fn what_the_addon_finds_stale_counts_as_sent() {
    let world = World::new().await;
    world.pay("S1").await;
    world.settled().await;
    let sent = world.test.count("outbox_message").await;
    sqlx::query(
        "insert into outbox_message (merchant_id, id, odoo_instance_id, payment_id, sequence, posting_key, posting,
             due_at, created_at)
         select merchant_id, gen_random_uuid(), odoo_instance_id, payment_id, 99, 'again', posting, now(), now()
         from outbox_message where sequence = 1",
    )
    .execute(&world.test.db)
    .await
    .unwrap();
    world.settled().await;
    assert_eq!(world.test.count("outbox_message").await, sent + 1);
    assert_eq!(taken(&world).await.last().unwrap().as_deref(), Some("stale"));
}

#[tokio::test]
async fn a_rejected_message_backs_off_with_its_reason_and_holds_only_its_own_payment() {
    let world = World::new().await;
    world.addon.reject("S1", "no such transaction");
    world.pay("S1").await;
    world
        .until("it is rejected twice", async || {
            world.messages("S1").await[0].1 > 1
        })
        .await;
    world.pay("S2").await;
    world
        .until("the other one is told", async || {
            world
                .addon
                .payment("S2")
                .is_some_and(|told| told["odoo_state"] == "done")
        })
        .await;
    let waiting = world.messages("S1").await;
    assert_eq!(waiting[0].0, "pending");
    assert!(waiting.len() > 1, "{waiting:?}");
    assert!(
        waiting[0].2.as_ref().unwrap().contains("no such transaction"),
        "{waiting:?}"
    );
    assert!(waiting[1..].iter().all(|message| message.1 == 0), "{waiting:?}");
    assert_eq!(
        world.failures().await,
        0,
        "an instance that answers is not in trouble"
    );

    world.addon.reject_none();
    world.settled().await;
    world
        .assert_told_in_order(&["S1".to_owned(), "S2".to_owned()])
        .await;
}

#[tokio::test]
async fn out_of_attempts_it_is_dead_and_parks_its_payments_later_ones_under_one_exception() {
    let world = World::with(quittance::startup::Role::Both, 1_000_000).await;
    world.addon.reject("S1", "no such transaction");
    world.pay("S1").await;
    world
        .until("it is dead", async || world.messages("S1").await[0].0 == "dead")
        .await;
    world.pay("S2").await;
    world
        .until("the other one is told", async || {
            world.addon.payment("S2").is_some()
        })
        .await;
    let parked = world.messages("S1").await;
    assert!(parked.len() > 1, "{parked:?}");
    assert!(
        parked[1..]
            .iter()
            .all(|message| message.0 == "pending" && message.1 == 0)
    );
    assert_eq!(world.test.count("exception where kind = 'message_dead'").await, 1);
}

#[tokio::test]
async fn an_answer_that_says_nothing_of_the_message_is_none() {
    let world = World::new().await;
    world.addon.faults().next(Matcher::any(), Fault::Garbage);
    world.pay("S1").await;
    world.settled().await;
    let first = world.addon.applied()[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(world.addon.told(&first), ["applied", "duplicate"]);
}

#[tokio::test]
async fn gone_disables_the_instance_under_one_exception_and_loses_nothing() {
    let world = World::new().await;
    world.addon.reply(Some(Reply::status(410)));
    for reference in ["S1", "S2", "S3"] {
        world.pay(reference).await;
    }
    world
        .until("it is disabled", async || {
            world
                .test
                .count("odoo_instance where disabled_at is not null")
                .await
                == 1
        })
        .await;
    world.addon.reply(None);
    let asked = world.addon.requests().len();
    world.pay("S4").await;
    world
        .test
        .stripe
        .wait_until_delivered(std::time::Duration::from_secs(20))
        .await
        .unwrap();
    world
        .until("nothing is in hand", async || {
            world
                .test
                .count("outbox_message where leased_until is not null")
                .await
                == 0
        })
        .await;
    assert!(world.addon.requests().len() <= asked + 3, "only what was in hand");
    assert!(world.addon.applied().len() <= 3);
    assert_eq!(
        world.test.count("exception where kind = 'instance_gone'").await,
        1
    );
    assert_eq!(
        world
            .test
            .count("outbox_message where state = 'dead' or attempts > 0")
            .await,
        0
    );

    let app = world.test.application().app();
    quittance::app::setup::enable_odoo_instance(app, world.test.merchant, world.instance)
        .await
        .unwrap();
    world.settled().await;
    let references = ["S1", "S2", "S3", "S4"].map(str::to_owned);
    world.assert_told_in_order(&references).await;
}

#[tokio::test]
async fn no_redirect_is_followed() {
    let world = World::new().await;
    let elsewhere = quittance_sandbox::addon::PretendAddon::start().await.unwrap();
    for status in [301, 302, 303, 307, 308] {
        let before = world.failures().await;
        world
            .addon
            .reply(Some(Reply::status(status).with("location", elsewhere.url())));
        if status == 301 {
            world.pay("S1").await;
        }
        world
            .until("it failed", async || world.failures().await > before)
            .await;
    }
    assert_eq!(elsewhere.connections(), 0);
    assert_eq!(world.messages("S1").await[0].1, 0, "no attempt is spent");
    let reason = world.messages("S1").await[0].2.clone().unwrap();
    assert!(reason.contains("redirect"), "{reason}");
}
