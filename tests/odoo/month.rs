//! The generated month, posted: what Stripe holds, the ledger says and Odoo's journals hold are one, to the cent.

use std::time::Duration;

use quittance::app::odoo_setup::{self, Wanted};
use quittance::app::setup;
use quittance_sandbox::month::Month;
use quittance_sandbox::odoo::Options;
use quittance_sandbox::stripe::{Options as StripeOptions, Settlement};
use serde_json::{Value, json};
use time::macros::datetime;

use super::VERSION;
use crate::odoo::rpc::Door;
use crate::reconciliation::{audit, month::ask, reconcile};
use crate::support::{TestApp, Wishes, eventually_within};

/// The currencies that the month is paid and settled in.
const CURRENCIES: [&str; 4] = ["EUR", "JPY", "KWD", "USD"];

async fn posted(test: &TestApp) {
    eventually_within(Duration::from_mins(20), async || {
        let left = test.count("outbox_message where state = 'pending'").await;
        if left == 0 {
            return Ok(());
        }
        let errors: Vec<(String, i64)> = sqlx::query_as(
            "select coalesce(last_error, 'not tried yet'), count(*) from outbox_message where state = 'pending' group by 1",
        )
        .fetch_all(&test.db)
        .await
        .unwrap();
        Err(format!("{errors:?}"))
    })
    .await;
}

/// A service with an Odoo, in which a journal is made for each currency.
struct World {
    test: TestApp,
    door: Door,
    outstanding: [i64; 2],
}

impl World {
    async fn open(door: Door) -> Self {
        let test = TestApp::spawn_with(Wishes {
            stripe: StripeOptions {
                settlement: Settlement::OnDemand,
                ..StripeOptions::default()
            },
            ..Wishes::default()
        })
        .await;
        let (app, merchant) = (test.application().app(), test.merchant);
        let (url, database, login) = (door.url.clone(), door.database.clone(), door.login.clone());
        let key = door.api_key.clone().into();
        let instance = setup::add_odoo_instance(app, merchant, url, database, login, key, None)
            .await
            .unwrap();
        let wanted = Wanted {
            currencies: CURRENCIES.iter().map(|code| code.parse().unwrap()).collect(),
            ..Wanted::default()
        };
        let report = odoo_setup::set_up(app, merchant, instance, test.account, wanted, true)
            .await
            .unwrap();
        assert!(report.is_complete(), "{report:#?}");
        let (_, books) = &report.books[0];
        Self {
            outstanding: [books.outstanding_receipts_id, books.outstanding_payments_id],
            test,
            door,
        }
    }

    /// Has the month happen, and waits until all of it is booked and posted.
    async fn happen(&self) {
        Month::plan(7, 80)
            .happen(&self.test.stripe, async |asked| ask(&self.test, asked).await)
            .await
            .unwrap();
        reconcile(&self.test, datetime!(2026-09-01 0:00 UTC)).await;
        posted(&self.test).await;
    }

    /// Odoo's journals hold what Stripe holds, and all payments and refunds met their lines.
    async fn judge(&self) {
        assert_eq!(self.test.count("outbox_message where state <> 'sent'").await, 0);
        let audit = audit(&self.test).await;
        let balances = audit["balances"].as_array().unwrap();
        for balance in balances {
            let odoo = &balance["odoo"];
            assert_eq!(odoo["difference_minor"], 0, "{balance:#}");
            assert_eq!(odoo["held_minor"], balance["provider_minor"], "{balance:#}");
        }
        let is_something = |balance: &Value| balance["provider_minor"] != 0;
        assert!(balances.iter().any(is_something), "{audit:#}");
        let domain = json!([
            ["account_id", "in", self.outstanding],
            ["parent_state", "=", "posted"],
            ["reconciled", "=", false],
        ]);
        let fields = ["name", "amount_currency", "amount_residual_currency"];
        let wish = json!({ "domain": domain, "fields": fields });
        let open = self.door.call("account.move.line/search_read", wish).await;
        assert_eq!(open, json!([]));
    }
}

#[tokio::test]
async fn a_month_of_everything_is_in_odoo_to_the_cent_and_stays_so_when_all_is_sent_again() {
    let world = World::open(Door::find(VERSION).await).await;

    world.happen().await;
    world.judge().await;
    sqlx::query("update outbox_message set state = 'pending', due_at = now(), sent_at = null")
        .execute(&world.test.db)
        .await
        .unwrap();
    posted(&world.test).await;

    world.judge().await;
}

#[tokio::test]
async fn a_company_that_counts_in_another_currency_than_any_journal_has_the_month_to_the_cent() {
    let millionths = |code: &str, rate| (code.to_owned(), rate);
    let rates = vec![
        millionths("EUR", 1_173_512),
        millionths("JPY", 204_377_100),
        millionths("KWD", 401_703),
        millionths("USD", 1_309_977),
    ];
    let door = Door::pretend(Options {
        version: VERSION,
        currency: "GBP".to_owned(),
        rates,
        ..Options::default()
    });
    let world = World::open(door.await).await;

    world.happen().await;

    world.judge().await;
}
