//! Events that are applied again.

use quittance_sandbox::faults::{Fault, Matcher};
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{Operator, deliver, each, event, ignored, impatient, settled};
use crate::support::{TestApp, eventually};

/// Reads of payments at the provider.
fn reads() -> Matcher {
    Matcher::method_path("GET", "/v1/payment_intents/*")
}

/// A payment that was paid without our hearing of it, and an event of its charge that is dead because it cannot be read.
async fn dead(test: &TestApp, reference: &str) -> (Value, Value) {
    let payment = test
        .create(reference, json!({}))
        .await
        .expect(StatusCode::CREATED);
    test.pay(&payment, "pm_card_visa").await;
    test.stripe.faults().always(reads(), Fault::ErrorBefore);
    let charge = json!({ "id": format!("ch_{reference}"), "payment_intent": payment["provider_reference"] });
    deliver(
        test,
        &event(&format!("evt_{reference}"), "charge.updated", &charge),
    )
    .await;
    let list = eventually(async || {
        let path = format!("/v1/events?state=dead&object=ch_{reference}");
        let list = test.get(&path).await.expect(StatusCode::OK);
        if list["data"][0].is_object() {
            Ok(list)
        } else {
            Err(test.get("/v1/events").await.json().to_string())
        }
    })
    .await;
    (payment, list["data"][0].clone())
}

async fn state(test: &TestApp, event: &Value) -> Value {
    let path = format!("/v1/events/{}", event["id"].as_str().unwrap());
    test.get(&path).await.expect(StatusCode::OK)["state"].clone()
}

#[tokio::test]
async fn a_dead_event_is_one_exception_of_its_payment_until_a_replay_applies_it() {
    let test = TestApp::spawn_with(impatient()).await;
    let operator = Operator::of(&test).await;
    let (payment, event) = dead(&test, "S1").await;
    assert_eq!(event["attempts"], 22);
    assert!(
        event["last_error"].is_string() && event["due_at"].is_null(),
        "{event}"
    );
    let shown = test.payment(payment["id"].as_str().unwrap()).await;
    let exceptions = shown["exceptions"].as_array().unwrap();
    assert_eq!(exceptions.len(), 1, "{shown:#}");
    assert_eq!(exceptions[0]["kind"], "event_dead");
    let detail = exceptions[0]["detail"].as_str().unwrap();
    assert!(detail.contains("charge.updated evt_S1"), "{detail}");

    let replay = format!("/v1/events/{}/replay", event["id"].as_str().unwrap());
    operator.post(&replay, &json!({})).await.expect(StatusCode::OK);
    eventually(async || match state(&test, &event).await {
        dead if dead == "dead" => Ok(()),
        other => Err(other.to_string()),
    })
    .await;
    let still = test.payment(payment["id"].as_str().unwrap()).await;
    assert_eq!(still["exceptions"], shown["exceptions"], "its cause is not gone");

    test.stripe.faults().clear();
    let replayed = operator.post(&replay, &json!({})).await.expect(StatusCode::OK);
    assert_eq!(
        (&replayed["state"], &replayed["attempts"]),
        (&json!("received"), &json!(0))
    );
    assert_eq!(
        replayed["last_error"], event["last_error"],
        "it stays until it is ended"
    );
    assert!(replayed["replayed_by"].as_str().unwrap().starts_with("key_"));
    let paid = test.until(payment["id"].as_str().unwrap(), "captured").await;
    assert_eq!(
        paid["exceptions"],
        json!([]),
        "what it changed, it changed at once"
    );
    assert_eq!(state(&test, &event).await, "applied");
    let closed = "exception where kind = 'event_dead' and closed_reason = 'replayed: applied' and closed_by like 'key_%'";
    assert_eq!(test.count(closed).await, 1);

    operator.post(&replay, &json!({})).await.expect(StatusCode::OK);
    settled(&test).await;
    assert_eq!(state(&test, &event).await, "applied");
    let after = test.payment(payment["id"].as_str().unwrap()).await;
    assert_eq!(
        after["version"], paid["version"],
        "applied twice, it changed once"
    );
    assert_eq!(test.count("exception").await, 1);
}

