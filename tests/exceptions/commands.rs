//! The same at the command line.

use reqwest::StatusCode;
use serde_json::Value;

use super::{became, newest, open, payment, short, shown};
use crate::events::commands::run;
use crate::events::{Operator, each, impatient};
use crate::support::{TestApp, Wishes, database};

/// A service told only of what the test sees, and its database.
pub(super) async fn spawn() -> (TestApp, String) {
    let url = database().await;
    let wishes = Wishes {
        database: Some(url.clone()),
        ..impatient()
    };
    (TestApp::spawn_with(wishes).await, url)
}

/// What `quittance exceptions` answers about the merchant's.
pub(super) async fn command(test: &TestApp, url: &str, arguments: &[&str]) -> Result<Value, String> {
    let merchant = test.merchant.to_string();
    run(
        url,
        &[&["exceptions"], arguments, &["--merchant", &merchant]].concat(),
    )
    .await
}

#[tokio::test]
async fn the_command_that_lists_answers_what_the_api_answers_by_every_filter() {
    let (test, url) = spawn().await;
    let payment = payment(&test).await;
    open(&test, &short(&test, "ch_1", "short by 1.00", 900).of(payment)).await;
    open(&test, &short(&test, "ch_2", "short by 1.00", 900).holding("po_1")).await;
    let list = async |query: &str| {
        test.get(&format!("/v1/exceptions{query}"))
            .await
            .expect(StatusCode::OK)
    };
    let first = list("?state=open&limit=1").await;
    let listed = command(&test, &url, &["list", "--state", "open", "--limit", "1"]).await;
    assert_eq!(listed.unwrap(), first);
    let cursor = first["next_cursor"].as_str().unwrap();
    let next = command(&test, &url, &["list", "--limit", "1", "--cursor", cursor]).await;
    assert_eq!(each(&next.unwrap(), "subject"), ["ch_1"]);
    let of_payment = payment.to_string();
    let past = "2020-01-01T00:00:00Z";
    for (filter, value, count) in [
        ("payment", of_payment.as_str(), 1),
        ("payout", "po_1", 1),
        ("kind", "amount_under", 2),
        ("kind", "amount_over", 0),
        ("since", past, 2),
        ("until", past, 0),
    ] {
        let listed = command(&test, &url, &["list", &format!("--{filter}"), value])
            .await
            .unwrap();
        assert_eq!(
            listed,
            list(&format!("?{filter}={value}")).await,
            "{filter} {value}"
        );
        assert_eq!(each(&listed, "id").len(), count, "{filter} {value}");
    }
}

#[tokio::test]
async fn the_commands_that_change_an_exception_answer_what_the_api_answers() {
    let (test, url) = spawn().await;
    open(&test, &short(&test, "ch_1", "short by 1.00", 900)).await;
    let operator = Operator::of(&test).await;
    let opened = newest(&operator).await;
    let id = opened["id"].as_str().unwrap();
    let command = async |arguments: &[&str]| command(&test, &url, arguments).await;
    assert_eq!(command(&["show", id]).await.unwrap(), opened);
    let resolved = command(&["resolve", id, "--reason", "written off"])
        .await
        .unwrap();
    assert_eq!(resolved, shown(&operator, id).await);
    let reopened = command(&["reopen", id, "--reason", "not ours"]).await.unwrap();
    assert_eq!(reopened, shown(&operator, id).await);
    assert_eq!(
        became(&reopened)[1..],
        [
            ["cli", "open", "resolved", "written off"],
            ["cli", "resolved", "open", "not ours"],
        ]
    );
    for (arguments, complaint) in [
        (&["resolve", id][..], "--reason"),
        (&["reopen", id, "--reason", " "], "1 to 500 characters"),
        (&["list", "--kind", "moon_phase"], "unknown variant"),
        (&["list", "--state", "closed"], "unknown variant"),
        (&["list", "--cursor", "x"], "--cursor: invalid_cursor"),
        (&["show", "exc_01h455vb4pex5vsknk084sn02q"], "no such exception"),
        (&["show", id, "--live"], "no such exception"),
    ] {
        let said = command(arguments).await.unwrap_err();
        assert!(said.contains(complaint), "{arguments:?}: {said}");
    }
}
