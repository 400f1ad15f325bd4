//! Random requests on payments, and what must be true of those payments once all is quiet.

use std::time::Duration;

use futures::future::join_all;
use proptest::prelude::*;
use quittance_sandbox::faults::{Fault, Matcher};
use quittance_sandbox::stripe::DeliveryPlan;
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Reply, TestApp, eventually_within};

/// What every payment is of.
const AMOUNT: i64 = 12_100;

/// How long anything may take to become quiet.
const PATIENCE: Duration = Duration::from_secs(20);

/// What is asked of a payment.
#[derive(Clone, Copy, Debug)]
enum Ask {
    Capture { part: Option<i64>, is_final: bool },
    Cancel,
    Refund { part: Option<i64> },
    Confirm,
    Refresh,
}

/// One request: so long after the first, with what goes wrong at the provider.
#[derive(Clone, Copy, Debug)]
struct Step {
    ask: Ask,
    after: Duration,
    fault: Option<Fault>,
}

/// What happens to one payment, all at once.
#[derive(Clone, Debug)]
struct Course {
    /// Whether it is captured from the start, or only authorized.
    captured: bool,
    steps: Vec<Step>,
}

/// What happens to several payments, all at once, and how their events arrive.
#[derive(Clone, Debug)]
pub(super) struct Case {
    courses: Vec<Course>,
    copies: usize,
    window: usize,
    concurrency: usize,
}

impl Ask {
    /// The path under the payment's, and the body; none for a read.
    fn request(self) -> (&'static str, Option<Value>) {
        match self {
            Self::Capture { part, is_final } => {
                let body = json!({ "amount_minor": part, "final": is_final });
                ("/capture", Some(body))
            }
            Self::Cancel => ("/cancel", Some(json!({}))),
            Self::Refund { part } => ("/refunds", Some(json!({ "amount_minor": part }))),
            Self::Confirm => ("/confirm", Some(json!({ "payment_method": "pm_card_visa" }))),
            Self::Refresh => ("?refresh=true", None),
        }
    }

    /// What it sends to the provider.
    fn matcher(self, intent: &str) -> Matcher {
        let path = format!("/v1/payment_intents/{intent}");
        match self {
            Self::Capture { .. } => Matcher::method_path("POST", &format!("{path}/capture")),
            Self::Cancel => Matcher::method_path("POST", &format!("{path}/cancel")),
            Self::Confirm => Matcher::method_path("POST", &format!("{path}/confirm")),
            Self::Refund { .. } => Matcher::method_path("POST", "/v1/refunds"),
            Self::Refresh => Matcher::method_path("GET", &path),
        }
    }
}

fn ask() -> impl Strategy<Value = Ask> {
    let part = || prop_oneof![3 => (1..=AMOUNT).prop_map(Some), 1 => Just(None)];
    prop_oneof![
        5 => (part(), any::<bool>()).prop_map(|(part, is_final)| Ask::Capture { part, is_final }),
        5 => part().prop_map(|part| Ask::Refund { part }),
        2 => Just(Ask::Cancel),
        2 => Just(Ask::Refresh),
        1 => Just(Ask::Confirm),
    ]
}

fn fault() -> impl Strategy<Value = Option<Fault>> {
    let busy = Fault::TooManyRequests {
        retry_after_secs: None,
    };
    let faults = [
        Fault::TimeoutBefore,
        Fault::TimeoutAfter,
        Fault::ResetBefore,
        Fault::ResetAfter,
        Fault::CutAfter,
        Fault::ErrorBefore,
        Fault::ErrorAfter,
        Fault::Garbage,
        Fault::Conflict,
        Fault::Unavailable,
        busy,
        Fault::Delay(Duration::from_millis(60)),
        // Longer than we wait: it happens after we have given up.
        Fault::Delay(Duration::from_millis(500)),
    ];
    prop_oneof![1 => Just(None), 1 => prop::sample::select(faults.to_vec()).prop_map(Some)]
}

fn step() -> impl Strategy<Value = Step> {
    (ask(), 0..120_u64, fault()).prop_map(|(ask, after_ms, fault)| Step {
        ask,
        after: Duration::from_millis(after_ms),
        fault,
    })
}

