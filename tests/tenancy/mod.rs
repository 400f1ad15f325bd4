//! A merchant sees only its own rows: by every route, in every table, and whatever a query forgets.

mod logins;
mod routes;
mod tables;
mod transactions;

use quittance::app::setup;
use quittance::domain::ids::{MerchantId, ProviderAccountId};
use quittance::provider::ProviderAccount;
use quittance::startup::Role;
use quittance::store::{Db, Tx};
use sqlx::AssertSqlSafe;

use crate::support::{TestApp, Wishes, as_the_login};

/// One of everything, with this word in whatever is a text.
const ROWS: &str = include_str!("rows.sql");
const ALPHA: &str = "ALPHA";

/// Two merchants beside each other: one of everything is the first one's, an account is the second one's.
struct Two {
    test: TestApp,
    /// Whose everything is.
    a: MerchantId,
    /// Who has a key that may do all there is.
    b: MerchantId,
    db: Db,
}

impl Two {
    /// Nothing works on what is due.
    async fn open() -> Self {
        let test = TestApp::spawn_with(Wishes {
            role: Role::Serve,
            webhooks: false,
            ..Wishes::default()
        })
        .await;
        one_of_everything(&test, test.merchant, test.account).await;
        let app = test.application().app();
        let b = setup::add_merchant(app, "B").await.unwrap();
        let account = ProviderAccount {
            merchant_id: b,
            id: ProviderAccountId::generate(),
            provider: "stripe".to_owned(),
            live: false,
            external_account: None,
            api_base: test.stripe.url().parse().unwrap(),
            secret_key: test.stripe.secret_key().to_owned().into(),
            publishable_key: None,
        };
        setup::add_provider_account(app, &account, None).await.unwrap();
        let db = app.db.clone();
        Self {
            a: test.merchant,
            b,
            db,
            test,
        }
    }

    /// The tables with a merchant, in order.
    async fn tables(&self) -> Vec<String> {
        sqlx::query_scalar(
            "select table_name::text from information_schema.columns
             where table_schema = current_schema and column_name = 'merchant_id' and table_name <> 'provider_account_route'
             order by table_name",
        )
        .fetch_all(&self.test.db)
        .await
        .unwrap()
    }

    /// All that is a merchant's, as one fingerprint of each table.
    async fn fingerprints(&self, merchant: MerchantId) -> Vec<(String, Option<String>)> {
        let mut all = Vec::new();
        for table in self.tables().await {
            let sql = format!(
                "select md5(string_agg(t::text, ' ' order by t::text)) from {table} t where merchant_id = $1"
            );
            let found = sqlx::query_scalar(AssertSqlSafe(sql))
                .bind(merchant)
                .fetch_one(&self.test.db)
                .await
                .unwrap();
            all.push((table, found));
        }
        all
    }
}

async fn one_of_everything(test: &TestApp, merchant: MerchantId, account: ProviderAccountId) {
    let sql = ROWS
        .replace("$merchant", &merchant.uuid().to_string())
        .replace("$account", &account.uuid().to_string());
    sqlx::query(AssertSqlSafe(sql)).execute(&test.db).await.unwrap();
}

/// How many rows of a table a transaction sees.
async fn count(tx: &mut Tx, table: &str) -> i64 {
    sqlx::query_scalar(AssertSqlSafe(format!("select count(*) from {table}")))
        .fetch_one(&mut **tx)
        .await
        .unwrap()
}

/// Which SQLSTATE a statement is refused with; the transaction goes on as if it had not been made.
async fn refused(tx: &mut Tx, sql: &str) -> Option<String> {
    sqlx::query("savepoint before").execute(&mut **tx).await.unwrap();
    let done = sqlx::query(AssertSqlSafe(sql.to_owned()))
        .execute(&mut **tx)
        .await;
    sqlx::query("rollback to before")
        .execute(&mut **tx)
        .await
        .unwrap();
    match done {
        Err(sqlx::Error::Database(error)) => Some(error.code().unwrap().into_owned()),
        done => {
            done.unwrap();
            None
        }
    }
}

/// SQLSTATE of what a role may not.
const MAY_NOT: &str = "42501";
