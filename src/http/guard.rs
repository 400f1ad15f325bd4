//! What every request passes before it is served: its size, its gate, and the time it may take.

use std::time::Duration;

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::InternalError;
use actix_web::http::StatusCode;
use actix_web::http::header::TRANSFER_ENCODING;
use actix_web::middleware::Next;
use actix_web::{Error, ResponseError, web};

use super::body::Unread;
use super::gate::Gates;
use super::{Problem, body, limits};

/// The longest path and query, in bytes.
const URL_LIMIT: usize = 8 * 1024;

/// The longest headers together, names and values, in bytes. A head of more than 128 KiB or 96 headers is not even read: actix answers
/// it with a 431 or 400.
const HEADERS_LIMIT: usize = 32 * 1024;

/// The longest time from a request's head to its answer's. What a caller may wait for the provider is less: this ends what hangs.
const SERVED_WITHIN: Duration = Duration::from_mins(1);

/// Serves a request that fits, when there is room for it.
pub(super) async fn middleware<B: MessageBody + 'static>(
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    if let Err(problem) = check_size(&request) {
        return Ok(refuse(request, &problem));
    }
    let Some(gates) = request.app_data::<web::Data<Gates>>().cloned() else {
        return Ok(next.call(request).await?.map_into_left_body());
    };
    let is_webhook = request.path().starts_with("/webhooks/");
    if request.headers().contains_key(TRANSFER_ENCODING) {
        let held = if is_webhook {
            gates.webhook_bodies()
        } else {
            gates.api_bodies()
        };
        if let Err((problem, payload)) = body::take_in_chunks(&mut request, held).await {
            let response = Unread::answer(&problem, payload);
            return Ok(request.into_response(response).map_into_right_body());
        }
    }
    if is_webhook {
        // Its gate is behind its body, which whoever is not proven may send as slowly as may be.
        return Ok(next.call(request).await?.map_into_left_body());
    }
    let gate = match request.path() {
        "/healthz" | "/readyz" => gates.probes(),
        _ => gates.api(),
    };
    let _place = match gate.enter().await {
        Ok(place) => place,
        Err(problem) => return Ok(refuse(request, &problem)),
    };
    match tokio::time::timeout(SERVED_WITHIN, next.call(request)).await {
        Ok(served) => {
            let mut response = served?;
            let request = response.request().clone();
            limits::tell(&request, response.headers_mut());
            Ok(response.map_into_left_body())
        }
        Err(elapsed) => Err(InternalError::from_response(elapsed, too_long().error_response()).into()),
    }
}

fn refuse<B>(request: ServiceRequest, problem: &Problem) -> ServiceResponse<EitherBody<B>> {
    request
        .into_response(problem.error_response())
        .map_into_right_body()
}

fn check_size(request: &ServiceRequest) -> Result<(), Problem> {
    let url = request.uri().path_and_query().map_or(0, |url| url.as_str().len());
    if url > URL_LIMIT {
        let detail = format!("the path and query may have {URL_LIMIT} bytes at most");
        return Err(Problem::new(StatusCode::URI_TOO_LONG, "uri_too_long", detail));
    }
    let headers: usize = request
        .headers()
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len())
        .sum();
    if headers > HEADERS_LIMIT {
        let detail = format!("the headers may have {HEADERS_LIMIT} bytes at most");
        let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        return Err(Problem::new(status, "headers_too_large", detail));
    }
    Ok(())
}

fn too_long() -> Problem {
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "took_too_long",
        "the request was not served in time; repeat it under the same key",
    )
    .retry_after(2)
}
