//! Every route of the contract, asked rightly, wrongly and in pieces, with canaries in all that can be sent.

use quittance::http::openapi_document;
use reqwest::{Method, RequestBuilder};
use serde_json::{Map, Value, json};

use super::canaries::{CARD_NUMBER, EMAIL, FREE_TEXT, IDEMPOTENCY_KEY, NAME, SIGNATURE};
use super::world::World;

/// A route, with what it takes.
struct Route {
    method: Method,
    path: String,
    query: Vec<String>,
    body: Option<Value>,
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Owner,
    Stranger,
    Nobody,
}

/// What of the owner's the paths may name: the beginning of a path, and the id that follows it.
pub(super) type Ids = Vec<(&'static str, String)>;

/// Asks for everything, as everyone.
pub(super) async fn walk(world: &mut World, ids: &Ids) {
    let mut number = 0;
    for route in routes() {
        for who in [Who::Owner, Who::Stranger, Who::Nobody] {
            for path in paths(&route, ids) {
                for body in bodies(&route, who, &path) {
                    number += 1;
                    ask(world, &route, who, &path, body, number).await;
                }
            }
        }
    }
    assert!(number > 500, "{number} requests are few");
}

async fn ask(world: &mut World, route: &Route, who: Who, path: &str, body: Option<String>, number: usize) {
    let key = match who {
        Who::Owner => world.merchant.api_key.clone(),
        Who::Stranger => world.stranger.api_key.clone(),
        Who::Nobody => format!("qk_test_{number}{FREE_TEXT}"),
    };
    let request = world.request(number, route.method.clone(), path, &key);
    let request = with_canaries(request, number).body(body.unwrap_or_default());
    let at = format!("{} {}", route.method, route.path);
    world.ask(&at, request, who == Who::Owner).await;
}

/// Canaries in the headers that a caller may send, and in one that is nobody's.
pub(super) fn with_canaries(request: RequestBuilder, number: usize) -> RequestBuilder {
    request
        .header("Content-Type", "application/json")
        .header("Idempotency-Key", format!("{IDEMPOTENCY_KEY}-{number}"))
        .header("Stripe-Signature", format!("t=1,v1={SIGNATURE}"))
        .header("User-Agent", format!("{NAME}/1.0 ({EMAIL})"))
        .header("X-Request-Id", format!("{FREE_TEXT}-{CARD_NUMBER}"))
        .header("Cookie", format!("card={CARD_NUMBER}"))
        .header("Referer", format!("https://shop.example/?mail={EMAIL}"))
        .header("X-Forwarded-For", format!("{FREE_TEXT}, 10.0.0.1"))
}

fn routes() -> Vec<Route> {
    let contract = openapi_document();
    let contract = serde_json::to_value(contract).unwrap();
    let schemas = contract["components"]["schemas"].clone();
    let mut routes = Vec::new();
    for (path, operations) in contract["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let Ok(method) = method.to_uppercase().parse::<Method>() else {
                continue;
            };
            let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
            let of_query = parameters.iter().filter(|parameter| parameter["in"] == "query");
            let content = &operation["requestBody"]["content"];
            routes.push(Route {
                method,
                path: path.clone(),
                query: of_query
                    .map(|parameter| parameter["name"].as_str().unwrap().to_owned())
                    .collect(),
                body: content
                    .as_object()
                    .and_then(|content| content.values().next())
                    .map(|media| made(&media["schema"], &schemas, "")),
            });
        }
    }
    assert!(routes.len() > 40, "the contract names all routes");
    routes
}

