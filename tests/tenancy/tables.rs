//! What Postgres itself says of each table.

use sqlx::PgPool;

use super::{Two, as_the_login};
use crate::support::database;

/// The tables without a policy, each for its reason. The migration that made the policies names the same.
const OF_NOBODY: [(&str, &str); 7] = [
    ("_sqlx_migrations", "it belongs to no merchant"),
    (
        "operator_key",
        "operators belong to none: found by a hash of 256 random bits",
    ),
    ("key_epoch", "it is one number"),
    ("replica", "processes serve all merchants: ids that they make up"),
    ("incarnation", "it is which database this is"),
    ("restore", "a database is put back for all merchants"),
    (
        "provider_account_route",
        "it leads a webhook to its merchant, before that is known: ids, nothing else",
    ),
];

/// The functions that do what their caller may not, each for its reason.
const FOR_OTHERS: [(&str, &str); 1] = [(
    "hold_ledger_transactions",
    "to lock the ledger takes the right to change it, which nobody has",
)];

/// The other policies: who finds due work has columns of queues alone, and a key that is presented shows its own row.
const NARROW: [&str; 2] = [
    "dispatch ( SELECT (CURRENT_USER = 'quittance_dispatch'::name))",
    "presented (hash = ( SELECT quittance_presented_key() AS quittance_presented_key))",
];

/// What may only be added to.
const ADDED_TO: [&str; 10] = [
    "audit_entry",
    "exception_change",
    "ledger_checkpoint",
    "ledger_entry",
    "ledger_transaction",
    "line_link",
    "opening_balance",
    "opening_item",
    "payout_line",
    "payment_document",
];

/// Everything that holds rows and is not bound as it must be.
async fn unprotected(db: &PgPool) -> Vec<String> {
    sqlx::query_scalar(
        "select c.relname::text from pg_class c
         where c.relnamespace = current_schema()::regnamespace and c.relkind in ('r', 'p', 'v', 'm', 'f')
             and not (c.relrowsecurity and c.relforcerowsecurity
                 and exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'merchant_id' and a.attnotnull)
                 and (select array_agg(p.polname || ' ' || p.polcmd::text || ' ' || p.polroles::regrole[]::text
                         || ' ' || pg_get_expr(p.polqual, p.polrelid)
                         || ' ' || coalesce(pg_get_expr(p.polwithcheck, p.polrelid), 'same') order by p.polname)
                     from pg_policy p where p.polrelid = c.oid and p.polname || ' ' || pg_get_expr(p.polqual, p.polrelid) <> all($2))
                 is not distinct from array['merchants * {quittance_app} (merchant_id = ANY (( SELECT quittance_merchants() AS quittance_merchants)::uuid[])) same'])
             and c.relname <> all($1)
         order by c.relname",
    )
    .bind(OF_NOBODY.map(|(table, _)| table))
    .bind(NARROW)
    .fetch_all(db)
    .await
    .unwrap()
}

async fn list(db: &PgPool, sql: &'static str) -> Vec<String> {
    sqlx::query_scalar(sql).fetch_all(db).await.unwrap()
}

#[tokio::test]
async fn every_table_is_bound_to_the_merchants_of_the_transaction_and_one_that_is_not_is_found() {
    let db = as_the_login(&database().await);
    assert_eq!(unprotected(&db).await, [""; 0]);

    for made in [
        "create table stray (merchant_id uuid not null)",
        "create view peek as select * from payment",
        "alter table refund no force row level security",
        "alter table customer disable row level security",
        "drop policy merchants on payout",
        "create policy wide on setup to quittance_app using (true)",
    ] {
        sqlx::query(made).execute(&db).await.unwrap();
    }
    assert_eq!(
        unprotected(&db).await,
        ["customer", "payout", "peek", "refund", "setup", "stray"]
    );
}

