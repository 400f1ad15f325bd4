//! What Stripe keeps of what we asked of it, read back by what we noted with it.

use std::str::FromStr;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use stripe_checkout::checkout_session::ListCheckoutSession;
use stripe_core::payment_intent::ListPaymentIntent;
use stripe_core::refund::ListRefund;
use stripe_types::{RangeBoundsTs, RangeQueryTs};
use time::OffsetDateTime;

use super::events;
use super::money::StripeAmount;
use super::objects::{
    CAPTURE_AMOUNT, CAPTURE_METHOD, CAPTURE_REFERENCE, CAPTURE_REQUEST, CUSTOMER, Expandable, INSTANCE,
    Identified, METHOD, Metadata, Page, REFERENCE, REQUEST, SETTLES,
};
use super::request::Request;
use super::series::StripeHttp;
use super::snapshots::{Fields, Unreadable};
use crate::domain::payment::{CaptureMethod, Reference};
use crate::domain::posting::Settles;
use crate::domain::trace::{CaptureTrace, PaymentTrace, RefundTrace, Shelf, Trace};
use crate::provider::{MemoryPage, ProviderAccount, ProviderError};

/// How many objects are read at a time: the most that Stripe gives.
const PAGE: i64 = 100;

/// Reads a page of a shelf, newest first: what is made meanwhile comes before the walk's first page.
pub(super) async fn recall(
    http: &StripeHttp,
    account: &ProviderAccount,
    shelf: Shelf,
    since: OffsetDateTime,
    next: Option<&str>,
) -> Result<MemoryPage, ProviderError> {
    let from = RangeQueryTs::Bounds(RangeBoundsTs {
        gt: None,
        gte: Some(since.unix_timestamp()),
        lt: None,
        lte: None,
    });
    let request = match shelf {
        Shelf::Events => return recall_events(http, account, since, next).await,
        Shelf::Pages => {
            let mut list = ListCheckoutSession::new().created(from).limit(PAGE);
            if let Some(last) = next {
                list = list.starting_after(last);
            }
            Request::read(&list)
        }
        Shelf::Payments => {
            let mut list = ListPaymentIntent::new().created(from).limit(PAGE);
            if let Some(last) = next {
                list = list.starting_after(last);
            }
            Request::read(&list)
        }
        Shelf::Refunds => {
            let mut list = ListRefund::new().created(from).limit(PAGE);
            if let Some(last) = next {
                list = list.starting_after(last);
            }
            Request::read(&list)
        }
    };
    match shelf {
        Shelf::Refunds => page::<Refunded>(http, account, &request).await,
        Shelf::Pages | Shelf::Payments | Shelf::Events => page::<Made>(http, account, &request).await,
    }
}

async fn page<T: DeserializeOwned + Traced>(
    http: &StripeHttp,
    account: &ProviderAccount,
    request: &Request,
) -> Result<MemoryPage, ProviderError> {
    let page: Page<T> = http.send(account, request, http.deadline()).await?;
    let next = page
        .data
        .last()
        .filter(|_| page.has_more)
        .map(|last| last.id().to_owned());
    let mut traces = Vec::new();
    for object in page.data {
        traces.extend(object.traces().map_err(unreadable)?);
    }
    Ok(MemoryPage { traces, next })
}

/// The captures that events tell of: each shows the payment intent as it stood then, with the mark of that capture.
async fn recall_events(
    http: &StripeHttp,
    account: &ProviderAccount,
    since: OffsetDateTime,
    next: Option<&str>,
) -> Result<MemoryPage, ProviderError> {
    let page = events::read(http, account, since, next).await?;
    let mut traces = Vec::new();
    for event in &page.events {
        // An event of another shape tells nothing of a capture: nothing is missed that the lists hold.
        let Ok(told) = serde_json::from_slice::<Told>(event.body()) else {
            continue;
        };
        if told.kind.starts_with("payment_intent.") {
            traces.extend(told.data.object.capture().map(Trace::Capture));
        }
    }
    Ok(MemoryPage {
        traces,
        next: page.next,
    })
}

/// An object that may have been asked for by us.
trait Traced {
    fn id(&self) -> &str;

    /// What it shows of that.
    fn traces(self) -> Result<Vec<Trace>, Unreadable>;
}

