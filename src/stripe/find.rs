//! Reading: what became of an operation, and how a payment stands.

use serde::de::DeserializeOwned;
use stripe_checkout::checkout_session::{ListCheckoutSession, RetrieveCheckoutSession};
use stripe_core::balance_transaction::ListBalanceTransaction;
use stripe_core::payment_intent::{ListPaymentIntent, RetrievePaymentIntent, SearchPaymentIntent};
use stripe_core::refund::ListRefund;
use stripe_shared::PaymentIntentId;
use stripe_types::{RangeBoundsTs, RangeQueryTs};
use time::Duration;
use tokio::time::Instant;

use super::compose::{CHARGE_LINE, intent_id, session_id};
use super::objects::{
    BalanceTransaction, Charge, CheckoutSession, Expandable, Metadata, OPERATION, Page, PaymentIntent, Refund,
};
use super::request::Request;
use super::series::StripeHttp;
use super::snapshots::{Described, Unreadable};
use crate::domain::operation::{Operation, OperationKind};
use crate::domain::payment::PaymentState;
use crate::domain::snapshot::{PaymentSnapshot, Said, Snapshot};
use crate::provider::{Call, Outcome, ProviderAccount, ProviderError};

/// How many objects are read at a time: the most that Stripe gives.
const PAGE: i64 = 100;
/// How many pages one list may have.
const MOST_PAGES: usize = 10;

/// How much earlier than we sent it, by our clock, Stripe may have made an intent by its own, and how much later.
const EARLIER: Duration = Duration::minutes(5);
const LATER: Duration = Duration::minutes(10);

/// Looks up what became of an operation.
pub(super) async fn find(
    http: &StripeHttp,
    account: &ProviderAccount,
    call: Call<'_>,
    deadline: Instant,
) -> Result<Option<Outcome>, ProviderError> {
    let Call { payment, operation } = call;
    let reader = Reader {
        http,
        account,
        deadline,
    };
    if let Some(page) = &operation.ask.checkout_reference {
        return reader.find_closed(page).await;
    }
    if operation.kind == OperationKind::Checkout {
        return reader.find_page(operation).await;
    }
    let intent = match (payment.provider_reference.as_deref(), operation.kind) {
        (Some(reference), OperationKind::Refund) => {
            return reader.find_refund(&intent_id(reference)?, operation).await;
        }
        (Some(reference), _) => reader.intent(intent_id(reference)?, &[CHARGE_LINE]).await?,
        (None, OperationKind::Authorize) => match reader.made_by(operation).await? {
            Some(intent) => intent,
            None => return Ok(None),
        },
        (None, _) => return Ok(None),
    };
    let captured_by = intent.metadata.as_ref().and_then(Metadata::capture);
    let said = PaymentSnapshot::try_from(intent).map_err(unreadable)?;
    Ok(match operation.kind {
        // An intent that still waits for a method, and tells of no decline, was not tried.
        OperationKind::Confirm
            if said.state == Said::Known(PaymentState::Created) && said.decline.is_none() =>
        {
            None
        }
        OperationKind::Authorize | OperationKind::Confirm => Some(authorized(said, operation)),
        // The mark is set with the capture or not at all. One of another operation says that this one took nothing;
        // without any, someone else took the money, which is what was asked for.
        OperationKind::Capture if captured_by == Some(operation.id) => Some(done(said)),
        OperationKind::Capture
            if captured_by.is_none() && said.state == Said::Known(PaymentState::Captured) =>
        {
            Some(done(said))
        }
        OperationKind::Cancel if said.state == Said::Known(PaymentState::Canceled) => Some(done(said)),
        // What was captured before the rest was let go stays captured.
        OperationKind::Cancel
            if said.state == Said::Known(PaymentState::Captured)
                && said.captured_minor > 0
                && said.captured_minor == payment.amount.minor() - operation.amount_minor =>
        {
            Some(done(said))
        }
        OperationKind::Checkout | OperationKind::Capture | OperationKind::Cancel | OperationKind::Refund => {
            None
        }
    })
}

