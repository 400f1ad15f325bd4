//! The whole service on a port of its own, with a pretend Stripe behind it: production wiring, real HTTP, real Postgres.

pub(crate) mod conformance;
pub(crate) mod giro;
mod wait;

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::time::Duration;

use quittance::app::limits::Rates;
use quittance::app::personal::Kept;
use quittance::app::{App, Timing, setup};
use quittance::config::Settings;
use quittance::crypto::Sealer;
use quittance::domain::ids::{MerchantId, ProviderAccountId};
use quittance::domain::network::Networks;
use quittance::http::Bounds;
use quittance::provider::{ProviderAccount, Registry};
use quittance::sink::BooksRequest;
use quittance::startup::{self, Application, Role};
use quittance::store;
use quittance::stripe::Limits;
use quittance::telemetry::LogFormat;
use quittance_sandbox::odoo::{Options as OdooOptions, PretendOdoo};
use quittance_sandbox::postgres::{self, Cluster};
use quittance_sandbox::stripe::{Options as StripeOptions, PretendStripe, WebhookEndpoint};
use reqwest::{Method, RequestBuilder, StatusCode};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;

pub(crate) use wait::{eventually, eventually_within, try_within};

/// What every pretend webhook endpoint is signed with.
pub(crate) const WEBHOOK_SECRET: &str = "whsec_test_of_quittance";

/// 32 bytes that seal the secrets of tests.
pub(crate) const SEALING_KEY: &str = "MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI=";

/// A few connections as the login of a database, beside the service's.
pub(crate) fn as_the_login(url: &str) -> PgPool {
    PgPoolOptions::new().max_connections(4).connect_lazy(url).unwrap()
}

/// A database of its own, migrated.
pub(crate) async fn database() -> String {
    database_of(postgres::shared().await.unwrap()).await
}

/// A database of a cluster, migrated.
pub(crate) async fn database_of(cluster: &Cluster) -> String {
    let migrate = async |url: String| {
        let pool = PgPool::connect(&url).await?;
        store::MIGRATOR.run(&pool).await?;
        pool.close().await;
        anyhow::Ok(())
    };
    cluster.migrated_database(migrate).await.unwrap()
}

/// So many requests to the pretend Stripe in a second that no test waits for its turn.
pub(crate) const AMPLE: Limits = {
    let rate = NonZeroU32::new(10_000).unwrap();
    Limits {
        live: rate,
        test: rate,
        endpoint: rate,
    }
};

/// So many requests of a key and merchant in a second that no test is turned away.
pub(crate) const AMPLE_RATES: Rates = {
    let rate = NonZeroU32::new(1_000_000).unwrap();
    Rates {
        reads: rate,
        writes: rate,
        merchant_reads: rate,
        merchant_writes: rate,
        at_once: NonZeroU32::new(1_024).unwrap(),
    }
};

/// What one process serves at once where a test does not say.
const BOUNDS: Bounds = Bounds {
    requests: NonZeroU32::new(1_024).unwrap(),
    webhooks: NonZeroU32::new(1_024).unwrap(),
    connections: NonZeroU32::new(8_192).unwrap(),
};

/// Settings for a database, quick enough for tests.
pub(crate) fn settings(database_url: &str) -> Settings {
    Settings {
        database_url: database_url.to_owned().into(),
        database_connections: 8,
        sealer: Sealer::parse(&SEALING_KEY.to_owned().into()).unwrap(),
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        metrics_listen: None,
        http_workers: 1,
        trusted_proxies: Networks::default(),
        rates: AMPLE_RATES,
        bounds: BOUNDS,
        log: "info".to_owned(),
        log_format: LogFormat::Text,
        traces: None,
        timing: Timing {
            retry_divisor: 100,
            ..Timing::default()
        },
        provider_timeout: Duration::from_secs(25),
        provider_attempt_timeout: Duration::from_secs(10),
        stripe_limits: AMPLE,
        odoo_timeout: Duration::from_secs(10),
        odoo_concurrency: 4,
        kept: Kept::default(),
        odoo_allowed_networks: "127.0.0.0/8".parse().unwrap(),
        poll: Duration::from_millis(20),
        shutdown_grace: Duration::from_secs(10),
    }
}

async fn add_odoo(app: &App, merchant: MerchantId) -> PretendOdoo {
    let odoo = PretendOdoo::start(OdooOptions::default()).await.unwrap();
    let request = BooksRequest {
        journal_code: "STRP".to_owned(),
        fee_account_code: "621000".to_owned(),
    };
    let (url, key) = (odoo.url().parse().unwrap(), odoo.api_key().into());
    setup::add_odoo_instance(app, merchant, url, odoo.database(), None, key, Some(&request))
        .await
        .unwrap();
    odoo
}

