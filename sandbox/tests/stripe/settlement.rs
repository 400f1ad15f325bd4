//! Settlement: every line of the balance, whatever it is for, and payouts that take them all.

use quittance_sandbox::stripe::{Extra, Fees, PayoutKind, Rate, Verdict};
use serde_json::{Value, json};

use super::support::Desk;

const LINES: &str = "/v1/balance_transactions";

/// 1 October 2026, noon.
const NOON: i64 = 1_790_856_000;

async fn list(desk: &Desk, query: &str) -> Vec<Value> {
    let listed = desk.get(&format!("{LINES}?limit=100&{query}")).await.body;
    listed["data"].as_array().unwrap().clone()
}

fn net(lines: &[Value]) -> i64 {
    lines.iter().map(|line| line["net"].as_i64().unwrap()).sum()
}

fn kinds(lines: &[Value]) -> Vec<&str> {
    lines.iter().map(|line| line["type"].as_str().unwrap()).collect()
}

/// What a payout comes to without its own line.
fn net_of_payout(lines: &[Value]) -> i64 {
    let others: Vec<_> = lines
        .iter()
        .filter(|line| line["type"] != "payout")
        .cloned()
        .collect();
    net(&others)
}

fn euros(millionths: i64) -> Rate {
    Rate {
        currency: "eur".to_owned(),
        millionths,
    }
}

#[tokio::test]
async fn a_payout_takes_every_line_that_none_took_before_and_they_come_to_its_amount() {
    let desk = Desk::open().await;
    let first = desk.pay("visa", "capture_method=automatic").await;
    desk.pay("visa", "capture_method=automatic").await;
    let payout = desk.stripe.pay_out_all("eur", PayoutKind::Automatic).unwrap();
    desk.stripe.land_payout(&payout).unwrap();
    let shown = desk.get(&format!("/v1/payouts/{payout}")).await.body;
    let lines = list(&desk, &format!("payout={payout}")).await;
    assert_eq!(kinds(&lines), ["payout", "charge", "charge"]);
    assert_eq!(
        (shown["amount"].as_i64(), net_of_payout(&lines)),
        (Some(23_786), 23_786)
    );
    assert_eq!((net(&lines), desk.stripe.balance("eur")), (0, 0));
    assert_eq!(shown["balance_transaction"], lines[0]["id"]);
    assert_eq!(lines[0]["source"], payout);
    assert!(desk.stripe.pay_out_all("eur", PayoutKind::Automatic).is_err());

    let refund = format!("payment_intent={}", first.id());
    desk.post("/v1/refunds", &refund).await;
    let negative = desk.stripe.pay_out_all("eur", PayoutKind::Automatic).unwrap();
    let shown = desk
        .get(&format!("/v1/payouts/{negative}?expand[]=balance_transaction"))
        .await
        .body;
    assert_eq!(
        (&shown["amount"], &shown["balance_transaction"]["amount"]),
        (&json!(-12_100), &json!(12_100))
    );
    let lines = list(&desk, &format!("payout={negative}")).await;
    assert_eq!(
        (kinds(&lines), net_of_payout(&lines)),
        (vec!["payout", "refund"], -12_100)
    );
}

#[tokio::test]
async fn a_payout_that_comes_back_is_in_the_next_one() {
    let desk = Desk::open().await;
    desk.pay("visa", "capture_method=automatic").await;
    let failed = desk.stripe.pay_out_all("eur", PayoutKind::Automatic).unwrap();
    desk.stripe.land_payout(&failed).unwrap();
    desk.stripe.fail_payout(&failed).unwrap();
    let canceled = desk.stripe.pay_out_all("eur", PayoutKind::Automatic).unwrap();
    desk.stripe.cancel_payout(&canceled).unwrap();
    let last = desk.stripe.pay_out_all("eur", PayoutKind::Automatic).unwrap();
    for (payout, kind, back) in [
        (&failed, "charge", "payout_failure"),
        (&canceled, "payout_failure", "payout_cancel"),
    ] {
        let lines = list(&desk, &format!("payout={payout}")).await;
        assert_eq!(
            (kinds(&lines), net_of_payout(&lines)),
            (vec!["payout", kind], 11_893)
        );
        let expand = "expand[]=failure_balance_transaction";
        let shown = desk.get(&format!("/v1/payouts/{payout}?{expand}")).await.body;
        let returned = &shown["failure_balance_transaction"];
        assert_eq!(
            (&returned["type"], &returned["amount"]),
            (&json!(back), &json!(11_893))
        );
        assert_eq!(returned["reporting_category"], "payout_reversal");
    }
    let lines = list(&desk, &format!("payout={last}")).await;
    assert_eq!(kinds(&lines), ["payout", "payout_cancel"]);
    assert_eq!(net(&list(&desk, "").await), desk.stripe.balance("eur"));
}

