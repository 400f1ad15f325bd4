//! What happened at the provider without our hearing of it, and where we show it once an event told us.

use quittance_sandbox::stripe::{PayoutStep, Verdict};
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{at_stripe, example};
use crate::support::{TestApp, payment};

/// What happened.
#[derive(Clone, Copy, Debug)]
pub(super) enum Scene {
    /// A payment was asked for, and then its customer did this with a card, or somebody called it off.
    Intent(Act),
    /// The same, told of by its charge.
    Charge(Act),
    /// A captured payment was given back in part in the dashboard, told of by the refund.
    Refund,
    /// What we gave back came back.
    RefundFailed,
    /// The bank disputed a captured payment, and ended that.
    Dispute(Option<Verdict>),
    /// A page was paid on.
    PagePaid,
    /// The time of a page ran out.
    PageExpired,
    /// A customer left a card, or tried to.
    Setup(&'static str),
    /// A card was attached in the dashboard, and detached.
    Method { detached: bool },
    /// A payout went so far.
    Payout(&'static [PayoutStep]),
    /// Charges of the account were switched off.
    Account,
    /// The account took from us the right to act for it.
    Deauthorized,
}

/// What became of a payment.
#[derive(Clone, Copy, Debug)]
pub(super) enum Act {
    Nothing,
    Pays(&'static str),
    /// It is only to be held.
    Holds,
    Refunded,
    Canceled,
}

/// Where we show something.
#[derive(Clone, Debug)]
pub(super) enum Look {
    Api { path: String, pointer: &'static str },
    Sql(String),
}

impl Look {
    fn api(path: String, pointer: &'static str) -> Self {
        Self::Api { path, pointer }
    }

    /// What we show there.
    pub(super) async fn see(&self, test: &TestApp) -> Value {
        match self {
            Self::Api { path, pointer } => {
                let shown = test.get(path).await.expect(StatusCode::OK);
                shown.pointer(pointer).cloned().unwrap_or_default()
            }
            Self::Sql(query) => {
                let found: Option<String> = sqlx::query_scalar(sqlx::AssertSqlSafe(query.clone()))
                    .fetch_optional(&test.db)
                    .await
                    .unwrap();
                json!(found)
            }
        }
    }
}

/// The object that an event of it shows, with all fields of Stripe's own example; and where we show what it tells.
pub(super) async fn play(test: &TestApp, scene: Scene, name: &str, pointer: &'static str) -> (Value, Look) {
    match scene {
        Scene::Intent(act) => {
            let (id, intent) = intent(test, name, act).await;
            let whole = one(test.stripe.payment_intents(), "id", &intent);
            let look = Look::api(format!("/v1/payments/{id}"), pointer);
            (example("payment_intent", whole), look)
        }
        Scene::Charge(act) => {
            let (id, intent) = intent(test, name, act).await;
            let charge = one(test.stripe.charges(), "payment_intent", &intent);
            let look = Look::api(format!("/v1/payments/{id}"), pointer);
            (example("charge", charge), look)
        }
        Scene::Refund => {
            let (id, intent) = intent(test, name, Act::Refunded).await;
            let refund = one(test.stripe.refunds(), "payment_intent", &intent);
            let look = Look::api(format!("/v1/payments/{id}"), pointer);
            (example("refund", refund), look)
        }
        Scene::RefundFailed => refund_failed(test, name, pointer).await,
        Scene::Dispute(verdict) => {
            let (id, intent) = captured(test, name).await;
            let reference = test.stripe.dispute(&intent, "product_not_received").unwrap();
            if let Some(verdict) = verdict {
                test.stripe.decide_dispute(&reference, verdict).unwrap();
            }
            let dispute = one(test.stripe.disputes(), "id", &reference);
            let look = Look::api(format!("/v1/disputes?payment={id}"), pointer);
            (example("dispute", dispute), look)
        }
        Scene::PagePaid | Scene::PageExpired => page(test, scene, name, pointer).await,
        Scene::Setup(card) => setup(test, name, card, pointer).await,
        Scene::Method { detached } => method(test, name, detached, pointer).await,
        Scene::Payout(steps) => {
            let reference = test.stripe.pay_out(11_893, "eur");
            for step in steps {
                test.stripe.step_payout(&reference, *step).unwrap();
            }
            let events = test.stripe.events();
            let shown = events.iter().rev().map(|event| &event["data"]["object"]);
            let payout = shown
                .into_iter()
                .find(|object| object["id"] == reference.as_str());
            let query = format!("select {pointer} from payout where provider_reference = '{reference}'");
            (example("payout", payout.unwrap().clone()), Look::Sql(query))
        }
        Scene::Account => {
            test.stripe.enable_charges(false);
            let events = test.stripe.events();
            let account = events.last().unwrap()["data"]["object"].clone();
            let query = format!("select {pointer}::text from account_standing");
            (example("account", account), Look::Sql(query))
        }
        Scene::Deauthorized => {
            let application = json!({ "id": "ca_1", "object": "application", "name": "Quittance" });
            let query = format!("select ({pointer} is not null)::text from account_standing");
            (application, Look::Sql(query))
        }
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// The latest of some objects whose field says so.
fn one(objects: Vec<Value>, field: &str, is: &str) -> Value {
    let mut fit = objects.into_iter().rev().filter(|object| object[field] == is);
    fit.next().unwrap()
}

/// A payment of ours and its intent, after what became of it behind our back.
async fn intent(test: &TestApp, name: &str, act: Act) -> (String, String) {
    if matches!(act, Act::Refunded) {
        let (id, intent) = captured(test, name).await;
        let form = [("payment_intent", intent.as_str()), ("amount", "2000")];
        at_stripe(test, "/v1/refunds", &form).await;
        return (id, intent);
    }
    let capture_method = match act {
        Act::Holds => "manual",
        Act::Nothing | Act::Pays(_) | Act::Refunded | Act::Canceled => "automatic",
    };
    let payment = test
        .create(name, json!({ "capture_method": capture_method }))
        .await
        .expect(StatusCode::CREATED);
    let intent = text(&payment["provider_reference"]).to_owned();
    let secret = text(&payment["client_secret"]);
    let shopper = test.stripe.customer();
    match act {
        Act::Nothing | Act::Refunded => {}
        Act::Pays(card) => drop(shopper.confirm(&intent, secret, card).await),
        Act::Holds => drop(shopper.confirm(&intent, secret, "pm_card_visa").await.unwrap()),
        Act::Canceled => drop(at_stripe(test, &format!("/v1/payment_intents/{intent}/cancel"), &[]).await),
    }
    (text(&payment["id"]).to_owned(), intent)
}

async fn captured(test: &TestApp, name: &str) -> (String, String) {
    let payment = test
        .create(name, json!({ "payment_method": "pm_card_visa" }))
        .await
        .expect(StatusCode::CREATED);
    assert_eq!(payment["state"], "captured");
    let field = |name: &str| text(&payment[name]).to_owned();
    (field("id"), field("provider_reference"))
}

async fn refund_failed(test: &TestApp, name: &str, pointer: &'static str) -> (Value, Look) {
    let (id, intent) = captured(test, name).await;
    let path = format!("/v1/payments/{id}");
    let refund = test
        .post(
            &format!("{path}/refunds"),
            &format!("refund-{name}"),
            &json!({ "amount_minor": 2_000 }),
        )
        .await;
    assert!(refund.status.is_success(), "{refund:?}");
    let reference = text(&one(test.stripe.refunds(), "payment_intent", &intent)["id"]).to_owned();
    test.stripe.fail_refund(&reference).unwrap();
    let refund = one(test.stripe.refunds(), "id", &reference);
    (example("refund", refund), Look::api(path, pointer))
}

async fn page(test: &TestApp, scene: Scene, name: &str, pointer: &'static str) -> (Value, Look) {
    let body = json!({ "payment": payment(name, json!({})), "success_url": "https://shop.example/thanks",
        "cancel_url": "https://shop.example/cart" });
    let page = test
        .post("/v1/checkout_sessions", &format!("page-{name}"), &body)
        .await
        .expect(StatusCode::CREATED);
    let reference = text(&page["provider_reference"]);
    if matches!(scene, Scene::PageExpired) {
        test.stripe.let_expire(reference).unwrap();
    } else {
        let shopper = test.stripe.customer();
        shopper.check_out(reference, "pm_card_visa").await.unwrap();
    }
    let session = one(test.stripe.checkout_sessions(), "id", reference);
    let path = format!("/v1/payments/{}", text(&page["payment"]["id"]));
    (example("checkout.session", session), Look::api(path, pointer))
}

async fn customer(test: &TestApp, name: &str) -> Value {
    let body = json!({ "partner": name, "name": "Ada" });
    let key = format!("customer-{name}");
    test.post("/v1/customers", &key, &body)
        .await
        .expect(StatusCode::OK)
}

async fn setup(test: &TestApp, name: &str, card: &str, pointer: &'static str) -> (Value, Look) {
    let customer = customer(test, name).await;
    let body = json!({ "customer": customer["id"] });
    let key = format!("setup-{name}");
    let setup = test
        .post("/v1/setups", &key, &body)
        .await
        .expect(StatusCode::CREATED);
    let reference = text(&setup["provider_reference"]);
    let secret = text(&setup["client_secret"]);
    drop(
        test.stripe
            .customer()
            .confirm_setup(reference, secret, card)
            .await,
    );
    let intent = one(test.stripe.setup_intents(), "id", reference);
    let path = format!("/v1/setups/{}", text(&setup["id"]));
    (example("setup_intent", intent), Look::api(path, pointer))
}

async fn method(test: &TestApp, name: &str, detached: bool, pointer: &'static str) -> (Value, Look) {
    let customer = customer(test, name).await;
    let theirs = text(&customer["provider_reference"]);
    let attach = "/v1/payment_methods/pm_card_mastercard/attach";
    let attached = at_stripe(test, attach, &[("customer", theirs)]).await;
    let path = format!("/v1/customers/{}/payment_methods", text(&customer["id"]));
    if detached {
        let event = super::event(
            &format!("evt_{name}_before"),
            "payment_method.attached",
            1,
            &attached,
        );
        super::deliver(test, &event).await;
        super::all_ended(test).await;
        let shown = Look::api(path.clone(), "/data/0/brand").see(test).await;
        assert_eq!(shown, "mastercard");
        let detach = format!("/v1/payment_methods/{}/detach", text(&attached["id"]));
        let method = at_stripe(test, &detach, &[]).await;
        return (example("payment_method", method), Look::api(path, pointer));
    }
    (example("payment_method", attached), Look::api(path, pointer))
}
