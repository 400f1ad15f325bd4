//! What is changed at one replica holds at all of them within a second.

use std::time::{Duration, Instant};

use quittance::app::auth::{Administered, Administrator};
use quittance::app::setup::{api_keys, merchants};
use reqwest::StatusCode;

use super::{make, read, read_at, replica, serving, wish};
use crate::support::{Wishes, database, eventually};

/// How long it took until a key was answered so at a replica, while it was used all the time.
async fn until(application: &quittance::startup::Application, key: &str, wanted: StatusCode) -> Duration {
    let since = Instant::now();
    eventually(async || match read_at(application, key).await {
        status if status == wanted => Ok(()),
        status => Err(status.to_string()),
    })
    .await;
    since.elapsed()
}

#[tokio::test]
async fn a_key_that_is_revoked_at_one_replica_is_refused_at_another_within_a_second() {
    let url = database().await;
    let test = serving(Wishes {
        database: Some(url.clone()),
        ..Wishes::default()
    })
    .await;
    let other = replica(&url).await;
    let by = Administered::at_the_command_line(test.merchant);
    for _ in 0..3 {
        let (id, key) = make(&test, &wish()).await;
        read(&test, &key).await.expect(StatusCode::OK);
        assert_eq!(read_at(&other, &key).await, StatusCode::OK);
        let revoked = Instant::now();
        api_keys::revoke(test.application().app(), &by, id).await.unwrap();
        read(&test, &key).await.expect(StatusCode::UNAUTHORIZED);
        until(&other, &key, StatusCode::UNAUTHORIZED).await;
        let took = revoked.elapsed();
        assert!(took < Duration::from_secs(1), "{took:?}");
    }
    other.stop().await;
}

#[tokio::test]
async fn what_is_changed_in_the_database_itself_holds_as_soon() {
    let url = database().await;
    let test = serving(Wishes {
        database: Some(url.clone()),
        ..Wishes::default()
    })
    .await;
    let (id, key) = make(&test, &wish()).await;
    read(&test, &key).await.expect(StatusCode::OK);
    for (change, wanted) in [
        (
            "update api_key set scopes = '{events:read}' where id = $1",
            StatusCode::FORBIDDEN,
        ),
        (
            "update api_key set scopes = '{payments:read,moon:walk}' where id = $1",
            StatusCode::OK,
        ),
        (
            "update api_key set networks = '{192.0.2.1}' where id = $1",
            StatusCode::FORBIDDEN,
        ),
        ("update api_key set networks = '{}' where id = $1", StatusCode::OK),
        (
            "update api_key set expires_at = now() where id = $1",
            StatusCode::UNAUTHORIZED,
        ),
        (
            "update api_key set expires_at = null where id = $1",
            StatusCode::OK,
        ),
        ("delete from api_key where id = $1", StatusCode::UNAUTHORIZED),
    ] {
        sqlx::query(change).bind(id).execute(&test.db).await.unwrap();
        let took = until(test.application(), &key, wanted).await;
        assert!(took < Duration::from_secs(1), "{change}: {took:?}");
    }
}

#[tokio::test]
async fn a_disabled_merchant_is_shut_out_everywhere_and_let_in_again() {
    let url = database().await;
    let test = serving(Wishes {
        database: Some(url.clone()),
        ..Wishes::default()
    })
    .await;
    let other = replica(&url).await;
    let (app, by) = (test.application().app(), Administrator::at_the_command_line());
    assert_eq!(read_at(&other, &test.key).await, StatusCode::OK);
    merchants::disable(app, &by, test.merchant).await.unwrap();
    let refused = read(&test, &test.key).await.expect(StatusCode::FORBIDDEN);
    assert_eq!(refused["code"], "merchant_disabled");
    let took = until(&other, &test.key, StatusCode::FORBIDDEN).await;
    assert!(took < Duration::from_secs(1), "{took:?}");
    merchants::enable(app, &by, test.merchant).await.unwrap();
    read(&test, &test.key).await.expect(StatusCode::OK);
    until(&other, &test.key, StatusCode::OK).await;
    other.stop().await;
}

#[tokio::test]
async fn a_key_that_is_used_all_the_time_is_read_once_and_not_again() {
    let url = database().await;
    let test = serving(Wishes {
        database: Some(url.clone()),
        ..Wishes::default()
    })
    .await;
    // Another table in its place makes a look-up fail, where one is made.
    read(&test, &test.key).await.expect(StatusCode::OK);
    eventually(async || match read(&test, &test.key).await.status {
        StatusCode::OK => Ok(()),
        status => Err(status.to_string()),
    })
    .await;
    let since = Instant::now();
    while since.elapsed() < Duration::from_millis(400) {
        read(&test, &test.key).await.expect(StatusCode::OK);
    }
    sqlx::query("alter table api_key rename to api_key_away")
        .execute(&test.db)
        .await
        .unwrap();
    let since = Instant::now();
    while since.elapsed() < Duration::from_secs(2) {
        read(&test, &test.key).await.expect(StatusCode::OK);
    }
    sqlx::query("alter table key_epoch rename to key_epoch_away")
        .execute(&test.db)
        .await
        .unwrap();
    let took = until(test.application(), &test.key, StatusCode::SERVICE_UNAVAILABLE).await;
    assert!(
        took < Duration::from_secs(1),
        "believed without hearing of changes: {took:?}"
    );
}
