//! An Odoo with our addon connects itself: one instance, one secret, one endpoint, however often; and a copy of it takes no money.

mod databases;
mod health;

use futures::future::join_all;
use quittance::app::setup;
use quittance::startup::Role;
use quittance_sandbox::addon::PretendAddon;
use reqwest::{Method, StatusCode};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::events::as_key;
use crate::support::{Reply, TestApp, Wishes, eventually, payment};

const PATH: &str = "/v1/odoo/connection";
const HEADER: &str = "Quittance-Odoo-Database";
const DATABASE: &str = "5d0a7a3c-8a3e-4a7e-9d5b-2f6f0c1e9b77";
const COPY: &str = "11111111-8a3e-4a7e-9d5b-2f6f0c1e9b77";

/// An Odoo, as it presents itself.
struct Odoo<'a> {
    test: &'a TestApp,
    key: String,
    database: &'a str,
    company: &'a str,
    url: String,
}

impl<'a> Odoo<'a> {
    /// One with a key of its own, which nobody listens for.
    async fn new(test: &'a TestApp, database: &'a str, company: &'a str) -> Self {
        let app = test.application().app();
        let (_, key) = setup::create_api_key(app, test.merchant, "odoo", false)
            .await
            .unwrap();
        Self {
            test,
            key: key.text.expose_secret().to_owned(),
            database,
            company,
            url: "http://127.0.0.1:1/payment/quittance/news".to_owned(),
        }
    }

    async fn send(&self, method: Method, path: &str, key: &str, body: Option<&Value>) -> Reply {
        let mut request = self
            .test
            .request(method, path)
            .header(HEADER, self.database)
            .header("Idempotency-Key", key);
        if let Some(body) = body {
            request = request.json(body);
        }
        Reply::of(as_key(request, &self.key)).await
    }

    async fn connect(&self, more: Value) -> Reply {
        let mut body = json!({
            "database": self.database, "company": self.company, "company_name": "My company", "url": self.url,
            "odoo_version": "19.0", "addon_version": "1.0.0", "of_a_later_version": true,
        });
        if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
            body.extend(more);
        }
        self.send(Method::POST, PATH, "unused", Some(&body)).await
    }

    async fn connected(&self, more: Value) -> Value {
        self.connect(more).await.expect(StatusCode::OK)
    }

    async fn look(&self) -> Value {
        self.send(Method::GET, PATH, "unused", None)
            .await
            .expect(StatusCode::OK)
    }

    async fn pay(&self, reference: &str) -> Reply {
        let body = payment(reference, json!({ "payment_method": "pm_card_visa" }));
        self.send(Method::POST, "/v1/payments", reference, Some(&body))
            .await
    }
}

/// A service on which nothing works in the background and that Stripe does not know of.
async fn serving() -> TestApp {
    TestApp::spawn_with(Wishes {
        role: Role::Serve,
        webhooks: false,
        ..Wishes::default()
    })
    .await
}

async fn instance_of(test: &TestApp, payment: &Value) -> Value {
    let id: quittance::domain::ids::PaymentId = payment["id"].as_str().unwrap().parse().unwrap();
    let instance: quittance::domain::ids::OdooInstanceId =
        sqlx::query_scalar("select odoo_instance_id from payment where id = $1")
            .bind(id)
            .fetch_one(&test.db)
            .await
            .unwrap();
    json!(instance.to_string())
}

