//! What happens to a shop, one thing after the other, and which of its messages are recorded.

use quittance_sandbox::stripe::{Extra, PayoutKind, Rate, Verdict};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::events::Operator;
use crate::outgoing::World;
use crate::reconciliation::{an_hour_ago, reconcile};

/// All of it. Waits after each thing, so that it is told of the same each time.
pub(super) async fn play() -> World {
    let world = World::keeping().await;
    customers(&world).await;
    captures(&world).await;
    charges(&world).await;
    disputes(&world).await;
    elsewhere(&world).await;
    world.settled().await;
    world
}

/// Everything that came of it is told, and booked.
async fn done(world: &World) {
    reconcile(&world.test, an_hour_ago()).await;
    world.settled().await;
}

async fn post(world: &World, path: &str, key: &str, body: Value) -> Value {
    let reply = world.test.post(path, key, &body).await;
    assert!(
        reply.status.is_success(),
        "{path}: {}",
        String::from_utf8_lossy(&reply.bytes)
    );
    reply.json()
}

/// A payment of one order.
async fn create(world: &World, reference: &str, order: i64, more: Value) -> Value {
    let mut wish = json!({
        "payment_method": "pm_card_visa",
        "settles": [{ "model": "sale.order", "id": order, "amount_minor": more.get("amount_minor").unwrap_or(&json!(12_100)) }],
    });
    wish.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    world
        .test
        .create(reference, wish)
        .await
        .expect(StatusCode::CREATED)
}

fn path(thing: &Value, what: &str) -> String {
    format!("/v1/payments/{}/{what}", thing["id"].as_str().unwrap())
}

async fn customers(world: &World) {
    let partner = json!({ "partner": "5d0a3f6e-0000-4000-8000-000000000001|7", "name": "Ada" });
    let ada = post(world, "/v1/customers", "ada", partner).await;
    let wish = json!({ "customer": ada["id"], "payment_method": "pm_card_visa" });
    let setup = post(world, "/v1/setups", "setup", wish).await;
    let declined = json!({ "customer": ada["id"], "payment_method": "pm_card_chargeDeclined" });
    post(world, "/v1/setups", "declined", declined).await;
    done(world).await;
    let saving = json!({ "customer": ada["id"], "setup_future_usage": "off_session",
        "return_url": "https://shop.example/back" });
    create(world, "SAVES-1", 41, saving).await;
    done(world).await;
    let method = setup["payment_method"].as_str().unwrap();
    let token = json!({ "payment_method": method, "off_session": true });
    create(world, "TOKEN-1", 42, token).await;
    done(world).await;
    post(
        world,
        &format!("/v1/payment_methods/{method}/detach"),
        "detach",
        json!({}),
    )
    .await;
    done(world).await;
}

async fn captures(world: &World) {
    let held = create(world, "PARTS-1", 43, json!({ "capture_method": "manual" })).await;
    done(world).await;
    let first = json!({ "amount_minor": 5_000, "final": false, "reference": "P-PARTS-1" });
    post(world, &path(&held, "capture"), "c1", first).await;
    done(world).await;
    let second = json!({ "amount_minor": 7_100, "reference": "P-PARTS-2" });
    post(world, &path(&held, "capture"), "c2", second).await;
    done(world).await;
    let void = create(world, "VOID-1", 44, json!({ "capture_method": "manual" })).await;
    done(world).await;
    post(
        world,
        &path(&void, "cancel"),
        "void",
        json!({ "reference": "V-VOID-1" }),
    )
    .await;
    let declined = json!({ "payment_method": "pm_card_chargeDeclined" });
    create(world, "DECLINED-1", 45, declined).await;
    done(world).await;
}

async fn charges(world: &World) {
    let paid = create(world, "REFUND-1", 46, json!({})).await;
    done(world).await;
    let part = json!({ "amount_minor": 2_100, "reference": "R-REFUND-1" });
    post(world, &path(&paid, "refunds"), "refund", part).await;
    done(world).await;
    let failing = create(
        world,
        "FAILS-1",
        47,
        json!({ "payment_method": "pm_card_refundFail" }),
    )
    .await;
    done(world).await;
    post(
        world,
        &path(&failing, "refunds"),
        "fails",
        json!({ "reference": "R-FAILS-1" }),
    )
    .await;
    world
        .told(failing["id"].as_str().unwrap(), |told| {
            told["refunds"][0]["state"] == "failed"
        })
        .await;
    done(world).await;
    let rate = Rate {
        currency: "eur".to_owned(),
        millionths: 920_000,
    };
    world.test.stripe.settle_at("usd", Some(rate));
    create(
        world,
        "DOLLARS-1",
        48,
        json!({ "currency": "USD", "amount_minor": 10_000 }),
    )
    .await;
    done(world).await;
}

