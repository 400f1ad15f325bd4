//! Messages for Odoo in a person's hands.

use quittance_sandbox::odoo::PretendOdoo;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use time::macros::date;

use super::{Operator, as_key, each, impatient, key};
use crate::support::{Reply, TestApp, Wishes, eventually};

fn odoo(test: &TestApp) -> &PretendOdoo {
    test.odoo.as_ref().unwrap()
}

async fn spawn() -> TestApp {
    TestApp::spawn_with(Wishes {
        odoo: true,
        webhooks: true,
        ..impatient()
    })
    .await
}

/// A payment of a new invoice, charged at once.
async fn paid(test: &TestApp, reference: &str) -> Value {
    let invoice = odoo(test)
        .add_invoice("Azure Interior", 12_100, "EUR", date!(2026 - 11 - 01))
        .unwrap();
    let settles = json!([{ "model": "account.move", "id": invoice, "amount_minor": 12_100 }]);
    let wish = json!({ "payment_method": "pm_card_visa", "settles": settles });
    test.create(reference, wish).await.expect(StatusCode::CREATED)
}

/// The messages of a payment, once they stand like this.
async fn until(test: &TestApp, payment: &Value, states: &[&str]) -> Value {
    let path = format!("/v1/outbox?payment={}", payment["id"].as_str().unwrap());
    eventually(async || {
        let list = test.get(&path).await.expect(StatusCode::OK);
        if each(&list, "state") == states {
            Ok(list)
        } else {
            Err(format!("{list:#}"))
        }
    })
    .await
}

async fn exceptions(test: &TestApp, payment: &Value) -> Value {
    test.payment(payment["id"].as_str().unwrap()).await["exceptions"].clone()
}

fn path(message: &Value, what: &str) -> String {
    format!("/v1/outbox/{}/{what}", message["id"].as_str().unwrap())
}

#[tokio::test]
async fn a_dead_message_parks_the_later_ones_and_a_replay_sends_them_in_order() {
    let test = spawn().await;
    let operator = Operator::of(&test).await;
    odoo(&test).refuse(Some("The period is closed."));
    let payment = paid(&test, "S1").await;
    let parked = until(&test, &payment, &["dead", "pending"]).await;
    assert_eq!(each(&parked, "kind"), ["customer_payment", "booking"]);
    assert_eq!(parked["data"][0]["attempts"], 22);
    assert_eq!(exceptions(&test, &payment).await.as_array().unwrap().len(), 1);

    operator
        .post(&path(&parked["data"][0], "replay"), &json!({}))
        .await
        .expect(StatusCode::OK);
    let again = until(&test, &payment, &["dead", "pending"]).await;
    assert_eq!(again["data"][1]["attempts"], 0, "nothing passes it");
    eventually(
        async || match exceptions(&test, &payment).await.as_array().unwrap().len() {
            1 => Ok(()),
            open => Err(format!("{open} are open")),
        },
    )
    .await;
    let closed = "exception_change where to_state = 'resolved' and reason = 'replayed'";
    assert_eq!(test.count(closed).await, 1);
    assert_eq!(
        test.count("exception where kind = 'message_dead'").await,
        1,
        "it came back"
    );

    odoo(&test).refuse(None);
    let other = paid(&test, "S2").await;
    until(&test, &other, &["sent", "sent"]).await;
    until(&test, &payment, &["dead", "pending"]).await;
    let replayed = operator
        .post(&path(&parked["data"][0], "replay"), &json!({}))
        .await
        .expect(StatusCode::OK);
    assert_eq!(
        (&replayed["state"], &replayed["attempts"]),
        (&json!("pending"), &json!(0))
    );
    assert_eq!(exceptions(&test, &payment).await, json!([]));
    let sent = until(&test, &payment, &["sent", "sent"]).await;
    let times = each(&sent, "sent_at");
    assert!(times[0] < times[1], "{times:?}");
    assert!(
        sent["data"][0]["records"][0]
            .as_str()
            .unwrap()
            .starts_with("account.payment,")
    );
    assert_eq!(odoo(&test).payments().len(), 2);
    let done = operator
        .post(&path(&parked["data"][0], "replay"), &json!({}))
        .await;
    assert_eq!(done.expect(StatusCode::CONFLICT)["code"], "message_not_dead");
}

