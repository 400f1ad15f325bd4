//! Bad and odd deliveries, one a row: the answer, and whether the event is on disk afterwards.

use quittance::app::setup;
use quittance::domain::ids::ProviderAccountId;
use quittance::provider::ProviderAccount;
use quittance::startup::Role;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Reply, TestApp, WEBHOOK_SECRET, Wishes, now, signed_at};

const OLD: &str = "whsec_the_old_one";
const LIVE: &str = "whsec_of_the_live_account";
const CONNECTED: &str = "whsec_of_the_connected_account";

/// The service with four accounts: an ordinary one, one whose secret is rolled, a live one, and a connected one.
struct Bench {
    test: TestApp,
    rolled: ProviderAccountId,
    live: ProviderAccountId,
    connected: ProviderAccountId,
    at: i64,
}

impl Bench {
    async fn new() -> Self {
        let test = TestApp::spawn_with(Wishes {
            role: Role::Serve,
            webhooks: false,
            ..Wishes::default()
        })
        .await;
        let app = test.application().app();
        let add = async |live: bool, external: Option<&str>, secret: &str| {
            let mode = if live { "live" } else { "test" };
            let account = ProviderAccount {
                merchant_id: test.merchant,
                id: ProviderAccountId::generate(),
                provider: "stripe".to_owned(),
                live,
                external_account: external.map(str::to_owned),
                api_base: test.stripe.url().parse().unwrap(),
                secret_key: format!("sk_{mode}_x").into(),
                publishable_key: None,
            };
            let secret = secret.to_owned().into();
            setup::add_provider_account(app, &account, Some(&secret))
                .await
                .unwrap();
            account.id
        };
        let rolled = add(false, None, OLD).await;
        let live = add(true, None, LIVE).await;
        let connected = add(false, Some("acct_1"), CONNECTED).await;
        let new = WEBHOOK_SECRET.to_owned().into();
        setup::add_webhook_secret(app, test.merchant, rolled, &new)
            .await
            .unwrap();
        Self {
            rolled,
            live,
            connected,
            at: now().unix_timestamp(),
            test,
        }
    }

    /// A delivery of an event to the ordinary account, signed now with its secret.
    fn of(&self, body: impl Into<Vec<u8>>) -> Delivery {
        let body = body.into();
        Delivery {
            method: Method::POST,
            path: format!("/webhooks/stripe/{}", self.test.account),
            signature: Some(signed_at(WEBHOOK_SECRET, self.at, &body).into_bytes()),
            headers: vec![("Content-Type", "application/json")],
            body,
        }
    }

    /// A delivery whose header is written from the time and the digits that would be right.
    fn with(&self, name: &str, header: impl FnOnce(i64, &str) -> String) -> Delivery {
        let delivery = self.of(event(name));
        let right = signed_at(WEBHOOK_SECRET, self.at, &delivery.body);
        let (_, digits) = right.split_once("v1=").unwrap();
        delivery.signed(Some(&header(self.at, digits)))
    }

    /// A delivery that was signed so many seconds from now.
    fn signed_seconds_from_now(&self, name: &str, seconds: i64) -> Delivery {
        let delivery = self.of(event(name));
        let header = signed_at(WEBHOOK_SECRET, self.at + seconds, &delivery.body);
        delivery.signed(Some(&header))
    }

    fn to(&self, account: ProviderAccountId, secret: &str, body: &str) -> Delivery {
        let header = signed_at(secret, self.at, body.as_bytes());
        self.of(body)
            .signed(Some(&header))
            .at(format!("/webhooks/stripe/{account}"))
    }

    async fn kept(&self) -> i64 {
        self.test.count("webhook_event").await
    }

    /// Sends the deliveries of some rows, one after the other, and holds each against its answer.
    async fn prove(&self, rows: Vec<(&str, Delivery, Answer)>) {
        for (name, delivery, (status, code, kept)) in rows {
            let before = self.kept().await;
            let reply = self.send(delivery).await;
            assert_eq!(reply.status.as_u16(), status, "{name}: {reply:?}");
            if code.is_empty() {
                assert!(reply.bytes.is_empty(), "{name}: {reply:?}");
            } else {
                assert_eq!(reply.json()["code"], code, "{name}");
                assert_eq!(
                    reply.header("Content-Type"),
                    Some("application/problem+json"),
                    "{name}"
                );
            }
            assert_eq!(self.kept().await - before, kept, "{name}: on disk");
        }
    }

    async fn send(&self, delivery: Delivery) -> Reply {
        let mut request = self.test.request(delivery.method, &delivery.path);
        if let Some(signature) = delivery.signature {
            request = request.header("Stripe-Signature", signature);
        }
        for (name, value) in delivery.headers {
            request = request.header(name, value);
        }
        Reply::of(request.body(delivery.body)).await
    }
}

#[derive(Clone)]
struct Delivery {
    method: Method,
    path: String,
    signature: Option<Vec<u8>>,
    headers: Vec<(&'static str, &'static str)>,
    body: Vec<u8>,
}

