//! A small HTTP/1.1 server on loopback whose handlers may break the connection.
//!
//! An ordinary server always ends an answer properly. A pretend service must also be able to vanish: a handler
//! returns [`reset`] to close the connection with nothing written, or [`cut`] to stop half-way through a body.

use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use axum::{BoxError, Router};
use bytes::Bytes;
use futures::stream::{self, StreamExt};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

/// How long the first half of a cut body is given to leave before the connection ends.
const FLUSH: Duration = Duration::from_millis(5);

/// A router served on 127.0.0.1 until it is stopped or dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    accepted: Arc<AtomicU64>,
    stopping: CancellationToken,
    tasks: TaskTracker,
}

impl Server {
    /// Serves `router` on a port of 127.0.0.1; port 0 takes a free one.
    pub async fn start(router: Router, port: u16) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
            .await
            .with_context(|| format!("listening on 127.0.0.1:{port}"))?;
        let address = listener
            .local_addr()
            .context("reading the address that was bound")?;
        let server = Self {
            address,
            accepted: Arc::default(),
            stopping: CancellationToken::new(),
            tasks: TaskTracker::new(),
        };
        server.tasks.spawn(accept(
            listener,
            router,
            Arc::clone(&server.accepted),
            server.stopping.clone(),
            server.tasks.clone(),
        ));
        Ok(server)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The base URL, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many TCP connections were accepted so far: shows whether a client pools.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }

    /// Closes every connection and waits until nothing runs any more.
    pub async fn stop(self) {
        self.stopping.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stopping.cancel();
    }
}

/// An answer that is none: the connection is reset with nothing written.
#[must_use]
pub fn reset() -> Response {
    let mut response = Response::new(Body::empty());
    response.extensions_mut().insert(Reset);
    response
}

/// The answer as announced by its headers, but only half of its body before the connection ends.
pub async fn cut(answer: Response) -> Response {
    let (mut parts, body) = answer.into_parts();
    let whole = body
        .collect()
        .await
        .map(http_body_util::Collected::to_bytes)
        .unwrap_or_default();
    let half = whole.slice(..whole.len() / 2);
    parts
        .headers
        .insert(header::CONTENT_LENGTH, HeaderValue::from(whole.len()));
    let end = stream::once(async {
        tokio::time::sleep(FLUSH).await;
        Err::<Bytes, BoxError>(Box::new(Cut))
    });
    Response::from_parts(parts, Body::from_stream(stream::iter([Ok(half)]).chain(end)))
}

/// Marks a response, and then the connection's error, as "write nothing, reset".
#[derive(Clone, Copy, Debug)]
struct Reset;

impl fmt::Display for Reset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the handler asked for a reset")
    }
}

impl Error for Reset {}

/// Ends a body before its announced length.
#[derive(Clone, Copy, Debug)]
struct Cut;

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the handler asked for a cut body")
    }
}

impl Error for Cut {}

async fn accept(
    listener: TcpListener,
    router: Router,
    accepted: Arc<AtomicU64>,
    stopping: CancellationToken,
    tasks: TaskTracker,
) {
    while let Some(connection) = stopping.run_until_cancelled(listener.accept()).await {
        match connection {
            Ok((stream, _)) => {
                accepted.fetch_add(1, Ordering::Relaxed);
                let (router, stopping) = (router.clone(), stopping.clone());
                tasks.spawn(async move { stopping.run_until_cancelled(serve(stream, router)).await });
            }
            // Out of file descriptors, mostly: connections that end make room.
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

async fn serve(stream: TcpStream, router: Router) {
    // Loopback only: a failure here costs speed, not meaning.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| answer(router.clone(), request));
    let mut connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    if let Err(error) = (&mut connection).await
        && error.source().is_some_and(<dyn Error>::is::<Reset>)
    {
        // Without lingering, the close that follows is a TCP reset.
        let _ = connection.into_parts().io.into_inner().set_zero_linger();
    }
}

async fn answer(router: Router, request: Request<Incoming>) -> Result<Response, Reset> {
    let response = router
        .oneshot(request.map(Body::new))
        .await
        .unwrap_or_else(|never: Infallible| match never {});
    if response.extensions().get::<Reset>().is_some() {
        Err(Reset)
    } else {
        Ok(response)
    }
}

/// A plain answer with a status and a JSON body, for services that write their own bodies.
#[must_use]
pub fn json(status: StatusCode, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
