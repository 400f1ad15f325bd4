//! What customers left: shown, chosen, taken back, here or in the dashboard.

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{card, customer, dashboard, setup, show, text, until};
use crate::support::{TestApp, Wishes};

fn ids(list: &Value) -> Vec<&str> {
    let data = list["data"].as_array().unwrap();
    data.iter().map(|method| text(&method["id"])).collect()
}

#[tokio::test]
async fn methods_are_listed_one_is_the_default_and_one_that_is_detached_is_gone_for_ever() {
    let test = TestApp::spawn().await;
    let ada = customer(&test, "p").await;
    let (first, second) = (card(&test, "s-1", &ada).await, card(&test, "s-2", &ada).await);
    let list = format!("/v1/customers/{}/payment_methods", text(&ada["id"]));
    assert_eq!(ids(&show(&test, &list).await), [second.as_str(), first.as_str()]);

    let path = format!("/v1/payment_methods/{first}");
    let chosen = test.post(&format!("{path}/default"), "d", &json!({})).await;
    assert_eq!(chosen.expect(StatusCode::OK)["default"], true);
    let whose = format!("/v1/customers/{}", text(&ada["id"]));
    assert_eq!(show(&test, &whose).await["default_payment_method"], json!(first));

    let gone = test.post(&format!("{path}/detach"), "x", &json!({})).await;
    let gone = gone.expect(StatusCode::OK);
    assert_eq!(
        (&gone["state"], &gone["default"]),
        (&json!("detached"), &json!(false))
    );
    assert_eq!(show(&test, &whose).await["default_payment_method"], json!(null));
    assert_eq!(ids(&show(&test, &list).await), [second.as_str()]);
    assert_eq!(show(&test, &path).await["state"], "detached");
    for refused in [
        test.post(&format!("{path}/default"), "d-2", &json!({})).await,
        setup(&test, "s-3", &ada, json!({ "payment_method": first })).await,
    ] {
        assert_eq!(
            refused.expect(StatusCode::CONFLICT)["code"],
            "payment_method_detached"
        );
    }
    let repeat = test.post(&format!("{path}/detach"), "x-2", &json!({})).await;
    assert_eq!(repeat.expect(StatusCode::OK)["state"], "detached");
}

#[tokio::test]
async fn a_method_of_one_customer_is_not_anothers() {
    let test = TestApp::spawn().await;
    let (ada, bea) = (customer(&test, "a").await, customer(&test, "b").await);
    let method = card(&test, "s", &ada).await;
    let refused = setup(&test, "s-2", &bea, json!({ "payment_method": method })).await;
    assert_eq!(refused.expect(StatusCode::NOT_FOUND)["code"], "not_found");
    let mandate = test.get(&format!("/v1/payment_methods/{method}/mandate")).await;
    mandate.expect(StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn what_is_done_in_the_dashboard_is_seen_here() {
    let test = TestApp::spawn().await;
    let ada = customer(&test, "p").await;
    let theirs = text(&ada["provider_reference"]);
    let attach = "/v1/payment_methods/pm_card_mastercard/attach";
    let attached = dashboard(&test, attach, &[("customer", theirs)]).await;
    let list = format!("/v1/customers/{}/payment_methods", text(&ada["id"]));
    let seen = until(&test, &list, |list| ids(list).len() == 1).await;
    assert_eq!(
        (&seen["data"][0]["brand"], &seen["data"][0]["provider_reference"]),
        (&json!("mastercard"), &attached["id"])
    );
    let method = format!("/v1/payment_methods/{}", text(&seen["data"][0]["id"]));
    test.post(&format!("{method}/default"), "d", &json!({}))
        .await
        .expect(StatusCode::OK);

    let theirs = format!("/v1/payment_methods/{}", text(&attached["id"]));
    dashboard(&test, &format!("{theirs}/detach"), &[]).await;
    let gone = until(&test, &method, |method| method["state"] == "detached").await;
    assert_eq!(gone["default"], false);

    // An event that was held up tells of a time that is over.
    let events = test.stripe.events();
    let attached = events
        .iter()
        .find(|event| event["type"] == "payment_method.attached");
    let event = text(&attached.unwrap()["id"]).to_owned();
    sqlx::query("update webhook_event set state = 'received', due_at = now() where event_id = $1")
        .bind(&event)
        .execute(&test.db)
        .await
        .unwrap();
    crate::support::eventually(async || {
        let open = test.count("webhook_event where due_at is not null").await;
        if open == 0 {
            Ok(())
        } else {
            Err(format!("{open} open"))
        }
    })
    .await;
    assert_eq!(show(&test, &method).await["state"], "detached");
}

#[tokio::test]
async fn strangers_methods_are_nobodys_here() {
    let test = TestApp::spawn().await;
    let stranger = dashboard(&test, "/v1/customers", &[("name", "Stranger")]).await;
    let attach = "/v1/payment_methods/pm_card_visa/attach";
    dashboard(&test, attach, &[("customer", text(&stranger["id"]))]).await;
    crate::support::eventually(async || {
        let ignored = test
            .count("webhook_event where kind = 'payment_method.attached' and state = 'ignored'")
            .await;
        if ignored == 1 {
            Ok(())
        } else {
            Err(format!("{ignored}"))
        }
    })
    .await;
    assert_eq!(test.count("payment_method").await, 0);
}

#[tokio::test]
async fn a_refresh_takes_in_what_the_provider_has_and_lets_go_of_what_it_has_not() {
    let test = TestApp::spawn_with(Wishes {
        webhooks: false,
        ..Wishes::default()
    })
    .await;
    let ada = customer(&test, "p").await;
    let first = card(&test, "s", &ada).await;
    let theirs = show(&test, &format!("/v1/payment_methods/{first}")).await;
    let detach = format!(
        "/v1/payment_methods/{}/detach",
        text(&theirs["provider_reference"])
    );
    dashboard(&test, &detach, &[]).await;
    let attach = "/v1/payment_methods/pm_card_amex/attach";
    dashboard(&test, attach, &[("customer", text(&ada["provider_reference"]))]).await;

    let list = format!("/v1/customers/{}/payment_methods", text(&ada["id"]));
    assert_eq!(ids(&show(&test, &list).await), [first.as_str()]);
    let fresh = show(&test, &format!("{list}?refresh=true")).await;
    assert_eq!(fresh["data"].as_array().unwrap().len(), 1);
    assert_eq!(fresh["data"][0]["brand"], "amex");
    assert_eq!(
        show(&test, &format!("/v1/payment_methods/{first}")).await["state"],
        "detached"
    );
}