#[tokio::test]
async fn stripe_does_not_itemise_a_manual_payout() {
    let desk = Desk::open().await;
    desk.pay("visa", "capture_method=automatic").await;
    let payout = desk.stripe.pay_out_all("eur", PayoutKind::Manual).unwrap();
    desk.stripe.land_payout(&payout).unwrap();
    let refused = desk.get(&format!("{LINES}?payout={payout}")).await;
    assert_eq!(refused.status, 400);
    assert_eq!(
        refused.body["error"]["message"],
        "Balance transaction history can only be filtered on automatic transfers, not manual."
    );
    let shown = desk.get(&format!("/v1/payouts/{payout}")).await.body;
    assert_eq!(
        (&shown["automatic"], &shown["reconciliation_status"]),
        (&json!(false), &json!("not_applicable"))
    );
    assert_eq!(net_of_payout(&desk.stripe.lines_of(&payout)), 11_893);
    assert!(
        !desk
            .kinds()
            .contains(&"payout.reconciliation_completed".to_owned())
    );
    let unknown = desk.get(&format!("{LINES}?payout=po_none")).await;
    assert_eq!(
        (unknown.status, unknown.code()),
        (400.try_into().unwrap(), &json!("resource_missing"))
    );
}

#[tokio::test]
async fn money_arrives_in_the_balances_currency_at_the_rate_of_its_own_day() {
    let desk = Desk::open().await;
    desk.stripe.settle_at("usd", Some(euros(915_000)));
    let charge = desk.stripe.pay_in_dashboard(10_000, "usd").unwrap();
    desk.stripe.settle_at("usd", Some(euros(927_500)));
    desk.stripe.refund_in_dashboard(&charge, 4_000).unwrap();
    let lines = list(&desk, "currency=eur&expand[]=data.source").await;
    let of = |line: &Value| (line["amount"].clone(), line["exchange_rate"].clone());
    assert_eq!(of(&lines[0]), (json!(-3_710), json!(0.9275)));
    assert_eq!(of(&lines[1]), (json!(9_150), json!(0.915)));
    assert_eq!(lines[1]["fee"], 162);
    let source = &lines[1]["source"];
    assert_eq!(
        (&source["amount"], &source["currency"], &source["metadata"]),
        (&json!(10_000), &json!("usd"), &json!({}))
    );
    assert_eq!(lines[0]["source"]["charge"], charge);
    assert_eq!(
        (desk.stripe.balance("usd"), desk.stripe.balance("eur")),
        (0, 5_278)
    );
}

#[tokio::test]
async fn a_fee_is_told_in_its_parts() {
    let desk = Desk::open().await;
    desk.stripe.set_fees(Fees {
        tax_per_mille: 190,
        application: 50,
    });
    desk.pay("visa", "capture_method=automatic").await;
    let line = &desk.stripe.balance_transactions()[0];
    let parts = line["fee_details"].as_array().unwrap();
    let parts: Vec<_> = parts
        .iter()
        .map(|part| (part["type"].as_str().unwrap(), part["amount"].as_i64().unwrap()))
        .collect();
    assert_eq!(parts, [("stripe_fee", 207), ("tax", 39), ("application_fee", 50)]);
    assert_eq!((&line["fee"], &line["net"]), (&json!(296), &json!(11_804)));
}

#[tokio::test]
async fn a_fee_may_come_days_after_its_charge() {
    let desk = Desk::open().await;
    let late = desk.pay("visa", "").await;
    let prompt = desk.pay("visa", "").await;
    desk.stripe.settle_charge(prompt.id()).unwrap();
    let charges = desk.stripe.charges();
    assert_eq!(charges[0]["balance_transaction"], Value::Null);
    assert_eq!(desk.stripe.balance("eur"), 11_893);
    desk.stripe.settle_charge(late.id()).unwrap();
    desk.stripe.settle();
    assert_eq!(desk.stripe.balance("eur"), 2 * 11_893);
    let told = desk
        .kinds()
        .iter()
        .filter(|kind| *kind == "charge.updated")
        .count();
    assert_eq!(told, 2);
}

