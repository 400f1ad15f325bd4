//! Which exceptions there are.

use quittance::app::setup;
use quittance::domain::exception::{ExceptionKind, NewException};
use quittance::domain::ids::PaymentId;
use quittance::domain::money::Money;
use reqwest::{Method, StatusCode};
use serde_json::json;
use time::Duration;
use time::format_description::well_known::Rfc3339;

use super::{newest, open, path, payment, quiet, short};
use crate::events::{Operator, as_key, each, key};
use crate::support::{Reply, now};

#[tokio::test]
async fn exceptions_are_listed_newest_first_by_kind_state_payment_payout_and_time() {
    let test = quiet().await;
    let operator = Operator::of(&test).await;
    let payment = payment(&test).await;
    let before = now();
    open(&test, &short(&test, "ch_1", "short by 1.00", 900).of(payment)).await;
    let unmapped = NewException::new(test.merchant, ExceptionKind::UnmappedLine, "txn_1", "moon_fee")
        .at(test.account)
        .holding("po_1");
    open(&test, &unmapped).await;
    let gone = NewException::new(test.merchant, ExceptionKind::InstanceGone, "odo_1 1", "gone");
    open(&test, &gone).await;
    let resolved = newest(&operator).await;
    let reason = json!({ "reason": "moved" });
    operator
        .post(&path(&resolved, "resolve"), &reason)
        .await
        .expect(StatusCode::OK);

    let list = async |query: &str| {
        test.get(&format!("/v1/exceptions{query}"))
            .await
            .expect(StatusCode::OK)
    };
    let whole = list("").await;
    assert_eq!(each(&whole, "subject"), ["odo_1 1", "txn_1", "ch_1"]);
    assert_eq!(whole["next_cursor"], json!(null));
    let under = &whole["data"][2];
    assert_eq!(
        (
            &under["expected_minor"],
            &under["found_minor"],
            &under["currency"]
        ),
        (&json!(1_000), &json!(900), &json!("EUR"))
    );
    assert_eq!(
        (&under["difference_minor"], &under["state"]),
        (&json!(-100), &json!("open"))
    );
    assert_eq!(under["detail"], "short by 1.00");
    assert_eq!(under["payment"], payment.to_string());
    assert_eq!(under["provider_account"], test.account.to_string());
    assert!(under.get("history").is_none() && under.get("found_currency").is_none());
    assert_eq!(whole["data"][1]["payout"], "po_1");

    let at = |moment: time::OffsetDateTime| moment.format(&Rfc3339).unwrap();
    let (early, late) = (at(before - Duration::MINUTE), at(now() + Duration::MINUTE));
    let other = PaymentId::generate();
    for (query, subjects) in [
        ("?kind=unmapped_line".to_owned(), &["txn_1"][..]),
        ("?kind=payout_differs".to_owned(), &[]),
        ("?state=open".to_owned(), &["txn_1", "ch_1"]),
        ("?state=resolved".to_owned(), &["odo_1 1"]),
        (format!("?payment={payment}"), &["ch_1"]),
        (format!("?payment={other}"), &[]),
        ("?payout=po_1".to_owned(), &["txn_1"]),
        ("?payout=po_".to_owned(), &[]),
        (format!("?since={early}"), &["odo_1 1", "txn_1", "ch_1"]),
        (format!("?since={late}"), &[]),
        (format!("?until={early}"), &[]),
        (format!("?until={late}&state=open&payout=po_1"), &["txn_1"]),
    ] {
        assert_eq!(each(&list(&query).await, "subject"), subjects, "{query}");
    }
}

