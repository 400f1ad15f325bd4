//! Which logins the service works with.

use quittance::app::setup;
use quittance::config::Settings;
use quittance::startup::{self, Application, Role, StartupError};
use quittance::store::Unfit;
use quittance_sandbox::postgres::{Cluster, Durability};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::support::{database, settings};

/// A database that a login of its own owns, as an operator makes them; the settings are that login's.
async fn owned(cluster: &Cluster, name: &str) -> (Settings, PgConnection) {
    let mut admin = PgConnection::connect(&cluster.url()).await.unwrap();
    for sql in [
        format!("create role {name} login nosuperuser nocreaterole"),
        format!("create database {name} owner {name}"),
    ] {
        sqlx::query(AssertSqlSafe(sql)).execute(&mut admin).await.unwrap();
    }
    (
        settings(&as_user(
            &cluster.url().replace("/postgres", &format!("/{name}")),
            name,
        )),
        admin,
    )
}

/// The URL of a database, as somebody else.
fn as_user(url: &str, name: &str) -> String {
    let mut url: reqwest::Url = url.parse().unwrap();
    url.set_username(name).unwrap();
    url.to_string()
}

async fn refusal(settings: &Settings) -> StartupError {
    match Application::start(settings, Role::Serve).await {
        Err(error) => error,
        Ok(_) => panic!("it started"),
    }
}

#[tokio::test]
async fn a_login_without_rights_is_told_what_to_grant_and_then_migrates_and_serves_as_nobody_special() {
    let Ok(cluster) = Cluster::start_private(Durability::Fast).await else {
        // There is only a server that somebody else runs, whose roles are there already.
        return;
    };
    let (settings, mut admin) = owned(&cluster, "plain").await;

    let refused = refusal(&settings).await;
    assert!(
        matches!(refused, StartupError::Roles(Unfit::RoleMissing("quittance_app"))),
        "{refused}"
    );
    assert!(
        refused.to_string().contains("run `quittance migrate`"),
        "{refused}"
    );

    let refused = startup::migrate(&settings).await.unwrap_err().to_string();
    assert_eq!(refused.lines().count(), 1, "{refused}");
    let (_, statements) = refused.split_once("runs once: ").unwrap();
    let statements = &statements[..=statements.rfind(';').unwrap()];
    assert_eq!(
        statements,
        "create role quittance_app nologin; create role quittance_dispatch nologin; \
         grant quittance_app, quittance_dispatch to plain;"
    );
    for statement in statements.split_inclusive(';') {
        sqlx::query(AssertSqlSafe(statement.to_owned()))
            .execute(&mut admin)
            .await
            .unwrap();
    }
    startup::migrate(&settings).await.unwrap();

    let application = Application::start(&settings, Role::Both).await.unwrap();
    let merchant = setup::add_merchant(application.app(), "Plain").await.unwrap();
    let (_, key) = setup::create_api_key(application.app(), merchant, "k", false)
        .await
        .unwrap();
    let url = format!("http://{}/v1/payments", application.address().unwrap());
    let answer = reqwest::Client::builder()
        .build()
        .unwrap()
        .get(url)
        .bearer_auth(secrecy::ExposeSecret::expose_secret(&key.text))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    application.stop().await;

    // What the login itself does sees nothing: the owner is bound too.
    let url = secrecy::ExposeSecret::expose_secret(&settings.database_url);
    let mut login = PgConnection::connect(url).await.unwrap();
    let seen: i64 = sqlx::query_scalar("select count(*) from merchant")
        .fetch_one(&mut login)
        .await
        .unwrap();
    assert_eq!(seen, 0);
    // A migration that must see all rows says so, and ends it.
    let mut tx = login.begin().await.unwrap();
    for (forced, wanted) in [(false, 1_i64), (true, 0)] {
        sqlx::query("select quittance_force($1)")
            .bind(forced)
            .execute(&mut *tx)
            .await
            .unwrap();
        let seen: i64 = sqlx::query_scalar("select count(*) from merchant")
            .fetch_one(&mut *tx)
            .await
            .unwrap();
        assert_eq!(seen, wanted);
    }
}

#[tokio::test]
async fn a_login_that_may_not_act_as_the_application_or_an_application_that_could_see_all_is_refused() {
    let url = database().await;
    let mut admin = PgConnection::connect(&url).await.unwrap();
    let name = format!("lonely_{}", uuid::Uuid::now_v7().simple());
    let sql = format!("create role {name} login");
    sqlx::query(AssertSqlSafe(sql)).execute(&mut admin).await.unwrap();
    let refused = refusal(&settings(&as_user(&url, &name))).await;
    assert!(
        matches!(refused, StartupError::Roles(Unfit::NotGranted("quittance_app"))),
        "{refused}"
    );
    assert_eq!(refused.to_string().lines().count(), 1);
    sqlx::query(AssertSqlSafe(format!("grant quittance_app to {name}")))
        .execute(&mut admin)
        .await
        .unwrap();
    let refused = refusal(&settings(&as_user(&url, &name))).await;
    assert!(
        matches!(
            refused,
            StartupError::Roles(Unfit::NotGranted("quittance_dispatch"))
        ),
        "{refused}"
    );
    sqlx::query(AssertSqlSafe(format!("drop owned by {name}; ")))
        .execute(&mut admin)
        .await
        .unwrap();
    sqlx::query(AssertSqlSafe(format!("drop role {name}")))
        .execute(&mut admin)
        .await
        .unwrap();

    // Who owns a table could take its policy away.
    sqlx::query("alter table refund owner to quittance_app")
        .execute(&mut admin)
        .await
        .unwrap();
    let refused = refusal(&settings(&url)).await;
    assert!(
        matches!(refused, StartupError::Roles(Unfit::Bypasses("quittance_app"))),
        "{refused}"
    );
}
