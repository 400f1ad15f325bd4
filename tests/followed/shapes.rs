//! Objects of other shapes than today's: from an older or newer API version, expanded or not.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::time::Duration;

use quittance::app::Timing;
use quittance::provider::{Interpretation, Provider};
use quittance::stripe::{Limits, Stripe, Timeouts, http_client};
use reqwest::StatusCode;
use serde_json::{Map, Value, json};

use super::scenes::play;
use super::types::table;
use super::{OBJECTS, all_ended, deliver, event, made_elsewhere, unheard};
use crate::support::{TestApp, Wishes, eventually, now};

/// An object changed in one way, and what the way is.
type Changed = (String, Value);

/// One object in every shape that another version may give it.
fn shapes(object: &Value) -> Vec<Changed> {
    let fields = object.as_object().unwrap();
    let with = |name: &str, value: Value| {
        let mut changed = fields.clone();
        changed.insert(name.to_owned(), value);
        Value::Object(changed)
    };
    let mut shapes = vec![
        (
            "new fields".to_owned(),
            with("a_field_of_tomorrow", json!({ "a": [1, null, "x"] })),
        ),
        (
            "a list of charges".to_owned(),
            with("charges", json!({ "object": "list", "data": [{ "id": "ch_0" }] })),
        ),
        (
            "a list of refunds".to_owned(),
            with(
                "refunds",
                json!({ "object": "list", "data": [], "has_more": false }),
            ),
        ),
        ("an invoice".to_owned(), with("invoice", json!("in_1"))),
        (
            "a source".to_owned(),
            with("source", json!({ "id": "card_1", "object": "card" })),
        ),
    ];
    for (name, value) in fields {
        if name == "id" {
            continue;
        }
        let mut without: Map<String, Value> = fields.clone();
        without.remove(name);
        shapes.push((format!("no {name}"), Value::Object(without)));
        shapes.push((format!("{name} is null"), with(name, Value::Null)));
        match value {
            Value::String(text) if text.contains('_') && text.bytes().any(|byte| byte.is_ascii_digit()) => {
                let whole = json!({ "id": text, "object": "expanded", "livemode": false });
                shapes.push((format!("{name} expanded"), with(name, whole)));
            }
            Value::String(_) => {
                shapes.push((
                    format!("{name} of tomorrow"),
                    with(name, json!("a_word_of_tomorrow")),
                ));
            }
            Value::Object(inner) => {
                if let Some(id) = inner.get("id").filter(|id| id.is_string()) {
                    shapes.push((format!("{name} not expanded"), with(name, id.clone())));
                }
                for part in inner.keys() {
                    let mut less = inner.clone();
                    less.remove(part);
                    shapes.push((format!("no {name}.{part}"), with(name, Value::Object(less))));
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => {}
        }
    }
    shapes
}

fn stripe() -> Stripe {
    let nothing_is_sent = Limits {
        live: NonZeroU32::MIN,
        test: NonZeroU32::MIN,
        endpoint: NonZeroU32::MIN,
    };
    Stripe::new(http_client().unwrap(), Timeouts::default(), nothing_is_sent)
}

/// Which of Stripe's examples an event of a type shows.
fn shown_by(kind: &str) -> &'static str {
    match kind.split('.').collect::<Vec<_>>()[..] {
        ["charge", "dispute", _] => "dispute",
        ["charge", "refund", _] | ["refund", ..] => "refund",
        ["charge", ..] => "charge",
        ["checkout", ..] => "checkout.session",
        ["payment_intent", ..] => "payment_intent",
        ["setup_intent", ..] => "setup_intent",
        ["payment_method", ..] => "payment_method",
        ["payout", ..] => "payout",
        ["mandate", ..] => "mandate",
        ["account", ..] => "account",
        _ => panic!("nobody knows what {kind} shows"),
    }
}

#[tokio::test]
async fn every_type_is_followed_in_every_shape_of_its_object() {
    let stripe = stripe();
    let kinds: BTreeSet<&str> = table().into_iter().map(|(kind, ..)| kind).collect();
    let mut shown = 0;
    for kind in kinds.into_iter().chain(["mandate.updated"]) {
        for (how, object) in shapes(&OBJECTS[shown_by(kind)]) {
            let told = event("evt_1", kind, 1, &object).to_string();
            let read = stripe.interpret(told.as_bytes());
            // A refund that names neither payment nor charge is nobody's.
            let nobodys = shown_by(kind) == "refund" && how.ends_with("charge") || how == "charge is null";
            let followed = !matches!(read, Interpretation::NotFollowed);
            assert!(followed || nobodys, "{kind}, {how}: {read:?}");
            shown += 1;
        }
    }
    assert!(shown > 1_000, "{shown} shapes");
}

#[tokio::test]
async fn no_shape_of_an_object_fails_its_event_or_leads_elsewhere() {
    let test = unheard().await;
    let mut families = BTreeSet::new();
    for (number, (kind, scene, pointer, shown)) in table().into_iter().enumerate() {
        let is_first = families.insert(shown_by(kind));
        // The account's own events have no second place to look at.
        if !is_first || shown_by(kind) == "account" {
            continue;
        }
        let (object, look) = play(&test, scene, &format!("S{number}"), pointer).await;
        for (index, (how, object)) in shapes(&object).into_iter().enumerate() {
            let id = format!("evt_{number}_{index}");
            let mut told = event(&id, kind, now().unix_timestamp(), &object);
            if how == "new fields" {
                told["api_version"] = json!("2014-01-31");
                told["of_tomorrow"] = json!([1]);
            }
            deliver(&test, &told).await;
        }
        all_ended(&test).await;
        assert_eq!(look.see(&test).await, shown, "{kind}");
    }
    let account = OBJECTS["account"].clone();
    for (index, (_, object)) in shapes(&account).into_iter().enumerate() {
        let told = event(&format!("evt_account_{index}"), "account.updated", 1, &object);
        deliver(&test, &told).await;
    }
    all_ended(&test).await;
    assert_eq!(families.len(), 9);
}

#[tokio::test]
async fn a_nul_in_an_answer_a_read_or_a_listed_event_fails_no_payment() {
    let test = TestApp::spawn_with(Wishes {
        webhooks: false,
        timing: Timing {
            events_polled_every: Duration::from_millis(50),
            ..Wishes::default().timing
        },
        ..Wishes::default()
    })
    .await;
    let clean = "Declined\u{fffd}.";
    let card = json!({ "payment_method": "pm_card_chargeDeclinedWithNul" });
    let called = test.create("called", card).await.expect(StatusCode::CREATED);
    assert_eq!(called["decline"]["message"], clean);
    assert_eq!(called["operations"][0]["error_message"], clean);

    let browsed = test
        .create("browsed", json!({}))
        .await
        .expect(StatusCode::CREATED);
    test.pay(&browsed, "pm_card_chargeDeclinedWithNul").await;
    let path = format!("/v1/payments/{}?refresh=true", browsed["id"].as_str().unwrap());
    let read = test.get(&path).await.expect(StatusCode::OK);
    assert_eq!(read["decline"]["message"], clean);

    made_elsewhere(&test, &[("description", "Invoice\u{0}4711")]).await;
    eventually(async || {
        let kept = usize::try_from(test.count("webhook_event").await).unwrap();
        match test.stripe.events().len() {
            listed if listed == kept => Ok(()),
            listed => Err(format!("{kept} of {listed} are kept")),
        }
    })
    .await;
    all_ended(&test).await;
    let shown = test.get("/v1/foreign_payments").await.expect(StatusCode::OK);
    assert_eq!(shown["data"][0]["description"], "Invoice\u{fffd}4711");
}
