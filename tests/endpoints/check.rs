//! The check names what the provider's endpoint lacks, and what to do about it.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Output;

use quittance::app::endpoints::{self, Finding, OVERLAP};
use quittance_sandbox::stripe::WebhookEndpoint;
use serde_json::{Value, json};
use sqlx::ConnectOptions;
use tokio::process::Command;

use super::{connect, rotate, unconnected};
use crate::support::{SEALING_KEY, TestApp};

async fn check(test: &TestApp) -> endpoints::Check {
    let app = test.application().app();
    endpoints::check(app, test.merchant, test.account).await.unwrap()
}

async fn findings(test: &TestApp) -> Vec<Finding> {
    check(test).await.findings
}

/// An endpoint that somebody made in the dashboard, and the secret that they gave us or not.
async fn by_hand(test: &TestApp, given: bool, change: impl FnOnce(&mut WebhookEndpoint)) -> String {
    let mut endpoint = WebhookEndpoint::new(test.webhook_url(), "whsec_made_by_hand");
    endpoint.api_version = Some("2026-09-30.endive".to_owned());
    change(&mut endpoint);
    if given {
        let (app, secret) = (test.application().app(), "whsec_made_by_hand".to_owned().into());
        quittance::app::setup::add_webhook_secret(app, test.merchant, test.account, &secret)
            .await
            .unwrap();
    }
    test.stripe.add_endpoint(endpoint)
}

#[tokio::test]
async fn what_was_connected_lacks_nothing_while_it_is_rolled_neither() {
    let test = unconnected().await;
    assert_eq!(findings(&test).await, [Finding::NotConnected, Finding::NoSecret]);
    connect(&test).await.unwrap();
    assert_eq!(findings(&test).await, []);
    rotate(&test, OVERLAP).await;
    let check = check(&test).await;
    assert_eq!(check.findings, []);
    assert_eq!((check.endpoints.len(), check.secrets), (2, 2));
}

#[tokio::test]
async fn each_lack_has_a_name() {
    let test = unconnected().await;
    let endpoint = connect(&test).await.unwrap().provider_reference;
    let change = |change: &dyn Fn(&mut WebhookEndpoint)| {
        test.stripe.change_endpoint(&endpoint, change).unwrap();
    };
    let followed = test.stripe.endpoints()[0]["enabled_events"].clone();
    let followed: Vec<String> = serde_json::from_value(followed).unwrap();

    change(&|spec| spec.events = [&followed[1..], &["invoice.paid".to_owned()]].concat());
    let lacking = check(&test).await;
    assert_eq!(
        lacking.findings,
        [Finding::TypesMissing {
            endpoint: endpoint.clone(),
            types: vec!["account.application.deauthorized"],
        }]
    );
    assert_eq!(lacking.extra_types, ["invoice.paid"], "more is no harm");
    change(&|spec| spec.events = vec!["*".to_owned()]);
    assert_eq!(findings(&test).await, [], "a star is all");

    change(&|spec| spec.url = "https://elsewhere.example/".to_owned());
    assert_eq!(
        findings(&test).await,
        [Finding::OtherUrl {
            endpoint: endpoint.clone(),
            found: "https://elsewhere.example/".to_owned(),
            wanted: test.webhook_url(),
        }]
    );
    change(&|spec| spec.url = test.webhook_url());

    test.stripe.disable_endpoint(&endpoint).unwrap();
    assert_eq!(
        findings(&test).await,
        [Finding::Disabled {
            endpoint: endpoint.clone()
        }]
    );

    test.stripe.delete_endpoint(&endpoint).unwrap();
    assert_eq!(findings(&test).await, [Finding::Gone { endpoint }]);
}

#[tokio::test]
async fn an_endpoint_made_by_hand_is_looked_at_all_the_same() {
    let test = unconnected().await;
    let endpoint = by_hand(&test, true, |_| {}).await;
    assert_eq!(findings(&test).await, []);
    test.stripe.delete_endpoint(&endpoint).unwrap();

    let endpoint = by_hand(&test, false, |spec| {
        spec.api_version = None;
        spec.url = spec.url.replace("127.0.0.1", "other.example");
    })
    .await;
    assert_eq!(
        findings(&test).await,
        [Finding::OtherApiVersion {
            endpoint,
            found: None,
            wanted: "2026-09-30.endive",
        }]
    );
}

#[tokio::test]
async fn an_endpoint_whose_secret_nobody_gave_us_is_named() {
    let test = unconnected().await;
    connect(&test).await.unwrap();
    by_hand(&test, false, |_| {}).await;
    assert_eq!(
        findings(&test).await,
        [Finding::SecretsMissing {
            endpoints: 2,
            secrets: 1
        }]
    );
}

/// A command about the account, as an operator gives it.
pub(super) async fn command(test: &TestApp, command: &str, more: &[&str]) -> Output {
    let (merchant, account) = (test.merchant.to_string(), test.account.to_string());
    let database = test.db.connect_options().to_url_lossy().to_string();
    Command::new(Path::new(env!("CARGO_BIN_EXE_quittance")))
        .args(["provider-account", command, "--merchant", &merchant])
        .args(["--provider-account", &account])
        .args(more)
        .env_clear()
        .env("QUITTANCE_DATABASE_URL", database)
        .env("QUITTANCE_SEALING_KEY", SEALING_KEY)
        .output()
        .await
        .unwrap()
}

pub(super) fn said(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)))
}

#[tokio::test]
async fn the_commands_say_what_they_did_and_a_check_that_finds_something_ends_with_one() {
    let test = unconnected().await;
    let checked = command(&test, "check", &[]).await;
    assert_eq!(checked.status.code(), Some(1));
    let answer = said(&checked);
    assert_eq!(
        (&answer["ok"], &answer["findings"][0]["code"]),
        (&json!(false), &json!("not_connected"))
    );
    for finding in answer["findings"].as_array().unwrap() {
        assert!(
            finding["remedy"]
                .as_str()
                .unwrap()
                .contains("provider-account connect")
        );
    }

    let connected = said(&command(&test, "connect", &["--url", &test.url]).await);
    assert_eq!(
        (&connected["created"], &connected["old_until"]),
        (&json!(true), &Value::Null)
    );
    let again = said(&command(&test, "connect", &["--url", &test.url]).await);
    assert_eq!(again["created"], false);
    assert_eq!(again["provider_reference"], connected["provider_reference"]);

    let rotated = said(&command(&test, "rotate-webhook-secret", &["--overlap-hours", "2"]).await);
    assert!(rotated["old_until"].is_string(), "{rotated}");
    let rotated = said(&command(&test, "rotate-webhook-secret", &["--now"]).await);
    let checked = command(&test, "check", &[]).await;
    let answer = said(&checked);
    assert_eq!(
        (checked.status.code(), &answer["ok"]),
        (Some(0), &json!(true)),
        "{answer}"
    );
    let there: BTreeSet<&str> = answer["endpoints"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    assert!(
        there.contains(rotated["provider_reference"].as_str().unwrap()),
        "{answer}"
    );
    assert_eq!(there.len(), 2, "the first one overlaps for two hours: {answer}");
}
