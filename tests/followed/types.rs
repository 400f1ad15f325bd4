//! Each type, alone: it leads to where the provider is, whatever we did not hear of before.

use quittance_sandbox::stripe::{PayoutStep, Verdict};
use serde_json::{Value, json};

use super::scenes::{Act, Scene, play};
use super::{all_ended, deliver, ended, event, unheard};
use crate::support::now;

/// A type, what happened, and what we then show where.
pub(super) type Row = (&'static str, Scene, &'static str, Value);

/// Every type that DESIGN.md says is followed.
pub(super) fn table() -> Vec<Row> {
    let mut rows = payments();
    rows.extend(money_back());
    rows.extend(the_rest());
    rows
}

fn payments() -> Vec<Row> {
    let (pays, charged) = (
        |card| Scene::Intent(Act::Pays(card)),
        |card| Scene::Charge(Act::Pays(card)),
    );
    let (card, asked) = ("pm_card_visa", "pm_card_threeDSecure2Required");
    let poor = "pm_card_chargeDeclinedInsufficientFunds";
    let states = [
        ("payment_intent.created", Scene::Intent(Act::Nothing), "created"),
        ("payment_intent.processing", pays(card), "captured"),
        ("payment_intent.requires_action", pays(asked), "requires_action"),
        (
            "payment_intent.amount_capturable_updated",
            Scene::Intent(Act::Holds),
            "authorized",
        ),
        ("payment_intent.succeeded", pays(card), "captured"),
        (
            "payment_intent.canceled",
            Scene::Intent(Act::Canceled),
            "canceled",
        ),
        ("charge.succeeded", charged(card), "captured"),
        ("charge.updated", charged(card), "captured"),
        ("charge.captured", Scene::Charge(Act::Holds), "authorized"),
        ("checkout.session.completed", Scene::PagePaid, "captured"),
        (
            "checkout.session.async_payment_succeeded",
            Scene::PagePaid,
            "captured",
        ),
        (
            "checkout.session.async_payment_failed",
            Scene::PagePaid,
            "captured",
        ),
        ("checkout.session.expired", Scene::PageExpired, "canceled"),
    ];
    let declines = [
        ("payment_intent.payment_failed", pays(poor)),
        ("charge.failed", charged(poor)),
    ];
    let states = states.map(|(kind, scene, state)| (kind, scene, "/state", json!(state)));
    let declines = declines.map(|(kind, scene)| (kind, scene, "/decline/code", json!("insufficient_funds")));
    states.into_iter().chain(declines).collect()
}

fn money_back() -> Vec<Row> {
    let refunded = (
        "charge.refunded",
        Scene::Charge(Act::Refunded),
        "/refunded_minor",
        json!(2_000),
    );
    let given = ["refund.created", "refund.updated", "charge.refund.updated"]
        .map(|kind| (kind, Scene::Refund, "/refunded_minor", json!(2_000)));
    let failed = ("refund.failed", Scene::RefundFailed, "/refunded_minor", json!(0));
    let open = [
        "charge.dispute.created",
        "charge.dispute.updated",
        "charge.dispute.funds_withdrawn",
    ];
    let disputed = open.map(|kind| {
        (
            kind,
            Scene::Dispute(None),
            "/data/0/state",
            json!("needs_response"),
        )
    });
    let ends = [
        ("charge.dispute.closed", Verdict::Lost, "lost"),
        ("charge.dispute.funds_reinstated", Verdict::Won, "won"),
    ];
    let ended = ends
        .map(|(kind, verdict, state)| (kind, Scene::Dispute(Some(verdict)), "/data/0/state", json!(state)));
    [refunded]
        .into_iter()
        .chain(given)
        .chain([failed])
        .chain(disputed)
        .chain(ended)
        .collect()
}

fn the_rest() -> Vec<Row> {
    use PayoutStep::{Arrive, Cancel, Fail, Reconcile, Send};
    let poor = "pm_card_chargeDeclinedInsufficientFunds";
    let payouts: [(_, &'static [PayoutStep], _, _); 6] = [
        ("payout.created", &[], "state", "pending"),
        ("payout.updated", &[Send], "state", "in_transit"),
        ("payout.paid", &[Send, Arrive], "state", "paid"),
        ("payout.failed", &[Send, Arrive, Fail], "state", "failed"),
        ("payout.canceled", &[Cancel], "state", "canceled"),
        (
            "payout.reconciliation_completed",
            &[Send, Arrive, Reconcile],
            "reconciliation",
            "completed",
        ),
    ];
    let mut rows: Vec<Row> = payouts
        .into_iter()
        .map(|(kind, steps, column, word)| (kind, Scene::Payout(steps), column, json!(word)))
        .collect();
    let (left, gone) = (
        Scene::Method { detached: false },
        Scene::Method { detached: true },
    );
    rows.extend([
        (
            "setup_intent.succeeded",
            Scene::Setup("pm_card_visa"),
            "/state",
            json!("succeeded"),
        ),
        (
            "setup_intent.setup_failed",
            Scene::Setup(poor),
            "/decline/code",
            json!("insufficient_funds"),
        ),
        (
            "payment_method.attached",
            left,
            "/data/0/brand",
            json!("mastercard"),
        ),
        (
            "payment_method.updated",
            left,
            "/data/0/brand",
            json!("mastercard"),
        ),
        ("payment_method.detached", gone, "/data", json!([])),
        (
            "account.updated",
            Scene::Account,
            "charges_enabled",
            json!("false"),
        ),
        (
            "account.application.deauthorized",
            Scene::Deauthorized,
            "deauthorized_at",
            json!("true"),
        ),
    ]);
    rows
}

#[tokio::test]
async fn every_type_alone_leads_to_where_the_provider_is() {
    let test = unheard().await;
    for (number, (kind, scene, pointer, shown)) in table().into_iter().enumerate() {
        let (object, look) = play(&test, scene, &format!("S{number}"), pointer).await;
        let id = format!("evt_{number}");
        deliver(&test, &event(&id, kind, now().unix_timestamp(), &object)).await;
        all_ended(&test).await;
        assert_eq!(ended(&test, &id).await, "applied", "{kind}");
        assert_eq!(look.see(&test).await, shown, "{kind}");
    }
}

#[tokio::test]
async fn a_type_that_is_not_followed_is_kept_and_counts_for_nothing() {
    let test = unheard().await;
    let object = json!({ "id": "in_1", "object": "invoice", "status": "paid" });
    for kind in ["invoice.paid", "payment_link.created", "kind.of.tomorrow"] {
        deliver(&test, &event(&format!("evt_{kind}"), kind, 1, &object)).await;
    }
    all_ended(&test).await;
    assert_eq!(test.count("webhook_event where state = 'ignored'").await, 3);
}
