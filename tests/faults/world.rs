//! Two `serve` and two `worker` over one Postgres, a pretend Stripe whose payments are made, and a pretend Odoo.

use std::path::{Path, PathBuf};
use std::time::Duration;

use futures::stream::{self, StreamExt};
use quittance::domain::ids::{OperationId, PaymentId};
use quittance_sandbox::merchant::{Merchant, OdooAccess, StripeAccess};
use quittance_sandbox::odoo::{Options as OdooOptions, PretendOdoo};
use quittance_sandbox::service::{Quittance, Service};
use quittance_sandbox::stripe::{Options as StripeOptions, PretendStripe, Settlement};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use uuid::Uuid;

use super::door::Door;
use crate::support::{Reply, WEBHOOK_SECRET, payment};

/// What a test wants of its world.
#[derive(Clone)]
pub(super) struct Plan {
    pub(super) name: &'static str,
    /// A migrated database.
    pub(super) database: String,
    /// What divides every waiting time.
    pub(super) retry_divisor: u32,
    /// How long Stripe takes for each request.
    pub(super) stripe_latency: Duration,
    /// How long Odoo takes for each request.
    pub(super) odoo_latency: Duration,
    /// What is different in the environment of each of the two replicas.
    pub(super) environments: [Vec<(&'static str, String)>; 2],
}

impl Plan {
    pub(super) fn new(name: &'static str, database: String) -> Self {
        Self {
            name,
            database,
            retry_divisor: 100,
            stripe_latency: Duration::ZERO,
            odoo_latency: Duration::from_millis(1),
            environments: [Vec::new(), Vec::new()],
        }
    }
}

pub(super) struct World {
    /// The program as each of the two replicas runs it.
    pub(super) replicas: [Quittance; 2],
    pub(super) merchant: Merchant,
    pub(super) stripe: PretendStripe,
    pub(super) odoo: PretendOdoo,
    /// The way to Odoo.
    pub(super) door: Door,
    pub(super) db: PgPool,
    pub(super) http: Client,
}

/// What runs: it ends when this is dropped.
pub(super) struct Running {
    _serving: Vec<Service>,
    pub(super) workers: Vec<Service>,
}

impl World {
    /// Set up with the program's own commands, and nothing started yet. Leases are as short as settings allow.
    pub(super) async fn set_up(plan: Plan) -> Self {
        let log = |number: usize| -> PathBuf {
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("faults-{}-{number}.log", plan.name))
        };
        let program = Path::new(env!("CARGO_BIN_EXE_quittance"));
        let quittance = Quittance::new(program, &plan.database, &log(0))
            .unwrap()
            .with("QUITTANCE_PROVIDER_TIMEOUT_MS", "1000")
            .with("QUITTANCE_ODOO_TIMEOUT_MS", "1000")
            .with("QUITTANCE_RETRY_DIVISOR", &plan.retry_divisor.to_string());
        let other = quittance.replica(&log(1)).unwrap();
        let stripe = PretendStripe::start(StripeOptions {
            settlement: Settlement::OnDemand,
            latency: plan.stripe_latency,
            ..StripeOptions::default()
        })
        .await
        .unwrap();
        let odoo = PretendOdoo::start(OdooOptions {
            work: plan.odoo_latency,
            ..OdooOptions::default()
        })
        .await
        .unwrap();
        let door = Door::before(&odoo.url()).await;
        let access = StripeAccess::of(&stripe, WEBHOOK_SECRET);
        let books = OdooAccess {
            url: door.url(),
            ..OdooAccess::of(&odoo)
        };
        let merchant = Merchant::add(&quittance, &access, Some(&books)).await.unwrap();
        let differ = |program: Quittance, environment: &[(&'static str, String)]| {
            environment
                .iter()
                .fold(program, |program, (name, value)| program.with(name, value))
        };
        let [first, second] = &plan.environments;
        let db = PgPoolOptions::new()
            .max_connections(2)
            .connect(&plan.database)
            .await
            .unwrap();
        Self {
            replicas: [differ(quittance, first), differ(other, second)],
            merchant,
            stripe,
            odoo,
            door,
            db,
            http: Client::builder().build().unwrap(),
        }
    }

    /// Starts two of everything.
    pub(super) async fn start(&self) -> Running {
        let mut running = self.start_serving().await;
        for number in 0..self.replicas.len() {
            self.start_working(&mut running, number);
        }
        running
    }

    /// Starts what takes in, twice, and nothing that works on it.
    pub(super) async fn start_serving(&self) -> Running {
        let [first, second] = &self.replicas;
        let (first, second) = tokio::join!(first.serve(&[]), second.serve(&[]));
        Running {
            _serving: vec![first.unwrap(), second.unwrap()],
            workers: Vec::new(),
        }
    }

    /// Starts the worker of one of the replicas.
    pub(super) fn start_working(&self, running: &mut Running, replica: usize) {
        running.workers.push(self.replicas[replica].work().unwrap());
    }

    /// Where Stripe's webhooks go: one address for each replica.
    pub(super) fn webhook_urls(&self) -> Vec<String> {
        let path = self.merchant.webhook_path();
        self.replicas
            .iter()
            .map(|replica| format!("{}{path}", replica.url()))
            .collect()
    }

    /// A request that changes something, to one of the replicas.
    pub(super) async fn post(&self, replica: usize, path: &str, key: &str, body: &Value) -> Reply {
        let request = self
            .http
            .post(format!("{}{path}", self.replicas[replica].url()))
            .bearer_auth(&self.merchant.api_key)
            .header("Idempotency-Key", key)
            .json(body);
        Reply::of(request).await
    }

    /// Makes `count` payments that customers have paid, although nobody has told the service so yet; every `posted`th is
    /// for Odoo. Returns the events, all of them signed by nobody yet, in Stripe's order.
    ///
    /// One is made through the API. The others' rows are copies of its rows under ids of their own, since making
    /// thousands over HTTP would take longer than what is tested; their intents are the provider's own, made and paid
    /// there under the same names that the service gives.
    pub(super) async fn make_paid_payments(&self, count: usize, posted: usize) -> Vec<Value> {
        let serving = self.replicas[0].serve(&[]).await.unwrap();
        let made = self
            .post(0, "/v1/payments", "template", &payment("template", json!({})))
            .await;
        let template = made.expect(StatusCode::CREATED);
        serving.stop().await.unwrap();
        let numbers = stream::iter(0..count);
        let intents: Vec<(Uuid, Uuid, String)> = numbers
            .map(async |_| {
                let (payment, operation) = (PaymentId::generate(), OperationId::generate());
                let intent = self.pay_at_stripe(payment, operation).await;
                (payment.uuid(), operation.uuid(), intent)
            })
            .buffer_unordered(8)
            .collect()
            .await;
        self.copy(&template, &intents, posted).await;
        self.stripe.settle();
        let of_template = &template["provider_reference"];
        let mut events = self.stripe.events();
        events.retain(|event| &event["data"]["object"]["id"] != of_template);
        events
    }

    async fn pay_at_stripe(&self, payment: PaymentId, operation: OperationId) -> String {
        let (payment, operation) = (payment.to_string(), operation.to_string());
        let form = [
            ("amount", "12100"),
            ("currency", "eur"),
            ("confirm", "true"),
            ("payment_method", "pm_card_visa"),
            ("return_url", "https://shop.example/back"),
            ("metadata[quittance_payment]", &payment),
            ("metadata[quittance_operation]", &operation),
        ];
        let request = self
            .http
            .post(format!("{}/v1/payment_intents", self.stripe.url()))
            .bearer_auth(self.stripe.secret_key())
            .form(&form);
        let intent = Reply::of(request).await.expect(StatusCode::OK);
        assert_eq!(intent["status"], "succeeded");
        intent["id"].as_str().unwrap().to_owned()
    }

    /// Copies the rows of a payment, once for each intent.
    async fn copy(&self, template: &Value, intents: &[(Uuid, Uuid, String)], posted: usize) {
        let template: PaymentId = template["id"].as_str().unwrap().parse().unwrap();
        let payments: Vec<Uuid> = intents.iter().map(|(payment, ..)| *payment).collect();
        let operations: Vec<Uuid> = intents.iter().map(|(_, operation, _)| *operation).collect();
        let references: Vec<&str> = intents.iter().map(|(.., intent)| intent.as_str()).collect();
        let numbers = 0..i64::try_from(intents.len()).unwrap();
        let posted: Vec<bool> = numbers
            .map(|number| number % i64::try_from(posted).unwrap() == 0)
            .collect();
        let copies = [
            "insert into payment
             select (jsonb_populate_record(p, jsonb_build_object('id', c.payment, 'reference', c.intent,
                 'provider_reference', c.intent, 'client_secret_sealed', null) ||
                 case when c.posted then '{}' else '{\"odoo_instance_id\": null}'::jsonb end)).*
             from payment p, unnest($2::uuid[], $3::uuid[], $4::text[], $5::bool[])
                 c (payment, operation, intent, posted)
             where p.id = $1",
            "insert into operation
             select (jsonb_populate_record(o, jsonb_build_object('id', c.operation, 'payment_id', c.payment))).*
             from operation o, unnest($2::uuid[], $3::uuid[], $4::text[], $5::bool[])
                 c (payment, operation, intent, posted)
             where o.payment_id = $1",
        ];
        for copy in copies {
            sqlx::query(copy)
                .bind(template)
                .bind(&payments)
                .bind(&operations)
                .bind(&references)
                .bind(&posted)
                .execute(&self.db)
                .await
                .unwrap();
        }
    }

    /// How many rows a condition finds; none while the database is away.
    pub(super) async fn find_count(&self, table_and_condition: &str) -> Option<usize> {
        let sql = format!("select count(*) from {table_and_condition}");
        let count: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
            .fetch_one(&self.db)
            .await
            .ok()?;
        usize::try_from(count).ok()
    }

    pub(super) async fn count(&self, table_and_condition: &str) -> usize {
        self.find_count(table_and_condition).await.unwrap()
    }
}
