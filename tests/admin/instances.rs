//! Odoo instances over HTTP.

use quittance_sandbox::odoo::{Options, PretendOdoo};
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{Admin, serving};

fn stock(odoo: &PretendOdoo, more: Value) -> Value {
    let mut body = json!({
        "via": "rpc", "url": odoo.url(), "database": odoo.database(), "api_key": odoo.api_key(),
    });
    if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
        body.extend(more);
    }
    body
}

#[tokio::test]
async fn a_stock_odoo_is_added_once_its_key_is_good_and_no_answer_holds_the_key() {
    let test = serving().await;
    let operator = Admin::operator(&test).await;
    let odoo = PretendOdoo::start(Options::default()).await.unwrap();
    let path = operator.path("/odoo_instances");
    let wrong = stock(&odoo, json!({ "api_key": "wrong" }));
    let refused = operator.post(&path, "o-0", &wrong).await;
    let refused = refused.expect(StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(refused["code"], "odoo_unauthorized", "{refused}");
    assert_eq!(test.count("odoo_instance").await, 0);

    let body = stock(&odoo, json!({ "journal": "STRP", "fee_account": "621000" }));
    // Refused, the key stands for nothing and may be used again.
    let added = operator
        .post(&path, "o-0", &body)
        .await
        .expect(StatusCode::CREATED);
    let again = operator
        .post(&path, "o-0", &body)
        .await
        .expect(StatusCode::CREATED);
    assert_eq!(again, added);
    assert_eq!(test.count("odoo_instance").await, 1);
    assert_eq!(
        (&added["via"], &added["database"]),
        (&json!("rpc"), &json!(odoo.database()))
    );
    let twice = operator
        .post(&path, "o-1", &body)
        .await
        .expect(StatusCode::CONFLICT);
    assert_eq!(twice["code"], "odoo_instance_exists");

    let one = format!("{path}/{}", added["id"].as_str().unwrap());
    let shown = operator.get(&one).await;
    assert_eq!(shown.expect(StatusCode::OK), added);
    for reply in [shown, operator.get(&path).await] {
        assert!(!String::from_utf8_lossy(&reply.bytes).contains(&odoo.api_key()));
    }
    let wrong = operator
        .change(&format!("{one}/rotate_key"), &json!({ "api_key": "wrong" }))
        .await;
    wrong.expect(StatusCode::UNPROCESSABLE_ENTITY);
    let key = json!({ "api_key": odoo.api_key() });
    let rotated = operator.change(&format!("{one}/rotate_key"), &key).await;
    assert_eq!(rotated.expect(StatusCode::OK)["id"], added["id"]);
    let addon_only = operator
        .post(&format!("{one}/rotate_signing_secret"), "x-1", &json!({}))
        .await;
    addon_only.expect(StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn an_odoo_with_our_addon_gets_a_signing_secret_that_is_rolled_and_put_out_of_use() {
    let test = serving().await;
    let operator = Admin::operator(&test).await;
    let path = operator.path("/odoo_instances");
    let body = json!({ "via": "addon", "url": "http://127.0.0.1:1/payment/quittance/news" });
    let added = operator
        .post(&path, "o-1", &body)
        .await
        .expect(StatusCode::CREATED);
    let again = operator
        .post(&path, "o-1", &body)
        .await
        .expect(StatusCode::CREATED);
    assert_eq!(again["signing_secret"], added["signing_secret"]);
    assert!(added["signing_secret"].as_str().unwrap().starts_with("whsec_"));
    let one = format!("{path}/{}", added["id"].as_str().unwrap());
    assert_eq!(
        operator
            .get(&one)
            .await
            .expect(StatusCode::OK)
            .get("signing_secret"),
        None
    );

    let roll = format!("{one}/rotate_signing_secret");
    let rolled = operator.post(&roll, "r-1", &json!({ "overlap_s": 5 })).await;
    let rolled = rolled.expect(StatusCode::CREATED);
    assert_ne!(rolled["signing_secret"], added["signing_secret"]);
    let again = operator.post(&roll, "r-1", &json!({ "overlap_s": 5 })).await;
    assert_eq!(again.expect(StatusCode::CREATED), rolled);
    assert_eq!(test.count("signing_secret").await, 2);

    let disabled = operator.change(&format!("{one}/disable"), &json!({})).await;
    assert!(disabled.expect(StatusCode::OK)["disabled_at"].is_string());
    let enabled = operator.change(&format!("{one}/enable"), &json!({})).await;
    assert_eq!(enabled.expect(StatusCode::OK)["disabled_at"], Value::Null);
    let stock_only = operator
        .change(&format!("{one}/rotate_key"), &json!({ "api_key": "x" }))
        .await;
    stock_only.expect(StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn an_odoo_that_does_not_answer_or_may_not_be_spoken_to_is_not_added() {
    let test = serving().await;
    let operator = Admin::operator(&test).await;
    let path = operator.path("/odoo_instances");
    let rpc = |url: &str| json!({ "via": "rpc", "url": url, "database": "odoo", "api_key": "x" });
    for (url, status, code) in [
        (
            "http://169.254.169.254/",
            StatusCode::UNPROCESSABLE_ENTITY,
            "address_not_allowed",
        ),
        (
            "http://10.0.0.1/",
            StatusCode::UNPROCESSABLE_ENTITY,
            "address_not_allowed",
        ),
        ("http://127.0.0.1:1/", StatusCode::BAD_GATEWAY, "odoo_unreachable"),
    ] {
        let refused = operator.post(&path, url, &rpc(url)).await.expect(status);
        assert_eq!(refused["code"], code, "{refused}");
    }
    assert_eq!(test.count("odoo_instance").await, 0);
}