#[tokio::test]
async fn an_event_about_a_payment_that_the_provider_does_not_have_is_dead_at_once_as_one_exception_of_it() {
    let test = TestApp::spawn_with(impatient()).await;
    let payment = test.create("S1", json!({})).await.expect(StatusCode::CREATED);
    sqlx::query("update payment set provider_reference = 'pi_gone'")
        .execute(&test.db)
        .await
        .unwrap();
    let charge = json!({ "id": "ch_gone", "payment_intent": "pi_gone" });
    deliver(&test, &event("evt_1", "charge.updated", &charge)).await;
    settled(&test).await;
    let list = test.get("/v1/events?state=dead").await.expect(StatusCode::OK);
    assert_eq!(each(&list, "provider_reference"), ["evt_1"]);
    assert_eq!(list["data"][0]["attempts"], 1, "it can never be read");
    let shown = test.payment(payment["id"].as_str().unwrap()).await;
    let exceptions = shown["exceptions"].as_array().unwrap();
    let [exception] = &exceptions[..] else {
        panic!("{shown:#}")
    };
    assert_eq!(exception["kind"], "event_dead");
    assert_eq!(test.count("exception").await, 1);
}

#[tokio::test]
async fn an_event_about_what_neither_the_provider_nor_we_have_is_ignored() {
    let test = TestApp::spawn_with(impatient()).await;
    test.create("S1", json!({})).await.expect(StatusCode::CREATED);
    let charge = json!({ "id": "ch_gone", "payment_intent": "pi_gone" });
    deliver(&test, &event("evt_1", "charge.updated", &charge)).await;
    deliver(&test, &event("evt_2", "payout.paid", &json!({ "id": "po_gone" }))).await;
    for (number, of) in ["payment_intent", "charge", "refund", "payout"]
        .iter()
        .enumerate()
    {
        let thin = json!({
            "id": format!("evt_test_{number}"), "object": "v2.core.event", "type": format!("v1.{of}.updated"),
            "livemode": false, "created": "2026-09-21T14:13:19.513Z",
            "related_object": { "id": format!("{of}_gone"), "type": of, "url": format!("/v1/{of}s/{of}_gone") },
        });
        deliver(&test, &thin).await;
    }
    settled(&test).await;
    assert_eq!(
        test.count("webhook_event where state = 'ignored' and attempts = 0")
            .await,
        6
    );
    assert_eq!(test.count("exception").await, 0);
}

#[tokio::test]
async fn an_event_is_not_applied_without_its_exception_being_closed() {
    let test = TestApp::spawn_with(impatient()).await;
    let operator = Operator::of(&test).await;
    let (payment, event) = dead(&test, "S1").await;
    test.stripe.faults().clear();
    sqlx::raw_sql(
        "create function refuse() returns trigger language plpgsql as $$ begin raise 'not now'; end $$;
         create trigger refuse before update on exception for each row when (new.closed_at is not null)
             execute function refuse()",
    )
    .execute(&test.db)
    .await
    .unwrap();
    let replay = format!("/v1/events/{}/replay", event["id"].as_str().unwrap());
    operator.post(&replay, &json!({})).await.expect(StatusCode::OK);
    settled(&test).await;
    assert_eq!(state(&test, &event).await, "dead");
    let shown = test.payment(payment["id"].as_str().unwrap()).await;
    assert_eq!(shown["state"], payment["state"], "nothing of it counts");
    assert_eq!(shown["exceptions"][0]["kind"], "event_dead");

    sqlx::raw_sql("drop function refuse cascade")
        .execute(&test.db)
        .await
        .unwrap();
    operator.post(&replay, &json!({})).await.expect(StatusCode::OK);
    let paid = test.until(payment["id"].as_str().unwrap(), "captured").await;
    assert_eq!(paid["exceptions"], json!([]));
}

