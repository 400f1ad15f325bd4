//! What a transaction sees, writes, and leaves behind.

use quittance::store::{self, Db};
use sqlx::postgres::PgPoolOptions;
use sqlx::{AssertSqlSafe, PgPool};

use super::{MAY_NOT, Two, as_the_login, count, refused};
use crate::support::database;

#[tokio::test]
async fn a_transaction_sees_the_rows_of_the_merchants_it_names_and_with_none_it_sees_none() {
    let two = Two::open().await;
    for table in two.tables().await {
        let mut of_a = two.db.read(two.a).await.unwrap();
        assert!(count(&mut of_a, &table).await > 0, "{table} has nothing of A's");
        let mut of_nobody = two.db.read_for([]).await.unwrap();
        assert_eq!(count(&mut of_nobody, &table).await, 0, "{table}");
        let mut of_b = two.db.read(two.b).await.unwrap();
        let foreign = format!("{table} where merchant_id <> '{}'", two.b.uuid());
        assert_eq!(count(&mut of_b, &foreign).await, 0, "{table}");
        let mut of_both = two.db.read_for([two.a, two.b, two.a]).await.unwrap();
        let all = count(&mut of_both, &table).await;
        drop((of_a, of_nobody, of_b, of_both));
        assert_eq!(all, two.test.count(&table).await, "{table}");
    }
}

#[tokio::test]
async fn nothing_is_written_or_changed_but_for_the_merchants_that_are_named() {
    let two = Two::open().await;
    let before = two.fingerprints(two.a).await;
    let (a, b) = (two.a.uuid(), two.b.uuid());
    let mut of_b = two.db.begin(two.b).await.unwrap();
    for foreign in [
        format!(
            "insert into merchant values ('{}', 'x', now())",
            uuid::Uuid::now_v7()
        ),
        format!(
            "insert into exception (merchant_id, id, kind, subject, detail, opened_at) values ('{a}', '{a}', 'x', 'x', 'x', now())"
        ),
        format!("update merchant set merchant_id = '{a}' where merchant_id = '{b}'"),
        format!("update provider_account set merchant_id = '{a}'"),
    ] {
        assert_eq!(
            refused(&mut of_b, &foreign).await.as_deref(),
            Some(MAY_NOT),
            "{foreign}"
        );
    }
    // What cannot be seen is not met: as if it were not there.
    for unseen in [
        "update payment set description = 'stolen'",
        "update merchant set name = 'stolen' where name = 'Test'",
        "delete from webhook_event",
        "delete from webhook_secret",
    ] {
        sqlx::query(unseen).execute(&mut *of_b).await.unwrap();
    }
    // Nor can a row lead to another merchant's.
    let led = format!(
        "insert into payment_document (merchant_id, model, document_id, payment_id) select '{b}', 'x', 1, '{}'",
        uuid::Uuid::now_v7()
    );
    assert_eq!(refused(&mut of_b, &led).await.as_deref(), Some("23503"));
    of_b.commit().await.unwrap();

    let mut of_nobody = two.db.begin_for([]).await.unwrap();
    let unnamed = format!("insert into merchant values ('{b}', 'x', now())");
    assert_eq!(refused(&mut of_nobody, &unnamed).await.as_deref(), Some(MAY_NOT));
    sqlx::query("update payment set description = 'stolen'")
        .execute(&mut *of_nobody)
        .await
        .unwrap();
    of_nobody.commit().await.unwrap();
    assert_eq!(two.fingerprints(two.a).await, before);
}

#[tokio::test]
async fn the_application_cannot_take_its_bounds_away_nor_change_what_was_booked() {
    let two = Two::open().await;
    let mut tx = two.db.begin(two.a).await.unwrap();
    for wish in [
        "alter table payment disable row level security",
        "alter table payment no force row level security",
        "drop policy merchants on payment",
        "create policy wide on payment using (true)",
        "create table mine (x int)",
        "select quittance_force(false)",
        "alter role quittance_app bypassrls",
        "alter table ledger_entry disable trigger all",
        "update ledger_entry set amount_minor = 1",
        "delete from ledger_entry",
        "truncate ledger_entry",
        "update ledger_transaction set source = 'x'",
        "delete from ledger_transaction",
        "delete from exception_change",
        "update exception_change set by = 'x'",
        "delete from line_link",
        "delete from payment",
        "truncate webhook_event",
        "update provider_account_route set merchant_id = merchant_id",
    ] {
        assert_eq!(refused(&mut tx, wish).await.as_deref(), Some(MAY_NOT), "{wish}");
    }
    // It may ask for policies to be an error instead of a filter, and gets the error.
    sqlx::query("set local row_security = off")
        .execute(&mut *tx)
        .await
        .unwrap();
    assert_eq!(
        refused(&mut tx, "select * from payment").await.as_deref(),
        Some(MAY_NOT)
    );
}

#[tokio::test]
async fn who_takes_up_what_is_due_sees_all_merchants_and_no_more_than_queues() {
    let two = Two::open().await;
    let mut tx = two.db.dispatch().await.unwrap();
    assert_eq!(store::merchants::list(&mut tx).await.unwrap().len(), 2);
    let due = store::balance_transactions::list_unbooked(&mut tx, 9)
        .await
        .unwrap();
    assert_eq!(due.len(), 1);
    for wish in [
        "select payload_sealed from webhook_event",
        "select * from webhook_event",
        "select secret_key_sealed from provider_account",
        "select secret_sealed from webhook_secret",
        "select 1 from webhook_secret",
        "select 1 from signing_secret",
        "select api_key_sealed from odoo_instance",
        "select posting from outbox_message",
        "select hash from api_key",
        "select merchant_id from api_key",
        "select 1 from customer",
        "select amount_minor from payment",
        "select 1 from ledger_entry",
        "select body_sealed from idempotency_record",
        "update webhook_event set payload_sealed = ''",
        "update webhook_event set merchant_id = merchant_id",
        "update payment set state = 'captured'",
        "delete from webhook_event",
        "insert into merchant values (gen_random_uuid(), 'x', now())",
        "select hold_ledger_transactions()",
    ] {
        assert_eq!(refused(&mut tx, wish).await.as_deref(), Some(MAY_NOT), "{wish}");
    }
}

