//! Errors as RFC 9457 problem documents: a stable code, what is at fault, what to do. Never internals.

use std::collections::BTreeMap;
use std::net::IpAddr;

use actix_web::http::StatusCode;
use actix_web::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;

use super::wants::DATABASE;
use crate::app::AppError;
use crate::domain::dispute::DisputeRuleBroken;
use crate::domain::outbox::OutboxState;
use crate::domain::payment::{Payment, RuleBroken};
use crate::domain::scope::Scope;
use crate::provider::ProviderError;
use crate::sink::SinkError;
use crate::store::StoreError;

/// An error answer, `application/problem+json`.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct Problem {
    /// `urn:quittance:problem:` and the code.
    #[serde(rename = "type")]
    kind: String,
    /// What went wrong, in general.
    title: String,
    /// The HTTP status.
    status: u16,
    /// A stable code to act on.
    code: &'static str,
    /// What went wrong this time, and what to do.
    detail: String,
    /// What is at fault: a path in the body, a query parameter or a header.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    /// The payment that it is about or that is in the way, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    payment: Option<String>,
    /// The amounts that a rule weighed, by name, in minor units of the payment's currency.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    amounts: BTreeMap<&'static str, i64>,
    /// What to quote when asking for help; also in `X-Request-Id`.
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
    #[serde(skip)]
    retry_after_s: Option<u64>,
}

impl Problem {
    /// A problem with a code and what to do about it.
    #[must_use]
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("urn:quittance:problem:{code}"),
            title: status.canonical_reason().unwrap_or("Error").to_owned(),
            status: status.as_u16(),
            code,
            detail: detail.into(),
            field: None,
            payment: None,
            amounts: BTreeMap::new(),
            request_id: None,
            retry_after_s: None,
        }
    }

    /// One thing in the request that cannot be right.
    #[must_use]
    pub fn invalid(field: impl Into<String>, code: &'static str, message: impl std::fmt::Display) -> Self {
        let field = field.into();
        let mut problem = Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            code,
            format!("{field} {message}"),
        );
        problem.field = Some(field);
        problem
    }

    /// Nobody, or nobody we know.
    #[must_use]
    pub fn unauthenticated() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "unauthenticated",
            "send a valid API key as `Authorization: Bearer qk_…`",
        )
    }

    /// The field at fault.
    #[must_use]
    pub fn at(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }

    /// The same, where the field is a part of another.
    #[must_use]
    pub fn within(mut self, outer: &str) -> Self {
        if let Some(field) = &mut self.field {
            self.detail = format!("{outer}.{}", self.detail);
            *field = format!("{outer}.{field}");
        }
        self
    }

    /// The payment that it is about.
    #[must_use]
    pub fn of(mut self, payment: &Payment) -> Self {
        self.payment = Some(payment.id.to_string());
        self
    }

    /// When to come back.
    #[must_use]
    pub const fn retry_after(mut self, after_s: u64) -> Self {
        self.retry_after_s = Some(after_s);
        self
    }

    /// The status and the bytes of the body, as they are kept for a replay.
    #[must_use]
    pub fn to_bytes(&self) -> (u16, Vec<u8>) {
        (self.status, serde_json::to_vec(self).unwrap_or_default())
    }

    fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "something failed on our side; repeating the request under its key is safe",
        )
    }

    fn unavailable() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "unavailable",
            "the database cannot be reached; come back later",
        )
        .retry_after(2)
    }

    fn of_provider(error: &ProviderError) -> Self {
        match error {
            ProviderError::RateLimited { after } => Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                "provider_rate_limited",
                "the provider takes no more requests for now; repeat under the same key",
            )
            .retry_after(after.map_or(1, |after| after.as_secs().max(1))),
            ProviderError::Auth => Self::new(
                StatusCode::BAD_GATEWAY,
                "provider_unauthorized",
                "the provider does not accept the account's key; renew it and repeat under the same key",
            ),
            ProviderError::Lacks { permission } => Self::new(
                StatusCode::BAD_GATEWAY,
                "provider_unauthorized",
                format!(
                    "the account's key lacks the permission {permission}; allow it at the provider and repeat under the same key"
                ),
            ),
            ProviderError::Unavailable { .. } | ProviderError::Ambiguous { .. } => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "provider_unavailable",
                "the provider cannot be reached; repeat under the same key",
            )
            .retry_after(2),
            ProviderError::Invalid { code, message, .. } => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "provider_refused",
                format!("the provider refused the request: {code}: {message}"),
            ),
        }
    }
}

