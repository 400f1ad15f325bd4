//! Customers and their payment methods at Stripe.

mod compose;
pub(super) mod objects;
mod snapshots;

use async_trait::async_trait;
use serde::de::DeserializeOwned;
use stripe_core::customer::{ListCustomer, ListPaymentMethodsCustomer, SearchCustomer};
use stripe_core::mandate::RetrieveMandate;
use stripe_core::setup_intent::{ListSetupIntent, RetrieveSetupIntent};
use stripe_payment::payment_method::{DetachPaymentMethod, RetrievePaymentMethod};
use stripe_types::{RangeBoundsTs, RangeQueryTs};
use time::Duration;

use super::Stripe;
use super::objects::{CUSTOMER, Identified, Metadata, Page};
use super::request::Request;
use super::series::Failure;
use super::snapshots::Unreadable;
use crate::domain::customer::Customer;
use crate::domain::ids::OperationId;
use crate::domain::snapshot::{CustomerSnapshot, MandateSnapshot, PaymentMethodSnapshot, SetupSnapshot};
use crate::provider::{Ambiguity, NewSetup, ProviderAccount, ProviderError, Wallet};

use compose::{SAVED, part_of_path};

/// How many objects are read at a time: the most that Stripe gives.
const PAGE: i64 = 100;
/// How many pages one list may have.
const MOST_PAGES: usize = 10;

/// How much earlier than we asked for it, by our clock, Stripe may have made a customer by its own, and how much later.
const EARLIER: Duration = Duration::minutes(5);
const LATER: Duration = Duration::minutes(10);

impl Stripe {
    async fn ask<T: DeserializeOwned>(
        &self,
        account: &ProviderAccount,
        request: &Request,
    ) -> Result<T, Failure> {
        self.http.send(account, request, self.http.deadline()).await
    }

    /// Reads a list page by page, until `enough`.
    async fn read_all<T: DeserializeOwned>(
        &self,
        account: &ProviderAccount,
        page_after: impl Fn(Option<String>) -> Request,
        id_of: impl Fn(&T) -> String,
        enough: impl Fn(&[T]) -> bool,
    ) -> Result<Vec<T>, ProviderError> {
        let mut all = Vec::new();
        for _ in 0..MOST_PAGES {
            let page: Page<T> = self.ask(account, &page_after(all.last().map(&id_of))).await?;
            let ended = !page.has_more || page.data.is_empty();
            all.extend(page.data);
            if ended || enough(&all) {
                return Ok(all);
            }
        }
        Err(ProviderError::Unavailable {
            message: "a list has more pages than can be read".to_owned(),
        })
    }

    async fn search_customer(
        &self,
        account: &ProviderAccount,
        customer: &Customer,
    ) -> Result<Option<CustomerSnapshot>, ProviderError> {
        let search = SearchCustomer::new(format!("metadata['{CUSTOMER}']:'{}'", customer.id));
        let found: Page<objects::Customer> = self.ask(account, &Request::read(&search)).await?;
        Ok(pick(found.data, customer))
    }

    async fn list_customer(
        &self,
        account: &ProviderAccount,
        customer: &Customer,
    ) -> Result<Option<CustomerSnapshot>, ProviderError> {
        let created = RangeQueryTs::Bounds(RangeBoundsTs {
            gt: None,
            gte: Some((customer.first_sent_at - EARLIER).unix_timestamp()),
            lt: None,
            lte: Some((customer.first_sent_at + LATER).unix_timestamp()),
        });
        let page_after = |last: Option<String>| {
            let list = ListCustomer::new().created(created).limit(PAGE);
            Request::read(&match last {
                Some(previous) => list.starting_after(previous),
                None => list,
            })
        };
        let is_it = |found: &objects::Customer| {
            found.metadata.as_ref().and_then(Metadata::customer) == Some(customer.id)
        };
        let enough = |all: &[objects::Customer]| all.iter().any(is_it);
        let all = self
            .read_all(
                account,
                page_after,
                |found: &objects::Customer| found.id.clone(),
                enough,
            )
            .await?;
        Ok(pick(all, customer))
    }
}

