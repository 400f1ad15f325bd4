//! Keys of earlier versions.

use quittance::domain::ids::ApiKeyId;
use quittance::store::MIGRATOR;
use quittance_sandbox::postgres;
use sqlx::PgPool;

async fn migrate(db: &PgPool, which: impl Fn(i64) -> bool) {
    for migration in MIGRATOR.iter().filter(|migration| which(migration.version)) {
        sqlx::raw_sql(migration.sql.clone()).execute(db).await.unwrap();
    }
}

#[tokio::test]
async fn a_key_of_an_earlier_version_keeps_what_it_could_do_and_gets_no_more() {
    let cluster = postgres::shared().await.unwrap();
    let url = cluster
        .create_database(&format!("keys_{}", ApiKeyId::generate()))
        .await
        .unwrap();
    let pool = PgPool::connect(&url).await.unwrap();
    migrate(&pool, |version| version < 26).await;
    sqlx::query("insert into merchant values (gen_random_uuid(), 'Test', now())")
        .execute(&pool)
        .await
        .unwrap();
    for (name, scopes) in [
        ("plain", "{}"),
        ("usual", "{events:read,outbox:read,exceptions:read}"),
        ("links", "{exceptions:write}"),
    ] {
        sqlx::query(
            "insert into api_key (hash, merchant_id, id, name, prefix, live, created_at, scopes)
             select sha256($1::bytea), merchant_id, gen_random_uuid(), $2, 'qk_test_', false, now(), $3::text[] from merchant",
        )
        .bind(name.as_bytes())
        .bind(name)
        .bind(scopes)
        .execute(&pool)
        .await
        .unwrap();
    }
    migrate(&pool, |version| version >= 26).await;
    let payments = "payments:read payments:write payments:capture refunds:write payouts:read";
    for (name, before, after) in [
        ("plain", "", ""),
        ("usual", "events:read outbox:read exceptions:read", ""),
        ("links", "exceptions:write", "reconciliation:write"),
    ] {
        let scopes: Vec<String> = sqlx::query_scalar("select scopes from api_key where name = $1")
            .bind(name)
            .fetch_one(&pool)
            .await
            .unwrap();
        let wanted: Vec<&str> = [before, payments, after]
            .iter()
            .flat_map(|words| words.split_whitespace())
            .collect();
        assert_eq!(scopes, wanted, "{name}");
    }
    pool.close().await;
}
