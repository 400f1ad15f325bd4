//! Bytes at random, through the real route: no panic, no 5xx, and what is answered with 2xx is on disk and comes to an end.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Reply, TestApp, WEBHOOK_SECRET, eventually, now, signed_at};

/// How many deliveries of each kind one run makes, the same ones every time.
const CASES: usize = 300;

/// Texts that something may stumble over.
fn text() -> impl Strategy<Value = String> {
    let odd = [
        "",
        "\\u0000",
        "\\ud800",
        "\\udc00x",
        "\\u202e",
        "\\\\u0000",
        "💶",
        "1e999",
        "pi_1",
        "null",
    ];
    prop_oneof![
        4 => prop::sample::select(odd.to_vec()).prop_map(str::to_owned),
        2 => "[a-z_]{1,12}",
        1 => ("[a-z0-9]{300}", 1..20_usize).prop_map(|(text, times)| text.repeat(times)),
    ]
}

/// JSON, or nearly, to put in the place of a value.
fn odd_value() -> impl Strategy<Value = String> {
    let fixed = [
        "null",
        "true",
        "0",
        "-1",
        "1.5",
        "1e30",
        "99999999999999999999999999",
        "-9223372036854775808",
        "[]",
        "{}",
        "[[]]",
        r#"{"id":null}"#,
        r#"{"id":""}"#,
        r#"{"id":7}"#,
        r#"{"id":"x","id":"y"}"#,
        "tru",
        "\"",
        "{",
        "",
    ];
    prop_oneof![
        4 => prop::sample::select(fixed.to_vec()).prop_map(str::to_owned),
        4 => text().prop_map(|text| format!("\"{text}\"")),
        1 => (1..400_usize).prop_map(|depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth))),
        1 => (1..400_usize).prop_map(|depth| format!("{}1{}", r#"{"id":"#.repeat(depth), "}".repeat(depth))),
    ]
}

/// Events of the types that are followed, with the fields that are read of them.
fn events(payment: &Value) -> Vec<Value> {
    let (id, intent) = (&payment["id"], &payment["provider_reference"]);
    let ours = json!({ "quittance_payment": id });
    let error = json!({ "type": "card_error", "code": "card_declined", "message": "No." });
    let object = json!({
        "id": intent, "object": "payment_intent", "amount": 12_100, "amount_capturable": 0, "amount_received": 0,
        "currency": "eur", "status": "requires_action", "client_secret": "x", "metadata": ours,
        "next_action": { "type": "redirect_to_url" }, "last_payment_error": error, "latest_charge": "ch_1",
        "payment_method": "pm_1" });
    let part = json!({ "id": "ch_1", "payment_intent": intent, "metadata": ours, "created": 1, "refunds": { "data": [] } });
    let page = json!({ "id": "cs_1", "status": "complete", "payment_intent": intent, "metadata": ours, "expires_at": 1 });
    let dispute = json!({ "id": "dp_1", "charge": "ch_1", "payment_intent": intent, "amount": 12_100, "currency": "eur",
        "status": "needs_response", "reason": "general", "created": 1, "evidence_details": { "due_by": 2 } });
    let method = json!({ "id": "pm_1", "customer": "cus_1", "type": "card", "payment_method": "pm_1" });
    let setup = json!({ "id": "seti_1", "customer": "cus_1", "status": "succeeded", "metadata": ours });
    [
        ("payment_intent.requires_action", &object),
        ("payment_intent.payment_failed", &object),
        ("charge.updated", &part),
        ("refund.updated", &part),
        ("checkout.session.completed", &page),
        ("payment_method.attached", &method),
        ("mandate.updated", &method),
        ("setup_intent.succeeded", &setup),
        ("payout.paid", &part),
        ("charge.dispute.created", &dispute),
        ("account.updated", &part),
        ("a.type.of.tomorrow", &part),
    ]
    .into_iter()
    .map(|(kind, object)| {
        json!({ "id": "evt_1", "object": "event", "type": kind, "created": 1_790_000_000, "livemode": false,
            "api_version": "2026-09-30.endive", "account": null, "data": { "object": object, "previous_attributes": {} } })
    })
    .collect()
}

/// Where values begin in a JSON text, and where they end: so roughly that what comes of it is not always JSON.
fn places(json: &str) -> Vec<(usize, usize)> {
    let after = json.match_indices(':').map(|(at, _)| at + 1);
    after
        .filter_map(|begin| {
            let length = json[begin..].find([',', '}'])?;
            Some((begin, begin + length))
        })
        .collect()
}

