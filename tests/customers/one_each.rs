//! One partner, one customer.

use futures::future::join_all;
use quittance::app::setup::{add_merchant, create_api_key};
use reqwest::{Method, StatusCode};
use secrecy::ExposeSecret;
use serde_json::json;

use super::{asked, card, customer, made, setup, show, text};
use crate::support::{Reply, TestApp};

#[tokio::test]
async fn sixteen_at_once_make_one_customer_at_the_provider() {
    let test = TestApp::spawn().await;
    let put = async |n: usize| {
        let body = json!({ "partner": "res.partner,7", "name": "Ada", "email": "ada@shop.example" });
        test.post("/v1/customers", &format!("k-{n}"), &body)
            .await
            .expect(StatusCode::OK)
    };
    let answers = join_all((0..16).map(put)).await;

    assert_eq!(made(&test), 1);
    assert_eq!(test.count("customer").await, 1);
    for answer in &answers {
        assert_eq!(answer["id"], answers[0]["id"]);
        assert!(text(&answer["provider_reference"]).starts_with("cus_"));
        assert_ne!(answer["id"], answer["provider_reference"]);
    }
}

#[tokio::test]
async fn different_names_at_once_make_one_customer_that_the_provider_knows_by_the_name_we_hold() {
    let test = TestApp::spawn().await;
    let put = async |n: usize| {
        let body = json!({ "partner": "p", "name": format!("Name {n}") });
        test.post("/v1/customers", &format!("k-{n}"), &body)
            .await
            .expect(StatusCode::OK)
    };
    let answers = join_all((0..4).map(put)).await;

    assert_eq!(made(&test), 1);
    let held = show(&test, &format!("/v1/customers/{}", text(&answers[0]["id"]))).await;
    let path = format!("/v1/customers/{}", text(&held["provider_reference"]));
    let request = reqwest::Client::builder()
        .build()
        .unwrap()
        .get(format!("{}{path}", test.stripe.url()))
        .bearer_auth(test.stripe.secret_key());
    let there = Reply::of(request).await.expect(StatusCode::OK);
    assert_eq!(there["name"], held["name"]);
    assert_eq!(there["metadata"]["quittance_customer"], held["id"]);
}

#[tokio::test]
async fn a_changed_address_is_told_and_an_unchanged_one_is_not() {
    let test = TestApp::spawn().await;
    let ada = customer(&test, "p").await;
    let path = format!("/v1/customers/{}", text(&ada["provider_reference"]));
    let again = test
        .post("/v1/customers", "same", &json!({ "partner": "p", "name": "Ada" }))
        .await
        .expect(StatusCode::OK);
    assert_eq!(
        (&again["id"], asked(&test, &Method::POST, &path)),
        (&ada["id"], 0)
    );

    let change = json!({ "partner": "p", "email": "ada@new.example", "metadata": { "vat": "AT1" } });
    let changed = test
        .post("/v1/customers", "change", &change)
        .await
        .expect(StatusCode::OK);
    assert_eq!(
        (&changed["name"], &changed["email"]),
        (&json!("Ada"), &json!("ada@new.example"))
    );
    assert_eq!(asked(&test, &Method::POST, &path), 1);
    let events = test.stripe.events();
    let told = &events.last().unwrap()["data"]["object"];
    assert_eq!(
        (&told["email"], &told["metadata"]["vat"]),
        (&json!("ada@new.example"), &json!("AT1"))
    );
}

