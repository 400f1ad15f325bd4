//! A proxy before replicas, as a cluster's is: it asks one after the other, repeats nothing, and forgets one that drains.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::Response;
use quittance_sandbox::server::Server;
use reqwest::Client;

/// What no request of ours is longer than.
const MOST_BYTES: usize = 1024 * 1024;
/// Longer than any caller waits.
const PATIENCE: Duration = Duration::from_secs(30);
/// What belongs to one connection, and not to the request.
const HOP: [HeaderName; 3] = [header::HOST, header::CONNECTION, header::TRANSFER_ENCODING];

/// A proxy on loopback, until it is dropped.
#[derive(Debug)]
pub struct Proxy {
    server: Server,
    routes: Arc<Routes>,
}

#[derive(Debug)]
struct Routes {
    client: Client,
    state: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    replicas: Vec<String>,
    answered: usize,
    failed: Vec<String>,
}

impl Proxy {
    /// Starts one that knows no replica yet.
    pub async fn start() -> Result<Self> {
        let client = Client::builder()
            .timeout(PATIENCE)
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        let routes = Arc::new(Routes {
            client,
            state: Mutex::default(),
        });
        let passing = Router::new().fallback(pass).with_state(Arc::clone(&routes));
        let server = Server::start(passing, 0).await?;
        Ok(Self { server, routes })
    }

    /// Where callers ask.
    #[must_use]
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// Sends requests to one more replica.
    pub fn add(&self, replica: &str) {
        self.routes.seen().replicas.push(replica.to_owned());
    }

    /// Sends no more requests to a replica; those that are there go on.
    pub fn drain(&self, replica: &str) {
        self.routes.seen().replicas.retain(|each| each != replica);
    }

    /// How many requests were answered.
    #[must_use]
    pub fn answered(&self) -> usize {
        self.routes.seen().answered
    }

    /// What callers were answered with 5xx, whoever said so.
    #[must_use]
    pub fn failed(&self) -> Vec<String> {
        self.routes.seen().failed.clone()
    }
}

impl Routes {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whose turn it is.
    fn next(&self) -> Result<String> {
        let replicas = &mut self.seen().replicas;
        let replica = replicas.first().cloned();
        let replica = replica.context("no replica is left")?;
        replicas.rotate_left(1);
        Ok(replica)
    }

    async fn forward(&self, request: Request) -> Result<Response> {
        let (parts, body) = request.into_parts();
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        let url = format!("{}{path}", self.next()?);
        let body = to_bytes(body, MOST_BYTES).await?;
        let asked = self
            .client
            .request(parts.method, url)
            .headers(passed(&parts.headers));
        let answer = asked.body(body).send().await?;
        let mut response = Response::builder().status(answer.status());
        if let Some(headers) = response.headers_mut() {
            *headers = passed(answer.headers());
        }
        Ok(response.body(Body::from(answer.bytes().await?))?)
    }
}

async fn pass(State(routes): State<Arc<Routes>>, request: Request) -> Response {
    let what = format!("{} {}", request.method(), request.uri().path());
    let (response, said) = match routes.forward(request).await {
        Ok(response) => (response, String::new()),
        Err(error) => (bad_gateway(), format!("{error:#}")),
    };
    let mut seen = routes.seen();
    seen.answered += 1;
    if response.status().is_server_error() {
        seen.failed.push(format!("{what}: {} {said}", response.status()));
    }
    drop(seen);
    response
}

fn bad_gateway() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::BAD_GATEWAY;
    response
}

fn passed(headers: &HeaderMap) -> HeaderMap {
    let mut headers = headers.clone();
    for name in HOP {
        headers.remove(name);
    }
    headers
}
