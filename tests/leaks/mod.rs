//! Nothing leaks: canaries in every secret and every personal datum, driven through everything, seen nowhere but where the list in
//! `canaries` says.

mod canaries;
mod commands;
mod panics;
mod routes;
mod settings;
mod world;

use std::time::Duration;

use quittance_sandbox::faults::{Fault, Matcher};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use time::macros::date;

use self::canaries::{
    CARD_NUMBER, EMAIL, FREE_TEXT, IDEMPOTENCY_KEY, Kind, NAME, SIGNATURE, WEBHOOK_SECRET, assert_none,
};
use self::routes::Ids;
use self::world::World;
use crate::support::{eventually_within, now, payment, signed_at};

const LONG: Duration = Duration::from_mins(2);

/// A refusal of Stripe's, in which everything is repeated that a provider could repeat.
const DECLINED: &str = r#"{"error":{"type":"card_error","code":"card_declined","decline_code":"generic_decline","message":"Canary Quillfeather <canary.quillfeather@example.com> with 4000 0566 5566 5556: canary-their-words, key rk_test_canaryStripeKey7Qx"}}"#;
const REFUSED: &str = r#"{"error":{"type":"invalid_request_error","code":"parameter_invalid","param":"metadata","message":"No such thing: '4000056655665556' of Canary Quillfeather, canary.quillfeather@example.com, canary-their-words whsec_canaryWebhookSecret9Zk"}}"#;
const MISSING: &str = r#"{"error":{"type":"invalid_request_error","code":"resource_missing","message":"No such payment_intent of Canary Quillfeather: canary-their-words 4000-0566-5566-5556"}}"#;
const PAGE: &str =
    "<html><body>canary-their-words canary.quillfeather@example.com Canary Quillfeather</body></html>";
const DENIED: &str = r#"{"error":{"type":"invalid_request_error","message":"Invalid API Key provided: rk_test_canaryStripeKey7Qx, canary-their-words"}}"#;
/// A refusal of Odoo's, with a traceback.
const TRACEBACK: &str = r#"{"name":"odoo.exceptions.UserError","message":"Canary Quillfeather <canary.quillfeather@example.com> 4000056655665556 has no account: canary-their-words","arguments":["canary-free-text"],"context":{},"debug":"Traceback (most recent call last):\n  canary-their-words canary.quillfeather@example.com"}"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_is_secret_or_personal_is_in_a_log_an_answer_to_others_or_a_row_that_tells_of_failures()
{
    let mut world = World::set_up().await;
    world.start().await;
    let ids = live_through_everything(&mut world).await;
    routes::walk(&mut world, &ids).await;
    without_a_database(&mut world).await;
    commands::run(&mut world, &ids).await;
    world.scan_metrics().await;
    world.stop().await;
    world.scan().await;
    assert_eq!(world.canaries.kinds().len(), 15, "there is a canary of each kind");
    assert_none(world.found);
}

impl World {
    /// A request of the owner's that changes something.
    async fn post(&mut self, path: &str, key: &str, body: &Value) -> (StatusCode, Value) {
        let owner = self.merchant.api_key.clone();
        let request = self.request(key.len(), Method::POST, path, &owner);
        let request = request
            .header("Idempotency-Key", format!("{IDEMPOTENCY_KEY}-{key}"))
            .json(body);
        let reply = self.ask(path, request, true).await;
        (
            reply.status,
            serde_json::from_slice(&reply.bytes).unwrap_or_default(),
        )
    }

    async fn get(&mut self, path: &str) -> Value {
        let owner = self.merchant.api_key.clone();
        let request = self.request(0, Method::GET, path, &owner);
        let reply = self.ask(path, request, true).await;
        serde_json::from_slice(&reply.bytes).unwrap_or_default()
    }

    /// The first id of a list.
    async fn first(&mut self, path: &str) -> String {
        let listed = self.get(path).await;
        let id = listed["data"][0]["id"].as_str();
        id.unwrap_or_else(|| panic!("{path} lists nothing: {listed}"))
            .to_owned()
    }

    /// A delivery, signed or not.
    async fn deliver(&mut self, body: &str, secret: Option<&str>) {
        let at = now().unix_timestamp();
        let signature = secret.map_or_else(
            || format!("t={at},v1={SIGNATURE}"),
            |secret| signed_at(secret, at, body.as_bytes()),
        );
        if let Some((_, hex)) = signature.split_once("v1=") {
            self.canaries.add(Kind::Signature, hex);
        }
        let path = format!("/webhooks/stripe/{}", self.merchant.account);
        let request = self.request(0, Method::POST, &path, CARD_NUMBER);
        let request = request
            .header("Stripe-Signature", signature)
            .body(body.to_owned());
        self.ask(&path, request, false).await;
    }
}

