//! The contract, generated from the code: `/openapi.json`, and pages to read it at `/docs`.

use std::sync::LazyLock;

use actix_web::web::Bytes;
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
        super::changes::confirm,
        super::changes::capture,
        super::changes::cancel,
        super::changes::refund,
        super::checkout::create,
        super::checkout::get,
        super::checkout::expire,
        super::customers::put,
        super::customers::list,
        super::customers::get,
        super::setups::create,
        super::setups::get,
        super::payment_methods::list,
        super::payment_methods::get,
        super::payment_methods::get_mandate,
        super::payment_methods::set_default,
        super::payment_methods::detach,
        super::disputes::list,
        super::disputes::get,
        super::disputes::evidence,
        super::disputes::accept,
        super::events::list,
        super::events::counts,
        super::events::get,
        super::events::payload,
        super::events::replay,
        super::events::replay_all,
        super::outbox::list,
        super::outbox::get,
        super::outbox::replay,
        super::outbox::replay_all,
        super::outbox::skip,
        super::audit::get,
        super::payouts::list,
        super::payouts::get,
        super::payouts::reconciliation,
        super::exceptions::list,
        super::exceptions::get,
        super::exceptions::resolve,
        super::exceptions::reopen,
        super::links::link,
        super::foreign_payments::list,
        super::connection::make,
        super::connection::get,
        super::admin::merchants::create,
        super::admin::merchants::list,
        super::admin::merchants::get,
        super::admin::merchants::rename,
        super::admin::merchants::disable,
        super::admin::merchants::enable,
        super::admin::provider_accounts::create,
        super::admin::provider_accounts::list,
        super::admin::provider_accounts::get,
        super::admin::provider_accounts::rotate_keys,
        super::admin::provider_accounts::disable,
        super::admin::provider_accounts::enable,
        super::admin::provider_accounts::add_webhook_secret,
        super::admin::provider_accounts::end_webhook_secret,
        super::admin::odoo_instances::create,
        super::admin::odoo_instances::list,
        super::admin::odoo_instances::get,
        super::admin::odoo_instances::rotate_key,
        super::admin::odoo_instances::rotate_signing_secret,
        super::admin::odoo_instances::enable,
        super::admin::odoo_instances::disable,
        super::admin::api_keys::create,
        super::admin::api_keys::list,
        super::admin::api_keys::get,
        super::admin::api_keys::revoke,
        super::admin::api_keys::roll,
        super::webhooks::receive,
        super::health::healthz,
        super::health::readyz,
    ),
    modifiers(&ApiKey),
    tags(
        (name = "payments", description = "Money owed for one Odoo transaction reference"),
        (name = "checkout sessions", description = "Pages of the provider's on which a payment is paid"),
        (name = "customers", description = "Who pays: one per partner of Odoo's and provider account"),
        (name = "setups", description = "Customers leaving a payment method for later, without a charge"),
        (name = "payment methods", description = "What customers left"),
        (name = "disputes", description = "Money that a customer's bank takes back, or asks about"),
        (name = "events", description = "What providers told us, and what became of it"),
        (name = "outbox", description = "What Odoo was told, and what it was not"),
        (name = "reconciliation", description = "Payouts line by line, and what the provider holds against the ledger"),
        (name = "exceptions", description = "Differences that a person must see"),
        (name = "foreign payments", description = "Payments at the provider that did not start here"),
        (name = "odoo", description = "An Odoo with our addon, and how its connection stands"),
        (name = "administration", description = "Merchants, what they reach, and what reaches them"),
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
            .bearer_format("qk_test_… or qk_live_…; qk_admin_… for an operator")
            .description(Some(
                "What stands beside it at a route is the one scope that the key must have.",
            ))
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

/// The methods of a route, as the contract has them; none where it has no such route.
pub(super) fn methods(pattern: &str) -> Vec<&'static str> {
    static DOCUMENT: LazyLock<utoipa::openapi::OpenApi> = LazyLock::new(document);
    let Some(item) = DOCUMENT.paths.paths.get(pattern) else {
        return Vec::new();
    };
    let known = [
        ("GET", &item.get),
        ("POST", &item.post),
        ("PUT", &item.put),
        ("DELETE", &item.delete),
    ];
    let taken = known.into_iter().filter(|(_, operation)| operation.is_some());
    taken.map(|(method, _)| method).collect()
}

/// The contract as JSON, written once.
#[get("/openapi.json")]
pub(super) async fn json() -> HttpResponse {
    static JSON: LazyLock<Bytes> =
        LazyLock::new(|| serde_json::to_vec(&document()).unwrap_or_default().into());
    HttpResponse::Ok()
        .content_type("application/json")
        .body(JSON.clone())
}

/// Pages to read the contract at.
pub(super) fn pages() -> SwaggerUi {
    SwaggerUi::new("/docs/{_:.*}").config(utoipa_swagger_ui::Config::from("/openapi.json"))
}