fn pick(found: Vec<objects::Customer>, customer: &Customer) -> Option<CustomerSnapshot> {
    let mut found = found.into_iter().map(CustomerSnapshot::from);
    found.find(|found| found.customer == Some(customer.id))
}

/// Why a person could not be told of. Stripe repeats what it does not like, and errors are logged: its words are left out.
fn impersonal(failure: Failure) -> ProviderError {
    match failure.into() {
        ProviderError::Invalid { code, param, .. } => ProviderError::Invalid {
            code,
            message: match &param {
                Some(param) => format!("{param} is not accepted"),
                None => "the customer is not accepted".to_owned(),
            },
            param,
        },
        error @ (ProviderError::Auth
        | ProviderError::Lacks { .. }
        | ProviderError::RateLimited { .. }
        | ProviderError::Unavailable { .. }
        | ProviderError::Ambiguous { .. }) => error,
    }
}

/// What was read, in our words.
fn read<T, O: TryInto<T, Error = Unreadable>>(object: O) -> Result<T, ProviderError> {
    object.try_into().map_err(|what| ProviderError::Unavailable {
        message: what.to_string(),
    })
}

/// What was done, in our words.
fn done<T, O: TryInto<T, Error = Unreadable>>(object: O) -> Result<T, ProviderError> {
    object.try_into().map_err(|what| ProviderError::Ambiguous {
        ambiguity: Ambiguity::NoAnswer,
        message: format!("done, but {what}"),
    })
}

#[async_trait]
impl Wallet for Stripe {
    async fn create_customer(
        &self,
        account: &ProviderAccount,
        customer: &Customer,
    ) -> Result<CustomerSnapshot, ProviderError> {
        let request = Request::keep(&compose::create_customer(customer), customer.key());
        let made = self.ask::<objects::Customer>(account, &request).await;
        made.map(Into::into).map_err(impersonal)
    }

    async fn update_customer(
        &self,
        account: &ProviderAccount,
        key: OperationId,
        customer: &Customer,
    ) -> Result<(), ProviderError> {
        let id = part_of_path(customer.provider_reference.as_deref().unwrap_or_default())?;
        let request = Request::keep(&compose::update_customer(id, customer), key);
        let changed = self.ask::<Identified>(account, &request).await;
        changed.map(|_| ()).map_err(impersonal)
    }

    /// By search, else in the list of the time in which it was asked for: search is up to an hour behind and not offered
    /// everywhere; the list never is behind, but may be long.
    async fn find_customer(
        &self,
        account: &ProviderAccount,
        customer: &Customer,
    ) -> Result<Option<CustomerSnapshot>, ProviderError> {
        match self.search_customer(account, customer).await {
            Ok(None) | Err(ProviderError::Invalid { .. }) => self.list_customer(account, customer).await,
            found => found,
        }
    }

    async fn start_setup(
        &self,
        account: &ProviderAccount,
        new: NewSetup<'_>,
    ) -> Result<SetupSnapshot, ProviderError> {
        let request = Request::keep(&compose::start_setup(new), new.setup.key());
        match self.ask::<objects::SetupIntent>(account, &request).await {
            Ok(intent) => done(intent),
            Err(Failure::Refused(refusal)) => refusal.into_setup(),
            Err(Failure::Failed(error)) => Err(error),
        }
    }

