//! `quittance doctor` finds what is wrong, says what to do, and changes nothing.

use std::path::Path;

use quittance_sandbox::addon::{PretendAddon, Reply as AddonReply};
use quittance_sandbox::merchant::{Merchant, OdooAccess, StripeAccess};
use quittance_sandbox::odoo::{Options as OdooOptions, PretendOdoo};
use quittance_sandbox::service::Quittance;
use quittance_sandbox::stripe::{Options as StripeOptions, PretendStripe};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::{WEBHOOK_SECRET, database};

struct Practice {
    quittance: Quittance,
    merchant: Merchant,
    stripe: PretendStripe,
    odoo: PretendOdoo,
    db: PgPool,
}

impl Practice {
    /// A merchant whose endpoint is registered and whose Odoo has its journal.
    async fn open(name: &str) -> Self {
        let url = database().await;
        let quittance = program(name, &url);
        quittance.run(&["migrate"], &[]).await.unwrap();
        let stripe = PretendStripe::start(StripeOptions::default()).await.unwrap();
        let odoo = PretendOdoo::start(OdooOptions::default()).await.unwrap();
        let at_stripe = StripeAccess::of(&stripe, WEBHOOK_SECRET);
        let at_odoo = OdooAccess::of(&odoo);
        let merchant = Merchant::add(&quittance, &at_stripe, Some(&at_odoo))
            .await
            .unwrap();
        let practice = Self {
            quittance,
            merchant,
            stripe,
            odoo,
            db: PgPool::connect(&url).await.unwrap(),
        };
        let connect = ["provider-account", "connect", "--merchant", &practice.merchant.id];
        let of = [
            "--provider-account",
            &practice.merchant.provider_account,
            "--url",
            "https://pay.example",
        ];
        practice
            .quittance
            .run(&[&connect[..], &of].concat(), &[])
            .await
            .unwrap();
        practice
    }

    /// Every row there is.
    async fn rows(&self) -> Vec<(String, Option<String>)> {
        let tables: Vec<String> = sqlx::query_scalar(
            "select table_name::text from information_schema.tables
             where table_schema = 'public' and table_type = 'BASE TABLE' order by table_name",
        )
        .fetch_all(&self.db)
        .await
        .unwrap();
        let mut rows = Vec::new();
        for table in tables {
            let sql = format!("select string_agg(t::text, e'\n' order by t::text) from \"{table}\" t");
            let all = sqlx::query_scalar(sqlx::AssertSqlSafe(sql));
            rows.push((table, all.fetch_one(&self.db).await.unwrap()));
        }
        rows
    }
}

fn program(name: &str, url: &str) -> Quittance {
    let log = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("doctor-{name}.log"));
    Quittance::new(Path::new(env!("CARGO_BIN_EXE_quittance")), url, &log).unwrap()
}

/// What it finds, and whether its exit code is 0.
async fn examine(quittance: &Quittance, more: &[&str]) -> (Vec<Value>, bool) {
    let arguments = [&["doctor", "--json"], more].concat();
    let output = quittance.output(&arguments, &[]).await.unwrap();
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["ok"], json!(output.status.success()), "{told:#}");
    (
        told["findings"].as_array().unwrap().clone(),
        output.status.success(),
    )
}