#[tokio::test]
async fn the_same_key_is_answered_byte_for_byte_whatever_happened_since() {
    let test = TestApp::spawn().await;
    let body = json!({ "partner": "p", "name": "Ada" });
    let first = test.post("/v1/customers", "k", &body).await;
    let change = json!({ "partner": "p", "name": "Bea" });
    test.post("/v1/customers", "k-2", &change)
        .await
        .expect(StatusCode::OK);
    let replay = test.post("/v1/customers", "k", &body).await;
    assert_eq!((replay.status, &replay.bytes), (first.status, &first.bytes));
    assert_eq!(replay.header("Idempotency-Replayed"), Some("true"));
    let other = test.post("/v1/customers", "k", &change).await;
    assert_eq!(
        other.expect(StatusCode::UNPROCESSABLE_ENTITY)["code"],
        "idempotency_key_reused"
    );

    let ada = first.json();
    let left = setup(&test, "s", &ada, json!({ "payment_method": "pm_card_visa" })).await;
    let method = format!("/v1/payment_methods/{}", text(&left.json()["payment_method"]));
    let set = test.post(&format!("{method}/default"), "d", &json!({})).await;
    let gone = test.post(&format!("{method}/detach"), "x", &json!({})).await;
    gone.expect(StatusCode::OK);
    for (path, key, first) in [
        (format!("{method}/default"), "d", &set),
        (format!("{method}/detach"), "x", &gone),
    ] {
        let replay = test.post(&path, key, &json!({})).await;
        assert_eq!(
            (replay.status, &replay.bytes),
            (first.status, &first.bytes),
            "{path}"
        );
    }
    let replay = setup(&test, "s", &ada, json!({ "payment_method": "pm_card_visa" })).await;
    assert_eq!(replay.bytes, left.bytes);
    assert_eq!(test.stripe.setup_intents().len(), 1);
}

#[tokio::test]
async fn customers_are_found_by_partner_and_listed_page_by_page() {
    let test = TestApp::spawn().await;
    for partner in ["a", "b", "c"] {
        customer(&test, partner).await;
    }
    let found = show(&test, "/v1/customers?partner=b").await;
    assert_eq!(found["data"].as_array().unwrap().len(), 1);
    assert_eq!(found["data"][0]["partner"], "b");
    let first = show(&test, "/v1/customers?limit=2").await;
    assert_eq!(
        (&first["data"][0]["partner"], &first["data"][1]["partner"]),
        (&json!("c"), &json!("b"))
    );
    let cursor = text(&first["next_cursor"]);
    let second = show(&test, &format!("/v1/customers?limit=2&cursor={cursor}")).await;
    assert_eq!(
        (&second["data"][0]["partner"], &second["next_cursor"]),
        (&json!("a"), &json!(null))
    );
}

#[tokio::test]
async fn nobody_sees_what_is_another_merchants_or_of_the_other_mode() {
    let test = TestApp::spawn().await;
    let ada = customer(&test, "p").await;
    let left = setup(&test, "s", &ada, json!({}))
        .await
        .expect(StatusCode::CREATED);
    let method = card(&test, "s-2", &ada).await;
    let (ada, left) = (text(&ada["id"]), text(&left["id"]));
    let app = test.application().app();
    let stranger = add_merchant(app, "Stranger").await.unwrap();
    let http = reqwest::Client::builder().build().unwrap();
    for (merchant, live) in [(stranger, false), (test.merchant, true)] {
        let (_, key) = create_api_key(app, merchant, "other", live).await.unwrap();
        let key = key.text.expose_secret();
        for path in [
            format!("customers/{ada}"),
            format!("customers/{ada}/payment_methods"),
            format!("setups/{left}"),
            format!("setups/{left}?refresh=true"),
            format!("payment_methods/{method}"),
            format!("payment_methods/{method}/mandate"),
        ] {
            let read = http.get(format!("{}/v1/{path}", test.url)).bearer_auth(key);
            let problem = Reply::of(read).await.expect(StatusCode::NOT_FOUND);
            assert_eq!(problem["code"], "not_found", "{path}");
        }
        for (path, body) in [
            (format!("payment_methods/{method}/default"), json!({})),
            (format!("payment_methods/{method}/detach"), json!({})),
            ("setups".to_owned(), json!({ "customer": ada })),
        ] {
            let post = http
                .post(format!("{}/v1/{path}", test.url))
                .bearer_auth(key)
                .header("Idempotency-Key", &path)
                .json(&body);
            let problem = Reply::of(post).await.expect(StatusCode::NOT_FOUND);
            assert_eq!(problem["code"], "not_found", "{path}");
        }
        let list = http.get(format!("{}/v1/customers", test.url)).bearer_auth(key);
        assert_eq!(Reply::of(list).await.expect(StatusCode::OK)["data"], json!([]));
    }
    let still = show(&test, &format!("/v1/payment_methods/{method}")).await;
    assert_eq!(still["state"], "attached");
}
