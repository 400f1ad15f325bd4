//! Whether the process is alive, and whether it can serve.

use std::sync::Arc;

use actix_web::{HttpResponse, get, web};
use serde_json::json;

use crate::app::{App, health};

/// Alive.
#[utoipa::path(tag = "operations", responses((status = 200, description = "the process is alive")))]
#[get("/healthz")]
pub(super) async fn healthz() -> HttpResponse {
    HttpResponse::Ok().json(json!({ "status": "ok" }))
}

/// Ready: the database answers, its migrations are this version's, and what it holds opens with our key.
#[utoipa::path(tag = "operations", responses(
    (status = 200, description = "requests can be served"),
    (status = 503, description = "not yet, and why")))]
#[get("/readyz")]
pub(super) async fn readyz(app: web::Data<Arc<App>>) -> HttpResponse {
    match health::check(&app).await {
        Ok(()) => HttpResponse::Ok().json(json!({ "status": "ok" })),
        Err(unready) => {
            tracing::warn!(%unready, "not ready");
            HttpResponse::ServiceUnavailable()
                .json(json!({ "status": "unready", "reason": unready.to_string() }))
        }
    }
}
