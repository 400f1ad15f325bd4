//! What is sealed where, and that it opens nowhere else.

use quittance::app::setup;
use quittance::crypto::{CryptoError, KekError};
use quittance::store::sealed::{Anew, NOT_SEALED, SEALED};
use quittance::store::{self, StoreError};

use super::support::{drop_data_keys, filled, id, sealer, values};
use crate::support::{SEALING_KEY, TestApp};

#[tokio::test]
async fn every_column_of_bytes_is_in_the_list_of_what_is_sealed_or_said_not_to_be() {
    let test = TestApp::spawn().await;
    let columns: Vec<(String, String)> = sqlx::query_as(
        "select table_name::text, column_name::text from information_schema.columns
         where table_schema = 'public' and data_type = 'bytea' and table_name <> '_sqlx_migrations'",
    )
    .fetch_all(&test.db)
    .await
    .unwrap();
    let mut found: Vec<(&str, &str)> = columns
        .iter()
        .map(|(table, column)| (table.as_str(), column.as_str()))
        .collect();
    let sealed = SEALED.iter().map(|sealed| (sealed.table, sealed.column));
    let mut named: Vec<(&str, &str)> = sealed.chain(NOT_SEALED.iter().copied()).collect();
    found.sort_unstable();
    named.sort_unstable();
    assert_eq!(found, named, "a column of bytes is named in store::sealed");
}

#[tokio::test]
async fn a_value_moved_to_another_row_column_table_or_merchant_does_not_open() {
    let test = filled().await;
    let app = test.application().app();
    let other = setup::add_merchant(app, "Other").await.unwrap();
    let all = values(&test.db).await;
    for column in SEALED {
        let has = all.iter().any(|value| value.column == column);
        assert!(has, "{}.{} holds something", column.table, column.column);
    }
    let mut conn = test.db.acquire().await.unwrap();
    for value in &all {
        let opened = app.sealer.open(&mut conn, value.place(), &value.sealed).await;
        assert!(opened.is_ok(), "{:?} opens in its place", value.place());
        for elsewhere in &all {
            if (elsewhere.column, &elsewhere.key) != (value.column, &value.key) {
                let opened = app.sealer.open(&mut conn, elsewhere.place(), &value.sealed).await;
                assert!(
                    opened.is_err(),
                    "{:?} opened as {:?}",
                    value.place(),
                    elsewhere.place()
                );
            }
        }
        let theirs = value.column.place_of(other, &value.key).unwrap();
        assert!(app.sealer.open(&mut conn, theirs, &value.sealed).await.is_err());
    }
}

#[tokio::test]
async fn what_sql_moves_between_merchants_is_refused_with_its_data_key_too() {
    let test = TestApp::spawn().await;
    let app = test.application().app();
    let other = setup::add_merchant(app, "Other").await.unwrap();
    let account = store::provider_accounts::get(
        &mut test.db.acquire().await.unwrap(),
        &app.sealer,
        test.merchant,
        test.account,
    )
    .await
    .unwrap();
    let theirs = quittance::provider::ProviderAccount {
        merchant_id: other,
        id: quittance::domain::ids::ProviderAccountId::generate(),
        ..account
    };
    setup::add_provider_account(app, &theirs, None).await.unwrap();
    sqlx::query(
        "update provider_account set secret_key_sealed =
             (select secret_key_sealed from provider_account where merchant_id = $1) where merchant_id = $2",
    )
    .bind(test.merchant)
    .bind(other)
    .execute(&test.db)
    .await
    .unwrap();
    let mut conn = test.db.acquire().await.unwrap();
    let get = async |conn: &mut _| {
        let fresh = sealer(&[SEALING_KEY]);
        let got = store::provider_accounts::get(conn, &fresh, other, theirs.id).await;
        match got {
            Err(StoreError::Crypto(error)) => error,
            other => panic!("{other:?}"),
        }
    };
    assert!(matches!(get(&mut conn).await, CryptoError::Open { .. }));
    // With the other's data key beside it, it would open: but that does not unwrap here.
    sqlx::query("update data_key set wrapped = (select wrapped from data_key where merchant_id = $1) where merchant_id = $2")
        .bind(test.merchant)
        .bind(other)
        .execute(&test.db)
        .await
        .unwrap();
    let kek = id(SEALING_KEY);
    assert_eq!(get(&mut conn).await, KekError::Refused { kek }.into());
}

#[tokio::test]
async fn opening_asks_the_database_once_and_then_never_again() {
    let test = filled().await;
    let all = values(&test.db).await;
    let used = sealer(&[SEALING_KEY]);
    let mut conn = test.db.acquire().await.unwrap();
    used.open(&mut conn, all[0].place(), &all[0].sealed)
        .await
        .unwrap();
    sqlx::query("alter table data_key rename to out_of_reach")
        .execute(&mut *conn)
        .await
        .unwrap();
    for value in &all {
        used.open(&mut conn, value.place(), &value.sealed).await.unwrap();
    }
    let fresh = sealer(&[SEALING_KEY]);
    assert!(
        fresh
            .open(&mut conn, all[0].place(), &all[0].sealed)
            .await
            .is_err()
    );
}

#[tokio::test]
async fn a_data_key_that_was_rolled_back_seals_nothing_afterwards() {
    let test = TestApp::spawn().await;
    let all = values(&test.db).await;
    let place = all[0].place();
    let used = sealer(&[SEALING_KEY]);
    let mut conn = test.db.acquire().await.unwrap();
    drop_data_keys(&mut conn).await;
    let mut tx = sqlx::Connection::begin(&mut *conn).await.unwrap();
    let lost = used.seal(&mut tx, place, b"first").await.unwrap();
    assert_eq!(
        used.open(&mut tx, place, &lost).await.unwrap().as_slice(),
        b"first"
    );
    tx.rollback().await.unwrap();
    let kept = used.seal(&mut conn, place, b"second").await.unwrap();
    let fresh = sealer(&[SEALING_KEY]);
    let opened = fresh.open(&mut conn, place, &kept).await.unwrap();
    assert_eq!(opened.as_slice(), b"second", "another process opens it");
    assert!(
        used.open(&mut conn, place, &lost).await.is_err(),
        "its key is gone with its row"
    );
}

#[tokio::test]
async fn a_value_that_was_written_meanwhile_is_not_overwritten() {
    let test = filled().await;
    let all = values(&test.db).await;
    let mut conn = test.db.acquire().await.unwrap();
    for value in all.into_iter().filter(|value| value.column.table == "setup") {
        let anew = |old: &[u8], new: &[u8]| Anew {
            key: value.key.clone(),
            old: old.to_vec(),
            new: new.to_vec(),
        };
        let written = anew(&value.sealed, b"\x02written meanwhile");
        let late = anew(&value.sealed, b"\x02late");
        let (column, merchant) = (value.column, value.merchant);
        assert_eq!(column.replace(&mut conn, merchant, &[written]).await.unwrap(), 1);
        assert_eq!(column.replace(&mut conn, merchant, &[late]).await.unwrap(), 0);
    }
    let kept: Vec<u8> = sqlx::query_scalar("select client_secret_sealed from setup")
        .fetch_one(&mut *conn)
        .await
        .unwrap();
    assert_eq!(kept, b"\x02written meanwhile");
}