/// The checks that are errors; each says what to do.
fn errors(findings: &[Value]) -> Vec<&str> {
    let wrong = findings.iter().filter(|finding| finding["level"] != "ok");
    for finding in wrong.clone() {
        assert!(
            finding["remedy"].as_str().is_some_and(|remedy| remedy.len() > 10),
            "{finding:#}"
        );
    }
    wrong
        .filter(|finding| finding["level"] == "error")
        .map(|finding| finding["check"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn what_is_as_it_should_be_has_no_error_and_looking_changes_nothing() {
    let practice = Practice::open("well").await;
    let before = practice.rows().await;
    let (findings, fine) = examine(&practice.quittance, &[]).await;
    assert_eq!(errors(&findings), Vec::<&str>::new(), "{findings:#?}");
    assert!(fine);
    for check in [
        "settings.answer",
        "database.reachable",
        "database.version",
        "database.synchronous_commit",
        "database.roles",
        "database.migrations",
        "database.clock",
        "keys.current",
        "keys.wrapping",
        "keys.opens",
        "provider.key",
        "provider.clock",
        "provider.endpoint",
        "odoo.reachable",
        "odoo.journals",
        "odoo.messages",
        "exceptions.open",
        "queues.events",
        "queues.operations",
    ] {
        let found = findings.iter().filter(|finding| finding["check"] == check);
        let levels: Vec<&Value> = found.map(|finding| &finding["level"]).collect();
        assert!(
            !levels.is_empty() && levels.iter().all(|level| *level == "ok"),
            "{check}: {findings:#?}"
        );
    }
    assert_eq!(practice.rows().await, before);
    let output = practice.quittance.output(&["doctor"], &[]).await.unwrap();
    let table = String::from_utf8(output.stdout).unwrap();
    assert!(table.contains("errors: 0, warnings: "), "{table}");
    assert!(
        table
            .lines()
            .any(|line| line.starts_with("ok       database.migrations")),
        "{table}"
    );
}

#[tokio::test]
async fn each_thing_that_is_wrong_is_an_error_with_what_to_do_and_the_exit_code_says_so() {
    let practice = Practice::open("ill").await;
    for (sql, wanted) in [
        ("update webhook_event set state = 'dead'", None),
        (
            "update odoo_instance set paused_until = now() + interval '1 hour', paused_reason = 'away'",
            None,
        ),
        (
            "update webhook_endpoint set url = 'https://elsewhere.example/' || url",
            Some("provider.endpoint"),
        ),
    ] {
        sqlx::query(sql).execute(&practice.db).await.unwrap();
        let (findings, fine) = examine(&practice.quittance, &["--merchant", &practice.merchant.id]).await;
        assert_eq!(errors(&findings), Vec::from_iter(wanted), "{sql}: {findings:#?}");
        assert_eq!(fine, wanted.is_none());
    }
    practice.odoo.replace_api_key("another");
    let (findings, _) = examine(&practice.quittance, &[]).await;
    assert_eq!(
        errors(&findings),
        ["provider.endpoint", "odoo.reachable"],
        "{findings:#?}"
    );
    let stripe = practice.quittance.clone();
    drop(practice.stripe);
    let (findings, _) = examine(&stripe, &[]).await;
    assert_eq!(
        errors(&findings),
        ["provider.reachable", "odoo.reachable"],
        "{findings:#?}"
    );
    let newer = "insert into _sqlx_migrations (version, description, success, checksum, execution_time)
        values (9999, 'x', true, '', 0)";
    sqlx::query(newer).execute(&practice.db).await.unwrap();
    sqlx::query("delete from _sqlx_migrations where version > 1")
        .execute(&practice.db)
        .await
        .unwrap();
    let (findings, _) = examine(&stripe, &[]).await;
    assert_eq!(errors(&findings), ["database.migrations"], "{findings:#?}");
}

#[tokio::test]
async fn a_database_that_is_away_or_empty_and_a_wrong_key_are_found_before_all_else() {
    let away = program("away", "postgres://nobody@127.0.0.1:9/none");
    let (findings, fine) = examine(&away, &[]).await;
    assert_eq!((errors(&findings), fine), (vec!["database.reachable"], false));

    let practice = Practice::open("locked-out").await;
    let other = practice.quittance.clone().with(
        "QUITTANCE_SEALING_KEY",
        "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
    );
    let (findings, _) = examine(&other, &[]).await;
    let wrong = errors(&findings);
    assert!(
        wrong.contains(&"keys.wrapping") && wrong.contains(&"keys.opens"),
        "{findings:#?}"
    );
    let weak = practice
        .quittance
        .clone()
        .with("QUITTANCE_TRUSTED_PROXIES", "0.0.0.0/0");
    let (findings, _) = examine(&weak, &[]).await;
    assert_eq!(errors(&findings), ["settings.proxies"], "{findings:#?}");
}

#[tokio::test]
async fn an_odoo_with_our_addon_is_asked_with_a_signed_batch_of_nothing() {
    let practice = Practice::open("addon").await;
    let addon = PretendAddon::start().await.unwrap();
    let add = [
        "odoo-instance",
        "add-addon",
        "--merchant",
        &practice.merchant.id,
        "--url",
    ];
    let added = practice
        .quittance
        .run(&[&add[..], &[&addon.url()]].concat(), &[])
        .await
        .unwrap();
    addon.set_secret(added["signing_secret"].as_str().unwrap());
    let of_addon = |findings: Vec<Value>| {
        let found = findings
            .into_iter()
            .find(|finding| finding["check"] == "odoo.addon");
        found.unwrap()["level"].as_str().unwrap().to_owned()
    };
    assert_eq!(of_addon(examine(&practice.quittance, &[]).await.0), "ok");
    let asked = addon.requests();
    assert!(asked[0].headers.contains_key("webhook-signature"));
    assert_eq!(
        serde_json::from_str::<Value>(&asked[0].body).unwrap()["messages"],
        json!([])
    );
    addon.reply(Some(AddonReply::status(401)));
    assert_eq!(of_addon(examine(&practice.quittance, &[]).await.0), "error");
}
