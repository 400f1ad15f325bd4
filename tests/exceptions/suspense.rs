//! Money that waits in suspense: linked to what it pays, or booked as what a person says that it is.

use futures::future::join_all;
use quittance_sandbox::stripe::Extra;
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::commands::{command, spawn};
use super::{became, path, shown};
use crate::events::Operator;
use crate::reconciliation::{an_hour_ago, audit, balances, reconcile};
use crate::support::TestApp;

/// What an account of the ledger holds in euros.
async fn held(test: &TestApp, account: &str) -> i64 {
    let balances = balances(&test.db).await;
    let found = balances
        .iter()
        .find(|(held, currency, _)| held == account && currency == "EUR");
    found.map_or(0, |(.., minor)| *minor)
}

/// The only exception of a kind, with its history.
async fn only(operator: &Operator<'_>, kind: &str) -> Value {
    let list = operator.get(&format!("/v1/exceptions?kind={kind}")).await;
    let list = list.expect(StatusCode::OK);
    assert_eq!(list["data"].as_array().unwrap().len(), 1, "{list:#}");
    shown(operator, list["data"][0]["id"].as_str().unwrap()).await
}

/// A payment of EUR 50.00 that was made at the dashboard.
async fn foreign(test: &TestApp) {
    test.stripe.pay_in_dashboard(5_000, "eur").unwrap();
    reconcile(test, an_hour_ago()).await;
    assert_eq!(held(test, "suspense").await, -5_000);
}

#[tokio::test]
async fn a_payment_made_elsewhere_is_linked_to_what_it_pays_once_and_for_all() {
    let test = TestApp::spawn().await;
    foreign(&test).await;
    let operator = Operator::of(&test).await;
    let exception = only(&operator, "foreign_line").await;
    let put = async |body: &Value| operator.post(&path(&exception, "link"), body).await;
    let settles = json!([{ "model": "account.move", "id": 17, "amount_minor": 5_000 }]);
    let body = json!({ "reference": "S00042", "settles": settles, "reason": "paid by phone" });
    let linked = put(&body).await.expect(StatusCode::OK);
    assert_eq!(
        (&linked["state"], &linked["resolved_reason"]),
        (&json!("resolved"), &json!("linked to S00042: paid by phone"))
    );
    assert!(linked["resolved_by"].as_str().unwrap().starts_with("key_"));
    assert_eq!(
        (
            held(&test, "suspense").await,
            held(&test, "receivable_clearing").await
        ),
        (0, -5_000)
    );
    assert_eq!(audit(&test).await["explained"], true);
    let booked = format!(
        "ledger_transaction where source = 'link:{}'",
        linked["subject"].as_str().unwrap()
    );
    assert_eq!(test.count(&booked).await, 1);
    let kept: (String, Value, i64, String) =
        sqlx::query_as("select reference, settles, amount_minor, currency from line_link")
            .fetch_one(&test.db)
            .await
            .unwrap();
    assert_eq!(
        kept,
        ("S00042".to_owned(), settles.clone(), 5_000, "EUR".to_owned())
    );

    assert_eq!(put(&body).await.expect(StatusCode::OK), linked, "the same again");
    for (what, body) in [
        ("link", json!({ "reference": "S00043" })),
        ("link", json!({ "reference": "S00042" })),
        ("reopen", json!({ "reason": "not that one" })),
    ] {
        let refused = operator.post(&path(&exception, what), &body).await;
        let refused = refused.expect(StatusCode::CONFLICT);
        assert_eq!(refused["code"], "exception_linked", "{what}");
        assert!(refused["detail"].as_str().unwrap().contains("S00042"));
    }
    assert_eq!(only(&operator, "foreign_line").await, linked);
    for sql in ["update line_link set reference = 'x'", "delete from line_link"] {
        let refused = sqlx::query(sql).execute(&test.db).await.unwrap_err();
        assert!(refused.to_string().contains("written once"), "{sql}: {refused}");
    }
}

#[tokio::test]
async fn many_who_link_the_same_at_once_book_it_once() {
    let test = TestApp::spawn().await;
    foreign(&test).await;
    let operator = Operator::of(&test).await;
    let path = path(&only(&operator, "foreign_line").await, "link");
    let answers = join_all((0..8).map(async |number| {
        let body = json!({ "reference": format!("S{}", number % 2) });
        operator.post(&path, &body).await.status
    }))
    .await;
    assert_eq!(
        answers.iter().filter(|status| **status == StatusCode::OK).count(),
        4,
        "{answers:?}"
    );
    assert_eq!(
        (
            held(&test, "suspense").await,
            held(&test, "receivable_clearing").await
        ),
        (0, -5_000)
    );
    assert_eq!(became(&only(&operator, "foreign_line").await).len(), 2);
}