#[tokio::test]
async fn who_connects_twice_or_at_once_has_one_instance_and_is_told_the_secret_once() {
    let test = serving().await;
    let odoo = Odoo::new(&test, DATABASE, "1").await;
    let all = join_all((0..6).map(|_| odoo.connected(json!({})))).await;
    let secrets: Vec<&Value> = all
        .iter()
        .filter_map(|answer| answer.get("signing_secret"))
        .collect();
    assert_eq!(secrets.len(), 1, "{all:#?}");
    assert!(secrets[0].as_str().unwrap().starts_with("whsec_"));
    let again = odoo.connected(json!({ "url": "http://127.0.0.1:2/moved" })).await;
    assert!(
        all.iter()
            .all(|answer| answer["odoo_instance"] == again["odoo_instance"])
    );
    assert_eq!(
        (again.get("signing_secret"), &again["keeps_books"]),
        (None, &json!(true))
    );
    let counts = ["odoo_instance", "signing_secret", "book_keeper"].map(|table| test.count(table));
    assert_eq!(join_all(counts).await, [1, 1, 1]);
    assert_eq!(
        test.count("odoo_instance where url = 'http://127.0.0.1:2/moved'")
            .await,
        1
    );
    assert_eq!(
        test.count("audit_entry where action = 'odoo_instance.connect'")
            .await,
        7
    );
    assert_eq!(
        test.count("audit_entry where action = 'odoo_instance.connect' and detail like '%whsec%'")
            .await,
        0
    );
}

#[tokio::test]
async fn two_keys_that_connect_one_company_at_once_find_one_instance() {
    let test = serving().await;
    let (one, other) = (
        Odoo::new(&test, DATABASE, "1").await,
        Odoo::new(&test, DATABASE, "1").await,
    );
    let (one, other) = tokio::join!(one.connected(json!({})), other.connected(json!({})));
    assert_eq!(one["odoo_instance"], other["odoo_instance"]);
    assert_eq!(test.count("odoo_instance").await, 1);
}

#[tokio::test]
async fn an_instance_that_was_added_at_the_address_and_never_connected_is_taken_over_with_its_secret() {
    let test = serving().await;
    let odoo = Odoo::new(&test, DATABASE, "1").await;
    let (app, url) = (test.application().app(), odoo.url.parse().unwrap());
    let (added, _) = setup::add_addon_instance(app, test.merchant, url).await.unwrap();
    let connected = odoo.connected(json!({})).await;
    assert_eq!(connected["odoo_instance"], added.to_string());
    assert_eq!(connected.get("signing_secret"), None, "it has one");
    let second = Odoo::new(&test, DATABASE, "2").await.connected(json!({})).await;
    assert_ne!(
        second["odoo_instance"], connected["odoo_instance"],
        "another company at the same address"
    );
}

#[tokio::test]
async fn a_new_secret_signs_beside_the_old_one() {
    let test = TestApp::spawn().await;
    let addon = PretendAddon::start().await.unwrap();
    let odoo = Odoo {
        url: addon.url(),
        ..Odoo::new(&test, DATABASE, "1").await
    };
    let first = odoo.connected(json!({})).await["signing_secret"].clone();
    let second = odoo.connected(json!({ "new_secret": true })).await["signing_secret"].clone();
    assert_ne!(first, second);
    for (reference, secret) in [("S1", &first), ("S2", &second)] {
        addon.set_secret(secret.as_str().unwrap());
        odoo.pay(reference).await.expect(StatusCode::CREATED);
        eventually(async || {
            let is_there = addon
                .applied()
                .iter()
                .any(|message| message["payment"]["reference"] == reference);
            if is_there {
                Ok(())
            } else {
                Err(format!("{reference} is not told"))
            }
        })
        .await;
    }
    assert_eq!(test.count("signing_secret where until is null").await, 1);
}

