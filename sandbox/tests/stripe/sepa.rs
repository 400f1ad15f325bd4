//! SEPA debits: slow money that rests on a mandate.

use axum::http::StatusCode;
use serde_json::Value;

use super::support::{Answered, Desk};

const INTENTS: &str = "/v1/payment_intents";

pub(super) const AGREED: &str = "mandate_data[customer_acceptance][type]=online\
    &mandate_data[customer_acceptance][online][ip_address]=127.0.0.1\
    &mandate_data[customer_acceptance][online][user_agent]=test";

/// An account that was entered by its IBAN.
pub(super) async fn account(desk: &Desk, iban: &str) -> Answered {
    let holder = "billing_details[name]=Ada&billing_details[email]=ada@shop.example";
    let form = format!("type=sepa_debit&sepa_debit[iban]={iban}&{holder}");
    desk.post("/v1/payment_methods", &form).await
}

async fn debit(desk: &Desk, method: &str, more: &str) -> Answered {
    let form = format!(
        "amount=12100&currency=eur&payment_method_types[]=sepa_debit&confirm=true&payment_method={method}"
    );
    desk.post(INTENTS, &format!("{form}&{more}")).await
}

fn mandate_of(desk: &Desk) -> Value {
    let charge = desk.stripe.charges().pop().unwrap();
    charge["payment_method_details"]["sepa_debit"]["mandate"].clone()
}

#[tokio::test]
async fn a_debit_is_processing_until_the_bank_pays_or_does_not() {
    let desk = Desk::open().await;
    for (iban, status, last) in [
        ("AT611904300234573201", "succeeded", "payment_intent.succeeded"),
        (
            "AT86+1904+3002+3547+3202",
            "requires_payment_method",
            "payment_intent.payment_failed",
        ),
    ] {
        let method = account(&desk, iban).await;
        assert_eq!(method.body["sepa_debit"]["country"], "AT");
        let started = debit(&desk, method.id(), AGREED).await;
        assert_eq!(started.body["status"], "processing", "{}", started.body);
        let charge = desk.stripe.charges().pop().unwrap();
        assert_eq!(
            (&charge["status"], &charge["billing_details"]["name"]),
            (&"pending".into(), &"Ada".into())
        );
        let mandate = desk
            .get(&format!("/v1/mandates/{}", mandate_of(&desk).as_str().unwrap()))
            .await;
        assert_eq!(
            [
                &mandate.body["type"],
                &mandate.body["status"],
                &mandate.body["payment_method"]
            ],
            [&"single_use".into(), &"inactive".into(), &method.body["id"]]
        );
        desk.stripe.settle();
        let ended = desk.get(&format!("{INTENTS}/{}", started.id())).await;
        assert_eq!(
            (&ended.body["status"], desk.kinds().last().unwrap().as_str()),
            (&status.into(), last)
        );
    }
    assert_eq!(
        (desk.stripe.charges_made(), desk.stripe.balance("eur")),
        (1, 11_893)
    );
}

#[tokio::test]
async fn a_debit_without_a_mandate_is_refused_and_leaves_nothing() {
    let desk = Desk::open().await;
    let refused = debit(&desk, "pm_sepaDebit_success", "").await;
    assert_eq!(
        (refused.status, refused.body["error"]["param"].as_str()),
        (StatusCode::BAD_REQUEST, Some("mandate_data"))
    );
    assert!(desk.stripe.payment_intents().is_empty());
    for (more, param) in [
        (format!("{AGREED}&capture_method=manual"), "capture_method"),
        (
            AGREED.replace("user_agent", "agent"),
            "mandate_data[customer_acceptance][online][user_agent]",
        ),
        ("mandate=mandate_other".to_owned(), "mandate"),
    ] {
        let refused = debit(&desk, "pm_sepaDebit_success", &more).await;
        assert_eq!(refused.body["error"]["param"].as_str(), Some(param));
    }
    let dollars = "amount=100&currency=usd&payment_method_types[]=sepa_debit";
    assert_eq!(
        desk.post(INTENTS, dollars).await.body["error"]["param"],
        "currency"
    );
    let nobody = "type=sepa_debit&sepa_debit[iban]=AT611904300234573201&billing_details[name]=Ada";
    let refused = desk.post("/v1/payment_methods", nobody).await;
    assert_eq!(refused.body["error"]["param"], "billing_details[email]");
    let refused = account(&desk, "AT000000000000000000").await;
    assert_eq!(refused.code(), "invalid_bank_account_iban");
}

