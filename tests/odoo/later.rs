//! What reaches Odoo's books only later: what was booked before a journal was mapped, and what a person linked.

use quittance::app::odoo_setup::{self, Wanted};
use quittance::app::setup;
use quittance::domain::ids::OdooInstanceId;
use quittance_sandbox::odoo::Options;
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::rpc::Door;
use crate::events::Operator;
use crate::reconciliation::{an_hour_ago, audit, paid_with_lines, reconcile};
use crate::support::{TestApp, eventually};

/// A service with a stock Odoo in which nothing is mapped yet.
struct World {
    test: TestApp,
    door: Door,
    instance: OdooInstanceId,
}

impl World {
    async fn open() -> Self {
        Self::beside(TestApp::spawn().await).await
    }

    async fn beside(test: TestApp) -> Self {
        let door = Door::pretend(Options::default()).await;
        let (url, database, login) = (door.url.clone(), door.database.clone(), door.login.clone());
        let (app, key) = (test.application().app(), door.api_key.clone().into());
        let instance = setup::add_odoo_instance(app, test.merchant, url, database, login, key, None)
            .await
            .unwrap();
        Self { test, door, instance }
    }

    async fn set_up(&self) {
        let app = self.test.application().app();
        let wanted = Wanted {
            currencies: vec!["EUR".parse().unwrap()],
            ..Wanted::default()
        };
        let (merchant, account) = (self.test.merchant, self.test.account);
        let report = odoo_setup::set_up(app, merchant, self.instance, account, wanted, true)
            .await
            .unwrap();
        assert!(report.is_complete(), "{report:#?}");
    }

    /// Waits until Odoo has all. How many messages it got.
    async fn posted(&self) -> i64 {
        eventually(
            async || match self.test.count("outbox_message where state <> 'sent'").await {
                0 => Ok(()),
                left => Err(format!("{left} messages wait")),
            },
        )
        .await;
        self.test.count("outbox_message").await
    }

    async fn search(&self, model: &str, domain: Value, fields: &[&str]) -> Vec<Value> {
        let wish = json!({ "domain": domain, "fields": fields });
        let found = self.door.call(&format!("{model}/search_read"), wish).await;
        found.as_array().unwrap().clone()
    }

    /// A customer's posted invoice.
    async fn invoice(&self, price: f64) -> i64 {
        let id = |answer: &Value| answer[0].as_i64().unwrap();
        let partner = json!({ "vals_list": [{ "name": "Maria" }] });
        let partner = id(&self.door.call("res.partner/create", partner).await);
        let line = json!({ "name": "Chair", "quantity": 1, "price_unit": price, "tax_ids": [[6, 0, []]] });
        let invoice = json!({ "move_type": "out_invoice", "partner_id": partner, "invoice_date": "2026-11-20",
            "invoice_line_ids": [[0, 0, line]] });
        let invoice = json!({ "vals_list": [invoice] });
        let invoice = id(&self.door.call("account.move/create", invoice).await);
        self.door
            .call("account.move/action_post", json!({ "ids": [invoice] }))
            .await;
        invoice
    }
}

#[tokio::test]
async fn what_was_booked_before_a_journal_was_mapped_is_posted_once_it_is() {
    let test = TestApp::spawn().await;
    paid_with_lines(&test, 2).await;
    test.stripe.pay_in_dashboard(5_000, "eur").unwrap();
    reconcile(&test, an_hour_ago()).await;
    assert_eq!(test.count("outbox_message").await, 0);

    let world = World::beside(test).await;
    world.set_up().await;
    let told = world.posted().await;
    let balance = audit(&world.test).await["balances"][0].clone();
    assert_eq!(
        balance["odoo"]["held_minor"], balance["provider_minor"],
        "{balance:#}"
    );
    assert_ne!(balance["provider_minor"], 0);

    world.set_up().await;
    assert_eq!(world.posted().await, told, "nothing is told anew");
}

#[tokio::test]
async fn what_a_person_links_pays_its_invoice_in_odoo_and_leaves_nothing_in_suspense() {
    let world = World::open().await;
    world.set_up().await;
    world.test.stripe.pay_in_dashboard(5_000, "eur").unwrap();
    reconcile(&world.test, an_hour_ago()).await;
    world.posted().await;
    let invoice = world.invoice(50.0).await;
    let operator = Operator::of(&world.test).await;
    let list = operator.get("/v1/exceptions?kind=foreign_line").await;
    let exception = list.expect(StatusCode::OK)["data"][0]["id"].clone();
    let link = json!({
        "reference": "S00042",
        "settles": [{ "model": "account.move", "id": invoice, "amount_minor": 5_000 }],
        "odoo_instance": world.instance.to_string(),
        "reason": "paid by phone",
    });
    let path = format!("/v1/exceptions/{}/link", exception.as_str().unwrap());
    operator.post(&path, &link).await.expect(StatusCode::OK);
    world.posted().await;

    let by_id = json!([["id", "=", invoice]]);
    let invoices = world
        .search("account.move", by_id, &["payment_state", "amount_residual"])
        .await;
    assert_eq!(
        (&invoices[0]["payment_state"], &invoices[0]["amount_residual"]),
        (&json!("paid"), &json!(0.0))
    );
    let app = world.test.application().app();
    let checked = odoo_setup::check(app, world.test.merchant, world.instance)
        .await
        .unwrap();
    assert_eq!(checked[0].findings, Vec::<String>::new());
    let journal = json!([["id", "=", checked[0].journal_id]]);
    let journal = world
        .search("account.journal", journal, &["suspense_account_id"])
        .await;
    let suspense = json!([["account_id", "=", journal[0]["suspense_account_id"][0]]]);
    let items = world.search("account.move.line", suspense, &["balance"]).await;
    let sum: f64 = items.iter().map(|item| item["balance"].as_f64().unwrap()).sum();
    assert!(!items.is_empty() && sum.abs() < 0.001, "{items:#?}");
    assert_eq!(audit(&world.test).await["explained"], true);
}
