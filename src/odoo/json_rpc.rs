//! JSON-RPC, all that Odoo had before 19: `POST /jsonrpc` with the user's id and with arguments by place.
//!
//! The status is 200 whatever happened. XML-RPC would do the same and worse: it cannot say that a method gave nothing, and
//! answers an error after the effect.

use secrecy::ExposeSecret;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use crate::sink::SinkError;

use super::client::Database;
use super::error::{self, Failure, Fault};
use super::version::Version;

/// Methods of a model as a whole that we call by name alone: no ids come before their arguments.
const WITHOUT_IDS: [&str; 6] = [
    "fields_get",
    "load",
    "read_group",
    "search",
    "search_count",
    "search_read",
];

/// Calls a method with the named arguments that JSON-2 takes.
pub(super) async fn call<T: DeserializeOwned>(
    odoo: &Database<'_>,
    version: Version,
    model: &str,
    method: &str,
    arguments: Value,
) -> Result<T, Failure> {
    let login = odoo.login.ok_or_else(|| {
        error::refused(format!(
            "{version} takes a key with its user's login only: add the instance with --login"
        ))
    })?;
    let user = user(odoo, login).await?;
    let Placed {
        method: name,
        by_place,
        by_name,
    } = place(version, method, arguments);
    let key = odoo.key.expose_secret();
    let called = json!([odoo.name, user, key, model, name, by_place, by_name]);
    let result = request(odoo, "object", "execute_kw", called).await;
    if matches!(&result, Err(failure) if matches!(failure.error, SinkError::Unauthorized { .. })) {
        odoo.memory.users.forget(&odoo.user_key(login));
    }
    serde_json::from_str(result?.get()).map_err(|_| error::unreadable(model, method).into())
}

/// The id of the user whose login and key these are.
async fn user(odoo: &Database<'_>, login: &str) -> Result<i64, Failure> {
    let place = odoo.user_key(login);
    if let Some(user) = odoo.memory.users.get(&place) {
        return Ok(user);
    }
    let named = json!([odoo.name, login, odoo.key.expose_secret(), {}]);
    let answer = request(odoo, "common", "authenticate", named).await?;
    // Anything else is `false`.
    let Ok(user) = answer.get().parse() else {
        let message = "wrong login or API key".into();
        return Err(Failure {
            error: SinkError::Unauthorized { message },
            doubts_version: false,
        });
    };
    odoo.memory.users.put(place, user);
    Ok(user)
}

/// What every answer is in.
#[derive(Debug, Deserialize)]
struct Envelope {
    #[serde(rename = "jsonrpc")]
    _version: String,
    /// Left out where the method gave nothing.
    #[serde(default)]
    result: Option<Box<RawValue>>,
    #[serde(default)]
    error: Option<Refusal>,
}

#[derive(Debug, Deserialize)]
struct Refusal {
    data: Fault,
}

/// One request of one of Odoo's services; what it gave, `null` where that is nothing.
async fn request(
    odoo: &Database<'_>,
    service: &str,
    method: &str,
    arguments: Value,
) -> Result<Box<RawValue>, Failure> {
    let mut url = odoo.url.clone();
    url.set_path("/jsonrpc");
    let params = json!({ "service": service, "method": method, "args": arguments });
    let body = json!({ "jsonrpc": "2.0", "method": "call", "id": 1, "params": params });
    let answer = odoo.http.post(url, |request| request.json(&body)).await?;
    if answer.status != 200 {
        return Err(error::from_answer(&answer));
    }
    let envelope: Envelope =
        serde_json::from_slice(&answer.body).map_err(|_| error::unreadable(service, method))?;
    match envelope.error {
        Some(refusal) => Err(error::from_fault(&refusal.data, odoo.name)),
        None => Ok(envelope.result.unwrap_or_default()),
    }
}

/// A call as `execute_kw` takes it.
#[derive(Debug, PartialEq)]
struct Placed<'a> {
    method: &'a str,
    by_place: Vec<Value>,
    by_name: Map<String, Value>,
}