/// Any case.
pub(super) fn cases(payments: usize) -> impl Strategy<Value = Case> {
    let course = (any::<bool>(), prop::collection::vec(step(), 2..8))
        .prop_map(|(captured, steps)| Course { captured, steps });
    let courses = prop::collection::vec(course, payments);
    (courses, 1..3_usize, 1..5_usize, 1..5_usize).prop_map(|(courses, copies, window, concurrency)| Case {
        courses,
        copies,
        window,
        concurrency,
    })
}

/// Where the requests go, one after the other in turn.
pub(super) struct Doors<'a> {
    test: &'a TestApp,
    urls: Vec<String>,
    http: Client,
}

/// A request that was made, under its key, and the answer that must not change any more.
struct Asked {
    path: String,
    key: String,
    body: Value,
    kept: Option<Reply>,
}

impl<'a> Doors<'a> {
    /// The services at these addresses, all over the test's database.
    pub(super) fn new(test: &'a TestApp, urls: Vec<String>) -> Self {
        let http = Client::builder().build().unwrap();
        Self { test, urls, http }
    }

    async fn send(&self, door: usize, path: &str, keyed: Option<(&str, &Value)>) -> Reply {
        let url = format!("{}{path}", self.urls[door % self.urls.len()]);
        let request = match keyed {
            Some((key, body)) => self
                .http
                .request(Method::POST, url)
                .header("Idempotency-Key", key)
                .json(body),
            None => self.http.request(Method::GET, url),
        };
        let reply = Reply::of(request.bearer_auth(&self.test.key)).await;
        let legal = [200, 201, 202, 409, 422, 429, 503].contains(&reply.status.as_u16());
        assert!(legal, "{path}: {reply:?}");
        reply
    }

    /// Carries a case out, and proves what must be true after it. `name` makes its references and keys its own.
    pub(super) async fn prove(&self, name: &str, case: &Case) {
        self.test.stripe.set_delivery(
            DeliveryPlan {
                copies: case.copies,
                ..DeliveryPlan::default()
            }
            .shuffled(case.window)
            .concurrent(case.concurrency),
        );
        let courses = case.courses.iter().enumerate();
        let asked =
            join_all(courses.map(|(number, course)| self.run(format!("{name}-{number}"), course))).await;
        self.test.stripe.faults().clear();
        self.quiet().await;
        join_all(
            asked
                .into_iter()
                .flatten()
                .enumerate()
                .map(|(door, asked)| self.end(door, asked)),
        )
        .await;
        self.quiet().await;
        self.check(case.courses.len()).await;
    }

    /// Makes a payment, and asks everything of it at once.
    async fn run(&self, name: String, course: &Course) -> Vec<Asked> {
        let method = if course.captured { "automatic" } else { "manual" };
        let wish = json!({ "capture_method": method, "payment_method": "pm_card_visa" });
        let asked = self.test.create(&name, wish).await.json();
        let state = if course.captured { "captured" } else { "authorized" };
        // On a busy machine its answer may be late.
        let made = self.test.until(asked["id"].as_str().unwrap(), state).await;
        let intent = made["provider_reference"].as_str().unwrap();
        let id = made["id"].as_str().unwrap();
        let steps = course.steps.iter().enumerate();
        let asked = join_all(steps.map(|(number, step)| {
            let key = format!("{name}-{number}");
            async move {
                tokio::time::sleep(step.after).await;
                if let Some(fault) = step.fault {
                    self.test.stripe.faults().next(step.ask.matcher(intent), fault);
                }
                let (what, body) = step.ask.request();
                let path = format!("/v1/payments/{id}{what}");
                let keyed = body.as_ref().map(|body| (key.as_str(), body));
                let reply = self.send(number, &path, keyed).await;
                let kept = Some(reply).filter(is_kept);
                body.map(|body| Asked {
                    path,
                    key,
                    body,
                    kept,
                })
            }
        }))
        .await;
        asked.into_iter().flatten().collect()
    }

