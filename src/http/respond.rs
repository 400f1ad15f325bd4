//! How a request that moves money is answered.

use actix_web::http::StatusCode;
use actix_web::http::header::LOCATION;
use actix_web::{HttpMessage, HttpRequest, HttpResponse};

use super::ProviderTime;
use super::view::PaymentView;
use crate::app::{Answer, Served};
use crate::telemetry::metrics;

/// Decided, decided before, or not decided yet: then the payment as it stands, and where to look.
pub(super) fn respond(request: &HttpRequest, served: Served) -> HttpResponse {
    let (answer, replayed) = match served {
        Served::Fresh {
            answer,
            provider_time,
        } => {
            metrics::key_presented("new");
            request.extensions_mut().insert(ProviderTime(provider_time));
            (answer, false)
        }
        Served::Replayed(answer) => {
            metrics::key_presented("replayed");
            (answer, true)
        }
        Served::Accepted(detail) => {
            metrics::key_presented("unknown");
            let location = format!("/v1/payments/{}", detail.payment.id);
            let body = PaymentView::from(&*detail);
            return HttpResponse::Accepted()
                .insert_header((LOCATION, location))
                .insert_header(("Retry-After", "10"))
                .json(body);
        }
    };
    write(answer, replayed)
}

/// Writes an answer as it is kept.
fn write(answer: Answer, replayed: bool) -> HttpResponse {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
    let content = if status.is_success() {
        "application/json"
    } else {
        "application/problem+json"
    };
    let mut response = HttpResponse::build(status);
    if replayed {
        response.insert_header(("Idempotency-Replayed", "true"));
    }
    response.content_type(content).body(answer.body)
}