#[tokio::test]
async fn a_skip_needs_a_reason_and_lets_the_later_ones_go() {
    let test = spawn().await;
    let operator = Operator::of(&test).await;
    odoo(&test).refuse(Some("The period is closed."));
    let payment = paid(&test, "S1").await;
    let parked = until(&test, &payment, &["dead", "pending"]).await;
    let skip = path(&parked["data"][0], "skip");
    let long = "x".repeat(501);
    for (body, code) in [
        (json!({}), "missing_field"),
        (json!({ "reason": "" }), "invalid_reason"),
        (json!({ "reason": " \n" }), "invalid_reason"),
        (json!({ "reason": "a\u{0}b" }), "invalid_reason"),
        (json!({ "reason": "card 4242 4242 4242 4242" }), "invalid_reason"),
        (json!({ "reason": long }), "invalid_reason"),
        (json!({ "reason": "x", "by": "me" }), "unknown_field"),
    ] {
        let refused = operator.post(&skip, &body).await;
        assert_eq!(
            refused.expect(StatusCode::UNPROCESSABLE_ENTITY)["code"],
            code,
            "{body}"
        );
    }
    let waiting = operator
        .post(
            &path(&parked["data"][1], "skip"),
            &json!({ "reason": "too early" }),
        )
        .await;
    assert_eq!(waiting.expect(StatusCode::CONFLICT)["code"], "message_not_dead");

    let skipped = operator
        .post(&skip, &json!({ "reason": " booked by hand " }))
        .await
        .expect(StatusCode::OK);
    assert_eq!(skipped["state"], "skipped");
    assert_eq!(skipped["skip_reason"], "booked by hand");
    assert!(skipped["skipped_by"].as_str().unwrap().starts_with("key_"));
    assert!(skipped["skipped_at"].is_string());
    let closed = "exception where closed_reason = 'skipped: booked by hand' and closed_by like 'key_%'";
    assert_eq!(test.count(closed).await, 1);
    let moved = until(&test, &payment, &["skipped", "dead"]).await;
    assert_eq!(moved["data"][1]["attempts"], 22, "the later one was tried");
    let open = exceptions(&test, &payment).await;
    assert_eq!(open.as_array().unwrap().len(), 1, "{open}");
    assert!(
        open[0]["detail"].as_str().unwrap().starts_with("booking"),
        "{open}"
    );

    let again = operator.post(&skip, &json!({ "reason": "another" })).await;
    assert_eq!(
        again.expect(StatusCode::OK),
        skipped,
        "it stays as it was skipped first"
    );
    let replay = operator.post(&path(&skipped, "replay"), &json!({})).await;
    assert_eq!(replay.expect(StatusCode::CONFLICT)["code"], "message_not_dead");
}

#[tokio::test]
async fn all_that_is_dead_of_an_instance_is_replayed_in_bounded_steps() {
    let test = spawn().await;
    let operator = Operator::of(&test).await;
    odoo(&test).refuse(Some("The period is closed."));
    let mut payments = Vec::new();
    for number in 0..3 {
        payments.push(paid(&test, &format!("S{number}")).await);
    }
    for payment in &payments {
        until(&test, payment, &["dead", "pending"]).await;
    }
    odoo(&test).refuse(None);
    let dead = operator.get("/v1/outbox?state=dead").await.expect(StatusCode::OK);
    let instance = &dead["data"][0]["odoo_instance"];
    let elsewhere = json!({ "state": "dead", "odoo_instance": "odo_01h455vb4pex5vsknk084sn02q" });
    let none = operator.post("/v1/outbox/replay", &elsewhere).await;
    assert_eq!(none.expect(StatusCode::OK)["replayed"], 0);
    let mut body = json!({ "state": "dead", "odoo_instance": instance, "limit": 2 });
    let first = operator
        .post("/v1/outbox/replay", &body)
        .await
        .expect(StatusCode::OK);
    assert_eq!(first["replayed"], 2);
    body["cursor"] = first["next_cursor"].clone();
    let second = operator.post("/v1/outbox/replay", &body).await;
    assert_eq!(
        second.expect(StatusCode::OK),
        json!({ "replayed": 1, "next_cursor": null })
    );
    for payment in &payments {
        until(&test, payment, &["sent", "sent"]).await;
        assert_eq!(exceptions(&test, payment).await, json!([]));
    }
}

