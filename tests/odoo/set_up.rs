//! Which books are taken, and which are refused with words that help.

use quittance::sink::{Books, BooksRequest, Sink, SinkError};
use serde_json::{Value, json};
use uuid::Uuid;

use super::support::{Odoo, first};

async fn set_up(odoo: &Odoo, journal: &str, fee_account: &str) -> Result<Books, SinkError> {
    let request = BooksRequest {
        journal_code: journal.to_owned(),
        fee_account_code: fee_account.to_owned(),
    };
    let access = odoo.access();
    odoo.sink
        .set_up(
            &odoo.instance.url,
            &access.database,
            access.login.as_deref(),
            &access.api_key,
            &request,
        )
        .await
}

/// A bank journal whose payment methods wait on a given account, or on none.
async fn journal(odoo: &Odoo, account: impl Fn(&Value) -> Value) -> String {
    let code = format!("J{}", &Uuid::new_v4().simple().to_string()[..4]).to_uppercase();
    let vals = json!({"name": code, "code": code, "type": "bank"});
    let id = first(
        &odoo
            .call("account.journal/create", json!({ "vals_list": [vals] }))
            .await,
    );
    let fields = ["default_account_id"];
    let read = odoo
        .call("account.journal/read", json!({ "ids": [id], "fields": fields }))
        .await;
    let domain = json!([["journal_id", "=", id]]);
    let lines = json!({ "domain": domain, "fields": ["payment_type"] });
    let lines = odoo.call("account.payment.method.line/search_read", lines).await;
    let ids: Vec<&Value> = lines.as_array().unwrap().iter().map(|line| &line["id"]).collect();
    let vals = json!({ "payment_account_id": account(&read[0]["default_account_id"][0]) });
    odoo.call(
        "account.payment.method.line/write",
        json!({ "ids": ids, "vals": vals }),
    )
    .await;
    code
}

fn is_refused(answer: &Result<Books, SinkError>, words: &str) {
    assert!(
        matches!(answer, Err(SinkError::Refused { message }) if message.told().contains(words)),
        "{answer:?}"
    );
}

#[tokio::test]
async fn the_same_books_are_found_again() {
    let odoo = Odoo::open().await;

    let books = set_up(&odoo, "STRP", "621000").await.unwrap();

    assert_eq!(&books, odoo.books());
    assert_eq!(books.currency, "EUR");
}

#[tokio::test]
async fn a_journal_or_a_fee_account_that_is_missing_or_of_another_kind_is_refused() {
    let odoo = Odoo::open().await;

    is_refused(&set_up(&odoo, "NONE", "621000").await, "short code NONE");
    is_refused(&set_up(&odoo, "INV", "621000").await, "not of type Bank");
    is_refused(
        &set_up(&odoo, "STRP", "999").await,
        "no expense account has the code 999",
    );
    is_refused(
        &set_up(&odoo, "STRP", "121000").await,
        "no expense account has the code 121000",
    );
}

#[tokio::test]
async fn a_method_line_without_an_account_or_with_the_journals_own_is_refused() {
    let odoo = Odoo::open().await;

    let empty = journal(&odoo, |_| json!(false)).await;
    let own = journal(&odoo, Value::clone).await;

    is_refused(&set_up(&odoo, &empty, "621000").await, "outstanding account");
    is_refused(&set_up(&odoo, &own, "621000").await, "outstanding account");
}

#[tokio::test]
async fn a_wrong_key_is_told_as_such() {
    let odoo = Odoo::open().await;
    let request = BooksRequest {
        journal_code: "STRP".to_owned(),
        fee_account_code: "621000".to_owned(),
    };
    let instance = &odoo.instance;

    let answer = odoo
        .sink
        .set_up(
            &instance.url,
            &odoo.access().database,
            odoo.access().login.as_deref(),
            &"wrong".to_owned().into(),
            &request,
        )
        .await;

    assert!(
        matches!(answer, Err(SinkError::Unauthorized { .. })),
        "{answer:?}"
    );
}