impl Delivery {
    fn signed(self, header: Option<&str>) -> Self {
        let signature = header.map(|header| header.as_bytes().to_vec());
        Self { signature, ..self }
    }

    fn at(self, path: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            ..self
        }
    }

    fn body(self, body: impl Into<Vec<u8>>) -> Self {
        Self {
            body: body.into(),
            ..self
        }
    }

    fn headers(self, headers: Vec<(&'static str, &'static str)>) -> Self {
        Self { headers, ..self }
    }
}

/// The status, the code of the problem where there is one, and how many events more are on disk.
type Answer = (u16, &'static str, i64);

const KEPT: Answer = (200, "", 1);
const KNOWN: Answer = (200, "", 0);
const NOT_OURS: Answer = (200, "", 0);
const REFUSED: Answer = (400, "bad_signature", 0);
const UNKNOWN: Answer = (404, "unknown_account", 0);

/// An event of the test mode, as Stripe writes it.
fn event(id: &str) -> String {
    event_with(id, &json!({}))
}

fn event_with(id: &str, more: &Value) -> String {
    let mut event = json!({ "id": id, "object": "event", "type": "customer.created", "created": 1_790_000_000,
        "livemode": false, "api_version": "2026-09-30.endive", "data": { "object": { "id": "cus_1" } } });
    for (name, value) in more.as_object().unwrap() {
        event[name] = value.clone();
    }
    event.to_string()
}

fn without(id: &str, field: &str) -> String {
    let mut event: Value = serde_json::from_str(&event(id)).unwrap();
    event.as_object_mut().unwrap().remove(field);
    event.to_string()
}

#[tokio::test]
async fn every_header_gets_its_answer() {
    let bench = Bench::new().await;
    let of = |name: &str| bench.of(event(name));
    let with = |name: &str, header: &dyn Fn(i64, &str) -> String| bench.with(name, header);
    let zeros = "0".repeat(64);
    let garbled = Delivery {
        signature: Some(vec![0xff, 0xfe, b't', b'=']),
        ..of("garbled")
    };
    bench
        .prove(vec![
            ("just signed", of("right"), KEPT),
            ("no header", of("none").signed(None), REFUSED),
            ("empty", of("empty").signed(Some("")), REFUSED),
            ("garbled", garbled, REFUSED),
            ("only a time", with("time", &|t, _| format!("t={t}")), REFUSED),
            ("no time", with("no-time", &|_, v| format!("v1={v}")), REFUSED),
            ("v0 only", with("v0", &|t, v| format!("t={t},v0={v}")), REFUSED),
            (
                "one of several is right",
                with("several", &|t, v| format!("t={t},v1={zeros},v1={v},v1={zeros}")),
                KEPT,
            ),
            (
                "capitals",
                with("capitals", &|t, v| format!("t={t},v1={}", v.to_uppercase())),
                KEPT,
            ),
            (
                "cut",
                with("cut", &|t, v| format!("t={t},v1={}", &v[..63])),
                REFUSED,
            ),
            (
                "another time",
                with("moved", &|t, v| format!("t={},v1={v}", t + 1)),
                REFUSED,
            ),
            (
                "two times",
                with("times", &|t, v| format!("t={t},t={t},v1={v}")),
                REFUSED,
            ),
            (
                "a negative time",
                with("negative", &|t, v| format!("t=-{t},v1={v}")),
                REFUSED,
            ),
            (
                "a huge time",
                with("huge", &|_, v| format!("t=99999999999999999999,v1={v}")),
                REFUSED,
            ),
            // The service's clock is a moment later than the test's: the exact second is proven in `deliveries`.
            (
                "a second short of stale",
                bench.signed_seconds_from_now("fresh", -290),
                KEPT,
            ),
            ("stale", bench.signed_seconds_from_now("stale", -301), REFUSED),
            ("ahead of us", bench.signed_seconds_from_now("ahead", 300), KEPT),
            (
                "of the future",
                bench.signed_seconds_from_now("future", 400),
                REFUSED,
            ),
        ])
        .await;
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table")]
async fn every_body_gets_its_answer() {
    let bench = Bench::new().await;
    let of = |name: &str| bench.of(event(name));
    let more = |name: &str, more: Value| bench.of(event_with(name, &more));
    let tampered = event("tampered").replace("cus_1", "cus_2");
    let long = "x1y2z3".repeat(2_000);
    let large = event_with(
        "large",
        &json!({ "padding": "x".repeat(quittance::http::BODY_LIMIT) }),
    );
    bench
        .prove(vec![
            ("tampered", of("tampered").body(tampered), REFUSED),
            ("cut", of("cut").body(&event("cut").as_bytes()[..100]), REFUSED),
            (
                "longer by a space",
                of("space").body(event("space") + " "),
                REFUSED,
            ),
            ("too large", bench.of(large), (413, "body_too_large", 0)),
            (
                "said to be packed",
                of("packed").headers(vec![("Content-Encoding", "gzip")]),
                (415, "content_encoding_unsupported", 0),
            ),
            ("of no type", of("plain").headers(vec![]), KEPT),
            (
                "of another type",
                of("text").headers(vec![("Content-Type", "text/plain")]),
                KEPT,
            ),
            ("empty", bench.of(""), REFUSED),
            ("no JSON", bench.of("hello"), REFUSED),
            ("a list", bench.of("[]"), REFUSED),
            ("no id", bench.of(without("no-id", "id")), REFUSED),
            ("no type", bench.of(without("no-type", "type")), REFUSED),
            ("no created", bench.of(without("no-created", "created")), REFUSED),
            (
                "created as text",
                more("text-time", json!({ "created": "1790000000" })),
                REFUSED,
            ),
            (
                "created before 1970",
                more("before", json!({ "created": -1 })),
                REFUSED,
            ),
            ("no object", bench.of(without("no-data", "data")), KEPT),
            ("no mode", bench.of(without("no-mode", "livemode")), KEPT),
            (
                "a NUL everywhere",
                more(
                    "n\0",
                    json!({ "type": "\0", "api_version": "\0", "data": { "object": { "id": "\0" } } }),
                ),
                KEPT,
            ),
            ("the same again", more("n\0", json!({ "type": "\0" })), KNOWN),
            (
                "a NUL in the account",
                more("n2", json!({ "account": "acct\0" })),
                NOT_OURS,
            ),
            (
                "long",
                more(
                    &long,
                    json!({ "type": long, "api_version": long, "data": { "object": { "id": long } } }),
                ),
                KEPT,
            ),
            ("the same again", more(&long, json!({})), KNOWN),
            ("longer", more(&format!("{long}!"), json!({})), KEPT),
            ("once", of("twice"), KEPT),
            ("doubled", of("twice"), KNOWN),
            (
                "the same id with another body",
                more("twice", json!({ "type": "customer.deleted" })),
                KNOWN,
            ),
        ])
        .await;
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table")]
async fn every_account_and_path_gets_its_answer() {
    let bench = Bench::new().await;
    let (live, connected, rolled) = (bench.live, bench.connected, bench.rolled);
    let of = |name: &str| bench.of(event(name));
    let (id, unknown) = (bench.test.account, ProviderAccountId::generate());
    let is_live = |name: &str| event_with(name, &json!({ "livemode": true }));
    let of_account = |name: &str, account: &str| event_with(name, &json!({ "account": account }));
    let both = {
        let body = event("both");
        let old = signed_at(OLD, bench.at, body.as_bytes());
        let new = signed_at(WEBHOOK_SECRET, bench.at, body.as_bytes());
        let (_, digits) = old.split_once(',').unwrap();
        bench
            .to(rolled, OLD, &body)
            .signed(Some(&format!("{new},{digits}")))
    };
    let get = Delivery {
        method: Method::GET,
        ..of("get")
    };
    bench
        .prove(vec![
            ("the old secret", bench.to(rolled, OLD, &event("old")), KEPT),
            (
                "the new secret",
                bench.to(rolled, WEBHOOK_SECRET, &event("new")),
                KEPT,
            ),
            ("both secrets", both, KEPT),
            (
                "another account's secret",
                bench.to(rolled, LIVE, &event("other")),
                REFUSED,
            ),
            (
                "a live event for a test account",
                bench.of(is_live("l1")),
                NOT_OURS,
            ),
            (
                "a test event for a live account",
                bench.to(live, LIVE, &event("l2")),
                NOT_OURS,
            ),
            (
                "a live event for a live account",
                bench.to(live, LIVE, &is_live("l3")),
                KEPT,
            ),
            (
                "our connected account",
                bench.to(connected, CONNECTED, &of_account("c1", "acct_1")),
                KEPT,
            ),
            (
                "another connected account",
                bench.to(connected, CONNECTED, &of_account("c2", "acct_2")),
                NOT_OURS,
            ),
            (
                "no connected account",
                bench.to(connected, CONNECTED, &event("c3")),
                NOT_OURS,
            ),
            (
                "a connected account where none is",
                bench.of(of_account("c4", "acct_1")),
                NOT_OURS,
            ),
            (
                "an unknown account",
                of("u1").at(format!("/webhooks/stripe/{unknown}")),
                UNKNOWN,
            ),
            ("no account id", of("u2").at("/webhooks/stripe/acc_x"), UNKNOWN),
            (
                "a payment's id",
                of("u3").at(format!("/webhooks/stripe/{id}").replace("acc_", "pay_")),
                UNKNOWN,
            ),
            (
                "another provider",
                of("u4").at(format!("/webhooks/giro/{id}")),
                UNKNOWN,
            ),
            (
                "no account",
                of("u5").at("/webhooks/stripe"),
                (404, "not_found", 0),
            ),
            ("a read", get, (405, "method_not_allowed", 0)),
        ])
        .await;
    assert_eq!(bench.test.get("/readyz").await.status, StatusCode::OK);
}