#[tokio::test]
async fn the_application_may_add_to_the_books_and_change_nothing_of_them() {
    let db = as_the_login(&database().await);
    let added_to = list(
        &db,
        "select table_name::text from information_schema.table_privileges
         where table_schema = current_schema and grantee = 'quittance_app'
         group by table_name having array_agg(privilege_type::text order by privilege_type::text) = '{INSERT,SELECT}'
         order by table_name",
    )
    .await;
    let mut wanted: Vec<&str> = ADDED_TO.to_vec();
    wanted.push("provider_account_route");
    wanted.sort_unstable();
    assert_eq!(added_to, wanted);

    let others = list(
        &db,
        "select table_name || ' ' || privilege_type from information_schema.table_privileges
         where table_schema = current_schema and grantee in ('quittance_app', 'quittance_dispatch', 'PUBLIC')
             and (privilege_type not in ('SELECT', 'INSERT', 'UPDATE', 'DELETE') or grantee <> 'quittance_app')",
    )
    .await;
    assert_eq!(others, [""; 0], "rights of a whole table that nobody asked for");
    let deleted_from = list(
        &db,
        "select table_name::text from information_schema.table_privileges
         where table_schema = current_schema and grantee = 'quittance_app' and privilege_type = 'DELETE' order by 1",
    )
    .await;
    assert_eq!(
        deleted_from,
        [
            "audit_origin",
            "idempotency_record",
            "replica",
            "webhook_endpoint",
            "webhook_event",
            "webhook_secret"
        ]
    );
}

#[tokio::test]
async fn what_finds_due_work_sees_ids_and_times_and_neither_secrets_nor_what_was_told() {
    let db = as_the_login(&database().await);
    let texts = list(
        &db,
        "select g.table_name || '.' || g.column_name from information_schema.column_privileges g
         join information_schema.columns c using (table_schema, table_name, column_name)
         where g.table_schema = current_schema and g.grantee = 'quittance_dispatch' and g.privilege_type = 'SELECT'
             and c.data_type not in ('uuid', 'timestamp with time zone', 'bigint', 'integer') order by 1",
    )
    .await;
    assert_eq!(
        texts,
        [
            "account_sweep.step",
            "balance_transaction.id",
            "data_key.kek_id",
            "event_cursor.walk_next",
            "exception.kind",
            "line_cursor.walk_next",
            "merchant.creation_key",
            "merchant.name",
            "odoo_instance.sink",
            "operation.state",
            "outbox_message.journal_currency",
            "outbox_message.state",
            "payment.state",
            "payout_reading.next",
            "payout_reading.payout",
            "restore_account.next",
            "restore_account.shelf",
            "webhook_endpoint.state",
            "webhook_event.event_id",
            "webhook_event.object_id",
            "webhook_event.state",
        ]
    );
    let changed = list(
        &db,
        "select distinct column_name::text from information_schema.column_privileges
         where table_schema = current_schema and grantee = 'quittance_dispatch' and privilege_type = 'UPDATE' order by 1",
    )
    .await;
    assert_eq!(
        changed,
        [
            "batch",
            "began_at",
            "due_at",
            "failures",
            "fence",
            "last_used_at",
            "leased_until",
            "state"
        ]
    );
}

#[tokio::test]
async fn no_function_does_what_its_caller_may_not_but_one() {
    let db = as_the_login(&database().await);
    let found = list(
        &db,
        "select proname::text from pg_proc where pronamespace = current_schema()::regnamespace and prosecdef order by 1",
    )
    .await;
    assert_eq!(found, FOR_OTHERS.map(|(function, _)| function));
    let for_all = list(
        &db,
        "select proname::text from pg_proc where pronamespace = current_schema()::regnamespace
             and has_function_privilege('public', oid, 'execute')
             and proname in ('hold_ledger_transactions', 'quittance_protect', 'quittance_dispatch', 'quittance_force')",
    )
    .await;
    assert_eq!(for_all, [""; 0]);
}