async fn disputes(world: &World) {
    let paid = create(world, "DISPUTED-1", 49, json!({})).await;
    done(world).await;
    let intent = paid["provider_reference"].as_str().unwrap();
    let reference = world.test.stripe.dispute(intent, "fraudulent").unwrap();
    let is_told = |state: &'static str| {
        let reference = reference.clone();
        move |message: &Value| {
            message["dispute"]["provider_reference"] == reference.as_str()
                && message["dispute"]["state"] == state
        }
    };
    let opened = is_told("needs_response");
    world
        .until("it is opened", async || world.addon.applied().iter().any(&opened))
        .await;
    done(world).await;
    world
        .test
        .stripe
        .decide_dispute(&reference, Verdict::Lost)
        .unwrap();
    let lost = is_told("lost");
    world
        .until("it is lost", async || world.addon.applied().iter().any(&lost))
        .await;
    done(world).await;
}

async fn elsewhere(world: &World) {
    world.test.stripe.write_line(Extra::StripeFee, -300, "eur");
    world.test.stripe.pay_in_dashboard(5_000, "eur").unwrap();
    done(world).await;
    let operator = Operator::of(&world.test).await;
    let list = operator
        .get("/v1/exceptions?kind=foreign_line")
        .await
        .expect(StatusCode::OK);
    let link = json!({
        "reference": "S00042",
        "settles": [{ "model": "account.move", "id": 17, "amount_minor": 5_000 }],
        "odoo_instance": world.instance.to_string(),
    });
    let path = format!("/v1/exceptions/{}/link", list["data"][0]["id"].as_str().unwrap());
    operator.post(&path, &link).await.expect(StatusCode::OK);
    done(world).await;
    let payout = world
        .test
        .stripe
        .pay_out_all("eur", PayoutKind::Automatic)
        .unwrap();
    world.test.stripe.land_payout(&payout).unwrap();
    done(world).await;
    let fails = world
        .test
        .create("LAST-1", json!({ "payment_method": "pm_card_visa" }))
        .await;
    fails.expect(StatusCode::CREATED);
    done(world).await;
    let payout = world
        .test
        .stripe
        .pay_out_all("eur", PayoutKind::Automatic)
        .unwrap();
    world.test.stripe.land_payout(&payout).unwrap();
    done(world).await;
    world.test.stripe.fail_payout(&payout).unwrap();
    world
        .until("it came back", async || {
            let applied = world.addon.applied();
            let mut sources = applied
                .iter()
                .filter_map(|message| message["booking"]["source"].as_str());
            sources.any(|source| source.starts_with("returned:"))
        })
        .await;
    done(world).await;
}

type Fits<'a> = Box<dyn Fn(&Value) -> bool + 'a>;

/// What is recorded: of each kind the last message that fits.
pub(super) fn pick(world: &World) -> Vec<(&'static str, &'static str, Value)> {
    let applied = world.addon.applied();
    let mut picked = Vec::new();
    let payments = payments().into_iter().chain(more_payments());
    let bookings = bookings_of_payments(&applied).into_iter().chain(other_bookings());
    for (name, what, fits) in payments.chain(others()).chain(bookings) {
        let found = applied.iter().rfind(|message| fits(message));
        let message = found.unwrap_or_else(|| panic!("no message is: {what}"));
        picked.push((name, what, message.clone()));
    }
    picked
}

