//! The customer: a browser with the publishable key, and nothing that a merchant knows.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use reqwest::header::LOCATION;
use serde_json::Value;

use super::service::Service;
use super::state::Row;

/// Plays the customer over real HTTP.
#[derive(Clone, Debug)]
pub struct Shopper {
    pub(crate) service: Arc<Service>,
    pub(crate) client: reqwest::Client,
}

impl Shopper {
    /// Pays an intent with a card. A decline is part of what Stripe answers: look at `error`.
    pub async fn confirm(&self, intent: &str, client_secret: &str, payment_method: &str) -> Result<Value> {
        let settings = &self.service.settings;
        let url = format!("{}/v1/payment_intents/{intent}/confirm", settings.base_url());
        let response = self
            .client
            .post(url)
            .bearer_auth(&settings.publishable_key)
            .form(&[
                ("client_secret", client_secret),
                ("payment_method", payment_method),
            ])
            .send()
            .await
            .context("confirming as the customer")?;
        response
            .json()
            .await
            .context("reading Stripe's answer to the customer")
    }

    /// Goes to the bank's page of an intent and says yes or no. Returns where the customer is sent back to.
    pub async fn authenticate(&self, intent: &str, succeed: bool) -> Result<Option<String>> {
        let page = self
            .page_of(intent)
            .with_context(|| format!("{intent} wants nothing of its customer"))?;
        self.authenticate_at(&page, succeed).await
    }

    /// As [`authenticate`](Self::authenticate), at a page whose address the merchant's answer gave.
    pub async fn authenticate_at(&self, page: &str, succeed: bool) -> Result<Option<String>> {
        let seen = self
            .client
            .get(page)
            .send()
            .await
            .context("opening the bank's page")?;
        ensure!(
            seen.status().is_success(),
            "the bank's page answers {}",
            seen.status()
        );
        let outcome = if succeed { "succeed" } else { "fail" };
        let pressed = self.client.post(page).form(&[("outcome", outcome)]).send().await;
        let pressed = pressed.context("pressing a button on the bank's page")?;
        let location = pressed.headers().get(LOCATION).and_then(|url| url.to_str().ok());
        Ok(location.map(str::to_owned))
    }

    fn page_of(&self, intent: &str) -> Option<String> {
        let view = self.service.state().payment_intents.find(intent)?.view();
        let action = view.get("next_action")?;
        let page = action
            .pointer("/redirect_to_url/url")
            .or(action.pointer("/use_stripe_sdk/stripe_js"))?;
        page.as_str().map(str::to_owned)
    }
}