/// `payment_intent`, or `checkout.session`
#[derive(Deserialize)]
struct Made {
    id: String,
    object: Option<String>,
    created: Option<i64>,
    #[serde(alias = "amount_total")]
    amount: Option<StripeAmount>,
    currency: Option<String>,
    customer: Option<Expandable<Identified>>,
    description: Option<String>,
    metadata: Option<Metadata>,
}

impl Made {
    /// The capture that it remembers.
    fn capture(&self) -> Option<CaptureTrace> {
        let marks = self.metadata.as_ref()?;
        Some(CaptureTrace {
            payment_reference: self.id.clone(),
            operation: marks.capture()?,
            asked: marks.read(CAPTURE_REQUEST),
            amount_minor: marks.read(CAPTURE_AMOUNT),
            reference: marks.read(CAPTURE_REFERENCE),
        })
    }
}

impl Traced for Made {
    fn id(&self) -> &str {
        &self.id
    }

    fn traces(self) -> Result<Vec<Trace>, Unreadable> {
        let capture = self.capture().map(Trace::Capture);
        let Some((payment, operation, marks)) = whose(self.metadata) else {
            return Ok(Vec::new());
        };
        let field = Fields("payment_intent");
        let currency = field.currency(self.currency.as_deref())?;
        let is_manual = marks.read::<String>(CAPTURE_METHOD).as_deref() == Some("manual");
        let made = PaymentTrace {
            is_page: self.object.as_deref() == Some("checkout.session"),
            provider_reference: self.id,
            payment,
            operation,
            asked: marks.read(REQUEST),
            made_at: field.moment(self.created)?,
            amount: field.need(self.amount, "amount")?.to_money(currency)?,
            reference: marks
                .read::<String>(REFERENCE)
                .and_then(|text| Reference::parse(text).ok()),
            settles: marks.read(SETTLES).map(|Documents(settles)| settles),
            odoo_instance: marks.read(INSTANCE),
            customer: marks.read(CUSTOMER),
            customer_reference: self.customer.map(Expandable::into_id),
            capture_method: if is_manual {
                CaptureMethod::Manual
            } else {
                CaptureMethod::Automatic
            },
            payment_method: marks.read(METHOD),
            description: self.description,
            notes: marks.into_notes(),
        };
        Ok([Trace::Payment(Box::new(made))]
            .into_iter()
            .chain(capture)
            .collect())
    }
}

/// `refund`
#[derive(Deserialize)]
struct Refunded {
    id: String,
    created: Option<i64>,
    amount: Option<StripeAmount>,
    currency: Option<String>,
    metadata: Option<Metadata>,
}

impl Traced for Refunded {
    fn id(&self) -> &str {
        &self.id
    }

    fn traces(self) -> Result<Vec<Trace>, Unreadable> {
        let Some((payment, operation, marks)) = whose(self.metadata) else {
            return Ok(Vec::new());
        };
        let field = Fields("refund");
        let currency = field.currency(self.currency.as_deref())?;
        Ok(vec![Trace::Refund(RefundTrace {
            provider_reference: self.id,
            payment,
            operation,
            asked: marks.read(REQUEST),
            made_at: field.moment(self.created)?,
            amount: field.need(self.amount, "amount")?.to_money(currency)?,
            reference: marks.read(REFERENCE),
        })])
    }
}

/// An event, as far as it shows a payment intent.
#[derive(Deserialize)]
struct Told {
    #[serde(rename = "type")]
    kind: String,
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    object: Made,
}

/// Our payment and the operation that made the object, where it was one of ours.
fn whose(
    metadata: Option<Metadata>,
) -> Option<(
    crate::domain::ids::PaymentId,
    crate::domain::ids::OperationId,
    Metadata,
)> {
    let marks = metadata?;
    Some((marks.payment()?, marks.operation()?, marks))
}

/// The documents of a payment, as its mark names them.
struct Documents(Vec<Settles>);

impl FromStr for Documents {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        if text == "-" {
            return Ok(Self(Vec::new()));
        }
        let one = |text: &str| {
            let mut parts = text.rsplitn(3, ',');
            let amount_minor = parts.next()?.parse().ok()?;
            let id = parts.next()?.parse().ok()?;
            let model = parts.next()?.to_owned();
            Some(Settles {
                model,
                id,
                amount_minor,
            })
        };
        text.split(';')
            .map(one)
            .collect::<Option<_>>()
            .map(Self)
            .ok_or(())
    }
}

fn unreadable(what: Unreadable) -> ProviderError {
    ProviderError::Unavailable {
        message: what.to_string(),
    }
}
