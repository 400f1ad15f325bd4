//! Stripe's payouts, accounts, and payments that did not start here: read.

#[cfg(test)]
mod tests;

use async_trait::async_trait;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use stripe_client_core::{RequestBuilder, StripeMethod, StripeRequest};
use stripe_core::charge::RetrieveCharge;
use stripe_core::payment_intent::RetrievePaymentIntent;
use stripe_core::payout::RetrievePayout;
use stripe_shared::{ChargeId, PayoutId};
use time::OffsetDateTime;

use super::Stripe;
use super::compose::{checked, intent_id};
use super::money::StripeAmount;
use super::objects::{Expandable, Identified};
use super::request::{Reads, Request};
use super::snapshots::{Fields, Unreadable, payment_state};
use crate::domain::foreign_payment::ForeignSnapshot;
use crate::domain::money::{Currency, Money};
use crate::domain::payment::PaymentState;
use crate::domain::payout::{PayoutSnapshot, PayoutState};
use crate::domain::snapshot::Said;
use crate::domain::standing::{Requirements, Standing};
use crate::provider::{Affairs, ProviderAccount, ProviderError};

/// `payout`
#[derive(Deserialize)]
pub(super) struct Payout {
    pub(super) id: String,
    amount: Option<StripeAmount>,
    currency: Option<String>,
    status: Option<String>,
    automatic: Option<bool>,
    method: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    arrival_date: Option<i64>,
    reconciliation_status: Option<String>,
    failure_code: Option<String>,
    failure_message: Option<String>,
    balance_transaction: Option<Expandable<Identified>>,
    failure_balance_transaction: Option<Expandable<Identified>>,
    created: Option<i64>,
}

impl TryFrom<Payout> for PayoutSnapshot {
    type Error = Unreadable;

    fn try_from(payout: Payout) -> Result<Self, Unreadable> {
        let field = Fields("payout");
        let currency = field.currency(payout.currency.as_deref())?;
        let word = field.need(payout.status, "status")?;
        let arrives_at = payout.arrival_date.map(OffsetDateTime::from_unix_timestamp);
        Ok(Self {
            provider_reference: payout.id,
            state: match word.as_str() {
                "pending" => Said::Known(PayoutState::Pending),
                "in_transit" => Said::Known(PayoutState::InTransit),
                "paid" => Said::Known(PayoutState::Paid),
                "failed" => Said::Known(PayoutState::Failed),
                "canceled" => Said::Known(PayoutState::Canceled),
                _ => Said::Unrecognized(word),
            },
            amount: field.need(payout.amount, "amount")?.to_money(currency)?,
            is_automatic: field.need(payout.automatic, "automatic")?,
            method: payout.method,
            destination_kind: payout.kind,
            arrives_on: arrives_at.and_then(Result::ok).map(OffsetDateTime::date),
            reconciliation: payout.reconciliation_status,
            failure_code: payout.failure_code,
            failure_message: payout.failure_message,
            balance_transaction: payout.balance_transaction.map(Expandable::into_id),
            failure_balance_transaction: payout.failure_balance_transaction.map(Expandable::into_id),
            opened_at: field.moment(payout.created)?,
        })
    }
}

/// What an `account` says of what it may do, field by field: one of another shape is as one that is missing.
pub(super) fn standing(account: &Value) -> Standing {
    let word = |value: &Value| value.as_str().map(str::to_owned);
    let due = account["requirements"]["currently_due"].as_array();
    Standing {
        charges_enabled: account["charges_enabled"].as_bool(),
        payouts_enabled: account["payouts_enabled"].as_bool(),
        requirements: due.map(|due| Requirements {
            due_count: i32::try_from(due.len()).unwrap_or(i32::MAX),
            disabled_reason: word(&account["requirements"]["disabled_reason"]),
        }),
        country: word(&account["country"]),
        default_currency: word(&account["default_currency"]).map(|code| code.to_ascii_uppercase()),
    }
}

/// `payment_intent`, as far as it tells of a payment that is not ours.
#[derive(Deserialize)]
struct ForeignIntent {
    id: String,
    amount: Option<StripeAmount>,
    amount_received: Option<StripeAmount>,
    currency: Option<String>,
    status: Option<String>,
    created: Option<i64>,
    description: Option<String>,
    latest_charge: Option<Expandable<ForeignCharge>>,
}

/// `charge`, likewise.
#[derive(Deserialize)]
struct ForeignCharge {
    id: String,
    amount: Option<StripeAmount>,
    amount_captured: Option<StripeAmount>,
    amount_refunded: Option<StripeAmount>,
    captured: Option<bool>,
    currency: Option<String>,
    status: Option<String>,
    created: Option<i64>,
    description: Option<String>,
    payment_intent: Option<Expandable<Identified>>,
}

fn minor(amount: Option<StripeAmount>, currency: Currency) -> Result<i64, Unreadable> {
    Ok(amount.map_or(Ok(0), |amount| amount.to_minor(currency))?)
}

fn amount(amount: Option<StripeAmount>, field: Fields, currency: Currency) -> Result<Money, Unreadable> {
    Ok(field.need(amount, "amount")?.to_money(currency)?)
}

