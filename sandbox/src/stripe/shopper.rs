//! The customer: a browser with the publishable key, and nothing that a merchant knows.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use axum::http::StatusCode;
use reqwest::header::LOCATION;
use serde_json::Value;

use super::service::Service;

/// Plays the customer over real HTTP.
#[derive(Clone, Debug)]
pub struct Shopper {
    pub(crate) service: Arc<Service>,
    pub(crate) client: reqwest::Client,
}

impl Shopper {
    /// Pays an intent with a card. A decline is part of what Stripe answers: look at `error`.
    pub async fn confirm(&self, intent: &str, client_secret: &str, payment_method: &str) -> Result<Value> {
        self.confirm_at("payment_intents", intent, client_secret, payment_method)
            .await
    }

    /// Leaves a card for later with a setup intent. A decline is part of what Stripe answers: look at `error`.
    pub async fn confirm_setup(
        &self,
        intent: &str,
        client_secret: &str,
        payment_method: &str,
    ) -> Result<Value> {
        self.confirm_at("setup_intents", intent, client_secret, payment_method)
            .await
    }

    async fn confirm_at(
        &self,
        kind: &str,
        intent: &str,
        client_secret: &str,
        payment_method: &str,
    ) -> Result<Value> {
        let settings = &self.service.settings;
        let url = format!("{}/v1/{kind}/{intent}/confirm", settings.base_url());
        let mut request = self.client.post(url);
        if settings.connected {
            request = request.header("Stripe-Account", &settings.account_id);
        }
        let response = request
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

    /// Goes to the page of a session of Checkout and pays with a test method. Returns where the customer is sent:
    /// to the shop, or to the bank's page, which [`authenticate_at`](Self::authenticate_at) answers. None where the
    /// method was declined: the page is still open.
    pub async fn check_out(&self, session: &str, payment_method: &str) -> Result<Option<String>> {
        let view = self.service.state().session_view(session);
        let page = view.as_ref().and_then(|view| view["url"].as_str());
        let page = page.with_context(|| format!("{session} has no page, or no more"))?;
        let seen = self.client.get(page).send().await;
        let seen = seen.context("opening the page of Checkout")?;
        ensure!(
            seen.status().is_success(),
            "the page of Checkout answers {}",
            seen.status()
        );
        let form = [("payment_method", payment_method)];
        let pressed = self.client.post(page).form(&form).send().await;
        let pressed = pressed.context("paying on the page of Checkout")?;
        ensure!(
            pressed.status().is_redirection() || pressed.status() == StatusCode::PAYMENT_REQUIRED,
            "the page of Checkout refuses {payment_method}"
        );
        Ok(sent_to(&pressed))
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
        Ok(sent_to(&pressed))
    }

    fn page_of(&self, intent: &str) -> Option<String> {
        let view = self.service.state().view(intent)?;
        let action = view.get("next_action")?;
        let page = action
            .pointer("/redirect_to_url/url")
            .or(action.pointer("/use_stripe_sdk/stripe_js"))?;
        page.as_str().map(str::to_owned)
    }
}

fn sent_to(answer: &reqwest::Response) -> Option<String> {
    let location = answer.headers().get(LOCATION)?;
    location.to_str().ok().map(str::to_owned)
}