#[tokio::test]
async fn an_event_that_does_not_even_open_is_its_payments_exception_where_its_object_names_one() {
    let test = TestApp::spawn_with(impatient()).await;
    let payment = test.create("S1", json!({})).await.expect(StatusCode::CREATED);
    ignored(&test, 1).await;
    let intent = json!({ "id": payment["provider_reference"] });
    deliver(&test, &event("evt_1", "payment_intent.created", &intent)).await;
    settled(&test).await;
    sqlx::query("update webhook_event set payload_sealed = '\\x00', state = 'received', due_at = now()")
        .execute(&test.db)
        .await
        .unwrap();
    let list = eventually(async || {
        let list = test.get("/v1/events?state=dead").await.expect(StatusCode::OK);
        match list["data"].as_array().unwrap().len() {
            2 => Ok(list),
            _ => Err(list.to_string()),
        }
    })
    .await;
    assert_eq!(each(&list, "provider_reference"), ["evt_1", "evt_0"]);
    let shown = test.payment(payment["id"].as_str().unwrap()).await;
    assert_eq!(shown["exceptions"][0]["kind"], "event_dead");
    assert_eq!(
        test.count("exception where payment_id is null").await,
        1,
        "what names no payment that we know is an exception of its own"
    );
}

#[tokio::test]
async fn a_replay_of_all_that_fit_is_bounded_says_how_many_and_goes_on_where_it_ended() {
    let test = TestApp::spawn_with(impatient()).await;
    let operator = Operator::of(&test).await;
    let mut payments = Vec::new();
    for number in 0..5 {
        payments.push(dead(&test, &format!("S{number}")).await.0);
    }
    ignored(&test, 2).await;
    test.stripe.faults().clear();

    let (mut counts, mut cursor) = (Vec::new(), json!(null));
    loop {
        let body = json!({ "state": "dead", "type": "charge.updated", "limit": 2, "cursor": cursor });
        let replayed = operator
            .post("/v1/events/replay", &body)
            .await
            .expect(StatusCode::OK);
        counts.push(replayed["replayed"].as_u64().unwrap());
        cursor = replayed["next_cursor"].clone();
        if cursor.is_null() {
            break;
        }
    }
    assert_eq!(counts, [2, 2, 1]);
    for payment in &payments {
        test.until(payment["id"].as_str().unwrap(), "captured").await;
    }
    settled(&test).await;
    eventually(
        async || match test.count("exception where closed_at is null").await {
            0 => Ok(()),
            open => Err(format!("{open} are open")),
        },
    )
    .await;
    let again = operator
        .post("/v1/events/replay", &json!({ "state": "dead" }))
        .await;
    assert_eq!(
        again.expect(StatusCode::OK),
        json!({ "replayed": 0, "next_cursor": null }),
        "to repeat it takes up nothing twice"
    );
    assert_eq!(
        test.count("webhook_event where replayed_at is not null").await,
        5,
        "those that do not fit are left"
    );
}

#[tokio::test]
async fn an_event_that_a_worker_has_is_left_to_it() {
    let test = TestApp::spawn_with(impatient()).await;
    let operator = Operator::of(&test).await;
    ignored(&test, 2).await;
    sqlx::query("update webhook_event set state = 'leased', due_at = now() + interval '1 hour' where event_id = 'evt_0'")
        .execute(&test.db)
        .await
        .unwrap();
    let list = test.get("/v1/events?state=leased").await.expect(StatusCode::OK);
    let id = list["data"][0]["id"].as_str().unwrap();
    let refused = operator
        .post(&format!("/v1/events/{id}/replay"), &json!({}))
        .await;
    assert_eq!(refused.header("Retry-After"), Some("1"));
    assert_eq!(refused.expect(StatusCode::CONFLICT)["code"], "event_leased");
    let all = operator
        .post("/v1/events/replay", &json!({ "state": "leased" }))
        .await;
    assert_eq!(
        all.expect(StatusCode::UNPROCESSABLE_ENTITY)["code"],
        "invalid_state"
    );
    let others = operator
        .post("/v1/events/replay", &json!({ "state": "ignored" }))
        .await;
    assert_eq!(others.expect(StatusCode::OK)["replayed"], 1);
    assert_eq!(
        test.count("webhook_event where state = 'leased' and replayed_at is null and attempts = 0")
            .await,
        1
    );
}