/// Payments, customers, refusals, faults, events and postings, one after the other. What of it paths may name.
async fn live_through_everything(world: &mut World) -> Ids {
    let customer = people(world).await;
    let paid = payments(world).await;
    refusals(world, &paid).await;
    events(world, &paid).await;
    postings(world).await;
    let mut ids: Ids = vec![
        ("/webhooks/", world.merchant.account.clone()),
        ("/v1/payments/", paid),
        ("/v1/customers/", customer.0),
        ("/v1/setups/", customer.1),
    ];
    for (prefix, list) in [
        ("/v1/events/", "/v1/events"),
        ("/v1/exceptions/", "/v1/exceptions"),
        ("/v1/outbox/", "/v1/outbox?state=dead"),
    ] {
        let id = world.first(list).await;
        ids.push((prefix, id));
    }
    ids
}

async fn people(world: &mut World) -> (String, String) {
    let body = json!({ "partner": "17", "name": NAME, "email": EMAIL, "metadata": { "note": FREE_TEXT } });
    let (status, customer) = world.post("/v1/customers", "customer", &body).await;
    assert!(status.is_success(), "{customer}");
    let id = customer["id"].as_str().unwrap().to_owned();
    let body = json!({ "customer": id, "return_url": format!("https://shop.example/?mail={EMAIL}") });
    let (status, setup) = world.post("/v1/setups", "setup", &body).await;
    assert!(status.is_success(), "{setup}");
    world.stripe_says("/v1/customers", 400, REFUSED);
    let body = json!({ "partner": "18", "name": NAME, "email": EMAIL });
    world.post("/v1/customers", "refused", &body).await;
    (id, setup["id"].as_str().unwrap().to_owned())
}

async fn payments(world: &mut World) -> String {
    let words = json!({
        "payment_method": "pm_card_visa", "description": FREE_TEXT, "receipt_email": EMAIL,
        "metadata": { "note": FREE_TEXT, "name": NAME }, "return_url": format!("https://shop.example/?m={EMAIL}"),
    });
    let (status, paid) = world.post("/v1/payments", "paid", &payment("S1", words)).await;
    assert_eq!(status, StatusCode::CREATED, "{paid}");
    let id = paid["id"].as_str().unwrap().to_owned();
    let open = payment(CARD_NUMBER, json!({ "metadata": { "note": FREE_TEXT } }));
    let (status, told) = world.post("/v1/payments", "open", &open).await;
    assert_eq!(status, StatusCode::CREATED, "{told}");
    // The same reference with another amount, the same key with another body, and a card number in free text.
    let other = payment(
        CARD_NUMBER,
        json!({ "amount_minor": 5, "payment_method": "pm_card_visa" }),
    );
    world.post("/v1/payments", "open-other", &other).await;
    let again = payment(CARD_NUMBER, json!({ "amount_minor": 7 }));
    world.post("/v1/payments", "open-third", &again).await;
    world.post("/v1/payments", "open", &other).await;
    world
        .post(
            "/v1/payments",
            "card",
            &payment("S2", json!({ "description": CARD_NUMBER })),
        )
        .await;
    let refund = json!({ "amount_minor": 100, "reference": CARD_NUMBER });
    world
        .post(&format!("/v1/payments/{id}/refunds"), "refund", &refund)
        .await;
    let page = json!({ "payment": payment("S3", json!({})), "success_url": format!("https://shop.example/{FREE_TEXT}") });
    world.post("/v1/checkout_sessions", "page", &page).await;
    id
}

/// Everything that Stripe, or something in its place, may answer.
async fn refusals(world: &mut World, paid: &str) {
    let answers = [
        (402, DECLINED),
        (400, REFUSED),
        (404, MISSING),
        (401, DENIED),
        (403, DENIED),
        (409, REFUSED),
        (429, REFUSED),
        (500, REFUSED),
        (502, PAGE),
        (200, PAGE),
        (301, PAGE),
    ];
    for (number, (status, body)) in answers.into_iter().enumerate() {
        let wish = json!({ "payment_method": "pm_card_visa", "description": FREE_TEXT });
        world.stripe_says("/v1/payment_intents", status, body);
        world
            .post(
                "/v1/payments",
                &format!("r-{number}"),
                &payment(&format!("R{number}"), wish),
            )
            .await;
        world.stripe_says("/v1/refunds", status, body);
        let refund = json!({ "amount_minor": 10 + number });
        world
            .post(
                &format!("/v1/payments/{paid}/refunds"),
                &format!("rr-{number}"),
                &refund,
            )
            .await;
        world.stripe_says("/v1/payment_intents/*", status, body);
        world.get(&format!("/v1/payments/{paid}?refresh=true")).await;
        world.stripe.faults().clear();
    }
    for (number, fault) in [
        Fault::TimeoutBefore,
        Fault::TimeoutAfter,
        Fault::ResetAfter,
        Fault::CutAfter,
        Fault::Garbage,
    ]
    .into_iter()
    .enumerate()
    {
        world
            .stripe
            .faults()
            .next(Matcher::path("/v1/payment_intents"), fault);
        let wish = payment(
            &format!("F{number}"),
            json!({ "payment_method": "pm_card_visa", "receipt_email": EMAIL }),
        );
        world.post("/v1/payments", &format!("f-{number}"), &wish).await;
        world.stripe.faults().clear();
    }
}

