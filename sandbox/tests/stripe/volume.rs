//! A great many lines, made while they are read.

use std::collections::BTreeSet;
use std::time::Instant;

use quittance_sandbox::stripe::{NumberedKind, Options, Volume};
use serde_json::{Value, json};

use super::support::{Desk, Listener, SOON};

const LINES: &str = "/v1/balance_transactions?limit=100&expand[]=data.source";

async fn desk(payouts: u32, lines_each: u32) -> (Desk, Volume) {
    let volume = Volume {
        payouts,
        lines_each,
        metadata: Some(|number| ("order".to_owned(), format!("S{number}"))),
    };
    let desk = Desk::with(Options {
        volume: Some(volume),
        ..Options::default()
    })
    .await;
    (desk, volume)
}

/// All pages, oldest last.
async fn walk(desk: &Desk, query: &str) -> Vec<Value> {
    let mut lines: Vec<Value> = Vec::new();
    loop {
        let after = lines
            .last()
            .map(|line| format!("&starting_after={}", line["id"].as_str().unwrap()));
        let page = desk
            .get(&format!("{LINES}{query}{}", after.unwrap_or_default()))
            .await;
        assert_eq!(page.status, 200, "{}", page.body);
        lines.extend(page.body["data"].as_array().unwrap().clone());
        if page.body["has_more"] == false {
            return lines;
        }
    }
}

#[tokio::test]
async fn the_lines_of_a_numbered_payout_come_to_its_amount() {
    let (desk, volume) = desk(3, 250).await;
    for payout in 0..3 {
        let id = Volume::id("po", payout);
        let shown = desk.get(&format!("/v1/payouts/{id}")).await.body;
        let lines = walk(&desk, &format!("&payout={id}")).await;
        assert_eq!(lines.len(), 251);
        let own = lines.iter().find(|line| line["type"] == "payout").unwrap();
        assert_eq!(
            (&shown["balance_transaction"], &own["source"]),
            (&own["id"], &shown)
        );
        let net: i64 = lines.iter().map(|line| line["net"].as_i64().unwrap()).sum();
        assert_eq!(net, 0);
        assert_eq!(shown["amount"], volume.payout_amount(payout));
    }
    let listed = desk.get("/v1/payouts?limit=2").await.body;
    assert_eq!(
        (&listed["data"][0]["id"], &listed["has_more"]),
        (&json!(Volume::id("po", 2)), &json!(true))
    );
}

#[tokio::test]
async fn numbered_lines_are_as_they_were_promised_and_each_comes_once() {
    let (desk, volume) = desk(4, 99).await;
    let lines = walk(&desk, "").await;
    let ids: BTreeSet<_> = lines.iter().map(|line| line["id"].as_str().unwrap()).collect();
    assert_eq!((lines.len(), ids.len()), (400, 400));
    for (line, number) in lines.iter().rev().zip(0..volume.lines()) {
        let promised = volume.line(number);
        assert_eq!(line["id"], Volume::id("txn", number));
        assert_eq!(
            (&line["amount"], &line["created"]),
            (&json!(promised.amount), &json!(promised.created))
        );
        assert_eq!(line["net"], promised.amount - promised.fee);
        let source = &line["source"];
        match promised.kind {
            NumberedKind::Charge => {
                assert_eq!(source["metadata"], json!({ "order": format!("S{number}") }));
                assert_eq!(line["fee_details"][0]["amount"], promised.fee);
                assert_eq!(source["payment_intent"], Volume::id("pi", number));
            }
            NumberedKind::Refund => assert_eq!(source["charge"], Volume::id("ch", number - 1)),
            NumberedKind::Payout => assert_eq!(source["id"], Volume::id("po", promised.payout)),
        }
    }
    let since = volume.line(150).created;
    let newer = walk(&desk, &format!("&created[gte]={since}")).await;
    assert_eq!(newer.last().unwrap()["id"], Volume::id("txn", 150));
    let single = desk
        .get(&format!("/v1/balance_transactions/{}", Volume::id("txn", 7)))
        .await
        .body;
    assert_eq!(single["source"], Volume::id("ch", 7));
    let none = desk.get(&format!("{LINES}&payout=po_none")).await;
    assert_eq!(none.code(), "resource_missing");
}

#[tokio::test]
async fn a_numbered_payout_is_told_of_like_any_other() {
    let (desk, volume) = desk(2, 10).await;
    let listener = Listener::start().await;
    desk.stripe.add_endpoint(listener.endpoint());
    desk.stripe.tell_volume_payout(1).unwrap();
    desk.stripe.wait_until_delivered(SOON).await.unwrap();
    let event = &listener.events()[0];
    assert_eq!(event["type"], "payout.reconciliation_completed");
    assert_eq!(event["data"]["object"]["amount"], volume.payout_amount(1));
}

#[tokio::test]
async fn a_page_of_a_million_lines_costs_as_little_as_one_of_few() {
    let mut fastest = Vec::new();
    for lines_each in [100, 100_000] {
        let (desk, volume) = desk(10, lines_each).await;
        let middle = Volume::id("txn", volume.lines() / 2);
        let mut times = Vec::new();
        for _ in 0..10 {
            let started = Instant::now();
            let page = desk.get(&format!("{LINES}&starting_after={middle}")).await.body;
            times.push(started.elapsed());
            assert_eq!(page["data"][0]["id"], Volume::id("txn", volume.lines() / 2 - 1));
            assert_eq!(page["data"].as_array().unwrap().len(), 100);
        }
        fastest.extend(times.into_iter().min());
    }
    assert!(fastest[1] < 10 * fastest[0], "{fastest:?}");
}
