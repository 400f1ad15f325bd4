//! What the service refuses to start with, and what it says while it cannot serve.

#![expect(clippy::print_stdout, reason = "says what was skipped")]

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Command, Output};

use quittance::config::Settings;
use quittance::crypto::Sealer;
use quittance::startup::{Application, Role, StartupError};
use quittance_sandbox::postgres::{self, Cluster, Durability};
use reqwest::{Client, StatusCode};
use serde_json::json;
use sqlx::{Connection, PgConnection};

use crate::support::{
    Reply, SEALING_KEY, TestApp, Wishes, database, database_of, eventually, payment, settings, signed,
};

/// A run of the program with no environment but this.
fn run(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    Command::new(Path::new(env!("CARGO_BIN_EXE_quittance")))
        .args(arguments)
        .env_clear()
        .envs(environment.iter().copied())
        .output()
        .unwrap()
}

#[test]
fn a_missing_or_wrong_setting_stops_the_program_with_one_line_that_says_what_to_set() {
    let url = ("QUITTANCE_DATABASE_URL", "postgres://127.0.0.1:1/nowhere");
    let key = ("QUITTANCE_SEALING_KEY", SEALING_KEY);
    let cases: &[(&[(&str, &str)], &str)] = &[
        (&[], "QUITTANCE_DATABASE_URL is not set"),
        (&[url], "QUITTANCE_SEALING_KEY is not set"),
        (
            &[url, ("QUITTANCE_SEALING_KEY", "short")],
            "QUITTANCE_SEALING_KEY must be 32 bytes",
        ),
        (
            &[url, key, ("QUITTANCE_LISTEN", "8080")],
            "QUITTANCE_LISTEN cannot be read",
        ),
        (
            &[url, key, ("QUITTANCE_LOG", "quittance=loud")],
            "QUITTANCE_LOG is no log filter",
        ),
        (
            &[url, key, ("QUITTANCE_CONFIG", "/nowhere.toml")],
            "QUITTANCE_CONFIG names /nowhere.toml",
        ),
        (
            &[url, key],
            "QUITTANCE_DATABASE_URL: the database cannot be reached",
        ),
    ];
    for (environment, wanted) in cases {
        let output = run(&["serve"], environment);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success());
        assert!(said.starts_with(&format!("quittance: {wanted}")), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(!said.contains("short"), "{said}");
    }
}

#[test]
fn a_file_gives_settings_and_the_environment_wins() {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("settings.toml");
    std::fs::write(
        &file,
        format!("sealing_key = \"{SEALING_KEY}\"\ndatabase_url = \"postgres://127.0.0.1:1/x\"\n"),
    )
    .unwrap();
    let environment = [
        ("QUITTANCE_CONFIG", file.to_str().unwrap()),
        ("QUITTANCE_DATABASE_URL", "mysql://x"),
    ];
    let said = String::from_utf8(run(&["migrate"], &environment).stderr).unwrap();
    assert!(
        said.contains("QUITTANCE_DATABASE_URL is no Postgres URL"),
        "{said}"
    );
    std::fs::write(&file, "listn = \"127.0.0.1:1\"\n").unwrap();
    let said = String::from_utf8(run(&["migrate"], &environment[..1]).stderr).unwrap();
    assert!(said.contains("listn is no setting"), "{said}");
}

#[tokio::test]
async fn a_database_that_forgets_what_it_acknowledged_is_refused() {
    let url = database().await;
    let mut conn = PgConnection::connect(&url).await.unwrap();
    let name = url.rsplit('/').next().unwrap();
    let off = format!("alter database \"{name}\" set synchronous_commit = off");
    sqlx::query(sqlx::AssertSqlSafe(off))
        .execute(&mut conn)
        .await
        .unwrap();
    let refused = Application::start(&settings(&url), Role::Serve).await;
    assert!(matches!(refused, Err(StartupError::NotDurable)));
}

#[tokio::test]
async fn a_taken_port_is_named() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let settings = Settings {
        listen: taken.local_addr().unwrap(),
        ..settings(&database().await)
    };
    let Err(error) = Application::start(&settings, Role::Serve).await else {
        panic!("it started")
    };
    assert!(
        error.to_string().starts_with("QUITTANCE_LISTEN: cannot serve on"),
        "{error}"
    );
}

async fn readiness(settings: &Settings) -> (StatusCode, String) {
    let application = Application::start(settings, Role::Serve).await.unwrap();
    let address: SocketAddr = application.address().unwrap();
    let reply = Reply::of(
        Client::builder()
            .build()
            .unwrap()
            .get(format!("http://{address}/readyz")),
    )
    .await;
    application.stop().await;
    (
        reply.status,
        reply.json()["reason"].as_str().unwrap_or_default().to_owned(),
    )
}