impl From<AppError> for Problem {
    fn from(error: AppError) -> Self {
        log(&error);
        let conflict = |code, detail: String| Self::new(StatusCode::CONFLICT, code, detail);
        match error {
            AppError::NotFound(what) => {
                Self::new(StatusCode::NOT_FOUND, "not_found", format!("no such {what}"))
            }
            AppError::Invalid { field, code, message } => Self::invalid(field, code, message),
            AppError::Rule(rule) => of_rule(&rule),
            AppError::Dispute(rule) => of_dispute(&rule),
            AppError::NotSupported { what } => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "not_supported",
                format!("the provider of this account has no {what}"),
            ),
            AppError::AccountDeauthorized(_) => conflict("account_deauthorized", error.to_string()),
            AppError::CheckoutNotOpen(state) => conflict("checkout_not_open", format!("the page is {state}")),
            AppError::MethodDetached => method_detached(),
            AppError::DocumentInPayment {
                payment,
                state,
                document,
            } => {
                let detail = format!(
                    "{payment}, which settles {document}, is {state}; wait for it, give it back, or ask with allow_double"
                );
                Self {
                    payment: Some(payment.to_string()),
                    ..conflict("document_in_payment", detail)
                }
            }
            AppError::ReferenceInUse { payment, .. } => {
                let detail = format!("{payment} has this reference; use it, or cancel it first");
                Self {
                    payment: Some(payment.to_string()),
                    ..conflict("reference_in_use", detail)
                }
            }
            AppError::KeyReused => Self::invalid(
                "Idempotency-Key",
                "idempotency_key_reused",
                "was used for another request; use a new key for a new request",
            ),
            AppError::InFlight { retry_after } => conflict(
                "in_flight",
                "a request with this key or reference is being served; repeat it".to_owned(),
            )
            .retry_after(retry_after.as_secs().max(1)),
            AppError::Fenced => fenced(),
            AppError::Unauthenticated => Self::unauthenticated(),
            AppError::FailedTooOften { retry_after } => failed_too_often(retry_after),
            AppError::AddressNotAllowed(address) => address_not_allowed(address),
            AppError::DatabaseMismatch => database_mismatch(),
            AppError::DatabaseMissing => database_missing(),
            AppError::MerchantDisabled => merchant_disabled(),
            AppError::OperatorOnly => forbidden("operator_only", "only an operator's key may do this"),
            AppError::ScopeMissing(scope) => scope_missing(scope),
            AppError::AccountDisabled(_) => conflict("account_disabled", error.to_string()),
            AppError::Refused { code, message } => conflict(code, message),
            AppError::EventLeased => event_leased(),
            AppError::MessageNotDead(state) => message_not_dead(state),
            AppError::Suspense(rule) => conflict(rule.code(), rule.to_string()),
            AppError::BoundToMessage(bound) => conflict("exception_of_message", bound.to_string()),
            AppError::Opening(refused) => conflict("opening_refused", refused.to_string()),
            AppError::Unfinished(_) => conflict("customer_unfinished", error.to_string()),
            AppError::Provider(error) => Self::of_provider(&error),
            AppError::Store(StoreError::Database(_)) => Self::unavailable(),
            AppError::Sink(error) => of_sink(&error),
            AppError::Store(StoreError::Crypto(error)) if error.may_pass() => Self::unavailable(),
            AppError::Store(_) | AppError::Interrupted | AppError::UnknownProvider(_) => Self::internal(),
        }
    }
}

