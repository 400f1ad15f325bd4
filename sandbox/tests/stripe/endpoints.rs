//! Endpoints that a merchant's server registers, for its own account and for connected ones, in either form of events.

use axum::http::StatusCode;
use hmac::{Hmac, KeyInit, Mac};
use quittance_sandbox::stripe::{Options, Settlement, WebhookEndpoint};
use serde_json::{Value, json};

use super::support::{Answered, Delivery, Desk, Listener, SOON, kinds, paying};

const PATH: &str = "/v1/webhook_endpoints";

async fn register(desk: &Desk, listener: &Listener, more: &str) -> Answered {
    let url = listener.url();
    desk.post(PATH, &format!("url={url}&{more}")).await
}

fn proves(secret: &Value, delivery: &Delivery) -> bool {
    let (time, digits) = delivery.signature.split_once(",v1=").unwrap();
    let time = time.trim_start_matches("t=");
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_str().unwrap().as_bytes()).unwrap();
    mac.update(format!("{time}.{}", delivery.payload).as_bytes());
    let digest = mac.finalize().into_bytes();
    digits
        == digest
            .iter()
            .fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

#[tokio::test]
async fn a_registered_endpoint_hears_what_it_asked_for_signed_with_its_own_secret() {
    let (desk, listener) = (Desk::open().await, Listener::start().await);
    let made = register(
        &desk,
        &listener,
        "enabled_events[0]=charge.succeeded&enabled_events[1]=refund.created&metadata[a]=b&api_version=2025-01-01.old",
    )
    .await;
    assert_eq!(made.status, StatusCode::OK);
    let secret = made.body["secret"].clone();
    desk.pay("visa", "").await;
    desk.stripe.wait_until_delivered(SOON).await.unwrap();
    assert_eq!(kinds(&listener.events()), ["charge.succeeded"]);
    assert_eq!(listener.events()[0]["api_version"], "2025-01-01.old");
    assert!(proves(&secret, &listener.deliveries()[0]));
    assert!(!proves(&json!("whsec_other"), &listener.deliveries()[0]));
}

#[tokio::test]
async fn a_secret_is_shown_once_and_again_only_to_who_repeats_the_request_under_its_key() {
    let (desk, listener) = (Desk::open().await, Listener::start().await);
    let form = format!("url={}&enabled_events[0]=*", listener.url());
    let made = desk.post_with_key(PATH, &form, "k").await;
    let again = desk.post_with_key(PATH, &form, "k").await;
    assert_eq!(made.body, again.body);
    let shown = desk.get(&format!("{PATH}/{}", made.id())).await.body;
    let listed = desk.get(PATH).await.body;
    assert_eq!(
        (listed["data"].as_array().unwrap().len(), &listed["data"][0]),
        (1, &shown)
    );
    assert!(shown.get("secret").is_none());
    assert_eq!(
        (&shown["status"], &shown["api_version"]),
        (&json!("enabled"), &Value::Null)
    );
}

#[tokio::test]
async fn an_endpoint_can_be_changed_but_not_its_version_turned_off_and_deleted() {
    let (desk, listener) = (Desk::open().await, Listener::start().await);
    let made = register(&desk, &listener, "enabled_events[0]=*").await;
    let path = format!("{PATH}/{}", made.id());
    let refused = desk.post(&path, "api_version=2025-01-01.old").await;
    assert_eq!(refused.code(), "parameter_unknown");
    let changed = desk
        .post(&path, "enabled_events[0]=charge.failed&disabled=true")
        .await;
    assert_eq!(
        (&changed.body["status"], &changed.body["enabled_events"]),
        (&json!("disabled"), &json!(["charge.failed"]))
    );
    desk.pay("visa", "").await;
    assert_eq!(
        desk.stripe.undelivered(),
        0,
        "nothing goes to one that is turned off"
    );
    desk.post(&path, "enabled_events[0]=*&disabled=false").await;
    desk.stripe.hold();
    desk.pay("visa", "").await;
    let deleted = desk.delete(&path).await;
    assert_eq!(deleted.body["deleted"], true);
    desk.stripe.release();
    desk.stripe.wait_until_delivered(SOON).await.unwrap();
    assert!(
        listener.deliveries().is_empty(),
        "what was on its way to it is dropped"
    );
    assert_eq!(desk.get(&path).await.code(), "resource_missing");
    assert_eq!(desk.delete(&path).await.code(), "resource_missing");
}

