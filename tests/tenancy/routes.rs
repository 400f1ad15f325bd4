//! Every route of the contract, called with one merchant's key and another's ids.

use quittance::domain::ids::{
    ApiKeyId, CheckoutSessionId, CustomerId, DisputeId, ExceptionId, MerchantId, OdooInstanceId,
    OutboxMessageId, PaymentId, PaymentMethodId, PayoutId, ProviderAccountId, SetupId, WebhookEventId,
    WebhookSecretId,
};
use reqwest::{Method, StatusCode};
use serde_json::{Map, Value, json};
use sqlx::Postgres;

use super::{ALPHA, Two};
use crate::events::{as_key, key};
use crate::support::Reply;

/// An operation of the contract.
struct Route {
    method: Method,
    path: String,
    told: Value,
}

impl Route {
    fn all(contract: &Value) -> Vec<Self> {
        let mut routes = Vec::new();
        for (path, operations) in contract["paths"].as_object().unwrap() {
            for (method, told) in operations.as_object().unwrap() {
                if let Ok(method) = method.to_uppercase().parse::<Method>()
                    && [
                        Method::GET,
                        Method::POST,
                        Method::PUT,
                        Method::PATCH,
                        Method::DELETE,
                    ]
                    .contains(&method)
                {
                    routes.push(Self {
                        method,
                        path: path.clone(),
                        told: told.clone(),
                    });
                }
            }
        }
        // What looks comes before what makes: lists are empty then.
        routes.sort_by_key(|route| route.method != Method::GET);
        routes
    }

    fn names_one(&self) -> bool {
        self.path.contains('{')
    }

    /// What the path is about: `payments`.
    fn resource(&self) -> &str {
        self.path.split('/').nth(2).unwrap()
    }

    fn at(&self, id: &str) -> String {
        self.path.replace("{id}", id)
    }

    fn queries(&self) -> impl Iterator<Item = &str> {
        let parameters = self.told["parameters"].as_array().map_or(&[][..], Vec::as_slice);
        parameters
            .iter()
            .filter(|parameter| parameter["in"] == "query")
            .map(|parameter| parameter["name"].as_str().unwrap())
    }

    fn body<'a>(&self, contract: &'a Value) -> Option<&'a Value> {
        let content = self.told["requestBody"]["content"].as_object()?;
        let reference = content.values().next()?["schema"]["$ref"].as_str()?;
        Some(resolved(contract, reference))
    }
}

fn resolved<'a>(contract: &'a Value, reference: &str) -> &'a Value {
    contract.pointer(reference.trim_start_matches('#')).unwrap()
}

/// The least that a schema takes.
fn sample(contract: &Value, name: &str, schema: &Value) -> Value {
    if let Some(reference) = schema["$ref"].as_str() {
        return sample(contract, name, resolved(contract, reference));
    }
    if let Some(words) = schema["enum"].as_array() {
        return words.last().unwrap().clone();
    }
    match name {
        "currency" => return json!("EUR"),
        "amount_minor" => return json!(100),
        "submit" => return json!(true),
        "success_url" => return json!("https://shop.test/"),
        _ => {}
    }
    match schema["type"].as_str() {
        Some("integer") => json!(1),
        Some("boolean") => json!(false),
        Some("array") => json!([]),
        Some("string") => json!("B"),
        _ => {
            let properties = schema["properties"].as_object().cloned().unwrap_or_default();
            let required = schema["required"].as_array().cloned().unwrap_or_default();
            let fields: Map<String, Value> = required
                .iter()
                .filter_map(Value::as_str)
                .map(|field| (field.to_owned(), sample(contract, field, &properties[field])))
                .collect();
            Value::Object(fields)
        }
    }
}

/// The ids of A's by what they are of, as paths and fields call it.
struct Ids(Vec<(&'static [&'static str], Vec<String>)>);

