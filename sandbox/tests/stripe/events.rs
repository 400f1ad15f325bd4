//! The list of events: what a merchant reads who missed them.

use axum::http::StatusCode;
use serde_json::Value;

use super::support::{Answered, Desk};

/// The ids on a page.
fn ids(page: &Answered) -> Vec<String> {
    let events = page.body["data"].as_array().unwrap();
    let id = |event: &Value| event["id"].as_str().unwrap().to_owned();
    events.iter().map(id).collect()
}

/// Those of all events, newest first.
fn newest_first(desk: &Desk) -> Vec<String> {
    let id = |event: &Value| event["id"].as_str().unwrap().to_owned();
    desk.stripe.events().iter().rev().map(id).collect()
}

async fn desk(events: usize) -> Desk {
    let desk = Desk::open().await;
    for _ in 0..events {
        desk.post("/v1/payment_intents", "amount=100&currency=eur").await;
    }
    desk
}

#[tokio::test]
async fn pages_go_from_the_newest_to_the_oldest_and_leave_none_out() {
    let desk = desk(7).await;
    let mut walked = Vec::new();
    let mut path = "/v1/events?limit=3".to_owned();
    loop {
        let page = desk.get(&path).await;
        walked.extend(ids(&page));
        if page.body["has_more"] == false {
            break;
        }
        path = format!("/v1/events?limit=3&starting_after={}", walked.last().unwrap());
    }
    assert_eq!(walked, newest_first(&desk));
}

#[tokio::test]
async fn what_happens_during_a_walk_moves_none_of_its_pages() {
    let desk = desk(4).await;
    let before = newest_first(&desk);
    let first = ids(&desk.get("/v1/events?limit=2").await);
    desk.post("/v1/payment_intents", "amount=100&currency=eur").await;
    let second = desk
        .get(&format!("/v1/events?limit=2&starting_after={}", first[1]))
        .await;
    assert_eq!([first, ids(&second)].concat(), before);
}

#[tokio::test]
async fn a_page_can_be_asked_for_backwards() {
    let desk = desk(5).await;
    let all = newest_first(&desk);
    let page = desk
        .get(&format!("/v1/events?limit=2&ending_before={}", all[4]))
        .await;
    assert_eq!(
        (ids(&page), &page.body["has_more"]),
        (all[2..4].to_vec(), &true.into())
    );
}

#[tokio::test]
async fn a_list_can_be_of_some_types_and_of_some_time() {
    let desk = desk(1).await;
    desk.pay("visa", "").await;
    let of = async |query: &str| desk.get(&format!("/v1/events?{query}")).await;
    let created = desk.stripe.events()[0]["created"].as_i64().unwrap();
    let count = |page: &Answered| page.body["data"].as_array().unwrap().len();
    assert_eq!(count(&of(&format!("created[gte]={created}")).await), 4);
    assert_eq!(count(&of(&format!("created[gte]={}", created + 60)).await), 0);
    assert_eq!(
        count(&of("types[]=payment_intent.created&types[]=charge.succeeded").await),
        3
    );
    assert_eq!(count(&of("type=charge.*").await), 1);
    let many: Vec<String> = (0..21).map(|number| format!("types[]=t.{number}")).collect();
    for refused in [
        "type=a&types[]=b",
        "limit=0",
        "limit=101",
        "starting_after=evt_0",
        &many.join("&"),
    ] {
        assert_eq!(of(refused).await.status, StatusCode::BAD_REQUEST, "{refused}");
    }
}

#[tokio::test]
async fn events_of_long_ago_are_listed_no_more_and_name_no_place_in_the_list() {
    let desk = desk(3).await;
    let last = newest_first(&desk).pop().unwrap();
    desk.stripe.forget_events();
    assert_eq!(ids(&desk.get("/v1/events").await), [""; 0]);
    let page = desk.get(&format!("/v1/events?starting_after={last}")).await;
    assert_eq!(
        (page.status, page.code()),
        (StatusCode::BAD_REQUEST, &"resource_missing".into())
    );
}
