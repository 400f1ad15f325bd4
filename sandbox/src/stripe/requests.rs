//! A request as it came in: who asks, under which key, for what.

use axum::body::Bytes;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::askers::Asker;
use super::errors::ApiError;
use super::fields::Checked;
use super::form::{self, Param, Params};
use super::state::{Settings, new_id};
use super::{permissions, webhook_endpoints};

/// Stripe's own limit.
const MAX_KEY_LEN: usize = 255;

/// What a test may know of a request: never its secrets, never its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenRequest {
    /// Method.
    pub method: Method,
    /// Path, without the query.
    pub path: String,
    /// The `Idempotency-Key` header.
    pub idempotency_key: Option<String>,
    /// The `Stripe-Account` header.
    pub stripe_account: Option<String>,
    /// The `Stripe-Version` header.
    pub stripe_version: Option<String>,
    /// What the answer's `Request-Id` header says.
    pub request_id: String,
}

/// A request that may be carried out.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) seen: SeenRequest,
    pub(crate) asker: Asker,
    pub(crate) params: Params,
}

impl SeenRequest {
    pub(crate) fn new(parts: &Parts) -> Self {
        let text = |name| header_text(&parts.headers, name);
        Self {
            method: parts.method.clone(),
            path: parts.uri.path().to_owned(),
            idempotency_key: text("idempotency-key").filter(|_| parts.method == Method::POST),
            stripe_account: text("stripe-account"),
            stripe_version: text("stripe-version"),
            request_id: new_id("req"),
        }
    }
}

/// Checks who asks, and reads the parameters of query and body.
pub(crate) fn read(
    settings: &Settings,
    seen: &SeenRequest,
    parts: &Parts,
    body: &Bytes,
) -> Checked<(Asker, Params)> {
    let query = parts.uri.query().unwrap_or_default();
    let mut params = form::parse(query.as_bytes()).map_err(ApiError::invalid)?;
    params.extend(form::parse(body).map_err(ApiError::invalid)?);
    let asker = authenticate(settings, &parts.headers, &mut params)?;
    check_account(settings, seen)?;
    if asker == Asker::Merchant {
        permissions::check(settings, seen)?;
    }
    if seen
        .idempotency_key
        .as_ref()
        .is_some_and(|key| key.len() > MAX_KEY_LEN)
    {
        let message = format!("Idempotency keys must be at most {MAX_KEY_LEN} characters long");
        return Err(ApiError::invalid(message));
    }
    Ok((asker, params))
}

/// Finds the API key where Stripe's clients put it: Bearer, the user of Basic, or a browser's `key` parameter.
fn authenticate(settings: &Settings, headers: &HeaderMap, params: &mut Params) -> Checked<Asker> {
    let given = match header_text(headers, header::AUTHORIZATION.as_str()) {
        Some(header) => api_key(&header),
        None => match params.remove("key") {
            Some(Param::Text(key)) => Some(key),
            _ => None,
        },
    };
    let Some(given) = given else {
        let message = "You did not provide an API key. You need to provide your API key in the Authorization header, \
                       using Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY').";
        return Err(ApiError::unauthorized(message));
    };
    if given == settings.secret_key {
        return Ok(Asker::Merchant);
    }
    if given == settings.publishable_key {
        return Ok(Asker::Browser);
    }
    let tail = given
        .char_indices()
        .rev()
        .nth(3)
        .map_or("", |(index, _)| &given[index..]);
    Err(ApiError::unauthorized(format!(
        "Invalid API Key provided: ****{tail}"
    )))
}

fn api_key(header: &str) -> Option<String> {
    let (scheme, value) = header.split_once(' ')?;
    match scheme.to_ascii_lowercase().as_str() {
        "bearer" => Some(value.trim().to_owned()),
        "basic" => {
            let decoded = String::from_utf8(BASE64_STANDARD.decode(value.trim()).ok()?).ok()?;
            Some(decoded.split(':').next().unwrap_or_default().to_owned())
        }
        _ => None,
    }
}

fn check_account(settings: &Settings, seen: &SeenRequest) -> Checked<()> {
    match &seen.stripe_account {
        Some(account) if *account != settings.account_id => {
            let message = format!(
                "The provided key does not have access to account '{account}' (or that account does not exist). \
                 Application access may have been revoked."
            );
            Err(ApiError::forbidden(message).code("account_invalid"))
        }
        // Stripe would do it on the platform's own account, and nobody would see the mistake.
        None if settings.connected && !seen.path.starts_with(webhook_endpoints::PATH) => {
            let message = "This platform has nothing of its own: name the connected account.";
            Err(ApiError::forbidden(message))
        }
        Some(_) if seen.path.starts_with(webhook_endpoints::PATH) => {
            let message = "Endpoints are the platform's: do not name a connected account.";
            Err(ApiError::forbidden(message))
        }
        _ => Ok(()),
    }
}

fn header_text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}
