//! What handlers take in: who calls, under which key, and what for. Parsed here, trusted after.

use std::convert::Infallible;
use std::future::{Future, Ready, ready};
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::{FromRequest, HttpMessage, HttpRequest, web};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use utoipa::ToSchema;

use super::gate::Gates;
use super::{Problem, body, check, strict_json};
use crate::app::auth::{Administrator, Caller, Principal};
use crate::domain::idempotency::{Fingerprint, IdempotencyKey};
use crate::domain::redact::mask;

type LocalFuture<T> = Pin<Box<dyn Future<Output = Result<T, Problem>>>>;

/// Who was let in by what the route [`Wants`](super::wants::Wants).
fn principal(request: &HttpRequest) -> Result<Principal, Problem> {
    let found = request.extensions().get::<Principal>().cloned();
    found.ok_or_else(Problem::unauthenticated)
}

impl FromRequest for Caller {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(match principal(request) {
            Ok(Principal::Caller(caller)) => Ok(caller),
            Ok(Principal::Administrator(_)) | Err(_) => Err(Problem::unauthenticated()),
        })
    }
}

impl FromRequest for Administrator {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(principal(request).and_then(|principal| Ok(principal.administrator()?)))
    }
}

/// The `Idempotency-Key` header, which every request that moves money must have.
#[derive(Debug)]
pub(super) struct RequiredKey(pub(super) IdempotencyKey);

impl FromRequest for RequiredKey {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(idempotency_key(request).map(RequiredKey))
    }
}

/// The key that a request has in its header.
pub(super) fn idempotency_key(request: &HttpRequest) -> Result<IdempotencyKey, Problem> {
    const FIELD: &str = "Idempotency-Key";
    let invalid =
        |message: &dyn std::fmt::Display| Problem::invalid(FIELD, "idempotency_key_invalid", message);
    let value = request.headers().get(FIELD).ok_or_else(|| {
        let detail = "send an Idempotency-Key header";
        Problem::new(StatusCode::BAD_REQUEST, "idempotency_key_required", detail).at(FIELD)
    })?;
    let text = value.to_str().map_err(|_| invalid(&"must be visible ASCII"))?;
    IdempotencyKey::parse(text).map_err(|error| invalid(&error))
}

/// The query, which is read once it is known that the caller may ask.
#[derive(Debug)]
pub(super) struct Queried<T>(Result<T, Problem>);

impl<T> Queried<T> {
    /// What it says.
    pub(super) fn read(self) -> Result<T, Problem> {
        self.0
    }
}

impl<T: DeserializeOwned> FromRequest for Queried<T> {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let query = request.query_string();
        let read = check::check_query(query).and_then(|()| {
            web::Query::from_query(query)
                .map(web::Query::into_inner)
                .map_err(|error| {
                    let reason = format!("the query cannot be read: {}", without_value(&error.to_string()));
                    Problem::new(StatusCode::BAD_REQUEST, "invalid_query", reason)
                })
        });
        ready(Ok(Self(read)))
    }
}

/// Nothing is taken in: what to do is in the path.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EmptyBody {}

/// A JSON body, and the fingerprint of the request it belongs to.
#[derive(Debug)]
pub(super) struct Json<T> {
    pub(super) body: T,
    pub(super) fingerprint: Fingerprint,
}

impl<T: DeserializeOwned + 'static> FromRequest for Json<T> {
    type Error = Problem;
    type Future = LocalFuture<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let body = body::take_in(request, payload, Gates::api_bodies);
        let typed = body::declared_json(request);
        let (method, route) = (request.method().to_string(), request.path().to_owned());
        Box::pin(async move {
            let body = body.await?;
            let text: &[u8] = if body.is_empty() {
                b"{}"
            } else {
                typed?;
                &body
            };
            let value = strict_json::read(text)?;
            if !value.is_object() {
                return Err(Problem::invalid("body", "invalid_field", "must be a JSON object"));
            }
            let mut json = serde_json::Deserializer::from_slice(text);
            let body = serde_path_to_error::deserialize(&mut json).map_err(|error| field_problem(&error))?;
            Ok(Self {
                body,
                fingerprint: Fingerprint::of(&method, &route, &value),
            })
        })
    }
}

/// Names the field that a typed reading stumbled over.
fn field_problem(error: &serde_path_to_error::Error<serde_json::Error>) -> Problem {
    let message = error.inner().to_string();
    let quoted = |prefix: &str| {
        message
            .strip_prefix(prefix)
            .and_then(|rest| rest.split('`').next())
    };
    if let Some(field) = quoted("unknown field `") {
        return Problem::invalid(mask(field), "unknown_field", "is not known here");
    }
    if let Some(field) = quoted("missing field `") {
        return Problem::invalid(field, "missing_field", "is required");
    }
    let path = error.path().to_string();
    let reason = without_value(
        message
            .rsplit_once(" at line ")
            .map_or(&*message, |(reason, _)| reason),
    );
    Problem::invalid(mask(&path), "invalid_field", format!("cannot be read: {reason}"))
}

/// What a reader expected, without what it found: that may be anything, and whoever gets the problem may log it.
fn without_value(message: &str) -> &str {
    message
        .rfind(", expected ")
        .map_or(message, |at| &message[at + 2..])
}
