//! Webhook endpoints, as a merchant's server registers them. A secret is shown once.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde_json::{Value, json};

use super::errors::ApiError;
use super::fields::{Checked, Fields, Metadata, merge};
use super::state::{State, token};
use super::webhooks::{Endpoint, WebhookEndpoint};

/// Where they are.
pub(crate) const PATH: &str = "/v1/webhook_endpoints";

/// Stripe's own limit: <https://docs.stripe.com/webhooks>.
const MOST: usize = 16;

/// What the API shows of an endpoint beside where it sends what.
#[derive(Debug, Default)]
pub(crate) struct Shown {
    pub(crate) created: i64,
    /// As it was asked for; none for the account's own.
    pub(crate) api_version: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) metadata: Metadata,
    pub(crate) disabled: bool,
}

impl Endpoint {
    fn view(&self) -> Value {
        let (spec, shown) = (self.spec(), self.shown());
        json!({
            "id": self.id(),
            "object": "webhook_endpoint",
            "api_version": shown.api_version,
            "application": null,
            "created": shown.created,
            "description": shown.description,
            "enabled_events": spec.events,
            "livemode": false,
            "metadata": shown.metadata,
            "status": if shown.disabled { "disabled" } else { "enabled" },
            "url": spec.url,
        })
    }

    /// Takes what a create or an update may set.
    fn set(&self, fields: &mut Fields) -> Checked<()> {
        let mut shown = self.shown();
        if let Some(text) = fields.text("description")? {
            shown.description = Some(text).filter(|text| !text.is_empty());
        }
        if let Some(update) = fields.metadata()? {
            merge(&mut shown.metadata, update);
        }
        Ok(())
    }
}

impl State {
    /// All endpoints, newest first.
    pub(crate) fn endpoint_views(&self) -> Vec<Value> {
        self.endpoints
            .iter()
            .rev()
            .map(|endpoint| endpoint.view())
            .collect()
    }

    /// Ends an endpoint, and all that is on its way to it.
    pub(crate) fn delete_endpoint(&mut self, id: &str) -> Checked<()> {
        self.endpoint(id)?.gone.store(true, Ordering::Release);
        self.endpoints.retain(|endpoint| endpoint.id() != id);
        Ok(())
    }

    fn endpoint(&self, id: &str) -> Checked<&Arc<Endpoint>> {
        let found = self.endpoints.iter().find(|endpoint| endpoint.id() == id);
        found.ok_or_else(|| ApiError::missing("webhook endpoint", id, "webhook_endpoint"))
    }
}

fn address(url: String) -> Checked<String> {
    if url.starts_with("https://") || url.starts_with("http://") {
        return Ok(url);
    }
    Err(ApiError::invalid("Invalid URL: An explicit scheme (such as https) must be provided.").param("url"))
}

/// `POST /v1/webhook_endpoints`
pub(crate) fn create(state: &mut State, mut fields: Fields) -> Checked<Value> {
    let url = fields.text("url")?.ok_or_else(|| fields.absent("url"))?;
    let events = fields.list("enabled_events")?;
    if events.is_empty() {
        return Err(fields.absent("enabled_events"));
    }
    let secret = format!("whsec_{}", token());
    let spec = WebhookEndpoint {
        events,
        api_version: fields.text("api_version")?,
        connect: fields.boolean("connect")?.unwrap_or_default(),
        ..WebhookEndpoint::new(address(url)?, secret.clone())
    };
    if state.endpoints.len() >= MOST {
        let message = format!("You have reached the maximum of {MOST} webhook endpoints.");
        return Err(ApiError::invalid(message));
    }
    let mut rest = fields.clone();
    rest.ignore(&["description", "metadata"]);
    rest.finish()?;
    let courier = Arc::clone(&state.courier);
    let id = courier.serve(state, spec);
    let endpoint = state.endpoint(&id)?;
    endpoint.set(&mut fields)?;
    let mut view = endpoint.view();
    view["secret"] = secret.into();
    Ok(view)
}

/// `POST /v1/webhook_endpoints/{id}`. Neither the API version nor whose events it hears can be changed.
pub(crate) fn update(state: &State, id: &str, mut fields: Fields) -> Checked<Value> {
    let endpoint = state.endpoint(id)?;
    let url = fields.text("url")?.map(address).transpose()?;
    let events = fields.list("enabled_events")?;
    let disabled = fields.boolean("disabled")?;
    endpoint.set(&mut fields)?;
    fields.finish()?;
    if let Some(url) = url {
        endpoint.spec().url = url;
    }
    if !events.is_empty() {
        endpoint.spec().events = events;
    }
    if let Some(disabled) = disabled {
        endpoint.shown().disabled = disabled;
    }
    Ok(endpoint.view())
}

/// `GET /v1/webhook_endpoints/{id}`
pub(crate) fn retrieve(state: &State, id: &str, fields: Fields) -> Checked<Value> {
    fields.finish()?;
    Ok(state.endpoint(id)?.view())
}

/// `GET /v1/webhook_endpoints`
pub(crate) fn list(state: &State, mut fields: Fields) -> Checked<Value> {
    let limit = fields.integer("limit")?.unwrap_or(10);
    fields.finish()?;
    let views = state.endpoint_views();
    let shown = usize::try_from(limit).unwrap_or_default().min(views.len());
    Ok(json!({ "object": "list", "url": PATH, "has_more": shown < views.len(), "data": views[..shown] }))
}

/// `DELETE /v1/webhook_endpoints/{id}`
pub(crate) fn delete(state: &mut State, id: &str, fields: Fields) -> Checked<Value> {
    fields.finish()?;
    state.delete_endpoint(id)?;
    Ok(json!({ "id": id, "object": "webhook_endpoint", "deleted": true }))
}