/// The payment with this reference, once what it does is decided.
fn of(reference: &'static str, fits: fn(&Value) -> bool) -> Fits<'static> {
    Box::new(move |message| {
        let payment = &message["payment"];
        let is_decided = |one: &Value| !["pending", "unknown"].contains(&one["state"].as_str().unwrap());
        payment["reference"] == reference
            && payment["operations"]
                .as_array()
                .is_some_and(|all| all.iter().all(is_decided))
            && fits(payment)
    })
}

fn payments() -> Vec<(&'static str, &'static str, Fits<'static>)> {
    vec![
        (
            "payment-authorized",
            "money is held",
            of("PARTS-1", |payment| {
                payment["captured_minor"] == 0 && payment["state"] == "authorized"
            }),
        ),
        (
            "payment-captured-in-part",
            "the first of two captures",
            of("PARTS-1", |payment| payment["captured_minor"] == 5_000),
        ),
        (
            "payment-captured-in-two-parts",
            "the second of two captures",
            of("PARTS-1", |payment| payment["state"] == "captured"),
        ),
        (
            "payment-captured",
            "paid at once",
            of("REFUND-1", |payment| {
                payment["refunds"].as_array().unwrap().is_empty() && payment["state"] == "captured"
            }),
        ),
        (
            "payment-refunded",
            "given back in part",
            of("REFUND-1", |payment| payment["refunded_minor"] == 2_100),
        ),
        (
            "payment-refund-made",
            "given back, as far as anybody knows yet",
            of("FAILS-1", |payment| payment["refunds"][0]["state"] == "succeeded"),
        ),
    ]
}

fn more_payments() -> Vec<(&'static str, &'static str, Fits<'static>)> {
    vec![
        (
            "payment-refund-failed",
            "and it came back",
            of("FAILS-1", |payment| payment["refunds"][0]["state"] == "failed"),
        ),
        (
            "payment-declined",
            "declined, and the customer may try again",
            of("DECLINED-1", |payment| {
                payment["odoo_state"] == "pending" && payment["decline"].is_object()
            }),
        ),
        (
            "payment-canceled",
            "called off",
            of("VOID-1", |payment| payment["state"] == "canceled"),
        ),
        (
            "payment-saves-method",
            "paid, and the card is saved",
            of("SAVES-1", |payment| payment["payment_method"].is_object()),
        ),
        (
            "payment-with-token",
            "paid with a saved card",
            of("TOKEN-1", |payment| payment["state"] == "captured"),
        ),
        (
            "payment-in-dollars",
            "paid in a currency that does not settle",
            of("DOLLARS-1", |payment| payment["state"] == "captured"),
        ),
        (
            "payment-disputed",
            "the bank took it back",
            of("DISPUTED-1", |payment| payment["disputed_minor"] == 12_100),
        ),
    ]
}

fn others() -> Vec<(&'static str, &'static str, Fits<'static>)> {
    let is = |fits: fn(&Value) -> bool| -> Fits<'static> { Box::new(fits) };
    vec![
        (
            "dispute-opened",
            "evidence is asked for",
            is(|message| message["dispute"]["state"] == "needs_response"),
        ),
        (
            "dispute-lost",
            "and the bank decided",
            is(|message| message["dispute"]["state"] == "lost"),
        ),
        (
            "setup-succeeded",
            "a card is saved",
            is(|message| message["setup"]["state"] == "succeeded"),
        ),
        (
            "setup-declined",
            "it was declined, and the customer may try again",
            is(|message| message["setup"]["decline"].is_object()),
        ),
        (
            "method-detached",
            "a saved card is gone for ever",
            is(|message| message["payment_method"]["state"] == "detached"),
        ),
        (
            "payment-linked",
            "a payment of the dashboard, linked by hand",
            is(|message| message["type"] == "payment.linked"),
        ),
    ]
}

fn bookings_of_payments(applied: &[Value]) -> Vec<(&'static str, &'static str, Fits<'_>)> {
    // The charge, refund or dispute of a payment is what its booking is labelled with.
    let of_payment = move |reference: &'static str, list: &'static str, is_returned: bool| -> Fits<'_> {
        Box::new(move |message| {
            let told = applied
                .iter()
                .rfind(|told| told["payment"]["reference"] == reference)
                .unwrap();
            let one = &told["payment"][list][0];
            let source = if is_returned {
                &one["returned"]["source"]
            } else {
                &one["source"]
            };
            let lost = message["booking"]["source"]
                .as_str()
                .is_some_and(|source| source.starts_with("lost:"));
            source.is_string() && message["booking"]["meets"] == *source && !lost
        })
    };
    vec![
        (
            "booking-charge",
            "a charge and its fee",
            of_payment("REFUND-1", "captures", false),
        ),
        (
            "booking-first-capture",
            "the line of the first of two captures",
            of_payment("PARTS-1", "captures", false),
        ),
        (
            "booking-refund",
            "a refund",
            of_payment("REFUND-1", "refunds", false),
        ),
        (
            "booking-refund-returned",
            "a refund that came back",
            of_payment("FAILS-1", "refunds", true),
        ),
        (
            "booking-fx",
            "a charge in dollars that settles in euros",
            of_payment("DOLLARS-1", "captures", false),
        ),
    ]
}

fn other_bookings() -> Vec<(&'static str, &'static str, Fits<'static>)> {
    // Whose part on an account is a debit, or a credit.
    let has = |account: &'static str, sign: i64, starts: &'static str| -> Fits<'static> {
        Box::new(move |message| {
            let booking = &message["booking"];
            let is_it = |part: &Value| {
                part["account"] == account
                    && part["value_minor"]
                        .as_i64()
                        .is_some_and(|value| value.signum() == sign)
            };
            booking["source"]
                .as_str()
                .is_some_and(|source| source.starts_with(starts))
                && booking["parts"]
                    .as_array()
                    .is_some_and(|parts| parts.iter().any(is_it))
        })
    };
    let is_alone: Fits<'static> = Box::new(|message| {
        let parts = message["booking"]["parts"].as_array();
        parts.is_some_and(|parts| {
            parts
                .iter()
                .any(|part| part["account"] == "fees" && part["value_minor"] == 300)
        })
    });
    vec![
        ("booking-fee", "a fee of its own", is_alone),
        (
            "booking-dispute",
            "a dispute takes the money, and its fee",
            has("disputes", 1, "txn_"),
        ),
        (
            "booking-dispute-lost",
            "it is lost: the customer owes again",
            has("dispute_losses", 1, "lost:"),
        ),
        (
            "booking-linked",
            "what waited in suspense meets the link",
            has("suspense", 1, "link:"),
        ),
        (
            "booking-payout",
            "a payout leaves the balance",
            has("in_transit", 1, "txn_"),
        ),
        (
            "booking-payout-paid",
            "it reached the bank",
            has("bank", 1, "paid:"),
        ),
        (
            "booking-payout-returned",
            "the bank sent it back",
            has("bank", -1, "returned:"),
        ),
        (
            "booking-payout-back",
            "and it is in the balance again",
            has("in_transit", -1, "txn_"),
        ),
    ]
}
