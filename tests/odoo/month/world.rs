//! A service with an Odoo, in which a journal is made for each currency, and what happens there.

use std::collections::BTreeMap;
use std::time::Duration;

use quittance::app::odoo_setup::{self, Wanted};
use quittance::app::setup;
use quittance::sink::Books;
use quittance::startup::Role;
use quittance_sandbox::month::{Asked, Happened, Month};
use quittance_sandbox::stripe::{Options as StripeOptions, Settlement};
use reqwest::StatusCode;
use serde_json::{Value, json};
use time::macros::datetime;

use super::sales::Sales;
use crate::odoo::rpc::Door;
use crate::reconciliation::{audit, month::ask, reconcile};
use crate::support::{TestApp, Wishes, database, eventually_within};

/// The currencies that the month is paid and settled in.
const CURRENCIES: [&str; 4] = ["EUR", "JPY", "KWD", "USD"];

/// A service and its Odoo.
pub(super) struct World {
    pub(super) test: TestApp,
    pub(super) door: Door,
    /// The service's own database.
    pub(super) database: String,
    /// Where each currency is booked.
    pub(super) books: BTreeMap<String, Books>,
    /// What the company counts in.
    pub(super) company_currency: String,
}

/// A month that has happened.
pub(super) struct Past {
    pub(super) month: Month,
    pub(super) happened: Happened,
    pub(super) sales: Sales,
}

impl World {
    pub(super) async fn open(door: Door, role: Role) -> Self {
        let database = database().await;
        let test = TestApp::spawn_with(Wishes {
            database: Some(database.clone()),
            role,
            stripe: StripeOptions {
                settlement: Settlement::OnDemand,
                ..StripeOptions::default()
            },
            ..Wishes::default()
        })
        .await;
        let (app, merchant) = (test.application().app(), test.merchant);
        let (url, name, login) = (door.url.clone(), door.database.clone(), door.login.clone());
        let key = door.api_key.clone().into();
        let instance = setup::add_odoo_instance(app, merchant, url, name, login, key, None)
            .await
            .unwrap();
        let wanted = Wanted {
            currencies: CURRENCIES.iter().map(|code| code.parse().unwrap()).collect(),
            bank_journal: Some("BNK1".to_owned()),
            ..Wanted::default()
        };
        let report = odoo_setup::set_up(app, merchant, instance, test.account, wanted, true)
            .await
            .unwrap();
        assert!(report.is_complete(), "{report:#?}");
        let books = report.books.into_iter();
        Self {
            books: books
                .map(|(currency, books)| (currency.code().to_owned(), books))
                .collect(),
            company_currency: report.company_currency,
            database,
            test,
            door,
        }
    }

    /// Has a month of so many payments happen, each for invoices of its own, and waits until all of it is booked in the ledger.
    pub(super) async fn happen(&self, payments: usize) -> Past {
        let month = Month::plan(7, payments);
        let sales = Sales::invoice(&self.door, month.payments()).await;
        let happened = month
            .happen(&self.test.stripe, async |asked| match asked {
                Asked::Pay(payment) => {
                    let wish = json!({
                        "amount_minor": payment.amount, "currency": payment.currency.to_uppercase(),
                        "payment_method": "pm_card_visa", "settles": sales.settled_by(payment.number),
                    });
                    let made = self.test.create(&payment.reference, wish).await;
                    let made = made.expect(StatusCode::CREATED);
                    Ok(made["provider_reference"].as_str().unwrap().to_owned())
                }
                other @ Asked::Refund { .. } => ask(&self.test, other).await,
            })
            .await
            .unwrap();
        reconcile(&self.test, datetime!(2026-09-01 0:00 UTC)).await;
        Past {
            month,
            happened,
            sales,
        }
    }

    /// Waits until Odoo has everything: a real one takes its time.
    pub(super) async fn posted(&self) {
        let mins = if self.door.pretend.is_some() { 2 } else { 20 };
        eventually_within(Duration::from_mins(mins), async || {
            let left = self.test.count("outbox_message where state = 'pending'").await;
            if left == 0 {
                return Ok(());
            }
            let errors: Vec<(String, i64)> = sqlx::query_as(
                "select coalesce(last_error, 'not tried yet'), count(*) from outbox_message where state = 'pending' group by 1",
            )
            .fetch_all(&self.test.db)
            .await
            .unwrap();
            Err(format!("{errors:?}"))
        })
        .await;
    }

    pub(super) async fn send_all_again(&self) {
        sqlx::query("update outbox_message set state = 'pending', due_at = now(), sent_at = null")
            .execute(&self.test.db)
            .await
            .unwrap();
    }

    /// Odoo's books are right about everything that happened, and all that was to meet has met.
    pub(super) async fn judge(&self, past: &Past) {
        assert_eq!(self.test.count("outbox_message where state <> 'sent'").await, 0);
        self.judge_journals().await;
        past.sales.judge(self, &past.month).await;
        self.judge_payouts(past).await;
        self.judge_accounts(&past.sales).await;
    }

    /// Odoo's journals hold what Stripe holds, and all payments and refunds met their lines.
    async fn judge_journals(&self) {
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
            ["account_id", "in", self.outstanding()],
            ["journal_id", "in", self.journals()],
            ["parent_state", "=", "posted"],
            ["reconciled", "=", false],
        ]);
        let fields = ["name", "amount_currency", "amount_residual_currency"];
        let open = self.door.search("account.move.line", domain, &fields).await;
        assert_eq!(open, Vec::<Value>::new());
    }

    /// The accounts on which payments and refunds wait for their lines.
    pub(super) fn outstanding(&self) -> Vec<i64> {
        let books = self.books.values();
        books
            .flat_map(|books| [books.outstanding_receipts_id, books.outstanding_payments_id])
            .collect()
    }

    /// The journals that stand for what Stripe holds: nothing else writes there.
    pub(super) fn journals(&self) -> Vec<i64> {
        self.books.values().map(|books| books.journal_id).collect()
    }
}
