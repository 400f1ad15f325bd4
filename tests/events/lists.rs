//! Which events there are, and how many.

use quittance::app::setup;
use quittance::domain::ids::ProviderAccountId;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Operator, as_key, deliver, each, event, ignored, key, lately, settled, unknown};
use crate::support::{Reply, TestApp, Wishes};

/// Told only of what the test tells.
async fn quiet() -> TestApp {
    TestApp::spawn_with(Wishes {
        webhooks: false,
        ..Wishes::default()
    })
    .await
}

#[tokio::test]
async fn events_are_listed_newest_first_by_state_type_object_account_and_time() {
    let test = quiet().await;
    let known = ignored(&test, 3).await;
    let mut late = event("evt_late", "payment_intent.created", &json!({ "id": "pi_1" }));
    late["created"] = json!(1_790_000_060);
    deliver(&test, &late).await;
    settled(&test).await;
    let list = async |query: &str| {
        test.get(&format!("/v1/events{query}"))
            .await
            .expect(StatusCode::OK)
    };

    let whole = list("").await;
    assert_eq!(
        each(&whole, "provider_reference"),
        [&["evt_late".to_owned()][..], &known].concat()
    );
    assert_eq!(whole["next_cursor"], json!(null));
    let first = &whole["data"][1];
    assert_eq!(first["type"], "product.created");
    assert_eq!(first["object"], "prod_evt_2");
    assert_eq!(first["state"], "ignored");
    assert_eq!(first["source"], "delivery");
    assert_eq!(first["api_version"], "2026-09-30.endive");
    assert_eq!(first["created"], "2026-09-21T14:13:22Z");
    assert_eq!(first["provider_account"], test.account.to_string());
    let path = format!("/v1/events/{}", first["id"].as_str().unwrap());
    assert_eq!(&test.get(&path).await.expect(StatusCode::OK), first);

    let other = ProviderAccountId::generate();
    for (query, count) in [
        ("?state=ignored".to_owned(), 4),
        ("?state=dead".to_owned(), 0),
        ("?type=product.created".to_owned(), 3),
        ("?type=product".to_owned(), 0),
        ("?object=pi_1".to_owned(), 1),
        (format!("?provider_account={}", test.account), 4),
        (format!("?provider_account={other}"), 0),
        ("?created_from=2026-09-21T14:14:20Z".to_owned(), 1),
        ("?created_before=2026-09-21T14:14:20Z".to_owned(), 3),
        ("?type=product.created&object=prod_evt_1".to_owned(), 1),
    ] {
        assert_eq!(
            list(&query).await["data"].as_array().unwrap().len(),
            count,
            "{query}"
        );
    }
}

#[tokio::test]
async fn pages_hold_every_event_once_while_more_of_them_come() {
    let test = quiet().await;
    let known = ignored(&test, 5).await;
    let (mut seen, mut query, mut pages) = (Vec::new(), "?limit=2".to_owned(), 0);
    loop {
        let page = test
            .get(&format!("/v1/events{query}"))
            .await
            .expect(StatusCode::OK);
        seen.extend(each(&page, "provider_reference").into_iter().map(str::to_owned));
        let Some(cursor) = page["next_cursor"].as_str() else {
            break;
        };
        query = format!("?limit=2&cursor={cursor}");
        pages += 1;
        deliver(&test, &unknown(&format!("evt_more_{}", 1_000 + pages))).await;
    }
    assert_eq!(seen, known);
}

#[tokio::test]
async fn counts_tell_what_nobody_follows_by_its_type() {
    let test = quiet().await;
    for number in 1..=3 {
        deliver(&test, &lately(unknown(&format!("evt_{number}")))).await;
    }
    let price = event("evt_100", "price.created", &json!({ "id": "price_1" }));
    deliver(&test, &lately(price)).await;
    settled(&test).await;
    let counts = async |query: &str| {
        test.get(&format!("/v1/events/counts{query}"))
            .await
            .expect(StatusCode::OK)["data"]
            .clone()
    };
    let both = json!([
        { "type": "product.created", "state": "ignored", "count": 3 },
        { "type": "price.created", "state": "ignored", "count": 1 },
    ]);
    assert_eq!(counts("").await, both);
    let recent = (crate::support::now() - time::Duration::seconds(30))
        .format(&time::format_description::well_known::Rfc3339)
        .unwrap();
    assert_eq!(counts(&format!("?since={recent}")).await, json!([both[1]]));
}

#[tokio::test]
async fn nobody_sees_or_replays_another_merchants_events_and_test_and_live_never_mix() {
    let test = quiet().await;
    ignored(&test, 1).await;
    let app = test.application().app();
    let stranger = setup::add_merchant(app, "Stranger").await.unwrap();
    let own = Operator::of(&test).await;
    let id = own.get("/v1/events").await.expect(StatusCode::OK)["data"][0]["id"].clone();
    let id = id.as_str().unwrap();
    for (merchant, live) in [(stranger, false), (test.merchant, true)] {
        let key = key(&test, merchant, live).await;
        let ask = async |method: Method, path: &str, body: &Value| {
            let request = test.request(method.clone(), path);
            let request = match method {
                Method::POST => request.json(body),
                _ => request,
            };
            Reply::of(as_key(request, &key)).await
        };
        let nothing = json!({});
        for path in ["/v1/events", "/v1/events/counts"] {
            let shown = ask(Method::GET, path, &nothing).await.expect(StatusCode::OK);
            assert_eq!(shown["data"], json!([]));
        }
        for what in ["", "/payload"] {
            let reply = ask(Method::GET, &format!("/v1/events/{id}{what}"), &nothing).await;
            assert_eq!(reply.expect(StatusCode::NOT_FOUND)["code"], "not_found");
        }
        ask(Method::POST, &format!("/v1/events/{id}/replay"), &nothing)
            .await
            .expect(StatusCode::NOT_FOUND);
        let all = json!({ "state": "ignored" });
        let replayed = ask(Method::POST, "/v1/events/replay", &all).await;
        assert_eq!(replayed.expect(StatusCode::OK)["replayed"], 0);
    }
    assert_eq!(test.count("webhook_event where replayed_at is not null").await, 0);
    for unknown in ["evt_01h455vb4pex5vsknk084sn02q", "evt_0", "nonsense"] {
        for what in ["", "/payload"] {
            own.get(&format!("/v1/events/{unknown}{what}"))
                .await
                .expect(StatusCode::NOT_FOUND);
        }
        own.post(&format!("/v1/events/{unknown}/replay"), &json!({}))
            .await
            .expect(StatusCode::NOT_FOUND);
    }
}
