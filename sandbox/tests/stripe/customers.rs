//! Customers and the methods that are theirs.

use std::time::Duration;

use axum::http::StatusCode;
use quittance_sandbox::stripe::{Options, Settlement};
use serde_json::Value;

use super::support::{Answered, Desk};

async fn customer(desk: &Desk, more: &str) -> Answered {
    desk.post("/v1/customers", more).await
}

async fn attached(desk: &Desk, customer: &str, name: &str) -> Answered {
    let path = format!("/v1/payment_methods/{name}/attach");
    desk.post(&path, &format!("customer={customer}")).await
}

fn ids(list: &Answered) -> Vec<&str> {
    let data = list.body["data"].as_array().unwrap();
    data.iter().map(|object| object["id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_customer_is_found_by_metadata_once_the_index_has_caught_up() {
    let desk = Desk::open().await;
    let ada = customer(&desk, "metadata[partner]=7&email=ada@shop.example").await;
    customer(&desk, "metadata[partner]=8").await;
    let path = "/v1/customers/search?query=metadata['partner']:'7'";
    let found = desk.get(path).await;
    assert_eq!(
        (ids(&found), &found.body["object"]),
        (vec![ada.id()], &"search_result".into())
    );
    let both = "/v1/customers/search?query=metadata['partner']:'7'+AND+email:'bob@shop.example'";
    assert!(ids(&desk.get(both).await).is_empty());

    let slow = Desk::with(Options {
        settlement: Settlement::OnDemand,
        search_lag: Duration::from_mins(1),
        ..Options::default()
    })
    .await;
    customer(&slow, "metadata[partner]=7").await;
    assert!(ids(&slow.get(path).await).is_empty());
    assert_eq!(ids(&slow.get("/v1/customers").await).len(), 1);
}

#[tokio::test]
async fn a_saved_method_is_its_customers_alone_and_gone_for_ever_once_detached() {
    let desk = Desk::open().await;
    let (ada, bob) = (
        customer(&desk, "name=Ada").await,
        customer(&desk, "name=Bob").await,
    );
    let method = attached(&desk, ada.id(), "pm_card_visa").await;
    assert_eq!(method.body["customer"], ada.id());
    let theft = format!("/v1/payment_methods/{}/attach", method.id());
    assert_eq!(
        desk.post(&theft, &format!("customer={}", bob.id())).await.status,
        StatusCode::BAD_REQUEST
    );
    let pay = async |whose: &str| {
        let form = format!(
            "amount=100&currency=eur&confirm=true&off_session=true&payment_method={}{whose}",
            method.id()
        );
        desk.post("/v1/payment_intents", &form).await
    };
    let (own, others) = (
        format!("&customer={}", ada.id()),
        format!("&customer={}", bob.id()),
    );
    for whose in ["", &others] {
        assert_eq!(pay(whose).await.body["error"]["param"], "payment_method");
    }
    assert_eq!(pay(&own).await.body["status"], "succeeded");
    assert_eq!(pay(&own).await.body["status"], "succeeded");
    desk.post(&format!("/v1/payment_methods/{}/detach", method.id()), "")
        .await;
    assert_eq!(desk.kinds().last().unwrap(), "payment_method.detached");
    for whose in ["", &own] {
        assert_eq!(pay(whose).await.body["error"]["param"], "payment_method");
    }
    assert_eq!(desk.post(&theft, &own[1..]).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_method_that_is_nobodys_pays_only_once() {
    let desk = Desk::open().await;
    let method = desk
        .post("/v1/payment_methods", "type=card&card[token]=tok_visa")
        .await;
    let form = format!(
        "amount=100&currency=eur&confirm=true&payment_method_types[]=card&payment_method={}",
        method.id()
    );
    let paid = desk.post("/v1/payment_intents", &form).await;
    assert_eq!(paid.body["status"], "succeeded");
    let again = desk.post("/v1/payment_intents", &form).await;
    assert_eq!(again.body["error"]["param"], "payment_method");
    let named = desk
        .post(&format!("/v1/payment_intents/{}", paid.id()), "metadata[a]=b")
        .await;
    assert_eq!(named.body["metadata"]["a"], "b");
}

#[tokio::test]
async fn a_payment_may_save_its_card_and_says_so() {
    let desk = Desk::open().await;
    let ada = customer(&desk, "name=Ada").await;
    let saving = format!("customer={}&setup_future_usage=off_session", ada.id());
    let declined = desk.pay("chargeDeclined", &saving).await;
    assert_eq!(declined.status, StatusCode::PAYMENT_REQUIRED);
    assert!(!desk.kinds().contains(&"payment_method.attached".to_owned()));
    desk.pay("visa", &saving).await;
    assert!(desk.kinds().contains(&"payment_method.attached".to_owned()));
    for path in [
        format!("/v1/payment_methods?customer={}&type=card", ada.id()),
        format!("/v1/customers/{}/payment_methods", ada.id()),
    ] {
        let list = desk.get(&path).await;
        assert_eq!(ids(&list).len(), 1);
        let one = format!("/v1/customers/{}/payment_methods/{}", ada.id(), ids(&list)[0]);
        assert_eq!(desk.get(&one).await.body["customer"], ada.id());
    }
    let none = desk
        .get(&format!(
            "/v1/customers/{}/payment_methods?type=sepa_debit",
            ada.id()
        ))
        .await;
    assert!(ids(&none).is_empty());
}

#[tokio::test]
async fn a_default_method_is_the_customers_own_and_forgotten_when_it_is_detached() {
    let desk = Desk::open().await;
    let ada = customer(&desk, "payment_method=pm_card_visa").await;
    let path = format!("/v1/customers/{}", ada.id());
    let list = desk.get(&format!("{path}/payment_methods")).await;
    let method = ids(&list)[0];
    let param = "invoice_settings[default_payment_method]";
    let refused = desk.post(&path, &format!("{param}=pm_card_visa")).await;
    assert_eq!(
        (refused.code(), refused.body["error"]["param"].as_str()),
        (&"resource_missing".into(), Some(param))
    );
    let set = desk.post(&path, &format!("{param}={method}")).await;
    assert_eq!(set.body["invoice_settings"]["default_payment_method"], method);
    let event = desk.stripe.events().pop().unwrap();
    assert_eq!(event["type"], "customer.updated");
    let before = &event["data"]["previous_attributes"]["invoice_settings"];
    assert_eq!(before["default_payment_method"], Value::Null);
    desk.post(&format!("/v1/payment_methods/{method}/detach"), "")
        .await;
    let forgot = desk.get(&path).await;
    assert_eq!(
        forgot.body["invoice_settings"]["default_payment_method"],
        Value::Null
    );
}

#[tokio::test]
async fn a_deleted_customer_is_remembered_only_as_deleted() {
    let desk = Desk::open().await;
    let ada = customer(&desk, "metadata[partner]=7").await;
    let method = attached(&desk, ada.id(), "pm_card_visa").await;
    let deleted = desk.delete(&format!("/v1/customers/{}", ada.id())).await;
    assert_eq!(
        (&deleted.body["deleted"], &deleted.body["id"]),
        (&true.into(), &ada.body["id"])
    );
    assert_eq!(
        desk.get(&format!("/v1/customers/{}", ada.id())).await.body,
        deleted.body
    );
    assert!(ids(&desk.get("/v1/customers").await).is_empty());
    assert!(
        ids(&desk
            .get("/v1/customers/search?query=metadata['partner']:'7'")
            .await)
        .is_empty()
    );
    let gone = desk.get(&format!("/v1/payment_methods/{}", method.id())).await;
    assert_eq!(gone.body["customer"], Value::Null);
    assert!(
        desk.kinds()
            .ends_with(&["customer.deleted", "payment_method.detached"].map(str::to_owned))
    );
    let form = format!("amount=100&currency=eur&customer={}", ada.id());
    assert_eq!(
        desk.post("/v1/payment_intents", &form).await.body["error"]["param"],
        "customer"
    );
    for again in [
        desk.post(&format!("/v1/customers/{}", ada.id()), "name=Ada")
            .await,
        desk.delete(&format!("/v1/customers/{}", ada.id())).await,
    ] {
        assert_eq!(
            (again.status, again.code()),
            (StatusCode::NOT_FOUND, &"resource_missing".into())
        );
    }
}

#[tokio::test]
async fn a_card_that_its_bank_refuses_is_not_attached() {
    let desk = Desk::open().await;
    let ada = customer(&desk, "").await;
    let refused = attached(&desk, ada.id(), "pm_card_chargeDeclined").await;
    assert_eq!(
        (refused.status, refused.code()),
        (StatusCode::PAYMENT_REQUIRED, &"card_declined".into())
    );
    let kept = attached(&desk, ada.id(), "pm_card_chargeCustomerFail").await;
    assert_eq!(kept.status, StatusCode::OK);
}