#[tokio::test]
async fn a_saved_account_is_debited_by_its_standing_mandate_until_it_is_taken_back() {
    let desk = Desk::open().await;
    let ada = desk.post("/v1/customers", "name=Ada").await.id().to_owned();
    let form = format!(
        "customer={ada}&payment_method_types[]=sepa_debit&payment_method=pm_sepaDebit_success&confirm=true"
    );
    let refused = desk.post("/v1/setup_intents", &form).await;
    assert_eq!(refused.body["error"]["param"], "mandate_data");
    let saved = desk.post("/v1/setup_intents", &format!("{form}&{AGREED}")).await;
    assert_eq!(saved.body["status"], "succeeded", "{}", saved.body);
    let mandate = saved.body["mandate"].as_str().unwrap();
    let method = saved.body["payment_method"].as_str().unwrap();
    for more in ["off_session=true", &format!("mandate={mandate}")] {
        let started = debit(&desk, method, &format!("customer={ada}&{more}")).await;
        assert_eq!(
            (&started.body["status"], mandate_of(&desk)),
            (&"processing".into(), mandate.into())
        );
    }
    let path = format!("/v1/mandates/{mandate}");
    assert_eq!(desk.get(&path).await.body["status"], "active");
    desk.post(&format!("/v1/payment_methods/{method}/detach"), "")
        .await;
    assert!(
        desk.kinds()
            .ends_with(&["payment_method.detached", "mandate.updated"].map(str::to_owned))
    );
    assert_eq!(desk.get(&path).await.body["status"], "inactive");
    let refused = debit(&desk, method, &format!("customer={ada}")).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_payment_by_debit_may_save_the_account_with_a_mandate_for_more() {
    let desk = Desk::open().await;
    let ada = desk.post("/v1/customers", "name=Ada").await.id().to_owned();
    let saving = format!("customer={ada}&setup_future_usage=off_session");
    let made = desk
        .post(INTENTS, &format!("amount=100&currency=eur&{saving}"))
        .await;
    let secret = made.body["client_secret"].as_str().unwrap();
    let started = desk
        .stripe
        .customer()
        .confirm(made.id(), secret, "pm_sepaDebit_success")
        .await
        .unwrap();
    assert_eq!(started["status"], "processing");
    let mandate = mandate_of(&desk);
    let again = debit(
        &desk,
        started["payment_method"].as_str().unwrap(),
        &format!("customer={ada}&off_session=true"),
    )
    .await;
    assert_eq!(
        (&again.body["status"], mandate_of(&desk)),
        (&"processing".into(), mandate)
    );
}

#[tokio::test]
async fn a_mandate_for_one_payment_carries_no_second_one() {
    let desk = Desk::open().await;
    let ada = desk.post("/v1/customers", "name=Ada").await.id().to_owned();
    let attach = "/v1/payment_methods/pm_sepaDebit_success/attach";
    let method = desk.post(attach, &format!("customer={ada}")).await;
    let own = format!("customer={ada}&off_session=true");
    let started = debit(&desk, method.id(), &format!("{own}&{AGREED}")).await;
    assert_eq!(started.body["status"], "processing");
    let used = mandate_of(&desk);
    assert_eq!(desk.kinds().last().unwrap(), "mandate.updated");
    for (more, param) in [
        (format!("mandate={}", used.as_str().unwrap()), "mandate"),
        (String::new(), "mandate_data"),
    ] {
        let refused = debit(&desk, method.id(), &format!("{own}&{more}")).await;
        assert_eq!(refused.body["error"]["param"], param);
    }
}
