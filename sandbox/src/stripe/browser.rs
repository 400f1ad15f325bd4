//! What a page of a shop's loads and asks for: a stand-in for Stripe.js, and leave to be called from any origin.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::service::Service;

/// Where the script is.
pub(crate) const SCRIPT: &str = "/stripe.js";

/// Of our own writing; `__API__` stands for where the pretend Stripe answers.
const STAND_IN: &str = include_str!("stripe.js");

/// `GET /stripe.js`
pub(crate) async fn script(State(service): State<Arc<Service>>) -> Response {
    let text = STAND_IN.replace("__API__", service.settings.base_url());
    let kind = [(header::CONTENT_TYPE, "text/javascript; charset=utf-8")];
    (kind, text).into_response()
}

/// What a browser asks before it sends a header of ours to another origin.
pub(crate) fn preflight() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST"),
        (
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            "authorization, content-type, stripe-account, stripe-version",
        ),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}
