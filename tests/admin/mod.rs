//! What administrators set up, over HTTP and at the command line.

mod accounts;
mod bad_input;
mod bootstrap;
mod commands;
mod instances;
mod keys;
mod merchants;
mod reach;

use quittance::app::setup::operator_keys;
use quittance::domain::network::Networks;
use quittance::domain::scope::Scope;
use quittance::startup::Role;
use reqwest::{Method, StatusCode};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::events::{as_key, key_with};
use crate::support::{Reply, TestApp, Wishes};

/// A service without a worker, that nobody tells anything.
async fn serving() -> TestApp {
    TestApp::spawn_with(Wishes {
        role: Role::Serve,
        webhooks: false,
        ..Wishes::default()
    })
    .await
}

/// Somebody with a key.
struct Admin<'a> {
    test: &'a TestApp,
    key: String,
}

impl<'a> Admin<'a> {
    /// With an operator's key.
    async fn operator(test: &'a TestApp) -> Self {
        let (app, name) = (test.application().app(), "operator".parse().unwrap());
        let made = operator_keys::bootstrap(app, &name, &Networks::default(), None, true)
            .await
            .unwrap();
        Self {
            test,
            key: made.text.expose_secret().to_owned(),
        }
    }

    /// With a key of the test's merchant that may set that up.
    async fn of_merchant(test: &'a TestApp, live: bool) -> Self {
        Self {
            test,
            key: key_with(test, test.merchant, live, &[Scope::Admin]).await,
        }
    }

    async fn get(&self, path: &str) -> Reply {
        Reply::of(as_key(self.test.request(Method::GET, path), &self.key)).await
    }

    async fn post(&self, path: &str, key: &str, body: &Value) -> Reply {
        let request = self
            .test
            .request(Method::POST, path)
            .header("Idempotency-Key", key)
            .json(body);
        Reply::of(as_key(request, &self.key)).await
    }

    /// A change that takes no key.
    async fn change(&self, path: &str, body: &Value) -> Reply {
        let request = self.test.request(Method::POST, path).json(body);
        Reply::of(as_key(request, &self.key)).await
    }

    /// What belongs to the test's merchant.
    fn path(&self, rest: &str) -> String {
        format!("/v1/merchants/{}{rest}", self.test.merchant)
    }
}

/// The status of a read with a key.
async fn read(test: &TestApp, key: &str) -> StatusCode {
    Reply::of(as_key(test.request(Method::GET, "/v1/payments"), key))
        .await
        .status
}

/// An account's keys as a company of ours gives them, with what a test wants different.
fn account(more: Value) -> Value {
    let mut body = json!({ "secret_key": "rk_test_4711", "publishable_key": "pk_test_4711" });
    if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
        body.extend(more);
    }
    body
}