#[tokio::test]
async fn who_presents_a_key_sees_its_row_and_no_other() {
    let two = Two::open().await;
    let hash: Vec<u8> = sqlx::query_scalar("select hash from api_key where merchant_id = $1")
        .bind(two.a)
        .fetch_one(&two.test.db)
        .await
        .unwrap();
    crate::events::key(&two.test, two.b, false).await;
    let hash: [u8; 32] = hash.try_into().unwrap();
    let mut tx = two.db.read_presented(&hash).await.unwrap();
    assert_eq!(count(&mut tx, "api_key").await, 1);
    assert_eq!(count(&mut tx, "payment").await, 0);
    assert_eq!(
        store::api_keys::enter(&mut tx, &hash)
            .await
            .unwrap()
            .unwrap()
            .merchant_id,
        two.a
    );
    let mut tx = two.db.read_presented(&[0; 32]).await.unwrap();
    assert_eq!(count(&mut tx, "api_key").await, 0);
}

#[tokio::test]
async fn an_account_leads_to_its_merchant_and_to_that_one_alone() {
    let two = Two::open().await;
    let (merchant, mut tx) = two.db.read_for_account(two.test.account).await.unwrap().unwrap();
    assert_eq!(merchant, two.a);
    assert_eq!(count(&mut tx, "merchant").await, 1);
    assert_eq!(count(&mut tx, "provider_account").await, 1);
}

/// Whom and what a connection is left as.
async fn left(pool: &PgPool) -> (String, String, String) {
    sqlx::query_as(
        "select current_user::text, coalesce(current_setting('quittance.merchants', true), ''),
             coalesce(current_setting('quittance.presented_key', true), '')",
    )
    .fetch_one(pool)
    .await
    .unwrap()
}

#[tokio::test]
async fn a_connection_carries_nothing_over_to_whoever_has_it_next() {
    let url = database().await;
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .test_before_acquire(false)
        .connect(&url)
        .await
        .unwrap();
    let fresh = left(&pool).await;
    let db = Db::new(pool.clone());
    let merchant = quittance::domain::ids::MerchantId::generate();
    let named = async || {
        let mut tx = db.begin(merchant).await.unwrap();
        let add = AssertSqlSafe(format!(
            "insert into merchant values ('{}', 'x', now())",
            merchant.uuid()
        ));
        sqlx::query(add).execute(&mut *tx).await.unwrap();
        tx
    };
    drop(named().await);
    assert_eq!(left(&pool).await, fresh, "given up");
    named().await.commit().await.unwrap();
    assert_eq!(left(&pool).await, fresh, "committed");

    let mut broken = db.begin(merchant).await.unwrap();
    assert!(sqlx::query("select 1 / 0").execute(&mut *broken).await.is_err());
    drop(broken);
    assert_eq!(left(&pool).await, fresh, "failed");
    drop(db.read_presented(&[7; 32]).await.unwrap());
    drop(db.dispatch().await.unwrap());
    assert_eq!(left(&pool).await, fresh);

    // A caller that is gone in the middle of beginning, sooner or later.
    for polls in 1..9 {
        let mut begun = Box::pin(db.begin(merchant));
        for _ in 0..polls {
            if futures::poll!(&mut begun).is_ready() {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(begun);
        assert_eq!(left(&pool).await, fresh, "given up after {polls} polls");
    }

    let mut next = db.read_for([]).await.unwrap();
    assert_eq!(
        count(&mut next, "merchant").await,
        0,
        "named by whoever had it before"
    );
    drop(next);
    assert_eq!(as_the_login(&url).size(), 0);
}

#[tokio::test]
async fn events_of_several_merchants_are_kept_in_one_statement_for_exactly_these() {
    let two = Two::open().await;
    let (a, b) = (two.a.uuid(), two.b.uuid());
    let keep = |named: &str| {
        AssertSqlSafe(format!(
            "select keep_webhook_events({named}, {named}, array[now(), now()], array['e1', 'e2'], array['{a}'::uuid, '{b}'],
                 array['k', 'k'], array['o', 'o'], array['v', 'v'], array['delivery', 'delivery'], array['\\x00'::bytea, '\\x00'])"
        ))
    };
    let both = keep(&format!("array['{a}'::uuid, '{b}']"));
    // Outside of any transaction of ours, and within one that is for somebody else: that one goes on as it was.
    let mut of_b = two.db.begin(two.b).await.unwrap();
    sqlx::query(both).execute(&mut *of_b).await.unwrap();
    assert_eq!(count(&mut of_b, "webhook_event").await, 1);
    assert_eq!(count(&mut of_b, "payment").await, 0);
    of_b.commit().await.unwrap();
    assert_eq!(
        two.test
            .count("webhook_event where event_id in ('e1', 'e2')")
            .await,
        2
    );
    let unnamed = keep("array[null::uuid, null]");
    assert!(sqlx::query(unnamed).execute(&two.test.db).await.is_err());
}
