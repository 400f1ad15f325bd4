//! The way of a request: who asks, faults, idempotency, the effect, the answer.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use serde_json::Value;

use super::askers::Asker;
use super::browser;
use super::errors::ApiError;
use super::fields::Fields;
use super::idempotency::{Claim, Standing, fingerprint};
use super::lists;
use super::requests::{self, Call, SeenRequest};
use super::routes;
use super::service::Service;
use super::state::Origin;
use crate::faults::{Fault, Refusal};
use crate::server;

const MAX_BODY_BYTES: usize = 1 << 20;

/// A status and a body, as they may be kept and replayed.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    status: StatusCode,
    body: Bytes,
    /// The request that it was first given to.
    original: String,
    replayed: bool,
}

/// Answers any request under `/v1`.
pub(crate) async fn handle(State(service): State<Arc<Service>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let seen = SeenRequest::new(&parts);
    if parts.method == Method::OPTIONS {
        return browser::preflight();
    }
    service.seen().push(seen.clone());
    let Ok(body) = axum::body::to_bytes(body, MAX_BODY_BYTES).await else {
        return server::json(StatusCode::PAYLOAD_TOO_LARGE, "{}");
    };
    match requests::read(&service.settings, &seen, &parts, &body) {
        Ok((asker, params)) => answer(&service, Call { seen, asker, params }).await,
        Err(error) => service.failed(&seen, error).response(&service, &seen),
    }
}

async fn answer(service: &Arc<Service>, call: Call) -> Response {
    let fault = service.faults.take(&call.seen.method, &call.seen.path);
    let seen = call.seen.clone();
    let claimed = service.claim(&call);
    let effect = {
        let (service, lost) = (Arc::clone(service), fault == Some(Fault::ErrorAfter));
        async move {
            let answer = match claimed {
                Err(answer) => answer,
                Ok(claim) => {
                    if !service.settings.latency.is_zero() {
                        tokio::time::sleep(service.settings.latency).await;
                    }
                    service.execute(&call, claim.as_ref(), lost)
                }
            };
            answer.response(&service, &call.seen)
        }
    };
    let refuse = |refusal: Refusal| {
        let mut response = service
            .failed(&seen, ApiError::of_status(refusal.status))
            .response(service, &seen);
        if let Some(seconds) = refusal.retry_after_secs {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    };
    service.faults.answer(fault, effect, refuse).await
}

impl Service {
    /// Claims the call's idempotency key. The error is the answer that the key already has.
    fn claim(self: &Arc<Self>, call: &Call) -> Result<Option<Claim>, Answer> {
        let Some(key) = &call.seen.idempotency_key else {
            return Ok(None);
        };
        let print = fingerprint(&call.seen.method, &call.seen.path, &call.params);
        let standing = self.state().keys.claim(key, print);
        match standing {
            Standing::Fresh => Ok(Some(Claim {
                service: Arc::clone(self),
                key: key.clone(),
            })),
            Standing::Answered(answer) => Err(Answer {
                replayed: true,
                ..answer
            }),
            Standing::InUse => Err(self.failed(&call.seen, ApiError::key_in_use())),
            Standing::Mismatch => Err(self.failed(&call.seen, ApiError::key_reused(key))),
        }
    }

    /// Carries a call out. Where its answer is to be lost, a 500 takes the answer's place for ever.
    fn execute(&self, call: &Call, claim: Option<&Claim>, lost: bool) -> Answer {
        let archived = self
            .archive
            .as_ref()
            .filter(|_| !lost && call.asker == Asker::Merchant);
        if let Some(answered) = archived.and_then(|archive| archive.answer(call)) {
            return match answered {
                Ok(text) => Answer::of_text(&call.seen, StatusCode::OK, text),
                Err(error) => self.failed(&call.seen, error),
            };
        }
        let mut state = self.state();
        state.origin = Origin {
            request: Some(call.seen.request_id.clone()),
            idempotency_key: call.seen.idempotency_key.clone(),
        };
        let mut fields = Fields::new(call.params.clone());
        let result = lists::take_expand(&mut fields).and_then(|paths| {
            let mut value = routes::dispatch(&mut state, call, fields)?;
            let expanded = paths
                .iter()
                .try_for_each(|path| lists::expand(&state, &mut value, path));
            // The effect has happened by now.
            expanded.map_err(ApiError::kept)?;
            Ok(value)
        });
        let (mut answer, mut stored) = match result {
            Ok(value) => (Answer::new(&call.seen, StatusCode::OK, &value), true),
            Err(error) => {
                let stored = error.stored;
                (self.failed(&call.seen, error), stored)
            }
        };
        if lost {
            answer = self.failed(&call.seen, ApiError::of_status(StatusCode::INTERNAL_SERVER_ERROR));
            stored = true;
        }
        if let Some(claim) = claim.filter(|_| stored) {
            state.keys.keep(&claim.key, answer.clone());
        }
        answer
    }

    /// An error as an answer.
    fn failed(&self, seen: &SeenRequest, error: ApiError) -> Answer {
        let status = error.status;
        Answer::new(
            seen,
            status,
            &error.body(&self.settings.account_id, &seen.request_id),
        )
    }
}

impl Answer {
    fn new(seen: &SeenRequest, status: StatusCode, value: &Value) -> Self {
        // A tree of strings and numbers: there is nothing that could fail.
        Self::of_text(seen, status, serde_json::to_vec(value).unwrap_or_default())
    }

    /// An answer that is JSON already.
    fn of_text(seen: &SeenRequest, status: StatusCode, body: impl Into<Bytes>) -> Self {
        Self {
            status,
            body: body.into(),
            original: seen.request_id.clone(),
            replayed: false,
        }
    }

    /// The answer with the headers that Stripe sends with it.
    fn response(self, service: &Service, seen: &SeenRequest) -> Response {
        let mut response = server::json(self.status, self.body);
        let headers = response.headers_mut();
        let mut set = |name: &'static str, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        };
        set("request-id", &seen.request_id);
        set("access-control-allow-origin", "*");
        set(
            "stripe-version",
            seen.stripe_version
                .as_deref()
                .unwrap_or(&service.settings.api_version),
        );
        if let Some(account) = &seen.stripe_account {
            set("stripe-account", account);
        }
        if let Some(key) = seen
            .idempotency_key
            .as_ref()
            .filter(|_| seen.method == Method::POST)
        {
            set("idempotency-key", key);
            set("original-request", &self.original);
        }
        if self.replayed {
            set("idempotent-replayed", "true");
        }
        match self.status {
            StatusCode::CONFLICT => set("stripe-should-retry", "true"),
            // Repeating a 500 with its key only brings it back.
            StatusCode::INTERNAL_SERVER_ERROR => set("stripe-should-retry", "false"),
            _ => {}
        }
        response
    }
}