/// Puts the arguments in their place that must have one, and leaves the others their names.
///
/// A method of records takes their ids first, and fails where there are none. `create` looks at its first argument by place.
/// Where a model overrides `write` or an addon `default_get`, their arguments may be called otherwise.
fn place(version: Version, method: &str, arguments: Value) -> Placed<'_> {
    let mut by_name = match arguments {
        Value::Object(arguments) => arguments,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Map::new(),
    };
    let mut take = |name| by_name.remove(name).unwrap_or_else(|| json!([]));
    let (method, by_place) = match method {
        "create" => (method, vec![take("vals_list")]),
        "default_get" => (method, vec![take("fields")]),
        "has_access" if !version.has_has_access() => {
            let operation = take("operation");
            ("check_access_rights", vec![operation, json!(false)])
        }
        "write" => (method, vec![take("ids"), take("vals")]),
        _ if WITHOUT_IDS.contains(&method) => (method, Vec::new()),
        _ => (method, vec![take("ids")]),
    };
    Placed {
        method,
        by_place,
        by_name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn placed(version: u32, method: &str, arguments: Value) -> (String, Value, Value) {
        let Placed {
            method,
            by_place,
            by_name,
        } = place(Version(version), method, arguments);
        (method.to_owned(), json!(by_place), json!(by_name))
    }

    fn call(method: &str, by_place: Value, by_name: Value) -> (String, Value, Value) {
        (method.to_owned(), by_place, by_name)
    }

    #[test]
    fn ids_come_first_and_the_rest_keep_their_names() {
        let context = json!({ "allowed_company_ids": [1] });
        assert_eq!(
            placed(
                18,
                "read",
                json!({ "ids": [7], "fields": ["name"], "context": context })
            ),
            call(
                "read",
                json!([[7]]),
                json!({ "fields": ["name"], "context": context })
            )
        );
        assert_eq!(
            placed(18, "write", json!({ "ids": [7], "vals": { "name": "x" } })),
            call("write", json!([[7], { "name": "x" }]), json!({}))
        );
        assert_eq!(
            placed(18, "has_access", json!({ "operation": "create" })),
            call("has_access", json!([[]]), json!({ "operation": "create" }))
        );
        assert_eq!(
            placed(18, "action_post", Value::Null),
            call("action_post", json!([[]]), json!({}))
        );
    }

    #[test]
    fn a_method_of_the_model_gets_no_ids() {
        assert_eq!(
            placed(18, "search_read", json!({ "domain": [], "fields": ["name"] })),
            call(
                "search_read",
                json!([]),
                json!({ "domain": [], "fields": ["name"] })
            )
        );
        assert_eq!(
            placed(
                18,
                "create",
                json!({ "vals_list": [{ "name": "x" }], "context": {} })
            ),
            call("create", json!([[{ "name": "x" }]]), json!({ "context": {} }))
        );
        assert_eq!(
            placed(18, "default_get", json!({ "fields": ["name"] })),
            call("default_get", json!([["name"]]), json!({}))
        );
    }

    #[test]
    fn before_18_rights_are_asked_for_by_another_name() {
        assert_eq!(
            placed(17, "has_access", json!({ "operation": "create", "context": {} })),
            call(
                "check_access_rights",
                json!(["create", false]),
                json!({ "context": {} })
            )
        );
    }

    #[test]
    fn a_method_that_gives_nothing_gives_null() {
        for body in [
            r#"{"jsonrpc": "2.0", "id": 1}"#,
            r#"{"jsonrpc": "2.0", "id": 1, "result": null}"#,
        ] {
            let read: Option<Envelope> = serde_json::from_str(body).ok();
            let result = read.map(|envelope| envelope.result.unwrap_or_default().get().to_owned());
            assert_eq!(result.as_deref(), Some("null"), "{body}");
        }
        assert!(serde_json::from_str::<Envelope>("{}").is_err());
    }
}
