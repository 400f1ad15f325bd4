//! Each way in which a database is put back, and what Odoo asks again after it.

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::shop::Shop;

/// What stood before the restore point, and what was done after it.
struct Day {
    invoice: i64,
    held: Value,
    paid: Value,
    since: String,
}

impl Day {
    /// A payment that is held and one that is paid.
    async fn begin(shop: &Shop) -> Self {
        let invoice = shop.invoice();
        let held = shop
            .charge("HELD", shop.invoice(), json!({ "capture_method": "manual" }))
            .await;
        let paid = shop.charge("PAID", shop.invoice(), json!({})).await;
        Self {
            invoice,
            held: held.expect(StatusCode::CREATED),
            paid: paid.expect(StatusCode::CREATED),
            since: quittance_now(),
        }
    }

    /// Odoo's requests of the day, in their order: a charge, a capture in part, and a refund in part.
    async fn ask(&self, shop: &Shop) -> [Value; 3] {
        let [held, paid] = [&self.held, &self.paid].map(|payment| payment["id"].as_str().unwrap());
        let charged = shop
            .until_answered(async || shop.charge("LOST", self.invoice, json!({})).await)
            .await;
        let part = json!({ "amount_minor": 2_100, "reference": "C-HELD" });
        let path = format!("/v1/payments/{held}/capture");
        let captured = shop
            .until_answered(async || shop.post(&path, "capture", &part).await)
            .await;
        let part = json!({ "amount_minor": 1_100, "reference": "R-PAID" });
        let path = format!("/v1/payments/{paid}/refunds");
        let refunded = shop
            .until_answered(async || shop.post(&path, "refund", &part).await)
            .await;
        [
            charged.expect(StatusCode::CREATED),
            captured.expect(StatusCode::OK),
            refunded.expect(StatusCode::CREATED),
        ]
    }
}

/// Now, as an operator types it.
fn quittance_now() -> String {
    crate::support::now()
        .format(&time::format_description::well_known::Rfc3339)
        .unwrap()
}

fn moved(shop: &Shop) -> (usize, usize, i64) {
    let taken = |charge: &Value| charge["amount_captured"].as_i64().unwrap();
    (
        shop.stripe.charges_made(),
        shop.stripe.refunds().len(),
        shop.stripe.charges().iter().map(taken).sum(),
    )
}

/// The same requests are answered with the same things, and no money moved again.
async fn nothing_is_done_twice(shop: &Shop, day: &Day, first: &[Value; 3], before: (usize, usize, i64)) {
    let again = day.ask(shop).await;
    for (first, again) in first.iter().zip(&again) {
        assert_eq!(again["id"], first["id"], "{again:#}");
    }
    assert_eq!(again[0]["state"], "captured");
    assert_eq!(again[0]["reference"], "LOST");
    assert_eq!(moved(shop), before);
    let status = shop.until_lifted().await;
    assert_eq!(status["accounts"][0]["exceptions_open"], 0, "{status:#}");
    let held = shop
        .get(&format!("/v1/payments/{}", day.held["id"].as_str().unwrap()))
        .await;
    assert_eq!(held.json()["captured_minor"], 2_100);
    // Odoo was told before and is told again, and its books hold it once.
    shop.until_booked(day.invoice, "paid").await;
}

#[tokio::test]
async fn after_a_point_in_time_restore_odoos_repeated_requests_move_no_money_again() {
    let shop = Shop::set_up("point").await;
    let service = shop.serve().await;
    shop.cluster.back_up().await.unwrap();
    let day = Day::begin(&shop).await;
    shop.cluster.name_point("before_the_charge").await.unwrap();
    let first = day.ask(&shop).await;
    let before = moved(&shop);
    assert_eq!((before.0, before.1), (3, 1));
    service.stop().await.unwrap();

    shop.cluster.restore_to("before_the_charge").await.unwrap();
    let service = shop.serve().await;
    nothing_is_done_twice(&shop, &day, &first, before).await;
    service.stop().await.unwrap();
}

#[tokio::test]
async fn a_service_that_runs_while_the_database_is_put_back_notices_it_as_well() {
    let shop = Shop::set_up("running").await;
    let service = shop.serve().await;
    shop.cluster.back_up().await.unwrap();
    let day = Day::begin(&shop).await;
    shop.cluster.name_point("before_the_charge").await.unwrap();
    let first = day.ask(&shop).await;
    let before = moved(&shop);

    shop.cluster.restore_to("before_the_charge").await.unwrap();
    nothing_is_done_twice(&shop, &day, &first, before).await;
    service.stop().await.unwrap();
}

#[tokio::test]
async fn after_a_dump_is_put_back_odoos_repeated_requests_move_no_money_again() {
    let mut shop = Shop::set_up("dump").await;
    let service = shop.serve().await;
    let day = Day::begin(&shop).await;
    shop.cluster.dump(&shop.database).await.unwrap();
    let first = day.ask(&shop).await;
    let before = moved(&shop);
    service.stop().await.unwrap();

    let url = shop.cluster.put_dump_back().await.unwrap();
    shop.quittance = shop.quittance.clone().with("QUITTANCE_DATABASE_URL", &url);
    let service = shop.serve().await;
    nothing_is_done_twice(&shop, &day, &first, before).await;
    service.stop().await.unwrap();
}

#[tokio::test]
async fn after_a_data_directory_is_put_back_and_an_operator_says_so_no_money_moves_again() {
    let shop = Shop::set_up("directory").await;
    let service = shop.serve().await;
    let day = Day::begin(&shop).await;
    service.stop().await.unwrap();
    shop.cluster.copy_data().await.unwrap();
    let service = shop.serve().await;
    let first = day.ask(&shop).await;
    let before = moved(&shop);
    service.stop().await.unwrap();

    shop.cluster.put_data_back().await.unwrap();
    let begun = shop
        .quittance
        .run(&["restore", "begin", "--since", &day.since], &[])
        .await;
    assert!(begun.unwrap()["restore"].is_i64());
    let service = shop.serve().await;
    nothing_is_done_twice(&shop, &day, &first, before).await;
    service.stop().await.unwrap();
}

#[tokio::test]
async fn a_page_from_after_the_restore_point_is_the_same_page_when_it_is_asked_for_again() {
    let shop = Shop::set_up("page").await;
    let service = shop.serve().await;
    shop.cluster.back_up().await.unwrap();
    shop.cluster.name_point("before_the_page").await.unwrap();
    let invoice = shop.invoice();
    let body = json!({
        "payment": { "reference": "PAGE", "amount_minor": 12_100, "currency": "EUR",
            "settles": [{ "model": "account.move", "id": invoice, "amount_minor": 12_100 }] },
        "success_url": "https://shop.example.com/done", "cancel_url": "https://shop.example.com/back",
    });
    let ask = async || shop.post("/v1/checkout_sessions", "page", &body).await;
    let first = shop.until_answered(ask).await.expect(StatusCode::CREATED);
    service.stop().await.unwrap();

    shop.cluster.restore_to("before_the_page").await.unwrap();
    let service = shop.serve().await;
    let again = shop.until_answered(ask).await.expect(StatusCode::CREATED);
    assert_eq!(again["url"], first["url"]);
    assert_eq!(again["payment"]["id"], first["payment"]["id"]);
    assert_eq!(shop.stripe.checkout_sessions().len(), 1);
    service.stop().await.unwrap();
}
