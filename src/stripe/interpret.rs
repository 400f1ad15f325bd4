//! What an event is about.

use serde::Deserialize;

use super::objects::{Expandable, Identified, Metadata, PaymentIntent};
use crate::domain::snapshot::{PaymentSnapshot, Snapshot};
use crate::provider::Interpretation;

#[derive(Deserialize)]
struct Event<T> {
    data: Data<T>,
}

#[derive(Deserialize)]
struct Data<T> {
    object: T,
}

#[derive(Deserialize)]
struct Kind {
    #[serde(rename = "type")]
    kind: String,
}

/// A charge or a refund: both say which payment they belong to.
#[derive(Deserialize)]
struct PartOfPayment {
    payment_intent: Option<Expandable<Identified>>,
    metadata: Option<Metadata>,
}

/// Reads what a kept event is about.
pub(super) fn interpret(event: &[u8]) -> Interpretation {
    let Ok(Kind { kind }) = serde_json::from_slice(event) else {
        return Interpretation::NotFollowed;
    };
    let read = match kind.as_str() {
        "charge.succeeded"
        | "charge.captured"
        | "charge.updated"
        | "charge.refunded"
        | "charge.failed"
        | "charge.refund.updated" => of_a_part(event),
        kind if kind.starts_with("payment_intent.") => of_an_intent(event),
        kind if kind.starts_with("refund.") => of_a_part(event),
        _ => None,
    };
    read.unwrap_or(Interpretation::NotFollowed)
}

/// An intent is in the event as it stood: what it says may be enough.
fn of_an_intent(event: &[u8]) -> Option<Interpretation> {
    let Ok(Event {
        data: Data { object: intent },
    }) = serde_json::from_slice::<Event<PaymentIntent>>(event)
    else {
        // A shape we cannot read is something to ask about.
        let Event {
            data: Data { object },
        } = serde_json::from_slice::<Event<Identified>>(event).ok()?;
        return Some(of(object.id, None, None));
    };
    let reference = intent.id.clone();
    let metadata = intent
        .metadata
        .as_ref()
        .map(|metadata| (metadata.payment(), metadata.operation()));
    let (payment, operation) = metadata.unwrap_or_default();
    let said = PaymentSnapshot::try_from(intent)
        .ok()
        .map(Snapshot::Payment)
        .map(Box::new);
    Some(Interpretation::Payment {
        reference,
        payment,
        operation,
        snapshot: said,
    })
}

/// A charge or a refund moved: fees and refunds are read from the payment, whole.
fn of_a_part(event: &[u8]) -> Option<Interpretation> {
    let Event {
        data: Data { object },
    } = serde_json::from_slice::<Event<PartOfPayment>>(event).ok()?;
    let reference = object.payment_intent?.into_id();
    Some(of(reference, object.metadata.as_ref(), None))
}

fn of(reference: String, metadata: Option<&Metadata>, snapshot: Option<Box<Snapshot>>) -> Interpretation {
    Interpretation::Payment {
        reference,
        payment: metadata.and_then(Metadata::payment),
        operation: metadata.and_then(Metadata::operation),
        snapshot,
    }
}
