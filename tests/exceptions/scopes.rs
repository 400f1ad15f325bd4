//! What a key may do.

use quittance::domain::scope::Scope;
use reqwest::{Method, StatusCode};
use serde_json::json;

use super::quiet;
use crate::events::{as_key, key_with};
use crate::support::Reply;

#[tokio::test]
async fn each_route_wants_one_scope_and_names_it() {
    let test = quiet().await;
    for (method, path, scope) in [
        (Method::GET, "/v1/exceptions", Scope::ExceptionsRead),
        (Method::GET, "/v1/exceptions/exc_1", Scope::ExceptionsRead),
        (
            Method::POST,
            "/v1/exceptions/exc_1/resolve",
            Scope::ExceptionsWrite,
        ),
        (
            Method::POST,
            "/v1/exceptions/exc_1/reopen",
            Scope::ExceptionsWrite,
        ),
        (Method::POST, "/v1/exceptions/exc_1/link", Scope::ExceptionsWrite),
    ] {
        let request = || {
            let request = test.request(method.clone(), path);
            if method == Method::POST {
                let word = if path.ends_with("/link") {
                    "reference"
                } else {
                    "reason"
                };
                request.json(&json!({ word: "x" }))
            } else {
                request
            }
        };
        let others: Vec<Scope> = Scope::ALL.into_iter().filter(|other| *other != scope).collect();
        let without = key_with(&test, test.merchant, false, &others).await;
        let refused = Reply::of(as_key(request(), &without)).await;
        let refused = refused.expect(StatusCode::FORBIDDEN);
        assert_eq!(refused["code"], "scope_missing");
        assert!(
            refused["detail"].as_str().unwrap().contains(scope.word()),
            "{path}: {refused}"
        );
        let with = key_with(&test, test.merchant, false, &[scope]).await;
        let served = Reply::of(as_key(request(), &with)).await;
        assert_ne!(served.status, StatusCode::FORBIDDEN, "{path}");
    }
    let usual = test.get("/v1/exceptions").await;
    usual.expect(StatusCode::OK);
}