/// The path with the owner's id, and with what is none; and with a query of canaries.
fn paths(route: &Route, ids: &Ids) -> Vec<String> {
    let account = ids
        .iter()
        .find(|(prefix, _)| *prefix == "/webhooks/")
        .map(|(_, id)| id.as_str());
    let known = ids
        .iter()
        .find(|(prefix, _)| route.path.starts_with(prefix))
        .map(|(_, id)| id.as_str());
    let fill = |id: &str| {
        let path = route.path.replace("{provider}", "stripe").replace("{id}", id);
        path.replace("{provider_account_id}", account.unwrap_or(id))
    };
    let mail = EMAIL.replace('@', "%40");
    let mut paths = vec![fill(known.unwrap_or("none"))];
    if route.path.contains("{id}") {
        paths.extend([fill(CARD_NUMBER), fill(&mail)]);
    }
    for name in &route.query {
        for value in [
            CARD_NUMBER,
            &mail,
            "Canary%20Quillfeather",
            "2026-10-01T00:00:00Z",
            "true",
        ] {
            paths.push(format!("{}?{name}={value}", paths[0]));
        }
    }
    paths.push(format!("{}?canary={CARD_NUMBER}", paths[0]));
    paths
}

/// What may be sent there: nothing where it takes nothing; else what fits, what is wrong in each field, and half of it.
fn bodies(route: &Route, who: Who, path: &str) -> Vec<Option<String>> {
    let Some(right) = &route.body else {
        return vec![None];
    };
    // What another merchant makes is its own and shows its own words.
    let makes = !route.path.contains("{id}");
    let mut bodies = Vec::new();
    if who != Who::Stranger || !makes {
        bodies.push(right.clone());
    }
    if path.contains('?') {
        return bodies.iter().map(|body| Some(body.to_string())).collect();
    }
    for name in right.as_object().into_iter().flat_map(Map::keys) {
        for wrong in [
            json!(CARD_NUMBER),
            json!({ "x": EMAIL }),
            json!([NAME]),
            json!(4_000_056_655_665_556_i64),
        ] {
            let mut body = right.clone();
            body[name] = wrong;
            if who != Who::Stranger || !makes {
                bodies.push(body);
            }
        }
    }
    let mut texts: Vec<Option<String>> = bodies.iter().map(|body| Some(body.to_string())).collect();
    let half = right.to_string();
    texts.push(Some(half[..half.len() / 2].to_owned()));
    texts.push(Some(format!("{NAME} <{EMAIL}>")));
    texts
}

/// A value that fits a schema, of canaries where it can be.
fn made(schema: &Value, schemas: &Value, name: &str) -> Value {
    if let Some(reference) = schema["$ref"].as_str() {
        let target = reference.rsplit('/').next().unwrap();
        return made(&schemas[target], schemas, name);
    }
    if let Some(first) = schema["oneOf"].as_array().and_then(|options| options.first()) {
        return made(first, schemas, name);
    }
    if let Some(word) = schema["enum"].as_array().and_then(|words| words.first()) {
        return word.clone();
    }
    let kind = match &schema["type"] {
        Value::Array(kinds) => kinds[0].as_str().unwrap_or_default(),
        Value::String(kind) => kind,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => "",
    };
    match kind {
        "object" => {
            let fields = schema["properties"].as_object().into_iter().flatten();
            let made = fields
                .filter(|(field, _)| !left_out(field))
                .map(|(field, schema)| (field.clone(), made(schema, schemas, field)));
            let mut made: Map<String, Value> = made.collect();
            if made.is_empty() && name == "metadata" {
                made.insert("note".to_owned(), FREE_TEXT.into());
            }
            made.into()
        }
        "array" => json!([]),
        "integer" => json!(12_100),
        "boolean" => json!(true),
        _ => text(name).into(),
    }
}

/// Fields whose value must be an id, a time or a state that fits the moment: what they refuse is asked for as a wrong body.
fn left_out(field: &str) -> bool {
    const OUT: [&str; 12] = [
        "account",
        "cursor",
        "customer",
        "created_before",
        "created_from",
        "expires_at",
        "mandate",
        "odoo_instance",
        "provider_account",
        "setup_future_usage",
        "off_session",
        "object",
    ];
    OUT.contains(&field)
}

fn text(field: &str) -> &'static str {
    match field {
        "currency" => "EUR",
        "email" | "receipt_email" => EMAIL,
        "name" => NAME,
        "payment_method" => "pm_card_visa",
        "return_url" | "success_url" | "cancel_url" => "https://shop.example/back?who=canary-free-text",
        "reference" | "partner" => CARD_NUMBER,
        "country" => "DE",
        _ => FREE_TEXT,
    }
}
