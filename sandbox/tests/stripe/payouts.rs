//! Payouts and the account: what the schedule and Stripe's checks do by themselves.

use quittance_sandbox::stripe::PayoutStep;

use super::support::Desk;

#[tokio::test]
async fn a_payout_walks_to_the_bank_and_may_come_back_from_there() {
    let desk = Desk::open().await;
    let id = desk.stripe.pay_out(11_893, "eur");
    let path = format!("/v1/payouts/{id}");
    let payout = desk.get(&path).await.body;
    assert_eq!(
        (&payout["status"], &payout["amount"], &payout["automatic"]),
        (&"pending".into(), &11_893.into(), &true.into())
    );
    for (step, status) in [
        (PayoutStep::Send, "in_transit"),
        (PayoutStep::Arrive, "paid"),
        (PayoutStep::Reconcile, "paid"),
        (PayoutStep::Fail, "failed"),
    ] {
        desk.stripe.step_payout(&id, step).unwrap();
        assert_eq!(desk.get(&path).await.body["status"], status, "{step:?}");
    }
    let failed = desk.get(&path).await.body;
    assert_eq!(failed["failure_code"], "account_closed");
    assert_eq!(failed["reconciliation_status"], "completed");
    assert_eq!(
        desk.kinds(),
        [
            "payout.created",
            "payout.updated",
            "payout.paid",
            "payout.reconciliation_completed",
            "payout.failed"
        ]
    );
    for step in [
        PayoutStep::Send,
        PayoutStep::Arrive,
        PayoutStep::Cancel,
        PayoutStep::Reconcile,
    ] {
        assert!(desk.stripe.step_payout(&id, step).is_err(), "{step:?}");
    }
    assert_eq!(desk.get("/v1/payouts/po_none").await.code(), "resource_missing");
    let listed = desk.get("/v1/payouts?status=failed").await.body;
    assert_eq!(listed["data"][0]["id"], id);
}

#[tokio::test]
async fn a_payout_is_called_off_only_before_it_is_sent() {
    let desk = Desk::open().await;
    let id = desk.stripe.pay_out(100, "eur");
    desk.stripe.step_payout(&id, PayoutStep::Cancel).unwrap();
    assert_eq!(desk.kinds(), ["payout.created", "payout.canceled"]);
    let other = desk.stripe.pay_out(100, "eur");
    desk.stripe.step_payout(&other, PayoutStep::Send).unwrap();
    assert!(desk.stripe.step_payout(&other, PayoutStep::Cancel).is_err());
}

#[tokio::test]
async fn an_account_shows_what_it_may_do_and_tells_when_that_changes() {
    let desk = Desk::open().await;
    let account = desk.get("/v1/account").await.body;
    assert_eq!(
        (
            &account["charges_enabled"],
            &account["requirements"]["currently_due"]
        ),
        (&true.into(), &serde_json::json!([]))
    );
    desk.stripe.enable_charges(false);
    let account = desk.get("/v1/account").await.body;
    assert_eq!(account["charges_enabled"], false);
    assert_eq!(
        account["requirements"]["disabled_reason"],
        "requirements.past_due"
    );
    assert_eq!(desk.kinds(), ["account.updated"]);
    assert_eq!(desk.stripe.events()[0]["data"]["object"], account);
}