    /// Repeats a request under its key until it has its last answer, and proves that this one stays.
    async fn end(&self, door: usize, asked: Asked) {
        let Asked {
            path,
            key,
            body,
            kept,
        } = asked;
        let again = async || self.send(door, &path, Some((&key, &body))).await;
        let last = eventually_within(PATIENCE, async || {
            let reply = again().await;
            if has_ended(&reply) {
                Ok(reply)
            } else {
                Err(format!("{key}: {reply:?}"))
            }
        })
        .await;
        let first = kept.unwrap_or_else(|| last.clone());
        if is_kept(&first) {
            let replayed = again().await;
            assert_eq!(
                (replayed.status, &replayed.bytes),
                (first.status, &first.bytes),
                "{key}"
            );
            assert_eq!(last.bytes, first.bytes, "{key}");
            assert_eq!(replayed.header("Idempotency-Replayed"), Some("true"), "{key}");
        }
    }

    /// Waits until nothing is on its way any more.
    async fn quiet(&self) {
        let test = self.test;
        test.stripe.wait_until_delivered(PATIENCE).await.unwrap();
        eventually_within(PATIENCE, async || {
            let events = test.count("webhook_event where due_at is not null").await;
            let operations = test
                .count("operation where state in ('pending', 'unknown')")
                .await;
            if (events, operations) == (0, 0) {
                Ok(())
            } else {
                Err(format!("{events} events, {operations} operations"))
            }
        })
        .await;
    }

    /// Compares the youngest payments with the provider's.
    async fn check(&self, youngest: usize) {
        let test = self.test;
        for intent in test.stripe.payment_intents().into_iter().rev().take(youngest) {
            let id = intent["metadata"]["quittance_payment"].as_str().unwrap();
            check(&test.payment(id).await, &intent, &test.stripe.refunds());
        }
        assert_eq!(test.count("exception").await, 0);
        assert_eq!(test.count("webhook_event where state = 'dead'").await, 0);
        let refused = test.count("operation where state = 'refused'").await;
        assert_eq!(refused, 0, "the rules let nothing through that cannot be");
        assert_eq!(
            test.count("payment where posted_minor <> captured_minor").await,
            0
        );
    }
}

/// Whether an answer is one that is kept under its key.
fn is_kept(reply: &Reply) -> bool {
    matches!(
        reply.status,
        StatusCode::OK | StatusCode::CREATED | StatusCode::UNPROCESSABLE_ENTITY
    )
}

/// Whether there is nothing to come back for.
fn has_ended(reply: &Reply) -> bool {
    let waits_for_another = || {
        let code = &reply.json()["code"];
        code == "in_flight" || code == "operation_in_progress"
    };
    is_kept(reply) || reply.status == StatusCode::CONFLICT && !waits_for_another()
}

/// Compares a payment as we show it with what the provider holds.
fn check(payment: &Value, intent: &Value, refunds: &[Value]) {
    let minor = |value: &Value| value.as_i64().unwrap();
    let ours = |name: &str| minor(&payment[name]);
    let received = minor(&intent["amount_received"]);
    let state = match intent["status"].as_str().unwrap() {
        "requires_capture" => "authorized",
        "succeeded" => "captured",
        "canceled" if received == 0 => "canceled",
        other => panic!("nothing leads to {other}: {intent}"),
    };
    assert_eq!(payment["state"], state, "{payment:#}");
    let (authorized, captured, refunded) = (
        ours("authorized_minor"),
        ours("captured_minor"),
        ours("refunded_minor"),
    );
    assert!(0 <= refunded && refunded <= captured, "{payment:#}");
    assert!(
        captured <= authorized && authorized <= ours("amount_minor"),
        "{payment:#}"
    );
    assert_eq!(captured, received, "{payment:#}");
    assert_eq!(
        ours("capturable_minor"),
        minor(&intent["amount_capturable"]),
        "{payment:#}"
    );
    let given_back = refunds
        .iter()
        .filter(|refund| refund["payment_intent"] == intent["id"]);
    assert_eq!(
        refunded,
        given_back.map(|refund| minor(&refund["amount"])).sum::<i64>(),
        "{payment:#}"
    );
    let sum_of = |kind: &str| {
        let operations = payment["operations"].as_array().unwrap().iter();
        let done =
            operations.filter(|operation| operation["kind"] == kind && operation["state"] == "succeeded");
        done.map(|operation| minor(&operation["amount_minor"]))
            .sum::<i64>()
    };
    assert_eq!(refunded, sum_of("refund"), "{payment:#}");
    if payment["capture_method"] == "manual" {
        assert_eq!(captured, sum_of("capture"), "{payment:#}");
    }
}
