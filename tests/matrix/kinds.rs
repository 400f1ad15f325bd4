//! What can be asked for: one entry each, from which all cases are generated.

use std::sync::LazyLock;

use quittance_sandbox::stripe::PretendStripe;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::payment;

/// A request that moves money, and what must come of it.
pub(super) struct Kind {
    /// Also the reference of the payment that it is about.
    pub(super) name: &'static str,
    /// How what it is about is made; none where it makes a payment itself.
    pub(super) on: Option<(&'static str, Value)>,
    /// Where it is asked for; `{id}` stands for what it is about.
    pub(super) path: &'static str,
    /// What is asked.
    pub(super) body: Value,
    /// The provider's route for it.
    pub(super) route: &'static str,
    /// The status of the final answer.
    pub(super) status: StatusCode,
    /// What the final answer must say, among other things.
    pub(super) says: Value,
    /// How often it happened at the provider.
    pub(super) effects: fn(&Happened) -> usize,
}

const PAYMENTS: &str = "/v1/payments";
const PAGES: &str = "/v1/checkout_sessions";

/// Every kind.
pub(super) static KINDS: LazyLock<Vec<Kind>> = LazyLock::new(|| {
    let mut kinds = beginnings();
    kinds.extend(changes());
    kinds
});

/// What takes a payment to the provider.
fn beginnings() -> Vec<Kind> {
    vec![
        Kind {
            name: "authorize",
            on: None,
            path: PAYMENTS,
            body: by_card("authorize", "automatic"),
            route: "/v1/payment_intents",
            status: StatusCode::CREATED,
            says: json!({ "state": "captured", "authorized_minor": 12_100, "captured_minor": 12_100 }),
            effects: |happened| happened.charges.len(),
        },
        Kind {
            name: "checkout",
            on: None,
            path: PAGES,
            body: page("checkout"),
            route: "/v1/checkout/sessions",
            status: StatusCode::CREATED,
            says: json!({ "state": "open", "payment": { "state": "created", "captured_minor": 0 } }),
            effects: |happened| happened.sessions.len(),
        },
    ]
}

/// What is done to a payment that the provider has.
fn changes() -> Vec<Kind> {
    vec![
        Kind {
            name: "confirm",
            on: Some((PAYMENTS, payment_of("confirm", json!({})))),
            path: "/v1/payments/{id}/confirm",
            body: json!({ "payment_method": "pm_card_visa" }),
            route: "/v1/payment_intents/*/confirm",
            status: StatusCode::OK,
            says: json!({ "state": "captured", "captured_minor": 12_100 }),
            effects: |happened| happened.charges.len(),
        },
        Kind {
            name: "capture",
            on: Some((PAYMENTS, by_card("capture", "manual"))),
            path: "/v1/payments/{id}/capture",
            body: json!({}),
            route: "/v1/payment_intents/*/capture",
            status: StatusCode::OK,
            says: json!({ "state": "captured", "captured_minor": 12_100, "refunded_minor": 0 }),
            effects: |happened| happened.told("charge.captured"),
        },
        Kind {
            name: "capture-part",
            on: Some((PAYMENTS, by_card("capture-part", "manual"))),
            path: "/v1/payments/{id}/capture",
            body: json!({ "amount_minor": 2_000 }),
            route: "/v1/payment_intents/*/capture",
            status: StatusCode::OK,
            says: json!({ "state": "captured", "captured_minor": 2_000, "capturable_minor": 0 }),
            effects: |happened| happened.told("charge.captured"),
        },
        Kind {
            name: "cancel",
            on: Some((PAYMENTS, by_card("cancel", "manual"))),
            path: "/v1/payments/{id}/cancel",
            body: json!({}),
            route: "/v1/payment_intents/*/cancel",
            status: StatusCode::OK,
            says: json!({ "state": "canceled", "captured_minor": 0 }),
            effects: |happened| happened.told("payment_intent.canceled"),
        },
        Kind {
            name: "expire",
            on: Some((PAGES, page("expire"))),
            path: "/v1/checkout_sessions/{id}/expire",
            body: json!({}),
            route: "/v1/checkout/sessions/*/expire",
            status: StatusCode::OK,
            says: json!({ "state": "expired", "payment": { "state": "canceled", "captured_minor": 0 } }),
            effects: |happened| happened.told("checkout.session.expired"),
        },
        Kind {
            name: "refund",
            on: Some((PAYMENTS, by_card("refund", "automatic"))),
            path: "/v1/payments/{id}/refunds",
            body: json!({}),
            route: "/v1/refunds",
            status: StatusCode::CREATED,
            says: json!({ "state": "captured", "captured_minor": 12_100, "refunded_minor": 12_100 }),
            effects: |happened| happened.refunds.len(),
        },
        Kind {
            name: "refund-part",
            on: Some((PAYMENTS, by_card("refund-part", "automatic"))),
            path: "/v1/payments/{id}/refunds",
            body: json!({ "amount_minor": 2_000 }),
            route: "/v1/refunds",
            status: StatusCode::CREATED,
            says: json!({ "state": "captured", "captured_minor": 12_100, "refunded_minor": 2_000 }),
            effects: |happened| happened.refunds.len(),
        },
    ]
}

/// A payment that the provider's objects name their case by.
fn payment_of(name: &str, more: Value) -> Value {
    let mut body = payment(name, more);
    body["metadata"] = json!({ "case": name });
    body
}

/// One with a saved card.
fn by_card(name: &str, capture_method: &str) -> Value {
    payment_of(
        name,
        json!({ "capture_method": capture_method, "payment_method": "pm_card_visa" }),
    )
}

/// A page of the provider's to pay on.
fn page(name: &str) -> Value {
    json!({ "payment": payment_of(name, json!({})), "success_url": thanks(name) })
}

/// Where a page leads to, which tells pages of one case from those of another.
fn thanks(name: &str) -> String {
    format!("https://shop.example/{name}")
}

/// What the provider did for one case.
pub(super) struct Happened {
    pub(super) intents: Vec<Value>,
    sessions: Vec<Value>,
    charges: Vec<Value>,
    refunds: Vec<Value>,
    events: Vec<Value>,
}

impl Happened {
    pub(super) fn at(stripe: &PretendStripe, case: &str) -> Self {
        let mut intents = stripe.payment_intents();
        intents.retain(|intent| intent["metadata"]["case"] == case);
        let mut sessions = stripe.checkout_sessions();
        sessions.retain(|session| session["success_url"] == thanks(case));
        let ours = |object: &Value| {
            let mut known = intents.iter().chain(&sessions).map(|known| &known["id"]);
            known.any(|id| *id == object["id"] || *id == object["payment_intent"])
        };
        let only_ours = |mut objects: Vec<Value>| {
            objects.retain(&ours);
            objects
        };
        let mut charges = only_ours(stripe.charges());
        charges.retain(|charge| charge["paid"] == true);
        let refunds = only_ours(stripe.refunds());
        let mut events = stripe.events();
        events.retain(|event| ours(&event["data"]["object"]));
        Self {
            intents,
            sessions,
            charges,
            refunds,
            events,
        }
    }

    /// How many events of a type there were.
    fn told(&self, kind: &str) -> usize {
        self.events.iter().filter(|event| event["type"] == kind).count()
    }
}