#[tokio::test]
async fn what_cannot_be_linked_is_refused_and_nothing_is_changed() {
    let test = TestApp::spawn().await;
    test.stripe.write_line(Extra::SolarFlare, 700, "eur");
    test.stripe.pay_in_dashboard(5_000, "eur").unwrap();
    reconcile(&test, an_hour_ago()).await;
    let operator = Operator::of(&test).await;
    let (unmapped, foreign) = (
        only(&operator, "unmapped_line").await,
        only(&operator, "foreign_line").await,
    );
    let document = |amount: i64| json!([{ "model": "account.move", "id": 17, "amount_minor": amount }]);
    let wrong = StatusCode::UNPROCESSABLE_ENTITY;
    for (exception, body, status, code) in [
        (
            &unmapped,
            json!({ "reference": "S1" }),
            StatusCode::CONFLICT,
            "exception_not_linkable",
        ),
        (&foreign, json!({}), wrong, "missing_field"),
        (&foreign, json!({ "reference": "" }), wrong, "invalid_reference"),
        (
            &foreign,
            json!({ "reference": "4242 4242 4242 4242" }),
            wrong,
            "card_number",
        ),
        (
            &foreign,
            json!({ "reference": "S1", "reason": " " }),
            wrong,
            "invalid_reason",
        ),
        (
            &foreign,
            json!({ "reference": "S1", "settles": document(5_001) }),
            wrong,
            "invalid_amount",
        ),
        (
            &foreign,
            json!({ "reference": "S1", "settles": document(0) }),
            wrong,
            "invalid_amount",
        ),
        (
            &foreign,
            json!({ "reference": "S1", "odoo_instance": "odo_1" }),
            wrong,
            "invalid_id",
        ),
        (
            &foreign,
            json!({ "reference": "S1", "by": "me" }),
            wrong,
            "unknown_field",
        ),
    ] {
        let refused = operator.post(&path(exception, "link"), &body).await;
        assert_eq!(refused.expect(status)["code"], code, "{body}");
    }
    assert_eq!(held(&test, "suspense").await, -5_700);
    assert_eq!(only(&operator, "foreign_line").await, foreign);
}

#[tokio::test]
async fn what_was_resolved_otherwise_is_linked_only_after_it_is_reopened() {
    let test = TestApp::spawn().await;
    foreign(&test).await;
    let operator = Operator::of(&test).await;
    let foreign = only(&operator, "foreign_line").await;
    let resolve = json!({ "reason": "cleared by hand" });
    operator
        .post(&path(&foreign, "resolve"), &resolve)
        .await
        .expect(StatusCode::OK);
    let refused = operator
        .post(&path(&foreign, "link"), &json!({ "reference": "S1" }))
        .await;
    assert_eq!(refused.expect(StatusCode::CONFLICT)["code"], "exception_resolved");
    operator
        .post(&path(&foreign, "reopen"), &resolve)
        .await
        .expect(StatusCode::OK);
    operator
        .post(&path(&foreign, "link"), &json!({ "reference": "S1" }))
        .await
        .expect(StatusCode::OK);
}

