//! Stripe's objects of the wallet, as little of them as we read, and tolerantly.

use secrecy::SecretString;
use serde::Deserialize;

use super::super::objects::{ErrorObject, Expandable, Identified, Metadata};

/// `customer`
#[derive(Debug, Deserialize)]
pub(in crate::stripe) struct Customer {
    pub(in crate::stripe) id: String,
    pub(in crate::stripe) metadata: Option<Metadata>,
}

/// `payment_method`. Its holder is nothing that we read.
#[derive(Debug, Deserialize)]
pub(in crate::stripe) struct PaymentMethod {
    pub(in crate::stripe) id: String,
    pub(in crate::stripe) customer: Option<Expandable<Identified>>,
    #[serde(rename = "type")]
    pub(in crate::stripe) kind: Option<String>,
    pub(in crate::stripe) card: Option<Details>,
    pub(in crate::stripe) sepa_debit: Option<Details>,
    pub(in crate::stripe) us_bank_account: Option<Details>,
}

/// What a payment method shows under its type.
#[derive(Debug, Deserialize)]
pub(in crate::stripe) struct Details {
    #[serde(alias = "bank_name")]
    pub(in crate::stripe) brand: Option<String>,
    pub(in crate::stripe) last4: Option<String>,
    pub(in crate::stripe) exp_month: Option<i16>,
    pub(in crate::stripe) exp_year: Option<i16>,
    #[serde(alias = "routing_number")]
    pub(in crate::stripe) bank_code: Option<String>,
    pub(in crate::stripe) country: Option<String>,
}

/// `mandate`
#[derive(Debug, Deserialize)]
pub(in crate::stripe) struct Mandate {
    pub(in crate::stripe) id: String,
    pub(in crate::stripe) payment_method: Option<Expandable<Identified>>,
    pub(in crate::stripe) payment_method_details: Option<MandateDetails>,
    pub(in crate::stripe) status: Option<String>,
}

/// What a mandate says of the debits under it.
#[derive(Debug, Deserialize)]
pub(in crate::stripe) struct MandateDetails {
    pub(in crate::stripe) sepa_debit: Option<SepaMandate>,
}

/// What banks and customers call a SEPA mandate by.
#[derive(Debug, Deserialize)]
pub(in crate::stripe) struct SepaMandate {
    pub(in crate::stripe) reference: Option<String>,
    pub(in crate::stripe) url: Option<String>,
}

/// `setup_intent`
#[derive(Debug, Deserialize)]
pub(in crate::stripe) struct SetupIntent {
    pub(in crate::stripe) id: String,
    pub(in crate::stripe) status: Option<String>,
    pub(in crate::stripe) client_secret: Option<SecretString>,
    pub(in crate::stripe) next_action: Option<serde_json::Value>,
    pub(in crate::stripe) last_setup_error: Option<Box<ErrorObject>>,
    pub(in crate::stripe) payment_method: Option<Expandable<PaymentMethod>>,
    pub(in crate::stripe) mandate: Option<Expandable<Mandate>>,
    pub(in crate::stripe) metadata: Option<Metadata>,
}
