//! Two versions side by side over one database.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use reqwest::StatusCode;
use serde_json::json;

use super::shop::Shop;
use crate::support::{NewForTests, Reply, payment};

/// What the next version's migration does: it only adds, and neither rewrites a table nor holds one for long.
const ADDED: &str = "begin;
    alter table payment add column added text;
    create table added_later (merchant_id uuid not null references merchant, id uuid not null, primary key (merchant_id, id));
    select quittance_protect('added_later', 'select, insert');
    insert into _sqlx_migrations (version, description, success, checksum, execution_time) values (999999, 'later', true, '', 0);
    commit";

/// Asks for one payment after another until told to stop, and says how each was answered.
async fn ask_on(shop: &Shop, url: &str, name: &str, ended: &AtomicBool) -> Vec<(String, Reply)> {
    let client = reqwest::Client::new_for_tests();
    let mut answers = Vec::new();
    while !ended.load(Ordering::Relaxed) || answers.len() < 6 {
        let reference = format!("{name}{}", answers.len());
        let request = client
            .post(format!("{url}/v1/payments"))
            .bearer_auth(&shop.merchant.api_key)
            .header("Idempotency-Key", &reference)
            .json(&payment(&reference, json!({ "payment_method": "pm_card_visa" })));
        answers.push((reference, Reply::of(request).await));
    }
    answers
}

async fn late_is_ready(replica: &quittance_sandbox::service::Quittance) -> StatusCode {
    let ready = reqwest::get(format!("{}/readyz", replica.url())).await;
    ready.unwrap().status()
}

#[tokio::test]
async fn an_older_version_serves_on_without_a_5xx_while_a_newer_one_migrates_and_starts_beside_it() {
    let mut shop = Shop::set_up("upgrade").await;
    let log =
        |name: &str| std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("restore-{name}.log"));
    let newer = shop.quittance.replica(&log("upgrade-newer")).unwrap();
    let older = shop.serve().await;
    let second = newer.serve(&["--with-worker"]).await.unwrap();
    let ended = Arc::new(AtomicBool::new(false));
    let (urls, shared) = ([shop.quittance.url(), newer.url()], &shop);
    let (one, two, ()) = tokio::join!(
        ask_on(shared, &urls[0], "OLD", &ended),
        ask_on(shared, &urls[1], "NEW", &ended),
        async {
            shared.quittance.run(&["migrate"], &[]).await.unwrap();
            shared.execute(ADDED).await;
            // Migrations that this version does not know are nothing to it: whoever starts late, or again, is ready as well.
            let third = shared.quittance.replica(&log("upgrade-late")).unwrap();
            let late = third.serve(&[]).await.unwrap();
            assert_eq!(late_is_ready(&third).await, StatusCode::OK);
            late.stop().await.unwrap();
            assert_eq!(shared.get("/readyz").await.status, StatusCode::OK);
            ended.store(true, Ordering::Relaxed);
        }
    );
    for (reference, reply) in one.iter().chain(&two) {
        assert_eq!(reply.status, StatusCode::CREATED, "{reference}: {reply:?}");
    }
    let asked = one.len() + two.len();
    assert_eq!(shop.stripe.charges_made(), asked);

    // The older one goes in good order, and the newer one has its port's work; what either took is there for the other.
    older.stop().await.unwrap();
    shop.quittance = newer;
    for (reference, reply) in one.iter().take(3) {
        let listed = shop
            .get(&format!("/v1/payments?reference={reference}"))
            .await
            .json();
        assert_eq!(listed["data"][0]["id"], reply.json()["id"]);
    }
    second.stop().await.unwrap();
}