#[tokio::test]
async fn readiness_names_missing_migrations_and_a_key_that_does_not_open_stops_the_start() {
    let empty = postgres::shared()
        .await
        .unwrap()
        .create_database("not_migrated")
        .await
        .unwrap();
    let (status, reason) = readiness(&settings(&empty)).await;
    assert_eq!(
        (status, &*reason),
        (
            StatusCode::SERVICE_UNAVAILABLE,
            "migrations are missing; run `quittance migrate`"
        )
    );
    quittance::startup::migrate(&settings(&empty)).await.unwrap();
    assert_eq!(readiness(&settings(&empty)).await.0, StatusCode::OK);

    let url = database().await;
    let test = TestApp::spawn_with(Wishes {
        database: Some(url.clone()),
        ..Wishes::default()
    })
    .await;
    assert_eq!(test.get("/readyz").await.status, StatusCode::OK);
    let other = Sealer::parse(&"YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXphYmNkZWY=".to_owned().into()).unwrap();
    let wrong = Settings {
        sealer: other,
        ..settings(&url)
    };
    let Err(refused) = Application::start(&wrong, Role::Serve).await else {
        panic!("it started")
    };
    let reason = refused.to_string();
    assert!(reason.starts_with("QUITTANCE_SEALING_KEY"), "{reason}");
}

#[tokio::test]
async fn a_database_that_is_down_is_a_503_everywhere_and_nothing_is_lost_when_it_is_back() {
    let cluster = Cluster::start_private(Durability::Full).await.unwrap();
    if !cluster.is_stoppable() {
        println!("skipped: a Postgres in a container would lose its data");
        return;
    }
    let database = Some(database_of(&cluster).await);
    let test = TestApp::spawn_with(Wishes {
        database,
        webhooks: false,
        ..Wishes::default()
    })
    .await;
    let http = Client::builder().build().unwrap();
    let deliver = async |id: &str| {
        let event = json!({ "id": id, "type": "product.created", "created": 1, "livemode": false });
        let (signature, body) = signed(&event);
        Reply::of(
            http.post(test.webhook_url())
                .header("Stripe-Signature", signature)
                .body(body),
        )
        .await
    };
    assert_eq!(deliver("evt_1").await.status, StatusCode::OK);

    cluster.crash().await.unwrap();
    assert_eq!(
        deliver("evt_2").await.expect(StatusCode::SERVICE_UNAVAILABLE)["code"],
        "unavailable"
    );
    assert_eq!(
        test.get("/readyz").await.expect(StatusCode::SERVICE_UNAVAILABLE)["reason"],
        "the database cannot be reached"
    );
    assert_eq!(test.get("/healthz").await.status, StatusCode::OK);
    let refused = test.post("/v1/payments", "k", &payment("S1", json!({}))).await;
    assert_eq!(
        refused.expect(StatusCode::SERVICE_UNAVAILABLE)["code"],
        "unavailable"
    );
    assert!(refused.header("Retry-After").is_some());
    assert!(
        test.stripe.payment_intents().is_empty(),
        "nothing is asked of Stripe that is not on disk"
    );

    cluster.start_server().await.unwrap();
    eventually(async || match deliver("evt_2").await.status {
        StatusCode::OK => Ok(()),
        status => Err(status.to_string()),
    })
    .await;
    test.post("/v1/payments", "k", &payment("S1", json!({})))
        .await
        .expect(StatusCode::CREATED);
    assert_eq!(test.count("webhook_event").await, 2);
}

#[tokio::test]
async fn an_operators_mistake_is_named_and_leaves_nothing() {
    let url = database().await;
    let base = [
        ("QUITTANCE_DATABASE_URL", url.as_str()),
        ("QUITTANCE_SEALING_KEY", SEALING_KEY),
    ];
    let try_to = |arguments: &[&str], secrets: &[(&str, &str)]| {
        let output = run(arguments, &[&base[..], secrets].concat());
        (output.status.success(), String::from_utf8(output.stderr).unwrap())
    };
    let merchant = run(&["merchant", "add", "--name", "ACME"], &base);
    let merchant: serde_json::Value = serde_json::from_slice(&merchant.stdout).unwrap();
    let merchant = merchant["id"].as_str().unwrap();
    let nobody = "mer_01h455vb4pex5vsknk084sn02q";
    let test_key = [("STRIPE_SECRET_KEY", "sk_test_1")];

    let add = |merchant| ["provider-account", "add", "--merchant", merchant];
    let (done, said) = try_to(&add(nobody), &test_key);
    assert!(!done && said.ends_with("no such merchant\n"), "{said}");
    let (done, said) = try_to(&[&add(merchant)[..], &["--live"]].concat(), &test_key);
    assert!(
        !done && said.contains("sk_live_ or rk_live_") && !said.contains("sk_test_1"),
        "{said}"
    );
    let (done, said) = try_to(&["api-key", "create", "--merchant", nobody, "--name", "x"], &[]);
    assert!(!done && said.ends_with("no such merchant\n"), "{said}");
    let (done, said) = try_to(&["api-key", "create", "--merchant", "acc_1", "--name", "x"], &[]);
    assert!(!done && said.contains("not an id of the form mer_"), "{said}");
    let mut conn = PgConnection::connect(&url).await.unwrap();
    let rows: i64 =
        sqlx::query_scalar("select (select count(*) from provider_account) + (select count(*) from api_key)")
            .fetch_one(&mut conn)
            .await
            .unwrap();
    assert_eq!(rows, 0);
}