#[tokio::test]
async fn pages_hold_every_exception_once_while_more_of_them_come() {
    let test = quiet().await;
    let subjects: Vec<String> = (0..5).rev().map(|number| format!("ch_{number}")).collect();
    for subject in subjects.iter().rev() {
        open(&test, &short(&test, subject, "short", 900)).await;
    }
    let (mut seen, mut query, mut pages) = (Vec::new(), "?state=open&limit=2".to_owned(), 0);
    loop {
        let page = test
            .get(&format!("/v1/exceptions{query}"))
            .await
            .expect(StatusCode::OK);
        seen.extend(each(&page, "subject").into_iter().map(str::to_owned));
        let Some(cursor) = page["next_cursor"].as_str() else {
            break;
        };
        query = format!("?state=open&limit=2&cursor={cursor}");
        pages += 1;
        open(&test, &short(&test, &format!("more_{pages}"), "short", 900)).await;
    }
    assert_eq!((seen, pages), (subjects, 2));
}

#[tokio::test]
async fn a_payment_shows_the_ids_of_what_is_open_on_it_and_two_currencies_are_both_shown() {
    let test = quiet().await;
    let operator = Operator::of(&test).await;
    let payment = payment(&test).await;
    let money = |minor, code: &str| Some(Money::new(minor, code.parse().unwrap()));
    let differs = NewException::new(
        test.merchant,
        ExceptionKind::CurrencyDiffers,
        "ch_1",
        "paid in USD",
    )
    .of(payment)
    .between(money(12_100, "EUR"), money(13_000, "USD"));
    open(&test, &differs).await;
    let shown = newest(&operator).await;
    assert_eq!(
        (
            &shown["currency"],
            &shown["found_currency"],
            &shown["difference_minor"]
        ),
        (&json!("EUR"), &json!("USD"), &json!(null))
    );
    assert_eq!(
        shown["provider_account"],
        test.account.to_string(),
        "that of its payment"
    );
    let exceptions = async || test.payment(&payment.to_string()).await["exceptions"].clone();
    assert_eq!(
        exceptions().await,
        json!([{ "id": shown["id"], "kind": "currency_differs", "detail": "paid in USD" }])
    );
    let reason = json!({ "reason": "as agreed" });
    operator
        .post(&path(&shown, "resolve"), &reason)
        .await
        .expect(StatusCode::OK);
    assert_eq!(exceptions().await, json!([]));
}

#[tokio::test]
async fn another_merchants_is_not_found_and_test_and_live_meet_only_in_what_is_about_no_account() {
    let test = quiet().await;
    let own = Operator::of(&test).await;
    let gone = NewException::new(test.merchant, ExceptionKind::InstanceGone, "odo_1 1", "gone");
    open(&test, &gone).await;
    open(&test, &short(&test, "ch_1", "short", 900)).await;
    let known = newest(&own).await;
    let id = known["id"].as_str().unwrap();
    let app = test.application().app();
    let stranger = setup::add_merchant(app, "Stranger").await.unwrap();
    for (merchant, live, visible) in [(stranger, false, &[][..]), (test.merchant, true, &["odo_1 1"])] {
        let key = key(&test, merchant, live).await;
        let ask = async |request| Reply::of(as_key(request, &key)).await;
        let list = ask(test.request(Method::GET, "/v1/exceptions")).await;
        assert_eq!(each(&list.expect(StatusCode::OK), "subject"), visible);
        let shown = ask(test.request(Method::GET, &format!("/v1/exceptions/{id}"))).await;
        assert_eq!(shown.expect(StatusCode::NOT_FOUND)["code"], "not_found");
        for what in ["resolve", "reopen"] {
            let body = json!({ "reason": "mine" });
            let post = test.request(Method::POST, &path(&known, what)).json(&body);
            ask(post).await.expect(StatusCode::NOT_FOUND);
        }
    }
    assert_eq!(super::shown(&own, id).await, known);
    for unknown in ["exc_01h455vb4pex5vsknk084sn02q", "exc_0", "nonsense"] {
        own.get(&format!("/v1/exceptions/{unknown}"))
            .await
            .expect(StatusCode::NOT_FOUND);
        own.post(
            &format!("/v1/exceptions/{unknown}/resolve"),
            &json!({ "reason": "x" }),
        )
        .await
        .expect(StatusCode::NOT_FOUND);
    }
}