/// What is looked up in every request and every turn of a worker, under the policies.
const LOOKED_UP: [(&str, &str); 11] = [
    (
        "payment_pkey",
        "select 1 from payment where merchant_id = $1 and id = $1",
    ),
    (
        "payment_by_reference",
        "select 1 from payment where merchant_id = $1 and reference = 'x' and id < $1 order by id limit 1",
    ),
    (
        "payment_by_update",
        "select 1 from payment where merchant_id = $1 and (updated_at, id) > (now(), $1) order by updated_at, id limit 9",
    ),
    (
        "payment_merchant_id_provider_account_id_provider_reference_key",
        "select 1 from payment where merchant_id = $1 and provider_account_id = $2 and provider_reference = any('{x,y}')",
    ),
    (
        "ledger_transaction_by_subject",
        "select 1 from ledger_transaction where merchant_id = $1 and provider_account_id = $2 and subject = 'x'",
    ),
    (
        "webhook_event_pkey",
        "select 1 from unnest(array[$1]) leased (id) join webhook_event e on e.merchant_id = $1 and e.id = leased.id",
    ),
    (
        "webhook_event_dead",
        "select 1 from webhook_event where merchant_id = $1 and provider_account_id = $2 and state = 'dead'",
    ),
    (
        "outbox_message_queue",
        "select min(created_at) from outbox_message where merchant_id = $1 and odoo_instance_id = $1 and due_at is not null",
    ),
    (
        "outbox_message_dead",
        "select 1 from outbox_message where merchant_id = $1 and odoo_instance_id = $1 and state = 'dead'",
    ),
    (
        "outbox_message_sent",
        "select sent_at from outbox_message where merchant_id = $1 and odoo_instance_id = $1 and sent_at is not null
         order by sent_at desc limit 1",
    ),
    (
        "idempotency_record_pkey",
        "select 1 from idempotency_record where merchant_id = $1 and key_hash = '\\x00'",
    ),
];

#[tokio::test]
async fn policies_leave_the_indexes_to_whoever_looks_something_up_and_ask_once_for_the_merchants() {
    let two = Two::open().await;
    for sql in [
        "insert into payment (merchant_id, id, provider_account_id, reference, amount_minor, currency, capture_method, state,
             provider_reference, created_at, updated_at)
         select p.merchant_id, gen_random_uuid(), p.provider_account_id, 'R' || g, 1, 'EUR', 'automatic', 'failed', 'pi_' || g,
             now() - g * interval '1 s', now() - g * interval '1 s' from payment p, generate_series(1, 3000) g",
        "insert into ledger_transaction (merchant_id, provider_account_id, id, source, occurred_at)
         select merchant_id, provider_account_id, gen_random_uuid(), 'link:txn_' || g, now()
         from ledger_transaction, generate_series(1, 3000) g",
        "insert into webhook_event (merchant_id, provider_account_id, created, event_id, id, kind, payload_sealed)
         select merchant_id, provider_account_id, now(), 'evt_' || g, gen_random_uuid(), 'x', '\\x00'
         from (select * from webhook_event limit 1) e, generate_series(1, 3000) g",
        "insert into outbox_message (merchant_id, id, odoo_instance_id, payment_id, sequence, posting_key, posting, state, sent_at, created_at)
         select merchant_id, gen_random_uuid(), odoo_instance_id, payment_id, g + 1, 'x' || g, posting, 'sent', now(), now()
         from outbox_message, generate_series(1, 3000) g",
        "insert into idempotency_record (merchant_id, key_hash, fingerprint, operation_id, serving_until, created_at)
         select merchant_id, sha256(g::text::bytea), fingerprint, operation_id, now(), now()
         from idempotency_record, generate_series(1, 3000) g",
    ] {
        sqlx::query(sql).execute(&two.test.db).await.unwrap();
    }
    sqlx::query("analyze").execute(&two.test.db).await.unwrap();
    let mut tx = two.db.read(two.a).await.unwrap();
    for (index, sql) in LOOKED_UP {
        let sql = sql
            .replace("$1", &format!("'{}'::uuid", two.a.uuid()))
            .replace("$2", &format!("'{}'::uuid", two.test.account.uuid()));
        let explain = format!("explain (costs off) {sql}");
        let plan: Vec<String> = sqlx::query_scalar(sqlx::AssertSqlSafe(explain))
            .fetch_all(&mut *tx)
            .await
            .unwrap();
        let plan = plan.join("\n");
        assert!(plan.contains(index), "{index}:\n{plan}");
        assert!(plan.contains("InitPlan"), "{index}:\n{plan}");
        assert!(!plan.contains("Seq Scan"), "{index}:\n{plan}");
    }
}
