//! The provider behind the whole service: real HTTP, real Postgres, a worker, and events by the real route.

use std::time::Duration;

use quittance::app::{AppError, endpoints, history, setup, sweep};
use quittance::domain::audit_log::Actor;
use quittance::domain::ids::{OperationId, ProviderAccountId};
use quittance::provider::{Capability, ProviderAccount};
use quittance::startup::Role;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Bank, Calls, Effects, Subject, Trouble};
use crate::support::{Reply, TestApp, Wishes, eventually, now};

const SECRET: &str = "secret_of_the_endpoint";

/// The service with an account at the provider under test, beside one at another.
struct House<S> {
    test: TestApp,
    subject: S,
    account: ProviderAccountId,
}

/// Whether the company tells what happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Events {
    Sent,
    KeptBack,
}

impl<S: Subject> House<S> {
    async fn open(role: Role, events: Events) -> Self {
        let subject = S::start().await;
        let test = TestApp::spawn_with(Wishes {
            role,
            webhooks: false,
            providers: subject.beside_built_in(),
            provider_attempt_timeout: Duration::from_secs(1),
            provider_timeout: Duration::from_secs(2),
            ..Wishes::default()
        })
        .await;
        let account = ProviderAccount {
            merchant_id: test.merchant,
            id: ProviderAccountId::generate(),
            ..subject.account()
        };
        setup::add_provider_account(test.application().app(), &account, Some(&SECRET.into()))
            .await
            .unwrap();
        let house = Self {
            account: account.id,
            test,
            subject,
        };
        if events == Events::Sent {
            house.subject.send_events(house.webhooks(), SECRET);
        }
        house
    }

    fn webhooks(&self) -> String {
        format!("{}{}", self.test.url, self.webhook_path())
    }

    fn webhook_path(&self) -> String {
        format!("/webhooks/{}/{}", S::NAME, self.account)
    }

    async fn ask(&self, reference: &str, more: &[(&str, Value)]) -> Reply {
        let mut wish = json!({ "provider_account": self.account });
        for (field, value) in more {
            wish[*field] = value.clone();
        }
        self.test.create(reference, wish).await
    }

    /// A payment that the customer has paid, or whose money is held.
    async fn paid(&self, reference: &str, capture_method: &str) -> Value {
        let asked = self
            .ask(reference, &[("capture_method", json!(capture_method))])
            .await
            .expect(StatusCode::CREATED);
        self.customer_pays(&asked, Bank::Agrees).await;
        let state = if capture_method == "manual" {
            "authorized"
        } else {
            "captured"
        };
        self.until(&asked, state).await
    }

    async fn customer_pays(&self, payment: &Value, bank: Bank) {
        let reference = payment["provider_reference"].as_str().unwrap();
        self.subject.customer_pays(reference, bank).await;
        self.subject.settle();
    }

    /// Waits for what events bring, or asks where there are none.
    async fn until(&self, payment: &Value, state: &str) -> Value {
        self.test.until(payment["id"].as_str().unwrap(), state).await
    }

    async fn change(&self, payment: &Value, what: &str, body: &Value) -> Reply {
        let id = payment["id"].as_str().unwrap();
        let path = format!("/v1/payments/{id}/{what}");
        self.test
            .post(&path, &OperationId::generate().to_string(), body)
            .await
    }

    /// Waits until a payment is as it must be.
    async fn eventually(&self, payment: &Value, is_so: impl Fn(&Value) -> bool) -> Value {
        let id = payment["id"].as_str().unwrap();
        eventually(async || {
            let payment = self.test.payment(id).await;
            if is_so(&payment) {
                Ok(payment)
            } else {
                Err(format!("{payment:#}"))
            }
        })
        .await
    }

    /// Brings an event to the real route.
    async fn deliver(&self, event: &[u8], signature: Option<String>) -> StatusCode {
        let mut request = self.test.request(Method::POST, &self.webhook_path());
        if let Some(signature) = signature {
            request = request.header(self.subject.provider().signature_header(), signature);
        }
        request.body(event.to_vec()).send().await.unwrap().status()
    }

    fn sign(&self, event: &[u8]) -> String {
        let at = now().unix_timestamp();
        self.subject.sign(SECRET, at, event)
    }
}

fn is_quiet(payment: &Value) -> bool {
    payment["exceptions"] == json!([])
}

pub(crate) async fn a_payment_is_paid_captured_and_given_back<S: Subject>() {
    let house = House::<S>::open(Role::Both, Events::Sent).await;
    let paid = house.paid("S1", "automatic").await;
    assert_eq!(paid["captured_minor"], 12_100);

    let refund = house.change(&paid, "refunds", &json!({})).await;
    assert!(refund.status.is_success(), "{refund:?}");
    house.subject.settle();
    let back = house
        .eventually(&paid, |payment| payment["refunds"][0]["state"] == "succeeded")
        .await;
    assert_eq!(
        (&back["refunded_minor"], &back["captured_minor"]),
        (&json!(12_100), &json!(12_100))
    );
    assert!(is_quiet(&back), "{back:#}");
    let once = Effects {
        payments: 1,
        takings: 1,
        returns: 1,
    };
    assert_eq!(house.subject.effects(), once);
}

