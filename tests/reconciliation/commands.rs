//! `quittance reconcile` and `quittance audit`.

use quittance::startup::Role;
use quittance_sandbox::faults::{Fault, Matcher};
use quittance_sandbox::stripe::Extra;
use serde_json::json;
use time::format_description::well_known::Rfc3339;

use super::audit;
use crate::events::commands::run;
use crate::support::{TestApp, Wishes, database, now};

/// A service that works through nothing by itself, and its database.
async fn spawn() -> (TestApp, String) {
    let url = database().await;
    let wishes = Wishes {
        database: Some(url.clone()),
        role: Role::Serve,
        webhooks: false,
        ..Wishes::default()
    };
    (TestApp::spawn_with(wishes).await, url)
}

#[tokio::test]
async fn reconcile_reads_and_books_to_the_end_and_audit_fails_until_all_is_explained() {
    let (test, url) = spawn().await;
    let (merchant, account) = (test.merchant.to_string(), test.account.to_string());
    let since = (now() - time::Duration::DAY).format(&Rfc3339).unwrap();
    let reconcile = async || {
        run(
            &url,
            &[
                "reconcile",
                "--merchant",
                &merchant,
                "--provider-account",
                &account,
                "--since",
                &since,
            ],
        )
        .await
    };
    for number in 0..120 {
        test.stripe.write_line(Extra::StripeFee, -number - 1, "eur");
    }
    let audited = run(&url, &["audit", "--merchant", &merchant]).await;
    assert!(audited.is_err(), "nothing is booked: {audited:?}");

    let lines = Matcher::method_path("GET", "/v1/balance_transactions");
    test.stripe.faults().always(lines, Fault::ErrorBefore);
    let refused = reconcile().await.unwrap_err();
    assert!(refused.contains("provider"), "{refused}");
    test.stripe.faults().clear();

    let answer = json!({ "provider_account": account, "booked": 120 });
    assert_eq!(reconcile().await.unwrap(), answer, "more than a page");
    assert_eq!(reconcile().await.unwrap()["booked"], 0);
    let mut audited = run(&url, &["audit", "--merchant", &merchant]).await.unwrap();
    assert_eq!(audited["ok"], true);
    audited.as_object_mut().unwrap().remove("ok");
    assert_eq!(audited, audit(&test).await);

    test.stripe.write_line(Extra::SolarFlare, 7, "eur");
    reconcile().await.unwrap();
    let audited = run(&url, &["audit", "--merchant", &merchant]).await;
    assert!(audited.is_err(), "what is open is not explained: {audited:?}");

    let others = [
        "reconcile",
        "--provider-account",
        "acc_01h455vb4pex5vsknk084sn02q",
        "--since",
        &since,
    ];
    let refused = run(&url, &[&others[..], &["--merchant", &merchant]].concat())
        .await
        .unwrap_err();
    assert!(refused.contains("provider account"), "{refused}");
}
