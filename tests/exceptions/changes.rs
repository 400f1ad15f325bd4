//! What becomes of an exception, and that nothing of it is lost.

use futures::future::join_all;
use quittance::domain::exception::{ExceptionKind, NewException};
use quittance::store;
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{became, newest, open, path, quiet, short, shown};
use crate::events::{Operator, impatient};
use crate::support::{TestApp, Wishes, eventually, now};

async fn put(operator: &Operator<'_>, exception: &Value, what: &str, reason: &str) -> Value {
    operator
        .post(&path(exception, what), &json!({ "reason": reason }))
        .await
        .expect(StatusCode::OK)
}

#[tokio::test]
async fn a_person_resolves_and_reopens_with_a_reason_and_what_stood_before_is_kept() {
    let test = quiet().await;
    let operator = Operator::of(&test).await;
    assert!(open(&test, &short(&test, "ch_1", "short by 1.00", 900)).await);
    let opened = newest(&operator).await;
    assert_eq!(became(&opened), [["quittance", "", "open", ""]]);

    let resolved = put(&operator, &opened, "resolve", " written off ").await;
    assert_eq!(
        (&resolved["state"], &resolved["resolved_reason"]),
        (&json!("resolved"), &json!("written off"))
    );
    let by = resolved["resolved_by"].as_str().unwrap();
    assert!(by.starts_with("key_"), "{by}");
    assert!(resolved["resolved_at"].is_string());
    assert_eq!(shown(&operator, resolved["id"].as_str().unwrap()).await, resolved);
    let again = put(&operator, &opened, "resolve", "another").await;
    assert_eq!(again, resolved, "it stays as it was resolved first");

    let reopened = put(&operator, &opened, "reopen", "not ours to write off").await;
    assert_eq!(
        (
            &reopened["state"],
            &reopened["resolved_at"],
            &reopened["resolved_by"]
        ),
        (&json!("open"), &json!(null), &json!(null))
    );
    assert_eq!(put(&operator, &opened, "reopen", "another").await, reopened);
    assert_eq!(
        became(&reopened),
        [
            ["quittance", "", "open", ""],
            [by, "open", "resolved", "written off"],
            [by, "resolved", "open", "not ours to write off"],
        ]
    );
    assert_eq!(reopened["opened_at"], opened["opened_at"]);
    assert_eq!(reopened["history"][1]["at"], resolved["resolved_at"]);
}

#[tokio::test]
async fn a_difference_is_opened_once_and_comes_back_by_itself_only_where_it_changed() {
    let test = quiet().await;
    let operator = Operator::of(&test).await;
    let seen =
        async |detail: &str, found_minor: i64| open(&test, &short(&test, "ch_1", detail, found_minor)).await;
    assert!(seen("short by 1.00", 900).await);
    assert!(!seen("short by 1.00", 900).await, "it is told of once");
    let opened = newest(&operator).await;
    put(&operator, &opened, "resolve", "written off").await;
    assert!(!seen("short by 1.00", 900).await, "nothing changed");
    let still = newest(&operator).await;
    assert_eq!(still["state"], "resolved");

    assert!(seen("short by 2.00", 800).await, "another amount");
    let back = newest(&operator).await;
    assert_eq!((&back["id"], &back["state"]), (&opened["id"], &json!("open")));
    assert_eq!(
        (&back["difference_minor"], &back["detail"]),
        (&json!(-200), &json!("short by 2.00"))
    );
    let by = still["resolved_by"].as_str().unwrap();
    assert_eq!(
        became(&back),
        [
            ["quittance", "", "open", ""],
            [by, "open", "resolved", "written off"],
            [
                "quittance",
                "resolved",
                "open",
                "it came back, and differs otherwise"
            ],
        ]
    );
    assert_eq!(
        back["history"][1]["difference_minor"],
        json!(-100),
        "what was resolved is kept"
    );

    assert!(!seen("short by 3.00", 700).await, "it was open");
    let now = newest(&operator).await;
    assert_eq!(
        now["difference_minor"],
        json!(-300),
        "an open one says how it stands"
    );
    assert_eq!(
        became(&now)[3],
        ["quittance", "open", "open", "it differs otherwise"]
    );
    assert_eq!(now["history"][2]["difference_minor"], json!(-200));
    put(&operator, &opened, "resolve", "enough").await;
    assert!(seen("short by three euros", 700).await, "other words");
    assert_eq!(test.count("exception").await, 1);
}

