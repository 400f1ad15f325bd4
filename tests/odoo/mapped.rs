//! Journals that set-up mapped: kept here, looked at from time to time, and told about where they do not fit.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use quittance::app::auth::Operator;
use quittance::app::exceptions::{self, ExceptionFilter};
use quittance::app::odoo_setup::{self, Wanted};
use quittance::app::{App, AppError, setup};
use quittance::domain::exception::{Exception, ExceptionKind, ExceptionState};
use quittance::domain::ids::OdooInstanceId;
use quittance::sink::SetUpReport;
use quittance::startup::{Application, Role};
use quittance_sandbox::odoo::{Options, PretendOdoo};
use serde_json::{Value, json};

use crate::support::{SEALING_KEY, TestApp, Wishes, database, eventually, settings};

/// A service with a stock Odoo that was added with nothing but its key.
struct World {
    test: TestApp,
    odoo: PretendOdoo,
    instance: OdooInstanceId,
    database: String,
}

impl World {
    async fn open() -> Self {
        let database = database().await;
        let test = TestApp::spawn_with(Wishes {
            database: Some(database.clone()),
            ..Wishes::default()
        })
        .await;
        let odoo = PretendOdoo::start(Options::default()).await.unwrap();
        let app = test.application().app();
        let (url, key) = (odoo.url().parse().unwrap(), odoo.api_key().into());
        let instance = setup::add_odoo_instance(app, test.merchant, url, odoo.database(), None, key, None)
            .await
            .unwrap();
        Self {
            test,
            odoo,
            instance,
            database,
        }
    }

    fn app(&self) -> &Arc<App> {
        self.test.application().app()
    }

    async fn set_up(&self, currencies: &[&str], apply: bool) -> SetUpReport {
        let wanted = Wanted {
            currencies: currencies.iter().map(|code| code.parse().unwrap()).collect(),
            ..Wanted::default()
        };
        let (merchant, account) = (self.test.merchant, self.test.account);
        odoo_setup::set_up(self.app(), merchant, self.instance, account, wanted, apply)
            .await
            .unwrap()
    }

    async fn exceptions(&self) -> Vec<Exception> {
        let operator = Operator::at_the_command_line(self.test.merchant, false);
        let filter = ExceptionFilter {
            kind: Some(ExceptionKind::PostingDiffers),
            ..ExceptionFilter::default()
        };
        exceptions::list(self.app(), &operator, &filter, None, 10)
            .await
            .unwrap()
            .data
    }

    async fn write(&self, path: &str, id: i64, vals: Value) {
        let answer = reqwest::Client::builder()
            .build()
            .unwrap()
            .post(format!("{}/json/2/{path}/write", self.odoo.url()))
            .bearer_auth(self.odoo.api_key())
            .json(&json!({ "ids": [id], "vals": vals }))
            .send()
            .await
            .unwrap();
        assert!(answer.status().is_success());
    }

    /// Runs `quittance odoo …` against the world's database.
    async fn run(&self, arguments: &[&str]) -> (bool, Value) {
        let mut command = Command::new(Path::new(env!("CARGO_BIN_EXE_quittance")));
        command
            .arg("odoo")
            .args(arguments)
            .args(["--merchant", &self.test.merchant.to_string()])
            .args(["--odoo-instance", &self.instance.to_string()])
            .env_clear()
            .env("QUITTANCE_DATABASE_URL", &self.database)
            .env("QUITTANCE_SEALING_KEY", SEALING_KEY)
            .env("QUITTANCE_ODOO_ALLOWED_NETWORKS", "127.0.0.0/8");
        let ended = tokio::task::spawn_blocking(move || command.output()).await;
        let output = ended.unwrap().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        let answer = serde_json::from_slice(&output.stdout);
        (
            output.status.success(),
            answer.unwrap_or_else(|_| Value::String(said.into_owned())),
        )
    }

    /// Starts the service once more over the same database.
    async fn start_again(&self) -> Application {
        Application::start(&settings(&self.database), Role::Work)
            .await
            .unwrap()
    }
}

#[tokio::test]
async fn a_dry_run_maps_nothing_and_a_run_that_is_applied_maps_each_currency() {
    let world = World::open().await;

    world.set_up(&[], false).await;
    let none = odoo_setup::check(world.app(), world.test.merchant, world.instance)
        .await
        .unwrap();
    let report = world.set_up(&["JPY", "EUR"], true).await;
    let mapped = odoo_setup::check(world.app(), world.test.merchant, world.instance)
        .await
        .unwrap();

    assert!(none.is_empty(), "{none:?}");
    assert!(report.is_complete(), "{report:#?}");
    let seen: Vec<_> = mapped
        .iter()
        .map(|seen| (seen.account, seen.currency.as_str(), seen.findings.len()))
        .collect();
    assert_eq!(
        seen,
        [
            (Some(world.test.account), "EUR", 0),
            (Some(world.test.account), "JPY", 0)
        ]
    );
}

#[tokio::test]
async fn what_two_instances_would_keep_is_refused() {
    let world = World::open().await;
    world.set_up(&["EUR"], true).await;
    let app = world.app();
    let second = PretendOdoo::start(Options::default()).await.unwrap();
    let (url, key) = (second.url().parse().unwrap(), second.api_key().into());
    let other = setup::add_odoo_instance(app, world.test.merchant, url, second.database(), None, key, None)
        .await
        .unwrap();
    let wanted = Wanted {
        currencies: vec!["EUR".parse().unwrap()],
        ..Wanted::default()
    };

    let refused = odoo_setup::set_up(app, world.test.merchant, other, world.test.account, wanted, true).await;

    assert!(
        matches!(&refused, Err(AppError::Invalid { message, .. }) if message.contains(&world.instance.to_string())),
        "{refused:?}"
    );
}

