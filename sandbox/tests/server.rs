//! The server's connections, and the faults that break them.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use quittance_sandbox::faults::{Fault, Faults, Matcher, Refusal};
use quittance_sandbox::server::{self, Server};

const BODY: &str = "{\"effect\": \"it happened, and this is the proof of it\"}";

#[derive(Clone, Default)]
struct Service {
    faults: Faults,
    effects: Arc<AtomicU32>,
}

async fn handle(State(service): State<Service>, request: Request) -> Response {
    let fault = service.faults.take(request.method(), request.uri().path());
    let effects = Arc::clone(&service.effects);
    let effect = async move {
        effects.fetch_add(1, Ordering::Relaxed);
        server::json(StatusCode::OK, BODY)
    };
    service
        .faults
        .answer(fault, effect, |Refusal { status, .. }| server::json(status, "{}"))
        .await
}

struct Bench {
    service: Service,
    server: Server,
    client: reqwest::Client,
}

impl Bench {
    async fn start() -> Self {
        let service = Service::default();
        let router = Router::new().fallback(handle).with_state(service.clone());
        let server = Server::start(router, 0).await.unwrap();
        let client = reqwest::Client::builder()
            .timeout(Duration::from_millis(300))
            .build()
            .unwrap();
        Self {
            service,
            server,
            client,
        }
    }

    async fn post(&self) -> reqwest::Result<(StatusCode, String)> {
        let response = self
            .client
            .post(format!("{}/things", self.server.url()))
            .send()
            .await?;
        Ok((response.status(), response.text().await?))
    }

    async fn under(&self, fault: Fault) -> reqwest::Result<(StatusCode, String)> {
        self.service
            .faults
            .next(Matcher::method_path("POST", "/things"), fault);
        self.post().await
    }

    fn effects(&self) -> u32 {
        self.service.effects.load(Ordering::Relaxed)
    }
}

#[tokio::test]
async fn one_connection_serves_many_requests_until_the_server_stops() {
    let bench = Bench::start().await;
    for _ in 0..5 {
        assert_eq!(bench.post().await.unwrap(), (StatusCode::OK, BODY.to_owned()));
    }
    assert_eq!(bench.server.connections(), 1);
    let url = bench.server.url();
    bench.server.stop().await;
    assert!(bench.client.post(url).send().await.unwrap_err().is_connect());
}

#[tokio::test]
async fn a_reset_before_the_effect_leaves_none_and_one_after_leaves_it() {
    let bench = Bench::start().await;
    bench.under(Fault::ResetBefore).await.unwrap_err();
    assert_eq!(bench.effects(), 0);
    let error = bench.under(Fault::ResetAfter).await.unwrap_err();
    assert_eq!(bench.effects(), 1);
    assert!(format!("{error:?}").contains("ConnectionReset"), "{error:?}");
}

#[tokio::test]
async fn a_timeout_before_the_effect_leaves_none_and_one_after_leaves_it() {
    let bench = Bench::start().await;
    assert!(bench.under(Fault::TimeoutBefore).await.unwrap_err().is_timeout());
    assert_eq!(bench.effects(), 0);
    assert!(bench.under(Fault::TimeoutAfter).await.unwrap_err().is_timeout());
    assert_eq!(bench.effects(), 1);
}

#[tokio::test]
async fn a_cut_answer_has_its_status_but_not_its_whole_body() {
    let bench = Bench::start().await;
    bench.service.faults.next(Matcher::any(), Fault::CutAfter);
    let mut response = bench.client.post(bench.server.url()).send().await.unwrap();
    assert_eq!(
        (response.status(), response.content_length()),
        (StatusCode::OK, Some(BODY.len() as u64))
    );
    let half = response.chunk().await.unwrap().unwrap();
    assert_eq!(half, BODY.as_bytes()[..BODY.len() / 2]);
    response.chunk().await.unwrap_err();
    assert_eq!(bench.effects(), 1);
}

#[tokio::test]
async fn a_delayed_effect_happens_even_if_the_caller_has_left() {
    let bench = Bench::start().await;
    bench
        .under(Fault::Delay(Duration::from_millis(400)))
        .await
        .unwrap_err();
    assert_eq!(bench.effects(), 0);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(bench.effects(), 1);
}

#[tokio::test]
async fn refusals_and_garbage_say_what_they_are() {
    let bench = Bench::start().await;
    let refused = Fault::TooManyRequests {
        retry_after_secs: Some(1),
    };
    assert_eq!(
        bench.under(refused).await.unwrap().0,
        StatusCode::TOO_MANY_REQUESTS
    );
    assert_eq!(
        bench.under(Fault::Conflict).await.unwrap().0,
        StatusCode::CONFLICT
    );
    assert_eq!(
        bench.under(Fault::ErrorBefore).await.unwrap().0,
        StatusCode::INTERNAL_SERVER_ERROR
    );
    assert_eq!(
        bench.under(Fault::Unavailable).await.unwrap().0,
        StatusCode::SERVICE_UNAVAILABLE
    );
    assert_eq!(bench.effects(), 0);
    assert_eq!(
        bench.under(Fault::ErrorAfter).await.unwrap().0,
        StatusCode::INTERNAL_SERVER_ERROR
    );
    let (status, body) = bench.under(Fault::Garbage).await.unwrap();
    assert_eq!((status, bench.effects()), (StatusCode::OK, 2));
    assert_ne!(body, BODY);
    assert_eq!(bench.service.faults.fired().len(), 6);
}
