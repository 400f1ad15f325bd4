//! What operators' machines ask: a port of its own, for metrics and probes, that no customer reaches.

use std::sync::Arc;

use actix_web::dev::{ServiceFactory, ServiceRequest};
use actix_web::http::header::ContentType;
use actix_web::{App as Actix, Error, HttpResponse, get, web};

use super::{health, not_found};
use crate::app::{App, gauges};
use crate::telemetry::metrics;

/// The routes of that port.
pub fn operations(
    app: Arc<App>,
) -> Actix<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = actix_web::dev::ServiceResponse<impl actix_web::body::MessageBody>,
        Error = Error,
        InitError = (),
    >,
> {
    Actix::new()
        .app_data(web::Data::new(app))
        .service(health::healthz)
        .service(health::readyz)
        .service(show)
        .default_service(web::to(not_found))
}

/// All metrics. Where Postgres does not answer, those of this process alone: an operator wants them most then.
#[get("/metrics")]
async fn show(app: web::Data<Arc<App>>) -> HttpResponse {
    let standing = match gauges::read(&app).await {
        Ok(standing) => standing,
        Err(error) => {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "what stands in queues could not be counted"
            );
            Vec::new()
        }
    };
    let connections = app
        .db
        .connections()
        .into_iter()
        .map(|(state, number)| metrics::Reading {
            name: "pool_connections",
            help: "Connections of this process to Postgres",
            labels: vec![("state", state.to_owned())],
            value: i64::from(number),
        });
    let readings: Vec<_> = standing.into_iter().chain(connections).collect();
    HttpResponse::Ok()
        .insert_header(ContentType(TEXT.parse().unwrap_or(actix_web::mime::TEXT_PLAIN)))
        .body(metrics::write(&readings))
}

/// The media type of `OpenMetrics`.
const TEXT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
