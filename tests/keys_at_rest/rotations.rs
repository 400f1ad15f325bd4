//! Rotations inside a running service.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::future::join_all;
use quittance::app::keys::{rewrap, rotate_data_keys};
use quittance::domain::ids::MerchantId;
use quittance::startup::{Application, Role};
use reqwest::StatusCode;
use serde_json::json;

use super::support::{age, filled, filled_in, id, opened, sums, values};
use crate::support::{SEALING_KEY, TestApp, database, settings};

#[tokio::test]
async fn what_an_earlier_version_sealed_opens_and_a_rotation_seals_it_anew() {
    let url = database().await;
    let mut test = filled_in(url.clone()).await;
    test.stop().await;
    age(&test.db).await;
    let before = opened(&test.db, &[SEALING_KEY]).await;
    let service = Application::start(&settings(&url), Role::Serve).await.unwrap();
    let app = service.app();
    let (single, current, retired) = sums(app).await;
    assert!(
        single > 10 && current + retired == 0,
        "{single} {current} {retired}"
    );
    assert_eq!(test.count("data_key").await, 1, "a start makes the data key");

    let done = rotate_data_keys(app, None).await.unwrap();
    assert_eq!((done.not_opened, done.held, done.new_data_keys), (0, 0, 1));
    assert_eq!(done.resealed, u64::try_from(single).unwrap());
    assert_eq!(sums(app).await, (0, single, 0));
    assert_eq!(opened(&test.db, &[SEALING_KEY]).await, before);
    for value in values(&test.db).await {
        assert_eq!(value.sealed[..5], [2, 0, 0, 0, 2], "{:?}", value.place());
    }
    service.stop().await;
}

#[tokio::test]
async fn what_is_written_is_sealed_with_the_newest_key_and_old_ones_still_open() {
    let test = TestApp::spawn().await;
    let app = test.application().app();
    let payment = test.create("S1", json!({})).await.expect(StatusCode::CREATED);
    // A new data key, as a rotation on another machine makes it, that did not come to this payment yet.
    let mut conn = test.db.acquire().await.unwrap();
    let place = quittance::crypto::KeyPlace {
        merchant: test.merchant.uuid(),
        version: 2,
    };
    let (_, wrapped) = app.sealer.ring().generate(place).await.unwrap();
    let newest = quittance::store::key_rounds::list_newest(&mut conn, &[test.merchant])
        .await
        .unwrap();
    let (round, _) = quittance::store::key_rounds::lock(&mut conn, &[test.merchant])
        .await
        .unwrap();
    let made = quittance::store::key_rounds::insert(&mut conn, &newest[0], round, &wrapped).await;
    assert!(made.unwrap());
    drop(conn);
    let path = format!("/v1/payments/{}", payment["id"].as_str().unwrap());
    let shown = test.get(&path).await.expect(StatusCode::OK);
    assert_eq!(shown["client_secret"], payment["client_secret"]);
    tokio::time::sleep(quittance::crypto::LEARNED_WITHIN).await;
    test.create("S2", json!({})).await.expect(StatusCode::CREATED);
    let versions: Vec<i32> = sqlx::query_scalar(
        "select get_byte(client_secret_sealed, 4) from payment where client_secret_sealed is not null order by id",
    )
    .fetch_all(&test.db)
    .await
    .unwrap();
    assert_eq!(versions, [1, 2]);
}

