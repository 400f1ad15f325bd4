//! Whatever is sent to whichever route, it is never a 500, and every error is a problem with a code.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Reply, TestApp};

/// How many requests each operation of the contract gets, the same ones every time.
const CASES: usize = 24;

/// A part of a request at random, from a seed: the contract decides where it goes.
#[derive(Clone, Debug)]
struct Draw {
    seed: usize,
    text: String,
    bytes: Vec<u8>,
}

fn draws() -> impl Strategy<Value = Draw> {
    let text = prop_oneof!["[a-z_0-9]{0,40}", "\\PC{0,60}", ".{0,20}", "[%&=/\\x00]{1,12}"];
    (any::<u16>(), text, prop::collection::vec(any::<u8>(), 0..200)).prop_map(|(seed, text, bytes)| Draw {
        seed: seed.into(),
        text,
        bytes,
    })
}

/// An odd value to put where the contract wants some other.
fn odd(draw: &Draw, nth: usize) -> Value {
    let text = &draw.text;
    let values = [
        json!(null),
        json!(true),
        json!(0),
        json!(-1),
        json!(i64::MAX),
        json!(i64::MIN),
        json!(u64::MAX),
        json!(text),
        json!(""),
        json!("a\u{0}b"),
        json!("\u{202e}💶"),
        json!("x".repeat(5_000)),
        json!([text, text]),
        json!({ "id": text, text.clone(): text }),
        json!("pay_01h455vb4pex5vsknk084sn02q"),
        json!("2026-11-20T12:00:00Z"),
        json!("0001-01-01T00:00:00Z"),
        json!("+999999-01-01T00:00:00Z"),
        json!("https://example.org/"),
        json!("EUR"),
        json!(100),
    ];
    values[(draw.seed + nth * 7) % values.len()].clone()
}

/// A body with the fields that the contract names, some of them odd.
fn body(contract: &Value, operation: &Value, draw: &Draw) -> Vec<u8> {
    if draw.seed.is_multiple_of(5) {
        return draw.bytes.clone();
    }
    let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
    let name = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next());
    let fields = name.and_then(|name| contract["components"]["schemas"][name]["properties"].as_object());
    let Some(fields) = fields else {
        return odd(draw, 0).to_string().into_bytes();
    };
    let chosen = fields
        .keys()
        .enumerate()
        .filter(|(nth, _)| !(draw.seed + nth).is_multiple_of(3));
    let body: serde_json::Map<String, Value> =
        chosen.map(|(nth, name)| (name.clone(), odd(draw, nth))).collect();
    Value::Object(body).to_string().into_bytes()
}

/// A path and query that fit the contract, with odd values in them.
fn path(route: &str, operation: &Value, draw: &Draw, test: &TestApp) -> String {
    let encode = |text: &str| {
        let escaped = text.bytes().take(300).map(|byte| format!("%{byte:02X}"));
        escaped.collect::<String>()
    };
    let mut path = route.replace("{provider}", "stripe");
    if draw.seed.is_multiple_of(2) {
        path = path.replace("{provider_account_id}", &test.account.to_string());
    }
    while let (Some(begin), Some(end)) = (path.find('{'), path.find('}')) {
        let value = if draw.seed.is_multiple_of(3) {
            encode(&draw.text) + "x"
        } else {
            "pay_01h455vb4pex5vsknk084sn02q".to_owned()
        };
        path.replace_range(begin..=end, &value);
    }
    let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
    let query = parameters
        .iter()
        .enumerate()
        .filter(|(nth, parameter)| parameter["in"] == "query" && (draw.seed + nth).is_multiple_of(2))
        .map(|(nth, parameter)| {
            let value = odd(draw, nth);
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            format!("{}={}", parameter["name"].as_str().unwrap(), encode(&value))
        });
    let query: Vec<String> = query.collect();
    format!("{path}?{}", query.join("&"))
}

#[tokio::test]
async fn whatever_is_sent_to_any_route_is_never_a_500() {
    let test = TestApp::spawn().await;
    let contract = test.get("/openapi.json").await.json();
    let mut runner = TestRunner::new_with_rng(
        Config::default(),
        TestRng::deterministic_rng(RngAlgorithm::ChaCha),
    );
    let mut refused = 0;
    for (route, methods) in contract["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            for case in 0..CASES {
                let draw = draws().new_tree(&mut runner).unwrap().current();
                let path = path(route, operation, &draw, &test);
                let mut request = test.request(method.clone(), &path);
                if method != Method::GET {
                    let body = body(&contract, operation, &draw);
                    request = request
                        .header(
                            "Idempotency-Key",
                            format!("{route}-{case}").replace(['{', '}'], ""),
                        )
                        .body(body);
                }
                let reply = Reply::of(request).await;
                let shown = || {
                    format!(
                        "{method} {path} {draw:?}: {}",
                        String::from_utf8_lossy(&reply.bytes)
                    )
                };
                assert!(reply.status.as_u16() < 500, "{} {}", reply.status, shown());
                if !reply.status.is_success() {
                    refused += 1;
                    assert!(reply.json()["code"].is_string(), "{}", shown());
                }
            }
        }
    }
    assert!(refused > 500, "most of it is refused: {refused}");
}
