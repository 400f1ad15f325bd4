//! The same at the command line, where every answer is one JSON object.

use reqwest::StatusCode;
use serde_json::Value;

use super::{Admin, read};
use crate::events::commands::run;
use crate::support::{TestApp, Wishes, database, eventually};

#[tokio::test]
async fn the_commands_answer_what_the_api_answers() {
    let url = database().await;
    let test = TestApp::spawn_with(Wishes {
        database: Some(url.clone()),
        webhooks: false,
        ..Wishes::default()
    })
    .await;
    let operator = Admin::operator(&test).await;
    let (merchant, account) = (test.merchant.to_string(), test.account.to_string());
    let command = async |words: &[&str]| run(&url, words).await.unwrap();

    let shown = operator.get(&operator.path("")).await.expect(StatusCode::OK);
    assert_eq!(command(&["merchant", "show", &merchant]).await, shown);
    let renamed = command(&["merchant", "rename", &merchant, "--name", "New"]).await;
    assert_eq!(renamed["name"], "New");
    let added = command(&["merchant", "add", "--name", "Second"]).await;
    let list = command(&["merchant", "list"]).await;
    assert_eq!(list["data"][0], added);
    assert_eq!(operator.get("/v1/merchants").await.expect(StatusCode::OK), list);

    let whose = ["--merchant", &merchant];
    let made = command(
        &[
            &["api-key", "create", "--name", "odoo", "--network", "127.0.0.1"],
            &whose[..],
        ]
        .concat(),
    )
    .await;
    let (id, key) = (made["id"].as_str().unwrap(), made["key"].as_str().unwrap());
    assert_eq!(read(&test, key).await, StatusCode::OK);
    let list = command(&[&["api-key", "list"], &whose[..]].concat()).await;
    assert_eq!(list["data"][0]["id"], made["id"]);
    let rolled = command(&[&["api-key", "roll", id, "--overlap-hours", "1"], &whose[..]].concat()).await;
    assert_eq!(rolled["scopes"], made["scopes"]);
    let old = command(&[&["api-key", "show", id], &whose[..]].concat()).await;
    assert_eq!(old["rolled_to"], rolled["id"]);
    command(&[&["api-key", "revoke", id], &whose[..]].concat()).await;
    eventually(async || match read(&test, key).await {
        StatusCode::UNAUTHORIZED => Ok(()),
        status => Err(status.to_string()),
    })
    .await;

    let whose = ["--merchant", &merchant, "--provider-account", &account];
    let shown = command(&[&["provider-account", "show"], &whose[..]].concat()).await;
    let path = operator.path(&format!("/provider_accounts/{account}"));
    assert_eq!(operator.get(&path).await.expect(StatusCode::OK), shown);
    let disabled = command(&[&["provider-account", "disable"], &whose[..]].concat()).await;
    assert!(disabled["disabled_at"].is_string());
    let enabled = command(&[&["provider-account", "enable"], &whose[..]].concat()).await;
    assert_eq!(enabled["disabled_at"], Value::Null);
    let secret = shown["webhook_secrets"][0]["id"].as_str().unwrap();
    let ended = command(
        &[
            &["provider-account", "end-webhook-secret", "--secret", secret],
            &whose[..],
        ]
        .concat(),
    )
    .await;
    assert!(ended["webhook_secrets"][0]["ended_at"].is_string());
    let list = command(&["provider-account", "list", "--merchant", &merchant]).await;
    assert_eq!(list["data"][0]["id"], account);

    let added = command(&["odoo-instance", "list", "--merchant", &merchant]).await;
    assert_eq!(added["data"], Value::Array(Vec::new()));
    for words in [
        &["merchant", "disable", &merchant][..],
        &["merchant", "enable", &merchant],
    ] {
        assert_eq!(command(words).await["id"], merchant);
    }
}

#[tokio::test]
async fn what_cannot_be_done_is_said_in_one_line() {
    let url = database().await;
    let nobody = "mer_00000000000000000000000000";
    for (words, wanted) in [
        (&["merchant", "show", nobody][..], "no such merchant"),
        (&["merchant", "disable", nobody], "no such merchant"),
        (
            &["api-key", "create", "--merchant", nobody, "--name", "x"],
            "no such merchant",
        ),
        (&["api-key", "list", "--merchant", nobody], "no such merchant"),
        (
            &[
                "api-key",
                "create",
                "--merchant",
                nobody,
                "--name",
                "x",
                "--network",
                "here",
            ],
            "--network must be at most 32 networks",
        ),
        (
            &["admin", "revoke", "opk_00000000000000000000000000"],
            "no such operator key",
        ),
    ] {
        let said = run(&url, words).await.unwrap_err();
        assert!(
            said.contains(wanted) && said.lines().count() == 1,
            "{words:?}: {said}"
        );
    }
}
