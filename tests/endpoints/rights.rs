//! A restricted key with what is documented may do all that is done, and what it lacks is named before a payment meets it.

use quittance::provider::{Permission, ProviderAccount, Rights};
use quittance::startup;
use quittance_sandbox::stripe::{Options as StripeOptions, PretendStripe};
use reqwest::StatusCode;
use serde_json::json;

use super::check::{command, said};
use crate::support::{TestApp, Wishes, eventually, settings};

const KEY: &str = "rk_test_sandbox";

/// A service whose account has a restricted key, with all that is documented.
async fn restricted() -> (TestApp, Vec<Permission>) {
    let needed = needed();
    let stripe = StripeOptions {
        secret_key: KEY.to_owned(),
        permissions: Some(names(&needed)),
        ..StripeOptions::default()
    };
    let test = TestApp::spawn_with(Wishes {
        stripe,
        ..Wishes::default()
    })
    .await;
    (test, needed)
}

fn needed() -> Vec<Permission> {
    let providers = startup::providers(&settings("postgres://localhost")).unwrap();
    let stripe = providers.find("stripe").unwrap();
    stripe.rights().unwrap().needed()
}

fn names(permissions: &[Permission]) -> Vec<String> {
    permissions
        .iter()
        .map(|permission| permission.name.to_owned())
        .collect()
}

/// What the service says that a key lacks which has all but these.
async fn missing_without(
    stripe: &PretendStripe,
    rights: &dyn Rights,
    account: &ProviderAccount,
    gone: &[&str],
) -> Vec<String> {
    let mut held = names(&rights.needed());
    held.retain(|name| !gone.contains(&name.as_str()));
    stripe.restrict(Some(held));
    names(&rights.find_missing(account).await.unwrap())
}

#[tokio::test]
async fn each_permission_that_a_restricted_key_lacks_is_named_and_nothing_is_changed_by_asking() {
    let providers = startup::providers(&settings("postgres://localhost")).unwrap();
    let provider = providers.find("stripe").unwrap();
    let rights = provider.rights().unwrap();
    let stripe = PretendStripe::start(StripeOptions {
        secret_key: KEY.to_owned(),
        ..StripeOptions::default()
    })
    .await
    .unwrap();
    let account = ProviderAccount {
        merchant_id: quittance::domain::ids::MerchantId::generate(),
        id: quittance::domain::ids::ProviderAccountId::generate(),
        provider: "stripe".to_owned(),
        live: false,
        external_account: None,
        api_base: stripe.url().parse().unwrap(),
        secret_key: KEY.to_owned().into(),
        publishable_key: None,
    };
    let needed = rights.needed();
    assert_eq!(needed.len(), 14);
    assert_eq!(missing_without(&stripe, rights, &account, &[]).await, [""; 0]);
    for permission in &needed {
        assert_eq!(
            missing_without(&stripe, rights, &account, &[permission.name]).await,
            [permission.name]
        );
    }
    stripe.restrict(Some(Vec::new()));
    assert_eq!(rights.find_missing(&account).await.unwrap(), needed);
    assert_eq!(stripe.payment_intents().len() + stripe.endpoints().len(), 0);

    let asked = stripe.requests().len();
    let unrestricted = ProviderAccount {
        secret_key: "sk_test_other".to_owned().into(),
        ..account
    };
    assert_eq!(rights.find_missing(&unrestricted).await.unwrap(), []);
    assert_eq!(
        stripe.requests().len(),
        asked,
        "a key that may do all is not asked about"
    );
}