/// The service and all that it talks to.
pub(crate) struct TestApp {
    pub(crate) url: String,
    pub(crate) key: String,
    pub(crate) merchant: MerchantId,
    pub(crate) account: ProviderAccountId,
    pub(crate) stripe: PretendStripe,
    pub(crate) odoo: Option<PretendOdoo>,
    /// Every row of every merchant: the cluster's own login, which is bound by nothing.
    pub(crate) db: PgPool,
    application: Option<Application>,
    http: reqwest::Client,
}

/// What a test wants different.
pub(crate) struct Wishes {
    /// A database that is migrated; one of the shared cluster where there is none.
    pub(crate) database: Option<String>,
    pub(crate) role: Role,
    pub(crate) stripe: StripeOptions,
    pub(crate) odoo: bool,
    pub(crate) webhooks: bool,
    pub(crate) timing: Timing,
    pub(crate) provider_timeout: Duration,
    pub(crate) provider_attempt_timeout: Duration,
    pub(crate) trusted_proxies: Networks,
    /// Payment companies beside those that this version knows.
    pub(crate) providers: Registry,
    pub(crate) rates: Rates,
    pub(crate) bounds: Bounds,
    /// Whether metrics and probes are served.
    pub(crate) metrics: bool,
}

impl Default for Wishes {
    fn default() -> Self {
        let settings = settings("postgres://localhost");
        Self {
            database: None,
            role: Role::Both,
            stripe: StripeOptions::default(),
            odoo: false,
            webhooks: true,
            timing: settings.timing,
            provider_timeout: settings.provider_timeout,
            provider_attempt_timeout: settings.provider_attempt_timeout,
            trusted_proxies: settings.trusted_proxies,
            providers: Registry::default(),
            rates: settings.rates,
            bounds: settings.bounds,
            metrics: false,
        }
    }
}

impl TestApp {
    /// The service with a worker and a pretend Stripe that tells it what happens.
    pub(crate) async fn spawn() -> Self {
        Self::spawn_with(Wishes::default()).await
    }

    /// The same, with a pretend Odoo to post to.
    pub(crate) async fn spawn_with_odoo() -> Self {
        Self::spawn_with(Wishes {
            odoo: true,
            ..Wishes::default()
        })
        .await
    }

    /// The service as a test wants it.
    pub(crate) async fn spawn_with(wishes: Wishes) -> Self {
        let url = match wishes.database {
            Some(url) => url,
            None => database().await,
        };
        let settings = Settings {
            timing: wishes.timing,
            provider_timeout: wishes.provider_timeout,
            provider_attempt_timeout: wishes.provider_attempt_timeout,
            trusted_proxies: wishes.trusted_proxies,
            rates: wishes.rates,
            bounds: wishes.bounds,
            metrics_listen: wishes.metrics.then(|| SocketAddr::from((Ipv4Addr::LOCALHOST, 0))),
            ..settings(&url)
        };
        let stripe = PretendStripe::start(wishes.stripe).await.unwrap();
        let providers = startup::providers(&settings).unwrap().and(wishes.providers);
        let application = Application::start_with(&settings, wishes.role, providers)
            .await
            .unwrap();
        let app = application.app();
        let merchant = setup::add_merchant(app, "Test").await.unwrap();
        let account = ProviderAccount {
            merchant_id: merchant,
            id: ProviderAccountId::generate(),
            provider: "stripe".to_owned(),
            live: false,
            external_account: None,
            api_base: stripe.url().parse().unwrap(),
            secret_key: stripe.secret_key().to_owned().into(),
            publishable_key: Some(stripe.publishable_key().to_owned()),
        };
        let secret = WEBHOOK_SECRET.to_owned().into();
        setup::add_provider_account(app, &account, Some(&secret))
            .await
            .unwrap();
        let (_, key) = setup::create_api_key(app, merchant, "test", false).await.unwrap();
        let odoo = if wishes.odoo {
            Some(add_odoo(app, merchant).await)
        } else {
            None
        };
        let address = application
            .address()
            .map(|address| format!("http://{address}"))
            .unwrap_or_default();
        let test = Self {
            url: address,
            key: key.text.expose_secret().to_owned(),
            merchant,
            account: account.id,
            stripe,
            odoo,
            db: as_the_login(&url),
            application: Some(application),
            http: reqwest::Client::new_for_tests(),
        };
        if wishes.webhooks {
            test.stripe
                .add_endpoint(WebhookEndpoint::new(test.webhook_url(), WEBHOOK_SECRET));
        }
        test
    }

    /// The service's own parts, for what cannot be seen from the outside.
    pub(crate) fn application(&self) -> &Application {
        self.application.as_ref().unwrap()
    }

