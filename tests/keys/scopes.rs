//! Every route wants exactly one scope, which the contract names.

use quittance::domain::scope::Scope;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::serving;
use crate::events::{as_key, key_with};
use crate::support::{Reply, TestApp, Wishes};

/// What is served to anybody.
const PUBLIC: [&str; 3] = [
    "/healthz",
    "/readyz",
    "/webhooks/{provider}/{provider_account_id}",
];

/// The routes of the contract: method, path, and the scopes that stand there.
fn routes() -> Vec<(Method, String, Vec<String>)> {
    let contract = serde_json::to_value(quittance::http::openapi_document()).unwrap();
    let mut routes = Vec::new();
    for (path, operations) in contract["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let method: Method = method.to_uppercase().parse().unwrap();
            let wanted = operation["security"].as_array().into_iter().flatten();
            let wanted = wanted.flat_map(|wanted| wanted["api_key"].as_array().unwrap().clone());
            let scopes = wanted.map(|scope| scope.as_str().unwrap().to_owned()).collect();
            routes.push((method, path.clone(), scopes));
        }
    }
    assert!(routes.len() > 60, "{}", routes.len());
    routes
}

/// A path with something in every place, which is nobody's.
fn filled(path: &str) -> String {
    path.split('/')
        .map(|part| if part.starts_with('{') { "x_1" } else { part })
        .collect::<Vec<_>>()
        .join("/")
}

async fn ask(test: &TestApp, method: &Method, path: &str, key: &str) -> Reply {
    let request = test
        .request(method.clone(), path)
        .header("Idempotency-Key", format!("k-{path}"));
    let request = if *method == Method::POST {
        request.json(&json!({}))
    } else {
        request
    };
    Reply::of(as_key(request, key)).await
}

#[tokio::test]
async fn every_route_of_the_contract_wants_its_one_scope_and_names_it() {
    let test = serving(Wishes::default()).await;
    for scope in Scope::ALL {
        let others: Vec<Scope> = Scope::ALL.into_iter().filter(|other| *other != scope).collect();
        let with = key_with(&test, test.merchant, false, &[scope]).await;
        let without = key_with(&test, test.merchant, false, &others).await;
        let mut asked = 0;
        for (method, path, scopes) in routes() {
            if scopes != [scope.word()] {
                continue;
            }
            asked += 1;
            let path = filled(&path);
            let refused = ask(&test, &method, &path, &without).await;
            let refused: Value = refused.expect(StatusCode::FORBIDDEN);
            assert_eq!(refused["code"], "scope_missing", "{method} {path}");
            let detail = refused["detail"].as_str().unwrap();
            assert!(
                detail.contains(&format!("the scope {scope};")),
                "{method} {path}: {detail}"
            );
            let served = ask(&test, &method, &path, &with).await;
            let turned_away = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN];
            assert!(
                !turned_away.contains(&served.status),
                "{method} {path}: {}",
                served.json()
            );
        }
        assert!(asked > 0, "no route wants {scope}");
    }
}

#[tokio::test]
async fn no_route_is_open_but_those_that_must_be() {
    let test = serving(Wishes::default()).await;
    for (method, path, scopes) in routes() {
        if PUBLIC.contains(&path.as_str()) {
            assert_eq!(scopes.len(), 0, "{path}");
            continue;
        }
        assert_eq!(scopes.len(), 1, "{method} {path}");
        let nobody = ask(&test, &method, &filled(&path), "qk_test_nobody").await;
        let turned_away = [StatusCode::UNAUTHORIZED, StatusCode::TOO_MANY_REQUESTS];
        assert!(
            turned_away.contains(&nobody.status),
            "{method} {path}: {}",
            nobody.status
        );
    }
}

#[tokio::test]
async fn who_may_not_ask_is_refused_before_the_body_is_looked_at() {
    let test = serving(Wishes::default()).await;
    let broken = |key: &str| {
        let request = test
            .request(Method::POST, "/v1/payments")
            .header("Content-Type", "application/json")
            .body("{");
        Reply::of(as_key(request, key))
    };
    let nobody = broken("qk_test_nobody").await;
    nobody.expect(StatusCode::UNAUTHORIZED);
    let reader = key_with(&test, test.merchant, false, &[Scope::PaymentsRead]).await;
    broken(&reader).await.expect(StatusCode::FORBIDDEN);
    broken(&test.key).await.expect(StatusCode::BAD_REQUEST);
}

#[test]
fn the_readme_lists_every_scope_as_the_code_has_it() {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    for scope in Scope::ALL {
        let row = format!("| `{scope}` | {} |", scope.about());
        assert!(
            readme.contains(&row),
            "put into the README's table of scopes: {row}"
        );
    }
}
