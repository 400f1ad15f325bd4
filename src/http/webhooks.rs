//! Where providers tell us what happened.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, post, web};

use super::Problem;
use super::body::Delivered;
use super::gate::Gates;
use crate::app::App;
use crate::app::webhooks::{Received, receive as take_in};
use crate::telemetry::metrics;

/// Takes in an event of a provider account. A 2xx means that it is on disk, or is not for this account.
#[utoipa::path(
    tag = "webhooks",
    params(("provider" = String, Path, description = "the provider's name, `stripe`"),
           ("provider_account_id" = String, Path, description = "`acc_…`")),
    request_body(content = String, content_type = "application/json", description = "the event, signed by the provider"),
    responses(
        (status = 200, description = "kept"),
        (status = 400, body = Problem, content_type = "application/problem+json", description = "not signed as it must be"),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "no such account"),
        (status = 408, body = Problem, content_type = "application/problem+json", description = "the body came too slowly"),
        (status = 413, body = Problem, content_type = "application/problem+json", description = "too large"),
        (status = 414, body = Problem, content_type = "application/problem+json", description = "the URL is too long"),
        (status = 415, body = Problem, content_type = "application/problem+json", description = "the body is compressed"),
        (status = 431, body = Problem, content_type = "application/problem+json", description = "the headers are too large"),
        (status = 503, body = Problem, content_type = "application/problem+json", description = "not kept; come back")))]
#[post("/webhooks/{provider}/{provider_account_id}")]
pub(super) async fn receive(
    app: web::Data<Arc<App>>,
    gates: web::Data<Gates>,
    path: web::Path<(String, String)>,
    request: HttpRequest,
    body: Delivered,
) -> Result<HttpResponse, Problem> {
    let body = body.0?;
    let _place = gates.webhooks().enter().await?;
    let (provider, account) = path.into_inner();
    let unknown = || {
        Problem::new(
            StatusCode::NOT_FOUND,
            "unknown_account",
            "no such provider account",
        )
    };
    let account = account.parse().map_err(|_| unknown())?;
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    let received = take_in(&app, &provider, account, header, &body).await?;
    metrics::delivered(word(&received));
    match received {
        Received::Kept | Received::NotOurs => Ok(HttpResponse::Ok().finish()),
        Received::Unknown => Err(unknown()),
        Received::Refused(why) => Err(Problem::new(
            StatusCode::BAD_REQUEST,
            "bad_signature",
            why.to_string(),
        )),
        Received::NotKept => Err(Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "unavailable",
            "the event was not kept; send it again",
        )
        .retry_after(2)),
    }
}

/// What became of a delivery, in a word.
const fn word(received: &Received) -> &'static str {
    match received {
        Received::Kept => "kept",
        Received::NotOurs => "not_ours",
        Received::Unknown => "unknown_account",
        Received::Refused(_) => "refused",
        Received::NotKept => "not_kept",
    }
}