/// The one place where a failed request is logged: by what we can do about it.
fn log(error: &AppError) {
    let ours = matches!(
        error,
        AppError::Store(_) | AppError::Interrupted | AppError::UnknownProvider(_)
    );
    let told = error as &dyn std::error::Error;
    if ours {
        tracing::error!(error = told, "a request failed");
    } else {
        tracing::info!(error = told, "a request was turned away");
    }
}

fn method_detached() -> Problem {
    let detail = "the payment method was taken from its customer and can never be used again";
    Problem::new(StatusCode::CONFLICT, "payment_method_detached", detail)
}

fn fenced() -> Problem {
    let detail = "the database was put back, and takes in what its providers did since; nothing was done or kept: repeat the request \
                  under its key";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "fenced", detail).retry_after(10)
}

/// The key is good, and may not do it.
fn forbidden(code: &'static str, detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::FORBIDDEN, code, detail)
}

fn merchant_disabled() -> Problem {
    forbidden(
        "merchant_disabled",
        "the merchant is disabled; an operator can enable it",
    )
}

fn database_mismatch() -> Problem {
    forbidden(
        "database_mismatch",
        "the API key was connected from another database; a copy of a database connects anew, with a key of its own",
    )
    .at(DATABASE)
}

fn database_missing() -> Problem {
    forbidden(
        "database_missing",
        format!("the API key was connected from a database of Odoo's: send that in {DATABASE}"),
    )
    .at(DATABASE)
}

fn scope_missing(scope: Scope) -> Problem {
    let detail =
        format!("the API key lacks the scope {scope}; make one with `api-key create --scope {scope}`");
    forbidden("scope_missing", detail)
}

fn address_not_allowed(address: IpAddr) -> Problem {
    let detail =
        format!("the API key may not be used from {address}; behind a proxy, set QUITTANCE_TRUSTED_PROXIES");
    forbidden("address_not_allowed", detail)
}

fn failed_too_often(retry_after: std::time::Duration) -> Problem {
    Problem::new(
        StatusCode::TOO_MANY_REQUESTS,
        "authentication_failed_too_often",
        "too many requests came from this address without a valid API key",
    )
    .retry_after(
        retry_after
            .as_millis()
            .div_ceil(1_000)
            .try_into()
            .unwrap_or(u64::MAX),
    )
}

/// What an Odoo said while it was being set up.
fn of_sink(error: &SinkError) -> Problem {
    let (status, code) = match error {
        SinkError::Refused { .. }
        | SinkError::Rejected { .. }
        | SinkError::Differs { .. }
        | SinkError::NotAllowed { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "odoo_refused"),
        SinkError::Unauthorized { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "odoo_unauthorized"),
        SinkError::Unreachable { .. } | SinkError::Later | SinkError::Gone => {
            (StatusCode::BAD_GATEWAY, "odoo_unreachable")
        }
    };
    Problem::new(status, code, error.to_string())
}

fn event_leased() -> Problem {
    let detail = "a worker has the event; look again once it is done";
    Problem::new(StatusCode::CONFLICT, "event_leased", detail).retry_after(1)
}

fn message_not_dead(state: OutboxState) -> Problem {
    let detail = format!(
        "the message is {state}; only a dead one can be skipped, and only a dead or pending one replayed"
    );
    Problem::new(StatusCode::CONFLICT, "message_not_dead", detail)
}

fn of_rule(rule: &RuleBroken) -> Problem {
    let mut problem = Problem::new(StatusCode::CONFLICT, rule.code(), rule.to_string());
    problem.amounts = rule.amounts().into_iter().collect();
    problem
}

fn of_dispute(rule: &DisputeRuleBroken) -> Problem {
    Problem::new(StatusCode::CONFLICT, rule.code(), rule.to_string())
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.code, self.detail)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status_code());
        if let Some(after) = self.retry_after_s {
            response.insert_header((RETRY_AFTER, after));
        }
        if self.status == 401 {
            response.insert_header((WWW_AUTHENTICATE, "Bearer"));
        }
        let mut shown = self.clone();
        shown.request_id = super::request_id::current();
        response
            .content_type("application/problem+json")
            .body(shown.to_bytes().1)
    }
}
