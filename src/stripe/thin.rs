//! Thin events: Stripe names the object that changed and leaves reading it to us.
//!
//! `{"object":"v2.core.event","type":"v1.payment_intent.succeeded","related_object":{"id","type","url"},…}`: events of API v1
//! carry the prefix `v1.` in this form
//! (<https://docs.stripe.com/changelog/endive/2026-09-30/thin-events-for-api-v1-resources-generally-available>), and what they are
//! about is the tag of the object they relate to
//! (<https://docs.stripe.com/api/v2/core/events/object#v2_event_object-related_object>). Whatever the type, the object is read.

use serde::Deserialize;
use serde_json::value::RawValue;
use stripe_client_core::{RequestBuilder, StripeMethod, StripeRequest};

use super::compose::checked;
use super::interpret::of;
use super::objects::{Expandable, Identified, Metadata};
use super::request::{Reads, Request};
use super::series::StripeHttp;
use crate::provider::{Interpretation, PartRef, ProviderAccount, ProviderError};

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(rename = "type")]
    kind: String,
    #[serde(borrow)]
    related_object: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Related {
    id: String,
    #[serde(rename = "type")]
    kind: String,
}

/// Whether a type is one of a thin event.
pub(super) fn is_thin(kind: &str) -> bool {
    kind.starts_with("v1.") || kind.starts_with("v2.")
}

/// Reads what a thin event is about.
pub(super) fn interpret(event: &[u8]) -> Option<Interpretation> {
    let event: Event<'_> = serde_json::from_slice(event).ok()?;
    // There is nothing to read any more for whom it is told.
    if event.kind.ends_with("account.application.deauthorized") {
        return Some(Interpretation::Deauthorized);
    }
    let Related { id, kind } = serde_json::from_str(event.related_object?.get()).ok()?;
    Some(match kind.as_str() {
        "payment_intent" => Interpretation::Part(PartRef::Whole(id)),
        "charge" => Interpretation::Part(PartRef::Charge(id)),
        "refund" => Interpretation::Part(PartRef::Refund(id)),
        "checkout.session" => Interpretation::Checkout {
            reference: id,
            payment: None,
            snapshot: None,
        },
        "dispute" | "charge.dispute" => Interpretation::Dispute {
            reference: id,
            snapshot: None,
        },
        "setup_intent" => Interpretation::Setup {
            reference: id,
            setup: None,
        },
        "payment_method" => Interpretation::PaymentMethod {
            reference: id,
            customer: None,
        },
        "mandate" => Interpretation::Mandate {
            reference: id,
            method: None,
        },
        "payout" => Interpretation::Payout {
            reference: id,
            snapshot: None,
        },
        "account" => Interpretation::Account(None),
        _ => return None,
    })
}

/// Reads one object for whose it is. Not async-stripe's: of its three kinds nothing else is needed.
struct RetrievePart(String);

impl StripeRequest for RetrievePart {
    type Output = ();

    fn build(&self) -> RequestBuilder {
        RequestBuilder::new(StripeMethod::Get, self.0.as_str())
    }
}

impl Reads for RetrievePart {}

/// A payment, a charge or a refund: whose it is.
#[derive(Deserialize)]
struct Part {
    payment_intent: Option<Expandable<Identified>>,
    metadata: Option<Metadata>,
}

/// Reads whose a part of a payment is.
pub(super) async fn resolve(
    http: &StripeHttp,
    account: &ProviderAccount,
    part: &PartRef,
) -> Result<Interpretation, ProviderError> {
    let id = checked(part.reference())?;
    let path = match part {
        PartRef::Whole(_) => format!("/payment_intents/{id}"),
        PartRef::Charge(_) => format!("/charges/{id}"),
        PartRef::Refund(_) => format!("/refunds/{id}"),
    };
    let read: Part = http
        .send(account, &Request::read(&RetrievePart(path)), http.deadline())
        .await?;
    let reference = match part {
        PartRef::Whole(reference) => Some(reference.clone()),
        PartRef::Charge(_) | PartRef::Refund(_) => read.payment_intent.map(Expandable::into_id),
    };
    // A charge that no payment intent made is none of ours.
    Ok(reference.map_or(Interpretation::NotFollowed, |reference| {
        of(reference, read.metadata.as_ref(), None)
    }))
}
