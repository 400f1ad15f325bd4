//! API keys: what they may do, from where, and for how long; and what becomes of those who have none.

mod failures;
mod lifetime;
mod migrated;
mod networks;
mod replicas;
mod scopes;

use quittance::app::auth::Administered;
use quittance::app::setup::api_keys::{self, KeyWish, MadeKey};
use quittance::domain::ids::ApiKeyId;
use quittance::domain::network::Networks;
use quittance::domain::scope::Preset;
use quittance::startup::{Application, Role};
use reqwest::{Method, StatusCode};
use secrecy::ExposeSecret;

use crate::events::as_key;
use crate::support::{Reply, TestApp, Wishes, settings};

/// A service without a worker.
async fn serving(more: Wishes) -> TestApp {
    TestApp::spawn_with(Wishes {
        role: Role::Serve,
        webhooks: false,
        ..more
    })
    .await
}

/// How a test's keys are where it says nothing.
fn wish() -> KeyWish {
    KeyWish {
        name: "test".parse().unwrap(),
        live: false,
        scopes: Preset::Odoo.scopes().to_vec(),
        networks: Networks::default(),
        expires_at: None,
    }
}

async fn make(test: &TestApp, wish: &KeyWish) -> (ApiKeyId, String) {
    let by = Administered::at_the_command_line(test.merchant);
    let made = api_keys::create(test.application().app(), &by, wish)
        .await
        .unwrap();
    (made.key.id, text(&made))
}

fn text(made: &MadeKey) -> String {
    made.text.expose_secret().to_owned()
}

/// What a read with a key is answered.
async fn read(test: &TestApp, key: &str) -> Reply {
    Reply::of(as_key(test.request(Method::GET, "/v1/payments"), key)).await
}

/// The same at another replica, at an address.
async fn read_at(application: &Application, key: &str) -> StatusCode {
    let url = format!("http://{}/v1/payments", application.address().unwrap());
    let client = <reqwest::Client as crate::support::NewForTests>::new_for_tests();
    client.get(url).bearer_auth(key).send().await.unwrap().status()
}

/// Another replica over the same database.
async fn replica(database: &str) -> Application {
    Application::start(&settings(database), Role::Serve)
        .await
        .unwrap()
}