/// Events with a bad signature, of all sorts, and some that cannot be applied however often it is tried.
async fn events(world: &mut World, paid: &str) {
    let shown = world.get(&format!("/v1/payments/{paid}")).await;
    let intent = shown["provider_reference"].as_str().unwrap().to_owned();
    let object = |id: &str| json!({ "id": id, "object": "payment_intent", "description": FREE_TEXT, "receipt_email": EMAIL, "name": NAME, "card": CARD_NUMBER });
    let told = |id: &str, kind: &str, about: &str| {
        json!({ "id": id, "type": kind, "created": now().unix_timestamp(), "livemode": false, "data": { "object": object(about) } })
            .to_string()
    };
    let unknown = told("evt_canary1", "product.created", "prod_1");
    world.deliver(&unknown, None).await;
    world.deliver(&unknown, Some("whsec_another_one")).await;
    world.deliver(&unknown, Some(WEBHOOK_SECRET)).await;
    world
        .deliver(&format!("{{\"{NAME}\": {CARD_NUMBER}"), Some(WEBHOOK_SECRET))
        .await;
    for (status, body) in [(404, MISSING), (400, REFUSED), (500, PAGE)] {
        let pattern = format!("/v1/payment_intents/{intent}");
        world
            .stripe
            .faults()
            .always(Matcher::path(&pattern), Fault::Says { status, body });
        let id = format!("evt_canary{status}");
        world
            .deliver(
                &told(&id, "payment_intent.succeeded", &intent),
                Some(WEBHOOK_SECRET),
            )
            .await;
        let ended = format!("webhook_event where event_id = '{id}' and state = 'dead'");
        eventually_within(LONG, async || match world.count(&ended).await {
            0 => Err(format!("{id} is not dead yet")),
            _ => Ok(()),
        })
        .await;
        world.stripe.faults().clear();
    }
}

/// Messages that Odoo refuses with a traceback until they are dead, and news that is signed for an addon that is not there.
async fn postings(world: &mut World) {
    let stranger = world.stranger.api_key.clone();
    let request = world.request(0, Method::POST, "/v1/payments", &stranger);
    let request = request.header("Idempotency-Key", IDEMPOTENCY_KEY);
    let news = payment("N1", json!({ "payment_method": "pm_card_visa" }));
    world.ask("/v1/payments", request.json(&news), true).await;
    let any = || Matcher::path("/json/2/**");
    for (status, body) in [(503, PAGE), (401, TRACEBACK), (500, TRACEBACK)] {
        world.odoo.faults().times(2, any(), Fault::Says { status, body });
    }
    let invoice = world
        .odoo
        .add_invoice(NAME, 12_100, "EUR", date!(2026 - 11 - 01))
        .unwrap();
    let settles = json!([{ "model": "account.move", "id": invoice, "amount_minor": 12_100 }]);
    let wish = json!({ "payment_method": "pm_card_visa", "settles": settles });
    let (status, told) = world.post("/v1/payments", "posted", &payment("S9", wish)).await;
    assert_eq!(status, StatusCode::CREATED, "{told}");
    world.odoo.faults().always(
        any(),
        Fault::Says {
            status: 422,
            body: TRACEBACK,
        },
    );
    eventually_within(LONG, async || {
        match world.count("outbox_message where state = 'dead'").await {
            0 => Err("no message is dead yet".to_owned()),
            _ => Ok(()),
        }
    })
    .await;
    world.odoo.faults().clear();
    let signed = "odoo_instance where sink = 'addon' and paused_reason is not null";
    eventually_within(LONG, async || match world.count(signed).await {
        0 => Err("no news was sent yet".to_owned()),
        _ => Ok(()),
    })
    .await;
}

/// The database goes away under requests and workers, and comes back.
async fn without_a_database(world: &mut World) {
    if !world.cluster.is_stoppable() {
        return;
    }
    world.cluster.crash().await.unwrap();
    for path in ["/v1/payments", "/v1/customers"] {
        let body =
            json!({ "reference": CARD_NUMBER, "partner": EMAIL, "amount_minor": 1, "currency": "EUR" });
        world.post(path, "down", &body).await;
        world.get(path).await;
    }
    world
        .deliver(
            &json!({ "id": "evt_down", "type": "x", "note": FREE_TEXT }).to_string(),
            Some(WEBHOOK_SECRET),
        )
        .await;
    world.get("/readyz").await;
    world.cluster.start_server().await.unwrap();
    eventually_within(LONG, async || {
        let ready = reqwest::get(format!("{}/readyz", world.programs[0].url())).await;
        match ready {
            Ok(answer) if answer.status().is_success() => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
}

impl World {
    /// How many rows a condition finds.
    async fn count(&self, table_and_condition: &str) -> i64 {
        let sql = format!("select count(*) from {table_and_condition}");
        let counted = sqlx::query_scalar(sqlx::AssertSqlSafe(sql));
        counted.fetch_one(&self.db).await.unwrap()
    }
}