pub(crate) async fn held_money_is_captured_or_let_go<S: Subject>() {
    let house = House::<S>::open(Role::Both, Events::Sent).await;
    for (reference, what, state) in [("S1", "capture", "captured"), ("S2", "cancel", "canceled")] {
        let held = house.paid(reference, "manual").await;
        let changed = house.change(&held, what, &json!({})).await;
        assert!(changed.status.is_success(), "{changed:?}");
        let changed = house.until(&held, state).await;
        let captured_minor = if what == "capture" { 12_100 } else { 0 };
        assert_eq!(changed["captured_minor"], captured_minor);
        assert!(is_quiet(&changed), "{changed:#}");
    }
}

pub(crate) async fn a_payment_that_the_bank_declines_ends_without_money<S: Subject>() {
    let house = House::<S>::open(Role::Both, Events::Sent).await;
    let asked = house.ask("S1", &[]).await.expect(StatusCode::CREATED);
    house.customer_pays(&asked, Bank::Declines).await;
    let declined = house
        .eventually(&asked, |payment| payment["decline"]["code"].is_string())
        .await;
    assert_eq!(
        (&declined["captured_minor"], is_quiet(&declined)),
        (&json!(0), true)
    );

    // It may be asked for again, under the reference that Odoo gives the next attempt.
    let again = house.paid("S1-1", "automatic").await;
    assert_eq!(again["captured_minor"], 12_100);
    assert_eq!(house.subject.effects().takings, 1);
}

pub(crate) async fn a_lost_answer_is_accepted_and_then_known<S: Subject>() {
    let house = House::<S>::open(Role::Both, Events::KeptBack).await;
    house.subject.befall(Calls::Changes, Trouble::LostAfter);
    let accepted = house.ask("S1", &[]).await.expect(StatusCode::ACCEPTED);
    assert_eq!(accepted["operations"][0]["state"], "unknown");
    house.subject.heal();
    let known = house
        .eventually(&accepted, |payment| {
            payment["operations"][0]["state"] == "succeeded"
        })
        .await;
    assert!(known["provider_reference"].is_string(), "{known:#}");
    house.customer_pays(&known, Bank::Agrees).await;
    let path = format!("/v1/payments/{}?refresh=true", known["id"].as_str().unwrap());
    let paid = house.test.get(&path).await.expect(StatusCode::OK);
    assert_eq!((&paid["state"], is_quiet(&paid)), (&json!("captured"), true));

    house.subject.befall(Calls::Changes, Trouble::LostAfter);
    house
        .change(&paid, "refunds", &json!({}))
        .await
        .expect(StatusCode::ACCEPTED);
    house.subject.heal();
    house
        .eventually(&paid, |payment| payment["operations"][1]["state"] == "succeeded")
        .await;
    let once = Effects {
        payments: 1,
        takings: 1,
        returns: 1,
    };
    assert_eq!(house.subject.effects(), once);
}

pub(crate) async fn a_key_that_may_be_forgotten_is_looked_up_and_not_repeated<S: Subject>() {
    let house = House::<S>::open(Role::Serve, Events::KeptBack).await;
    house.subject.befall(Calls::Changes, Trouble::LostAfter);
    let accepted = house.ask("S1", &[]).await.expect(StatusCode::ACCEPTED);
    house.subject.heal();
    house.subject.forget_keys();
    let trusted = house.subject.provider().repeatable_for();
    sqlx::query("update operation set first_sent_at = first_sent_at - make_interval(secs => $1)")
        .bind(i32::try_from(trusted.whole_seconds() + 1).unwrap())
        .execute(&house.test.db)
        .await
        .unwrap();
    let before = house.subject.effects();
    eventually(async || {
        sweep::work(house.test.application().app()).await.unwrap();
        let payment = house.test.payment(accepted["id"].as_str().unwrap()).await;
        if payment["operations"][0]["state"] == "succeeded" {
            Ok(())
        } else {
            Err(format!("{payment:#}"))
        }
    })
    .await;
    assert_eq!(house.subject.effects(), before, "asked for once");
}