#[tokio::test]
async fn an_account_has_sixteen_endpoints_and_each_needs_an_address_and_types() {
    let (desk, listener) = (Desk::open().await, Listener::start().await);
    for form in [
        "enabled_events[0]=*",
        "url=https://x.example",
        "url=x.example&enabled_events[0]=*",
    ] {
        assert_eq!(
            desk.post(PATH, form).await.status,
            StatusCode::BAD_REQUEST,
            "{form}"
        );
    }
    for _ in 0..16 {
        assert_eq!(
            register(&desk, &listener, "enabled_events[0]=*").await.status,
            StatusCode::OK
        );
    }
    assert_eq!(
        register(&desk, &listener, "enabled_events[0]=*").await.status,
        StatusCode::BAD_REQUEST
    );
}

#[tokio::test]
async fn a_platform_names_the_account_hears_of_it_through_connect_and_registers_for_itself() {
    let desk = Desk::with(Options {
        connected: true,
        settlement: Settlement::OnDemand,
        ..Options::default()
    })
    .await;
    let account = desk.stripe.account_id().to_owned();
    let (own, connect) = (Listener::start().await, Listener::start().await);
    register(&desk, &own, "enabled_events[0]=*").await;
    register(&desk, &connect, "enabled_events[0]=*&connect=true").await;
    let form = "url=https://x.example&enabled_events[0]=*";
    assert_eq!(
        desk.post_for(&account, PATH, form).await.status,
        StatusCode::FORBIDDEN
    );

    let body = paying("visa", "");
    assert_eq!(
        desk.post("/v1/payment_intents", &body).await.status,
        StatusCode::FORBIDDEN
    );
    assert_eq!(
        desk.post_for(&account, "/v1/payment_intents", &body).await.status,
        StatusCode::OK
    );
    let charge = json!({ "id": "ch_1", "object": "charge" });
    desk.stripe
        .tell_of_account("acct_1Other", "charge.updated", &charge);
    desk.stripe.wait_until_delivered(SOON).await.unwrap();
    assert!(own.deliveries().is_empty());
    let accounts: Vec<Value> = connect
        .events()
        .iter()
        .map(|event| event["account"].clone())
        .collect();
    assert_eq!(accounts, [&account, &account, &account, "acct_1Other"]);
    assert_eq!(
        desk.stripe.events().len(),
        3,
        "another account's events are not listed"
    );
}

#[tokio::test]
async fn a_thin_event_names_the_object_and_does_not_show_it() {
    let (desk, listener) = (Desk::open().await, Listener::start().await);
    desk.stripe.add_endpoint(WebhookEndpoint {
        thin: true,
        ..listener.endpoint()
    });
    let paid = desk.pay("visa", "").await;
    desk.stripe.wait_until_delivered(SOON).await.unwrap();
    let events = listener.events();
    let last = events
        .iter()
        .find(|event| event["type"] == "v1.payment_intent.succeeded")
        .unwrap();
    assert_eq!(last["object"], "v2.core.event");
    assert_eq!(
        last["related_object"],
        json!({ "id": paid.id(), "type": "payment_intent", "url": format!("/v1/payment_intents/{}", paid.id()) })
    );
    assert!(last.get("data").is_none() && last["created"].is_string());
    assert!(desk.stripe.events().iter().all(|event| event["id"] != last["id"]));
}
