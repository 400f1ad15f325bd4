//! Messages that travel together.

use std::collections::BTreeSet;
use std::time::Duration;

use quittance::app::setup;
use quittance::startup::Role;
use quittance_sandbox::addon::{PretendAddon, Reply};
use quittance_sandbox::faults::{Fault, Matcher};
use reqwest::StatusCode;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::World;

/// Pays so many payments while nothing can be sent.
async fn backlog(world: &World, count: usize) -> Vec<String> {
    let references: Vec<String> = (0..count).map(|number| format!("S{number}")).collect();
    for reference in &references {
        world.pay(reference).await;
    }
    references
}

/// The ids of the messages of each request, in order.
fn requests(addon: &PretendAddon) -> Vec<Vec<String>> {
    let ids = |body: &str| {
        let batch: Value = serde_json::from_str(body).unwrap();
        let messages = batch["messages"].as_array().unwrap().iter();
        messages
            .map(|message| message["id"].as_str().unwrap().to_owned())
            .collect()
    };
    addon
        .requests()
        .iter()
        .map(|request| ids(&request.body))
        .collect()
}

#[tokio::test]
async fn what_waits_for_one_odoo_travels_together_and_each_payment_once_in_a_batch() {
    let world = World::with(Role::Serve, 100).await;
    let references = backlog(&world, 1).await;
    world.copies(119).await;
    let worker = world.replica().await;
    world.settled().await;
    assert_eq!(world.addon.broken(), Vec::<String>::new());
    let sizes: Vec<usize> = requests(&world.addon).iter().map(Vec::len).collect();
    assert_eq!(*sizes.iter().max().unwrap(), 50, "{sizes:?}");
    world.assert_told_in_order(&references).await;
    worker.stop().await;
}

#[tokio::test]
async fn a_batch_is_applied_in_part_and_only_the_rest_is_sent_again() {
    let world = World::with(Role::Serve, 100).await;
    let references = backlog(&world, 6).await;
    world.addon.reject("S2", "the period is locked");
    world.addon.put_off("S4", 2);
    let worker = world.replica().await;
    world
        .until("the others are told and one is rejected twice", async || {
            let messages = world.messages("S2").await;
            messages[0].1 > 1
                && world
                    .messages("S5")
                    .await
                    .iter()
                    .all(|message| message.0 == "sent")
        })
        .await;
    assert_eq!(requests(&world.addon)[0].len(), 6);
    world.addon.reject_none();
    world.settled().await;
    world.assert_told_in_order(&references).await;
    for message in world.addon.applied() {
        let id = message["id"].as_str().unwrap();
        let told = world.addon.told(id);
        let again = told
            .iter()
            .filter(|word| matches!(word.as_str(), "applied" | "duplicate"));
        assert_eq!(again.count(), 1, "{id}: {told:?}");
    }
    worker.stop().await;
}

#[tokio::test]
async fn a_lost_answer_of_a_batch_doubles_nothing() {
    let world = World::with(Role::Serve, 100).await;
    let references = backlog(&world, 8).await;
    world.addon.faults().times(2, Matcher::any(), Fault::ResetAfter);
    let worker = world.replica().await;
    world.settled().await;
    world.assert_told_in_order(&references).await;
    let ids: Vec<String> = world
        .addon
        .applied()
        .iter()
        .map(|message| message["id"].to_string())
        .collect();
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
    assert_eq!(world.test.count("outbox_message where attempts > 0").await, 0);
    worker.stop().await;
}

#[tokio::test]
async fn a_batch_that_is_turned_away_whole_goes_in_halves_until_only_what_is_wrong_is_left() {
    let world = World::with(Role::Serve, 100).await;
    backlog(&world, 4).await;
    world.addon.reply(Some(Reply::status(413)));
    let worker = world.replica().await;
    world
        .until("each went alone", async || {
            let alone: BTreeSet<String> = requests(&world.addon)
                .into_iter()
                .filter(|ids| ids.len() == 1)
                .flatten()
                .collect();
            alone.len() == 4
        })
        .await;
    let sizes: Vec<usize> = requests(&world.addon).iter().map(Vec::len).collect();
    assert_eq!(sizes[..2], [4, 2]);
    world
        .until("a person is told of each", async || {
            world
                .test
                .count("exception where kind = 'message_rejected' and closed_at is null")
                .await
                == 4
        })
        .await;
    world.addon.reply(None);
    world.settled().await;
    worker.stop().await;
}

#[tokio::test]
async fn order_per_payment_is_kept_under_concurrent_workers() {
    let world = World::with(Role::Serve, 100).await;
    world.addon.set_work(Duration::from_millis(15));
    let references = backlog(&world, 20).await;
    let replicas = [
        world.replica().await,
        world.replica().await,
        world.replica().await,
    ];
    for reference in &references[..5] {
        world.addon.put_off(reference, 1);
    }
    for reference in ["T0", "T1", "T2"] {
        world.pay(reference).await;
    }
    world.settled().await;
    world.assert_told_in_order(&references).await;
    assert_eq!(world.addon.broken(), Vec::<String>::new());
    for replica in replicas {
        replica.stop().await;
    }
}