impl Ids {
    async fn of(two: &Two) -> Self {
        Self(vec![
            (&["payments", "payment"], ids::<PaymentId>(two, "payment").await),
            (
                &["customers", "customer"],
                ids::<CustomerId>(two, "customer").await,
            ),
            (
                &["checkout_sessions"],
                ids::<CheckoutSessionId>(two, "checkout_session").await,
            ),
            (&["disputes"], ids::<DisputeId>(two, "dispute").await),
            (&["events"], ids::<WebhookEventId>(two, "webhook_event").await),
            (&["exceptions"], ids::<ExceptionId>(two, "exception").await),
            (&["outbox"], ids::<OutboxMessageId>(two, "outbox_message").await),
            (
                &["payment_methods", "payment_method"],
                ids::<PaymentMethodId>(two, "payment_method").await,
            ),
            (&["payouts", "payout"], ids::<PayoutId>(two, "payout").await),
            (&["setups"], ids::<SetupId>(two, "setup").await),
            (&["api_key"], ids::<ApiKeyId>(two, "api_key").await),
            (
                &["webhook_secret"],
                ids::<WebhookSecretId>(two, "webhook_secret").await,
            ),
            (
                &["provider_account"],
                ids::<ProviderAccountId>(two, "provider_account").await,
            ),
            (
                &["odoo_instance"],
                ids::<OdooInstanceId>(two, "odoo_instance").await,
            ),
            (
                &["reference", "object", "partner"],
                ["ALPHA", "ch_ALPHA", "pi_ALPHA"].map(str::to_owned).to_vec(),
            ),
        ])
    }

    fn named(&self, name: &str) -> &[String] {
        self.0
            .iter()
            .find_map(|(names, ids)| names.contains(&name).then_some(ids.as_slice()))
            .unwrap_or_default()
    }

    /// Whether something of A's is in a text, other than what was asked with.
    fn shown_in(&self, answer: &str, asked: &str) -> Option<String> {
        let words = self.0.iter().flat_map(|(_, ids)| ids.iter().map(String::as_str));
        words
            .chain([ALPHA])
            .find(|word| answer.contains(word) && !asked.contains(word))
            .map(str::to_owned)
    }
}

async fn ids<Id>(two: &Two, table: &str) -> Vec<String>
where
    Id: ToString + sqlx::Type<Postgres> + for<'r> sqlx::Decode<'r, Postgres> + Send + Unpin + 'static,
{
    let sql = format!("select id from {table} where merchant_id = $1");
    let ids: Vec<Id> = sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
        .bind(two.a)
        .fetch_all(&two.test.db)
        .await
        .unwrap();
    assert!(!ids.is_empty(), "A has no {table}");
    ids.iter().map(ToString::to_string).collect()
}

/// Calls, and looks at each answer for what is A's.
struct Caller<'a> {
    two: &'a Two,
    ids: Ids,
    key: String,
}

impl Caller<'_> {
    async fn call(&self, method: &Method, path: &str, body: Option<&Value>, once: &str) -> Reply {
        let mut request = as_key(self.two.test.request(method.clone(), path), &self.key);
        if method != Method::GET {
            request = request
                .header("Idempotency-Key", once)
                .json(body.unwrap_or(&json!({})));
        }
        let reply = Reply::of(request).await;
        let text = String::from_utf8_lossy(&reply.bytes).into_owned();
        let asked = format!("{path} {}", body.unwrap_or(&Value::Null));
        assert_eq!(self.ids.shown_in(&text, &asked), None, "{method} {asked}: {text}");
        assert!(
            reply.status.as_u16() < 500,
            "{method} {asked}: {} {text}",
            reply.status
        );
        reply
    }

    /// The path with each of A's ids; what is below a merchant, below A and below B.
    fn paths_to(&self, route: &Route) -> Vec<String> {
        if route.resource() != "merchants" {
            let ids = self.ids.named(route.resource());
            assert!(!ids.is_empty(), "make one of A's for {}", route.path);
            return ids.iter().map(|id| route.at(id)).collect();
        }
        let mut below = route.path.clone();
        for part in route.path.split('/') {
            let name = part.trim_start_matches('{').trim_end_matches('}');
            if name != part && name != "merchant" {
                let ids = self.ids.named(name);
                assert!(!ids.is_empty(), "make one of A's for {}", route.path);
                below = below.replace(part, &ids[0]);
            }
        }
        let of = |merchant: MerchantId| below.replace("{merchant}", &merchant.to_string());
        let mut paths = vec![of(self.two.a)];
        // Where only the merchant is named, B's own is there.
        if route.path.matches('{').count() > 1 {
            paths.push(of(self.two.b));
        }
        paths
    }

    /// Each of A's ids in the path is not found.
    async fn call_by_id(&self, contract: &Value, route: &Route) {
        let body = route.body(contract).map(|schema| sample(contract, "", schema));
        for path in self.paths_to(route) {
            let reply = self.call(&route.method, &path, body.as_ref(), &path).await;
            assert_eq!(
                reply.status,
                StatusCode::NOT_FOUND,
                "{} {path} {}",
                route.method,
                String::from_utf8_lossy(&reply.bytes)
            );
        }
    }

    /// A list holds nothing, whatever of A's it is filtered by.
    async fn list(&self, route: &Route) {
        let mut paths = vec![route.path.clone()];
        for query in route.queries() {
            let cursors = if query == "cursor" {
                route.resource()
            } else {
                query
            };
            let values = self.ids.named(cursors);
            paths.extend(
                values
                    .iter()
                    .map(|value| format!("{}?{query}={value}", route.path)),
            );
        }
        for path in paths {
            let reply = self.call(&Method::GET, &path, None, "").await;
            if reply.status.is_success() && reply.json().get("data").is_some() {
                let mut data = reply.json()["data"].clone();
                // Its own merchant is the one thing that B sees of itself.
                if let Some(rows) = data.as_array_mut() {
                    rows.retain(|row| row["id"] != json!(self.two.b));
                }
                assert_eq!(data, json!([]), "{path}");
            }
        }
    }

    /// What is made names nothing of A's; and what names nothing is B's own.
    async fn make(&self, contract: &Value, route: &Route) {
        let schema = route.body(contract).unwrap();
        let least = sample(contract, "", schema);
        self.call(&route.method, &route.path, Some(&least), "shared")
            .await;
        for field in schema["properties"].as_object().unwrap().keys() {
            for id in self.ids.named(if field == "cursor" {
                route.resource()
            } else {
                field
            }) {
                if ["reference", "object", "partner"].contains(&field.as_str()) || least[field].is_object() {
                    continue;
                }
                let mut body = least.clone();
                body[field] = json!(id);
                let once = format!("{} {field} {id}", route.path);
                let reply = self.call(&route.method, &route.path, Some(&body), &once).await;
                let nothing_met = reply.status.is_success() && reply.json()["replayed"] == 0;
                assert!(
                    reply.status.is_client_error() || nothing_met,
                    "{} {body}: {} {}",
                    route.path,
                    reply.status,
                    String::from_utf8_lossy(&reply.bytes)
                );
            }
        }
    }
}

