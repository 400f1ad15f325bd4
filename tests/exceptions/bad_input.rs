//! Bad input gets a clear answer and changes nothing.

use reqwest::StatusCode;
use serde_json::json;

use super::{newest, open, path, quiet, short};
use crate::events::Operator;

const WRONG: StatusCode = StatusCode::UNPROCESSABLE_ENTITY;

#[tokio::test]
async fn each_wrong_parameter_of_the_list_is_named() {
    let test = quiet().await;
    for (query, status, code) in [
        ("?limit=0", WRONG, "invalid_limit"),
        ("?limit=101", WRONG, "invalid_limit"),
        ("?limit=-1", StatusCode::BAD_REQUEST, "invalid_query"),
        ("?cursor=%00", WRONG, "invalid_cursor"),
        ("?cursor=bXNnXzE", WRONG, "invalid_cursor"),
        ("?kind=moon_phase", StatusCode::BAD_REQUEST, "invalid_query"),
        ("?state=closed", StatusCode::BAD_REQUEST, "invalid_query"),
        ("?payment=pi_1", WRONG, "invalid_id"),
        ("?payout=a%00b", WRONG, "invalid_text"),
        ("?since=yesterday", WRONG, "invalid_time"),
        ("?until=2026-13-01T00:00:00Z", WRONG, "invalid_time"),
        ("?sort=oldest", StatusCode::BAD_REQUEST, "invalid_query"),
    ] {
        let problem = test.get(&format!("/v1/exceptions{query}")).await.expect(status);
        assert_eq!(problem["code"], code, "{query}");
    }
}

#[tokio::test]
async fn a_reason_that_says_nothing_is_refused_and_nothing_is_changed() {
    let test = quiet().await;
    let operator = Operator::of(&test).await;
    open(&test, &short(&test, "ch_1", "short", 900)).await;
    let exception = newest(&operator).await;
    let long = "x".repeat(501);
    for (body, code) in [
        (json!({}), "missing_field"),
        (json!({ "reason": "" }), "invalid_reason"),
        (json!({ "reason": " \n" }), "invalid_reason"),
        (json!({ "reason": "a\u{0}b" }), "invalid_reason"),
        (json!({ "reason": "card 4242 4242 4242 4242" }), "invalid_reason"),
        (json!({ "reason": long }), "invalid_reason"),
        (json!({ "reason": 1 }), "invalid_field"),
        (json!({ "reason": "x", "by": "me" }), "unknown_field"),
    ] {
        for what in ["resolve", "reopen"] {
            let refused = operator.post(&path(&exception, what), &body).await;
            assert_eq!(refused.expect(WRONG)["code"], code, "{what} {body}");
        }
    }
    assert_eq!(newest(&operator).await, exception);
}
