//! What is spoken on the wire: the version, JSON-2 (`POST /json/2/<model>/<method>`) and JSON-RPC.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::Response;
use serde_json::{Map, Value, json};

use crate::faults::Faults;
use crate::server;

use super::Version;
use super::books::Books;
use super::error::OdooError;
use super::json_rpc::{self, Request};
use super::methods::Call;
use super::model::Model;

/// What all requests share.
#[derive(Debug)]
pub(super) struct Api {
    pub(super) books: Mutex<Books>,
    pub(super) faults: Faults,
    pub(super) version: Mutex<Version>,
    pub(super) database: String,
    pub(super) login: String,
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

    /// Which Odoo it is now.
    pub(super) fn version(&self) -> Version {
        *self.version.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers one request, under the fault that waits for it, if any.
    pub(super) async fn answer(
        self: Arc<Self>,
        method: Method,
        uri: Uri,
        headers: HeaderMap,
        body: Bytes,
    ) -> Response {
        let request = (uri.path() == "/jsonrpc" && is_json(&headers)).then(|| Request::parse(&body));
        let path = match &request {
            Some(Some(request)) => request.path(),
            Some(None) | None => uri.path().to_owned(),
        };
        let fault = self.faults.take(&method, &path);
        let (faults, closes) = (self.faults.clone(), self.closes);
        let mut response = if let Some(Some(request)) = request.filter(|_| method == Method::POST) {
            let request = Arc::new(request);
            let asked = Arc::clone(&request);
            let effect = async move { request.answer(&self).await };
            faults
                .answer(fault, effect, |refusal| match refusal.status {
                    // A proxy says so, not Odoo.
                    status @ (StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) => {
                        page(status)
                    }
                    status => asked.refuse(&OdooError::fault(status)),
                })
                .await
        } else {
            let effect = async move { self.carry_out(&method, uri.path(), &headers, &body).await };
            faults
                .answer(fault, effect, |refusal| {
                    OdooError::fault(refusal.status).response()
                })
                .await
        };
        if closes {
            // What a prefork Odoo without a proxy in front does after every answer.
            response
                .headers_mut()
                .insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    async fn carry_out(&self, method: &Method, path: &str, headers: &HeaderMap, body: &[u8]) -> Response {
        match (method, path) {
            (&Method::POST, "/web/webclient/version_info") => return self.version_in_envelope(),
            (&Method::GET, "/web/version") if self.version() >= Version::V19 => return self.bare_version(),
            (_, "/jsonrpc") => return page(StatusCode::BAD_REQUEST),
            (_, path) if !path.starts_with("/json/2/") => return page(StatusCode::NOT_FOUND),
            (_, path) if self.version() < Version::V19 => return json_rpc::to_login(path),
            _ => {}
        }
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
        if !is_json(headers) {
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
            serde_json::from_slice(body).map_err(|error| OdooError::no_json(&error.to_string()))?;
        let model = Model::find(model)
            .ok_or_else(|| OdooError::not_found(format!("the model '{model}' does not exist")))?;
        // Anything but an object is read as no arguments.
        let arguments = arguments.as_object().cloned().unwrap_or_default();
        self.execute(model, method.to_owned(), arguments).await
    }

    /// Calls a method with named arguments, whichever way it was asked for.
    pub(super) async fn execute(
        &self,
        model: Model,
        method: String,
        arguments: Map<String, Value>,
    ) -> Result<Value, OdooError> {
        let begun = self.books().generation;
        // A transaction takes time, in which others begin and end.
        tokio::time::sleep(self.work).await;
        let call = Call {
            model,
            method,
            arguments,
            version: self.version(),
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
        if self.takes(&json!(key)) {
            return Ok(());
        }
        Err(OdooError::unauthorized("Invalid apikey"))
    }

    /// Whether a key is the one that is accepted now.
    pub(super) fn takes(&self, key: &Value) -> bool {
        key == self.key.lock().unwrap_or_else(PoisonError::into_inner).as_str()
    }

    /// Refuses a database that Postgres does not have.
    pub(super) fn opens(&self, database: &Value) -> Result<(), OdooError> {
        if database == self.database.as_str() {
            return Ok(());
        }
        Err(OdooError::no_database(database.as_str().unwrap_or_default()))
    }

    fn version_in_envelope(&self) -> Response {
        let major = self.version().major();
        let said = json!({
            "server_version": format!("{major}.0"),
            "server_version_info": [major, 0, 0, "final", 0, ""],
            "server_serie": format!("{major}.0"),
            "protocol_version": 1,
        });
        json_rpc::enveloped(&Value::Null, "result", &said)
    }

    fn bare_version(&self) -> Response {
        let major = self.version().major();
        let said = json!({"version_info": [major, 0, 0, "final", 0, ""], "version": format!("{major}.0")});
        server::json(StatusCode::OK, said.to_string())
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    kind.is_some_and(|kind| kind.starts_with("application/json"))
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