#[tokio::test]
async fn no_route_of_the_contract_shows_or_changes_what_is_another_merchants() {
    let two = Two::open().await;
    let contract = two.test.get("/openapi.json").await.expect(StatusCode::OK);
    let routes = Route::all(&contract);
    // A was here before, under the same idempotency key and with the same body.
    let body = json!({ "reference": "B", "amount_minor": 100, "currency": "EUR" });
    let of_a = two.test.post("/v1/payments", "shared", &body).await;
    assert_eq!(of_a.status, StatusCode::CREATED);
    let caller = Caller {
        ids: Ids::of(&two).await,
        key: key(&two.test, two.b, false).await,
        two: &two,
    };
    let own = key(&two.test, two.a, false).await;
    let before = two.fingerprints(two.a).await;
    let (mut by_id, mut lists, mut made) = (0, 0, 0);
    for route in &routes {
        if !route.path.starts_with("/v1/") {
            continue;
        }
        if route.names_one() {
            caller.call_by_id(&contract, route).await;
            by_id += 1;
        } else if route.method == Method::GET {
            caller.list(route).await;
            lists += 1;
        } else {
            caller.make(&contract, route).await;
            made += 1;
        }
    }
    assert!(by_id >= 25 && lists >= 10 && made >= 6, "{by_id} {lists} {made}");
    assert_eq!(
        two.fingerprints(two.a).await,
        before,
        "something of A's was changed"
    );

    // A itself is shown what B was not: the ids are good.
    for route in routes
        .iter()
        .filter(|route| route.method == Method::GET && route.names_one())
    {
        if ["/payload", "/mandate"]
            .iter()
            .any(|end| route.path.ends_with(end))
        {
            continue;
        }
        for id in caller.ids.named(route.resource()) {
            let reply = Reply::of(as_key(two.test.request(Method::GET, &route.at(id)), &own)).await;
            assert_eq!(
                reply.status,
                StatusCode::OK,
                "{} {}",
                route.at(id),
                String::from_utf8_lossy(&reply.bytes)
            );
        }
    }
}

#[tokio::test]
async fn a_delivery_to_another_merchants_account_is_refused_and_kept_nowhere() {
    let two = Two::open().await;
    let before = two.fingerprints(two.a).await;
    let event =
        json!({ "id": "evt_9", "object": "event", "type": "x", "created": 1, "data": { "object": {} } });
    let (signature, body) = crate::support::signed_with("whsec_of_b", &event);
    let request = two
        .test
        .request(Method::POST, &format!("/webhooks/stripe/{}", two.test.account))
        .header("Stripe-Signature", signature)
        .body(body);
    let reply = Reply::of(as_key(request, &key(&two.test, two.b, false).await)).await;
    assert!(reply.status.is_client_error(), "{}", reply.status);
    assert_eq!(two.fingerprints(two.a).await, before);
}
