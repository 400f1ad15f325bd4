//! The same at the command line.

use std::path::Path;

use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::process::Command;

use super::{Operator, deliver, impatient, lately, settled, unknown};
use crate::support::{SEALING_KEY, TestApp, Wishes, database, eventually};

/// What a command answers, or complains of.
pub(crate) async fn run(url: &str, arguments: &[&str]) -> Result<Value, String> {
    let output = Command::new(Path::new(env!("CARGO_BIN_EXE_quittance")))
        .args(arguments)
        .env_clear()
        .envs([
            ("QUITTANCE_DATABASE_URL", url),
            ("QUITTANCE_SEALING_KEY", SEALING_KEY),
            ("QUITTANCE_LOG", "error"),
        ])
        .output()
        .await
        .unwrap();
    if output.status.success() {
        Ok(serde_json::from_slice(&output.stdout).unwrap())
    } else {
        Err(String::from_utf8(output.stderr).unwrap())
    }
}

#[tokio::test]
async fn the_commands_about_events_answer_what_the_api_answers() {
    let url = database().await;
    let test = TestApp::spawn_with(Wishes {
        database: Some(url.clone()),
        ..impatient()
    })
    .await;
    let delivered = deliver(&test, &lately(unknown("evt_1"))).await;
    deliver(&test, &lately(unknown("evt_2"))).await;
    settled(&test).await;
    let operator = Operator::of(&test).await;
    let merchant = test.merchant.to_string();
    let command = async |arguments: &[&str]| {
        run(
            &url,
            &[&["events"], arguments, &["--merchant", &merchant]].concat(),
        )
        .await
    };

    let list = operator
        .get("/v1/events?state=ignored&limit=1")
        .await
        .expect(StatusCode::OK);
    let listed = command(&["list", "--state", "ignored", "--limit", "1"])
        .await
        .unwrap();
    assert_eq!(listed, list);
    let cursor = list["next_cursor"].as_str().unwrap();
    let next = command(&["list", "--limit", "1", "--cursor", cursor])
        .await
        .unwrap();
    let id = next["data"][0]["id"].as_str().unwrap();
    let shown = operator
        .get(&format!("/v1/events/{id}"))
        .await
        .expect(StatusCode::OK);
    assert_eq!(command(&["show", id]).await.unwrap(), shown);
    let payload: Value = serde_json::from_str(&delivered).unwrap();
    assert_eq!(command(&["payload", id]).await.unwrap(), payload);
    let counts = command(&["counts"]).await.unwrap();
    assert_eq!(
        counts["data"],
        json!([{ "type": "product.created", "state": "ignored", "count": 2 }])
    );
    let replayed = command(&["replay", id]).await.unwrap();
    assert_eq!(
        (&replayed["state"], &replayed["replayed_by"]),
        (&json!("received"), &json!("cli"))
    );
    settled(&test).await;
    let all = command(&["replay", "--state", "ignored", "--type", "product.created"]).await;
    assert_eq!(all.unwrap(), json!({ "replayed": 2, "next_cursor": null }));

    let live = command(&["list", "--live"]).await.unwrap();
    assert_eq!(live["data"], json!([]));
    for (arguments, complaint) in [
        (&["replay"][..], "required"),
        (&["replay", id, "--state", "dead"], "cannot be used with"),
        (&["replay", "--state", "leased"], "a worker has those"),
        (&["list", "--limit", "101"], "1..=100"),
        (&["list", "--cursor", "x"], "--cursor: invalid_cursor"),
        (&["show", "evt_01h455vb4pex5vsknk084sn02q"], "no such event"),
        (&["list", "--state", "gone"], "unknown variant"),
    ] {
        let said = command(arguments).await.unwrap_err();
        assert!(said.contains(complaint), "{arguments:?}: {said}");
    }
}

#[tokio::test]
async fn the_commands_about_the_outbox_answer_what_the_api_answers() {
    let url = database().await;
    let test = TestApp::spawn_with(Wishes {
        database: Some(url.clone()),
        odoo: true,
        ..impatient()
    })
    .await;
    let merchant = test.merchant.to_string();
    let command = async |arguments: &[&str]| {
        run(
            &url,
            &[&["outbox"], arguments, &["--merchant", &merchant]].concat(),
        )
        .await
    };
    test.odoo.as_ref().unwrap().refuse(Some("The period is closed."));
    let wish = json!({ "payment_method": "pm_card_visa" });
    test.create("S1", wish).await.expect(StatusCode::CREATED);
    let dead = async || {
        eventually(async || {
            let list = test.get("/v1/outbox?state=dead").await.expect(StatusCode::OK);
            if list["data"][0].is_object() {
                Ok(list)
            } else {
                Err(list.to_string())
            }
        })
        .await
    };
    let list = dead().await;
    assert_eq!(command(&["list", "--state", "dead"]).await.unwrap(), list);
    let id = list["data"][0]["id"].as_str().unwrap();
    assert_eq!(command(&["show", id]).await.unwrap(), list["data"][0]);
    let replayed = command(&["replay", id]).await.unwrap();
    assert_eq!(
        (&replayed["state"], &replayed["attempts"]),
        (&json!("pending"), &json!(0))
    );
    dead().await;
    let all = command(&["replay", "--state", "dead"]).await.unwrap();
    assert_eq!(all, json!({ "replayed": 1, "next_cursor": null }));
    dead().await;

    let said = command(&["skip", id]).await.unwrap_err();
    assert!(said.contains("--reason"), "{said}");
    let said = command(&["skip", id, "--reason", " "]).await.unwrap_err();
    assert!(said.contains("1 to 500 characters"), "{said}");
    let skipped = command(&["skip", id, "--reason", "booked by hand"])
        .await
        .unwrap();
    assert_eq!(
        (&skipped["state"], &skipped["skipped_by"], &skipped["skip_reason"]),
        (&json!("skipped"), &json!("cli"), &json!("booked by hand"))
    );
    let said = command(&["replay", id]).await.unwrap_err();
    assert!(said.contains("the message is skipped"), "{said}");
}

#[tokio::test]
async fn a_key_is_made_with_the_scopes_that_are_named_and_a_wrong_one_is_refused() {
    let url = database().await;
    let test = TestApp::spawn_with(Wishes {
        database: Some(url.clone()),
        ..impatient()
    })
    .await;
    let merchant = test.merchant.to_string();
    let create = async |scopes: &[&str]| {
        let base = ["api-key", "create", "--merchant", &merchant, "--name", "x"];
        run(&url, &[&base, scopes].concat()).await
    };
    let made = create(&["--scope", "events:read", "--scope", "events:payload"])
        .await
        .unwrap();
    let key = made["key"].as_str().unwrap().to_owned();
    let operator = Operator { test: &test, key };
    operator.get("/v1/events").await.expect(StatusCode::OK);
    operator
        .get("/v1/events/evt_1/payload")
        .await
        .expect(StatusCode::NOT_FOUND);
    operator.get("/v1/outbox").await.expect(StatusCode::FORBIDDEN);
    let said = create(&["--scope", "all"]).await.unwrap_err();
    assert!(said.contains("no scope; there are payments:read"), "{said}");
}
