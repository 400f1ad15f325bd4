//! REST: routes, what they take in, what they answer. A handler is extractors, one call, one view.

mod admin;
mod audit;
mod body;
mod changes;
mod check;
mod checkout;
mod connection;
mod customers;
mod disputes;
mod events;
mod exceptions;
mod extract;
mod gate;
mod guard;
mod foreign_payments;
mod health;
mod limits;
mod links;
mod listening;
mod new_payment;
mod openapi;
mod operations;
mod origin;
mod outbox;
mod page;
mod payment_methods;
mod payments;
mod payouts;
mod problem;
mod refusals;
mod request_id;
mod respond;
mod setups;
mod strict_json;
mod view;
mod wants;
mod webhooks;

use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::{ServiceFactory, ServiceRequest};
use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, HeaderValue};
use actix_web::{App as Actix, Error, HttpRequest, HttpResponse, ResponseError, web};

use crate::app::App;

pub use admin::api_keys::{ApiKeyList, ApiKeyView, NewApiKeyView};
pub use admin::merchants::{MerchantList, MerchantView};
pub use admin::odoo_instances::{NewOdooInstanceView, OdooInstanceList, OdooInstanceView};
pub use admin::provider_accounts::{ProviderAccountDetail, ProviderAccountList, ProviderAccountView};
pub use audit::{AuditReport, OpeningReport};
pub use body::BODY_LIMIT;
pub use events::{EventCountsView, EventList, EventView};
pub use exceptions::{ExceptionList, ExceptionWithHistory};
pub use gate::Bounds;
use gate::Gates;
pub use listening::{Listening, Serving};
pub use new_payment::parse_document;
pub use openapi::document as openapi_document;
pub use operations::operations;
pub use outbox::{MessageList, MessageView};
pub use page::{Replayed, after as parse_cursor};
pub use payouts::{PayoutReconciliation, ReportText, SHOWN, csv_header, csv_rows};
pub use problem::Problem;

/// How long the provider took, for `Server-Timing`.
#[derive(Clone, Copy, Debug)]
struct ProviderTime(Duration);

/// The service's routes over its use cases, behind gates that all threads share.
pub fn service(
    app: Arc<App>,
    gates: Arc<Gates>,
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
        .app_data(web::Data::from(gates))
        .app_data(web::PathConfig::default().error_handler(|_, _| unknown_path().into()))
        .configure(routes)
        .default_service(web::to(not_found))
        .wrap(actix_web::middleware::from_fn(guard::middleware))
        .wrap(actix_web::middleware::from_fn(request_id::middleware))
}

fn routes(config: &mut web::ServiceConfig) {
    config.configure(usual).configure(administration);
}

fn administration(config: &mut web::ServiceConfig) {
    config
        .service(admin::merchants::create)
        .service(admin::merchants::list)
        .service(admin::merchants::get)
        .service(admin::merchants::rename)
        .service(admin::merchants::disable)
        .service(admin::merchants::enable)
        .service(admin::provider_accounts::create)
        .service(admin::provider_accounts::list)
        .service(admin::provider_accounts::get)
        .service(admin::provider_accounts::rotate_keys)
        .service(admin::provider_accounts::disable)
        .service(admin::provider_accounts::enable)
        .service(admin::provider_accounts::add_webhook_secret)
        .service(admin::provider_accounts::end_webhook_secret)
        .service(admin::odoo_instances::create)
        .service(admin::odoo_instances::list)
        .service(admin::odoo_instances::get)
        .service(admin::odoo_instances::rotate_key)
        .service(admin::odoo_instances::rotate_signing_secret)
        .service(admin::odoo_instances::enable)
        .service(admin::odoo_instances::disable)
        .service(admin::api_keys::create)
        .service(admin::api_keys::list)
        .service(admin::api_keys::get)
        .service(admin::api_keys::revoke)
        .service(admin::api_keys::roll);
}

fn usual(config: &mut web::ServiceConfig) {
    config
        // Routes are tried in this order: what comes most is first.
        .service(webhooks::receive)
        .service(health::healthz)
        .service(health::readyz)
        .service(openapi::json)
        .service(openapi::pages())
        .service(payments::create)
        .service(payments::list)
        .service(payments::get)
        .service(changes::confirm)
        .service(changes::capture)
        .service(changes::cancel)
        .service(changes::refund)
        .service(checkout::create)
        .service(checkout::get)
        .service(checkout::expire)
        .service(customers::put)
        .service(customers::list)
        .service(customers::get)
        .service(setups::create)
        .service(setups::get)
        .service(payment_methods::list)
        .service(payment_methods::get)
        .service(payment_methods::get_mandate)
        .service(payment_methods::set_default)
        .service(payment_methods::detach)
        .service(disputes::list)
        .service(disputes::get)
        .service(disputes::evidence)
        .service(disputes::accept)
        .service(events::list)
        .service(events::counts)
        .service(events::get)
        .service(events::payload)
        .service(events::replay)
        .service(events::replay_all)
        .service(outbox::list)
        .service(outbox::get)
        .service(outbox::replay)
        .service(outbox::replay_all)
        .service(outbox::skip)
        .service(audit::get)
        .service(payouts::list)
        .service(payouts::get)
        .service(payouts::reconciliation)
        .service(exceptions::list)
        .service(exceptions::get)
        .service(exceptions::resolve)
        .service(exceptions::reopen)
        .service(links::link)
        .service(foreign_payments::list)
        .service(connection::make)
        .service(connection::get);
}

fn unknown_path() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "not_found", "no such route; see /docs")
}

/// What no route takes: a path that is none, or a method that its path does not have.
async fn not_found(request: HttpRequest) -> HttpResponse {
    let pattern = request.resource_map().match_pattern(request.path());
    let methods = pattern
        .map(|pattern| openapi::methods(&pattern))
        .unwrap_or_default();
    if methods.is_empty() {
        return unknown_path().error_response();
    }
    let allowed = methods.join(", ");
    let detail = format!("this route takes {allowed}");
    let mut response =
        Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail).error_response();
    if let Ok(value) = HeaderValue::from_str(&allowed) {
        response.headers_mut().insert(ALLOW, value);
    }
    response
}