#[tokio::test]
async fn at_start_a_journal_that_does_not_fit_opens_an_exception_which_a_later_look_ends() {
    let world = World::open().await;
    let report = world.set_up(&["EUR"], true).await;
    let (_, books) = &report.books[0];

    world
        .write(
            "account.account",
            books.outstanding_receipts_id,
            json!({ "reconcile": false }),
        )
        .await;
    let started = world.start_again().await;
    let opened = eventually(async || match world.exceptions().await.pop() {
        Some(exception) if exception.state() == ExceptionState::Open => Ok(exception),
        other => Err(format!("{other:?}")),
    })
    .await;
    started.stop().await;
    world
        .write(
            "account.account",
            books.outstanding_receipts_id,
            json!({ "reconcile": true }),
        )
        .await;
    let started = world.start_again().await;
    eventually(async || match world.exceptions().await.pop() {
        Some(exception) if exception.state() == ExceptionState::Resolved => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    started.stop().await;

    assert_eq!(opened.provider_account_id, Some(world.test.account));
    assert!(
        opened.difference.detail.contains("allow reconciliation"),
        "{opened:?}"
    );
    assert!(opened.subject.contains(&world.instance.to_string()));
}

#[tokio::test]
async fn an_odoo_that_is_down_keeps_no_start_waiting() {
    let world = World::open().await;
    world.set_up(&["EUR"], true).await;
    let World {
        test, odoo, database, ..
    } = world;
    odoo.stop().await;

    let started = Application::start(&settings(&database), Role::Work)
        .await
        .unwrap();
    started.stop().await;

    let app = test.application().app();
    assert!(app.db.read(test.merchant).await.is_ok());
}

#[tokio::test]
async fn an_operator_sees_the_plan_has_it_made_and_looks_at_it_again() {
    let world = World::open().await;
    let account = world.test.account.to_string();
    let setup = ["setup", "--provider-account", &account, "--currency", "JPY"];
    let with = |more: &[&'static str]| [&setup[..], more].concat();

    let (ok, plan) = world.run(&setup).await;
    assert!(ok, "{plan:#}");
    assert_eq!(
        (&plan["mapped"], &plan["company"]),
        (&json!(false), &json!("Acme"))
    );
    let steps = plan["steps"].as_array().unwrap();
    let yen = json!({ "state": "to_make", "what": "currency JPY, to be activated", "for": "what is settled in JPY" });
    assert!(steps.contains(&yen), "{plan:#}");
    assert!(
        plan["notes"][0]
            .as_str()
            .unwrap()
            .contains("no exchange rate of JPY"),
        "{plan:#}"
    );

    let (ok, refused) = world.run(&with(&["--apply", "--account", "fees=121000"])).await;
    assert!(!ok);
    assert!(
        refused["problems"][0]
            .as_str()
            .unwrap()
            .contains("must be expense"),
        "{refused:#}"
    );
    let (ok, unknown) = world.run(&with(&["--account", "wages=1"])).await;
    assert!(
        !ok && unknown.as_str().unwrap().contains("no purpose wages"),
        "{unknown}"
    );
    let (ok, unwritten) = world.run(&with(&["--bank-side", "written"])).await;
    assert!(
        !ok && unwritten.as_str().unwrap().contains("--bank-journal"),
        "{unwritten}"
    );

    let (ok, made) = world
        .run(&with(&[
            "--apply",
            "--fee-tax-account",
            "201000",
            "--bank-journal",
            "BNK1",
        ]))
        .await;
    assert!(ok && made["mapped"] == true, "{made:#}");
    let (ok, right) = world.run(&["check"]).await;
    assert!(ok && right["journals"][0]["currency"] == "JPY", "{right:#}");

    let journal = right["journals"][0]["journal_id"].as_i64().unwrap();
    world
        .write("account.journal", journal, json!({ "active": false }))
        .await;
    let (ok, wrong) = world.run(&["check"]).await;
    assert!(!ok && wrong["ok"] == false, "{wrong:#}");
    let finding = wrong["journals"][0]["findings"][0].as_str().unwrap();
    assert!(finding.contains("is archived: bring it back"), "{finding}");
}

#[tokio::test]
async fn credit_notes_and_a_tax_on_fees_are_chosen_at_the_command_line_and_stay_chosen() {
    let world = World::open().await;
    let account = world.test.account.to_string();
    let setup = [
        "setup",
        "--provider-account",
        &account,
        "--currency",
        "EUR",
        "--apply",
    ];
    let with = |more: &[&'static str]| [&setup[..], more].concat();
    let says = |report: &Value| report["notes"].to_string().contains("refunds make credit notes");

    let (ok, untaxed) = world.run(&with(&["--fee-tax", "VAT of nowhere"])).await;
    let problem = untaxed["problems"][0].as_str().unwrap();
    assert!(
        !ok && problem.contains("no purchase tax is called VAT of nowhere"),
        "{untaxed:#}"
    );
    let (_, at_first) = world.run(&setup).await;
    let (_, on) = world.run(&with(&["--credit-notes", "--fee-tax", "none"])).await;
    let (_, later) = world.run(&setup).await;
    let (_, off) = world.run(&with(&["--credit-notes=off"])).await;

    let told: Vec<bool> = [&at_first, &on, &later, &off].map(says).to_vec();
    assert_eq!(told, [false, true, true, false], "{on:#}");
    assert_eq!(off["mapped"], true);
}
