//! What a route wants of who calls. Looked at before a byte of the body is read; a route that wants nothing has no caller.

use std::future::{Ready, ready};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use actix_web::http::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use actix_web::{Error, HttpMessage, ResponseError, web};
use secrecy::SecretString;

use super::Problem;
use super::{limits, origin, request_id};
use crate::app::App;
use crate::app::auth::{self, NamedDatabase, Principal};
use crate::domain::scope::Scope;

/// In which header an Odoo says which database it is.
pub(super) const DATABASE: &str = "Quittance-Odoo-Database";

/// Serves a route to those whose key has a scope. The route's `security` in the contract names the same one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wants(pub(super) Scope);

impl<S, B> Transform<S, ServiceRequest> for Wants
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type InitError = ();
    type Transform = Door<S>;
    type Future = Ready<Result<Door<S>, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        ready(Ok(Door {
            scope: self.0,
            service: Rc::new(service),
        }))
    }
}

/// A route behind what it wants.
pub(super) struct Door<S> {
    scope: Scope,
    service: Rc<S>,
}

impl<S, B> Service<ServiceRequest> for Door<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Error>>>>;

    forward_ready!(service);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let (scope, service) = (self.scope, Rc::clone(&self.service));
        Box::pin(async move {
            match enter(&request, scope).await {
                Ok(principal) => {
                    request.extensions_mut().insert(principal);
                    Ok(service.call(request).await?.map_into_left_body())
                }
                Err(problem) => {
                    let response = problem.error_response();
                    Ok(request.into_response(response).map_into_right_body())
                }
            }
        })
    }
}

/// Finds out who calls, from where, and whether they may.
async fn enter(request: &ServiceRequest, scope: Scope) -> Result<Principal, Problem> {
    let Some(app) = request.app_data::<web::Data<Arc<App>>>() else {
        return Err(Problem::unauthenticated());
    };
    let peer = request.peer_addr().map(|peer| peer.ip());
    let address = origin::address(peer, request.headers(), &app.trusted_proxies)?;
    let principal = auth::authenticate(app, bearer(request).as_ref(), address).await?;
    if let Principal::Caller(caller) = &principal {
        tracing::Span::current().record("merchant_id", tracing::field::display(caller.merchant_id));
    }
    principal.check_database(named_database(request.headers()), limits::looks(request.method()))?;
    principal.check(scope)?;
    if let Principal::Caller(caller) = &principal {
        limits::take(app, caller, request.request()).await?;
    }
    Ok(match request_id::current() {
        Some(id) => principal.in_request(&id),
        None => principal,
    })
}

/// The database of Odoo's that a request says that it comes from.
pub(super) fn named_database(headers: &HeaderMap) -> NamedDatabase<'_> {
    let mut named = headers.get_all(DATABASE);
    match (named.next().map(HeaderValue::to_str), named.next()) {
        (None, _) => NamedDatabase::Unnamed,
        (Some(Ok(name)), None) => NamedDatabase::Named(name),
        (Some(_), _) => NamedDatabase::Unreadable,
    }
}

/// The key that is presented. Two of them are none: nobody knows which one a proxy looked at.
fn bearer(request: &ServiceRequest) -> Option<SecretString> {
    let mut headers = request.headers().get_all(AUTHORIZATION);
    let header = headers.next().filter(|_| headers.next().is_none())?;
    let header = header.to_str().ok()?;
    let (scheme, key) = header.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then(|| SecretString::from(key.trim().to_owned()))
}