/// Reads a page on which a payment is paid.
pub(super) async fn fetch_session(
    http: &StripeHttp,
    account: &ProviderAccount,
    reference: &str,
) -> Result<Snapshot, ProviderError> {
    let reader = Reader {
        http,
        account,
        deadline: http.deadline(),
    };
    reader.session(reference).await?.describe().map_err(unreadable)
}

/// Reads a payment with its charge, ledger lines and refunds.
pub(super) async fn fetch(
    http: &StripeHttp,
    account: &ProviderAccount,
    reference: &str,
) -> Result<Snapshot, ProviderError> {
    let reader = Reader {
        http,
        account,
        deadline: http.deadline(),
    };
    let id = intent_id(reference)?;
    let mut intent = reader
        .intent(id.clone(), &[CHARGE_LINE, "latest_charge.refunds"])
        .await?;
    if let Some(Expandable::Whole(charge)) = &mut intent.latest_charge
        && charge.in_several_parts()
    {
        charge.lines = Some(reader.lines(&charge.id).await?);
    }
    // Expansions go four levels deep and show ten refunds: enough to know that there are any.
    if let Some(Expandable::Whole(charge)) = &mut intent.latest_charge
        && charge.has_refunds()
    {
        charge.refunds = Some(Page {
            data: reader.refunds(&id).await?,
            has_more: false,
        });
    }
    intent.describe().map_err(unreadable)
}

struct Reader<'a> {
    http: &'a StripeHttp,
    account: &'a ProviderAccount,
    deadline: Instant,
}

