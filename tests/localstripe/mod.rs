//! The walk of a payment against somebody else's pretend Stripe: two opinions on Stripe must both be served.

use std::io::Write;
use std::path::{Path, PathBuf};

use quittance::app::setup;
use quittance::domain::ids::ProviderAccountId;
use quittance::provider::ProviderAccount;
use quittance_sandbox::localstripe::{LocalStripe, SECRET_KEY};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::{TestApp, WEBHOOK_SECRET, eventually};

const GOOD: &str = "4242424242424242";
const DECLINED: &str = "4000000000000341";

/// localstripe's program. Without it the test is skipped, and says so.
#[expect(
    clippy::disallowed_methods,
    reason = "a test has no configuration to read it from"
)]
fn program() -> Option<PathBuf> {
    let of_make = || Path::new(env!("CARGO_MANIFEST_DIR")).join("target/localstripe/bin/localstripe");
    let program = std::env::var_os("QUITTANCE_TEST_LOCALSTRIPE").map_or_else(of_make, PathBuf::from);
    if program.is_file() {
        return Some(program);
    }
    // The harness shows what is written straight to standard error.
    let _ = writeln!(
        std::io::stderr(),
        "skipped: QUITTANCE_TEST_LOCALSTRIPE names no program of localstripe's"
    );
    None
}

/// The service with an account at localstripe.
async fn start(program: &Path) -> (TestApp, LocalStripe, ProviderAccountId) {
    let local = LocalStripe::start(program).await.unwrap();
    let test = TestApp::spawn().await;
    let account = ProviderAccount {
        merchant_id: test.merchant,
        id: ProviderAccountId::generate(),
        provider: "stripe".to_owned(),
        live: false,
        external_account: None,
        api_base: local.url().parse().unwrap(),
        secret_key: SECRET_KEY.to_owned().into(),
        publishable_key: None,
    };
    let secret = WEBHOOK_SECRET.to_owned().into();
    let app = test.application().app();
    setup::add_provider_account(app, &account, Some(&secret))
        .await
        .unwrap();
    let webhooks = format!("{}/webhooks/stripe/{}", test.url, account.id);
    local.send_webhooks(&webhooks, WEBHOOK_SECRET).await.unwrap();
    (test, local, account.id)
}

/// In localstripe's own books all was captured; what a capture leaves behind would count as refunded there.
async fn stands_in_its_books(local: &LocalStripe, payment: &Value, refunded_minor: i64) {
    let intent = payment["provider_reference"].as_str().unwrap();
    let charge = local.charge(intent).await.unwrap();
    assert_eq!(
        (&charge["amount"], &charge["captured"]),
        (&json!(12_100), &json!(true))
    );
    assert_eq!(charge["amount_refunded"], refunded_minor);
}

#[tokio::test]
async fn a_second_opinion_on_stripe_is_served_as_well() {
    let Some(program) = program() else { return };
    let (test, local, account) = start(&program).await;
    let (good, declined) = (
        local.card(GOOD).await.unwrap(),
        local.card(DECLINED).await.unwrap(),
    );
    let create = async |reference: &str, mut more: Value, status: StatusCode| {
        more["provider_account"] = json!(account);
        test.create(reference, more).await.expect(status)
    };
    let ask = async |payment: &Value, what: &str, body: Value| {
        let id = payment["id"].as_str().unwrap();
        test.post(
            &format!("/v1/payments/{id}/{what}"),
            &format!("{what}-{id}"),
            &body,
        )
        .await
    };

    let paid = create("S1", json!({ "payment_method": good }), StatusCode::CREATED).await;
    assert_eq!(
        (&paid["state"], &paid["captured_minor"]),
        (&json!("captured"), &json!(12_100))
    );
    let refunded = ask(&paid, "refunds", json!({ "amount_minor": 2_100 })).await;
    assert_eq!(refunded.expect(StatusCode::CREATED)["refunded_minor"], 2_100);
    let rest = test
        .post(
            &format!("/v1/payments/{}/refunds", paid["id"].as_str().unwrap()),
            "rest",
            &json!({}),
        )
        .await;
    assert_eq!(rest.expect(StatusCode::CREATED)["refunded_minor"], 12_100);

    let manual = json!({ "payment_method": good, "capture_method": "manual" });
    let kept = create("S2", manual.clone(), StatusCode::CREATED).await;
    assert_eq!(
        (&kept["state"], &kept["authorized_minor"]),
        (&json!("authorized"), &json!(12_100))
    );
    let captured = ask(&kept, "capture", json!({})).await.expect(StatusCode::OK);
    assert_eq!(
        (&captured["state"], &captured["captured_minor"]),
        (&json!("captured"), &json!(12_100))
    );

    let held = create("S3", manual, StatusCode::CREATED).await;
    let canceled = ask(&held, "cancel", json!({})).await.expect(StatusCode::OK);
    assert_eq!(canceled["state"], "canceled");

    let open = create("S4", json!({}), StatusCode::CREATED).await;
    assert_eq!(open["state"], "created");
    let confirm = json!({ "payment_method": good, "return_url": "https://shop.example/back" });
    let confirmed = ask(&open, "confirm", confirm).await.expect(StatusCode::OK);
    assert_eq!(confirmed["state"], "captured");

    let refused = create("S5", json!({ "payment_method": declined }), StatusCode::CREATED).await;
    assert_eq!(refused["operations"][0]["state"], "declined");
    assert_eq!(refused["captured_minor"], 0);

    for (payment, refunded_minor) in [(&paid, 12_100), (&kept, 0), (&open, 0)] {
        stands_in_its_books(&local, payment, refunded_minor).await;
    }

    // Its webhooks come a second later, signed as Stripe signs: none may be refused, and none may change the end.
    eventually(
        async || match test.count("webhook_event where state = 'applied'").await {
            0 => Err("no event was applied".to_owned()),
            _ => Ok(()),
        },
    )
    .await;
    for (payment, state) in [(&paid, "captured"), (&held, "canceled"), (&open, "captured")] {
        let told = test.payment(payment["id"].as_str().unwrap()).await;
        assert_eq!((&told["state"], &told["exceptions"]), (&json!(state), &json!([])));
    }
}
