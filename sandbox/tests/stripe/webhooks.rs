//! Webhooks: signed, repeated, doubled, mixed and held back.

use std::collections::HashMap;
use std::time::Duration;

use axum::http::StatusCode;
use quittance_sandbox::stripe::{DeliveryPlan, Options, Settlement};
use serde_json::Value;

use super::support::{Desk, Listener, SOON, kinds};

async fn desk(listener: &Listener, delivery: DeliveryPlan) -> Desk {
    Desk::with(Options {
        settlement: Settlement::OnDemand,
        webhooks: vec![listener.endpoint()],
        webhook_retries: vec![Duration::from_millis(50); 3],
        delivery,
        ..Options::default()
    })
    .await
}

fn ids(events: &[Value]) -> Vec<String> {
    events
        .iter()
        .map(|event| event["id"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn events_arrive_once_and_in_order() {
    let listener = Listener::start().await;
    let desk = desk(&listener, DeliveryPlan::default()).await;
    for _ in 0..3 {
        desk.pay("visa", "").await;
    }
    desk.stripe.wait_until_delivered(SOON).await.unwrap();
    assert_eq!(ids(&listener.events()), ids(&desk.stripe.events()));
    assert_eq!(
        (
            desk.stripe.deliveries(),
            desk.stripe.acknowledged(),
            desk.stripe.undelivered()
        ),
        (9, 9, 0)
    );
}

#[tokio::test]
async fn an_event_goes_out_twice_where_told_so() {
    let listener = Listener::start().await;
    let desk = desk(&listener, DeliveryPlan::default().twice()).await;
    desk.pay("visa", "").await;
    desk.stripe.wait_until_delivered(SOON).await.unwrap();
    let mut times = HashMap::new();
    for id in ids(&listener.events()) {
        *times.entry(id).or_insert(0) += 1;
    }
    assert_eq!((times.len(), times.values().all(|times| *times == 2)), (3, true));
    let listed = desk.get("/v1/events?delivery_success=true").await;
    assert_eq!(listed.body["data"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn shuffled_events_all_arrive_but_not_in_order() {
    let listener = Listener::start().await;
    let desk = desk(&listener, DeliveryPlan::default().shuffled(8).twice()).await;
    for _ in 0..4 {
        desk.pay("visa", "").await;
    }
    desk.stripe.wait_until_delivered(SOON).await.unwrap();
    let sent = ids(&desk.stripe.events());
    let mut heard = ids(&listener.events());
    assert_eq!(heard.len(), 24);
    let firsts: Vec<_> = sent
        .iter()
        .map(|id| heard.iter().position(|other| other == id).unwrap())
        .collect();
    assert!(!firsts.is_sorted(), "{firsts:?}");
    heard.sort_unstable();
    heard.dedup();
    assert_eq!(heard.len(), sent.len());
}

#[tokio::test]
async fn held_events_wait_for_their_release() {
    let listener = Listener::start().await;
    let desk = desk(&listener, DeliveryPlan::default()).await;
    desk.stripe.hold();
    desk.pay("visa", "").await;
    assert!(
        desk.stripe
            .wait_until_delivered(Duration::from_millis(100))
            .await
            .is_err()
    );
    assert_eq!((listener.deliveries().len(), desk.stripe.undelivered()), (0, 3));
    let listed = desk.get("/v1/events?delivery_success=false").await;
    assert_eq!(listed.body["data"][0]["pending_webhooks"], 1);
    desk.stripe.release();
    desk.stripe.wait_until_delivered(SOON).await.unwrap();
    assert_eq!(listener.deliveries().len(), 3);
}

#[tokio::test]
async fn a_refused_event_comes_again_with_a_new_signature_while_others_go_on() {
    let listener = Listener::start().await;
    let desk = desk(&listener, DeliveryPlan::default()).await;
    listener.refuse(&[StatusCode::SERVICE_UNAVAILABLE, StatusCode::OK, StatusCode::FOUND]);
    desk.pay("visa", "").await;
    desk.stripe.wait_until_delivered(SOON).await.unwrap();
    assert_eq!((desk.stripe.deliveries(), desk.stripe.acknowledged()), (5, 3));
    let expected = ids(&desk.stripe.events());
    let heard = ids(&listener.events());
    assert_eq!(heard[..3], expected[..]);
    assert_eq!(heard[3..], [expected[0].clone(), expected[2].clone()]);
}

#[tokio::test]
async fn an_event_nobody_takes_stays_undelivered_and_can_be_sent_again() {
    let listener = Listener::start().await;
    let desk = desk(&listener, DeliveryPlan::default()).await;
    listener.refuse(&[StatusCode::INTERNAL_SERVER_ERROR; 4]);
    let made = desk.post("/v1/payment_intents", "amount=100&currency=eur").await;
    assert!(
        desk.stripe
            .wait_until_delivered(Duration::from_millis(600))
            .await
            .is_err()
    );
    assert_eq!((desk.stripe.deliveries(), desk.stripe.undelivered()), (4, 1));
    listener.refuse(&[StatusCode::INTERNAL_SERVER_ERROR]);
    let event = &desk.stripe.events()[0];
    assert_eq!(event["data"]["object"]["id"], made.id());
    desk.stripe.resend(event["id"].as_str().unwrap()).unwrap();
    desk.stripe.wait_until_delivered(SOON).await.unwrap();
    assert_eq!(desk.stripe.acknowledged(), 1);
}

#[tokio::test]
async fn an_endpoint_hears_only_of_what_it_asked_for_and_signs_with_every_secret() {
    let listener = Listener::start().await;
    let desk = Desk::open().await;
    let mut endpoint = listener.endpoint();
    endpoint.events = vec!["charge.*".to_owned(), "refund.created".to_owned()];
    endpoint.api_version = Some("2025-01-27.acacia".to_owned());
    let id = desk.stripe.add_endpoint(endpoint);
    let paid = desk.pay("visa", "").await;
    desk.stripe
        .change_endpoint(&id, |spec| spec.secrets.push("whsec_second".to_owned()))
        .unwrap();
    desk.stripe.wait_until_delivered(SOON).await.unwrap();
    desk.post("/v1/refunds", &format!("payment_intent={}", paid.id()))
        .await;
    desk.stripe.wait_until_delivered(SOON).await.unwrap();
    let events = listener.events();
    assert_eq!(
        kinds(&events),
        [
            "charge.succeeded",
            "charge.updated",
            "refund.created",
            "charge.refunded"
        ]
    );
    assert_eq!(events[0]["api_version"], "2025-01-27.acacia");
    let last = listener.deliveries().pop().unwrap().signature;
    assert_eq!(last.matches(",v1=").count(), 2);
}

#[tokio::test]
async fn many_endpoints_are_served_independently() {
    let (one, other) = (Listener::start().await, Listener::start().await);
    let desk = desk(&one, DeliveryPlan::default().concurrent(4)).await;
    desk.stripe.add_endpoint(other.endpoint());
    for _ in 0..5 {
        desk.pay("visa", "").await;
    }
    desk.stripe.wait_until_delivered(SOON).await.unwrap();
    assert_eq!((one.deliveries().len(), other.deliveries().len()), (15, 15));
}
