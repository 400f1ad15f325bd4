//! Bad input gets a clear answer and changes nothing.

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{Operator, ignored, impatient};
use crate::support::TestApp;

const WRONG: StatusCode = StatusCode::UNPROCESSABLE_ENTITY;

#[tokio::test]
async fn each_wrong_parameter_of_the_lists_is_named() {
    let test = TestApp::spawn().await;
    let events = [
        ("?limit=0", WRONG, "invalid_limit"),
        ("?limit=101", WRONG, "invalid_limit"),
        ("?limit=-1", StatusCode::BAD_REQUEST, "invalid_query"),
        ("?cursor=%00", WRONG, "invalid_cursor"),
        ("?cursor=bXNnXzE", WRONG, "invalid_cursor"),
        ("?state=pending", StatusCode::BAD_REQUEST, "invalid_query"),
        ("?type=a%00b", WRONG, "invalid_text"),
        ("?object=a%00b", WRONG, "invalid_text"),
        ("?provider_account=acct_1", WRONG, "invalid_id"),
        ("?created_from=yesterday", WRONG, "invalid_time"),
        ("?created_before=2026-13-01T00:00:00Z", WRONG, "invalid_time"),
        ("?sort=oldest", StatusCode::BAD_REQUEST, "invalid_query"),
        ("/counts?since=soon", WRONG, "invalid_time"),
        ("/counts?since=2020-01-01T00:00:00Z", WRONG, "too_long_ago"),
        (
            "/counts?until=2020-01-01T00:00:00Z",
            StatusCode::BAD_REQUEST,
            "invalid_query",
        ),
    ];
    let outbox = [
        ("?limit=0", WRONG, "invalid_limit"),
        ("?cursor=cGF5XzE", WRONG, "invalid_cursor"),
        ("?state=applied", StatusCode::BAD_REQUEST, "invalid_query"),
        ("?payment=evt_1", WRONG, "invalid_id"),
        ("?odoo_instance=1", WRONG, "invalid_id"),
        ("?type=x", StatusCode::BAD_REQUEST, "invalid_query"),
    ];
    let events = events.map(|(query, status, code)| (format!("/v1/events{query}"), status, code));
    let outbox = outbox.map(|(query, status, code)| (format!("/v1/outbox{query}"), status, code));
    for (path, status, code) in events.into_iter().chain(outbox) {
        let problem = test.get(&path).await.expect(status);
        assert_eq!(problem["code"], code, "{path}");
    }
}

#[expect(clippy::too_many_lines, reason = "a table")]
#[tokio::test]
async fn each_wrong_field_of_a_replay_is_named_and_nothing_is_replayed() {
    let test = TestApp::spawn_with(impatient()).await;
    let operator = Operator::of(&test).await;
    ignored(&test, 1).await;
    let cases: [(Value, &str, &str); 10] = [
        (json!({}), "state", "missing_field"),
        (
            json!({ "state": "ignored", "limit": 0 }),
            "limit",
            "invalid_limit",
        ),
        (
            json!({ "state": "ignored", "limit": 1_001 }),
            "limit",
            "invalid_limit",
        ),
        (
            json!({ "state": "ignored", "limit": -1 }),
            "limit",
            "invalid_field",
        ),
        (json!({ "state": "gone" }), "state", "invalid_field"),
        (
            json!({ "state": "ignored", "cursor": "x" }),
            "cursor",
            "invalid_cursor",
        ),
        (
            json!({ "state": "ignored", "type": "a\u{0}" }),
            "type",
            "invalid_text",
        ),
        (
            json!({ "state": "ignored", "created_from": "x" }),
            "created_from",
            "invalid_time",
        ),
        (
            json!({ "state": "ignored", "provider_account": "x" }),
            "provider_account",
            "invalid_id",
        ),
        (
            json!({ "state": "ignored", "kind": "x" }),
            "kind",
            "unknown_field",
        ),
    ];
    for (body, field, code) in cases {
        let problem = operator.post("/v1/events/replay", &body).await.expect(WRONG);
        assert_eq!(
            (&problem["field"], &problem["code"]),
            (&json!(field), &json!(code)),
            "{body}"
        );
    }
    for (body, field, code) in [
        (json!({}), "state", "missing_field"),
        (json!({ "state": "sent" }), "state", "invalid_state"),
        (json!({ "state": "skipped" }), "state", "invalid_state"),
        (json!({ "state": "dead", "limit": 0 }), "limit", "invalid_limit"),
        (
            json!({ "state": "dead", "payment": "x" }),
            "payment",
            "invalid_id",
        ),
    ] {
        let problem = operator.post("/v1/outbox/replay", &body).await.expect(WRONG);
        assert_eq!(
            (&problem["field"], &problem["code"]),
            (&json!(field), &json!(code)),
            "{body}"
        );
    }
    let list = operator.get("/v1/events").await.expect(StatusCode::OK);
    let id = list["data"][0]["id"].as_str().unwrap();
    let more = operator
        .post(&format!("/v1/events/{id}/replay"), &json!({ "now": true }))
        .await;
    assert_eq!(more.expect(WRONG)["code"], "unknown_field");
    assert_eq!(test.count("webhook_event where replayed_at is not null").await, 0);
}
