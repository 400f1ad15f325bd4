//! A service that holds something in every sealed column, and what its database says of that.

use std::collections::BTreeMap;

use aes_gcm::aead::{Aead, Payload};
use aes_gcm::{Aes256Gcm, KeyInit, Nonce};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use quittance::app::App;
use quittance::app::keys::{KeyStatus, status};
use quittance::app::setup;
use quittance::crypto::{KeyRing, LocalKek, Place, Sealer};
use quittance::domain::ids::MerchantId;
use quittance::store;
use quittance::store::sealed::{Anew, SEALED, SealedColumn};
use reqwest::StatusCode;
use serde_json::json;
use sqlx::{PgConnection, PgPool};

use crate::support::{SEALING_KEY, TestApp, Wishes, database, eventually};

/// Another key than the one of tests.
pub(super) const OTHER_KEY: &str = "YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXphYmNkZWY=";

/// A sealer of its own, with nothing in hand: the first key wraps.
pub(super) fn sealer(texts: &[&str]) -> Sealer {
    let mut parsed: Vec<LocalKek> = texts
        .iter()
        .map(|key| LocalKek::parse(&(*key).to_owned().into()).unwrap())
        .collect();
    let current = parsed.remove(0);
    let previous = parsed.into_iter().map(|kek| std::sync::Arc::new(kek) as _);
    Sealer::new(KeyRing::new(std::sync::Arc::new(current), previous.collect()))
}

/// A key's id, as the database has it.
pub(super) fn id(key: &str) -> String {
    sealer(&[key]).ring().ids().remove(0)
}

/// The service with something in every sealed column.
pub(super) async fn filled() -> TestApp {
    filled_in(database().await).await
}

/// The same in a database.
pub(super) async fn filled_in(database: String) -> TestApp {
    let test = TestApp::spawn_with(Wishes {
        odoo: true,
        database: Some(database),
        ..Wishes::default()
    })
    .await;
    fill(&test).await;
    test
}

async fn fill(test: &TestApp) {
    let url = test.odoo.as_ref().unwrap().url().parse().unwrap();
    setup::add_addon_instance(test.application().app(), test.merchant, url)
        .await
        .unwrap();
    let (odoo,): (uuid::Uuid,) = sqlx::query_as("select id from odoo_instance where sink = 'rpc'")
        .fetch_one(&test.db)
        .await
        .unwrap();
    let odoo = quittance::domain::ids::OdooInstanceId::from(odoo).to_string();
    let more = json!({ "odoo_instance": odoo });
    let payment = test.create("S1", more.clone()).await.expect(StatusCode::CREATED);
    test.pay(&payment, "pm_card_visa").await;
    test.until(payment["id"].as_str().unwrap(), "captured").await;
    test.create("S2", more.clone()).await.expect(StatusCode::CREATED);
    let body = json!({ "payment": crate::support::payment("S3", more), "success_url": "https://shop.example/thanks",
        "cancel_url": "https://shop.example/cart" });
    test.post("/v1/checkout_sessions", "page", &body)
        .await
        .expect(StatusCode::CREATED);
    let ada = json!({ "partner": "1", "name": "Ada" });
    let customer = test
        .post("/v1/customers", "ada", &ada)
        .await
        .expect(StatusCode::OK);
    test.post("/v1/setups", "setup", &json!({ "customer": customer["id"] }))
        .await
        .expect(StatusCode::CREATED);
    eventually(async || {
        let kept = test.count("webhook_event").await;
        let due = test.count("webhook_event where due_at is not null").await;
        if kept > 0 && due == 0 {
            Ok(())
        } else {
            Err(format!("{due} of {kept} events are due"))
        }
    })
    .await;
}

/// A sealed value, and where it stands.
#[derive(Clone)]
pub(super) struct Value {
    pub(super) column: &'static SealedColumn,
    pub(super) merchant: MerchantId,
    pub(super) key: Vec<u8>,
    pub(super) sealed: Vec<u8>,
}

impl Value {
    pub(super) fn place(&self) -> Place {
        self.column.place_of(self.merchant, &self.key).unwrap()
    }
}

/// Every sealed value of the database.
pub(super) async fn values(db: &PgPool) -> Vec<Value> {
    let mut conn = db.acquire().await.unwrap();
    let mut found = Vec::new();
    for merchant in store::merchants::list(&mut conn).await.unwrap() {
        for column in SEALED {
            let rows = column
                .list(&mut conn, merchant, column.before_all(), &[0], 10_000)
                .await
                .unwrap();
            found.extend(rows.into_iter().filter_map(|row| {
                Some(Value {
                    column,
                    merchant,
                    key: row.key,
                    sealed: row.sealed?,
                })
            }));
        }
    }
    found
}

/// All that is sealed, opened with nothing but these keys.
pub(super) async fn opened(db: &PgPool, keys: &[&str]) -> BTreeMap<(&'static str, Vec<u8>), Vec<u8>> {
    let sealer = sealer(keys);
    let mut all = BTreeMap::new();
    for value in values(db).await {
        let mut conn = db.acquire().await.unwrap();
        let plain = sealer.open(&mut conn, value.place(), &value.sealed).await;
        let plain = plain.unwrap_or_else(|error| panic!("{:?}: {error}", value.place()));
        all.insert((value.column.table, value.key), plain.to_vec());
    }
    all
}

/// Seals a value as it was done before merchants had keys of their own.
fn seal_single(place: Place, plain: &[u8]) -> Vec<u8> {
    let mut aad = vec![1];
    aad.extend_from_slice(place.merchant.as_bytes());
    aad.extend_from_slice(place.row.as_bytes());
    aad.extend_from_slice(format!("{}.{}", place.table, place.column).as_bytes());
    let cipher = Aes256Gcm::new_from_slice(&BASE64_STANDARD.decode(SEALING_KEY).unwrap()).unwrap();
    let payload = Payload {
        msg: plain,
        aad: &aad,
    };
    let text = cipher.encrypt(&Nonce::from([7; 12]), payload).unwrap();
    [&[1][..], &[7; 12], &text].concat()
}

/// Makes the database, while no service runs over it, what an installation of an earlier version left: sealed with the one key, and no data keys.
pub(super) async fn age(db: &PgPool) {
    let sealer = sealer(&[SEALING_KEY]);
    let mut conn = db.acquire().await.unwrap();
    for value in values(db).await {
        let place = value.place();
        let plain = sealer.open(&mut conn, place, &value.sealed).await.unwrap();
        let anew = Anew {
            key: value.key,
            new: seal_single(place, &plain),
            old: value.sealed,
        };
        let written = value.column.replace(&mut conn, value.merchant, &[anew]).await;
        assert_eq!(written.unwrap(), 1);
    }
    drop_data_keys(&mut conn).await;
}

pub(super) async fn drop_data_keys(conn: &mut PgConnection) {
    sqlx::query("delete from data_key").execute(conn).await.unwrap();
}

/// How many values are sealed with the one key, with newest data keys, and with retired ones.
pub(super) async fn sums(app: &App) -> (i64, i64, i64) {
    let status: KeyStatus = status(app).await.unwrap();
    let sum =
        |f: fn(&store::sealed::Counts) -> i64| status.columns.iter().map(|column| f(&column.counts)).sum();
    (
        sum(|counts| counts.single_key),
        sum(|counts| counts.current),
        sum(|counts| counts.retired),
    )
}
