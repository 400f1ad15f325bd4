//! A generated month: whatever happens, the audit holds to the cent and names what was planted, and nothing else.

use std::collections::BTreeMap;

use quittance_sandbox::month::{Asked, Month, PlantedKind};
use quittance_sandbox::stripe::{Options, Settlement};
use reqwest::StatusCode;
use serde_json::json;
use time::macros::datetime;

use super::{audit, balances, open, reconcile};
use crate::support::{TestApp, Wishes};

/// Asks the service for what a month wants, and gives the provider's id of it.
pub(crate) async fn ask(test: &TestApp, asked: Asked) -> anyhow::Result<String> {
    match asked {
        Asked::Pay(payment) => {
            let wish = json!({
                "amount_minor": payment.amount, "currency": payment.currency.to_uppercase(),
                "payment_method": "pm_card_visa",
            });
            let made = test
                .create(&payment.reference, wish)
                .await
                .expect(StatusCode::CREATED);
            Ok(made["provider_reference"].as_str().unwrap().to_owned())
        }
        Asked::Refund {
            payment,
            amount,
            number,
        } => {
            let id: String =
                sqlx::query_scalar("select provider_reference from payment where reference = $1")
                    .bind(&payment.reference)
                    .fetch_one(&test.db)
                    .await?;
            let listed = test
                .get(&format!("/v1/payments?reference={}", payment.reference))
                .await
                .expect(StatusCode::OK);
            let path = format!(
                "/v1/payments/{}/refunds",
                listed["data"][0]["id"].as_str().unwrap()
            );
            let body = json!({ "amount_minor": amount });
            test.post(&path, &format!("refund-{number}"), &body)
                .await
                .expect(StatusCode::CREATED);
            let refunds = test.stripe.refunds();
            let newest = refunds
                .iter()
                .rfind(|refund| refund["payment_intent"] == id.as_str());
            Ok(newest.unwrap()["id"].as_str().unwrap().to_owned())
        }
    }
}

#[tokio::test]
async fn a_month_of_everything_is_booked_to_the_cent_and_only_what_was_planted_is_open() {
    let test = TestApp::spawn_with(Wishes {
        stripe: Options {
            settlement: Settlement::OnDemand,
            ..Options::default()
        },
        ..Wishes::default()
    })
    .await;
    let month = Month::plan(7, 80);
    let happened = month
        .happen(&test.stripe, async |asked| ask(&test, asked).await)
        .await
        .unwrap();
    reconcile(&test, datetime!(2026-09-01 0:00 UTC)).await;

    let audit = audit(&test).await;
    for balance in audit["balances"].as_array().unwrap() {
        assert_eq!(balance["difference_minor"], 0, "{balance:#}");
    }
    let booked = balances(&test.db).await;
    let held: BTreeMap<String, i64> = booked
        .iter()
        .filter(|(account, ..)| account == "provider_balance")
        .map(|(_, currency, minor)| (currency.to_lowercase(), *minor))
        .collect();
    let planned: BTreeMap<_, _> = month
        .totals()
        .into_iter()
        .filter(|(_, minor)| *minor != 0)
        .collect();
    assert_eq!(held, planned);
    assert!(
        booked.iter().all(|(account, ..)| account != "in_transit"),
        "every payout has arrived or come back: {booked:?}"
    );

    let mut open = open(&audit);
    open.retain(|(kind, _)| !["dispute_opened", "refund_failed", "payout_failed"].contains(&kind.as_str()));
    for planted in &happened.planted {
        let kind = match planted.kind {
            PlantedKind::ForeignPayment => "foreign_line",
            PlantedKind::UnknownType => "unmapped_line",
        };
        let named = open
            .iter()
            .position(|(found, detail)| found == kind && detail.contains(&planted.id));
        let place = named.unwrap_or_else(|| panic!("{planted:?} is not named: {open:?}"));
        open.remove(place);
    }
    assert!(open.is_empty(), "not planted: {open:?}");
}