#[tokio::test]
async fn a_message_that_waits_long_is_sent_sooner_and_one_that_is_on_its_way_is_left() {
    let test = TestApp::spawn_with(Wishes {
        odoo: true,
        role: quittance::startup::Role::Serve,
        ..impatient()
    })
    .await;
    let operator = Operator::of(&test).await;
    let payment = paid(&test, "S1").await;
    let list = until(&test, &payment, &["pending"]).await;
    let replay = path(&list["data"][0], "replay");
    for (wait_s, sooner) in [(28_800, true), (60, false)] {
        sqlx::query("update outbox_message set attempts = 3, due_at = now() + make_interval(secs => $1) where sequence = 1")
            .bind(wait_s)
            .execute(&test.db)
            .await
            .unwrap();
        let shown = operator.post(&replay, &json!({})).await.expect(StatusCode::OK);
        assert_eq!(shown["attempts"], if sooner { 0 } else { 3 }, "{wait_s}");
    }
}

#[tokio::test]
async fn messages_are_listed_oldest_first_and_nobody_sees_anothers() {
    let test = TestApp::spawn_with_odoo().await;
    let (first, second) = (paid(&test, "S1").await, paid(&test, "S2").await);
    for payment in [&first, &second] {
        until(&test, payment, &["sent", "sent"]).await;
    }
    let whole = test.get("/v1/outbox").await.expect(StatusCode::OK);
    let ids = each(&whole, "id");
    assert_eq!(ids.len(), 4);
    assert!(ids.is_sorted(), "{ids:?}");
    let (mut seen, mut query) = (Vec::new(), "?limit=3".to_owned());
    loop {
        let page = test
            .get(&format!("/v1/outbox{query}"))
            .await
            .expect(StatusCode::OK);
        seen.extend(each(&page, "id").into_iter().map(str::to_owned));
        let Some(cursor) = page["next_cursor"].as_str() else {
            break;
        };
        query = format!("?limit=3&cursor={cursor}");
    }
    assert_eq!(seen, ids);
    let instance = whole["data"][0]["odoo_instance"].as_str().unwrap();
    for (query, count) in [
        ("?state=sent".to_owned(), 4),
        ("?state=dead".to_owned(), 0),
        (format!("?payment={}", first["id"].as_str().unwrap()), 2),
        (format!("?odoo_instance={instance}"), 4),
        ("?odoo_instance=odo_01h455vb4pex5vsknk084sn02q".to_owned(), 0),
    ] {
        let list = test
            .get(&format!("/v1/outbox{query}"))
            .await
            .expect(StatusCode::OK);
        assert_eq!(list["data"].as_array().unwrap().len(), count, "{query}");
    }
    let one = format!("/v1/outbox/{}", ids[0]);
    assert_eq!(test.get(&one).await.expect(StatusCode::OK), whole["data"][0]);

    let app = test.application().app();
    let stranger = quittance::app::setup::add_merchant(app, "Stranger")
        .await
        .unwrap();
    for (merchant, live) in [(stranger, false), (test.merchant, true)] {
        let key = key(&test, merchant, live).await;
        let ask = async |request| Reply::of(as_key(request, &key)).await;
        let list = ask(test.request(Method::GET, "/v1/outbox")).await;
        assert_eq!(list.expect(StatusCode::OK)["data"], json!([]));
        ask(test.request(Method::GET, &one))
            .await
            .expect(StatusCode::NOT_FOUND);
        for (what, body) in [("replay", json!({})), ("skip", json!({ "reason": "x" }))] {
            let post = test.request(Method::POST, &format!("{one}/{what}")).json(&body);
            ask(post).await.expect(StatusCode::NOT_FOUND);
        }
    }
}
