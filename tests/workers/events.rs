//! How kept events come to be applied.

use std::time::Duration;

use quittance::app::{queue, sweep};
use quittance::startup::Role;
use quittance::store;
use quittance_sandbox::faults::{Fault, Matcher};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::{Reply, TestApp, Wishes, eventually, now, signed};

/// A service whose work is done by the test, and whom nobody tells anything.
async fn by_hand() -> TestApp {
    TestApp::spawn_with(Wishes {
        role: Role::Serve,
        webhooks: false,
        ..Wishes::default()
    })
    .await
}

/// An event that tells all: a payment has succeeded.
fn succeeded(event: &str, payment: &Value) -> Value {
    let intent = json!({
        "id": payment["provider_reference"], "object": "payment_intent", "amount": 12_100, "amount_capturable": 0,
        "amount_received": 12_100, "currency": "eur", "status": "succeeded",
    });
    about(event, "payment_intent.succeeded", &intent)
}

/// An event that tells too little: a payment's charge changed.
fn charge_updated(event: &str, payment: &Value) -> Value {
    let charge = json!({ "id": format!("ch_of_{event}"), "payment_intent": payment["provider_reference"] });
    about(event, "charge.updated", &charge)
}

fn about(event: &str, kind: &str, object: &Value) -> Value {
    json!({
        "id": event, "object": "event", "type": kind, "created": now().unix_timestamp(), "livemode": false,
        "data": { "object": object },
    })
}

async fn deliver(test: &TestApp, event: &Value) {
    let (signature, body) = signed(event);
    let path = format!("/webhooks/stripe/{}", test.account);
    let request = test.request(reqwest::Method::POST, &path);
    let reply = Reply::of(request.header("Stripe-Signature", signature).body(body)).await;
    assert_eq!(reply.status, StatusCode::OK);
}

async fn state_of(test: &TestApp, event: &str) -> String {
    sqlx::query_scalar("select state from webhook_event where event_id = $1")
        .bind(event)
        .fetch_one(&test.db)
        .await
        .unwrap()
}

async fn until_state(test: &TestApp, event: &str, state: &str) {
    eventually(async || {
        let held = state_of(test, event).await;
        if held == state { Ok(()) } else { Err(held) }
    })
    .await;
}

async fn payment(test: &TestApp, reference: &str) -> Value {
    test.create(reference, json!({}))
        .await
        .expect(StatusCode::CREATED)
}

#[tokio::test]
async fn while_somebody_works_on_an_object_nobody_else_takes_up_its_events() {
    let test = by_hand().await;
    let one = payment(&test, "S1").await;
    let other = payment(&test, "S2").await;
    let lease = async |seconds| {
        let mut conn = test.db.acquire().await.unwrap();
        let leased = store::webhook_events::lease(&mut conn, Duration::from_secs(seconds), 64).await;
        let ids = leased.unwrap().into_iter().map(|event| event.event_id);
        ids.collect::<Vec<_>>()
    };
    deliver(&test, &succeeded("evt_1", &one)).await;
    assert_eq!(lease(60).await, ["evt_1"]);
    assert_eq!(state_of(&test, "evt_1").await, "leased");

    deliver(&test, &succeeded("evt_2", &one)).await;
    deliver(&test, &succeeded("evt_3", &other)).await;
    assert_eq!(lease(0).await, ["evt_3"], "evt_2 is about the object of evt_1");

    // Whoever had evt_1 is gone.
    sqlx::query("update webhook_event set due_at = now() where event_id = 'evt_1'")
        .execute(&test.db)
        .await
        .unwrap();
    let mut ids = lease(60).await;
    ids.sort_unstable();
    assert_eq!(ids, ["evt_1", "evt_2", "evt_3"]);
}

#[tokio::test]
async fn a_provider_that_hangs_holds_back_only_what_it_is_asked_about() {
    let test = TestApp::spawn_with(Wishes {
        webhooks: false,
        ..Wishes::default()
    })
    .await;
    let hangs = payment(&test, "S1").await;
    let tells = payment(&test, "S2").await;
    test.stripe
        .faults()
        .always(Matcher::path("/v1/payment_intents/*"), Fault::TimeoutBefore);
    deliver(&test, &charge_updated("evt_hangs", &hangs)).await;
    until_state(&test, "evt_hangs", "leased").await;
    deliver(&test, &succeeded("evt_tells", &tells)).await;
    test.until(tells["id"].as_str().unwrap(), "captured").await;
    assert_eq!(state_of(&test, "evt_hangs").await, "leased");
}

#[tokio::test]
async fn an_event_that_cannot_be_applied_lets_its_neighbours_be_applied_and_is_dead_after_its_last_attempt() {
    let test = by_hand().await;
    let poisoned = payment(&test, "S1").await;
    let sound = payment(&test, "S2").await;
    // Whatever is written of that payment fails.
    sqlx::raw_sql(
        "create function poison() returns trigger language plpgsql as $$ begin raise exception 'poison'; end $$;
         create trigger poison before update on payment for each row when (old.reference = 'S1')
             execute function poison();",
    )
    .execute(&test.db)
    .await
    .unwrap();
    deliver(&test, &succeeded("evt_poisoned", &poisoned)).await;
    deliver(&test, &succeeded("evt_sound", &sound)).await;
    let app = test.application().app();
    assert_eq!(queue::work(app).await.unwrap(), 2);
    until_state(&test, "evt_sound", "applied").await;
    until_state(&test, "evt_poisoned", "received").await;
    assert_eq!(
        test.payment(sound["id"].as_str().unwrap()).await["state"],
        "captured"
    );

    sqlx::query("update webhook_event set attempts = 21, due_at = now() where event_id = 'evt_poisoned'")
        .execute(&test.db)
        .await
        .unwrap();
    assert_eq!(queue::work(app).await.unwrap(), 1);
    until_state(&test, "evt_poisoned", "dead").await;
    let why: String =
        sqlx::query_scalar("select last_error from webhook_event where event_id = 'evt_poisoned'")
            .fetch_one(&test.db)
            .await
            .unwrap();
    assert!(!why.is_empty());
    assert_eq!(queue::work(app).await.unwrap(), 0, "it is a person's now");
}

