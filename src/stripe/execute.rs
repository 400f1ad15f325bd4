//! Carrying out one operation.

use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::compose::compose;
use super::find::find;
use super::objects::{CheckoutSession, PaymentIntent, Refund};
use super::request::Request;
use super::series::{Failure, StripeHttp};
use super::snapshots::Described;
use crate::domain::operation::OperationKind;
use crate::provider::{Ambiguity, Call, Outcome, ProviderAccount, ProviderError};

/// Carries out an operation under its key.
pub(super) async fn execute(
    http: &StripeHttp,
    account: &ProviderAccount,
    call: Call<'_>,
) -> Result<Outcome, ProviderError> {
    let deadline = http.deadline();
    let request = compose(call)?;
    match call.operation.kind {
        OperationKind::Checkout => {
            carry_out::<CheckoutSession>(http, account, call, &request, deadline).await
        }
        OperationKind::Cancel if call.operation.ask.checkout_reference.is_some() => {
            carry_out::<CheckoutSession>(http, account, call, &request, deadline).await
        }
        OperationKind::Authorize
        | OperationKind::Confirm
        | OperationKind::Capture
        | OperationKind::Cancel => carry_out::<PaymentIntent>(http, account, call, &request, deadline).await,
        OperationKind::Refund => carry_out::<Refund>(http, account, call, &request, deadline).await,
    }
}

async fn carry_out<T: DeserializeOwned + Described>(
    http: &StripeHttp,
    account: &ProviderAccount,
    call: Call<'_>,
    request: &Request,
    deadline: Instant,
) -> Result<Outcome, ProviderError> {
    match http.send::<T>(account, request, deadline).await {
        Ok(object) => object
            .describe()
            .map(Outcome::Done)
            .map_err(|unreadable| ProviderError::Ambiguous {
                ambiguity: Ambiguity::NoAnswer,
                message: format!("done, but {unreadable}"),
            }),
        // The object has moved on. Where Stripe lost the answer of an earlier attempt before storing it, it was
        // this operation that moved it, so "cannot" may mean "did". Reading tells: what carried this operation out
        // bears its id. Without a trace of it the refusal stands, since reads by id are never behind.
        Err(Failure::Refused(refusal)) if refusal.of_the_state() => {
            match find(http, account, call, deadline).await {
                Ok(Some(outcome)) => Ok(outcome),
                Ok(None) => Err(refusal.into_error()),
                Err(error) => Err(ProviderError::Ambiguous {
                    ambiguity: Ambiguity::NoAnswer,
                    message: format!("refused as the object stands, and then {error}"),
                }),
            }
        }
        Err(Failure::Refused(refusal)) => refusal.into_outcome(),
        Err(Failure::Failed(error)) => Err(error),
    }
}