impl TryFrom<ForeignIntent> for ForeignSnapshot {
    type Error = Unreadable;

    fn try_from(intent: ForeignIntent) -> Result<Self, Unreadable> {
        let field = Fields("payment_intent");
        let currency = field.currency(intent.currency.as_deref())?;
        let captured_minor = minor(intent.amount_received, currency)?;
        let charge = intent
            .latest_charge
            .and_then(Expandable::into_whole)
            .filter(|charge| charge.status.as_deref() != Some("failed"));
        let refunded = charge.as_ref().and_then(|charge| charge.amount_refunded);
        let charged_at = charge
            .as_ref()
            .and_then(|charge| field.moment(charge.created).ok());
        Ok(Self {
            provider_reference: intent.id,
            state: match payment_state(field.need(intent.status, "status")?) {
                Said::Known(PaymentState::Canceled) if captured_minor > 0 => {
                    Said::Known(PaymentState::Captured)
                }
                state @ (Said::Known(_) | Said::Unrecognized(_)) => state,
            },
            amount: amount(intent.amount, field, currency)?,
            captured_minor,
            refunded_minor: minor(refunded, currency)?,
            captured_at: charged_at.filter(|_| captured_minor > 0),
            charge_reference: charge.map(|charge| charge.id),
            description: intent.description,
            opened_at: field.moment(intent.created)?,
        })
    }
}

impl TryFrom<ForeignCharge> for ForeignSnapshot {
    type Error = Unreadable;

    fn try_from(charge: ForeignCharge) -> Result<Self, Unreadable> {
        let field = Fields("charge");
        let currency = field.currency(charge.currency.as_deref())?;
        let amount = amount(charge.amount, field, currency)?;
        let is_captured = charge.captured == Some(true);
        let captured_minor = match charge.amount_captured {
            Some(captured) => captured.to_minor(currency)?,
            None if is_captured => amount.minor,
            None => 0,
        };
        let opened_at = field.moment(charge.created)?;
        let word = field.need(charge.status, "status")?;
        Ok(Self {
            provider_reference: charge
                .payment_intent
                .map_or_else(|| charge.id.clone(), Expandable::into_id),
            state: match word.as_str() {
                "succeeded" if is_captured => Said::Known(PaymentState::Captured),
                "succeeded" => Said::Known(PaymentState::Authorized),
                "pending" => Said::Known(PaymentState::Processing),
                "failed" => Said::Known(PaymentState::Canceled),
                _ => Said::Unrecognized(word),
            },
            amount,
            captured_minor,
            refunded_minor: minor(charge.amount_refunded, currency)?,
            charge_reference: Some(charge.id),
            description: charge.description,
            opened_at,
            captured_at: Some(opened_at).filter(|_| captured_minor > 0),
        })
    }
}

/// `GET /v1/account`: the account that the key is of, or that the call is made for. async-stripe has it in a package of its
/// own that nothing else here needs.
struct RetrieveAccount;

impl StripeRequest for RetrieveAccount {
    type Output = ();

    fn build(&self) -> RequestBuilder {
        RequestBuilder::new(StripeMethod::Get, "/account")
    }
}

impl Reads for RetrieveAccount {}
impl Reads for RetrievePayout {}
impl Reads for RetrieveCharge {}

impl Stripe {
    async fn look<T: DeserializeOwned>(
        &self,
        account: &ProviderAccount,
        request: &impl Reads,
    ) -> Result<T, ProviderError> {
        let deadline = self.http.deadline();
        Ok(self.http.send(account, &Request::read(request), deadline).await?)
    }
}

#[async_trait]
impl Affairs for Stripe {
    async fn fetch_payout(
        &self,
        account: &ProviderAccount,
        reference: &str,
    ) -> Result<PayoutSnapshot, ProviderError> {
        let id = PayoutId::from(checked(reference)?);
        let payout: Payout = self.look(account, &RetrievePayout::new(id)).await?;
        payout
            .try_into()
            .map_err(|what: Unreadable| ProviderError::Unavailable {
                message: what.to_string(),
            })
    }

    async fn fetch_standing(&self, account: &ProviderAccount) -> Result<Standing, ProviderError> {
        let read: Value = self.look(account, &RetrieveAccount).await?;
        Ok(standing(&read))
    }

    async fn fetch_foreign(
        &self,
        account: &ProviderAccount,
        reference: &str,
    ) -> Result<ForeignSnapshot, ProviderError> {
        let said = if reference.starts_with("pi_") {
            let expand = [String::from("latest_charge")];
            let request = RetrievePaymentIntent::new(intent_id(reference)?).expand(expand);
            let intent: ForeignIntent = self.look(account, &request).await?;
            intent.try_into()
        } else {
            let id = ChargeId::from(checked(reference)?);
            let charge: ForeignCharge = self.look(account, &RetrieveCharge::new(id)).await?;
            charge.try_into()
        };
        said.map_err(|what: Unreadable| ProviderError::Invalid {
            code: "unreadable".to_owned(),
            message: what.to_string(),
            param: None,
        })
    }
}
