//! REST: routes, what they take in, what they answer. A handler is extractors, one call, one view.

mod changes;
mod check;
mod checkout;
mod cursor;
mod customers;
mod extract;
mod health;
mod new_payment;
mod openapi;
mod payment_methods;
mod payments;
mod problem;
mod refusals;
mod request_id;
mod respond;
mod setups;
mod view;
mod webhooks;

use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::{ServiceFactory, ServiceRequest};
use actix_web::{App as Actix, Error, HttpResponse, web};

use crate::app::App;

pub use openapi::document as openapi_document;
pub use problem::Problem;

/// The largest body taken, in bytes.
pub const BODY_LIMIT: usize = 256 * 1024;

/// How long the provider took, for `Server-Timing`.
#[derive(Clone, Copy, Debug)]
struct ProviderTime(Duration);

/// The service's routes over its use cases.
pub fn service(
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
        .app_data(web::PayloadConfig::new(BODY_LIMIT))
        .configure(routes)
        .default_service(web::to(not_found))
        .wrap(actix_web::middleware::from_fn(request_id::middleware))
}

fn routes(config: &mut web::ServiceConfig) {
    config
        .service(health::healthz)
        .service(health::readyz)
        .service(openapi::json)
        .service(openapi::pages())
        .service(webhooks::receive)
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
        .service(payment_methods::detach);
}

async fn not_found() -> Result<HttpResponse, Problem> {
    Err(Problem::new(
        actix_web::http::StatusCode::NOT_FOUND,
        "not_found",
        "no such route; see /docs",
    ))
}
