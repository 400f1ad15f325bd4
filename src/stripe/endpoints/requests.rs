//! The requests about webhook endpoints, in Stripe's words.
//!
//! Written here rather than taken from async-stripe: the crate that has them has several hundred types beside, for four requests.

use serde::Serialize;
use stripe_client_core::{RequestBuilder, StripeMethod, StripeRequest};

use super::super::request::{Keeps, Reads};
use crate::domain::ids::{ProviderAccountId, WebhookEndpointId};

const PATH: &str = "/webhook_endpoints";

/// What tells our endpoints from others'.
#[derive(Serialize)]
pub(super) struct Named {
    #[serde(rename = "quittance_account")]
    pub(super) account: ProviderAccountId,
    #[serde(rename = "quittance_endpoint")]
    pub(super) endpoint: WebhookEndpointId,
}

/// `POST /v1/webhook_endpoints`
#[derive(Serialize)]
pub(super) struct CreateEndpoint<'a> {
    pub(super) url: &'a str,
    pub(super) enabled_events: &'a [&'a str],
    pub(super) api_version: &'a str,
    pub(super) connect: bool,
    pub(super) description: &'a str,
    pub(super) metadata: Named,
}

/// `GET /v1/webhook_endpoints`
#[derive(Serialize)]
pub(super) struct ListEndpoints {
    pub(super) limit: u8,
}

/// `POST /v1/webhook_endpoints/{id}`. The API version of an endpoint cannot be changed.
#[derive(Serialize)]
pub(super) struct UpdateEndpoint<'a> {
    #[serde(skip)]
    pub(super) reference: &'a str,
    pub(super) enabled_events: &'a [&'a str],
    pub(super) disabled: bool,
}

/// `DELETE /v1/webhook_endpoints/{id}`
pub(super) struct DeleteEndpoint<'a> {
    pub(super) reference: &'a str,
}

impl StripeRequest for CreateEndpoint<'_> {
    type Output = ();

    fn build(&self) -> RequestBuilder {
        RequestBuilder::new(StripeMethod::Post, PATH).form(self)
    }
}

impl StripeRequest for ListEndpoints {
    type Output = ();

    fn build(&self) -> RequestBuilder {
        RequestBuilder::new(StripeMethod::Get, PATH).query(self)
    }
}

impl StripeRequest for UpdateEndpoint<'_> {
    type Output = ();

    fn build(&self) -> RequestBuilder {
        RequestBuilder::new(StripeMethod::Post, format!("{PATH}/{}", self.reference)).form(self)
    }
}

impl StripeRequest for DeleteEndpoint<'_> {
    type Output = ();

    fn build(&self) -> RequestBuilder {
        RequestBuilder::new(StripeMethod::Delete, format!("{PATH}/{}", self.reference))
    }
}

impl Keeps for CreateEndpoint<'_> {}
impl Reads for ListEndpoints {}
impl Keeps for UpdateEndpoint<'_> {}
impl Keeps for DeleteEndpoint<'_> {}
