//! Messages to our addon in Odoo: signed, in order, each taken in once, and an Odoo in trouble harms nobody else.

mod addresses;
mod answers;
mod batches;
mod beside;
mod books;
mod commands;
mod contract;
mod limits;
mod news;
mod outages;
mod signatures;

use quittance::app::setup;
use quittance::domain::ids::OdooInstanceId;
use quittance::startup::{Application, Role};
use quittance_sandbox::addon::PretendAddon;
use reqwest::StatusCode;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::support::{TestApp, Wishes, database, eventually, settings};

/// The service with an Odoo that has our addon, and what a second replica of it needs.
struct World {
    test: TestApp,
    addon: PretendAddon,
    instance: OdooInstanceId,
    secret: String,
    database: String,
    divisor: u32,
}

impl World {
    /// Waiting times are divided by `divisor`.
    async fn with(role: Role, divisor: u32) -> Self {
        let database = database().await;
        let mut timing = Wishes::default().timing;
        timing.retry_divisor = divisor;
        let test = TestApp::spawn_with(Wishes {
            database: Some(database.clone()),
            role,
            timing,
            ..Wishes::default()
        })
        .await;
        let addon = PretendAddon::start().await.unwrap();
        let url = addon.url().parse().unwrap();
        let (instance, secret) = setup::add_addon_instance(test.application().app(), test.merchant, url)
            .await
            .unwrap();
        let secret = secret.text().expose_secret().to_owned();
        addon.set_secret(&secret);
        Self {
            test,
            addon,
            instance,
            secret,
            database,
            divisor,
        }
    }

    async fn new() -> Self {
        Self::with(Role::Both, 100).await
    }

    /// The same with an Odoo that keeps the account's books.
    async fn keeping() -> Self {
        let world = Self::new().await;
        world.keep().await;
        world
    }

    /// From now on the Odoo keeps the account's books.
    async fn keep(&self) {
        sqlx::query("insert into book_keeper (merchant_id, provider_account_id, odoo_instance_id, since) values ($1, $2, $3, now())")
            .bind(self.test.merchant.uuid())
            .bind(self.test.account.uuid())
            .bind(self.instance.uuid())
            .execute(&self.test.db)
            .await
            .unwrap();
    }

    /// What was told last of what has this id or source, once it fits.
    async fn told(&self, id: &str, fits: impl Fn(&Value) -> bool) -> Value {
        eventually(async || match self.addon.held(id) {
            Some(told) if fits(&told) => Ok(told),
            other => Err(format!("{id}: {other:#?}")),
        })
        .await
    }

    /// Makes so many others of a payment and its messages.
    async fn copies(&self, count: i32) {
        for sql in [
            "insert into payment (merchant_id, id, provider_account_id, odoo_instance_id, reference, amount_minor, currency, capture_method,
                 state, created_at, updated_at)
             select merchant_id, lpad(to_hex(n), 32, '0')::uuid, provider_account_id, odoo_instance_id, 'C' || n, amount_minor, currency,
                 capture_method, state, created_at, updated_at from payment, generate_series(1, $1) n",
            "insert into outbox_message (merchant_id, id, odoo_instance_id, payment_id, sequence, posting_key, posting, due_at, created_at)
             select merchant_id, gen_random_uuid(), odoo_instance_id, lpad(to_hex(n), 32, '0')::uuid, sequence, n || '_' || posting_key,
                 jsonb_set(jsonb_set(posting, '{payment,reference}', to_jsonb('C' || n)), '{payment,id}', to_jsonb('pay_' || lpad(n::text, 26, '0'))),
                 due_at, created_at
             from outbox_message, generate_series(1, $1) n",
        ] {
            sqlx::query(sql)
                .bind(count)
                .execute(&self.test.db)
                .await
                .unwrap();
        }
    }

    /// One more worker over the same database.
    async fn replica(&self) -> Application {
        let mut settings = settings(&self.database);
        settings.timing.retry_divisor = self.divisor;
        Application::start(&settings, Role::Work).await.unwrap()
    }

    /// A payment that is charged and then given back in part: two messages at least.
    async fn pay(&self, reference: &str) -> Value {
        let wish = json!({ "payment_method": "pm_card_visa" });
        let paid = self
            .test
            .create(reference, wish)
            .await
            .expect(StatusCode::CREATED);
        let path = format!("/v1/payments/{}/refunds", paid["id"].as_str().unwrap());
        let part = json!({ "amount_minor": 2_100 });
        self.test
            .post(&path, &format!("refund-{reference}"), &part)
            .await
            .expect(StatusCode::CREATED)
    }

    /// Waits until nothing is on its way any more: no event, and no message.
    async fn settled(&self) {
        self.until("no message is left", async || {
            self.test.count("outbox_message where state <> 'sent'").await == 0
                && self.test.count("webhook_event where due_at is not null").await == 0
                && self.test.count("outbox_message").await > 0
        })
        .await;
    }

    /// Waits until something is so.
    async fn until(&self, what: &str, is_so: impl AsyncFn() -> bool) {
        eventually(async || {
            if is_so().await {
                Ok(())
            } else {
                Err(format!("not so: {what}"))
            }
        })
        .await;
    }

    /// How often in a row the instance was not reached.
    async fn failures(&self) -> i64 {
        sqlx::query_scalar("select failures::bigint from odoo_instance where id = $1")
            .bind(self.instance.uuid())
            .fetch_one(&self.test.db)
            .await
            .unwrap()
    }

    /// What a message became, by the payment's reference, in order: state, attempts, last error.
    async fn messages(&self, reference: &str) -> Vec<(String, i32, Option<String>)> {
        sqlx::query_as(
            "select o.state, o.attempts, o.last_error from outbox_message o
             join payment p on p.merchant_id = o.merchant_id and p.id = o.payment_id
             where p.reference = $1 order by o.sequence",
        )
        .bind(reference)
        .fetch_all(&self.test.db)
        .await
        .unwrap()
    }

    /// Fails unless each payment's messages were applied in order, ended as the service holds them, and none twice.
    async fn assert_told_in_order(&self, references: &[String]) {
        let applied = self.addon.applied();
        for reference in references {
            let of_it: Vec<&Value> = applied
                .iter()
                .filter(|message| message["payment"]["reference"] == reference.as_str())
                .collect();
            let versions: Vec<i64> = of_it
                .iter()
                .map(|message| message["payment"]["version"].as_i64().unwrap())
                .collect();
            let sequences: Vec<i64> = of_it
                .iter()
                .map(|message| message["sequence"].as_i64().unwrap())
                .collect();
            assert!(
                versions.is_sorted_by(|one, next| one < next),
                "{reference}: {versions:?}"
            );
            let counted: Vec<i64> = (1..).take(sequences.len()).collect();
            assert_eq!(sequences, counted, "{reference}");
            assert!(sequences.len() > 1, "{reference}: order needs two");
            let told = self.addon.payment(reference).unwrap();
            let held = self.test.payment(told["id"].as_str().unwrap()).await;
            for field in ["state", "version", "captured_minor", "refunded_minor"] {
                assert_eq!(told[field], held[field], "{reference}: {field}");
            }
        }
    }
}
