//! Which kinds of methods an intent takes: those that it names, or those that the dashboard switches on.

use serde_json::{Value, json};

use super::cards::Rail;
use super::errors::ApiError;
use super::fields::{Checked, Fields};

/// What SEPA debits are counted in.
const SEPA_CURRENCY: &str = "eur";

/// The kinds of methods that an intent takes.
#[derive(Clone, Debug)]
pub(crate) struct MethodTypes {
    pub(crate) names: Vec<String>,
    /// `allow_redirects`, where the methods come from the dashboard.
    automatic: Option<&'static str>,
}

impl MethodTypes {
    /// Takes `payment_method_types`, or as newer versions call it `allowed_payment_method_types`, and
    /// `automatic_payment_methods`; where neither is given, the dashboard decides.
    pub(crate) fn take(fields: &mut Fields, currency: Option<&str>) -> Checked<Self> {
        let mut names = fields.list("payment_method_types")?;
        names.extend(fields.list("allowed_payment_method_types")?);
        if let Some(other) = names.iter().find(|name| !Rail::WORDS.contains(&name.as_str())) {
            let known = Rail::WORDS;
            let message = format!(
                "The payment method type \"{other}\" is invalid: the pretend Stripe knows {known:?}."
            );
            return Err(ApiError::invalid(message).param("payment_method_types"));
        }
        let automatic = match fields.section("automatic_payment_methods")? {
            None => names.is_empty().then_some("always"),
            Some(mut automatic) => {
                let enabled = automatic.boolean("enabled")?.unwrap_or_default();
                let redirects = automatic.choice("allow_redirects", &["always", "never"])?;
                automatic.finish()?;
                enabled.then_some(redirects.unwrap_or("always"))
            }
        };
        if automatic.is_some() && !names.is_empty() {
            let message = "You may only specify one of these parameters: automatic_payment_methods, payment_method_types.";
            return Err(ApiError::invalid(message));
        }
        let in_euro = currency.is_none_or(|currency| currency == SEPA_CURRENCY);
        if !in_euro && names.iter().any(|name| name == Rail::SepaDebit.word()) {
            let message = format!("The payment method type sepa_debit takes {SEPA_CURRENCY} only.");
            return Err(ApiError::invalid(message).param("currency"));
        }
        let dashboard = match automatic {
            Some(_) if in_euro => &[Rail::Card, Rail::SepaDebit][..],
            Some(_) | None => &[Rail::Card],
        };
        let names = if names.is_empty() {
            dashboard.iter().map(|rail| rail.word().to_owned()).collect()
        } else {
            names
        };
        Ok(Self { names, automatic })
    }

    /// What the intent shows of the dashboard.
    pub(crate) fn automatic(&self) -> Option<Value> {
        self.automatic
            .map(|allow_redirects| json!({ "allow_redirects": allow_redirects, "enabled": true }))
    }

    /// Refuses a kind of method that the intent, called `what`, does not take.
    pub(crate) fn check(&self, rail: Rail, what: &str) -> Checked<()> {
        if self.names.iter().any(|name| name == rail.word()) {
            return Ok(());
        }
        let message = format!(
            "The PaymentMethod provided ({}) is not allowed for this {what}. Allowed: {}.",
            rail.word(),
            self.names.join(", ")
        );
        Err(ApiError::invalid(message).param("payment_method"))
    }

    /// Methods from the dashboard may redirect, so Stripe insists on knowing where to come back to.
    pub(crate) fn check_return_url(&self, return_url: Option<&String>, what: &str) -> Checked<()> {
        if self.automatic == Some("always") && return_url.is_none() {
            let message = format!(
                "This {what} is configured to accept payment methods enabled in your Dashboard. Because some of these \
                 payment methods might redirect your customer off of your page, you must provide a `return_url`, or \
                 set `automatic_payment_methods[allow_redirects]` to `never`."
            );
            return Err(ApiError::invalid(message));
        }
        Ok(())
    }
}
