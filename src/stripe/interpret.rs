//! What an event is about.

#[cfg(test)]
mod tests;

use serde::Deserialize;

use super::affairs::{Payout, standing};
use super::disputes::Dispute;
use super::nul::without_nul;
use super::objects::{CheckoutSession, Expandable, Identified, Metadata, PaymentIntent};
use super::thin;
use crate::domain::dispute::DisputeSnapshot;
use crate::domain::payout::PayoutSnapshot;
use crate::domain::snapshot::{CheckoutSnapshot, PaymentSnapshot, Snapshot};
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

/// A charge or a refund: both say which payment they belong to, unless the charge belongs to none.
#[derive(Deserialize)]
struct PartOfPayment {
    id: String,
    object: Option<String>,
    charge: Option<Expandable<Identified>>,
    payment_intent: Option<Expandable<Identified>>,
    metadata: Option<Metadata>,
}

/// A setup, a payment method or a mandate: whose it is.
#[derive(Deserialize)]
struct PartOfWallet {
    id: String,
    customer: Option<Expandable<Identified>>,
    payment_method: Option<Expandable<Identified>>,
    metadata: Option<Metadata>,
}

/// The longest id that names an object: Stripe's own have at most 255 characters.
const LONGEST_ID: usize = 255;

/// Reads what a kept event is about.
pub(super) fn interpret(event: &[u8]) -> Interpretation {
    let event = &*without_nul(event);
    let Ok(Kind { kind }) = serde_json::from_slice(event) else {
        return Interpretation::NotFollowed;
    };
    let read = match kind.as_str() {
        kind if thin::is_thin(kind) => thin::interpret(event),
        "charge.succeeded"
        | "charge.captured"
        | "charge.updated"
        | "charge.refunded"
        | "charge.failed"
        | "charge.refund.updated" => of_a_part(event),
        kind if kind.starts_with("charge.dispute.") => of_a_dispute(event),
        kind if kind.starts_with("checkout.session.") => of_a_page(event),
        "account.updated" => of_the_account(event),
        "account.application.deauthorized" => Some(Interpretation::Deauthorized),
        kind if kind.starts_with("payout.") => of_a_payout(event),
        "mandate.updated" => of_the_wallet(event, |mandate| Interpretation::Mandate {
            reference: mandate.id,
            method: mandate.payment_method.map(Expandable::into_id),
        }),
        kind if kind.starts_with("setup_intent.") => of_the_wallet(event, |setup| Interpretation::Setup {
            reference: setup.id,
            setup: setup.metadata.as_ref().and_then(Metadata::setup),
        }),
        kind if kind.starts_with("payment_method.") => {
            of_the_wallet(event, |method| Interpretation::PaymentMethod {
                reference: method.id,
                customer: method.customer.map(Expandable::into_id),
            })
        }
        kind if kind.starts_with("payment_intent.") => of_an_intent(event),
        kind if kind.starts_with("refund.") => of_a_part(event),
        _ => None,
    };
    read.filter(names_an_object)
        .unwrap_or(Interpretation::NotFollowed)
}

/// Whether an event says what it is about with an id that can be one.
fn names_an_object(read: &Interpretation) -> bool {
    read.reference()
        .is_none_or(|reference| (1..=LONGEST_ID).contains(&reference.len()))
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
    let payment = intent.metadata.as_ref().and_then(Metadata::payment);
    let said = PaymentSnapshot::try_from(intent)
        .ok()
        .map(Snapshot::Payment)
        .map(Box::new);
    Some(Interpretation::Payment {
        reference,
        payment,
        snapshot: said,
    })
}

/// A page tells that it is done or over; the money is asked about.
fn of_a_page(event: &[u8]) -> Option<Interpretation> {
    let Ok(Event {
        data: Data { object: session },
    }) = serde_json::from_slice::<Event<CheckoutSession>>(event)
    else {
        let Event {
            data: Data { object },
        } = serde_json::from_slice::<Event<Identified>>(event).ok()?;
        return Some(Interpretation::Checkout {
            reference: object.id,
            payment: None,
            snapshot: None,
        });
    };
    let reference = session.id.clone();
    let payment = session.metadata.as_ref().and_then(Metadata::payment);
    let said = CheckoutSnapshot::try_from(session)
        .ok()
        .map(Snapshot::Checkout)
        .map(Box::new);
    Some(Interpretation::Checkout {
        reference,
        payment,
        snapshot: said,
    })
}

/// A dispute is in the event as it stood: what it says may be enough.
fn of_a_dispute(event: &[u8]) -> Option<Interpretation> {
    let Ok(Event {
        data: Data { object: dispute },
    }) = serde_json::from_slice::<Event<Dispute>>(event)
    else {
        let Event {
            data: Data { object },
        } = serde_json::from_slice::<Event<Identified>>(event).ok()?;
        return Some(Interpretation::Dispute {
            reference: object.id,
            snapshot: None,
        });
    };
    Some(Interpretation::Dispute {
        reference: dispute.id.clone(),
        snapshot: DisputeSnapshot::try_from(dispute).ok().map(Box::new),
    })
}

/// A charge or a refund moved: fees and refunds are read from the payment, whole.
fn of_a_part(event: &[u8]) -> Option<Interpretation> {
    let Event {
        data: Data { object },
    } = serde_json::from_slice::<Event<PartOfPayment>>(event).ok()?;
    if let Some(intent) = object.payment_intent {
        return Some(of(intent.into_id(), object.metadata.as_ref(), None));
    }
    // Versions before `payment_intent`, and charges that were made without one.
    let is_charge = object.object.as_deref() == Some("charge") || object.id.starts_with("ch_");
    let charge = if is_charge {
        object.id
    } else {
        object.charge?.into_id()
    };
    Some(Interpretation::Charge {
        reference: charge,
        payment: object.metadata.as_ref().and_then(Metadata::payment),
    })
}

/// A payout is in the event as it stood: what it says may be enough.
fn of_a_payout(event: &[u8]) -> Option<Interpretation> {
    let Ok(Event {
        data: Data { object: payout },
    }) = serde_json::from_slice::<Event<Payout>>(event)
    else {
        let Event {
            data: Data { object },
        } = serde_json::from_slice::<Event<Identified>>(event).ok()?;
        return Some(Interpretation::Payout {
            reference: object.id,
            snapshot: None,
        });
    };
    Some(Interpretation::Payout {
        reference: payout.id.clone(),
        snapshot: PayoutSnapshot::try_from(payout).ok().map(Box::new),
    })
}

/// An account is in its event whole, with when that was: the event is enough.
fn of_the_account(event: &[u8]) -> Option<Interpretation> {
    let event: Event<serde_json::Value> = serde_json::from_slice(event).ok()?;
    Some(Interpretation::Account(Some(Box::new(standing(
        &event.data.object,
    )))))
}

/// Setups, methods and mandates carry no version and show too little in their events: they are read from Stripe.
fn of_the_wallet(event: &[u8], of: impl FnOnce(PartOfWallet) -> Interpretation) -> Option<Interpretation> {
    let event: Event<PartOfWallet> = serde_json::from_slice(event).ok()?;
    Some(of(event.data.object))
}

pub(super) fn of(
    reference: String,
    metadata: Option<&Metadata>,
    snapshot: Option<Box<Snapshot>>,
) -> Interpretation {
    Interpretation::Payment {
        reference,
        payment: metadata.and_then(Metadata::payment),
        snapshot,
    }
}
