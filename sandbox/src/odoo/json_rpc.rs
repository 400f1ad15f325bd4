//! JSON-RPC on the wire: `POST /jsonrpc`, whose answers all come with status 200.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use serde_json::{Map, Value, json};

use crate::server;

use super::Version;
use super::api::Api;
use super::error::OdooError;
use super::model::Model;

/// The only user there is.
const USER: i64 = 2;

/// One request of a service: `common` says whose a key is, `object` calls a method.
#[derive(Debug)]
pub(super) struct Request {
    id: Value,
    service: String,
    method: String,
    arguments: Vec<Value>,
}

impl Request {
    /// Reads a body; nothing where it is no JSON-RPC.
    pub(super) fn parse(body: &[u8]) -> Option<Self> {
        let body: Value = serde_json::from_slice(body).ok()?;
        let params = body.get("params")?;
        Some(Self {
            id: body["id"].clone(),
            service: params["service"].as_str()?.to_owned(),
            method: params["method"].as_str()?.to_owned(),
            arguments: params["args"].as_array()?.clone(),
        })
    }

    /// What faults know it by: `/jsonrpc/object/account.payment/load`, `/jsonrpc/common/authenticate`. It ends as the same
    /// call's path does in JSON-2.
    pub(super) fn path(&self) -> String {
        let text = |index: usize| self.arguments.get(index).and_then(Value::as_str);
        match (self.service.as_str(), text(3), text(4)) {
            ("object", Some(model), Some(method)) => format!("/jsonrpc/object/{model}/{method}"),
            (service, ..) => format!("/jsonrpc/{service}/{}", self.method),
        }
    }

    /// Carries it out.
    pub(super) async fn answer(&self, api: &Api) -> Response {
        let result = match (self.service.as_str(), self.method.as_str()) {
            ("common", "authenticate") => self.authenticate(api),
            ("object", "execute_kw") => self.execute(api).await,
            (other, _) => Err(OdooError::unknown_key(other)),
        };
        match result {
            Ok(result) => enveloped(&self.id, "result", &result),
            Err(error) => self.refuse(&error),
        }
    }

    /// An error, as it comes in an envelope.
    pub(super) fn refuse(&self, error: &OdooError) -> Response {
        let error = json!({"code": 200, "message": "Odoo Server Error", "data": error.body_in_envelope()});
        enveloped(&self.id, "error", &error)
    }

    fn authenticate(&self, api: &Api) -> Result<Value, OdooError> {
        let [database, login, key, _] = &self.arguments[..] else {
            return Err(OdooError::argument(
                "exp_authenticate() takes 4 positional arguments",
            ));
        };
        api.opens(database)?;
        let known = login == api.login.as_str() && api.takes(key);
        Ok(if known { json!(USER) } else { json!(false) })
    }

    async fn execute(&self, api: &Api) -> Result<Value, OdooError> {
        let [database, user, key, model, method, arguments, named @ ..] = &self.arguments[..] else {
            return Err(OdooError::argument(
                "execute_kw() missing required positional arguments",
            ));
        };
        api.opens(database)?;
        if *user != json!(USER) {
            return Err(OdooError::missing("res.users", user.as_i64().unwrap_or_default()));
        }
        if !api.takes(key) {
            return Err(OdooError::denied());
        }
        let (model, method) = (
            model.as_str().unwrap_or_default(),
            method.as_str().unwrap_or_default(),
        );
        let model =
            Model::find(model).ok_or_else(|| OdooError::user(format!("Object {model} doesn't exist")))?;
        let by_place = arguments.as_array().map_or(&[][..], Vec::as_slice);
        let by_name = named
            .first()
            .and_then(Value::as_object)
            .cloned()
            .unwrap_or_default();
        let (method, arguments) = name_all(api.version(), method, by_place, by_name)?;
        api.execute(model, method, arguments).await
    }
}

/// An answer in its envelope, which leaves out a result that is nothing.
pub(super) fn enveloped(id: &Value, kind: &str, content: &Value) -> Response {
    let mut envelope = json!({"jsonrpc": "2.0", "id": id});
    if !content.is_null() {
        envelope[kind] = content.clone();
    }
    server::json(StatusCode::OK, envelope.to_string())
}

/// What Odoo says to a JSON-2 request where it has no JSON-2: to log in, to see a page.
pub(super) fn to_login(path: &str) -> Response {
    let mut response = server::json(
        StatusCode::SEE_OTHER,
        "<!doctype html>\n<title>Redirecting...</title>\n",
    );
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/html; charset=utf-8"),
    );
    let location = format!("/web/login?redirect={}", path.replace('/', "%2F"));
    if let Ok(location) = HeaderValue::try_from(location) {
        headers.insert(header::LOCATION, location);
    }
    response
}

/// Gives arguments by place the names that they have in JSON-2, and the method its newer name.
fn name_all(
    version: Version,
    method: &str,
    by_place: &[Value],
    mut by_name: Map<String, Value>,
) -> Result<(String, Map<String, Value>), OdooError> {
    let before_19 = version < Version::V19;
    let unexpected = |name: &str| {
        let message = format!("BaseModel.{method}() got an unexpected keyword argument '{name}'");
        Err(OdooError::argument(message))
    };
    let (names, needed): (&[&str], usize) = match method {
        "create" => (&["vals_list"], 1),
        "default_get" if before_19 && by_name.contains_key("fields") => return unexpected("fields"),
        "default_get" => (&["fields"], 0),
        "load" => (&["fields", "data"], 0),
        "read_group" => (&["domain", "fields", "groupby"], 0),
        "fields_get" => (&["allfields", "attributes"], 0),
        "search_read" => (&["domain", "fields", "offset", "limit", "order"], 0),
        "check_access_rights" => (&["operation", "raise_exception"], 0),
        "has_access" => (&["ids", "operation"], 1),
        "write" => (&["ids", "vals"], 1),
        "read" => (&["ids", "fields"], 1),
        _ => (&["ids"], 1),
    };
    if by_place.len() < needed {
        return Err(OdooError::index());
    }
    if by_place.len() > names.len() {
        let message = format!("{method}() takes {} positional arguments", names.len());
        return Err(OdooError::argument(message));
    }
    for (name, value) in names.iter().zip(by_place) {
        if by_name.insert((*name).to_owned(), value.clone()).is_some() {
            return Err(OdooError::argument(format!(
                "{method}() got multiple values for argument '{name}'"
            )));
        }
    }
    let method = match (method, version < Version::V18) {
        ("check_access_rights", true) => "has_access",
        ("check_access_rights", false) | ("has_access", true) => {
            return Err(OdooError::unknown_method(method));
        }
        (other, _) => other,
    };
    Ok((method.to_owned(), by_name))
}