#[tokio::test]
async fn what_waits_goes_where_a_person_says_and_comes_back_when_it_is_reopened() {
    let test = TestApp::spawn().await;
    test.stripe.write_line(Extra::SolarFlare, 700, "eur");
    reconcile(&test, an_hour_ago()).await;
    let operator = Operator::of(&test).await;
    let exception = only(&operator, "unmapped_line").await;
    let put = async |what: &str, body: Value| operator.post(&path(&exception, what), &body).await;
    for account in ["suspense", "provider_balance", "receivable_clearing"] {
        let refused = put("resolve", json!({ "reason": "x", "account": account })).await;
        let refused = refused.expect(StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(refused["code"], "invalid_account", "{account}");
    }

    put("resolve", json!({ "reason": "accepted" }))
        .await
        .expect(StatusCode::OK);
    let balance = audit(&test).await["balances"][0].clone();
    assert_eq!(
        (&balance["suspense_minor"], &balance["accepted_minor"]),
        (&json!(-700), &json!(-700)),
        "it stays, and is shown"
    );
    let refused = put("resolve", json!({ "reason": "x", "account": "fees" })).await;
    assert_eq!(refused.expect(StatusCode::CONFLICT)["code"], "exception_resolved");
    put("reopen", json!({ "reason": "look again" }))
        .await
        .expect(StatusCode::OK);
    assert_eq!(audit(&test).await["balances"][0]["accepted_minor"], 0);

    let fees = json!({ "reason": "a rebate", "account": "fees" });
    let resolved = put("resolve", fees.clone()).await.expect(StatusCode::OK);
    assert_eq!(
        (held(&test, "suspense").await, held(&test, "fees").await),
        (0, -700)
    );
    assert_eq!(
        put("resolve", fees).await.expect(StatusCode::OK),
        resolved,
        "the same again"
    );
    let audited = audit(&test).await;
    assert_eq!(audited["explained"], true, "{audited:#}");
    put("reopen", json!({ "reason": "no rebate" }))
        .await
        .expect(StatusCode::OK);
    assert_eq!(
        (held(&test, "suspense").await, held(&test, "fees").await),
        (-700, 0)
    );
    put(
        "resolve",
        json!({ "reason": "a gift", "account": "contributions" }),
    )
    .await
    .expect(StatusCode::OK);
    assert_eq!(
        (held(&test, "suspense").await, held(&test, "contributions").await),
        (0, -700)
    );
    let sources: Vec<String> = sqlx::query_scalar("select source from ledger_transaction order by id")
        .fetch_all(&test.db)
        .await
        .unwrap();
    let line = exception["subject"].as_str().unwrap();
    assert_eq!(
        sources,
        [
            line.to_owned(),
            format!("resolved:{line}:1"),
            format!("reopened:{line}:2"),
            format!("resolved:{line}:3")
        ]
    );
}

#[tokio::test]
async fn what_holds_no_money_has_no_account_to_go_to() {
    let test = super::quiet().await;
    super::open(&test, &super::short(&test, "ch_1", "short", 900)).await;
    let operator = Operator::of(&test).await;
    let exception = super::newest(&operator).await;
    let body = json!({ "reason": "x", "account": "fees" });
    let refused = operator.post(&path(&exception, "resolve"), &body).await;
    assert_eq!(
        refused.expect(StatusCode::CONFLICT)["code"],
        "nothing_in_suspense"
    );
    assert_eq!(super::newest(&operator).await, exception);
}

#[tokio::test]
async fn the_commands_link_and_resolve_as_the_api_does() {
    let (test, url) = spawn().await;
    test.stripe.write_line(Extra::SolarFlare, 700, "eur");
    test.stripe.pay_in_dashboard(5_000, "eur").unwrap();
    reconcile(&test, an_hour_ago()).await;
    let operator = Operator::of(&test).await;
    let (unmapped, foreign) = (
        only(&operator, "unmapped_line").await,
        only(&operator, "foreign_line").await,
    );
    let id = |exception: &Value| exception["id"].as_str().unwrap().to_owned();
    let (unmapped, foreign) = (id(&unmapped), id(&foreign));
    let command = async |arguments: &[&str]| command(&test, &url, arguments).await;
    let linked = command(&[
        "link",
        &foreign,
        "--reference",
        "S00042",
        "--settles",
        "account.move:17:3000",
        "--settles",
        "sale.order:4:2000",
    ])
    .await
    .unwrap();
    assert_eq!(linked, shown(&operator, &foreign).await);
    assert_eq!(linked["resolved_reason"], "linked to S00042");
    let resolved = command(&["resolve", &unmapped, "--reason", "a rebate", "--account", "fees"]).await;
    assert_eq!(resolved.unwrap(), shown(&operator, &unmapped).await);
    assert_eq!(held(&test, "suspense").await, 0);
    for (arguments, complaint) in [
        (&["link", &foreign][..], "--reference"),
        (&["link", &foreign, "--reference", "S00043"], "linked to S00042"),
        (
            &[
                "link",
                &foreign,
                "--reference",
                "S1",
                "--settles",
                "account.move:17",
            ],
            "account.move:17:12100",
        ),
        (
            &["link", &foreign, "--reference", "S1", "--settles", "A:17:1"],
            "must be a model of Odoo",
        ),
        (
            &["resolve", &unmapped, "--reason", "x", "--account", "moon"],
            "unknown variant",
        ),
    ] {
        let said = command(arguments).await.unwrap_err();
        assert!(said.contains(complaint), "{arguments:?}: {said}");
    }
}