    async fn find_setup(
        &self,
        account: &ProviderAccount,
        new: NewSetup<'_>,
    ) -> Result<Option<SetupSnapshot>, ProviderError> {
        let page_after = |last: Option<String>| {
            let list = ListSetupIntent::new()
                .customer(new.customer_reference)
                .limit(PAGE)
                .expand(SAVED.map(|part| format!("data.{part}")));
            Request::read(&match last {
                Some(previous) => list.starting_after(previous),
                None => list,
            })
        };
        let is_it = |intent: &objects::SetupIntent| {
            intent.metadata.as_ref().and_then(Metadata::setup) == Some(new.setup.id)
        };
        let enough = |all: &[objects::SetupIntent]| all.iter().any(is_it);
        let all = self
            .read_all(
                account,
                page_after,
                |intent: &objects::SetupIntent| intent.id.clone(),
                enough,
            )
            .await?;
        all.into_iter().find(is_it).map(read).transpose()
    }

    async fn fetch_setup(
        &self,
        account: &ProviderAccount,
        reference: &str,
    ) -> Result<SetupSnapshot, ProviderError> {
        let retrieve = RetrieveSetupIntent::new(part_of_path(reference)?).expand(SAVED.map(str::to_owned));
        let intent: objects::SetupIntent = self.ask(account, &Request::read(&retrieve)).await?;
        read(intent)
    }

    async fn list_methods(
        &self,
        account: &ProviderAccount,
        customer_reference: &str,
    ) -> Result<Vec<PaymentMethodSnapshot>, ProviderError> {
        let id = part_of_path(customer_reference)?;
        let page_after = |last: Option<String>| {
            let list = ListPaymentMethodsCustomer::new(id).limit(PAGE);
            Request::read(&match last {
                Some(previous) => list.starting_after(previous),
                None => list,
            })
        };
        let id_of = |method: &objects::PaymentMethod| method.id.clone();
        let all = self.read_all(account, page_after, id_of, |_| false).await?;
        all.into_iter().map(read).collect()
    }

    async fn fetch_method(
        &self,
        account: &ProviderAccount,
        reference: &str,
    ) -> Result<Option<PaymentMethodSnapshot>, ProviderError> {
        let retrieve = RetrievePaymentMethod::new(part_of_path(reference)?);
        match self
            .ask::<objects::PaymentMethod>(account, &Request::read(&retrieve))
            .await
        {
            Ok(method) => read(method).map(Some),
            Err(Failure::Refused(refusal)) if refusal.of_nothing() => Ok(None),
            Err(failure) => Err(failure.into()),
        }
    }

    async fn detach_method(
        &self,
        account: &ProviderAccount,
        key: OperationId,
        reference: &str,
    ) -> Result<PaymentMethodSnapshot, ProviderError> {
        let detach = DetachPaymentMethod::new(part_of_path(reference)?);
        match self
            .ask::<objects::PaymentMethod>(account, &Request::keep(&detach, key))
            .await
        {
            Ok(method) => done(method),
            // Whoever detached it, it may be done: reading tells.
            Err(Failure::Refused(refusal)) => match self.fetch_method(account, reference).await? {
                Some(method) if method.customer_reference.is_none() => Ok(method),
                Some(_) | None => Err(refusal.into_error()),
            },
            Err(Failure::Failed(error)) => Err(error),
        }
    }

    async fn fetch_mandate(
        &self,
        account: &ProviderAccount,
        reference: &str,
    ) -> Result<MandateSnapshot, ProviderError> {
        let retrieve = RetrieveMandate::new(part_of_path(reference)?);
        let mandate: objects::Mandate = self.ask(account, &Request::read(&retrieve)).await?;
        read(mandate)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use super::super::refusal::Refusal;
    use super::*;

    #[test]
    fn what_stripe_repeats_of_a_person_is_left_out_of_the_error() {
        let body = br#"{"error":{"type":"invalid_request_error","code":"email_invalid","param":"email",
            "message":"Invalid email address: ada@shop"}}"#;
        let refusal = Refusal::parse(body).unwrap();
        let error = impersonal(Failure::Refused(Box::new(refusal)));
        assert_eq!(
            error.told(),
            "the provider refused the request: email_invalid: email is not accepted"
        );
    }
}