#[tokio::test]
async fn what_the_providers_rate_limit_keeps_out_waits_and_spends_no_attempt() {
    let test = by_hand().await;
    let held = payment(&test, "S1").await;
    let limited = Fault::TooManyRequests {
        retry_after_secs: Some(60),
    };
    test.stripe
        .faults()
        .always(Matcher::path("/v1/payment_intents/*"), limited);
    deliver(&test, &charge_updated("evt_1", &held)).await;
    queue::work(test.application().app()).await.unwrap();
    eventually(async || {
        let waits = test.count("webhook_event where state = 'received' and attempts = 0 and fence = 1");
        if waits.await == 1 {
            Ok(())
        } else {
            Err("it does not wait".to_owned())
        }
    })
    .await;
}

#[tokio::test]
async fn where_one_lease_was_lost_nothing_of_what_was_applied_together_counts_and_nothing_is_lost() {
    let test = by_hand().await;
    let payments = [payment(&test, "S1").await, payment(&test, "S2").await];
    deliver(&test, &succeeded("evt_1", &payments[0])).await;
    deliver(&test, &succeeded("evt_2", &payments[1])).await;
    // The worker stands still at the payment until somebody else has taken up one of its events.
    let mut stands = test.db.begin().await.unwrap();
    sqlx::query("select 1 from payment for update")
        .execute(&mut *stands)
        .await
        .unwrap();
    let steal = async {
        until_state(&test, "evt_1", "leased").await;
        sqlx::query("update webhook_event set fence = fence + 1 where event_id = 'evt_1'")
            .execute(&test.db)
            .await
            .unwrap();
        stands.rollback().await.unwrap();
    };
    let (worked, ()) = tokio::join!(queue::work(test.application().app()), steal);
    assert_eq!(worked.unwrap(), 2);

    until_state(&test, "evt_2", "applied").await;
    let states =
        async |place: usize| test.payment(payments[place]["id"].as_str().unwrap()).await["state"].clone();
    assert_eq!(states(1).await, "captured");
    assert_eq!(states(0).await, "created", "whoever holds evt_1 now applies it");
    sqlx::query("update webhook_event set due_at = now() where event_id = 'evt_1'")
        .execute(&test.db)
        .await
        .unwrap();
    queue::work(test.application().app()).await.unwrap();
    until_state(&test, "evt_1", "applied").await;
    assert_eq!(states(0).await, "captured");
}

#[tokio::test]
async fn events_are_kept_for_ninety_days_and_then_forgotten_unless_they_are_not_ended() {
    let test = by_hand().await;
    for (event, days, state) in [
        ("evt_old", 91, "applied"),
        ("evt_ignored", 91, "ignored"),
        ("evt_dead", 91, "dead"),
        ("evt_due", 91, "received"),
        ("evt_young", 89, "applied"),
        ("evt_late", 91, "applied"),
    ] {
        let mut told = about(event, "some.kind", &json!({ "id": "obj_1" }));
        told["created"] = (now() - time::Duration::days(days)).unix_timestamp().into();
        deliver(&test, &told).await;
        sqlx::query(
            "update webhook_event set state = $2, due_at = case when $2 = 'received' then now() end,
                 ended_at = created where event_id = $1",
        )
        .bind(event)
        .bind(state)
        .execute(&test.db)
        .await
        .unwrap();
    }
    // It happened long ago, but came only now.
    sqlx::query("update webhook_event set ended_at = now() where event_id = 'evt_late'")
        .execute(&test.db)
        .await
        .unwrap();
    let forgotten = sweep::forget_old_events(test.application().app()).await.unwrap();
    assert_eq!(forgotten, 2);
    let kept: Vec<String> = sqlx::query_scalar("select event_id from webhook_event order by event_id")
        .fetch_all(&test.db)
        .await
        .unwrap();
    assert_eq!(kept, ["evt_dead", "evt_due", "evt_late", "evt_young"]);
}

#[tokio::test]
async fn no_event_is_ended_whose_effects_are_not_kept_with_it() {
    let test = by_hand().await;
    let (telling, asked) = (payment(&test, "S1").await, payment(&test, "S2").await);
    test.pay(&asked, "pm_card_visa").await;
    let run = async |sql: &'static str| sqlx::raw_sql(sql).execute(&test.db).await.unwrap();
    run(
        "create function refuse() returns trigger language plpgsql as $$ begin raise 'not now'; end $$;
         create trigger refuse before update on payment for each row execute function refuse()",
    )
    .await;
    // One is applied together with others of its account, one by itself after a read.
    deliver(&test, &succeeded("evt_1", &telling)).await;
    deliver(&test, &charge_updated("evt_2", &asked)).await;
    let app = test.application().app();
    let work_until = async |condition: &str| {
        eventually(async || {
            queue::work(app).await.unwrap();
            match test.count(condition).await {
                2 => Ok(()),
                other => Err(format!("{other} of 2: {condition}")),
            }
        })
        .await;
    };
    work_until("webhook_event where attempts > 0 and ended_at is null").await;
    assert_eq!(test.count("payment where state <> 'created'").await, 0);

    run("drop function refuse cascade; update webhook_event set due_at = now() where state = 'received'")
        .await;
    work_until("webhook_event where state = 'applied'").await;
    assert_eq!(test.count("payment where state = 'captured'").await, 2);
}
