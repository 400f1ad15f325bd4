#![expect(clippy::panic, clippy::unwrap_used, reason = "a failed test panics")]

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Value, json};

use super::*;
use crate::domain::ids::{PaymentId, SetupId};

fn event(kind: &str, object: &Value) -> Interpretation {
    interpret(
        json!({ "id": "evt_1", "type": kind, "data": { "object": object } })
            .to_string()
            .as_bytes(),
    )
}

fn followed(kind: &str, object: &Value) -> (String, Option<PaymentId>, bool) {
    match event(kind, object) {
        Interpretation::Payment {
            reference,
            payment,
            snapshot,
        } => (reference, payment, snapshot.is_some()),
        other @ (Interpretation::Checkout { .. }
        | Interpretation::Dispute { .. }
        | Interpretation::Setup { .. }
        | Interpretation::PaymentMethod { .. }
        | Interpretation::Mandate { .. }
        | Interpretation::Part(_)
        | Interpretation::Charge { .. }
        | Interpretation::Payout { .. }
        | Interpretation::Account(_)
        | Interpretation::Deauthorized
        | Interpretation::NotFollowed) => panic!("{kind} is followed as {other:?}"),
    }
}

#[test]
fn an_intent_tells_how_it_stood_and_whose_it_is() {
    let payment = PaymentId::generate();
    let mut intent = json!({
        "id": "pi_1", "amount": 1, "amount_capturable": 0, "amount_received": 1, "currency": "eur",
        "status": "succeeded", "metadata": { "quittance_payment": payment },
    });
    let told = followed("payment_intent.succeeded", &intent);
    assert_eq!(told, ("pi_1".to_owned(), Some(payment), true));

    intent["metadata"] = json!({ "quittance_payment": "pay_of_someone_else" });
    assert_eq!(
        followed("payment_intent.kind_of_tomorrow", &intent),
        ("pi_1".to_owned(), None, true)
    );
}

#[test]
fn an_intent_of_a_shape_that_we_cannot_read_is_asked_about() {
    for odd in [
        json!({ "id": "pi_1" }),
        json!({ "id": "pi_1", "amount": "1.00", "metadata": [] }),
    ] {
        assert_eq!(
            followed("payment_intent.succeeded", &odd),
            ("pi_1".to_owned(), None, false)
        );
    }
}

#[test]
fn a_charge_or_a_refund_leads_to_its_payment() {
    let payment = PaymentId::generate();
    let part = json!({ "id": "x_1", "payment_intent": "pi_1", "metadata": { "quittance_payment": payment } });
    for kind in [
        "charge.succeeded",
        "charge.captured",
        "charge.updated",
        "charge.refunded",
        "charge.failed",
        "charge.refund.updated",
        "refund.created",
        "refund.updated",
        "refund.failed",
    ] {
        assert_eq!(
            followed(kind, &part),
            ("pi_1".to_owned(), Some(payment), false),
            "{kind}"
        );
    }
    let whole = json!({ "id": "ch_1", "payment_intent": { "id": "pi_1" } });
    assert_eq!(followed("charge.updated", &whole).0, "pi_1");
}

#[test]
fn setups_methods_and_mandates_say_whose_they_are() {
    let setup = SetupId::generate();
    let intent = json!({ "id": "seti_1", "metadata": { "quittance_setup": setup } });
    let told = event("setup_intent.kind_of_tomorrow", &intent);
    assert!(
        matches!(told, Interpretation::Setup { reference, setup: Some(named) }
        if reference == "seti_1" && named == setup)
    );
    for kind in ["attached", "detached", "updated", "automatically_updated"] {
        let method = json!({ "id": "pm_1", "customer": { "id": "cus_1" } });
        let told = event(&format!("payment_method.{kind}"), &method);
        assert!(
            matches!(told, Interpretation::PaymentMethod { reference, customer: Some(customer) }
            if reference == "pm_1" && customer == "cus_1")
        );
    }
    let mandate = json!({ "id": "mandate_1", "payment_method": "pm_1" });
    let told = event("mandate.updated", &mandate);
    assert!(
        matches!(told, Interpretation::Mandate { reference, method: Some(method) }
        if reference == "mandate_1" && method == "pm_1")
    );
}

