//! What is asked for when a payment is created, and how it is checked.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Problem;
use super::check::{check_text, check_token, check_url, parse_id};
use crate::app::payments::NewPayment;
use crate::domain::money::{Amount, Currency};
use crate::domain::payment::{CaptureMethod, Reference};
use crate::domain::posting::Settles;

/// What to ask a customer for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateBody {
    /// `acc_…`; may be left out where the merchant has one account of the key's mode.
    provider_account: Option<String>,
    /// `odo_…`; may be left out where the merchant has one instance, or none.
    odoo_instance: Option<String>,
    /// Odoo's own reference of the transaction: 1 to 255 characters. One living payment has it at a time.
    reference: String,
    /// Whole minor units: 12100 is EUR 121.00.
    amount_minor: i64,
    /// ISO 4217, such as `EUR`.
    currency: String,
    /// When the money is taken; `automatic` by default.
    #[serde(default)]
    capture_method: CaptureMethod,
    /// A saved payment method (`pm_…`) to confirm with at once, without the customer.
    payment_method: Option<String>,
    /// Where the customer returns to after 3-D Secure: an absolute http or https URL.
    return_url: Option<String>,
    /// For people; no card numbers.
    description: Option<String>,
    /// Your own notes: up to 40 keys of 40 characters with values of 500; no card numbers.
    #[serde(default)]
    metadata: BTreeMap<String, String>,
    /// The documents of Odoo that it settles.
    #[serde(default)]
    settles: Vec<SettlesBody>,
}

/// A document of Odoo that a payment settles.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SettlesBody {
    /// Odoo's model, such as `account.move`.
    model: String,
    /// The record's id.
    id: i64,
    /// The part of the payment meant for it, in minor units.
    amount_minor: i64,
}

impl From<&Settles> for SettlesBody {
    fn from(settles: &Settles) -> Self {
        Self {
            model: settles.model.clone(),
            id: settles.id,
            amount_minor: settles.amount_minor,
        }
    }
}

impl CreateBody {
    /// Takes the body for a payment to ask for, or names the first field that cannot be right.
    pub(super) fn parse(self) -> Result<NewPayment, Problem> {
        let currency: Currency = self
            .currency
            .parse()
            .map_err(|error| Problem::invalid("currency", "unknown_currency", error))?;
        let amount = Amount::parse(self.amount_minor, currency)
            .map_err(|error| Problem::invalid("amount_minor", "invalid_amount", error))?;
        let reference = Reference::parse(self.reference)
            .map_err(|error| Problem::invalid("reference", "invalid_reference", error))?;
        if let Some(description) = &self.description {
            check_text("description", description, 1_000)?;
        }
        check_metadata(&self.metadata)?;
        if let Some(method) = &self.payment_method {
            check_token("payment_method", method)?;
        }
        if let Some(url) = &self.return_url {
            check_url("return_url", url)?;
        }
        Ok(NewPayment {
            provider_account: parse_id("provider_account", self.provider_account.as_deref())?,
            odoo_instance: parse_id("odoo_instance", self.odoo_instance.as_deref())?,
            reference,
            amount,
            capture_method: self.capture_method,
            payment_method: self.payment_method,
            return_url: self.return_url,
            description: self.description,
            metadata: self.metadata,
            settles: parse_settles(&self.settles, amount)?,
        })
    }
}

fn parse_settles(settles: &[SettlesBody], amount: Amount) -> Result<Vec<Settles>, Problem> {
    if settles.len() > 100 {
        return Err(Problem::invalid(
            "settles",
            "too_many",
            "may name 100 documents at most",
        ));
    }
    let mut rest = amount.minor();
    settles
        .iter()
        .enumerate()
        .map(|(index, document)| {
            check_model(&format!("settles[{index}].model"), &document.model)?;
            if document.id < 1 {
                return Err(Problem::invalid(
                    format!("settles[{index}].id"),
                    "invalid_id",
                    "must be at least 1",
                ));
            }
            let field = format!("settles[{index}].amount_minor");
            if document.amount_minor < 1 || document.amount_minor > rest {
                let message = format!("must be from 1 to what is left of the payment, {rest}");
                return Err(Problem::invalid(field, "invalid_amount", message));
            }
            rest -= document.amount_minor;
            Ok(Settles {
                model: document.model.clone(),
                id: document.id,
                amount_minor: document.amount_minor,
            })
        })
        .collect()
}

fn check_model(field: &str, model: &str) -> Result<(), Problem> {
    let fits = (1..=64).contains(&model.len())
        && model
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._".contains(&byte));
    if fits {
        Ok(())
    } else {
        Err(Problem::invalid(
            field,
            "invalid_model",
            "must be a model of Odoo, such as account.move",
        ))
    }
}

fn check_metadata(metadata: &BTreeMap<String, String>) -> Result<(), Problem> {
    if metadata.len() > 40 {
        return Err(Problem::invalid(
            "metadata",
            "too_many",
            "may have 40 keys at most",
        ));
    }
    for (key, value) in metadata {
        if key.is_empty() || key.starts_with("quittance_") || key.contains(['[', ']']) {
            let message = "keys must not be empty, start with quittance_ or hold brackets";
            return Err(Problem::invalid("metadata", "invalid_key", message));
        }
        check_text("metadata", key, 40)?;
        check_text(&format!("metadata.{key}"), value, 500)?;
    }
    Ok(())
}
