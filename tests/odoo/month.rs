//! The generated month, posted: what Stripe holds, the ledger says and Odoo's journals hold are one, to the cent.

use std::time::Duration;

use quittance::app::odoo_setup::{self, Wanted};
use quittance::app::setup;
use quittance_sandbox::month::Month;
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

#[tokio::test]
async fn a_month_of_everything_is_in_odoo_to_the_cent_and_nothing_is_outstanding() {
    let test = TestApp::spawn_with(Wishes {
        stripe: StripeOptions {
            settlement: Settlement::OnDemand,
            ..StripeOptions::default()
        },
        ..Wishes::default()
    })
    .await;
    let door = Door::find(VERSION).await;
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

    Month::plan(7, 80)
        .happen(&test.stripe, async |asked| ask(&test, asked).await)
        .await
        .unwrap();
    reconcile(&test, datetime!(2026-09-01 0:00 UTC)).await;
    posted(&test).await;

    let dead = test.count("outbox_message where state = 'dead'").await;
    assert_eq!(dead, 0);
    let audit = audit(&test).await;
    let balances = audit["balances"].as_array().unwrap();
    for balance in balances {
        let odoo = &balance["odoo"];
        assert_eq!(odoo["difference_minor"], 0, "{balance:#}");
        assert_eq!(odoo["held_minor"], balance["provider_minor"], "{balance:#}");
    }
    assert!(
        balances
            .iter()
            .any(|balance: &Value| balance["provider_minor"] != 0)
    );
    let (_, books) = &report.books[0];
    let outstanding = [books.outstanding_receipts_id, books.outstanding_payments_id];
    let domain = json!([
        ["account_id", "in", outstanding],
        ["parent_state", "=", "posted"],
        ["reconciled", "=", false],
    ]);
    let fields = ["name", "amount_currency", "amount_residual_currency"];
    let wish = json!({ "domain": domain, "fields": fields });
    let open = door.call("account.move.line/search_read", wish).await;
    assert_eq!(open, json!([]), "all payments and refunds met their lines");
}
