//! A pretend OpenTelemetry collector: takes spans over HTTP in protobuf and keeps what it is sent, byte for byte.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use bytes::Bytes;

use crate::server::Server;

/// A running pretend collector; dropping it stops it.
#[derive(Debug)]
pub struct PretendCollector {
    server: Server,
    kept: Kept,
}

type Kept = Arc<Mutex<Vec<Bytes>>>;

/// A span, as far as tests look at it. Ids are in hexadecimal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// Its trace.
    pub trace: String,
    /// Its own id.
    pub id: String,
    /// The span that it is beneath; empty where it is the first.
    pub parent: String,
    /// What it is called.
    pub name: String,
    /// What is told of it.
    pub attributes: BTreeMap<String, String>,
    /// The traces that it is also about.
    pub links: Vec<String>,
    /// Whether it failed.
    pub failed: bool,
}

impl PretendCollector {
    /// Starts it on a port of its own.
    pub async fn start() -> Result<Self> {
        let kept = Kept::default();
        let app = Router::new()
            .route("/v1/traces", post(take))
            .with_state(Arc::clone(&kept));
        let server = Server::start(app, 0).await?;
        Ok(Self { server, kept })
    }

    /// Where it listens.
    #[must_use]
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// All that it was sent.
    #[must_use]
    pub fn bytes(&self) -> Vec<Bytes> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The spans in it, in the order in which they ended.
    #[must_use]
    pub fn spans(&self) -> Vec<Span> {
        let inner = |messages: Vec<Bytes>, number| -> Vec<Bytes> {
            messages
                .iter()
                .flat_map(|message| lengths(message, number))
                .collect()
        };
        let scopes = inner(inner(self.bytes(), 1), 2);
        inner(scopes, 2).iter().map(Span::read).collect()
    }
}

async fn take(State(kept): State<Kept>, body: Bytes) -> StatusCode {
    kept.lock().unwrap_or_else(PoisonError::into_inner).push(body);
    StatusCode::OK
}

impl Span {
    fn read(message: &Bytes) -> Self {
        let one = |number| lengths(message, number).into_iter().next().unwrap_or_default();
        let attributes = lengths(message, 9).into_iter().filter_map(|pair| {
            let [key, value] = [1, 2].map(|number| lengths(&pair, number).into_iter().next());
            Some((text(&key?), value_of(&value?)))
        });
        Self {
            trace: hex(&one(1)),
            id: hex(&one(2)),
            parent: hex(&one(4)),
            name: text(&one(5)),
            attributes: attributes.collect(),
            links: lengths(message, 13)
                .iter()
                .flat_map(|link| lengths(link, 1))
                .map(|trace| hex(&trace))
                .collect(),
            failed: fields(&one(15)).contains(&(3, Field::Number(2))),
        }
    }
}

/// A value of an attribute: a text or a number.
fn value_of(message: &Bytes) -> String {
    match fields(message).into_iter().next() {
        Some((_, Field::Bytes(bytes))) => text(&bytes),
        Some((_, Field::Number(number))) => number.to_string(),
        None => String::new(),
    }
}

fn text(bytes: &Bytes) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn hex(bytes: &Bytes) -> String {
    bytes
        .iter()
        .fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

/// A field of a protobuf message.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Field {
    Number(u64),
    Bytes(Bytes),
}

/// The fields of a number that are messages, texts or bytes.
fn lengths(message: &Bytes, number: u64) -> Vec<Bytes> {
    let wanted = fields(message).into_iter().filter(|(found, _)| *found == number);
    wanted
        .filter_map(|(_, field)| match field {
            Field::Bytes(bytes) => Some(bytes),
            Field::Number(_) => None,
        })
        .collect()
}

/// All fields of a message, by their numbers; as far as it can be read.
fn fields(message: &Bytes) -> Vec<(u64, Field)> {
    let mut rest = message.clone();
    std::iter::from_fn(|| {
        let tag = varint(&mut rest)?;
        let field = match tag & 7 {
            0 => Field::Number(varint(&mut rest)?),
            1 => Field::Number(u64::from_le_bytes(take_bytes(&mut rest, 8)?[..].try_into().ok()?)),
            2 => {
                let length = usize::try_from(varint(&mut rest)?).ok()?;
                Field::Bytes(take_bytes(&mut rest, length)?)
            }
            5 => {
                let four: [u8; 4] = take_bytes(&mut rest, 4)?[..].try_into().ok()?;
                Field::Number(u32::from_le_bytes(four).into())
            }
            _ => return None,
        };
        Some((tag >> 3, field))
    })
    .collect()
}

fn take_bytes(rest: &mut Bytes, length: usize) -> Option<Bytes> {
    (length <= rest.len()).then(|| rest.split_to(length))
}

fn varint(rest: &mut Bytes) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let byte = *take_bytes(rest, 1)?.first()?;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}