#[test]
fn a_dispute_tells_how_it_stood_and_one_that_we_cannot_read_is_asked_about() {
    let dispute = json!({
        "id": "dp_1", "amount": 1, "currency": "eur", "status": "needs_response", "created": 1,
    });
    for (object, told) in [
        (dispute, true),
        (json!({ "id": "dp_1" }), false),
        (json!({ "id": "dp_1", "amount": "1.00" }), false),
    ] {
        for kind in [
            "created",
            "updated",
            "closed",
            "funds_withdrawn",
            "funds_reinstated",
        ] {
            let Interpretation::Dispute { reference, snapshot } =
                event(&format!("charge.dispute.{kind}"), &object)
            else {
                panic!("{kind} is no dispute's");
            };
            assert_eq!((reference.as_str(), snapshot.is_some()), ("dp_1", told), "{kind}");
        }
    }
}

#[test]
fn a_charge_that_names_no_payment_is_followed_by_itself_and_so_is_its_refund() {
    let charge = json!({ "id": "ch_1", "object": "charge", "payment_intent": null });
    let refund = json!({ "id": "re_1", "object": "refund", "charge": { "id": "ch_1" } });
    for (kind, object) in [("charge.updated", charge), ("refund.created", refund)] {
        let told = event(kind, &object);
        assert!(
            matches!(&told, Interpretation::Charge { reference, payment: None } if reference == "ch_1"),
            "{told:?}"
        );
    }
}

#[test]
fn a_payout_tells_how_it_stood_and_one_that_we_cannot_read_is_asked_about() {
    let payout = json!({
        "id": "po_1", "amount": -1, "currency": "eur", "status": "paid", "automatic": true, "created": 1,
    });
    for (object, told) in [
        (payout, true),
        (json!({ "id": "po_1" }), false),
        (json!({ "id": "po_1", "amount": "1.00" }), false),
    ] {
        let read = event("payout.kind_of_tomorrow", &object);
        assert!(
            matches!(&read, Interpretation::Payout { reference, snapshot }
            if reference == "po_1" && snapshot.is_some() == told),
            "{read:?}"
        );
    }
}

#[test]
fn everything_else_is_kept_but_not_followed() {
    let charge = json!({ "id": "ch_1", "payment_intent": null });
    for kind in ["invoice.paid", "customer.updated", "kind.of.tomorrow"] {
        assert!(
            matches!(event(kind, &charge), Interpretation::NotFollowed),
            "{kind}"
        );
    }
    for bytes in [&b""[..], b"[]", b"{}", b"\xff", br#"{"type":"charge.updated"}"#] {
        assert!(matches!(interpret(bytes), Interpretation::NotFollowed));
    }
}

/// Stripe's own example objects, each in an event of a type that is followed and in a thin one.
fn real_events() -> Vec<Value> {
    let objects = include_str!("../../../tests/followed/objects.json");
    let objects: Value = serde_json::from_str(objects).unwrap();
    [
        ("account.updated", "account"),
        ("charge.updated", "charge"),
        ("charge.dispute.created", "dispute"),
        ("checkout.session.completed", "checkout.session"),
        ("mandate.updated", "mandate"),
        ("payment_intent.succeeded", "payment_intent"),
        ("payment_method.attached", "payment_method"),
        ("payout.paid", "payout"),
        ("refund.updated", "refund"),
        ("setup_intent.succeeded", "setup_intent"),
    ]
    .into_iter()
    .flat_map(|(kind, name)| {
        let object = &objects[name];
        let related = json!({ "id": object["id"], "type": name, "url": "/v1/x" });
        [
            json!({ "id": "evt_1", "object": "event", "type": kind, "created": 1, "data": { "object": object } }),
            json!({ "id": "evt_1", "object": "v2.core.event", "type": format!("v1.{kind}"), "related_object": related }),
        ]
    })
    .collect()
}

