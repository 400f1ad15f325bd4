//! Answers of an API that moved on: words that nobody knows yet, and fields that came or went.

use axum::body::Body;
use axum::http::header;
use axum::response::Response;
use serde_json::{Map, Value};

use crate::server;

/// More than any answer here has.
const MAX_BODY_BYTES: usize = 1 << 24;

/// A word that is in nobody's list.
const UNHEARD_OF: &str = "unheard_of";

/// Fields whose value is one of a list of words.
const ENUMS: [&str; 10] = [
    "cancellation_reason",
    "capture_method",
    "confirmation_method",
    "failure_reason",
    "funding",
    "network_status",
    "pending_reason",
    "reason",
    "setup_future_usage",
    "tax_exempt",
];

/// Fields that an answer may do without, beside all that are null.
const OPTIONAL: [&str; 9] = [
    "amount_details",
    "automatic_payment_methods",
    "description",
    "managed_payments",
    "payment_method_options",
    "receipt_email",
    "shipping",
    "statement_descriptor_suffix",
    "transfer_data",
];

/// Which words of an answer are unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// Those beside `status`.
    BesideStatus,
    /// Those and the object's own `status`.
    StatusToo,
}

/// Makes a success strange. What is not a JSON object, and what is an error, stays as it is.
pub(crate) async fn answer(response: Response, extent: Extent) -> Response {
    let (mut parts, body) = response.into_parts();
    let Ok(whole) = axum::body::to_bytes(body, MAX_BODY_BYTES).await else {
        return server::reset();
    };
    let read = serde_json::from_slice::<Value>(&whole)
        .ok()
        .filter(|_| parts.status.is_success());
    let Some(Value::Object(mut object)) = read else {
        return Response::from_parts(parts, Body::from(whole));
    };
    estrange(&mut object);
    if extent == Extent::StatusToo {
        lose_status(&mut object);
    }
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(Value::Object(object).to_string()))
}

/// Changes an object and those inside it, but nobody's metadata.
fn estrange(object: &mut Map<String, Value>) {
    object.retain(|name, value| !value.is_null() && !OPTIONAL.contains(&name.as_str()));
    for (name, value) in object.iter_mut().filter(|(name, _)| *name != "metadata") {
        if ENUMS.contains(&name.as_str()) && value.is_string() {
            *value = UNHEARD_OF.into();
        }
        match value {
            Value::Object(inner) => estrange(inner),
            Value::Array(items) => items
                .iter_mut()
                .filter_map(Value::as_object_mut)
                .for_each(estrange),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    object.insert("field_of_tomorrow".to_owned(), UNHEARD_OF.into());
}

/// Makes the status of an object unknown, or that of each object in a list.
fn lose_status(object: &mut Map<String, Value>) {
    if let Some(status) = object.get_mut("status") {
        *status = UNHEARD_OF.into();
    }
    if let Some(Value::Array(items)) = object.get_mut("data") {
        items
            .iter_mut()
            .filter_map(Value::as_object_mut)
            .for_each(lose_status);
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use axum::http::StatusCode;
    use serde_json::json;

    use super::*;

    async fn made(status: StatusCode, body: Value, extent: Extent) -> Value {
        let response = answer(server::json(status, body.to_string()), extent).await;
        assert_eq!(response.status(), status);
        let body = axum::body::to_bytes(response.into_body(), MAX_BODY_BYTES)
            .await
            .unwrap();
        serde_json::from_slice(&body).unwrap()
    }

    #[tokio::test]
    async fn what_a_payment_cannot_be_read_without_stays_and_the_rest_turns_strange() {
        let kept = json!({
            "id": "pi_1", "object": "payment_intent", "amount": 1, "amount_capturable": 0, "amount_received": 1,
            "currency": "eur", "metadata": { "reason": "theirs" },
        });
        let mut whole = kept.clone();
        whole["status"] = "succeeded".into();
        whole["capture_method"] = "manual".into();
        whole["shipping"] = json!({ "name": "Ada" });
        whole["customer"] = Value::Null;
        for (extent, status) in [
            (Extent::BesideStatus, "succeeded"),
            (Extent::StatusToo, UNHEARD_OF),
        ] {
            let mut expected = kept.clone();
            expected["status"] = status.into();
            expected["capture_method"] = UNHEARD_OF.into();
            expected["field_of_tomorrow"] = UNHEARD_OF.into();
            assert_eq!(made(StatusCode::OK, whole.clone(), extent).await, expected);
        }
    }

    #[tokio::test]
    async fn objects_inside_turn_strange_too_and_only_those_of_a_list_lose_their_status() {
        let list = json!({ "data": [{ "status": "succeeded", "charge": { "status": "x", "reason": "y" } }] });
        let strange = made(StatusCode::OK, list, Extent::StatusToo).await;
        let item = &strange["data"][0];
        assert_eq!(
            (&item["status"], &item["charge"]["status"]),
            (&UNHEARD_OF.into(), &"x".into())
        );
        assert_eq!(item["charge"]["reason"], UNHEARD_OF);
    }

    #[tokio::test]
    async fn errors_and_what_is_no_object_stay_as_they_are() {
        let error = json!({ "error": { "reason": "x", "param": null } });
        assert_eq!(
            made(StatusCode::PAYMENT_REQUIRED, error.clone(), Extent::StatusToo).await,
            error
        );
        assert_eq!(
            made(StatusCode::OK, json!([null]), Extent::StatusToo).await,
            json!([null])
        );
    }
}
