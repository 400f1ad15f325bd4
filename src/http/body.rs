//! How a body is taken in: whole, as it was sent, and within bounds of size, time and memory.

use std::convert::Infallible;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest};
use actix_web::error::PayloadError;
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use actix_web::web::BytesMut;
use actix_web::{FromRequest, HttpMessage, HttpRequest, HttpResponse, ResponseError, web};
use futures::{StreamExt, stream};

use super::Problem;
use super::gate::{Gates, Held, Share};

/// The largest body taken, in bytes.
pub const BODY_LIMIT: usize = 256 * 1024;

/// How long a body may take to arrive.
const ARRIVES_WITHIN: Duration = Duration::from_secs(10);

/// What is set aside for a body before any of it has come, in bytes, whatever it says of its length.
const SET_ASIDE: usize = 8 * 1024;

/// An answer's body that keeps its request's unread.
pub(super) struct Unread {
    answer: BoxBody,
    _payload: Payload,
}

impl Unread {
    /// An answer to a request whose body is not read.
    pub(super) fn answer(problem: &Problem, payload: Payload) -> HttpResponse {
        let unread = |_: &mut _, answer| {
            BoxBody::new(Self {
                answer,
                _payload: payload,
            })
        };
        problem.error_response().map_body(unread)
    }
}

impl MessageBody for Unread {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        self.answer.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<web::Bytes, Self::Error>>> {
        Pin::new(&mut self.answer).poll_next(cx)
    }
}

/// The bytes of a body, counted as held until they are dropped.
#[derive(Debug)]
pub(super) struct Whole {
    bytes: BytesMut,
    _held: Share,
}

impl Deref for Whole {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Takes a request's body in. `held` finds where its bytes are counted.
///
/// # Errors
/// What is wrong with it, once the future is awaited.
pub(super) fn take_in(
    request: &HttpRequest,
    payload: &mut Payload,
    held: fn(&Gates) -> Arc<Held>,
) -> impl Future<Output = Result<Whole, Problem>> + use<> {
    let declared = check_declared(request);
    let held = request
        .app_data::<web::Data<Gates>>()
        .map_or_else(Arc::default, |gates| held(gates));
    let mut payload = payload.take();
    async move {
        let length = declared?;
        read_in_time(&mut payload, length, held).await
    }
}

/// Reads a body that says nothing of its length, before it is known what is asked. One that is refused stays unread: the payload goes
/// with the answer, so that its connection is closed. Dropped sooner, it would be read to an end that may never come.
pub(super) async fn take_in_chunks(
    request: &mut ServiceRequest,
    held: Arc<Held>,
) -> Result<(), (Problem, Payload)> {
    let mut payload = request.take_payload();
    let read = async {
        let length = check_declared(request.request())?;
        read_in_time(&mut payload, length, held).await
    };
    match read.await {
        Ok(whole) => {
            let bytes = whole.bytes.freeze();
            let payload = Box::pin(stream::once(async move { Ok(bytes) }));
            request.set_payload(Payload::Stream { payload });
            Ok(())
        }
        Err(problem) => Err((problem, payload)),
    }
}

async fn read_in_time(payload: &mut Payload, length: usize, held: Arc<Held>) -> Result<Whole, Problem> {
    let read = read(payload, length, Share::none(held));
    tokio::time::timeout(ARRIVES_WITHIN, read)
        .await
        .unwrap_or_else(|_| Err(too_slow()))
}

async fn read(payload: &mut Payload, length: usize, mut held: Share) -> Result<Whole, Problem> {
    let mut bytes = BytesMut::with_capacity(length.min(SET_ASIDE));
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|error| unreadable(&error))?;
        if bytes.len() + chunk.len() > BODY_LIMIT {
            return Err(too_large());
        }
        held.grow(chunk.len())?;
        bytes.extend_from_slice(&chunk);
    }
    Ok(Whole { bytes, _held: held })
}

/// The length that a body is said to have, where it can be taken.
fn check_declared(request: &HttpRequest) -> Result<usize, Problem> {
    let header = |name| {
        request
            .headers()
            .get(name)
            .map(|value| value.to_str().unwrap_or_default())
    };
    if let Some(encoding) = header(CONTENT_ENCODING)
        && !encoding.eq_ignore_ascii_case("identity")
    {
        let detail = "bodies are taken as they are; send it without Content-Encoding";
        return Err(unsupported("content_encoding_unsupported", detail).at("Content-Encoding"));
    }
    let length = header(CONTENT_LENGTH)
        .and_then(|text| text.parse().ok())
        .unwrap_or(0);
    if length > BODY_LIMIT {
        return Err(too_large());
    }
    Ok(length)
}

/// Whether a body, where there is one, is said to be JSON, or nothing is said of it.
///
/// # Errors
/// 415.
pub(super) fn declared_json(request: &HttpRequest) -> Result<(), Problem> {
    let Some(value) = request.headers().get(CONTENT_TYPE) else {
        return Ok(());
    };
    let kind = value.to_str().unwrap_or_default();
    let essence = kind
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    if essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json")) {
        return Ok(());
    }
    Err(unsupported("unsupported_media_type", "send JSON, as application/json").at("Content-Type"))
}

fn unsupported(code: &'static str, detail: &str) -> Problem {
    Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, code, detail)
}

fn too_large() -> Problem {
    Problem::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "body_too_large",
        format!("the body may have {BODY_LIMIT} bytes at most"),
    )
}

fn too_slow() -> Problem {
    let detail = format!("the body must arrive within {} seconds", ARRIVES_WITHIN.as_secs());
    Problem::new(StatusCode::REQUEST_TIMEOUT, "body_too_slow", detail)
}

fn unreadable(error: &PayloadError) -> Problem {
    tracing::debug!(%error, "a body did not arrive whole");
    Problem::new(
        StatusCode::BAD_REQUEST,
        "body_unreadable",
        "the body did not arrive whole",
    )
}

/// What a provider delivered, or why it could not be taken in.
#[derive(Debug)]
pub(super) struct Delivered(pub(super) Result<Whole, Problem>);

impl FromRequest for Delivered {
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Infallible>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let body = take_in(request, payload, Gates::webhook_bodies);
        Box::pin(async move { Ok(Self(body.await)) })
    }
}
