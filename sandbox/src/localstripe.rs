//! Somebody else's pretend Stripe, for a second opinion: `PyPI`'s `localstripe`, run as a program of its own.
//!
//! It knows less than Stripe does. On the way to it, parameters that it refuses are left out; on the way back, the amounts
//! that Stripe answers with every payment intent are added, and a decline is called what Stripe calls it. Nothing else is
//! changed.

use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::response::Response;
use serde_json::{Value, json};
use tokio::process::{Child, Command};

use crate::server::{self, Server};

const READY_WITHIN: Duration = Duration::from_secs(20);
const BODY_LIMIT: usize = 1 << 20;

/// A key as its merchants send it; it takes any.
pub const SECRET_KEY: &str = "sk_test_localstripe";

/// The program, and the way to it, until they are dropped.
#[derive(Debug)]
pub struct LocalStripe {
    _program: Child,
    way: Server,
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    base: String,
    http: reqwest::Client,
}

impl LocalStripe {
    /// Starts the program on a free port.
    pub async fn start(program: &Path) -> Result<Self> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let child = Command::new(program)
            .args(["--from-scratch", "--port", &port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("starting {}", program.display()))?;
        let inner = Arc::new(Inner {
            base: format!("http://127.0.0.1:{port}"),
            http: reqwest::Client::builder().build()?,
        });
        let started = Instant::now();
        while inner.http.get(&inner.base).send().await.is_err() {
            if started.elapsed() > READY_WITHIN {
                bail!("localstripe does not answer");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let router = Router::new().fallback(pass_on).with_state(Arc::clone(&inner));
        let way = Server::start(router, 0).await?;
        Ok(Self {
            _program: child,
            way,
            inner,
        })
    }

    /// Where the service reaches it.
    #[must_use]
    pub fn url(&self) -> String {
        self.way.url()
    }

    /// A card, as the customer's browser would hand it over: the method's id.
    pub async fn card(&self, number: &str) -> Result<String> {
        let form = [
            ("type", "card"),
            ("card[number]", number),
            ("card[exp_month]", "12"),
            ("card[exp_year]", "2030"),
            ("card[cvc]", "123"),
        ];
        let made = self.inner.post("/v1/payment_methods", &form).await?.1;
        let id = made["id"].as_str().context("a method without an id")?;
        Ok(id.to_owned())
    }

    /// The charge of an intent as it has it itself: what the additions on the way back cannot hide.
    pub async fn charge(&self, intent: &str) -> Result<Value> {
        let url = format!("{}/v1/payment_intents/{intent}", self.inner.base);
        let (_, mut intent) = Inner::answer(self.inner.http.get(url)).await?;
        Ok(intent["latest_charge"].take())
    }

    /// Sends signed webhooks there from now on.
    pub async fn send_webhooks(&self, url: &str, secret: &str) -> Result<()> {
        let form = [("url", url), ("secret", secret)];
        let request = self
            .inner
            .http
            .post(format!("{}/_config/webhooks/one", self.inner.base));
        request.form(&form).send().await?.error_for_status()?;
        Ok(())
    }
}

impl Inner {
    async fn post(&self, path: &str, form: &[(&str, &str)]) -> Result<(StatusCode, Value)> {
        let request = self.http.post(format!("{}{path}", self.base)).form(form);
        Self::answer(request).await
    }

    async fn answer(request: reqwest::RequestBuilder) -> Result<(StatusCode, Value)> {
        let response = request.bearer_auth(SECRET_KEY).send().await?;
        let status = StatusCode::from_u16(response.status().as_u16())?;
        let text = response.text().await?;
        Ok((status, serde_json::from_str(&text).unwrap_or(Value::String(text))))
    }
}

/// Which parameters it takes, by the end of the path.
fn taken(path: &str) -> &'static [&'static str] {
    match path.rsplit('/').next() {
        Some("payment_intents") => &[
            "amount",
            "currency",
            "customer",
            "payment_method",
            "metadata",
            "capture_method",
            "confirm",
            "off_session",
        ],
        Some("capture") => &["amount_to_capture"],
        Some("refunds") => &["payment_intent", "amount", "metadata", "limit"],
        _ => &[],
    }
}

async fn pass_on(State(inner): State<Arc<Inner>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, BODY_LIMIT).await.unwrap_or_default();
    let path = parts.uri.path();
    let query = Bytes::copy_from_slice(parts.uri.query().unwrap_or_default().as_bytes());
    let sent = if parts.method == Method::GET {
        &query
    } else {
        &body
    };
    let params: Vec<(String, String)> = form_urlencoded::parse(sent).into_owned().collect();
    let known: Vec<(&str, &str)> = params
        .iter()
        .filter(|(name, _)| {
            let first = name.split('[').next().unwrap_or_default();
            taken(path).contains(&first)
        })
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let answered = if parts.method == Method::GET {
        let request = inner.http.get(format!("{}{path}", inner.base)).query(&known);
        Inner::answer(request).await
    } else {
        confirmable(&inner, path, &params).await;
        inner.post(path, &known).await
    };
    match answered {
        Ok((status, mut value)) => {
            with_amounts(&mut value);
            if status == StatusCode::PAYMENT_REQUIRED {
                value["error"]["type"] = json!("card_error");
            }
            server::json(status, value.to_string())
        }
        Err(_) => server::reset(),
    }
}

/// It confirms with the method that an intent has, and takes none along.
async fn confirmable(inner: &Inner, path: &str, params: &[(String, String)]) {
    let method = params.iter().find(|(name, _)| name == "payment_method");
    if let (Some(intent), Some((_, method))) = (path.strip_suffix("/confirm"), method) {
        // Where this is refused, the confirmation is too.
        let _ = inner.post(intent, &[("payment_method", method)]).await;
    }
}

/// Stripe says with every payment intent what can be captured and what was.
fn with_amounts(value: &mut Value) {
    if value["object"] != "payment_intent" {
        return;
    }
    let amount = value["amount"].clone();
    let (capturable, received) = match value["status"].as_str() {
        Some("requires_capture") => (amount, json!(0)),
        Some("succeeded") => (json!(0), amount),
        _ => (json!(0), json!(0)),
    };
    value["amount_capturable"] = capturable;
    value["amount_received"] = received;
}
