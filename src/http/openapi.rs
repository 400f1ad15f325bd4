//! The contract, generated from the code: `/openapi.json`, and pages to read it at `/docs`.

use actix_web::{HttpResponse, get};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};
use utoipa_swagger_ui::SwaggerUi;

#[derive(OpenApi)]
#[openapi(
    info(title = "Quittance", description = "A self-hosted payment service between Odoo and Stripe."),
    paths(
        super::payments::create,
        super::payments::list,
        super::payments::get,
        super::payments::capture,
        super::payments::cancel,
        super::payments::refund,
        super::disputes::list,
        super::disputes::get,
        super::disputes::evidence,
        super::disputes::accept,
        super::webhooks::receive,
        super::health::healthz,
        super::health::readyz,
    ),
    modifiers(&ApiKey),
    tags(
        (name = "payments", description = "Money owed for one Odoo transaction reference"),
        (name = "disputes", description = "Money that a customer's bank takes back, or asks about"),
        (name = "webhooks", description = "Where providers tell us what happened"),
        (name = "operations", description = "For whoever runs the service"),
    )
)]
struct Document;

struct ApiKey;

impl Modify for ApiKey {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("qk_test_… or qk_live_…")
            .build();
        if let Some(components) = document.components.as_mut() {
            components.add_security_scheme("api_key", SecurityScheme::Http(scheme));
        }
    }
}

/// The contract.
#[must_use]
pub fn document() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

/// The contract as JSON.
#[get("/openapi.json")]
pub(super) async fn json() -> HttpResponse {
    HttpResponse::Ok().json(document())
}

/// Pages to read the contract at.
pub(super) fn pages() -> SwaggerUi {
    SwaggerUi::new("/docs/{_:.*}").config(utoipa_swagger_ui::Config::from("/openapi.json"))
}