pub(crate) async fn events_twice_and_backwards_end_in_the_same_state<S: Subject>() {
    let house = House::<S>::open(Role::Both, Events::KeptBack).await;
    let asked = house.ask("S1", &[]).await.expect(StatusCode::CREATED);
    house.customer_pays(&asked, Bank::Agrees).await;
    let events = house
        .subject
        .events_about(asked["provider_reference"].as_str().unwrap());
    assert!(events.len() > 1, "something to turn round");
    for event in events.iter().rev().chain(&events) {
        let signature = Some(house.sign(event));
        assert_eq!(house.deliver(event, signature).await, StatusCode::OK);
    }
    house.until(&asked, "captured").await;
    eventually(
        async || match house.test.count("webhook_event where due_at is not null").await {
            0 => Ok(()),
            left => Err(format!("{left} are not applied")),
        },
    )
    .await;
    let paid = house.test.payment(asked["id"].as_str().unwrap()).await;
    assert_eq!(
        (&paid["state"], &paid["captured_minor"], is_quiet(&paid)),
        (&json!("captured"), &json!(12_100), true)
    );
    let kept = house.test.count("webhook_event where state = 'applied'").await;
    assert_eq!(usize::try_from(kept).unwrap(), events.len(), "each once");
}

pub(crate) async fn an_unsigned_event_is_refused_and_not_kept<S: Subject>() {
    let house = House::<S>::open(Role::Both, Events::KeptBack).await;
    let asked = house.ask("S1", &[]).await.expect(StatusCode::CREATED);
    house.customer_pays(&asked, Bank::Agrees).await;
    let reference = asked["provider_reference"].as_str().unwrap();
    for event in house.subject.events_about(reference) {
        let at = now().unix_timestamp();
        let forged = house.subject.sign("secret_of_a_stranger", at, &event);
        for signature in [None, Some(forged)] {
            assert_eq!(house.deliver(&event, signature).await, StatusCode::BAD_REQUEST);
        }
    }
    assert_eq!(house.test.count("webhook_event").await, 0);
}

pub(crate) async fn what_the_provider_cannot_do_is_not_supported<S: Subject>() {
    let house = House::<S>::open(Role::Both, Events::Sent).await;
    let provider = house.subject.provider();
    let can = |ability| provider.capabilities().contains(&ability);
    for (number, ability) in Capability::ALL
        .into_iter()
        .filter(|ability| !can(*ability))
        .enumerate()
    {
        let reference = format!("S{number}");
        let needs_hold = matches!(ability, Capability::PartialCapture | Capability::SeveralCaptures);
        if needs_hold && !can(Capability::ManualCapture) {
            continue;
        }
        let payment = match ability {
            Capability::PartialCapture | Capability::SeveralCaptures => {
                house.paid(&reference, "manual").await
            }
            Capability::PartialRefund => house.paid(&reference, "automatic").await,
            Capability::ManualCapture | Capability::Confirm | Capability::HostedPage => Value::Null,
        };
        let before = house.subject.requests();
        let refused = match ability {
            Capability::ManualCapture => {
                house
                    .ask(&reference, &[("capture_method", json!("manual"))])
                    .await
            }
            Capability::PartialCapture => {
                house
                    .change(&payment, "capture", &json!({ "amount_minor": 100 }))
                    .await
            }
            Capability::SeveralCaptures => {
                let part = json!({ "amount_minor": 100, "final": false });
                house.change(&payment, "capture", &part).await
            }
            Capability::PartialRefund => {
                house
                    .change(&payment, "refunds", &json!({ "amount_minor": 100 }))
                    .await
            }
            Capability::Confirm => house.ask(&reference, &[("payment_method", json!("pm_1"))]).await,
            Capability::HostedPage => {
                let asked = json!({ "reference": reference, "amount_minor": 12_100, "currency": "EUR",
                    "provider_account": house.account });
                let page = json!({ "payment": asked, "success_url": "https://shop.example/done" });
                house.test.post("/v1/checkout_sessions", &reference, &page).await
            }
        };
        let problem = refused.expect(StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(problem["code"], "not_supported", "{ability}: {problem}");
        assert_eq!(
            house.subject.requests(),
            before,
            "{ability}: the company was not asked"
        );
    }
}

pub(crate) async fn a_list_or_endpoints_that_the_provider_does_not_have_are_not_asked_for<S: Subject>() {
    let house = House::<S>::open(Role::Serve, Events::KeptBack).await;
    let (provider, app) = (house.subject.provider(), house.test.application().app());
    house.ask("S1", &[]).await.expect(StatusCode::CREATED);
    let before = house.subject.requests();
    if provider.endpoints().is_none() {
        let base = "https://pay.example.com".parse().unwrap();
        let refused = endpoints::connect(
            app,
            house.test.merchant,
            house.account,
            &base,
            &Actor::at_the_command_line(),
        )
        .await;
        assert!(
            matches!(refused, Err(AppError::NotSupported { .. })),
            "{refused:?}"
        );
    }
    if provider.history().is_none() {
        history::work(app).await.unwrap();
        let turn = "update event_cursor set due_at = now() where provider_account_id = $1";
        let called = sqlx::query(turn)
            .bind(house.account)
            .execute(&house.test.db)
            .await;
        assert_eq!(called.unwrap().rows_affected(), 1);
        assert_eq!(history::work(app).await.unwrap(), 1, "its turn comes and goes");
        assert_eq!(house.test.count("exception").await, 0);
    }
    assert_eq!(house.subject.requests(), before, "the company was not asked");
}