impl Reader<'_> {
    async fn read<T: DeserializeOwned>(&self, request: Request) -> Result<T, ProviderError> {
        Ok(self.http.send(self.account, &request, self.deadline).await?)
    }

    async fn intent(&self, id: PaymentIntentId, expand: &[&str]) -> Result<PaymentIntent, ProviderError> {
        let expand: Vec<String> = expand.iter().map(|&path| path.to_owned()).collect();
        self.read(Request::read(&RetrievePaymentIntent::new(id).expand(expand)))
            .await
    }

    /// The intent that an operation made: by search, else in the list of the time in which it was sent.
    ///
    /// Search is up to an hour behind and not offered everywhere; the list never is behind, but may be long.
    async fn made_by(&self, operation: &Operation) -> Result<Option<PaymentIntent>, ProviderError> {
        match self.search(operation).await {
            Ok(None) | Err(ProviderError::Invalid { .. }) => self.listed(operation).await,
            found => found,
        }
    }

    async fn listed(&self, operation: &Operation) -> Result<Option<PaymentIntent>, ProviderError> {
        let mut after: Option<String> = None;
        for _ in 0..MOST_PAGES {
            let mut list = ListPaymentIntent::new()
                .created(around(operation))
                .limit(PAGE)
                .expand([format!("data.{CHARGE_LINE}")]);
            if let Some(last) = after {
                list = list.starting_after(last);
            }
            let page: Page<PaymentIntent> = self.read(Request::read(&list)).await?;
            after = page
                .data
                .last()
                .filter(|_| page.has_more)
                .map(|last| last.id.clone());
            let mut intents = page.data.into_iter();
            let found = intents.find(|intent| made_by(intent.metadata.as_ref(), operation));
            if found.is_some() || after.is_none() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    async fn search(&self, operation: &Operation) -> Result<Option<PaymentIntent>, ProviderError> {
        let search = SearchPaymentIntent::new(format!("metadata['{OPERATION}']:'{}'", operation.id))
            .expand([format!("data.{CHARGE_LINE}")]);
        let found: Page<PaymentIntent> = self.read(Request::read(&search)).await?;
        Ok(found
            .data
            .into_iter()
            .find(|intent| made_by(intent.metadata.as_ref(), operation)))
    }

    /// The page that an operation opened: in the list of the time in which it was asked for.
    async fn find_page(&self, operation: &Operation) -> Result<Option<Outcome>, ProviderError> {
        let mut after: Option<String> = None;
        for _ in 0..MOST_PAGES {
            let mut list = ListCheckoutSession::new().created(around(operation)).limit(PAGE);
            if let Some(last) = after {
                list = list.starting_after(last);
            }
            let page: Page<CheckoutSession> = self.read(Request::read(&list)).await?;
            after = page
                .data
                .last()
                .filter(|_| page.has_more)
                .map(|last| last.id.clone());
            let mut sessions = page.data.into_iter();
            let found = sessions.find(|session| made_by(session.metadata.as_ref(), operation));
            if let Some(session) = found {
                return session
                    .describe()
                    .map(Outcome::Done)
                    .map(Some)
                    .map_err(unreadable);
            }
            if after.is_none() {
                break;
            }
        }
        Ok(None)
    }

    /// A page that was to be closed, where it is.
    async fn find_closed(&self, reference: &str) -> Result<Option<Outcome>, ProviderError> {
        let session = self.session(reference).await?;
        let closed = session.status.as_deref() == Some("expired");
        let said = session.describe().map_err(unreadable)?;
        Ok(closed.then_some(Outcome::Done(said)))
    }

    async fn session(&self, reference: &str) -> Result<CheckoutSession, ProviderError> {
        let id = session_id(reference)?;
        self.read(Request::read(&RetrieveCheckoutSession::new(id))).await
    }

    /// The ledger lines of a charge, oldest first. Fifty captures are the most that there can be.
    async fn lines(&self, charge: &str) -> Result<Vec<BalanceTransaction>, ProviderError> {
        let list = ListBalanceTransaction::new().source(charge).limit(PAGE);
        let page: Page<BalanceTransaction> = self.read(Request::read(&list)).await?;
        let mut lines = page.data;
        lines.reverse();
        Ok(lines)
    }

    async fn find_refund(
        &self,
        id: &PaymentIntentId,
        operation: &Operation,
    ) -> Result<Option<Outcome>, ProviderError> {
        let refunds = self.refunds(id).await?;
        let found = refunds
            .into_iter()
            .find(|refund| made_by(refund.metadata.as_ref(), operation));
        found
            .map(|refund| refund.describe().map(Outcome::Done).map_err(unreadable))
            .transpose()
    }

    /// All refunds of a payment with their ledger lines, the latest first.
    async fn refunds(&self, id: &PaymentIntentId) -> Result<Vec<Refund>, ProviderError> {
        let mut refunds: Vec<Refund> = Vec::new();
        for _ in 0..MOST_PAGES {
            let mut list = ListRefund::new()
                .payment_intent(id.to_string())
                .limit(PAGE)
                .expand(["data.balance_transaction".to_owned()]);
            if let Some(last) = refunds.last() {
                list = list.starting_after(&last.id);
            }
            let page: Page<Refund> = self.read(Request::read(&list)).await?;
            let ended = !page.has_more || page.data.is_empty();
            refunds.extend(page.data);
            if ended {
                return Ok(refunds);
            }
        }
        Err(ProviderError::Unavailable {
            message: "a payment has more refunds than can be read".to_owned(),
        })
    }
}

impl Charge {
    fn has_refunds(&self) -> bool {
        self.refunds
            .as_ref()
            .is_some_and(|page| !page.data.is_empty() || page.has_more)
    }
}

/// The time in which Stripe made what an operation asked for.
fn around(operation: &Operation) -> RangeQueryTs {
    RangeQueryTs::Bounds(RangeBoundsTs {
        gt: None,
        gte: Some((operation.first_sent_at - EARLIER).unix_timestamp()),
        lt: None,
        lte: Some((operation.first_sent_at + LATER).unix_timestamp()),
    })
}

fn made_by(metadata: Option<&Metadata>, operation: &Operation) -> bool {
    metadata.and_then(Metadata::operation) == Some(operation.id)
}

/// An attempt with a saved method that left the intent waiting for another method was declined.
fn authorized(said: PaymentSnapshot, operation: &Operation) -> Outcome {
    match &said.decline {
        Some(decline)
            if operation.ask.payment_method.is_some() && said.state == Said::Known(PaymentState::Created) =>
        {
            Outcome::Declined {
                decline: decline.clone(),
                snapshot: Some(Snapshot::Payment(said)),
            }
        }
        Some(_) | None => done(said),
    }
}

const fn done(said: PaymentSnapshot) -> Outcome {
    Outcome::Done(Snapshot::Payment(said))
}

fn unreadable(what: Unreadable) -> ProviderError {
    ProviderError::Unavailable {
        message: what.to_string(),
    }
}