#[tokio::test]
async fn what_was_closed_because_of_something_opens_again_although_it_is_the_same() {
    let test = quiet().await;
    let operator = Operator::of(&test).await;
    let missing =
        NewException::new(test.merchant, ExceptionKind::LineMissing, "ch_1", "no line").at(test.account);
    open(&test, &missing).await;
    let closing = store::exceptions::Closing {
        reason: "txn_1 came",
        by: quittance::domain::exception::ITSELF,
        at: now(),
    };
    let mut conn = test.db.acquire().await.unwrap();
    let subjects = ["ch_1".to_owned()];
    store::exceptions::close(&mut conn, test.merchant, missing.kind, &subjects, closing)
        .await
        .unwrap();
    assert_eq!(newest(&operator).await["resolved_reason"], "txn_1 came");
    assert!(open(&test, &missing.holding("po_1")).await);
    let back = newest(&operator).await;
    assert_eq!(back["payout"], "po_1", "what it holds open was not known before");
    assert_eq!(
        became(&back)[1..],
        [
            ["quittance", "open", "resolved", "txn_1 came"],
            ["quittance", "resolved", "open", "it came back"],
        ]
    );
}

#[tokio::test]
async fn many_who_see_or_resolve_the_same_at_once_make_one_exception_and_one_change() {
    let test = quiet().await;
    let operator = Operator::of(&test).await;
    let new = short(&test, "ch_1", "short", 900);
    let opened = join_all((0..8).map(|_| open(&test, &new))).await;
    assert_eq!(opened.iter().filter(|opened| **opened).count(), 1);
    assert_eq!(test.count("exception").await, 1);
    let exception = newest(&operator).await;
    let answers = join_all((0..8).map(|_| put(&operator, &exception, "resolve", "done"))).await;
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    assert_eq!(became(&answers[0]).len(), 2);
}

#[tokio::test]
async fn what_became_of_an_exception_is_never_changed_or_deleted() {
    let test = quiet().await;
    open(&test, &short(&test, "ch_1", "short", 900)).await;
    for sql in [
        "update exception_change set reason = 'x'",
        "delete from exception_change",
        "truncate exception_change",
    ] {
        let refused = sqlx::query(sql).execute(&test.db).await.unwrap_err();
        assert!(refused.to_string().contains("only added to"), "{sql}: {refused}");
    }
    assert_eq!(test.count("exception_change").await, 1);
}

#[tokio::test]
async fn a_dead_messages_exception_is_left_to_replay_and_skip() {
    let test = TestApp::spawn_with(Wishes {
        odoo: true,
        webhooks: true,
        ..impatient()
    })
    .await;
    let operator = Operator::of(&test).await;
    test.odoo.as_ref().unwrap().refuse(Some("The period is closed."));
    let wish = json!({ "payment_method": "pm_card_visa" });
    test.create("S1", wish).await.expect(StatusCode::CREATED);
    let exception = eventually(async || {
        let list = operator.get("/v1/exceptions?kind=message_dead").await;
        let first = list.expect(StatusCode::OK)["data"][0].clone();
        if first.is_null() {
            Err("none yet".to_owned())
        } else {
            Ok(first)
        }
    })
    .await;
    let reason = json!({ "reason": "done by hand" });
    let refused = operator.post(&path(&exception, "resolve"), &reason).await;
    let refused = refused.expect(StatusCode::CONFLICT);
    assert_eq!(refused["code"], "exception_of_message");
    let message = exception["subject"].as_str().unwrap();
    assert!(refused["detail"].as_str().unwrap().contains(message), "{refused}");

    let skip = format!("/v1/outbox/{message}/skip");
    operator.post(&skip, &reason).await.expect(StatusCode::OK);
    let skipped = shown(&operator, exception["id"].as_str().unwrap()).await;
    assert_eq!(skipped["resolved_reason"], "skipped: done by hand");
    assert_eq!(skipped["history"][1]["by"], skipped["resolved_by"]);
    let reopened = operator.post(&path(&exception, "reopen"), &reason).await;
    assert_eq!(
        reopened.expect(StatusCode::CONFLICT)["code"],
        "exception_of_message"
    );
}