#[tokio::test]
async fn a_dispute_is_won_or_lost_or_lost_in_part() {
    let desk = Desk::open().await;
    for (ending, held) in [("won", 9_893), ("lost", -2_207), ("in part", 1_793)] {
        let before = desk.stripe.balance("eur");
        let paid = desk.pay("visa", "capture_method=automatic").await;
        let dispute = desk.stripe.dispute(paid.id(), "fraudulent").unwrap();
        assert!(desk.stripe.lose_dispute_in_part(&dispute, 12_100).is_err());
        match ending {
            "won" => desk.stripe.decide_dispute(&dispute, Verdict::Won),
            "lost" => desk.stripe.decide_dispute(&dispute, Verdict::Lost),
            _ => desk.stripe.lose_dispute_in_part(&dispute, 4_000),
        }
        .unwrap();
        assert_eq!(desk.stripe.balance("eur") - before, held, "{ending}");
    }
    let lines = list(&desk, "type=adjustment").await;
    let told: Vec<_> = lines
        .iter()
        .map(|line| {
            (
                line["reporting_category"].as_str().unwrap(),
                line["amount"].as_i64().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("dispute_reversal", 4_000),
            ("dispute", -12_100),
            ("dispute", -12_100),
            ("dispute_reversal", 12_100),
            ("dispute", -12_100),
        ]
    );
    assert_eq!(desk.kinds().last().unwrap(), "charge.dispute.funds_reinstated");
}

#[tokio::test]
async fn every_other_line_counts_too_even_one_that_nobody_knows() {
    let desk = Desk::open().await;
    desk.stripe.set_date(Some(NOON));
    let extras = [
        (Extra::StripeFee, -500),
        (Extra::NetworkCost, -70),
        (Extra::TaxFee, -95),
        (Extra::Topup, 10_000),
        (Extra::Transfer, -300),
        (Extra::ReserveHold, -2_000),
        (Extra::ReserveRelease, 2_000),
        (Extra::Contribution, -10),
        (Extra::Advance, 5_000),
        (Extra::SolarFlare, -1),
    ];
    for (extra, amount) in extras {
        desk.stripe.write_line(extra, amount, "eur");
    }
    let lines = list(&desk, &format!("created[gte]={NOON}&created[lt]={}", NOON + 1)).await;
    assert_eq!(lines.len(), extras.len());
    assert_eq!(
        (&lines[0]["type"], &lines[0]["created"]),
        (&json!("solar_flare"), &json!(NOON))
    );
    let sum: i64 = extras.iter().map(|(_, amount)| amount).sum();
    assert_eq!((net(&lines), desk.stripe.balance("eur")), (sum, sum));
    assert_eq!(desk.kinds(), ["topup.succeeded", "transfer.created"]);
    let expanded = list(&desk, "type=topup&expand[]=data.source").await;
    assert_eq!(expanded[0]["source"]["object"], "topup");
}

#[tokio::test]
async fn the_balance_is_the_sum_of_all_lines() {
    let desk = Desk::open().await;
    let charge = desk.stripe.pay_in_dashboard(5_000, "jpy").unwrap();
    desk.stripe.refund_in_dashboard(&charge, 1_000).unwrap();
    desk.stripe.pay_in_dashboard(12_340, "kwd").unwrap();
    desk.pay("visa", "capture_method=automatic").await;
    desk.stripe.pay_out_all("eur", PayoutKind::Automatic).unwrap();
    desk.pay("visa", "capture_method=automatic").await;
    let balance = desk.get("/v1/balance").await.body;
    let held = |part: &str, currency: &str| {
        let all = balance[part].as_array().unwrap();
        let of = all.iter().find(|held| held["currency"] == currency).unwrap();
        of["amount"].as_i64().unwrap()
    };
    assert_eq!((held("available", "eur"), held("pending", "eur")), (0, 11_893));
    for currency in ["eur", "jpy", "kwd"] {
        let sum = net(&list(&desk, &format!("currency={currency}")).await);
        assert_eq!(
            held("available", currency) + held("pending", currency),
            sum,
            "{currency}"
        );
    }
}

#[tokio::test]
async fn lines_are_paged_strictly_and_each_comes_once() {
    let desk = Desk::open().await;
    for amount in 1..=23 {
        desk.stripe.write_line(Extra::Topup, amount, "eur");
    }
    let mut seen: Vec<Value> = Vec::new();
    loop {
        let after = seen
            .last()
            .map(|line| format!("&starting_after={}", line["id"].as_str().unwrap()));
        let page = desk
            .get(&format!("{LINES}?limit=5{}", after.unwrap_or_default()))
            .await
            .body;
        seen.extend(page["data"].as_array().unwrap().clone());
        if page["has_more"] == false {
            break;
        }
    }
    let amounts: Vec<_> = seen.iter().map(|line| line["amount"].as_i64().unwrap()).collect();
    assert_eq!(amounts, (1..=23).rev().collect::<Vec<_>>());
    let ids: std::collections::BTreeSet<_> = seen.iter().map(|line| line["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 23);
    let before = seen[9]["id"].as_str().unwrap();
    let newer = list(&desk, &format!("ending_before={before}")).await;
    assert_eq!(newer, seen[..9]);
}
