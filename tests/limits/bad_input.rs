//! JSON, texts and headers that mean mischief: each gets a stable code, the field, and leaves nothing.
//!
//! What each field may hold is in `api::bad_input` and its like; here is what is the same for every route.

use reqwest::{Method, StatusCode};
use serde_json::Value;

use crate::support::{Reply, TestApp};

async fn post(
    test: &TestApp,
    body: impl Into<reqwest::Body>,
    headers: &[(&str, &str)],
) -> (StatusCode, Value) {
    let mut request = test
        .request(Method::POST, "/v1/payments")
        .header("Idempotency-Key", "k")
        .body(body);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let reply = Reply::of(request).await;
    assert_eq!(reply.header("Content-Type"), Some("application/problem+json"));
    (reply.status, reply.json())
}

/// A request for a payment with a text in the place of the amount's number.
fn amount(number: &str) -> String {
    format!(r#"{{"reference":"S1","currency":"EUR","amount_minor":{number}}}"#)
}

#[tokio::test]
async fn json_that_can_be_read_in_two_ways_or_is_too_much_is_refused_by_name() {
    let test = TestApp::spawn().await;
    let whole = "amount_minor";
    let metadata = r#"{"reference":"S1","currency":"EUR","amount_minor":1,"metadata":{"k":"1","k":"2"}}"#;
    let deep = |depth: usize| format!(r#"{{"metadata":{}}}"#, r#"{"a":"#.repeat(depth));
    let cases = [
        (amount("1,\"amount_minor\":2"), 422, "duplicate_key", whole),
        (metadata.to_owned(), 422, "duplicate_key", "metadata.k"),
        (amount("1e400"), 400, "malformed_json", ""),
        (amount("1e2"), 422, "invalid_field", whole),
        (amount("100.0"), 422, "invalid_field", whole),
        (amount("-0"), 422, "invalid_field", whole),
        (amount("9223372036854775807"), 422, "invalid_amount", whole),
        (amount("9223372036854775808"), 422, "invalid_field", whole),
        (amount("-9223372036854775809"), 422, "invalid_field", whole),
        (amount("1").repeat(2), 400, "malformed_json", ""),
        (amount("NaN"), 400, "malformed_json", ""),
        (amount("007"), 400, "malformed_json", ""),
        (amount("\"\\ud800\""), 400, "malformed_json", ""),
        (deep(40), 400, "json_too_deep", ""),
        (deep(40_000), 400, "json_too_deep", ""),
        (format!("[{}0]", "0,".repeat(100_000)), 400, "json_too_large", ""),
        (
            format!(r#"{{"settles":[{}{{}}]}}"#, "{},".repeat(20_000)),
            400,
            "json_too_large",
            "",
        ),
        ("null".to_owned(), 422, "invalid_field", "body"),
        ("[\"S1\"]".to_owned(), 422, "invalid_field", "body"),
    ];
    for (body, status, code, field) in cases {
        let shown = body[..body.len().min(80)].to_owned();
        let (got, problem) = post(&test, body, &[]).await;
        assert_eq!(
            (got.as_u16(), &problem["code"]),
            (status, &Value::from(code)),
            "{shown}: {problem}"
        );
        assert_eq!(
            problem["field"].as_str().unwrap_or_default(),
            field,
            "{shown}: {problem}"
        );
    }
    let (status, problem) = post(&test, b"{\"reference\":\"\xff\xfe\"}".to_vec(), &[]).await;
    assert_eq!(
        (status.as_u16(), &problem["code"]),
        (400, &Value::from("malformed_json"))
    );
    assert_eq!(
        test.count("payment").await + test.count("idempotency_record").await,
        0
    );
}

#[tokio::test]
async fn a_body_that_is_not_said_to_be_json_or_is_compressed_is_refused() {
    let test = TestApp::spawn().await;
    let cases = [
        ("Content-Type", "text/plain", 415, "unsupported_media_type"),
        (
            "Content-Type",
            "application/x-www-form-urlencoded",
            415,
            "unsupported_media_type",
        ),
        (
            "Content-Type",
            "multipart/form-data; boundary=x",
            415,
            "unsupported_media_type",
        ),
        (
            "Content-Type",
            "application/json; charset=utf-8",
            422,
            "missing_field",
        ),
        ("Content-Type", "application/vnd.api+json", 422, "missing_field"),
        ("Content-Encoding", "gzip", 415, "content_encoding_unsupported"),
        (
            "Content-Encoding",
            "br, gzip",
            415,
            "content_encoding_unsupported",
        ),
        ("Content-Encoding", "identity", 422, "missing_field"),
    ];
    for (name, value, status, code) in cases {
        let (got, problem) = post(&test, "{}", &[(name, value)]).await;
        assert_eq!(
            (got.as_u16(), &problem["code"]),
            (status, &Value::from(code)),
            "{value}"
        );
        assert_eq!(problem["field"] == name, status == 415, "{value}: {problem}");
    }
    let bomb = test
        .request(Method::POST, &format!("/webhooks/stripe/{}", test.account))
        .header("Content-Encoding", "gzip")
        .body("x");
    let refused = Reply::of(bomb).await.expect(StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!(refused["code"], "content_encoding_unsupported");
    assert_eq!(test.count("idempotency_record").await, 0);
}

#[tokio::test]
async fn paths_and_queries_that_are_no_text_are_refused() {
    let test = TestApp::spawn().await;
    let cases = [
        ("/v1/payments/%00", 404, "not_found"),
        ("/v1/payments/%ff%fe", 404, "not_found"),
        ("/v1/payments/%2e%2e%2f%2e%2e", 404, "not_found"),
        ("/v1/payments?reference=%00", 422, "invalid_text"),
        ("/v1/payments?reference=a%00b", 422, "invalid_text"),
        ("/v1/payments?reference=%ff", 422, "invalid_text"),
        ("/v1/payments?%ff=1", 422, "invalid_text"),
        ("/v1/payments?limit=1&limit=2", 400, "invalid_query"),
        ("/v1/payments?limit=1e400", 400, "invalid_query"),
        ("/v1/payments?limit=9223372036854775808", 422, "invalid_limit"),
        ("/v1/payments?limit=101", 422, "invalid_limit"),
        ("/v1/customers?partner=%00", 422, "invalid_text"),
        ("/v1/payments?cursor=%2500", 422, "invalid_cursor"),
    ];
    for (path, status, code) in cases {
        let reply = test.get(path).await;
        assert_eq!(reply.status.as_u16(), status, "{path}");
        assert_eq!(reply.json()["code"], code, "{path}");
    }
    assert_eq!(test.get("/v1/payments?reference=%").await.status, StatusCode::OK);
    assert_eq!(
        test.get("/v1/payments?reference=%E2%82%AC").await.status,
        StatusCode::OK
    );
    assert_eq!(
        test.get(&format!("/v1/payments?reference={}", "x".repeat(8_000)))
            .await
            .status,
        StatusCode::OK
    );
}
