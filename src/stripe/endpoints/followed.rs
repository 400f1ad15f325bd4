//! Which of Stripe's events we follow: what an endpoint is registered for, and what [`interpret`](super::super::interpret) reads.

/// The types, as <https://docs.stripe.com/api/events/types> names them.
pub(in super::super) const FOLLOWED: &[&str] = &[
    "account.application.deauthorized",
    "account.updated",
    "charge.captured",
    "charge.dispute.closed",
    "charge.dispute.created",
    "charge.dispute.funds_reinstated",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.updated",
    "charge.failed",
    "charge.refund.updated",
    "charge.refunded",
    "charge.succeeded",
    "charge.updated",
    "checkout.session.async_payment_failed",
    "checkout.session.async_payment_succeeded",
    "checkout.session.completed",
    "checkout.session.expired",
    "mandate.updated",
    "payment_intent.amount_capturable_updated",
    "payment_intent.canceled",
    "payment_intent.created",
    "payment_intent.payment_failed",
    "payment_intent.processing",
    "payment_intent.requires_action",
    "payment_intent.succeeded",
    "payment_method.attached",
    "payment_method.automatically_updated",
    "payment_method.detached",
    "payment_method.updated",
    "payout.canceled",
    "payout.created",
    "payout.failed",
    "payout.paid",
    "payout.reconciliation_completed",
    "payout.updated",
    "refund.created",
    "refund.failed",
    "refund.updated",
    "setup_intent.canceled",
    "setup_intent.created",
    "setup_intent.requires_action",
    "setup_intent.setup_failed",
    "setup_intent.succeeded",
];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::super::interpret::interpret;
    use super::FOLLOWED;
    use crate::provider::Interpretation;

    #[test]
    fn what_an_endpoint_is_registered_for_is_read_in_either_form() {
        for kind in FOLLOWED {
            let object = json!({ "id": "x_1", "payment_intent": "pi_1" });
            let snapshot = json!({ "id": "evt_1", "type": kind, "data": { "object": object } });
            let related = match kind.rsplit_once('.') {
                Some(("charge.refund", _)) => "refund",
                Some(("charge.dispute", _)) => "dispute",
                Some((object, _)) => object,
                None => kind,
            };
            let thin = json!({
                "id": "evt_2", "object": "v2.core.event", "type": format!("v1.{kind}"),
                "related_object": { "id": "x_1", "type": related },
            });
            for event in [snapshot, thin] {
                let read = interpret(event.to_string().as_bytes());
                assert!(!matches!(read, Interpretation::NotFollowed), "{event}");
            }
        }
    }

    #[test]
    fn each_type_is_named_once() {
        assert!(FOLLOWED.is_sorted_by(|one, next| one < next));
    }
}
