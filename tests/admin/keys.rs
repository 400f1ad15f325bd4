//! API keys over HTTP.

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{Admin, read, serving};
use crate::events::each;
use crate::support::eventually;

#[tokio::test]
async fn a_key_is_made_once_shown_once_and_kept_as_its_hash_alone() {
    let test = serving().await;
    let operator = Admin::operator(&test).await;
    let body = json!({
        "name": "shop", "scopes": ["payments:write", "payments:read", "payments:read"], "networks": ["127.0.0.1", "10.1.2.3/8"],
        "expires_at": "2099-01-01T00:00:00Z",
    });
    let first = operator.post(&operator.path("/api_keys"), "k-1", &body).await;
    let made = first.expect(StatusCode::CREATED);
    assert_eq!(first.header("Cache-Control"), Some("no-store"));
    assert_eq!(made["scopes"], json!(["payments:read", "payments:write"]));
    assert_eq!(made["networks"], json!(["127.0.0.1/32", "10.0.0.0/8"]));
    assert_eq!(made["expires_at"], "2099-01-01T00:00:00Z");
    let key = made["key"].as_str().unwrap();
    assert!(key.starts_with("qk_test_") && key.starts_with(made["prefix"].as_str().unwrap()));
    assert_eq!(read(&test, key).await, StatusCode::OK);

    let again = operator.post(&operator.path("/api_keys"), "k-1", &body).await;
    assert_eq!(
        again.expect(StatusCode::CREATED),
        made,
        "the same key, and not another one"
    );
    assert_eq!(test.count("api_key where name = 'shop'").await, 1);

    let one = operator.path(&format!("/api_keys/{}", made["id"].as_str().unwrap()));
    let shown = operator.get(&one).await.expect(StatusCode::OK);
    let list = operator.get(&operator.path("/api_keys")).await;
    assert_eq!(list.expect(StatusCode::OK)["data"][0]["id"], made["id"]);
    assert_eq!(shown.get("key"), None);
    let tail = &key[16..];
    for bytes in [&list.bytes, &operator.get(&one).await.bytes] {
        assert!(!String::from_utf8_lossy(bytes).contains(tail));
    }
    let rows = test
        .count(&format!("api_key where api_key::text like '%{tail}%'"))
        .await
        + test
            .count(&format!("idempotency_record i where i::text like '%{tail}%'"))
            .await;
    assert_eq!(rows, 0);
}

#[tokio::test]
async fn a_preset_stands_for_its_scopes() {
    let test = serving().await;
    let operator = Admin::operator(&test).await;
    let make = async |preset: &str| {
        let body = json!({ "name": preset, "preset": preset });
        let made = operator.post(&operator.path("/api_keys"), preset, &body).await;
        made.expect(StatusCode::CREATED)
    };
    assert_eq!(make("admin").await["scopes"], json!(["admin"]));
    let odoo = make("odoo").await;
    assert!(
        odoo["scopes"]
            .as_array()
            .unwrap()
            .contains(&"refunds:write".into()),
        "{odoo}"
    );
    let read_only = make("read").await;
    let scopes = read_only["scopes"].as_array().unwrap();
    assert!(
        scopes
            .iter()
            .all(|scope| scope.as_str().unwrap().ends_with(":read")),
        "{read_only}"
    );
}

#[tokio::test]
async fn a_key_is_revoked_for_good_and_says_when_it_was_used() {
    let test = serving().await;
    let operator = Admin::operator(&test).await;
    let body = json!({ "name": "shop", "preset": "odoo" });
    let made = operator.post(&operator.path("/api_keys"), "k-1", &body).await;
    let made = made.expect(StatusCode::CREATED);
    let (id, key) = (made["id"].as_str().unwrap(), made["key"].as_str().unwrap());
    assert_eq!(read(&test, key).await, StatusCode::OK);
    let one = operator.path(&format!("/api_keys/{id}"));
    eventually(async || {
        let used = operator.get(&one).await.expect(StatusCode::OK)["last_used_at"].clone();
        if used.is_string() {
            Ok(())
        } else {
            Err(used.to_string())
        }
    })
    .await;
    let revoked = operator.change(&format!("{one}/revoke"), &json!({})).await;
    let revoked = revoked.expect(StatusCode::OK);
    assert!(revoked["revoked_at"].is_string());
    assert_eq!(read(&test, key).await, StatusCode::UNAUTHORIZED);
    let again = operator.change(&format!("{one}/revoke"), &json!({})).await;
    assert_eq!(again.expect(StatusCode::OK)["revoked_at"], revoked["revoked_at"]);
    let rolled = operator.post(&format!("{one}/roll"), "r-1", &json!({})).await;
    assert_eq!(rolled.expect(StatusCode::CONFLICT)["code"], "key_ended");
}

#[tokio::test]
async fn a_key_is_rolled_once_however_often_it_is_asked_for() {
    let test = serving().await;
    let operator = Admin::operator(&test).await;
    let body = json!({ "name": "shop", "preset": "read" });
    let made = operator.post(&operator.path("/api_keys"), "k-1", &body).await;
    let made = made.expect(StatusCode::CREATED);
    let one = operator.path(&format!("/api_keys/{}", made["id"].as_str().unwrap()));
    let overlap = json!({ "overlap_s": 60 });
    let rolled = operator.post(&format!("{one}/roll"), "r-1", &overlap).await;
    let rolled = rolled.expect(StatusCode::CREATED);
    let again = operator.post(&format!("{one}/roll"), "r-1", &overlap).await;
    assert_eq!(again.expect(StatusCode::CREATED), rolled);
    for key in [&made, &rolled] {
        assert_eq!(read(&test, key["key"].as_str().unwrap()).await, StatusCode::OK);
    }
    let old = operator.get(&one).await.expect(StatusCode::OK);
    assert_eq!(
        (&old["rolled_to"], old["expires_at"].is_string()),
        (&rolled["id"], true)
    );
    let once_more = operator.post(&format!("{one}/roll"), "r-2", &overlap).await;
    assert_eq!(once_more.expect(StatusCode::CONFLICT)["code"], "key_rolled");
    assert_eq!(test.count("api_key where name = 'shop'").await, 2);
}

#[tokio::test]
async fn a_list_goes_on_where_its_page_ended_and_shows_keys_that_ended() {
    let test = serving().await;
    let operator = Admin::operator(&test).await;
    for number in 0..3 {
        let body = json!({ "name": format!("key {number}"), "preset": "read", "live": number == 1 });
        let key = format!("k-{number}");
        let made = operator.post(&operator.path("/api_keys"), &key, &body).await;
        made.expect(StatusCode::CREATED);
    }
    let first = operator
        .get(&operator.path("/api_keys?limit=2"))
        .await
        .expect(StatusCode::OK);
    assert_eq!(each(&first, "name"), ["key 2", "key 1"]);
    let cursor = first["next_cursor"].as_str().unwrap();
    let rest = operator
        .get(&operator.path(&format!("/api_keys?limit=2&cursor={cursor}")))
        .await;
    let rest = rest.expect(StatusCode::OK);
    assert_eq!(
        (each(&rest, "name"), &rest["next_cursor"]),
        (vec!["key 0", "test"], &Value::Null)
    );
}
