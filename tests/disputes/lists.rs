//! Lists of disputes: ours, and the provider's.

use quittance::store;
use quittance_sandbox::stripe::Verdict;
use reqwest::StatusCode;
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::{opened, until};
use crate::support::TestApp;

fn ids(list: &Value) -> Vec<&str> {
    let data = list["data"].as_array().unwrap().iter();
    data.map(|dispute| dispute["id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn disputes_are_listed_newest_first_by_state_payment_and_due_date_page_by_page() {
    let test = TestApp::spawn().await;
    let mut all = Vec::new();
    for number in 0..5 {
        all.insert(0, opened(&test, &format!("S{number}")).await);
    }
    let known: Vec<&str> = all
        .iter()
        .map(|(_, dispute)| dispute["id"].as_str().unwrap())
        .collect();
    let list = async |query: &str| {
        test.get(&format!("/v1/disputes{query}"))
            .await
            .expect(StatusCode::OK)
    };

    let whole = list("").await;
    assert_eq!(
        (ids(&whole), &whole["next_cursor"]),
        (known.clone(), &json!(null))
    );
    let mut seen = Vec::new();
    let mut query = "?limit=2".to_owned();
    loop {
        let page = list(&query).await;
        assert!(ids(&page).len() <= 2);
        seen.extend(ids(&page).into_iter().map(str::to_owned));
        let Some(cursor) = page["next_cursor"].as_str() else {
            break;
        };
        query = format!("?limit=2&cursor={cursor}");
    }
    assert_eq!(seen, known);

    let (payment, dispute) = &all[2];
    let reference = dispute["provider_reference"].as_str().unwrap();
    test.stripe.decide_dispute(reference, Verdict::Won).unwrap();
    until(&test, payment, "won").await;
    assert_eq!(ids(&list("?state=won").await), [known[2]]);
    assert_eq!(ids(&list("?state=needs_response").await).len(), 4);
    assert_eq!(
        ids(&list(&format!("?payment={}", payment["id"].as_str().unwrap())).await),
        [known[2]]
    );
    assert_eq!(ids(&list("?due_before=2020-01-01T00:00:00Z").await).len(), 0);
    assert_eq!(
        ids(&list("?due_before=2999-01-01T00:00:00Z").await).len(),
        4,
        "what is closed is due no more"
    );

    for (query, status, code) in [
        ("?limit=0", StatusCode::UNPROCESSABLE_ENTITY, "invalid_limit"),
        ("?limit=101", StatusCode::UNPROCESSABLE_ENTITY, "invalid_limit"),
        ("?limit=-1", StatusCode::BAD_REQUEST, "invalid_query"),
        ("?cursor=%00", StatusCode::UNPROCESSABLE_ENTITY, "invalid_cursor"),
        (
            "?cursor=cGF5XzE",
            StatusCode::UNPROCESSABLE_ENTITY,
            "invalid_cursor",
        ),
        ("?payment=pay_1", StatusCode::UNPROCESSABLE_ENTITY, "invalid_id"),
        (
            "?due_before=soon",
            StatusCode::UNPROCESSABLE_ENTITY,
            "invalid_time",
        ),
        ("?state=pending", StatusCode::BAD_REQUEST, "invalid_query"),
        ("?sort=oldest", StatusCode::BAD_REQUEST, "invalid_query"),
    ] {
        let problem = test.get(&format!("/v1/disputes{query}")).await.expect(status);
        assert_eq!(problem["code"], code, "{query}");
    }
}

#[tokio::test]
async fn the_providers_own_list_goes_back_to_a_moment() {
    let test = TestApp::spawn().await;
    for number in 0..3 {
        opened(&test, &format!("S{number}")).await;
    }
    let app = test.application().app();
    let mut conn = test.db.acquire().await.unwrap();
    let account = store::provider_accounts::get(&mut conn, &app.sealer, test.merchant, test.account)
        .await
        .unwrap();
    let provider = app.providers.find("stripe").unwrap();
    let disputes = provider.disputes().unwrap();
    let listed = disputes
        .list_disputes(&account, OffsetDateTime::UNIX_EPOCH)
        .await
        .unwrap();
    let listed: Vec<&str> = listed
        .iter()
        .map(|told| told.provider_reference.as_str())
        .collect();
    let at_stripe = test.stripe.disputes();
    let expected: Vec<&str> = at_stripe
        .iter()
        .rev()
        .map(|told| told["id"].as_str().unwrap())
        .collect();
    assert_eq!(listed, expected);
    let later = app.clock.now() + time::Duration::HOUR;
    assert!(disputes.list_disputes(&account, later).await.unwrap().is_empty());
}