/// An event that differs from Stripe's in a few places, or has a field twice.
fn mutated(events: Vec<Value>) -> impl Strategy<Value = Vec<u8>> {
    let change = (
        any::<prop::sample::Index>(),
        odd_value(),
        prop::bool::weighted(0.1),
    );
    let changes = prop::collection::vec(change, 0..3);
    (prop::sample::select(events), any::<u64>(), changes).prop_map(|(mut event, number, changes)| {
        event["id"] = json!(format!("evt_{number:x}"));
        let mut json = event.to_string();
        for (place, value, twice) in changes {
            let places = places(&json);
            if places.is_empty() {
                break;
            }
            let (begin, end) = *place.get(&places);
            if twice {
                let name = json[..begin - 1].rfind(['{', ',']).unwrap_or(0);
                let again = format!("{}{value},", &json[name + 1..begin]);
                json.insert_str(name + 1, &again);
            } else {
                json.replace_range(begin..end, &value);
            }
        }
        json.into_bytes()
    })
}

fn draw<T: std::fmt::Debug>(strategy: &impl Strategy<Value = T>) -> Vec<T> {
    let mut runner = TestRunner::new_with_rng(
        Config::default(),
        TestRng::deterministic_rng(RngAlgorithm::ChaCha),
    );
    (0..CASES)
        .map(|_| strategy.new_tree(&mut runner).unwrap().current())
        .collect()
}

async fn send(test: &TestApp, header: &[u8], body: &[u8]) -> Reply {
    let request = test
        .request(Method::POST, &format!("/webhooks/stripe/{}", test.account))
        .header("Stripe-Signature", header)
        .body(body.to_vec());
    let reply = Reply::of(request).await;
    let shown = || format!("{reply:?} to {:?}", String::from_utf8_lossy(body));
    assert!([200, 400].contains(&reply.status.as_u16()), "{}", shown());
    reply
}

async fn send_signed(test: &TestApp, body: &[u8]) -> StatusCode {
    let header = signed_at(WEBHOOK_SECRET, now().unix_timestamp(), body);
    send(test, header.as_bytes(), body).await.status
}

#[tokio::test]
async fn no_header_and_no_body_get_a_5xx_and_every_event_that_got_a_2xx_is_kept_and_ended() {
    let test = TestApp::spawn().await;
    let payment = test.create("S1", json!({})).await.expect(StatusCode::CREATED);
    let ended = async || {
        eventually(async || {
            let left: Vec<String> = sqlx::query_scalar(
                "select format('%s %s: %s', kind, object_id, last_error) from webhook_event where due_at is not null",
            )
            .fetch_all(&test.db)
            .await
            .unwrap();
            if left.is_empty() {
                Ok(())
            } else {
                Err(format!("{left:#?}"))
            }
        })
        .await;
    };
    ended().await;
    let before = test.count("webhook_event").await;

    let header = prop::collection::vec(
        prop_oneof![0x20..0x7f_u8, 0x80..=0xff_u8, Just(b','), Just(b'=')],
        0..120,
    );
    let bytes = prop::collection::vec(any::<u8>(), 0..300);
    for (header, body) in draw(&(header, bytes.clone())) {
        assert_eq!(send(&test, &header, &body).await.status, StatusCode::BAD_REQUEST);
    }
    for body in draw(&bytes) {
        assert_eq!(send_signed(&test, &body).await, StatusCode::BAD_REQUEST);
    }
    assert_eq!(test.count("webhook_event").await, before, "nothing of it is kept");

    let mut taken = 0;
    let mut not_ours = 0;
    for body in draw(&mutated(events(&payment))) {
        let kept = test.count("webhook_event").await;
        let status = send_signed(&test, &body).await;
        let more = test.count("webhook_event").await - kept;
        if status != StatusCode::OK {
            assert_eq!(more, 0);
            continue;
        }
        taken += more;
        not_ours += 1 - more;
    }
    assert!(
        taken > 150 && not_ours < 30,
        "{taken} were kept and {not_ours} were not ours"
    );
    ended().await;
    // A dispute that was told of and that the provider does not have is a person's; nothing else is.
    let spoiled = "webhook_event where (state not in ('applied', 'ignored') or attempts > 0)
        and not (state = 'dead' and attempts = 1 and last_error like '%resource_missing: No such dispute%')";
    let errors: Vec<String> = sqlx::query_scalar(
        "select kind || ': ' || last_error from webhook_event where last_error is not null",
    )
    .fetch_all(&test.db)
    .await
    .unwrap();
    assert_eq!(test.count(spoiled).await, 0, "{errors:#?}");
    assert_eq!(test.count("webhook_event").await, before + taken);
    assert_eq!(
        test.payment(payment["id"].as_str().unwrap()).await["state"],
        "created"
    );
}
