//! JSON-2 on the wire: `POST /json/2/<model>/<method>`.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::Response;
use serde_json::Value;

use crate::faults::Faults;
use crate::server;

use super::books::Books;
use super::error::OdooError;
use super::methods::Call;
use super::model::Model;

/// What all requests share.
#[derive(Debug)]
pub(super) struct Api {
    pub(super) books: Mutex<Books>,
    pub(super) faults: Faults,
    pub(super) database: String,
    pub(super) key: Mutex<String>,
    pub(super) may_write_lines: bool,
    pub(super) may_set_up: bool,
    /// What every change is refused with, while it is set.
    pub(super) refusal: Mutex<Option<String>>,
    pub(super) work: Duration,
    pub(super) closes: bool,
}

impl Api {
    /// The books, to look at or change.
    pub(super) fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers one request, under the fault that waits for it, if any.
    pub(super) async fn answer(
        self: std::sync::Arc<Self>,
        method: Method,
        uri: Uri,
        headers: HeaderMap,
        body: Bytes,
    ) -> Response {
        let fault = self.faults.take(&method, uri.path());
        let (faults, closes) = (self.faults.clone(), self.closes);
        let effect = async move { self.carry_out(&method, uri.path(), &headers, &body).await };
        let mut response = faults
            .answer(fault, effect, |refusal| {
                OdooError::fault(refusal.status).response()
            })
            .await;
        if closes {
            // What a prefork Odoo without a proxy in front does after every answer.
            response
                .headers_mut()
                .insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    async fn carry_out(&self, method: &Method, path: &str, headers: &HeaderMap, body: &[u8]) -> Response {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        if header("x-odoo-database").is_some_and(|name| name != self.database) {
            return page(StatusCode::NOT_FOUND);
        }
        let names = path
            .strip_prefix("/json/2/")
            .and_then(|rest| rest.split_once('/'));
        let (Some((model, name)), &Method::POST) = (names, method) else {
            return OdooError::not_found("Did you mean POST /json/2/<model>/<method>?").response();
        };
        if !header("content-type").is_some_and(|kind| kind.starts_with("application/json")) {
            return page(StatusCode::UNSUPPORTED_MEDIA_TYPE);
        }
        match self.call(model, name, header("authorization"), body).await {
            Ok(result) => server::json(StatusCode::OK, result.to_string()),
            Err(error) => error.response(),
        }
    }

    async fn call(
        &self,
        model: &str,
        method: &str,
        authorization: Option<&str>,
        body: &[u8],
    ) -> Result<Value, OdooError> {
        self.authenticate(authorization)?;
        let arguments: Value =
            serde_json::from_slice(body).map_err(|error| OdooError::body(&error.to_string()))?;
        let model = Model::find(model)
            .ok_or_else(|| OdooError::not_found(format!("the model '{model}' does not exist")))?;
        let begun = self.books().generation;
        // A transaction takes time, in which others begin and end.
        tokio::time::sleep(self.work).await;
        let call = Call {
            model,
            method: method.to_owned(),
            // Anything but an object is read as no arguments.
            arguments: arguments.as_object().cloned().unwrap_or_default(),
            begun,
            may_write_lines: self.may_write_lines,
            may_set_up: self.may_set_up,
            refusal: self
                .refusal
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone(),
        };
        call.run(&mut self.books())
    }

    fn authenticate(&self, authorization: Option<&str>) -> Result<(), OdooError> {
        let key = authorization.and_then(|value| value.split_once(' '));
        let Some((_, key)) = key.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")) else {
            let message = "User not authenticated, use an API Key with a Bearer Authorization header.";
            return Err(OdooError::unauthorized(message));
        };
        if key == *self.key.lock().unwrap_or_else(PoisonError::into_inner) {
            return Ok(());
        }
        Err(OdooError::unauthorized("Invalid apikey"))
    }
}

/// A page for people, as Odoo answers before it knows which API is meant.
fn page(status: StatusCode) -> Response {
    let mut response = server::json(status, format!("<!doctype html>\n<title>{status}</title>\n"));
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/html; charset=utf-8"),
    );
    response
}