    /// Where the pretend Stripe's webhooks go.
    pub(crate) fn webhook_url(&self) -> String {
        format!("{}/webhooks/stripe/{}", self.url, self.account)
    }

    /// A request with this merchant's key.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http
            .request(method, format!("{}{path}", self.url))
            .bearer_auth(&self.key)
    }

    /// A request that changes something, under an idempotency key.
    pub(crate) async fn post(&self, path: &str, key: &str, body: &Value) -> Reply {
        Reply::of(
            self.request(Method::POST, path)
                .header("Idempotency-Key", key)
                .json(body),
        )
        .await
    }

    /// A request that reads.
    pub(crate) async fn get(&self, path: &str) -> Reply {
        Reply::of(self.request(Method::GET, path)).await
    }

    /// A payment of EUR 121.00, asked for under a key of its own.
    pub(crate) async fn create(&self, reference: &str, more: Value) -> Reply {
        self.post(
            "/v1/payments",
            &format!("create-{reference}"),
            &payment(reference, more),
        )
        .await
    }

    /// A payment as the API shows it.
    pub(crate) async fn payment(&self, id: &str) -> Value {
        self.get(&format!("/v1/payments/{id}"))
            .await
            .expect(StatusCode::OK)
    }

    /// Waits until a payment is in a state, and shows it.
    pub(crate) async fn until(&self, id: &str, state: &str) -> Value {
        eventually(async || {
            let payment = self.payment(id).await;
            if payment["state"] == state {
                Ok(payment)
            } else {
                Err(format!("{payment:#}"))
            }
        })
        .await
    }

    /// Pays as a customer does in a browser, with a test payment method.
    pub(crate) async fn pay(&self, payment: &Value, method: &str) -> Value {
        let intent = payment["provider_reference"].as_str().unwrap();
        let secret = payment["client_secret"].as_str().unwrap();
        self.stripe
            .customer()
            .confirm(intent, secret, method)
            .await
            .unwrap()
    }

    /// How many rows a condition finds.
    pub(crate) async fn count(&self, table_and_condition: &str) -> i64 {
        let sql = format!("select count(*) from {table_and_condition}");
        sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
            .fetch_one(&self.db)
            .await
            .unwrap()
    }

    /// Stops the service in an orderly way.
    pub(crate) async fn stop(&mut self) {
        self.application.take().unwrap().stop().await;
    }
}

/// A request for EUR 121.00, with what a test wants different.
pub(crate) fn payment(reference: &str, more: Value) -> Value {
    let mut body = json!({ "reference": reference, "amount_minor": 12_100, "currency": "EUR" });
    if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
        body.extend(more);
    }
    body
}

/// An event, signed now with the account's secret.
pub(crate) fn signed(event: &Value) -> (String, String) {
    signed_with(WEBHOOK_SECRET, event)
}

/// The time, as who is not the service sees it.
pub(crate) fn now() -> time::OffsetDateTime {
    std::time::SystemTime::now().into()
}

/// An event, signed now with a secret: the header and the body.
pub(crate) fn signed_with(secret: &str, event: &Value) -> (String, String) {
    let body = event.to_string();
    let now = now().unix_timestamp();
    (signed_at(secret, now, body.as_bytes()), body)
}

/// Stripe's signature header of a body, made with a secret at a time in seconds since 1970.
pub(crate) fn signed_at(secret: &str, at: i64, body: &[u8]) -> String {
    use hmac::{Hmac, KeyInit, Mac};
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(format!("{at}.").as_bytes());
    mac.update(body);
    mac.finalize()
        .into_bytes()
        .iter()
        .fold(format!("t={at},v1="), |text, byte| format!("{text}{byte:02x}"))
}

/// An answer, whole.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) bytes: Vec<u8>,
}

impl Reply {
    /// Sends a request and takes in the whole answer.
    pub(crate) async fn of(request: RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        Self {
            status,
            headers,
            bytes: response.bytes().await.unwrap().to_vec(),
        }
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes)
            .unwrap_or_else(|_| panic!("{:?}", String::from_utf8_lossy(&self.bytes)))
    }

    /// The body of an answer that must have this status.
    pub(crate) fn expect(&self, status: StatusCode) -> Value {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.bytes));
        self.json()
    }

    /// A header's text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

pub(crate) trait NewForTests {
    fn new_for_tests() -> Self;
}

impl NewForTests for reqwest::Client {
    fn new_for_tests() -> Self {
        Self::builder()
            // Well before the service closes what is idle: a request that meets that is not repeated.
            .pool_idle_timeout(Duration::from_secs(1))
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_mins(1))
            .build()
            .unwrap()
    }
}