#[tokio::test]
async fn a_key_with_what_is_documented_takes_payments_and_one_that_lacks_something_says_what() {
    let (test, needed) = restricted().await;
    let customer = test
        .post("/v1/customers", "c", &json!({ "partner": "7", "name": "Jo" }))
        .await;
    let customer = customer.expect(StatusCode::OK);
    let setup = json!({ "customer": customer["id"], "return_url": "https://shop.example/" });
    test.post("/v1/setups", "s", &setup)
        .await
        .expect(StatusCode::CREATED);
    let wish = json!({ "payment_method": "pm_card_visa", "capture_method": "manual" });
    let held = test.create("S1", wish).await.expect(StatusCode::CREATED);
    let path = format!("/v1/payments/{}", held["id"].as_str().unwrap());
    test.post(&format!("{path}/capture"), "k1", &json!({}))
        .await
        .expect(StatusCode::OK);
    test.post(&format!("{path}/refunds"), "k2", &json!({ "amount_minor": 100 }))
        .await
        .expect(StatusCode::CREATED);
    test.get(&format!("{path}?refresh=true"))
        .await
        .expect(StatusCode::OK);

    let mut lacking = names(&needed);
    lacking.retain(|name| name != "charge_write");
    test.stripe.restrict(Some(lacking));
    let refused = test
        .post(&format!("{path}/refunds"), "k3", &json!({ "amount_minor": 100 }))
        .await
        .expect(StatusCode::BAD_GATEWAY);
    assert_eq!(refused["code"], "provider_unauthorized");
    let detail = refused["detail"].as_str().unwrap();
    assert!(detail.contains("lacks the permission charge_write"), "{detail}");
    test.stripe.restrict(Some(names(&needed)));
    test.post(&format!("{path}/refunds"), "k3", &json!({ "amount_minor": 100 }))
        .await
        .expect(StatusCode::CREATED);
}

#[tokio::test]
async fn the_check_command_names_what_the_key_lacks() {
    let (test, needed) = restricted().await;
    let whole = said(&command(&test, "check", &[]).await);
    assert_eq!(
        whole["key"],
        json!({ "restricted": true, "missing_permissions": [] })
    );

    let mut held = names(&needed);
    held.retain(|name| name != "payout_read" && name != "dispute_write");
    test.stripe
        .restrict(Some([held.clone(), vec!["dispute_read".to_owned()]].concat()));
    let checked = command(&test, "check", &[]).await;
    let answer = said(&checked);
    assert_eq!((checked.status.code(), &answer["ok"]), (Some(1), &json!(false)));
    let missing: Vec<&str> = answer["key"]["missing_permissions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|permission| permission["name"].as_str().unwrap())
        .collect();
    assert_eq!(missing, ["dispute_write", "payout_read"]);

    test.stripe.restrict(Some(Vec::new()));
    let answer = said(&command(&test, "check", &[]).await);
    assert_eq!(
        answer["key"]["missing_permissions"].as_array().unwrap().len(),
        needed.len()
    );
}

#[tokio::test]
async fn a_worker_that_starts_says_in_one_line_what_a_key_lacks_and_goes_on() {
    use quittance_sandbox::merchant::{Merchant, StripeAccess};
    use quittance_sandbox::service::Quittance;
    use std::path::Path;

    let needed = needed();
    let mut held = names(&needed);
    held.retain(|name| name != "event_read" && name != "balance_read");
    let stripe = PretendStripe::start(StripeOptions {
        secret_key: KEY.to_owned(),
        permissions: Some(held),
        ..StripeOptions::default()
    })
    .await
    .unwrap();
    let log = Path::new(env!("CARGO_TARGET_TMPDIR")).join("rights.log");
    let program = Path::new(env!("CARGO_BIN_EXE_quittance"));
    let quittance = Quittance::new(program, &crate::support::database().await, &log).unwrap();
    let access = StripeAccess {
        secret_key: KEY.to_owned(),
        ..StripeAccess::of(&stripe, crate::support::WEBHOOK_SECRET)
    };
    Merchant::add(&quittance, &access, None).await.unwrap();
    let service = quittance.serve(&["--with-worker"]).await.unwrap();
    let line = eventually(async || {
        let log = std::fs::read_to_string(&log).unwrap();
        let lines: Vec<&str> = log
            .lines()
            .filter(|line| line.contains("lacks permissions"))
            .collect();
        match lines[..] {
            [line] => Ok(line.to_owned()),
            _ => Err(log),
        }
    })
    .await;
    assert!(
        line.contains("balance_read, event_read") && line.contains("acc_"),
        "{line}"
    );
    service.stop().await.unwrap();
}