#[tokio::test]
async fn what_is_rejected_opens_one_exception_at_once_and_ends_it_when_it_is_taken() {
    let world = World::new().await;
    world.addon.reject("S1", "the period is locked until 2026-10-31");
    world.pay("S1").await;
    world
        .until("it is rejected several times", async || {
            world.messages("S1").await[0].1 > 2
        })
        .await;
    let exceptions: Vec<(String, String, bool)> =
        sqlx::query_as("select kind, detail, closed_at is null from exception where kind like 'message_%'")
            .fetch_all(&world.test.db)
            .await
            .unwrap();
    let [(kind, detail, is_open)] = exceptions.as_slice() else {
        panic!("{exceptions:?}");
    };
    assert_eq!((kind.as_str(), is_open), ("message_rejected", &true));
    assert!(
        detail.contains("the period is locked until 2026-10-31"),
        "{detail}"
    );
    world.addon.reject_none();
    world.settled().await;
    let open = "exception where kind like 'message_%' and closed_at is null";
    assert_eq!(world.test.count(open).await, 0);
    assert_eq!(
        world
            .test
            .count("exception where kind = 'message_rejected'")
            .await,
        1
    );
}

#[tokio::test]
async fn what_is_rejected_for_ever_is_dead_under_the_one_exception_of_that() {
    let world = World::with(Role::Both, 1_000_000).await;
    world.addon.reject("S1", "no such transaction");
    world.pay("S1").await;
    world
        .until("it is dead", async || world.messages("S1").await[0].0 == "dead")
        .await;
    let open: Vec<String> =
        sqlx::query_scalar("select kind from exception where kind like 'message_%' and closed_at is null")
            .fetch_all(&world.test.db)
            .await
            .unwrap();
    assert_eq!(open, ["message_dead"]);
}

#[tokio::test]
async fn what_is_put_off_spends_no_attempt_and_is_no_exception_however_often() {
    let world = World::with(Role::Both, 10_000).await;
    world.addon.put_off("S1", 40);
    world.pay("S1").await;
    world.pay("S2").await;
    world.settled().await;
    let first = world.addon.payment("S1").unwrap();
    let applied = world.addon.applied();
    let id = applied
        .iter()
        .find(|message| message["payment"]["id"] == first["id"])
        .unwrap();
    let told = world.addon.told(id["id"].as_str().unwrap());
    assert_eq!(told.len(), 41, "{told:?}");
    assert_eq!(world.test.count("outbox_message where attempts > 0").await, 0);
    assert_eq!(world.test.count("exception").await, 0);
    assert_eq!(world.failures().await, 0);
}

#[tokio::test]
async fn a_403_rests_the_instance_and_spends_no_attempt() {
    let world = World::new().await;
    world.addon.reply(Some(Reply::status(403)));
    world.pay("S1").await;
    world.until("it rests", async || world.failures().await > 1).await;
    let why = world.messages("S1").await[0].2.clone().unwrap();
    assert!(why.contains("another database"), "{why}");
    world.addon.reply(None);
    world.settled().await;
    assert_eq!(world.test.count("outbox_message where attempts > 0").await, 0);
}

#[tokio::test]
async fn an_instance_of_another_merchant_is_never_in_a_batch() {
    let world = World::with(Role::Serve, 100).await;
    let app = world.test.application().app();
    let other = PretendAddon::start().await.unwrap();
    let merchant = setup::add_merchant(app, "Other").await.unwrap();
    let url = other.url().parse().unwrap();
    let (instance, secret) = setup::add_addon_instance(app, merchant, url).await.unwrap();
    other.set_secret(secret.text().expose_secret());
    backlog(&world, 5).await;
    // The same messages, of the other merchant's payments.
    for sql in [
        "insert into provider_account (merchant_id, id, provider, live, api_base, secret_key_sealed, created_at)
         select $1, id, provider, live, api_base, secret_key_sealed, created_at from provider_account where $2::uuid is not null",
        "insert into payment (merchant_id, id, provider_account_id, odoo_instance_id, reference, amount_minor, currency, capture_method,
             state, created_at, updated_at)
         select $1, id, provider_account_id, $2, reference, amount_minor, currency, capture_method, state, created_at, updated_at
         from payment",
        "insert into outbox_message (merchant_id, id, odoo_instance_id, payment_id, sequence, posting_key, posting, due_at, created_at)
         select $1, id, $2, payment_id, sequence, posting_key, jsonb_set(posting, '{payment,reference}', '\"OTHER\"'), due_at, created_at
         from outbox_message",
    ] {
        sqlx::query(sql)
            .bind(merchant.uuid())
            .bind(instance.uuid())
            .execute(&world.test.db)
            .await
            .unwrap();
    }
    let worker = world.replica().await;
    world.settled().await;
    let references = |addon: &PretendAddon| -> BTreeSet<String> {
        let applied = addon.applied();
        applied
            .iter()
            .map(|message| message["payment"]["reference"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(references(&other), BTreeSet::from(["OTHER".to_owned()]));
    assert!(!references(&world.addon).contains("OTHER"));
    assert_eq!(other.applied().len(), world.addon.applied().len());
    worker.stop().await;
}

#[tokio::test]
async fn a_batch_says_whom_it_is_for_and_bodies_and_ids_stay_as_they_were() {
    let world = World::with(Role::Serve, 100).await;
    sqlx::query("update odoo_instance set database = '5d0a', company = '7', company_name = 'Seven'")
        .execute(&world.test.db)
        .await
        .unwrap();
    let wish = json!({ "payment_method": "pm_card_visa" });
    for reference in ["S1", "S2"] {
        world
            .test
            .create(reference, wish.clone())
            .await
            .expect(StatusCode::CREATED);
    }
    world.addon.faults().next(Matcher::any(), Fault::ErrorAfter);
    let worker = world.replica().await;
    world.settled().await;
    let requests = world.addon.requests();
    let first: Value = serde_json::from_str(&requests[0].body).unwrap();
    assert_eq!(
        (&first["type"], &first["database"], &first["company"]),
        (&json!("batch"), &json!("5d0a"), &json!("7"))
    );
    assert!(requests[0].headers["webhook-id"].starts_with("batch_"));
    worker.stop().await;
}
