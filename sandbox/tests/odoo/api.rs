//! Statuses, names and shapes of what is no success.

use quittance_sandbox::odoo::Options;
use serde_json::{Value, json};

use super::client::Odoo;

/// Calls that must fail: path, arguments, status, and how the Python class ends.
type Case = (&'static str, Value, u16, &'static str);

async fn all_fail(cases: impl IntoIterator<Item = Case>) {
    let odoo = Odoo::start(Options::default()).await;
    for (path, arguments, status, class) in cases {
        let (found, answer) = odoo.call(path, arguments.clone()).await;
        assert_eq!(found, status, "{path} {arguments}: {answer}");
        assert!(
            answer["name"].as_str().unwrap().ends_with(class),
            "{path} {arguments}: {answer}"
        );
        assert!(
            answer["debug"].is_string() && answer["arguments"].is_array() && answer["context"].is_object()
        );
    }
}

#[tokio::test]
async fn a_model_method_or_record_that_is_unknown_is_told() {
    all_fail([
        ("no.model/read", json!({}), 404, "NotFound"),
        ("res.partner/dance", json!({}), 404, "NotFound"),
        ("res.partner/_search", json!({}), 403, "AccessError"),
        (
            "res.company/write",
            json!({"ids": [9], "vals": {}}),
            404,
            "MissingError",
        ),
        (
            "account.payment/action_post",
            json!({"ids": [9]}),
            404,
            "MissingError",
        ),
    ])
    .await;
}

#[tokio::test]
async fn an_argument_or_field_that_is_wrong_is_told() {
    all_fail([
        (
            "account.journal/search_read",
            json!({"ids": [1]}),
            422,
            "UnprocessableEntity",
        ),
        (
            "account.journal/search_read",
            json!({"fields": ["x"]}),
            500,
            "builtins.ValueError",
        ),
        (
            "account.payment/search_read",
            json!({"fields": ["x"]}),
            500,
            "builtins.ValueError",
        ),
        (
            "account.journal/search_read",
            json!({"domain": [["x", "=", 1]]}),
            500,
            "builtins.ValueError",
        ),
        (
            "account.journal/search_read",
            json!({"domain": [["id", "~", 1]]}),
            500,
            "builtins.ValueError",
        ),
        (
            "account.journal/search_read",
            json!({"domain": 3}),
            500,
            "builtins.TypeError",
        ),
        (
            "account.journal/search_read",
            json!({"bogus": 1}),
            500,
            "builtins.TypeError",
        ),
        (
            "res.company/write",
            json!({"ids": [1]}),
            422,
            "UnprocessableEntity",
        ),
        (
            "res.company/write",
            json!({"ids": [1], "vals": {"x": 1}}),
            500,
            "builtins.ValueError",
        ),
        (
            "account.payment/load",
            json!({"fields": ["x"], "data": []}),
            500,
            "builtins.ValueError",
        ),
    ])
    .await;
}

#[tokio::test]
async fn a_wrong_key_is_401_and_asks_for_a_bearer() {
    let odoo = Odoo::start(Options::default()).await;
    let old = odoo.pretend.api_key();
    odoo.pretend.replace_api_key("new");

    let response = odoo
        .request("res.partner/read", &old, "acme")
        .json(&json!({}))
        .send()
        .await
        .unwrap();

    assert_eq!(response.status(), 401);
    assert_eq!(response.headers()["www-authenticate"], "Bearer");
}

#[tokio::test]
async fn a_body_a_type_a_database_and_a_verb_that_are_wrong_are_told_apart() {
    let odoo = Odoo::start(Options::default()).await;
    let (path, key) = ("res.partner/search_read", odoo.pretend.api_key());
    let status = async |request: reqwest::RequestBuilder| request.send().await.unwrap().status().as_u16();
    let body = |kind: &str, body: &'static str| {
        odoo.request(path, &key, "acme")
            .header("content-type", kind)
            .body(body)
    };

    assert_eq!(status(body("application/json", "{bad")).await, 400);
    assert_eq!(status(body("text/plain", "{}")).await, 415);
    assert_eq!(
        status(odoo.request(path, &key, "nowhere").json(&json!({}))).await,
        404
    );
    let get = reqwest::get(format!("{}/json/2/{path}", odoo.pretend.url()))
        .await
        .unwrap();
    assert_eq!(get.status(), 404);
}

#[tokio::test]
async fn a_server_without_a_proxy_closes_after_every_answer() {
    for (closes, connections) in [(true, 3), (false, 1)] {
        let odoo = Odoo::start(Options {
            closes,
            ..Options::default()
        })
        .await;
        for _ in 0..3 {
            odoo.ok("res.company/read", json!({"ids": [1], "fields": ["name"]}))
                .await;
        }
        assert_eq!(odoo.pretend.connections(), connections);
    }
}