#[tokio::test]
async fn the_webhook_endpoint_is_registered_once_where_that_is_wished() {
    let test = serving().await;
    let odoo = Odoo::new(&test, DATABASE, "1").await;
    let without = odoo.connected(json!({ "service_url": test.url })).await;
    assert_eq!(
        (&without["webhook"]["state"], test.stripe.endpoints().len()),
        (&json!("missing"), 0)
    );
    let wish = json!({ "register_webhook": true, "service_url": test.url });
    let all = join_all((0..4).map(|_| odoo.connected(wish.clone()))).await;
    assert_eq!(test.stripe.endpoints().len(), 1);
    for answer in all.iter().chain([&odoo.look().await]) {
        assert_eq!(answer["webhook"]["state"], "registered", "{answer:#}");
        assert_eq!(answer["webhook"]["url"], test.webhook_url());
    }
    assert_eq!(
        test.count("audit_entry where action = 'provider_account.endpoint' and actor like 'key_%'")
            .await,
        1
    );
    let (field, code) = ("service_url", "invalid_url");
    let wrong = odoo
        .connect(json!({ "register_webhook": true, "service_url": "http://u@127.0.0.1/" }))
        .await;
    let wrong = wrong.expect(StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!((&wrong["field"], &wrong["code"]), (&json!(field), &json!(code)));
}

#[tokio::test]
async fn an_account_whose_journals_are_mapped_in_a_stock_odoo_keeps_its_books_there() {
    let test = TestApp::spawn_with_odoo().await;
    sqlx::query(
        "insert into odoo_journal (merchant_id, provider_account_id, currency, odoo_instance_id, journal_id, books)
         select merchant_id, $1, 'EUR', id, 7, '{}' from odoo_instance",
    )
    .bind(test.account)
    .execute(&test.db)
    .await
    .unwrap();
    let odoo = Odoo::new(&test, DATABASE, "1").await;
    let refused = odoo.connect(json!({})).await.expect(StatusCode::CONFLICT);
    assert_eq!(refused["code"], "books_kept_elsewhere");
    assert_eq!(test.count("odoo_instance where sink = 'addon'").await, 0);
    assert_eq!(test.count("api_key where odoo_instance_id is not null").await, 0);
    sqlx::query("delete from odoo_journal")
        .execute(&test.db)
        .await
        .unwrap();
    odoo.connected(json!({})).await;
}

#[tokio::test]
async fn the_first_odoo_keeps_the_books_until_it_is_put_out_of_use() {
    let test = serving().await;
    let (original, copy) = (
        Odoo::new(&test, DATABASE, "1").await,
        Odoo::new(&test, COPY, "1").await,
    );
    assert_eq!(original.connected(json!({})).await["keeps_books"], true);
    assert_eq!(copy.connected(json!({})).await["keeps_books"], false);
    assert_eq!(original.look().await["keeps_books"], true);
    sqlx::query("update odoo_instance set disabled_at = now() where database = $1")
        .bind(DATABASE)
        .execute(&test.db)
        .await
        .unwrap();
    assert_eq!(copy.connected(json!({})).await["keeps_books"], true);
    let original = original.connected(json!({})).await;
    assert_eq!(original["keeps_books"], false);
    assert!(
        original["messages"]["disabled_at"].is_string(),
        "an operator enables it, not itself"
    );
}

#[tokio::test]
async fn each_wrong_field_of_a_connection_is_named_and_nothing_is_made() {
    let test = serving().await;
    let odoo = Odoo::new(&test, DATABASE, "1").await;
    for (wrong, field, code) in [
        (json!({ "company": "" }), "company", "invalid_name"),
        (json!({ "company": 1 }), "company", "invalid_field"),
        (
            json!({ "company_name": "x".repeat(256) }),
            "company_name",
            "too_long",
        ),
        (json!({ "url": "odoo" }), "url", "invalid_url"),
        (
            json!({ "url": "http://169.254.169.254/" }),
            "url",
            "address_not_allowed",
        ),
        (json!({ "url": "http://10.0.0.1/" }), "url", "address_not_allowed"),
        (
            json!({ "register_webhook": true }),
            "service_url",
            "missing_field",
        ),
        (
            json!({ "provider_account": "acc_1" }),
            "provider_account",
            "invalid_id",
        ),
    ] {
        let refused = odoo
            .connect(wrong.clone())
            .await
            .expect(StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(
            (&refused["field"], &refused["code"]),
            (&json!(field), &json!(code)),
            "{wrong}"
        );
    }
    assert_eq!(test.count("odoo_instance").await, 0);
}
