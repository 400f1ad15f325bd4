//! A pretend Stripe: the part of its API that a payment walks through, with its rules and its bad days.
//!
//! It is an independent opinion on how Stripe behaves, so it shares nothing with the service that it tests.

mod account;
mod api;
mod askers;
mod authorizations;
mod balance;
mod browser;
mod cards;
mod charges;
mod checkout;
mod confirmation_tokens;
mod customers;
mod disputes;
mod errors;
mod events;
mod fields;
mod form;
mod happenings;
mod idempotency;
mod inspection;
mod lists;
mod mandates;
mod method_types;
mod movements;
mod numbers;
mod pages;
mod permissions;
mod payment_intents;
mod payment_methods;
mod payouts;
mod refunds;
mod requests;
mod routes;
mod search;
mod service;
mod setup_intents;
mod shopper;
mod signature;
mod state;
mod thin;
mod volume;
mod webhook_endpoints;
mod webhooks;

use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use anyhow::{Context, Result};
use axum::Router;
use axum::routing::get;

use crate::faults::Faults;
use crate::server::Server;
use service::Service;
use state::{Settings, State};
use volume::Archive;
use webhooks::Courier;

pub use balance::{Extra, Fees, Rate};
pub(crate) use balance::{charge_fee, dispute_fee};
pub use disputes::Verdict;
pub use payouts::{PayoutKind, PayoutStep};
pub use requests::SeenRequest;
pub use shopper::Shopper;
pub use volume::{NumberedKind, NumberedLine, Volume};
pub use webhooks::{DeliveryPlan, WebhookEndpoint};

/// When a charge that was captured asynchronously gets its balance transaction, and a slow refund its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// So long after the answer.
    After(Duration),
    /// When [`PretendStripe::settle`] is called.
    OnDemand,
}

/// How a pretend Stripe starts.
#[derive(Clone, Debug)]
pub struct Options {
    /// Port on 127.0.0.1; 0 takes a free one.
    pub port: u16,
    /// What a merchant's server sends.
    pub secret_key: String,
    /// What the secret key is restricted to, such as `charge_write`; not at all where absent.
    pub permissions: Option<Vec<String>>,
    /// What a customer's browser sends.
    pub publishable_key: String,
    /// The account.
    pub account_id: String,
    /// Whether the account is a connected one: the keys are its platform's, and calls must name it.
    pub connected: bool,
    /// The account's API version.
    pub api_version: String,
    /// How long each request takes.
    pub latency: Duration,
    /// How long until a payment can be searched for.
    pub search_lag: Duration,
    /// When what comes later comes.
    pub settlement: Settlement,
    /// Where events go from the start.
    pub webhooks: Vec<WebhookEndpoint>,
    /// How tidily they arrive.
    pub delivery: DeliveryPlan,
    /// How long to wait before each further try to deliver.
    pub webhook_retries: Vec<Duration>,
    /// How long an endpoint may take to answer.
    pub webhook_timeout: Duration,
    /// Lines and payouts that were there before, in place of those that come: for measuring.
    pub volume: Option<Volume>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            port: 0,
            secret_key: "sk_test_sandbox".to_owned(),
            permissions: None,
            publishable_key: "pk_test_sandbox".to_owned(),
            account_id: "acct_1Sandbox".to_owned(),
            connected: false,
            api_version: "2026-09-30.endive".to_owned(),
            latency: Duration::ZERO,
            search_lag: Duration::ZERO,
            settlement: Settlement::After(Duration::from_millis(20)),
            webhooks: Vec::new(),
            delivery: DeliveryPlan::default(),
            webhook_retries: [100, 300, 1_000, 3_000].map(Duration::from_millis).to_vec(),
            webhook_timeout: Duration::from_secs(10),
            volume: None,
        }
    }
}

/// A Stripe of one's own, on loopback, until it is dropped.
#[derive(Debug)]
pub struct PretendStripe {
    service: Arc<Service>,
    server: Server,
    client: reqwest::Client,
}

impl PretendStripe {
    /// Starts one.
    pub async fn start(options: Options) -> Result<Self> {
        let settings = Arc::new(Settings {
            account_id: options.account_id,
            connected: options.connected,
            secret_key: options.secret_key,
            permissions: Mutex::new(options.permissions),
            publishable_key: options.publishable_key,
            api_version: options.api_version,
            latency: options.latency,
            search_lag: options.search_lag,
            settle_after: match options.settlement {
                Settlement::After(delay) => Some(delay),
                Settlement::OnDemand => None,
            },
            base_url: OnceLock::new(),
        });
        let courier = Courier::new(options.webhook_timeout, options.webhook_retries, options.delivery)
            .context("building the client for webhooks")?;
        let courier = Arc::new(courier);
        let archive = options
            .volume
            .map(|volume| {
                let mut nobodys = State::new(Arc::clone(&settings), Arc::clone(&courier));
                Archive::new(volume, &mut nobodys).context("preparing the volume")
            })
            .transpose()?;
        let service = Arc::new(Service::new(settings, courier, archive));
        let router = Router::new()
            .route(
                "/redirect/authenticate/{intent}",
                get(pages::show).post(pages::press),
            )
            .route("/c/pay/{session}", get(checkout::show).post(checkout::press))
            .route(browser::SCRIPT, get(browser::script))
            .fallback(api::handle)
            .with_state(Arc::clone(&service));
        let server = Server::start(router, options.port).await?;
        service.settings.base_url.get_or_init(|| server.url());
        if service.settings.settle_after.is_some() {
            service.courier.spawn(Arc::clone(&service).settle_when_due());
        }
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .context("building the customer's client")?;
        let stripe = Self {
            service,
            server,
            client,
        };
        for endpoint in options.webhooks {
            stripe.add_endpoint(endpoint);
        }
        Ok(stripe)
    }

    /// The base URL of the API, without `/v1` and without a slash at the end.
    #[must_use]
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// Where a page finds the stand-in for Stripe.js.
    #[must_use]
    pub fn script_url(&self) -> String {
        format!("{}{}", self.url(), browser::SCRIPT)
    }

    /// The key for a merchant's server.
    #[must_use]
    pub fn secret_key(&self) -> &str {
        &self.service.settings.secret_key
    }

    /// The key for a customer's browser.
    #[must_use]
    pub fn publishable_key(&self) -> &str {
        &self.service.settings.publishable_key
    }

    /// Restricts the secret key to some permissions, or to none.
    pub fn restrict(&self, permissions: Option<Vec<String>>) {
        *self.service.settings.permissions() = permissions;
    }

    /// The account's id.
    #[must_use]
    pub fn account_id(&self) -> &str {
        &self.service.settings.account_id
    }

    /// Whether nothing is settled before it is asked for.
    pub(crate) fn settles_on_demand(&self) -> bool {
        self.service.settings.settle_after.is_none()
    }

    /// What goes wrong, and when.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.service.faults
    }

    /// Somebody who pays.
    #[must_use]
    pub fn customer(&self) -> Shopper {
        Shopper {
            service: Arc::clone(&self.service),
            client: self.client.clone(),
        }
    }

    /// How many TCP connections were accepted so far.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.server.connections()
    }

    /// Closes all connections and ends all deliveries.
    pub async fn stop(self) {
        self.service.courier.stop();
        let Self { server, .. } = self;
        server.stop().await;
    }
}