#[tokio::test]
async fn while_payments_and_webhooks_go_on_rotations_lose_nothing_and_leave_nothing_behind() {
    let test = TestApp::spawn().await;
    let app = test.application().app();
    let ended = AtomicBool::new(false);
    let shop = async |who: usize| {
        let mut paid = Vec::new();
        let mut number = 0;
        while !ended.load(Ordering::Relaxed) {
            number += 1;
            let payment = test
                .create(&format!("T{who}-{number}"), json!({ "capture_method": "manual" }))
                .await
                .expect(StatusCode::CREATED);
            test.pay(&payment, "pm_card_visa").await;
            let id = payment["id"].as_str().unwrap();
            test.until(id, "authorized").await;
            let captured = test
                .post(
                    &format!("/v1/payments/{id}/capture"),
                    &format!("c-{id}"),
                    &json!({}),
                )
                .await;
            captured.expect(StatusCode::OK);
            paid.push(payment);
        }
        paid
    };
    let rotate = async {
        for _ in 0..2 {
            let done = rotate_data_keys(app, None).await.unwrap();
            assert_eq!((done.not_opened, done.held), (0, 0), "{done:?}");
            assert_eq!((done.new_data_keys, done.resumed), (1, false), "{done:?}");
            rewrap(app).await.unwrap();
        }
        let sums = sums(app).await;
        ended.store(true, Ordering::Relaxed);
        sums
    };
    let (paid, (single, current, retired)) = tokio::join!(join_all((0..3).map(shop)), rotate);
    assert_eq!((single, retired), (0, 0));
    assert!(current > 50, "{current}");
    opened(&test.db, &[SEALING_KEY]).await;
    for payment in paid.into_iter().flatten() {
        let id = payment["id"].as_str().unwrap();
        let seen = test.until(id, "captured").await;
        let reference = payment["reference"].as_str().unwrap();
        let body = json!({ "capture_method": "manual" });
        let again = test.create(reference, body).await.expect(StatusCode::CREATED);
        assert_eq!(again, payment, "the kept answer, byte for byte");
        assert_eq!(seen["reference"], payment["reference"]);
    }
    assert_eq!(test.count("webhook_event where state = 'dead'").await, 0);
    assert_eq!(test.count("data_key").await, 3);
}

#[tokio::test]
async fn one_merchants_rotation_leaves_the_others_alone() {
    let test = TestApp::spawn().await;
    let app = test.application().app();
    let other = quittance::app::setup::add_merchant(app, "Other").await.unwrap();
    let done = rotate_data_keys(app, Some(test.merchant)).await.unwrap();
    assert_eq!((done.merchants, done.new_data_keys), (1, 1));
    let newest = async |merchant: MerchantId| {
        let newest: i32 = sqlx::query_scalar("select max(version) from data_key where merchant_id = $1")
            .bind(merchant)
            .fetch_one(&test.db)
            .await
            .unwrap();
        newest
    };
    assert_eq!((newest(test.merchant).await, newest(other).await), (2, 1));
    let nobody = rotate_data_keys(app, Some(MerchantId::generate())).await;
    assert!(nobody.is_err());
}

#[tokio::test]
async fn what_does_not_open_is_counted_and_stays_and_holds_up_nothing() {
    let test = filled().await;
    let app = test.application().app();
    sqlx::query("update setup set client_secret_sealed = set_byte(client_secret_sealed, 20, get_byte(client_secret_sealed, 20) # 1)")
        .execute(&test.db)
        .await
        .unwrap();
    let done = rotate_data_keys(app, None).await.unwrap();
    assert_eq!((done.not_opened, done.held), (1, 0));
    let (single, _, retired) = sums(app).await;
    assert_eq!((single, retired), (0, 1), "status still tells of it");
}

#[tokio::test]
async fn a_row_that_is_held_is_left_to_who_holds_it_and_nobody_waits() {
    let test = filled().await;
    let app = test.application().app();
    let mut tx = test.db.begin().await.unwrap();
    sqlx::query("select from payment where reference = 'S2' for update")
        .execute(&mut *tx)
        .await
        .unwrap();
    let rotate = tokio::time::timeout(Duration::from_secs(30), rotate_data_keys(app, None));
    let done = rotate.await.unwrap().unwrap();
    assert_eq!(done.held, 1);
    tx.rollback().await.unwrap();
    let resumed = rotate_data_keys(app, None).await.unwrap();
    assert_eq!(
        (resumed.resumed, resumed.new_data_keys, resumed.resealed),
        (true, 0, 1)
    );
    assert_eq!(sums(app).await.2, 0);
    assert_eq!(test.count("data_key").await, 2);
}

#[tokio::test]
async fn status_says_what_is_where_and_which_key_may_go() {
    let test = filled().await;
    let app = test.application().app();
    let status = quittance::app::keys::status(app).await.unwrap();
    assert_eq!((status.current_data_keys, status.retired_data_keys), (1, 0));
    assert_eq!(status.keks.len(), 1);
    let kek = &status.keks[0];
    assert_eq!(
        (kek.id.as_str(), kek.is_current, kek.data_keys, kek.may_be_removed),
        (id(SEALING_KEY).as_str(), true, 1, false)
    );
    for column in &status.columns {
        let counts = &column.counts;
        assert!(
            counts.current > 0 && counts.retired + counts.single_key == 0,
            "{column:?}"
        );
        assert_eq!(counts.by_version.get(&1), Some(&counts.current));
        assert_eq!(counts.by_kek.get(&id(SEALING_KEY)), Some(&counts.current));
    }
}
