//! What earlier versions wrote stays valid.

use quittance::domain::exception::{ExceptionKind, NewException};
use quittance::domain::ids::{ApiKeyId, ExceptionId, MerchantId};
use quittance::domain::ledger::LedgerAccount;
use quittance::domain::money::Money;
use quittance::domain::posting::{Part, Posting};
use quittance::store::{self, MIGRATOR};
use quittance_sandbox::postgres;
use serde_json::json;
use sqlx::PgPool;
use time::macros::date;

use crate::support::now;

/// A database as it was before exceptions had a history.
async fn before() -> PgPool {
    before_version(20).await
}

async fn before_version(first: i64) -> PgPool {
    let name = format!("before_{}", ExceptionId::generate());
    let url = postgres::shared()
        .await
        .unwrap()
        .create_database(&name)
        .await
        .unwrap();
    let db = PgPool::connect(&url).await.unwrap();
    migrate(&db, |version| version < first).await;
    db
}

async fn migrate(db: &PgPool, which: impl Fn(i64) -> bool) {
    for migration in MIGRATOR.iter().filter(|migration| which(migration.version)) {
        sqlx::raw_sql(migration.sql.clone()).execute(db).await.unwrap();
    }
}

/// An exception as an earlier version writes it.
async fn write(db: &PgPool, merchant: MerchantId, subject: &str, closed_reason: Option<&str>) {
    sqlx::query(
        "insert into exception (merchant_id, id, kind, subject, detail, opened_at, closed_at, closed_reason, closed_by)
         values ($1, $2, 'message_dead', $3, 'refused', now(), case when $4 is not null then now() end, $4,
             case when $4 is not null then 'cli' end)",
    )
    .bind(merchant)
    .bind(ExceptionId::generate())
    .bind(subject)
    .bind(closed_reason)
    .execute(db)
    .await
    .unwrap();
}

/// The states that the exceptions on a subject went to, oldest first.
async fn history(db: &PgPool, subject: &str) -> Vec<(String, Option<String>)> {
    sqlx::query_as(
        "select c.to_state, c.reason from exception_change c join exception x on x.id = c.exception_id
         where x.subject = $1 order by x.id, c.number",
    )
    .bind(subject)
    .fetch_all(db)
    .await
    .unwrap()
}

#[tokio::test]
async fn exceptions_of_earlier_versions_have_a_history_and_open_again_as_before() {
    let (db, merchant) = (before().await, MerchantId::generate());
    sqlx::query("insert into merchant (merchant_id, name, created_at) values ($1, 'Test', now())")
        .bind(merchant)
        .execute(&db)
        .await
        .unwrap();
    write(&db, merchant, "msg_1", Some("replayed")).await;
    write(&db, merchant, "msg_1", None).await;
    write(&db, merchant, "msg_2", Some("replayed")).await;
    migrate(&db, |version| version >= 20).await;
    // A replica that is not replaced yet goes on writing.
    write(&db, merchant, "msg_3", None).await;

    let (opened, closed) = (
        ("open".to_owned(), None),
        ("resolved".to_owned(), Some("replayed".to_owned())),
    );
    assert_eq!(
        history(&db, "msg_1").await,
        [opened.clone(), closed.clone(), opened.clone()]
    );
    assert_eq!(history(&db, "msg_2").await, [opened.clone(), closed.clone()]);
    let mut conn = db.acquire().await.unwrap();
    let seen = async |conn: &mut sqlx::PgConnection, subject: &str, detail: &str| {
        let new = NewException::new(merchant, ExceptionKind::MessageDead, subject, detail);
        store::exceptions::open(conn, &new, now()).await.unwrap()
    };
    assert!(
        !seen(&mut conn, "msg_1", "refused").await,
        "the open one of the two"
    );
    assert!(seen(&mut conn, "msg_2", "refused").await);
    assert!(!seen(&mut conn, "msg_3", "refused otherwise").await);
    let again = ("open".to_owned(), Some("it came back".to_owned()));
    assert_eq!(history(&db, "msg_2").await, [opened, closed, again]);
    let otherwise = ("open".to_owned(), Some("it differs otherwise".to_owned()));
    assert_eq!(history(&db, "msg_3").await, [otherwise]);
}

#[tokio::test]
async fn keys_that_may_look_at_both_lists_may_look_at_this_one_and_the_others_may_do_what_they_could() {
    let (db, merchant) = (before().await, MerchantId::generate());
    sqlx::query("insert into merchant (merchant_id, name, created_at) values ($1, 'Test', now())")
        .bind(merchant)
        .execute(&db)
        .await
        .unwrap();
    for scopes in ["{events:read,outbox:read,outbox:write}", "{outbox:read}", "{}"] {
        let id = ApiKeyId::generate();
        sqlx::query(
            "insert into api_key (hash, merchant_id, id, name, prefix, live, scopes, created_at)
             values (sha256($1::text::bytea), $2, $1, 'x', 'qk_test_', false, $3::text[], now())",
        )
        .bind(id)
        .bind(merchant)
        .bind(scopes)
        .execute(&db)
        .await
        .unwrap();
    }
    migrate(&db, |version| (20..26).contains(&version)).await;
    let scopes: Vec<Vec<String>> = sqlx::query_scalar("select scopes from api_key order by id")
        .fetch_all(&db)
        .await
        .unwrap();
    let all = ["events:read", "outbox:read", "outbox:write", "exceptions:read"];
    assert_eq!(scopes, [&all[..], &["outbox:read"], &[]]);
}

#[tokio::test]
async fn lines_that_an_earlier_version_queued_are_sent_as_bookings() {
    let db = before_version(21).await;
    let mut conn = db.acquire().await.unwrap();
    // What the message belongs to is not what this is about.
    sqlx::query("set session_replication_role = replica")
        .execute(&mut *conn)
        .await
        .unwrap();
    let line = json!({
        "kind": "charge_line", "charge": "ch_1", "balance_transaction": {
            "id": "txn_1", "kind": "charge", "source": "ch_1", "amount": { "minor": 12_100, "currency": "EUR" },
            "fee_minor": 207, "net_minor": 11_893, "created": 1_795_521_600,
        },
    });
    sqlx::query(
        "insert into outbox_message (merchant_id, id, odoo_instance_id, payment_id, sequence, posting_key, posting, due_at, created_at)
         values ($1, $1, $1, $1, 2, 'txn_1', $2, now(), now())",
    )
    .bind(MerchantId::generate())
    .bind(line)
    .execute(&mut *conn)
    .await
    .unwrap();

    migrate(&db, |version| version >= 21).await;

    let kept: serde_json::Value = sqlx::query_scalar("select posting from outbox_message")
        .fetch_one(&db)
        .await
        .unwrap();
    let posting: Posting = serde_json::from_value(kept).unwrap();
    let part = |account, minor| Part {
        account,
        amount: Money::new(minor, "EUR".parse().unwrap()),
        value_minor: minor,
    };
    let booking = Posting::Booking {
        source: "txn_1".to_owned(),
        date: date!(2026 - 11 - 24),
        label: "ch_1".to_owned(),
        parts: vec![
            part(LedgerAccount::ProviderBalance, 11_893),
            part(LedgerAccount::Fees, 207),
            part(LedgerAccount::ReceivableClearing, -12_100),
        ],
        meets: Some("ch_1".to_owned()),
    };
    assert_eq!(posting, booking);
}
