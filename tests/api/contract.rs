//! The contract and the documents that repeat it.

use reqwest::StatusCode;
use serde_json::json;

use crate::support::TestApp;

#[test]
fn the_contract_is_the_one_that_was_reviewed() {
    insta::assert_json_snapshot!("openapi", quittance::http::openapi_document());
}

#[test]
fn the_readme_lists_every_setting_as_the_code_has_it() {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let table = quittance::config::table();
    assert!(
        readme.contains(table.trim_end()),
        "put the output of `quittance config-table` into the README:\n{table}"
    );
}

#[tokio::test]
async fn the_service_shows_its_contract_and_pages_to_read_it() {
    let test = TestApp::spawn().await;
    let contract = test.get("/openapi.json").await.expect(StatusCode::OK);
    assert_eq!(contract["openapi"], "3.1.0");
    let page = test.get("/docs/").await;
    assert!(String::from_utf8_lossy(&page.bytes).contains("swagger-ui"));
    assert_eq!(
        test.get("/healthz").await.expect(StatusCode::OK),
        json!({ "status": "ok" })
    );
    assert_eq!(
        test.get("/readyz").await.expect(StatusCode::OK),
        json!({ "status": "ok" })
    );
}

#[tokio::test]
async fn a_payment_and_a_problem_look_as_they_were_reviewed() {
    let test = TestApp::spawn().await;
    let wish = json!({
        "payment_method": "pm_card_visa", "description": "Order S1", "metadata": { "channel": "web" },
        "settles": [{ "model": "account.move", "id": 7, "amount_minor": 12_100 }],
    });
    let created = test.create("S1", wish).await.expect(StatusCode::CREATED);
    insta::assert_json_snapshot!("payment", created, {
        ".id" => "pay_", ".provider_account" => "acc_", ".provider_reference" => "pi_", ".operations[].id" => "op_",
        ".created_at" => "time", ".updated_at" => "time",
    });
    let problem = test
        .create("S2", json!({ "amount_minor": 0 }))
        .await
        .expect(StatusCode::UNPROCESSABLE_ENTITY);
    insta::assert_json_snapshot!("problem", problem, { ".request_id" => "id" });
}