/// The id that an event says it is about.
fn named(read: &Interpretation) -> Option<&str> {
    match read {
        Interpretation::Payment { reference, .. }
        | Interpretation::Checkout { reference, .. }
        | Interpretation::Setup { reference, .. }
        | Interpretation::PaymentMethod { reference, .. }
        | Interpretation::Mandate { reference, .. }
        | Interpretation::Dispute { reference, .. }
        | Interpretation::Charge { reference, .. }
        | Interpretation::Payout { reference, .. } => Some(reference),
        Interpretation::Part(part) => Some(part.reference()),
        Interpretation::Account(_) | Interpretation::Deauthorized | Interpretation::NotFollowed => None,
    }
}

#[test]
fn an_event_about_an_object_of_stripes_is_followed_thin_or_not() {
    for event in real_events() {
        let read = interpret(event.to_string().as_bytes());
        let is_of_account = matches!(read, Interpretation::Account(_));
        assert!(named(&read).is_some() || is_of_account, "{event}");
    }
}

/// Where a JSON value has something in it, as pointers.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    let mut add = |name: &str, child: &Value| {
        let at = format!("{at}/{name}");
        places(child, &at, found);
        found.push(at);
    };
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, child)| add(name, child)),
        Value::Array(list) => {
            for (index, child) in list.iter().enumerate() {
                add(&index.to_string(), child);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Where it stands what an event is about.
const DECISIVE: [&str; 7] = [
    "/type",
    "/data/object/id",
    "/data/object/object",
    "/data/object/charge",
    "/data/object/payment_intent",
    "/related_object/id",
    "/related_object/type",
];

/// What may stand in the place of a value.
fn odd_value() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        any::<String>(),
        (0..300_usize, select(vec!["x", "é", "\0"])).prop_map(|(length, letter)| letter.repeat(length)),
        select(vec![255, 256]).prop_map(|length| "x".repeat(length)),
    ]
    .boxed();
    prop_oneof![
        1 => Just(Value::Null),
        1 => any::<bool>().prop_map(Value::from),
        1 => any::<i64>().prop_map(Value::from),
        1 => (1..200_usize).prop_map(|depth| (0..depth).fold(json!([]), |inner, _| json!([inner]))),
        4 => text.clone().prop_map(Value::from),
        2 => text.prop_map(|id| json!({ "id": id })),
    ]
}

/// Events of Stripe's with values that are others or gone, and a few bytes that are.
fn spoiled_events() -> impl Strategy<Value = Vec<u8>> {
    let changes = vec(
        (any::<Index>(), any::<bool>(), proptest::option::of(odd_value())),
        1..4,
    );
    let bytes = prop_oneof![3 => Just(Vec::new()), 1 => vec((any::<Index>(), any::<u8>()), 1..4)];
    (select(real_events()), changes, bytes).prop_map(|(mut event, changes, bytes)| {
        for (place, is_decisive, value) in changes {
            let mut found = Vec::new();
            places(&event, "", &mut found);
            found.retain(|place| !is_decisive || DECISIVE.contains(&place.as_str()));
            if found.is_empty() {
                continue;
            }
            let place = place.get(&found);
            let (parent, name) = place.rsplit_once('/').unwrap();
            if let Some(value) = value {
                *event.pointer_mut(place).unwrap() = value;
            } else if let Some(fields) = event.pointer_mut(parent).and_then(Value::as_object_mut) {
                fields.remove(name);
            }
        }
        let mut json = event.to_string().into_bytes();
        for (at, byte) in bytes {
            let at = at.index(json.len());
            json[at] = byte;
        }
        json
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn whatever_an_event_holds_it_is_about_nothing_that_can_be_no_id(
        event in prop_oneof![1 => vec(any::<u8>(), 0..500), 9 => spoiled_events()],
    ) {
        if let Some(id) = named(&interpret(&event)) {
            let shown = String::from_utf8_lossy(&event);
            prop_assert!((1..=255).contains(&id.len()) && !id.contains('\0'), "{id:?} of {shown}");
        }
    }
}
