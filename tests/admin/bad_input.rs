//! What cannot be right is named by a code and a field.

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{Admin, account, serving};

/// What belongs under which path, what is wrong with it, and where.
type Case = (&'static str, Value, &'static str, &'static str);

fn with(mut body: Value, more: &Value) -> Value {
    let more = more.as_object().unwrap().clone();
    body.as_object_mut().unwrap().extend(more);
    body
}

fn keys() -> Vec<Case> {
    let key = |more: Value| with(json!({ "name": "x", "preset": "odoo" }), &more);
    let long = "x".repeat(201);
    let many = vec!["10.0.0.0/8"; 33];
    [
        (json!({}), "missing_field", "name"),
        (json!({ "name": "x" }), "scopes_required", "scopes"),
        (json!({ "name": "x", "scopes": [] }), "scopes_required", "scopes"),
        (
            json!({ "name": "x", "scopes": ["admin", "all"] }),
            "unknown_scope",
            "scopes[1]",
        ),
        (key(json!({ "scopes": ["admin"] })), "scopes_ambiguous", "preset"),
        (key(json!({ "preset": "god" })), "unknown_preset", "preset"),
        (key(json!({ "name": "" })), "invalid_name", "name"),
        (key(json!({ "name": " " })), "invalid_name", "name"),
        (key(json!({ "name": long })), "invalid_name", "name"),
        (key(json!({ "name": "a\u{0}b" })), "invalid_name", "name"),
        (key(json!({ "name": "4242424242424242" })), "invalid_name", "name"),
        (key(json!({ "name": 7 })), "invalid_field", "name"),
        (key(json!({ "live": "yes" })), "invalid_field", "live"),
        (
            key(json!({ "networks": ["10.0.0.0/33"] })),
            "invalid_networks",
            "networks",
        ),
        (key(json!({ "networks": many })), "invalid_networks", "networks"),
        (
            key(json!({ "expires_at": "tomorrow" })),
            "invalid_time",
            "expires_at",
        ),
        (
            key(json!({ "expires_at": "2001-01-01T00:00:00Z" })),
            "invalid_expiry",
            "expires_at",
        ),
        (key(json!({ "owner": "me" })), "unknown_field", "owner"),
    ]
    .map(|(body, code, field)| ("/api_keys", body, code, field))
    .to_vec()
}

fn accounts() -> Vec<Case> {
    [
        (json!({}), "missing_field", "secret_key"),
        (
            account(json!({ "provider": "giro" })),
            "unknown_provider",
            "provider",
        ),
        (
            account(json!({ "live": true })),
            "key_of_another_mode",
            "secret_key",
        ),
        (
            account(json!({ "secret_key": "" })),
            "invalid_secret",
            "secret_key",
        ),
        (
            account(json!({ "webhook_secret": "a b" })),
            "invalid_secret",
            "webhook_secret",
        ),
        (
            account(json!({ "external_account": "acct 1" })),
            "invalid_id",
            "external_account",
        ),
        (
            account(json!({ "api_base": "http://10.0.0.1" })),
            "unknown_field",
            "api_base",
        ),
    ]
    .map(|(body, code, field)| ("/provider_accounts", body, code, field))
    .to_vec()
}

fn instances() -> Vec<Case> {
    let rpc = |more: Value| {
        let body = json!({ "via": "rpc", "url": "http://127.0.0.1:1/", "database": "d", "api_key": "k" });
        with(body, &more)
    };
    [
        (json!({}), "missing_field", "via"),
        (rpc(json!({ "via": "fax" })), "invalid_field", "via"),
        (rpc(json!({ "url": "ftp://x" })), "invalid_url", "url"),
        (rpc(json!({ "url": "nowhere" })), "invalid_url", "url"),
        (rpc(json!({ "database": null })), "missing_field", "database"),
        (rpc(json!({ "database": "" })), "empty", "database"),
        (rpc(json!({ "api_key": null })), "missing_field", "api_key"),
        (
            rpc(json!({ "api_key": "a\r\nX: y" })),
            "invalid_secret",
            "api_key",
        ),
        (rpc(json!({ "journal": "STRP" })), "missing_field", "fee_account"),
        (rpc(json!({ "via": "addon" })), "not_of_addon", "database"),
    ]
    .map(|(body, code, field)| ("/odoo_instances", body, code, field))
    .to_vec()
}

#[tokio::test]
async fn what_cannot_be_right_is_named() {
    let test = serving().await;
    let operator = Admin::operator(&test).await;
    let cases = [keys(), accounts(), instances()].concat();
    for (number, (path, body, code, field)) in cases.into_iter().enumerate() {
        let reply = operator
            .post(&operator.path(path), &format!("b-{number}"), &body)
            .await;
        let problem = reply.expect(StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(
            (&problem["code"], &problem["field"]),
            (&code.into(), &field.into()),
            "{path} {body}"
        );
    }
    let tables = [
        "api_key",
        "provider_account",
        "odoo_instance",
        "idempotency_record",
    ];
    for (table, rows) in tables.into_iter().zip([1, 1, 0, 0]) {
        assert_eq!(test.count(table).await, rows, "{table}");
    }
}

#[tokio::test]
async fn what_creates_wants_a_key_and_what_is_nowhere_is_not_found() {
    let test = serving().await;
    let operator = Admin::operator(&test).await;
    for path in [
        "/v1/merchants".to_owned(),
        operator.path("/api_keys"),
        operator.path("/provider_accounts"),
    ] {
        let refused = operator.change(&path, &json!({ "name": "x" })).await;
        assert_eq!(
            refused.expect(StatusCode::BAD_REQUEST)["code"],
            "idempotency_key_required",
            "{path}"
        );
    }
    for path in [
        "/v1/merchants/mer_1",
        "/v1/merchants/mer_00000000000000000000000000",
        "/v1/merchants/mer_00000000000000000000000000/api_keys",
        "/v1/merchants/mer_00000000000000000000000000/provider_accounts",
        "/v1/merchants/mer_00000000000000000000000000/odoo_instances",
    ] {
        operator.get(path).await.expect(StatusCode::NOT_FOUND);
    }
    let nowhere = "/v1/merchants/mer_00000000000000000000000000";
    for (path, body) in [
        ("/rename", json!({ "name": "x" })),
        ("/disable", json!({})),
        ("/api_keys", json!({ "name": "x", "preset": "odoo" })),
        ("/provider_accounts", account(json!({}))),
        (
            "/odoo_instances",
            json!({ "via": "addon", "url": "http://127.0.0.1:1/" }),
        ),
    ] {
        let reply = operator.post(&format!("{nowhere}{path}"), path, &body).await;
        reply.expect(StatusCode::NOT_FOUND);
    }
    for path in [
        "/api_keys/key_1",
        "/provider_accounts/acc_1",
        "/odoo_instances/odo_1",
    ] {
        operator
            .get(&operator.path(path))
            .await
            .expect(StatusCode::NOT_FOUND);
    }
    for query in ["limit=0", "limit=101"] {
        let refused = operator.get(&operator.path(&format!("/api_keys?{query}"))).await;
        assert_eq!(refused.expect(StatusCode::UNPROCESSABLE_ENTITY)["field"], "limit");
    }
    let refused = operator.get("/v1/merchants?cursor=x").await;
    assert_eq!(
        refused.expect(StatusCode::UNPROCESSABLE_ENTITY)["field"],
        "cursor"
    );
    let overlap = operator.path("/api_keys/key_00000000000000000000000000/roll");
    let refused = operator
        .post(&overlap, "r-1", &json!({ "overlap_s": 2_592_001 }))
        .await;
    assert_eq!(
        refused.expect(StatusCode::UNPROCESSABLE_ENTITY)["field"],
        "overlap_s"
    );
}
